//! Fields of a record: pairs of text, or the members of an object.

use super::text::{Escapes, Text, quoted};
use crate::json::{Value, first_element, object};

/// Fields where they lie in the line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fields<'a> {
    /// `key=value key="quoted value"`.
    Pairs(&'a [u8]),
    /// A JSON object, the fields that all records have among them.
    Object(&'a [u8]),
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    /// A text, a number or a word.
    Text(Text<'a>),
    /// An object.
    Object(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// Gives each field to `each`, in whatever order they come. None when they break off.
    pub(super) fn each(self, mut each: impl FnMut(&'a [u8], Field<'a>)) -> Option<()> {
        match self {
            Self::Pairs(mut rest) => {
                while !rest.is_empty() {
                    let (key, value, behind) = pair(rest)?;
                    each(key, Field::Text(value));
                    rest = behind;
                }
                Some(())
            }
            Self::Object(line) => {
                object(line, |key, value| {
                    if let Some(field) = Field::of(value) {
                        each(key, field);
                    }
                })
                .ok()?;
                Some(())
            }
        }
    }

    /// The texts of some fields. None when they break off, and where a field is there twice:
    /// Haraka's objects have each name once.
    pub(super) fn texts<const N: usize>(self, names: [&str; N]) -> Option<[Text<'a>; N]> {
        let mut texts = [None; N];
        let mut is_clear = true;
        self.each(|key, field| {
            let place = names.iter().position(|name| name.as_bytes() == key);
            if let Some(text) = place.and_then(|place| texts.get_mut(place)) {
                is_clear &= text.replace(field.text()).is_none();
            }
        })?;
        is_clear.then(|| texts.map(Option::unwrap_or_default))
    }
}

impl<'a> Field<'a> {
    fn of(value: Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Text(raw) => Self::Text(Text::escaped(raw, Escapes::Json)),
            Value::Plain(b"null") => Self::Text(Text::default()),
            Value::Plain(raw) => Self::Text(Text::plain(raw)),
            // The lines of a reply; the other layouts join them.
            Value::Array(inside) => return first_element(inside).and_then(Self::of_line),
            Value::Object(whole) => Self::Object(whole),
        })
    }

    fn of_line(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(raw) => Some(Self::Text(Text::escaped(raw, Escapes::Json))),
            _ => None,
        }
    }

    /// The text, or what says the same of an object: the reply of a DSN (`haraka-dsn`), the address
    /// as it was given (`address-rfc2821`).
    pub(super) fn text(self) -> Text<'a> {
        match self {
            Self::Text(text) => text,
            Self::Object(whole) => {
                let texts = Fields::Object(whole).texts(["reply", "original"]);
                let [reply, original] = texts.unwrap_or_default();
                if reply.is_empty() { original } else { reply }
            }
        }
    }
}

/// `key=value`, and what follows the space behind it. A key goes up to the first `=`, because
/// `delivered file` is one.
fn pair(input: &[u8]) -> Option<(&[u8], Text<'_>, &[u8])> {
    let (key, rest) = input.split_at_checked(memchr::memchr(b'=', input)?)?;
    let rest = rest.get(1..)?;
    let (value, rest) = match rest.first() {
        Some(b'"') => quoted(rest, Escapes::Quoted)?,
        _ => {
            let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let (value, rest) = rest.split_at_checked(end)?;
            (Text::plain(value), rest)
        }
    };
    match rest.split_first() {
        None => Some((key, value, rest)),
        Some((b' ', rest)) => Some((key, value, rest)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Fields::Pairs(text.as_bytes())
            .each(|key, field| found.push((string(key), string(&field.text().bytes()))))?;
        Some(found)
    }

    #[test]
    fn values_are_quoted_where_they_need_it() {
        let text = r#"delivered file=1_2 ip=::1 msg="a \"b\" = c\\" lr="" x="#;
        let expected = [
            ("delivered file", "1_2"),
            ("ip", "::1"),
            ("msg", r#"a "b" = c\"#),
            ("lr", ""),
            ("x", ""),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), Some(expected.to_vec()));
    }

    #[test]
    fn a_quote_that_does_not_end_or_ends_early_is_none() {
        for text in ["a=\"b", "a=\"b\"c", "word", "a=b word"] {
            assert_eq!(pairs(text), None, "{text}");
        }
    }

    #[test]
    fn what_an_object_says_is_one_of_its_texts() {
        let line = br#"{"a":{"code":550,"msg":"No","reply":"5.1.1 No"},"b":{"original":"<x@y>","host":"y"},"c":["one","two"],"d":7,"e":null}"#;
        let texts = Fields::Object(line).texts(["a", "b", "c", "d", "e"]);
        let texts = texts.map(|texts| texts.map(|text| text.bytes().into_owned()));
        let expected = [&b"5.1.1 No"[..], b"<x@y>", b"one", b"7", b""].map(<[u8]>::to_vec);
        assert_eq!(texts, Some(expected));
    }

    #[test]
    fn a_field_that_is_there_twice_is_nobodys() {
        assert_eq!(Fields::Pairs(b"code=OK code=DENY").texts(["code"]), None);
        assert_eq!(Fields::Object(br#"{"code":"OK","code":"DENY"}"#).texts(["code"]), None);
    }
}
