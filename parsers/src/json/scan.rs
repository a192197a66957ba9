//! Walks over an object's members (RFC 8259), in whatever order they come.
//!
//! More is accepted than the RFC allows, because loggers write raw bytes too: texts may hold
//! control characters and bytes that are no UTF-8, and what is nested need only end where it
//! should. An object that breaks off is none.

use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    character::complete::one_of,
    combinator::{eof, map, recognize},
    error::ErrorKind,
    sequence::{delimited, preceded, separated_pair, terminated},
};

use crate::fields::{Parsed, quoted_body};

/// A member's value, where it lies in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// What stands between the quotes, escapes and all.
    Text(&'a [u8]),
    /// What stands between the brackets.
    Array(&'a [u8]),
    /// A number or one of the words `true`, `false` and `null`.
    Plain(&'a [u8]),
    /// A whole object, braces and all.
    Object(&'a [u8]),
}

/// Gives each member of `line`, which is one whole object, to `each`.
pub(crate) fn object<'a>(
    line: &'a [u8],
    mut each: impl FnMut(&'a [u8], Value<'a>),
) -> Parsed<'a, ()> {
    let (mut rest, _) = spaced("{").parse(line)?;
    loop {
        let (after, (key, value)) = separated_pair(text, spaced(":"), value).parse(rest)?;
        each(key, value);
        let (after, end) = delimited(space, one_of(",}"), space).parse(after)?;
        if end == '}' {
            return map(eof, |_| ()).parse(after);
        }
        rest = after;
    }
}

/// Gives each element of an array's inside to `each`.
pub(super) fn elements<'a>(
    inside: &'a [u8],
    mut each: impl FnMut(Value<'a>) -> Option<()>,
) -> Option<()> {
    let (mut rest, _) = space(inside).ok()?;
    while !rest.is_empty() {
        let (after, element) = terminated(value, space).parse(rest).ok()?;
        each(element)?;
        let (after, _) = alt((spaced(","), eof)).parse(after).ok()?;
        rest = after;
    }
    Some(())
}

/// The first element of an array's inside.
pub(crate) fn first_element(inside: &[u8]) -> Option<Value<'_>> {
    let (_, first) = preceded(space, value).parse(inside).ok()?;
    Some(first)
}

fn value(input: &[u8]) -> Parsed<'_, Value<'_>> {
    match input.first() {
        Some(b'"') => map(text, Value::Text).parse(input),
        Some(b'[') => map(nested, Value::Array).parse(input),
        Some(b'{') => map(recognize(nested), Value::Object).parse(input),
        _ => map(take_while1(is_plain), Value::Plain).parse(input),
    }
}

fn text(input: &[u8]) -> Parsed<'_, &[u8]> {
    delimited(tag("\""), recognize(quoted_body), tag("\"")).parse(input)
}

/// What stands between a bracket or brace and its other half. Depth is a number here, not a call.
fn nested(input: &[u8]) -> Parsed<'_, &[u8]> {
    let mut depth = 0_usize;
    let mut rest = input;
    loop {
        let (after, _) = take_while(is_filling).parse(rest)?;
        if after.first() == Some(&b'"') {
            (rest, _) = text(after)?;
            continue;
        }
        let (after, bracket) = one_of("[]{}").parse(after)?;
        depth = if matches!(bracket, '[' | '{') { depth + 1 } else { depth.saturating_sub(1) };
        rest = after;
        if depth == 0 {
            let inside = input.get(1..input.len() - rest.len() - 1);
            let broken = || nom::Err::Error(nom::error::make_error(input, ErrorKind::Fail));
            return inside.map(|inside| (rest, inside)).ok_or_else(broken);
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_filling(byte: u8) -> bool {
    !matches!(byte, b'"' | b'[' | b']' | b'{' | b'}')
}

fn spaced<'a>(token: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| delimited(space, tag(token), space).parse(input)
}

fn space(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(line: &str) -> Option<Vec<(&[u8], Value<'_>)>> {
        let mut members = Vec::new();
        object(line.as_bytes(), |key, value| members.push((key, value))).ok()?;
        Some(members)
    }

    #[test]
    fn every_kind_of_value_is_walked_over() {
        let line = r#" { "a" : "x\"}" , "b":[1, [2], "]"],"c":-1.5e+3,"d":null,"e":{"f":["}"]} } "#;
        let expected: [(&[u8], Value<'_>); 5] = [
            (b"a", Value::Text(br#"x\"}"#)),
            (b"b", Value::Array(br#"1, [2], "]""#)),
            (b"c", Value::Plain(b"-1.5e+3")),
            (b"d", Value::Plain(b"null")),
            (b"e", Value::Object(br#"{"f":["}"]}"#)),
        ];
        assert_eq!(members(line), Some(expected.to_vec()));
    }

    #[test]
    fn what_is_not_one_whole_object_is_none() {
        for line in [
            "",
            "{",
            "{}",
            "[]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":1}{\"b\":1}",
            "{\"a\":\"x}",
            "{\"a\":\"x\\\"}",
            "{\"a\":[1}",
            "{\"a\":[\"]}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
        ] {
            assert_eq!(members(line), None, "{line}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(members(&deep(200_000)).map(|members| members.len()), Some(1));
        assert_eq!(members(&"{\"a\":[".repeat(10_000)), None);
    }

    #[test]
    fn an_array_gives_its_elements() {
        let all = |inside: &'static str| {
            let mut all = Vec::new();
            elements(inside.as_bytes(), |element| {
                all.push(element);
                Some(())
            })
            .map(|()| all)
        };
        let plain = |number: &'static str| Value::Plain(number.as_bytes());
        assert_eq!(all(" "), Some(vec![]));
        assert_eq!(all(" 1 , 2"), Some(vec![plain("1"), plain("2")]));
        assert_eq!(all("\"a,b\",[1]"), Some(vec![Value::Text(b"a,b"), Value::Array(b"1")]));
        assert_eq!(all("1 2"), None);
    }
}
