//! What an application writes into the envelope sender of a message, to know the message by it when a
//! report comes back: `local+TOKEN@domain`.
//!
//! The token is the last 32 characters of the local part, base32hex (RFC 4648 §7) without padding, in
//! whatever case. It stands for 20 bytes:
//!
//! ```text
//! version: u8 = 1 | day since the epoch: u16, big-endian | id: 9 bytes | MAC: 8 bytes
//! ```
//!
//! Here is only its form. Whether its MAC is right is decided where reports are believed.

use std::fmt;

use data_encoding::BASE32HEX_NOPAD;

/// Characters of a token.
const CHARS: usize = 32;

/// Bytes that it stands for.
const BYTES: usize = 20;

/// Bytes of it that the MAC is of.
const SIGNED_BYTES: usize = 12;

/// Bytes that tell messages of one day apart.
pub const ID_BYTES: usize = 9;

/// Bytes of the MAC.
pub const MAC_BYTES: usize = 8;

const VERSION: u8 = 1;

/// A token, of whomever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenderToken([u8; BYTES]);

impl SenderToken {
    /// One of that day, days since 1970-01-01, with the MAC that `sign` gives for what is signed.
    pub fn new(day: u16, id: [u8; ID_BYTES], sign: impl FnOnce(&[u8]) -> [u8; MAC_BYTES]) -> Self {
        let mut bytes = [0; BYTES];
        let (signed, mac) = bytes.split_at_mut(SIGNED_BYTES);
        let [high, low] = day.to_be_bytes();
        for (place, byte) in signed.iter_mut().zip([VERSION, high, low].into_iter().chain(id)) {
            *place = byte;
        }
        mac.copy_from_slice(&sign(signed));
        Self(bytes)
    }

    /// What looks like one at the end of an address's local part.
    #[must_use]
    pub fn in_address(address: &str) -> Option<Self> {
        // Most addresses are shorter, and each event asks.
        if address.len() <= CHARS {
            return None;
        }
        let (local, _) = address.rsplit_once('@')?;
        let text: &[u8; CHARS] = local.as_bytes().last_chunk()?;
        // Of version 1 the first five bits are 0, and the next five 4 to 7: hardly any other address
        // is read further.
        let (b'0', b'4'..=b'7') = (text[0], text[1]) else { return None };
        let upper = text.to_ascii_uppercase();
        let mut bytes = [0; BYTES];
        BASE32HEX_NOPAD.decode_mut(&upper, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// All of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the MAC is of.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        self.0.first_chunk::<SIGNED_BYTES>().map_or(&[], |signed| signed)
    }

    /// The MAC, right or wrong.
    #[must_use]
    pub fn mac(&self) -> &[u8] {
        self.0.last_chunk::<MAC_BYTES>().map_or(&[], |mac| mac)
    }

    /// When it was made, days since 1970-01-01.
    #[must_use]
    pub fn day(&self) -> u16 {
        u16::from_be_bytes([self.0[1], self.0[2]])
    }

    /// What tells it from others of its day.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        self.0.get(SIGNED_BYTES - ID_BYTES..SIGNED_BYTES).unwrap_or_default()
    }
}

/// As it stands in an address.
impl fmt::Display for SenderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32HEX_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

    use super::*;

    fn token() -> SenderToken {
        SenderToken::new(20_779, *b"\0\x01\x02\x03\x04\x05\x06\x07\xff", |signed| {
            assert_eq!(signed.len(), SIGNED_BYTES);
            [0xfe; MAC_BYTES]
        })
    }

    #[test]
    fn what_was_written_is_read_in_whatever_case_and_behind_whatever_stands_before_it() {
        let text = token().to_string();
        assert_eq!((text.len(), token().day()), (CHARS, 20_779));
        assert_eq!(token().id(), b"\0\x01\x02\x03\x04\x05\x06\x07\xff");
        for address in [
            format!("news+{text}@sender.test"),
            format!("NEWS+{}@SENDER.TEST", text.to_uppercase()),
            format!("{text}@bounces.sender.test"),
            format!("SRS0=hash=tt=sender.test=news+{text}@forwarder.test"),
        ] {
            assert_eq!(SenderToken::in_address(&address), Some(token()), "{address}");
        }
    }

    #[test]
    fn other_addresses_have_none() {
        let text = token().to_string();
        for address in [
            String::new(),
            text.clone(),
            "news@sender.test".to_owned(),
            format!("news+{text}x@sender.test"),
            format!("{}@sender.test", &text[1..]),
            format!("news+{}@sender.test", text.replace('v', "w")),
            // Of another version.
            format!("news+1{}@sender.test", &text[1..]),
            "d41d8cd98f00b204e9800998ecf8427e@sender.test".to_owned(),
            format!("ü{}ü@sender.test", &text[2..]),
        ] {
            assert_eq!(SenderToken::in_address(&address), None, "{address}");
        }
    }
}
