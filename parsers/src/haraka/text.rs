//! A piece of a line, escaped as its layout escapes it.
//!
//! Nothing is unescaped while a line is read: the grammar's own words hold no escapes, and what
//! strangers wrote is only needed where an event is made of it. So records borrow from the line
//! alone, whichever layout it has.

use std::borrow::Cow;

use crate::{address, fields::quoted_body, json};

/// A text as it stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a> {
    raw: &'a [u8],
    escapes: Escapes,
}

/// How characters that would end a text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Escapes {
    /// As they are.
    #[default]
    None,
    /// Between quotes: a backslash in front of quotes and backslashes; `\r` and `\n` since 3.3.3.
    Quoted,
    /// Between quotes of JSON (RFC 8259 §7).
    Json,
}

impl<'a> Text<'a> {
    /// A text without escapes.
    #[must_use]
    pub fn plain(raw: &'a [u8]) -> Self {
        Self { raw, escapes: Escapes::None }
    }

    pub(crate) fn escaped(raw: &'a [u8], escapes: Escapes) -> Self {
        Self { raw, escapes }
    }

    /// As it stands in the line.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Has no characters.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// Without escapes. Only a text that has some is copied, and never grows by it. What is no
    /// escape stays as it is.
    #[must_use]
    pub fn bytes(self) -> Cow<'a, [u8]> {
        if !self.has_escapes() {
            return Cow::Borrowed(self.raw);
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((plain, escape)) =
            memchr::memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at))
        {
            bytes.extend_from_slice(plain);
            rest = self.unescape(escape, &mut bytes);
        }
        bytes.extend_from_slice(rest);
        Cow::Owned(bytes)
    }

    /// What follows `words`, which hold no escapes.
    pub(super) fn strip_prefix(self, words: &str) -> Option<Self> {
        let raw = self.raw.strip_prefix(words.as_bytes())?;
        Some(Self { raw, ..self })
    }

    /// The text in front of `words`, if it ends with them.
    pub(super) fn strip_suffix(self, words: &str) -> Option<Self> {
        let raw = self.raw.strip_suffix(words.as_bytes())?;
        Some(Self { raw, ..self })
    }

    /// What stands before and behind the first `words`.
    pub(super) fn split_once(self, words: &str) -> Option<(Self, Self)> {
        let at = memchr::memmem::find(self.raw, words.as_bytes())?;
        let (before, rest) = self.raw.split_at_checked(at)?;
        Some((Self { raw: before, ..self }, Self { raw: rest.get(words.len()..)?, ..self }))
    }

    /// What stands before and behind the last `words`.
    pub(super) fn rsplit_once(self, words: &str) -> Option<(Self, Self)> {
        let at = memchr::memmem::rfind(self.raw, words.as_bytes())?;
        let (before, rest) = self.raw.split_at_checked(at)?;
        Some((Self { raw: before, ..self }, Self { raw: rest.get(words.len()..)?, ..self }))
    }

    /// `<address>` at its head, and what follows: what stands between the brackets. A bracket in a
    /// quoted local part or in a domain literal does not end it.
    pub(super) fn address(self) -> Option<(Self, Self)> {
        let (address, rest) = if self.has_escapes() {
            self.escaped_address()?
        } else {
            let (rest, address) = address::angle(self.raw).ok()?;
            (address, rest)
        };
        Some((Self { raw: address, ..self }, Self { raw: rest, ..self }))
    }

    fn has_escapes(self) -> bool {
        self.escapes != Escapes::None && memchr::memchr(b'\\', self.raw).is_some()
    }

    /// As [`address::angle`], where each quote has a backslash in front of it, and each backslash
    /// another one.
    fn escaped_address(self) -> Option<(&'a [u8], &'a [u8])> {
        let body = self.raw.strip_prefix(b"<")?;
        let start = match body.strip_prefix(br#"\""#) {
            Some(quoted) => body.len() - behind_quoted(quoted)?.len(),
            None => 0,
        };
        let (mut in_domain, mut in_literal) = (false, false);
        let tail = body.get(start..)?;
        let end = tail.iter().position(|byte| {
            match byte {
                b']' => in_literal = false,
                _ if in_literal => {}
                b'>' => return true,
                b'@' => in_domain = true,
                b'[' => in_literal = in_domain,
                _ => {}
            }
            false
        })?;
        let (address, rest) = body.split_at_checked(start + end)?;
        Some((address, rest.get(1..)?))
    }

    /// Writes the character that `escape` begins with, and gives what follows.
    fn unescape(self, escape: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
        let known = match self.escapes {
            Escapes::Json => json::character(escape),
            Escapes::Quoted | Escapes::None => line_break(escape),
        };
        if let Some((character, rest)) = known {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return rest;
        }
        let [_, other, rest @ ..] = escape else {
            bytes.extend_from_slice(escape);
            return &[];
        };
        bytes.push(*other);
        rest
    }
}

