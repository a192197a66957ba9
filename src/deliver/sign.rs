//! The headers that say what a request is and prove whose it is (webhooks.md §1.6, §2.6).
//!
//! Signatures are over the exact bytes of the body; the timestamp is that of the attempt.
//! Profiles that sign the body alone also carry the Standard Webhooks headers, which protect
//! against replay.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::envelope::Rendered;
use crate::{config::Transport, profile::Profile, secret::Secret};

/// Name, in lower case, and value of a header; both ASCII.
pub type Header = (&'static str, String);

/// What one request is to say of itself.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Dialect.
    pub profile: Profile,
    /// What else is to be said.
    pub transport: &'a Transport,
    /// What signs. The first one alone where there is room for one signature only.
    pub keys: &'a [&'a Secret],
    /// Seconds since the epoch.
    pub at: i64,
    /// Which attempt, from 1.
    pub number: u32,
}

impl Signing<'_> {
    /// The headers of a request with this body.
    #[must_use]
    pub fn headers(&self, rendered: &Rendered) -> Vec<Header> {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        match self.profile {
            Profile::Standard => {}
            Profile::Jetemail => {
                headers.push(("x-webhook-id", rendered.id.clone()));
                headers.push(("x-webhook-timestamp", self.at.to_string()));
                headers.extend(self.body_only(&rendered.body));
            }
            Profile::Generic => headers.extend(self.body_only(&rendered.body)),
            Profile::Lettermint => headers.extend(self.lettermint(rendered)),
        }
        if self.has_standard() {
            headers.extend(self.standard(rendered));
        }
        if self.transport.attempt_header {
            headers.push(("x-webhook-attempt", self.number.to_string()));
        }
        if self.transport.idempotency_key {
            headers.push(("idempotency-key", rendered.id.clone()));
        }
        headers
    }

    /// A signature over the body alone does not protect against a repeated request, so there the
    /// headers of Standard Webhooks stand beside it unless the operator says otherwise.
    fn has_standard(&self) -> bool {
        match self.profile {
            Profile::Standard => true,
            Profile::Jetemail | Profile::Generic => {
                self.transport.standard_signature.unwrap_or(true)
            }
            Profile::Lettermint => self.transport.standard_signature.unwrap_or(false),
        }
    }

    /// Standard Webhooks: for each key `v1,` and the base64 of the MAC of `id.timestamp.body`.
    fn standard(&self, rendered: &Rendered) -> [Header; 3] {
        let at = self.at.to_string();
        let parts = [rendered.id.as_bytes(), b".", at.as_bytes(), b".", &rendered.body];
        let signatures: Vec<_> = self
            .keys
            .iter()
            .map(|secret| format!("v1,{}", BASE64.encode(&mac(&standard_key(secret), &parts))))
            .collect();
        [
            ("webhook-id", rendered.id.clone()),
            ("webhook-timestamp", at),
            ("webhook-signature", signatures.join(" ")),
        ]
    }

    /// `sha256=` and the hex MAC of the body.
    fn body_only(&self, body: &[u8]) -> Option<Header> {
        let mac = mac(self.keys.first()?.literal_key(), &[body]);
        Some(("x-webhook-signature", format!("sha256={}", HEXLOWER.encode(&mac))))
    }

    /// `t=` the timestamp, `v1=` the hex MAC of `timestamp.body`. The provider's own library
    /// demands that the delivery header equals `t`, and takes the last of two signatures
    /// (webhooks.md §1.4).
    fn lettermint(&self, rendered: &Rendered) -> Vec<Header> {
        let at = self.at.to_string();
        let signature = self.keys.first().map(|secret| {
            let mac = mac(secret.literal_key(), &[at.as_bytes(), b".", &rendered.body]);
            ("x-lettermint-signature", format!("t={at},v1={}", HEXLOWER.encode(&mac)))
        });
        let others = [
            ("x-lettermint-event", rendered.type_name.to_owned()),
            ("x-lettermint-delivery", at.clone()),
            ("x-lettermint-attempt", self.number.to_string()),
        ];
        signature.into_iter().chain(others).collect()
    }
}

/// A secret that is not valid `whsec_` base64, as body-only profiles allow, is its own key.
fn standard_key(secret: &Secret) -> Vec<u8> {
    secret.decoded_key().unwrap_or_else(|| secret.literal_key().to_vec())
}

