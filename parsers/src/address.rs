//! Envelope addresses as logged: `<…>`, with quoted local parts and domain literals opaque.
//!
//! Since 3.5 Postfix logs the *external* form: a local part that needs it is quoted as a whole
//! (`quote_822_local.c`), the domain never is. So a `>` ends the address unless it stands in a
//! quoted local part or in a domain literal. Older releases (and
//! `info_log_address_format = internal`) log the unquoted form, which reads the same as long as
//! it holds no `>` itself. Where it does, the address ends too early: a line of which nothing else
//! may follow is then not understood, but a delivery status ends in remote text, so what the rest
//! of such an address says counts as the outcome. No reading could tell the two: the same bytes
//! are, in external form, a true outcome and a server's answer that imitates another. `doctor`
//! warns of this form.
//!
//! Addresses are not validated and not unquoted here.

use core::net::{Ipv4Addr, Ipv6Addr};

use nom::{Parser as _, bytes::complete::take};

use crate::fields::{Parsed, failed};

/// The part behind the last `@` outside a quoted local part; none when there is no `@`.
///
/// Domain literals keep their brackets: `x@[192.0.2.1]` gives `[192.0.2.1]`.
#[must_use]
pub fn domain(address: &[u8]) -> Option<&[u8]> {
    let start = if address.first() == Some(&b'"') { quoted_len(address)? } else { 0 };
    let tail = address.get(start..)?;
    // In external form the local part holds no bare `@`, and a literal may hold one.
    let at = match memchr::memmem::find(tail, b"@[") {
        Some(literal) => literal,
        None => memchr::memrchr(b'@', tail)?,
    };
    tail.get(at + 1..)
}

/// `<address>`, giving what stands between the brackets.
pub(crate) fn angle(input: &[u8]) -> Parsed<'_, &[u8]> {
    let body = input.strip_prefix(b"<").ok_or_else(|| failed(input))?;
    let end = end(body).ok_or_else(|| failed(input))?;
    let (rest, address) = take(end.at).parse(body)?;
    let (rest, _) = take(1_usize).parse(rest)?;
    Ok((rest, address))
}

/// An address and what `after` makes of the rest of the line.
///
/// `<address>`, or bare up to the next comma where a log post-processor dropped the brackets.
///
/// Behind a domain literal one more check is needed: a literal that a local user submitted with
/// an escaped bracket is logged without the escape, so it can imitate the end of the address and
/// all that follows. When `after` accepts more than one end, none is trusted, unless the literal is
/// a network address: mail goes there, and what its server answers must not hide the outcome.
pub(crate) fn field<'a, T>(
    input: &'a [u8],
    after: impl Fn(&'a [u8]) -> Option<T>,
) -> Option<(&'a [u8], T)> {
    let Some(body) = input.strip_prefix(b"<") else {
        return bare(input, after);
    };
    let end = end(body)?;
    let (address, rest) = body.split_at_checked(end.at)?;
    let rest = rest.get(1..)?;
    let value = after(rest)?;
    let forged = end.literal
        && !is_deliverable(address)
        && memchr::memchr_iter(b'>', rest).any(|at| rest.get(at + 1..).and_then(&after).is_some());
    (!forged).then_some((address, value))
}

/// Does it end in a literal that names a host (RFC 5321 §4.1.3)?
fn is_deliverable(address: &[u8]) -> bool {
    let literal = domain(address).and_then(|domain| domain.strip_prefix(b"[")?.strip_suffix(b"]"));
    let text = literal.and_then(|literal| std::str::from_utf8(literal).ok());
    text.is_some_and(|text| match text.strip_prefix("IPv6:") {
        Some(text) => text.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok(),
    })
}

fn bare<'a, T>(input: &'a [u8], after: impl Fn(&'a [u8]) -> Option<T>) -> Option<(&'a [u8], T)> {
    let length = input.iter().position(|byte| matches!(byte, b',' | b' ' | b'<' | b'>'))?;
    let (address, rest) = input.split_at_checked(length)?;
    if address.is_empty() {
        return None;
    }
    Some((address, after(rest)?))
}

/// Where an address ends.
struct End {
    /// Index of the closing bracket.
    at: usize,
    /// The domain holds a literal.
    literal: bool,
}