/// The one that `escape` stands for, and what follows.
fn line_break(escape: &[u8]) -> Option<(char, &[u8])> {
    match escape {
        [b'\\', b'n', rest @ ..] => Some(('\n', rest)),
        [b'\\', b'r', rest @ ..] => Some(('\r', rest)),
        _ => None,
    }
}

/// What follows a quoted string, whose first quote is not there any more.
fn behind_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        // Two levels: the address's own escapes, each character of them escaped again.
        let at = memchr::memchr(b'\\', rest)?;
        rest = rest.get(at..)?;
        rest = match rest {
            [b'\\', b'"', behind @ ..] => return Some(behind),
            [b'\\', b'\\', b'\\', _, behind @ ..] | [b'\\', _, behind @ ..] => behind,
            _ => return None,
        };
    }
}

/// What stands between the quotes that `input` begins with, and what follows them.
pub(super) fn quoted(input: &[u8], escapes: Escapes) -> Option<(Text<'_>, &[u8])> {
    let body = input.strip_prefix(b"\"")?;
    let (rest, ()) = quoted_body(body).ok()?;
    let raw = body.get(..body.len() - rest.len())?;
    Some((Text { raw, escapes }, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn bytes(raw: &str, escapes: Escapes) -> String {
        String::from_utf8(Text::escaped(raw.as_bytes(), escapes).bytes().into_owned()).unwrap()
    }

    #[test]
    fn each_layout_has_its_own_escapes() {
        assert_eq!(bytes(r#"a \" \\ \n"#, Escapes::None), r#"a \" \\ \n"#);
        assert_eq!(bytes(r#"a \" \\ \n \t"#, Escapes::Quoted), "a \" \\ \n t");
        assert_eq!(bytes(r#"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d."#, Escapes::Json), {
            "\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}."
        });
        assert_eq!(bytes("\\", Escapes::Json), "\\");
        assert_eq!(bytes(r"\u12", Escapes::Json), "u12");
    }

    #[test]
    fn an_address_ends_at_its_own_bracket() {
        for (raw, escapes, expected) in [
            ("<a@b> x", Escapes::None, ("a@b", " x")),
            ("<> x", Escapes::Json, ("", " x")),
            (r#"<"a> x"@b> y"#, Escapes::None, (r#""a> x"@b"#, " y")),
            (r#"<\"a> x\"@b> y"#, Escapes::Json, (r#""a> x"@b"#, " y")),
            (r#"<\"a\\\"> x\"@b> y"#, Escapes::Quoted, (r#""a\"> x"@b"#, " y")),
            (r#"<a@[x>y]> \""#, Escapes::Json, ("a@[x>y]", " \"")),
        ] {
            let (address, rest) = Text::escaped(raw.as_bytes(), escapes).address().unwrap();
            let text = |text: Text<'_>| String::from_utf8(text.bytes().into_owned()).unwrap();
            assert_eq!((text(address).as_str(), text(rest).as_str()), expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_json_escapes_comes_back(original in any::<String>()) {
            let line = serde_json::to_string(&original).unwrap();
            let (text, rest) = quoted(line.as_bytes(), Escapes::Json).unwrap();
            prop_assert_eq!(text.bytes().into_owned(), original.into_bytes());
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn escaping_does_not_move_the_end_of_an_address(local in "[ -~]{0,12}") {
            let quoted = format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""));
            let plain = format!("<{quoted}@b.test> and \" <c@d>");
            let json = serde_json::to_string(&plain).unwrap();
            let raw = json.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            let (address, rest) = Text::escaped(raw.as_bytes(), Escapes::Json).address().unwrap();
            let expected = format!("{quoted}@b.test");
            prop_assert_eq!(address.bytes().into_owned(), expected.into_bytes());
            prop_assert_eq!(rest.bytes().into_owned(), b" and \" <c@d>".to_vec());
        }
    }
}