/// HMAC-SHA256 (RFC 2104) of the parts in a row.
#[expect(clippy::expect_used, reason = "the error exists for MACs with keys of fixed length")]
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use bytes::Bytes;

    use super::*;

    const AT: i64 = 1_704_825_660;
    const BODY: &str = concat!(
        r#"{"id":"evt_0001","service":"outbound","type":"outbound.delivered","#,
        r#""created_at":1704825600,"data":{"uid":"4B1F2C3D"}}"#
    );

    fn secret() -> Secret {
        let text = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        Secret::parse(text, Profile::Standard).unwrap()
    }

    fn rendered(id: &str, body: &'static str) -> Rendered {
        Rendered { id: id.into(), type_name: "message.delivered", body: Bytes::from(body) }
    }

    fn signed_with(profile: Profile, keys: &[&Secret], transport: &Transport) -> Vec<Header> {
        Signing { profile, transport, keys, at: AT, number: 3 }.headers(&rendered("evt_0001", BODY))
    }

    fn signed(profile: Profile, secret: &Secret) -> Vec<Header> {
        signed_with(profile, &[secret], &Transport::default())
    }

    fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
        headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_published_vectors_hold() {
        let body_only = "sha256=2102b14aeeeb66ff961172cac678918914a5f74ae7353b2e63c52ed9e07825c4";
        let trio = "v1,w9etUMb4ZmY6k0x3IssoPynBzOhX1JvqwSlY0filP2I=";
        for profile in [Profile::Jetemail, Profile::Generic] {
            let headers = signed(profile, &secret());
            assert_eq!(header(&headers, "x-webhook-signature"), Some(body_only));
            assert_eq!(header(&headers, "webhook-signature"), Some(trio));
        }
        let headers = signed(Profile::Standard, &secret());
        assert_eq!(header(&headers, "webhook-signature"), Some(trio));
        let headers = signed(Profile::Lettermint, &secret());
        assert_eq!(
            header(&headers, "x-lettermint-signature"),
            Some(
                "t=1704825660,v1=f1e3c0d2b1fef6a76aebb4b9173514b2fda40101062334595cd5b5201135cb4e"
            )
        );
    }

    /// From the test suite of the Standard Webhooks reference libraries.
    #[test]
    fn the_reference_vector_of_standard_webhooks_holds() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = Secret::parse(text, Profile::Standard).unwrap();
        let rendered = rendered("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let signing = Signing {
            profile: Profile::Standard,
            transport: &Transport::default(),
            keys: &[&secret],
            at: 1_614_265_330,
            number: 1,
        };
        let headers = signing.headers(&rendered);
        assert_eq!(
            header(&headers, "webhook-signature"),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn each_profile_has_its_headers_and_no_other() {
        let names = |profile| {
            let headers = signed(profile, &secret());
            headers.into_iter().skip(1).map(|(name, _)| name).collect::<Vec<_>>()
        };
        let trio = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        assert_eq!(names(Profile::Standard), trio);
        let own = ["x-webhook-id", "x-webhook-timestamp", "x-webhook-signature"];
        assert_eq!(names(Profile::Jetemail), [own, trio].concat());
        assert_eq!(names(Profile::Generic), [&own[2..], &trio].concat());
        let own = ["signature", "event", "delivery", "attempt"];
        assert_eq!(names(Profile::Lettermint), own.map(|name| format!("x-lettermint-{name}")));
    }

    #[test]
    fn jetemail_names_event_and_time() {
        let headers = signed(Profile::Jetemail, &secret());
        assert_eq!(header(&headers, "content-type"), Some("application/json"));
        assert_eq!(header(&headers, "x-webhook-id"), Some("evt_0001"));
        assert_eq!(header(&headers, "x-webhook-timestamp"), Some("1704825660"));
    }

    #[test]
    fn lettermint_delivery_equals_the_signed_time() {
        let headers = signed(Profile::Lettermint, &secret());
        assert_eq!(header(&headers, "x-lettermint-delivery"), Some("1704825660"));
        assert_eq!(header(&headers, "x-lettermint-event"), Some("message.delivered"));
        assert_eq!(header(&headers, "x-lettermint-attempt"), Some("3"));
    }

    #[test]
    fn a_literal_secret_signs_the_standard_headers_as_it_is() {
        let literal = Secret::parse("your-webhook-secret", Profile::Generic).unwrap();
        let headers = signed(Profile::Generic, &literal);
        let content = format!("evt_0001.{AT}.{BODY}");
        let expected = BASE64.encode(&mac(b"your-webhook-secret", &[content.as_bytes()]));
        assert_eq!(header(&headers, "webhook-signature"), Some(format!("v1,{expected}").as_str()));
    }

    #[test]
    fn each_live_key_signs_standard_and_only_the_newest_signs_the_others() {
        let former = Secret::parse("the-former-secret-of-it", Profile::Generic).unwrap();
        for &profile in Profile::ALL {
            let (new, old) = (signed(profile, &secret()), signed(profile, &former));
            let both = signed_with(profile, &[&secret(), &former], &Transport::default());
            for (name, value) in &both {
                let [new, old] = [&new, &old].map(|headers| header(headers, name).unwrap());
                if *name == "webhook-signature" {
                    assert_eq!(*value, format!("{new} {old}"));
                } else {
                    assert_eq!(value, new, "{profile:?} {name}");
                }
            }
        }
    }

    #[test]
    fn what_is_extra_is_sent_when_it_is_asked_for() {
        let names = |profile, transport: &Transport| {
            let headers = signed_with(profile, &[&secret()], transport);
            headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let none = Transport { standard_signature: Some(false), ..Transport::default() };
        assert!(!names(Profile::Jetemail, &none).contains(&"webhook-signature"));
        assert!(names(Profile::Standard, &none).contains(&"webhook-signature"));
        let all = Transport {
            standard_signature: Some(true),
            attempt_header: true,
            idempotency_key: true,
            ..Transport::default()
        };
        for &profile in Profile::ALL {
            let headers = signed_with(profile, &[&secret()], &all);
            assert!(header(&headers, "webhook-signature").is_some());
            assert_eq!(header(&headers, "x-webhook-attempt"), Some("3"));
            assert_eq!(header(&headers, "idempotency-key"), Some("evt_0001"));
            let mut once: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), headers.len(), "{profile:?}");
        }
    }
}
