//! TOML values to Rust values, each with its place; a value of the wrong type is a problem.

use std::time::Duration;

use jiff::SpanRelativeTo;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::{Problems, Span};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    /// Where.
    pub(super) span: Span,
    /// What.
    pub(super) value: T,
}

impl<T> At<T> {
    /// A value that does not stand in a file.
    pub(super) fn typed(value: T) -> Self {
        Self { span: 0..0, value }
    }
}

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// Its name for people.
    const ONE: &'static str;
    /// The name of an array of it.
    const MANY: &'static str;

    /// Reads it. None when it is not one, after a problem was added.
    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self>;
}

/// Reads a value of whatever type the caller wants, with its place.
pub(super) fn read_at<T: Value>(
    raw: Spanned<DeValue<'_>>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<At<T>> {
    let span = raw.span();
    T::read(raw, key, problems).map(|value| At { span, value })
}

impl Value for String {
    const ONE: &'static str = "string";
    const MANY: &'static str = "array of strings";

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match raw.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            other => {
                wrong_type::<Self>(&raw.span(), other, key, problems);
                None
            }
        }
    }
}

impl Value for bool {
    const ONE: &'static str = "boolean";
    const MANY: &'static str = "array of booleans";

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let found = raw.get_ref().as_bool();
        if found.is_none() {
            wrong_type::<Self>(&raw.span(), raw.get_ref(), key, problems);
        }
        found
    }
}

/// Names that the operator chose, each with a text, in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Pairs(pub(super) Vec<(At<String>, At<String>)>);

impl Value for Pairs {
    const ONE: &'static str = "table of strings";
    const MANY: &'static str = "array of tables of strings";

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let table = table::<Self>(raw, key, problems)?;
        let mut pairs: Vec<_> = table
            .into_iter()
            .filter_map(|(name, value)| {
                let at = At { span: name.span(), value: name.into_inner().into_owned() };
                Some((at, read_at(value, key, problems)?))
            })
            .collect();
        pairs.sort_by_key(|(name, _)| name.span.start);
        Some(Self(pairs))
    }
}

impl Value for usize {
    const ONE: &'static str = "whole number";
    const MANY: &'static str = "array of whole numbers";

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let Some(digits) = raw.get_ref().as_integer() else {
            wrong_type::<Self>(&raw.span(), raw.get_ref(), key, problems);
            return None;
        };
        let number = Self::from_str_radix(digits.as_str(), digits.radix()).ok();
        if number.is_none() {
            problems.error(&raw.span(), key, format!("{digits} is out of range"));
        }
        number
    }
}

impl Value for u16 {
    const ONE: &'static str = usize::ONE;
    const MANY: &'static str = usize::MANY;

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let span = raw.span();
        let number = usize::read(raw, key, problems)?;
        let small = Self::try_from(number).ok();
        if small.is_none() {
            problems.error(&span, key, format!("{number} is out of range"));
        }
        small
    }
}

impl Value for Duration {
    const ONE: &'static str = "duration";
    const MANY: &'static str = "array of durations";

    /// Always text with a unit: a bare number would leave the unit to guessing.
    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match raw.get_ref() {
            DeValue::String(text) => {
                let duration = duration(text);
                if duration.is_none() {
                    problems
                        .error(&raw.span(), key, format!("{text:?} is not a duration"))
                        .hint(DURATION_HINT);
                }
                duration
            }
            DeValue::Integer(number) => {
                problems
                    .error(&raw.span(), key, "a duration needs a unit")
                    .hint(format!("write \"{number}s\" for seconds"));
                None
            }
            other => {
                wrong_type::<Self>(&raw.span(), other, key, problems);
                None
            }
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl Value for Bytes {
    const ONE: &'static str = "size";
    const MANY: &'static str = "array of sizes";

    /// Always text with a unit, as a duration is.
    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let DeValue::String(text) = raw.get_ref() else {
            wrong_type::<Self>(&raw.span(), raw.get_ref(), key, problems);
            return None;
        };
        let size = bytes(text).map(Self);
        if size.is_none() {
            problems
                .error(&raw.span(), key, format!("{text:?} is not a size"))
                .hint("write a whole number and a unit, as in \"256MiB\", \"4GiB\"");
        }
        size
    }
}

/// Reads `0B`, `64KiB`, `256MiB`, `4GiB`, `1TiB`.
fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), *shift)))?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(1 << shift)
}

impl<T: Value> Value for Vec<At<T>> {
    const ONE: &'static str = T::MANY;
    const MANY: &'static str = "array of arrays";

    fn read(raw: Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let span = raw.span();
        match raw.into_inner() {
            DeValue::Array(items) => {
                Some(items.into_iter().filter_map(|item| read_at(item, key, problems)).collect())
            }
            other => {
                wrong_type::<Self>(&span, &other, key, problems);
                None
            }
        }
    }
}

/// What a duration may look like.
pub(super) const DURATION_HINT: &str =
    "write a number and a unit, as in \"30s\", \"5m\", \"24h\", \"7d\"";

/// Reads `30s`, `5m`, `24h`, `7d`, `1h 30m`. A day has 24 hours; months and years have no fixed
/// length and are refused, and so is anything negative.
#[must_use]
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    signed.try_into().ok()
}

/// Reads a table, or says that it is none.
pub(super) fn table<'i, T: Value>(
    raw: Spanned<DeValue<'i>>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<DeTable<'i>> {
    let span = raw.span();
    match raw.into_inner() {
        DeValue::Table(table) => Some(table),
        other => {
            wrong_type::<T>(&span, &other, key, problems);
            None
        }
    }
}

fn wrong_type<T: Value>(span: &Span, found: &DeValue<'_>, key: &str, problems: &mut Problems<'_>) {
    let found = found.type_str();
    problems.error(span, key, format!("must be of type {}, but is of type {found}", T::ONE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_whole_number_and_a_binary_unit() {
        assert_eq!(bytes("0B"), Some(0));
        assert_eq!(bytes("64KiB"), Some(65_536));
        assert_eq!(bytes("4 GiB"), Some(4 << 30));
        for wrong in ["", "B", "4", "4GB", "1.5GiB", "-1B", "+1B", "99999999999TiB", "4gib"] {
            assert_eq!(bytes(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_duration_has_a_number_and_a_unit_of_fixed_length() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_mins(90)));
        assert_eq!(duration("7d"), Some(Duration::from_hours(7 * 24)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for wrong in ["", "5", "five minutes", "-5m", "1 month", "5m ago", "99999999999999999999h"]
        {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
    }
}
