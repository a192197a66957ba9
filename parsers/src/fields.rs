//! Small productions that several grammars share: separators, numbers, tokens.
//!
//! All of them work on complete input and take their bounds from the caller's line.

use std::time::Duration;

use nom::{
    IResult, Parser as _,
    branch::alt,
    bytes::complete::{take, take_while1},
    error::{Error, ErrorKind},
    multi::fold_many0,
    sequence::preceded,
};

/// What is left, and the value; errors carry no text of their own, because a record that fails
/// becomes a value with a reason.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T>;

/// That nothing fits `input`, for a production that is not made of nom's.
pub(crate) fn failed(input: &[u8]) -> nom::Err<Error<&[u8]>> {
    nom::Err::Error(Error::new(input, ErrorKind::Verify))
}

/// `text`, compared at once: nom's own compares byte by byte, and this is asked several times a
/// line.
pub(crate) fn tag<'a>(text: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| match input.split_at_checked(text.len()) {
        Some((head, rest)) if head == text.as_bytes() => Ok((rest, head)),
        _ => Err(failed(input)),
    }
}

/// `, key=` in front of a value.
pub(crate) fn key<'a>(name: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| {
        let (rest, _) = (tag(", "), tag(name), tag("=")).parse(input)?;
        Ok((rest, ()))
    }
}

/// Seconds with an optional fraction: `0`, `0.01`, `432001` (`log_adhoc.c`, `format_delay`).
///
/// At most ten digits before the point; digits beyond nanoseconds are read and dropped.
pub(crate) fn seconds(input: &[u8]) -> Parsed<'_, Duration> {
    let (rest, whole) = decimal(1, 10)(input)?;
    Ok(match rest.strip_prefix(b".").and_then(|rest| fraction(rest).ok()) {
        Some((rest, nanoseconds)) => (rest, Duration::new(whole, nanoseconds)),
        None => (rest, Duration::from_secs(whole)),
    })
}

/// Up to 18 digits behind the decimal point of seconds, as nanoseconds. Digits beyond the ninth are
/// dropped.
pub(crate) fn fraction(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, value) = decimal(1, 9)(input)?;
    let worth = WORTH.get(input.len() - rest.len()).copied().unwrap_or_default();
    let (rest, _dropped) = digits(0, 9)(rest)?;
    Ok((rest, u32::try_from(value).unwrap_or_default() * worth))
}

/// Nanoseconds in the last of so many digits behind the point.
const WORTH: [u32; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1];

/// A number of `min` to `max` ASCII digits; `max` is at most 19, which always fit.
pub(crate) fn decimal<'a>(min: usize, max: usize) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |input| {
        let (value, count) = leading_number(input, max);
        match input.get(count..) {
            Some(rest) if count >= min => Ok((rest, value)),
            _ => Err(failed(input)),
        }
    }
}

/// The value of the ASCII digits in front, `max` at most, and how many those are. A value of more
/// than 19 digits means nothing.
fn leading_number(input: &[u8], max: usize) -> (u64, usize) {
    let (mut value, mut count) = (0_u64, 0);
    for byte in input.iter().take(max) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    (value, count)
}

/// Between `min` and `max` ASCII digits.
pub(crate) fn digits<'a>(min: usize, max: usize) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| {
        let (_, count) = leading_number(input, max);
        match input.split_at_checked(count) {
            Some((digits, rest)) if count >= min => Ok((rest, digits)),
            _ => Err(failed(input)),
        }
    }
}

/// Up to the quote that no backslash precedes: a value of RFC 5424 §6.3, a string of RFC 8259 §7.
pub(crate) fn quoted_body(input: &[u8]) -> Parsed<'_, ()> {
    let escaped = preceded(tag("\\"), take(1_usize));
    let plain = take_while1(|byte| byte != b'"' && byte != b'\\');
    fold_many0(alt((escaped, plain)), || (), |(), _| ()).parse(input)
}

/// A word up to the next space or comma.
pub(crate) fn word(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(|byte| byte != b' ' && byte != b',').parse(input)
}

/// The value of a short run of ASCII digits; none when it is empty, no number or does not fit.
pub(crate) fn small_number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.len() > 10 {
        return None;
    }
    T::try_from(large_number(digits)?).ok()
}

/// The value of a run of ASCII digits; none when it is empty, no number or does not fit.
pub(crate) fn large_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn seconds_are_read_as_postfix_prints_them() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("0.01", Duration::from_millis(10)),
            ("1.5", Duration::from_millis(1500)),
            ("432001", Duration::from_secs(432_001)),
            ("0.1234567899", Duration::from_nanos(123_456_789)),
        ] {
            assert_eq!(seconds(text.as_bytes()).unwrap(), (&b""[..], expected), "{text}");
        }
        for text in ["", ".5", "-1", "x"] {
            assert!(seconds(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_none() {
        assert_eq!(small_number::<u16>(b"65535"), Some(65535));
        assert_eq!(small_number::<u16>(b"65536"), None);
        assert_eq!(small_number::<u32>(b""), None);
        assert_eq!(small_number::<u32>(b"1x"), None);
        assert_eq!(small_number::<u32>(b"99999999999"), None);
        assert_eq!(large_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(large_number(b"18446744073709551616"), None);
        assert_eq!(large_number(b""), None);
    }
}
