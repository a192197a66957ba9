//! Reply codes (RFC 5321 §4.2) and enhanced status codes (RFC 3463).
//!
//! Only the shape is read. What a code means for a message is decided where events are made.

use std::fmt;

use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::take,
    character::complete::satisfy,
    combinator::{eof, map_opt, not},
    sequence::terminated,
};

use crate::fields::{Parsed, decimal, tag};

/// An enhanced status code: class, subject, detail (RFC 3463 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dsn {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 addressing, 2 mailbox, 3 mail system, 4 network, 5 protocol,
    /// 6 content, 7 policy. At most three digits.
    pub subject: u16,
    /// The precise condition. At most three digits.
    pub detail: u16,
}

impl Dsn {
    /// The whole of `text`, if it is an enhanced status code.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        dsn(text).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, dsn)| dsn)
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The code and enhanced code at the head of a reply such as `550 5.1.1 User unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyCodes {
    /// Three digits, 200–599.
    pub code: Option<u16>,
    /// The enhanced status code behind it, or alone at the head.
    pub dsn: Option<Dsn>,
}

/// Reads the codes at the head of `reply`; also `550-5.7.1 …` of a multi-line reply.
#[must_use]
pub fn reply_codes(reply: &[u8]) -> ReplyCodes {
    let (rest, code) = code(reply).map_or((reply, None), |(rest, code)| (rest, Some(code)));
    let dsn = terminated(dsn, boundary).parse(rest).ok().map(|(_, dsn)| dsn);
    ReplyCodes { code, dsn }
}

/// `X.Y.Z`, as after `dsn=`.
pub(crate) fn dsn(input: &[u8]) -> Parsed<'_, Dsn> {
    let class = map_opt(take(1_usize), |class: &[u8]| match class {
        b"2" => Some(2),
        b"4" => Some(4),
        b"5" => Some(5),
        _ => None,
    });
    let (rest, (class, _, subject, _, detail)) =
        (class, tag("."), up_to_three, tag("."), up_to_three).parse(input)?;
    Ok((rest, Dsn { class, subject, detail }))
}

fn up_to_three(input: &[u8]) -> Parsed<'_, u16> {
    map_opt(decimal(1, 3), |number| number.try_into().ok()).parse(input)
}

/// `550 `, `550-`, or `550` at the end.
fn code(input: &[u8]) -> Parsed<'_, u16> {
    let in_range = |code: &u16| (200..=599).contains(code);
    let code = map_opt(decimal(3, 3), |code| code.try_into().ok().filter(in_range));
    terminated(code, alt((tag(" "), tag("-"), eof))).parse(input)
}

/// An enhanced code ends here: `5.1.1.1` is an address and `2.0.0rc` a version.
fn boundary(input: &[u8]) -> Parsed<'_, ()> {
    not(satisfy(|next| next.is_ascii_alphanumeric() || next == '.')).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(reply: &str) -> (Option<u16>, Option<String>) {
        let codes = reply_codes(reply.as_bytes());
        (codes.code, codes.dsn.map(|dsn| dsn.to_string()))
    }

    #[test]
    fn codes_are_read_from_the_head_of_a_reply() {
        let both = |code, dsn: &str| (Some(code), Some(dsn.to_owned()));
        assert_eq!(codes("550 5.1.1 <a@x>: User unknown"), both(550, "5.1.1"));
        assert_eq!(codes("250-2.6.0 <id> [InternalId=1] 250 2.6.0 Queued"), both(250, "2.6.0"));
        assert_eq!(codes("450 5.7.123"), both(450, "5.7.123"));
        assert_eq!(codes("250"), (Some(250), None));
        assert_eq!(codes("450 try again"), (Some(450), None));
        assert_eq!(codes("5.7.1 Command rejected"), (None, Some("5.7.1".to_owned())));
    }

    #[test]
    fn text_that_only_resembles_a_code_is_none() {
        for text in
            ["", "2500 x", "199 x", "600 x", "25", "abc", "5.1.1.1 x", "3.1.1 x", "5.1000.1 x"]
        {
            assert_eq!(codes(text), (None, None), "{text}");
        }
        assert_eq!(codes("550 5.1.1.1 x"), (Some(550), None));
    }

    #[test]
    fn a_code_prints_as_it_was_read() {
        for text in ["2.0.0", "5.7.26", "4.999.999"] {
            assert_eq!(
                Dsn::parse(text.as_bytes()).map(|dsn| dsn.to_string()).as_deref(),
                Some(text)
            );
        }
        assert_eq!(Dsn::parse(b"5.1.1 "), None);
    }
}
