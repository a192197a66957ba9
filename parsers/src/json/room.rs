//! Texts without their escapes, in memory that the caller lends.
//!
//! A text never grows by this: the shortest escape for a character of three bytes has six, and an
//! element of an array has two characters for its byte. So room as large as the line is enough for
//! all of its texts, and twice as much for the line that is made of them. What would not fit is not
//! read at all.

use std::mem;

use memchr::memchr;

use super::{
    escape::character,
    scan::{Value, elements},
};
use crate::{fields::small_number, journal::Entry};

/// Memory for the texts of one line.
#[derive(Debug)]
pub(crate) struct Room<'a>(&'a mut [u8]);

/// A text under construction, at the front of the room.
struct Text<'r> {
    room: &'r mut [u8],
    len: usize,
}

impl<'a> Room<'a> {
    /// Room in `memory`, whose content does not matter.
    pub(crate) fn new(memory: &'a mut [u8]) -> Self {
        Self(memory)
    }

    /// The text of a string without its escapes. One that has none is not copied.
    ///
    /// None for an escape that JSON does not have. Half of a surrogate pair becomes U+FFFD.
    pub(crate) fn text(&mut self, raw: &'a [u8]) -> Option<&'a [u8]> {
        if memchr(b'\\', raw).is_none() {
            return Some(raw);
        }
        self.keep(|text| unescape(raw, text))
    }

    /// The bytes of an array of numbers. None when one of them is no byte.
    pub(crate) fn bytes(&mut self, inside: &'a [u8]) -> Option<&'a [u8]> {
        self.keep(|text| {
            elements(inside, |element| match element {
                Value::Plain(digits) => text.push(&[small_number(digits)?]),
                _ => None,
            })
        })
    }

    /// The line that stands for an entry of the journal.
    pub(crate) fn entry(&mut self, entry: &Entry<'_>) -> Option<&'a [u8]> {
        self.keep(|text| entry.write(&mut |piece| text.push(piece)))
    }

    fn keep(&mut self, write: impl FnOnce(&mut Text<'_>) -> Option<()>) -> Option<&'a [u8]> {
        let mut text = Text { room: &mut *self.0, len: 0 };
        write(&mut text)?;
        let len = text.len;
        let (text, room) = mem::take(&mut self.0).split_at_mut_checked(len)?;
        self.0 = room;
        Some(text)
    }
}

impl Text<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.room.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

fn unescape(mut raw: &[u8], text: &mut Text<'_>) -> Option<()> {
    while let Some((plain, escape)) = memchr(b'\\', raw).and_then(|at| raw.split_at_checked(at)) {
        text.push(plain)?;
        let (character, rest) = character(escape)?;
        text.push(character.encode_utf8(&mut [0; 4]).as_bytes())?;
        raw = rest;
    }
    text.push(raw)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn text(raw: &str) -> Option<String> {
        let mut memory = vec![0; raw.len()];
        let text = Room::new(&mut memory).text(raw.as_bytes())?;
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    fn bytes(inside: &str) -> Option<Vec<u8>> {
        let mut memory = vec![0; inside.len()];
        Room::new(&mut memory).bytes(inside.as_bytes()).map(<[u8]>::to_vec)
    }

    #[test]
    fn every_escape_becomes_its_character() {
        let raw = r#"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\uD83d\uDe00\u0000."#;
        let expected = "\"\\/\u{8}\u{c}\n\r\tAé€😀\0.";
        assert_eq!(text(raw).as_deref(), Some(expected));
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        for raw in [r"\ud83d", r"\ude00"] {
            assert_eq!(text(raw).as_deref(), Some("\u{fffd}"), "{raw}");
        }
        assert_eq!(text(r"\ud83d\n").as_deref(), Some("\u{fffd}\n"));
        assert_eq!(text(r"\ud83d\ud83d\ude00").as_deref(), Some("\u{fffd}😀"));
        assert_eq!(text(r"\ude00\ud83dx").as_deref(), Some("\u{fffd}\u{fffd}x"));
    }

    #[test]
    fn escapes_that_json_does_not_have_are_none() {
        for raw in [r"\", r"\x41", r"\u", r"\u004", r"\u00g0", r"\u+041", r"a\'"] {
            assert_eq!(text(raw), None, "{raw}");
        }
    }

    #[test]
    fn an_array_of_bytes_is_its_bytes() {
        assert_eq!(bytes("99,111, 255 ,0"), Some(vec![99, 111, 255, 0]));
        assert_eq!(bytes(""), Some(vec![]));
        for inside in ["256", "-1", "1.5", "\"a\"", "1,,2", "null", "1 2"] {
            assert_eq!(bytes(inside), None, "{inside}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_escapes_comes_back(original in any::<String>()) {
            let quoted = serde_json::to_string(&original).unwrap();
            let raw = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(text(raw), Some(original));
        }

        #[test]
        fn room_as_large_as_the_line_is_enough(texts in prop::collection::vec(
            r#"([a-zé]|\\u[0-9a-f]{4}|\\[nrt"/]){0,20}"#, 0..5,
        )) {
            let mut memory = vec![0; texts.iter().map(String::len).sum()];
            let mut room = Room::new(&mut memory);
            prop_assert!(texts.iter().all(|raw| room.text(raw.as_bytes()).is_some()));
        }
    }
}
