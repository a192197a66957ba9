//! Small productions that the filters share: scores, addresses, separators outside of quotes and
//! brackets, values that stand only once.

use memchr::memmem;

use super::Verdict;
use crate::{Body, Reason, address, postfix::QueueId};

/// A text that can be nothing but a verdict.
pub(super) fn verdict_or_broken(verdict: Option<Verdict<'_>>) -> Body<'_> {
    verdict.map_or(Body::Unrecognised(Reason::Filter), Body::Filter)
}

/// A text that may be anything the program talks about.
pub(super) fn verdict_or_ignored(verdict: Option<Verdict<'_>>) -> Body<'_> {
    verdict.map_or(Body::Ignored, Body::Filter)
}

/// `<address>` in front of `next`, and what follows `next`. A domain literal can imitate the end of
/// its own address, so one that has two possible ends is not trusted.
pub(super) fn address<'a>(input: &'a [u8], next: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (rest, address) = address::angle(input).ok()?;
    let rest = rest.strip_prefix(next)?;
    let unquoted = match address.first() {
        Some(b'"') => address.get(outside_quotes(address, b'@')..)?,
        _ => address,
    };
    let is_literal = unquoted.contains(&b'[');
    let forged = is_literal && (unquoted.contains(&b'>') || ends_again(rest, next));
    (!forged).then_some((address, rest))
}

/// Another literal ends in `text` as well, with `next` behind it.
fn ends_again(text: &[u8], next: &[u8]) -> bool {
    let mut ends = memmem::find_iter(text, b"]>");
    ends.any(|at| text.get(at + 2..).is_some_and(|text| text.starts_with(next)))
}

/// `QID: ` in front of a text.
pub(super) fn leading_queue_id(text: &[u8]) -> Option<(QueueId<'_>, &[u8])> {
    let (id, rest) = split_once(text, b": ")?;
    Some((QueueId::parse(id)?, rest))
}

/// What stands before and behind `separator`, if it stands there only once. Strangers can write
/// it a second time, and then nobody knows which is the right one.
pub(super) fn split_only<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, behind) = split_once(text, separator)?;
    memmem::find(behind, separator).is_none().then_some((before, behind))
}

/// The value behind `key` up to `end` or the end of the text, if the key stands there only once.
pub(super) fn only_value<'a>(text: &'a [u8], key: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let (_, value) = split_only(text, key)?;
    Some(split_once(value, end).map_or(value, |(value, _)| value))
}

/// The text, if it can be a network address.
pub(super) fn ip(text: &[u8]) -> Option<&[u8]> {
    let plain = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    (!text.is_empty() && text.iter().all(plain)).then_some(text)
}

/// A score in points: `1003.7`, `-1`, `15.00`. At most 32 bytes; no exponents, no infinities.
pub(super) fn score(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let plain = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if !plain || !(1..=32).contains(&digits.len()) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What stands before and behind the first `separator`.
pub(super) fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// What stands before and behind the last `separator`.
pub(super) fn split_last<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::rfind(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Where the first `separator` outside of double quotes is; the length without one.
///
/// A backslash in quotes hides the byte behind it (RFC 5321 §4.1.2, quoted-pair).
pub(super) fn outside_quotes(text: &[u8], separator: u8) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the first `separator` outside of parentheses and braces is; the length without one.
///
/// Inside of braces, which hold words of strangers, only the closing brace counts.
pub(super) fn outside_brackets(text: &[u8], separator: u8) -> usize {
    let (mut parens, mut braced) = (0_usize, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'}' => braced = false,
            _ if braced => {}
            b'{' => braced = true,
            b'(' => parens += 1,
            b')' => parens = parens.saturating_sub(1),
            _ if byte == separator && parens == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn scores_are_plain_numbers() {
        for (text, expected) in [("1003.7", 1003.7), ("-1", -1.0), ("+0.5", 0.5)] {
            assert_eq!(score(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "-", ".", "1e5", "inf", "nan", "1 ", "1.2.3", &"9".repeat(33)] {
            assert_eq!(score(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_literal_with_two_possible_ends_is_no_address() {
        assert!(address(b"<a@[192.0.2.1]> -> <b@x>", b" -> ").is_some());
        assert!(address(b"<a@[192.0.2.1]> -> <v@x>, y]> -> <b@x>", b" -> ").is_none());
        assert!(address(b"<a@[x> -> <v@x>]> -> <b@x>", b" -> ").is_none());
        assert!(address(b"<a@[192.0.2.1]> to <b@x>, y]> -> <b@x>", b" to ").is_some());
    }

    /// Found by the property tests: brackets in a quoted local part make no literal.
    #[test]
    fn a_quoted_local_part_is_no_literal() {
        let (address, rest) = address(b"<\"@[\"@x.test>, (1]>, (2", b", ").unwrap();
        assert_eq!((address, rest), (&b"\"@[\"@x.test"[..], &b"(1]>, (2"[..]));
    }

    #[test]
    fn separators_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(outside_quotes(br#""a,\",b",c"#, b','), 8);
        assert_eq!(outside_quotes(b"a", b','), 1);
        assert_eq!(outside_brackets(b"A(1){a,(b,;},B", b','), 12);
        assert_eq!(outside_brackets(b"A(1,2),B", b','), 6);
    }

    #[test]
    fn a_value_that_stands_twice_is_none() {
        assert_eq!(only_value(b"x; a=1; b=2", b"a=", b"; "), Some(&b"1"[..]));
        assert_eq!(only_value(b"x; a=1; a=2", b"a=", b"; "), None);
    }
}