/// Finds the bracket that closes `body`.
fn end(body: &[u8]) -> Option<End> {
    let start = if body.first() == Some(&b'"') { quoted_len(body)? } else { 0 };
    // Without a literal, which is rare, the first bracket is the one.
    let at = start + memchr::memchr2(b'>', b'[', body.get(start..)?)?;
    if body.get(at) == Some(&b'>') {
        return Some(End { at, literal: false });
    }
    let (mut in_domain, mut in_literal, mut literal) = (false, false, false);
    for (at, &byte) in body.iter().enumerate().skip(start) {
        match byte {
            b']' => in_literal = false,
            _ if in_literal => {}
            b'>' => return Some(End { at, literal }),
            b'@' => in_domain = true,
            b'[' if in_domain => (in_literal, literal) = (true, true),
            _ => {}
        }
    }
    None
}

/// Length of the quoted string that `text` begins with, both quotes included.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn angle_of(text: &str) -> Option<(&str, &str)> {
        let (rest, address) = angle(text.as_bytes()).ok()?;
        Some((std::str::from_utf8(address).unwrap(), std::str::from_utf8(rest).unwrap()))
    }

    #[test]
    fn plain_addresses_end_at_the_bracket() {
        assert_eq!(angle_of("<a@x.test>, b"), Some(("a@x.test", ", b")));
        assert_eq!(angle_of("<>;"), Some(("", ";")));
        assert_eq!(angle_of("<a b, c@x.test>"), Some(("a b, c@x.test", "")));
        assert_eq!(angle_of("<a@x.test"), None);
        assert_eq!(angle_of("a@x.test>"), None);
    }

    #[test]
    fn a_quoted_local_part_hides_brackets_and_escapes() {
        assert_eq!(angle_of(r#"<"a>b"@x.test> "#), Some((r#""a>b"@x.test"#, " ")));
        assert_eq!(angle_of(r#"<"a\">b"@x.test>"#), Some((r#""a\">b"@x.test"#, "")));
        assert_eq!(angle_of(r#"<"a>, b"#), None);
    }

    #[test]
    fn a_domain_literal_hides_brackets() {
        assert_eq!(
            angle_of("<ok@[x>, relay=evil[1.2.3.4]:25>, relay=none"),
            Some(("ok@[x>, relay=evil[1.2.3.4]:25", ", relay=none"))
        );
        assert_eq!(angle_of("<a@b.[>]>"), Some(("a@b.[>]", "")));
    }

    #[test]
    fn a_literal_with_two_possible_ends_is_not_trusted() {
        let after = |rest: &'static [u8]| rest.starts_with(b", next").then_some(());
        assert!(field(b"<a@[192.0.2.1]>, next", after).is_some());
        for literal in ["192.0.2.1", "IPv6:2001:db8::1"] {
            let said = format!("<a@[{literal}]>, next (550 no x>, next");
            let after = |rest: &[u8]| rest.starts_with(b", next").then_some(());
            assert!(
                field(said.as_bytes(), after).is_some(),
                "{literal}: its server imitates the end"
            );
        }
        assert!(field(b"<a@[x]>, next y]>, next", after).is_none());
        // Without a literal the rest is the remote's to write.
        assert!(field(b"<a@x>, next y]>, next", after).is_some());
    }

    #[test]
    fn an_address_that_lost_its_brackets_ends_at_the_comma() {
        let after = |rest: &'static [u8]| Some(rest);
        assert_eq!(field(b"a@x.test, next", after), Some((&b"a@x.test"[..], &b", next"[..])));
        assert_eq!(field(b", next", after), None);
    }

    #[test]
    fn the_domain_is_what_follows_the_right_at_sign() {
        for (address, expected) in [
            ("a@x.test", Some("x.test")),
            (r#""a@b"@x.test"#, Some("x.test")),
            ("a@[a@b]", Some("[a@b]")),
            ("a@b@x.test", Some("x.test")),
            ("postmaster", None),
            ("", None),
            (r#""a@b"#, None),
        ] {
            assert_eq!(domain(address.as_bytes()), expected.map(str::as_bytes), "{address}");
        }
    }
}
