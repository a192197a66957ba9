//! Words of strangers, made safe to keep: bounded, valid UTF-8, no control characters.

use std::borrow::Cow;

use ascii::AsciiStr;
use smol_str::{SmolStr, StrExt};

/// A piece of foreign text, ready for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// At most the wanted number of bytes, no control characters.
    pub value: SmolStr,
    /// Some bytes were not UTF-8 and became U+FFFD.
    pub lossy: bool,
}

/// Takes at most `limit` bytes of `bytes`. Control characters are removed, not replaced: they
/// carry no meaning in any field that we keep.
#[must_use]
pub fn bounded(bytes: &[u8], limit: usize) -> Text {
    if let Some(plain) = plain(bytes).filter(|plain| plain.len() <= limit) {
        return Text { value: plain.into(), lossy: false };
    }
    let decoded = String::from_utf8_lossy(bytes);
    let lossy = matches!(decoded, Cow::Owned(_));
    let mut value: String = if decoded.chars().any(char::is_control) {
        decoded.chars().filter(|character| !character.is_control()).collect()
    } else {
        decoded.into_owned()
    };
    value.truncate(value.floor_char_boundary(limit));
    Text { value: value.into(), lossy }
}

/// Printable ASCII, which nearly all text is.
fn plain(bytes: &[u8]) -> Option<&str> {
    // Without a way out of the loop, so that many bytes are looked at in one step.
    let is_plain = bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    is_plain.then(|| AsciiStr::from_ascii(bytes).ok()).flatten().map(AsciiStr::as_str)
}

/// The domain of an address, in lower case: what stands behind its last `@`, where a domain
/// literal (`user@[192.0.2.1]`) counts as a whole.
#[must_use]
pub fn domain(address: &str) -> Option<SmolStr> {
    let at = match address.strip_suffix(']') {
        Some(_) => address.rfind("@[").or_else(|| address.rfind('@')),
        // It is near the end: byte by byte is the shortest way there.
        None => address.bytes().rposition(|byte| byte == b'@'),
    }?;
    address
        .get(at + 1..)
        .filter(|domain| !domain.is_empty())
        .map(StrExt::to_ascii_lowercase_smolstr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_the_rest_stays() {
        assert_eq!(
            bounded(b"a\x1b[31mb\r\nc\0", 99),
            Text { value: "a[31mbc".into(), lossy: false }
        );
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(bounded("aé".as_bytes(), 2).value, "a");
        assert_eq!(bounded(b"abc", 2), Text { value: "ab".into(), lossy: false });
        assert!(bounded(b"a\xff", 99).lossy);
    }

    #[test]
    fn the_domain_of_an_odd_address_is_still_right() {
        assert_eq!(domain("a@B.Test").as_deref(), Some("b.test"));
        assert_eq!(domain("\"a@b\"@c.test").as_deref(), Some("c.test"));
        assert_eq!(domain("a@[x@y]").as_deref(), Some("[x@y]"));
        assert_eq!(domain("postmaster"), None);
        assert_eq!(domain("a@"), None);
    }
}
