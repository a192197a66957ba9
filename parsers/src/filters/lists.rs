//! Lists inside a verdict, kept as logged and taken apart when they are looked at.

use super::text;
use crate::{address, postfix::QueueId};

/// Envelope recipients, as logged: `<a@x.test>,<b@x.test>` or `a@x.test,b@x.test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recipients<'a>(&'a [u8]);

impl<'a> Recipients<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// The list as logged.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Each address without its angle brackets. Commas and brackets in a quoted local part
    /// separate nothing; what is broken ends the list.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (address, after) = match address::angle(rest) {
                Ok((after, address)) => (address, after),
                Err(_) if rest.starts_with(b"<") => return None,
                Err(_) => rest.split_at_checked(text::outside_quotes(rest, b','))?,
            };
            if address.is_empty() && after.is_empty() {
                return None;
            }
            rest = after.strip_prefix(b",").unwrap_or_default();
            Some(address)
        })
    }
}

/// Queue IDs behind the filter, as logged: `4jWZl10wjGznR7Q` or `4jWZl10wjGznR7Q/4jWZl10wjGznR7R`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueuedAs<'a>(&'a [u8]);

impl<'a> QueuedAs<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// The list as logged.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Each ID; words that are none are left out.
    pub fn iter(self) -> impl Iterator<Item = QueueId<'a>> {
        self.0.split(|byte| *byte == b'/').filter_map(QueueId::parse)
    }
}

/// Rules that matched, as logged: `GTUBE,NO_RELAYS`, `GTUBE=1000,NO_RELAYS=-0.001`, or with
/// rspamd's weights and options `GTUBE(0.00){};R_SPF_ALLOW(-0.20){+ip4:192.0.2.0/24;}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules<'a>(&'a [u8]);

/// One rule that matched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule<'a> {
    /// Its name: `GTUBE`.
    pub name: &'a [u8],
    /// What it added to the score, in points; may be negative.
    pub weight: Option<f64>,
    /// rspamd: what it found, as logged between the braces. A stranger may have chosen it.
    pub options: &'a [u8],
}

impl<'a> Rules<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// The list as logged, without brackets around it.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Each rule. Commas in parentheses and braces separate nothing.
    pub fn iter(self) -> impl Iterator<Item = Rule<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (item, after) = rest.split_at_checked(text::outside_brackets(rest, b','))?;
                rest = after.strip_prefix(b",").unwrap_or_default();
                if let Some(rule) = rule(item.trim_ascii()) {
                    return Some(rule);
                }
            }
            None
        })
    }
}

/// `NAME`, `NAME=1.5`, `NAME(1.5){options}`.
fn rule(item: &[u8]) -> Option<Rule<'_>> {
    let end = item.iter().position(|byte| matches!(byte, b'=' | b'(' | b'{'));
    let (name, rest) = item.split_at_checked(end.unwrap_or(item.len()))?;
    if name.is_empty() {
        return None;
    }
    let (weight, options) = match rest.split_first() {
        Some((b'=', weight)) => (text::score(weight), &b""[..]),
        Some((b'(', tail)) => {
            let (weight, tail) = text::split_once(tail, b")").unwrap_or((tail, b""));
            (text::score(weight), braced(tail))
        }
        _ => (None, braced(rest)),
    };
    Some(Rule { name, weight, options })
}

fn braced(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"{").map_or(b"", |text| text.strip_suffix(b"}").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_separated_outside_of_quotes() {
        for (raw, expected) in [
            ("", &[][..]),
            ("<a@x>,<b@y>", &["a@x", "b@y"][..]),
            (r#"<"a>,<b"@x>,<c@y>"#, &[r#""a>,<b"@x"#, "c@y"]),
            (r#"a@x,"b,c"@y"#, &["a@x", r#""b,c"@y"#]),
            ("<a@x>,<b", &["a@x"]),
        ] {
            let recipients = Recipients::new(raw.as_bytes());
            assert!(recipients.iter().eq(expected.iter().map(|text| text.as_bytes())), "{raw}");
        }
    }

    #[test]
    fn rules_carry_weight_and_options() {
        let rules = Rules::new(b"A, B=-0.1,C(1.50){x,(y;},D(x){");
        let none = &b""[..];
        let expected = [
            Rule { name: b"A", weight: None, options: none },
            Rule { name: b"B", weight: Some(-0.1), options: none },
            Rule { name: b"C", weight: Some(1.5), options: b"x,(y;" },
            Rule { name: b"D", weight: None, options: none },
        ];
        assert!(rules.iter().eq(expected));
    }

    #[test]
    fn words_that_are_no_queue_id_are_left_out() {
        let ids = QueuedAs::new(b"4jWZl10wjGznR7Q/250 2.0.0 Ok/97C0A53F4D6");
        assert!(ids.iter().map(QueueId::as_str).eq(["4jWZl10wjGznR7Q", "97C0A53F4D6"]));
    }
}
