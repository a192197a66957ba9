//! Signed envelope senders (VERP): tokens that one of our keys has signed lead to their message.
//!
//! A token shows that whoever wrote a report had the message, or heard of it from somebody who had:
//! its recipient, and every server on its way. It does not show who that was.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use mailherald_parsers::report::{Content, Report};
use sha2::Sha256;

use crate::{
    event::{
        SenderToken,
        sender_token::{ID_BYTES, MAC_BYTES},
    },
    secret::Hidden,
};

/// Makes the MAC one of nothing else that is signed with the same key.
const DOMAIN: &[u8] = b"mailherald-verp";

/// Days after which a token counts no more, as reports do.
const OLDEST_DAYS: i64 = 60;

/// The application's clock may be ahead.
const AHEAD_DAYS: i64 = 1;

/// An address that bears a token of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed<'a> {
    pub(super) token: SenderToken,
    pub(super) address: &'a str,
}

/// The addresses of a report that bear a token of ours: to which the report was sent, and from which
/// its message was.
pub(super) fn find<'a>(report: &'a Report, keys: &[Hidden], now: Timestamp) -> Vec<Signed<'a>> {
    let sender = match &report.content {
        Content::Feedback(feedback) => feedback.mail_from.as_deref(),
        _ => None,
    };
    let returned = report.returned.as_ref().and_then(|message| message.header("return-path"));
    let returned = returned.map(|path| path.trim_matches(['<', '>', ' ']));
    let given = report.head.delivered_to.iter().map(String::as_str);
    let mut found: Vec<Signed<'a>> = Vec::new();
    for address in given.chain(sender).chain(returned) {
        let token = SenderToken::in_address(address).filter(|token| is_ours(token, keys, now));
        let Some(token) = token else { continue };
        if found.iter().all(|known| known.token != token) {
            found.push(Signed { token, address });
        }
    }
    found
}

fn is_ours(token: &SenderToken, keys: &[Hidden], now: Timestamp) -> bool {
    may_be_believed(age_days(token, now)) && signed_by(token, keys).is_some()
}

/// The place of the key that signed it. Takes the same time for every wrong MAC.
#[must_use]
pub fn signed_by(token: &SenderToken, keys: &[Hidden]) -> Option<usize> {
    keys.iter().position(|key| mac(key, token.signed()).verify_truncated_left(token.mac()).is_ok())
}

/// One of that time.
#[must_use]
pub fn sign(key: &Hidden, now: Timestamp, id: [u8; ID_BYTES]) -> SenderToken {
    let day = u16::try_from(day(now)).unwrap_or_default();
    SenderToken::new(day, id, |signed| {
        let mac = mac(key, signed).finalize().into_bytes();
        mac.first_chunk::<MAC_BYTES>().copied().unwrap_or_default()
    })
}

/// How many days ago it was made; below 0 when it was made tomorrow.
#[must_use]
pub fn age_days(token: &SenderToken, now: Timestamp) -> i64 {
    day(now) - i64::from(token.day())
}

/// Is it believed at that age?
#[must_use]
pub fn may_be_believed(age_days: i64) -> bool {
    (-AHEAD_DAYS..=OLDEST_DAYS).contains(&age_days)
}

fn day(now: Timestamp) -> i64 {
    now.as_second().div_euclid(86_400)
}

#[expect(clippy::expect_used, reason = "the error exists for MACs with keys of fixed length")]
fn mac(key: &Hidden, signed: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.reveal());
    let mut mac = mac.expect("HMAC takes a key of any length");
    mac.update(DOMAIN);
    mac.update(signed);
    mac
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

    use super::*;

    /// As `contrib/docs/reports.md` has it.
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const SIGNED: &str = "news+058ik001081g81860s4epnfktm6e51qo@sender.test";
    const ID: [u8; ID_BYTES] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn keys(texts: &[&str]) -> Vec<Hidden> {
        texts.iter().map(Hidden::from).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_documented_vector_holds() {
        let token = sign(&Hidden::from(KEY), at("2026-11-21T23:59:59Z"), ID);
        assert_eq!(format!("news+{token}@sender.test"), SIGNED);
        assert_eq!(SenderToken::in_address(SIGNED), Some(token));
        assert_eq!((token.day(), token.id()), (20_778, &ID[..]));
    }

    #[test]
    fn each_of_the_keys_counts_and_no_other() {
        let token = SenderToken::in_address(SIGNED).unwrap();
        assert_eq!(signed_by(&token, &keys(&["another", KEY])), Some(1));
        assert_eq!(signed_by(&token, &keys(&["another"])), None);
        assert_eq!(signed_by(&token, &[]), None);
    }

    /// Nobody makes another one of it: not of another day, not of another message.
    #[test]
    fn a_token_that_was_changed_anywhere_is_nobodys() {
        let text = SIGNED.strip_prefix("news+").unwrap();
        for place in 2..32 {
            let other = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            let token = SenderToken::in_address(&changed).unwrap();
            assert_eq!(signed_by(&token, &keys(&[KEY])), None, "{changed}");
        }
    }

    #[test]
    fn a_token_counts_for_as_long_as_a_report_does() {
        let token = SenderToken::in_address(SIGNED).unwrap();
        for (now, expected) in [
            ("2026-11-19T23:59:59Z", false),
            ("2026-11-20T00:00:00Z", true),
            ("2026-11-21T00:00:00Z", true),
            ("2027-01-20T23:59:59Z", true),
            ("2027-01-21T00:00:00Z", false),
        ] {
            assert_eq!(is_ours(&token, &keys(&[KEY]), at(now)), expected, "{now}");
        }
    }
}
