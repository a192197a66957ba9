//! Identity from content: the same line gives the same ids, live, archived or replayed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Crockford's base32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Identity of an event: the first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct EventId(pub [u8; 16]);

/// Identity of a message, across all its queue IDs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct MessageUid(pub [u8; 16]);

/// Version of the recipe of event ids and message uids. A change makes every event a new one.
const VERSION: &[u8] = b"v1";

/// Makes ids that begin with the same parts.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    /// Those parts as they are hashed.
    beginning: Vec<u8>,
}

impl Identities {
    /// Those of one mail system: an instance on a host.
    #[must_use]
    pub fn of_system(host: &[u8], instance: &[u8]) -> Self {
        Self { beginning: joined(&[], &[VERSION, host, instance]) }
    }

    /// The event with these further parts; as [`EventId::of`] all of them.
    #[must_use]
    pub fn event(&self, parts: &[&[u8]]) -> EventId {
        EventId(self.digest(parts))
    }

    /// The message with these further parts; as [`MessageUid::of`] all of them.
    #[must_use]
    pub fn message(&self, parts: &[&[u8]]) -> MessageUid {
        MessageUid(self.digest(parts))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 16] {
        // In one piece, since each further one costs the hash as much as a block.
        let full = Sha256::digest(joined(&self.beginning, parts));
        let mut first = [0; 16];
        first.copy_from_slice(full.get(..16).unwrap_or(&[0; 16]));
        first
    }
}

/// `beginning`, and `parts` behind it, each prefixed with its length.
fn joined(beginning: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let length = |part: &&[u8]| size_of::<u64>() + part.len();
    let mut bytes = Vec::with_capacity(beginning.len() + parts.iter().map(length).sum::<usize>());
    bytes.extend_from_slice(beginning);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

impl EventId {
    /// Hashes `parts`, each prefixed with its length as eight big-endian bytes.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Identities::default().event(parts)
    }

    /// The same 128 bits as a UUID of version 8 (RFC 9562 §5.8).
    #[must_use]
    pub fn to_uuid(self) -> String {
        uuid(self.0)
    }
}

impl MessageUid {
    /// Hashes `parts`, each prefixed with its length as eight big-endian bytes.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Identities::default().message(parts)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{}", base32(self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for MessageUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}", base32(self.0))
    }
}

impl fmt::Debug for MessageUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is not the text of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not `{0}_` and 26 letters and digits")]
pub struct IdError(&'static str);

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("evt_").and_then(of_base32).map(Self).ok_or(IdError("evt"))
    }
}

impl FromStr for MessageUid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("msg_").and_then(of_base32).map(Self).ok_or(IdError("msg"))
    }
}

/// What [`base32`] made that text of; None if it made it of nothing.
fn of_base32(text: &str) -> Option<[u8; 16]> {
    let mut number: u128 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        number = number.checked_mul(32)? | digit as u128;
    }
    (text.len() == 26).then(|| number.to_be_bytes())
}

/// 128 bits in Crockford's base32, 26 characters: one big-endian number, the first character
/// holding three bits.
pub(crate) fn base32(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes);
    (0..26)
        .rev()
        .filter_map(|place| ALPHABET.get((number >> (place * 5)) as usize & 31))
        .map(|&byte| char::from(byte))
        .collect()
}

/// As a UUID of version 8 (RFC 9562 §5.8).
pub(crate) fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)]
        .map(Option::unwrap_or_default)
        .join("-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_prints_as_26_characters_and_as_a_uuid_of_version_8() {
        let id = EventId([0xff; 16]);
        assert_eq!(id.to_string(), "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(id.to_uuid(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(EventId::default().to_string(), format!("evt_{}", "0".repeat(26)));
    }

    #[test]
    fn an_id_comes_back_from_its_text_and_from_no_other() {
        for bytes in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            assert_eq!(EventId(bytes).to_string().parse(), Ok(EventId(bytes)));
            assert_eq!(MessageUid(bytes).to_string().parse(), Ok(MessageUid(bytes)));
        }
        let too_large = format!("evt_8{}", "0".repeat(25));
        for text in ["", "evt_", "msg_00000000000000000000000000", "evt_0", &too_large] {
            assert_eq!(text.parse::<EventId>(), Err(IdError("evt")), "{text}");
        }
        assert!("evt_0000000000000000000000000i".parse::<EventId>().is_err());
    }

    proptest! {
        #[test]
        fn parts_of_any_length_are_hashed_as_the_recipe_says(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1200), 0..5),
        ) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let recipe = |part: &&[u8]| [&(part.len() as u64).to_be_bytes(), *part].concat();
            let whole = Sha256::digest(parts.iter().flat_map(recipe).collect::<Vec<_>>());
            prop_assert_eq!(&EventId::of(&parts).0[..], &whole[..16]);
        }
    }

    #[test]
    fn parts_in_common_are_as_good_as_given_each_time() {
        let identities = Identities::of_system(b"host", b"postfix");
        let whole: [&[u8]; 5] = [b"v1", b"host", b"postfix", b"line", b"0"];
        assert_eq!(identities.event(&[b"line", b"0"]), EventId::of(&whole));
        assert_eq!(identities.message(&[]), MessageUid::of(&[b"v1", b"host", b"postfix"]));
    }

    #[test]
    fn parts_are_length_prefixed_so_their_borders_matter() {
        assert_ne!(EventId::of(&[b"ab", b"c"]), EventId::of(&[b"a", b"bc"]));
        assert_eq!(EventId::of(&[b"ab", b"c"]), EventId::of(&[b"ab", b"c"]));
    }
}
