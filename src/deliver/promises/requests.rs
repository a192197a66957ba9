//! D1 to D3: what is around a body.

use data_encoding::{BASE64, HEXLOWER};

use super::{rendered, samples};
use crate::{
    config::Transport,
    deliver::{
        envelope::Rendered,
        sign::{self, Signing},
    },
    event::{Event, EventType},
    profile::Profile,
    secret::Secret,
};

const AT: i64 = 1_704_825_660;
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn delivered() -> Event {
    let samples = samples::jetemail();
    let name = EventType::OutboundDelivered.name();
    samples::event(samples.iter().find(|sample| sample["type"] == name).unwrap())
}

fn secret(profile: Profile) -> Secret {
    Secret::parse(SECRET, profile).unwrap()
}

/// The headers of attempt `number` at `at`, and the body that they are about.
fn request(profile: Profile, at: i64, number: u32) -> (Vec<sign::Header>, Rendered) {
    request_with(&secret(profile), profile, at, number)
}

fn request_with(
    secret: &Secret,
    profile: Profile,
    at: i64,
    number: u32,
) -> (Vec<sign::Header>, Rendered) {
    let rendered = rendered(&delivered(), profile);
    let transport = Transport::default();
    let signing = Signing { profile, transport: &transport, keys: &[secret], at, number };
    (signing.headers(&rendered), rendered)
}

fn header(headers: &[sign::Header], name: &str) -> Option<String> {
    headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn d1_jetemail_names_event_and_time_and_signs() {
    let (headers, rendered) = request(Profile::Jetemail, AT, 1);
    let expected = format!("sha256={}", HEXLOWER.encode(&hmac(SECRET.as_bytes(), &rendered.body)));
    assert_eq!(header(&headers, "content-type").unwrap(), "application/json");
    assert_eq!(header(&headers, "x-webhook-id").unwrap(), delivered().id.to_string());
    assert_eq!(header(&headers, "x-webhook-timestamp").unwrap(), AT.to_string());
    assert_eq!(header(&headers, "x-webhook-signature").unwrap(), expected);
}

#[test]
fn d2_generic_signs_the_body_with_the_text_of_any_secret() {
    let secret = Secret::parse("your-webhook-secret", Profile::Generic).unwrap();
    let (headers, rendered) = request_with(&secret, Profile::Generic, AT, 1);
    let mac = hmac(b"your-webhook-secret", &rendered.body);
    let expected = format!("sha256={}", HEXLOWER.encode(&mac));
    assert_eq!(header(&headers, "x-webhook-signature").unwrap(), expected);
}

#[test]
fn d3_lettermint_names_event_time_and_attempt_and_signs_body_and_time() {
    for number in [1, 2, 12] {
        let (headers, rendered) = request(Profile::Lettermint, AT, number);
        let signed = [AT.to_string().as_bytes(), b".", &rendered.body].concat();
        let mac = HEXLOWER.encode(&hmac(SECRET.as_bytes(), &signed));
        let signature = header(&headers, "x-lettermint-signature").unwrap();
        assert_eq!(signature, format!("t={AT},v1={mac}"));
        assert_eq!(header(&headers, "x-lettermint-event").unwrap(), "message.delivered");
        assert_eq!(header(&headers, "x-lettermint-delivery").unwrap(), AT.to_string());
        assert_eq!(header(&headers, "x-lettermint-attempt").unwrap(), number.to_string());
    }
}

#[test]
fn d11_a_repeated_delivery_has_the_same_id_and_body() {
    for &profile in Profile::ALL {
        let (first, again) = (request(profile, AT, 1), request(profile, AT + 30, 2));
        assert_eq!(first.1, again.1);
        for name in ["webhook-id", "x-webhook-id"] {
            assert_eq!(header(&first.0, name), header(&again.0, name));
        }
    }
}

#[test]
fn c3_profiles_that_sign_the_body_alone_carry_the_standard_headers_too() {
    let key: Vec<u8> = (0..32).collect();
    for profile in [Profile::Jetemail, Profile::Generic, Profile::Standard] {
        let (headers, rendered) = request(profile, AT, 1);
        let id = header(&headers, "webhook-id").unwrap();
        let signed = [format!("{id}.{AT}.").as_bytes(), &rendered.body].concat();
        let expected = format!("v1,{}", BASE64.encode(&hmac(&key, &signed)));
        assert_eq!(header(&headers, "webhook-signature").unwrap(), expected);
        assert_eq!(header(&headers, "webhook-timestamp").unwrap(), AT.to_string());
    }
}

#[test]
fn c5_one_secret_is_two_keys() {
    let decoded: Vec<u8> = (0..32).collect();
    let secret = secret(Profile::Jetemail);
    assert_eq!(secret.literal_key(), SECRET.as_bytes());
    assert_eq!(secret.decoded_key(), Some(decoded));
}

#[test]
fn c12_no_header_is_an_id_in_one_profile_and_a_time_in_another() {
    let (headers, rendered) = request(Profile::Lettermint, AT, 1);
    let id = delivered().id.to_uuid();
    assert!(headers.iter().all(|(_, value)| *value != id), "only the body has the id");
    assert!(String::from_utf8(rendered.body.to_vec()).unwrap().contains(&id));
    let (headers, _) = request(Profile::Jetemail, AT, 1);
    assert_eq!(header(&headers, "x-lettermint-delivery"), None);
}
