//! Which secrets of a webhook are good at one time (webhooks.md §2.6).
//!
//! Only the value: who rotates a secret, and where former ones are kept, is decided elsewhere.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::Secret;

/// Live keys of a webhook at once.
pub(super) const LIVE_KEYS: usize = 3;

/// Characters of a secret that may be shown.
const HINT_CHARS: usize = 4;

/// Makes the id of a key no hash that anybody uses for anything else.
const ID_DOMAIN: &[u8] = b"mailherald key id\0";

/// Tells keys apart in records: the first 32 bits of a hash of the secret, in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId([u8; 4]);

/// A secret that was replaced, and is good until its receivers have had time to learn the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerKey {
    /// The secret.
    pub secret: Secret,
    /// From then on it signs nothing.
    pub valid_until: Timestamp,
}

/// The secrets that are good at one time, the newest first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    current: Secret,
    former: Vec<Secret>,
}

impl KeySet {
    /// The current secret and those of `former`, the newest first, that are still good at `now`:
    /// at most three in all.
    #[must_use]
    pub fn at(now: Timestamp, current: Secret, former: &[FormerKey]) -> Self {
        let good = former.iter().filter(|key| key.valid_until > now);
        let former = good.map(|key| key.secret.clone()).take(LIVE_KEYS - 1).collect();
        Self { current, former }
    }

    /// The newest one, which signs where there is room for one signature only.
    #[must_use]
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// The one before it, while it is good.
    #[must_use]
    pub fn previous(&self) -> Option<&Secret> {
        self.former.first()
    }

    /// All of them, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.former)
    }
}

impl Secret {
    /// Tells it apart in records without giving it away.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut hash = Sha256::new_with_prefix(ID_DOMAIN);
        hash.update(self.literal_key());
        KeyId(hash.finalize().first_chunk().copied().unwrap_or_default())
    }

    /// Its last four characters, by which people tell it apart (`secret_hint`).
    #[must_use]
    pub fn hint(&self) -> &str {
        let text = self.reveal_once();
        // A secret is ASCII of sixteen bytes at least.
        text.get(text.len().saturating_sub(HINT_CHARS)..).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::profile::Profile;

    fn secret(text: &str) -> Secret {
        Secret::parse(text, Profile::Generic).unwrap()
    }

    fn former(text: &str, until: i64) -> FormerKey {
        let valid_until = Timestamp::from_second(until).unwrap();
        FormerKey { secret: secret(text), valid_until }
    }

    #[test]
    fn a_former_key_is_good_until_its_time_and_three_are_live_at_most() {
        let keys = [
            former("second-second-second", 100),
            former("third-third-third", 50),
            former("fourth-fourth-fourth", 100),
            former("fifth-fifth-fifth", 100),
        ];
        let at = |now| {
            let now = Timestamp::from_second(now).unwrap();
            let set = KeySet::at(now, secret("first-first-first"), &keys);
            set.all().map(|key| key.reveal_once().to_owned()).collect::<Vec<_>>()
        };
        let (first, second) = ("first-first-first", "second-second-second");
        assert_eq!(at(49), [first, second, "third-third-third"]);
        assert_eq!(at(50), [first, second, "fourth-fourth-fourth"]);
        assert_eq!(at(100), [first]);
    }

    #[test]
    fn an_id_and_a_hint_tell_keys_apart_and_do_not_give_them_away() {
        let (one, other) = (secret("your-webhook-secret"), secret("your-webhook-secreT"));
        assert_ne!(one.id(), other.id());
        assert_eq!(one.id(), secret("your-webhook-secret").id());
        assert_eq!(one.id().to_string().len(), 8);
        assert_eq!(one.hint(), "cret");
        let plain = data_encoding::HEXLOWER.encode(&Sha256::digest("your-webhook-secret"));
        assert!(!plain.starts_with(&one.id().to_string()));
    }
}
