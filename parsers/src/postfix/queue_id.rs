//! Queue IDs, short and long (`mail_queue.h`, `mail_queue.c`, `mail_queue_enter()`).

use ascii::AsciiStr;
use jiff::Timestamp;
use nom::{Parser as _, sequence::terminated};

use crate::fields::{Parsed, failed, tag};

/// A queue ID as logged. Unique only for a host, an instance and a time.
///
/// * Short: the microsecond of arrival in five upper-case hexadecimal digits, then the inode in
///   as many as it takes. Neither says which second, so the ID soon recurs.
/// * Long (`enable_long_queue_ids`): seconds in base 52 (six digits until 2596), microseconds in
///   base 52 (four digits), a `z`, the inode in base 51.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId<'a>(&'a str);

/// Microseconds of a short ID.
const SHORT_MICROSECONDS: usize = 5;
/// Digits of a 64-bit inode in base 16, and in base 51.
const MAX_SHORT_INODE: usize = 16;
const MAX_LONG_INODE: usize = 12;
/// Digits of the seconds of a long ID: padded to six, which last until the year 2596.
const LONG_SECONDS: usize = 6;
const LONG_MICROSECONDS: usize = 4;
/// `safe_ultostr.c`: digits and letters without vowels. `z` is the 52nd and also separates.
const LONG_DIGITS: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
/// What each byte is worth as one of [`LONG_DIGITS`]: asked for every byte of every long ID.
const LONG_VALUES: [u8; 256] = long_values();
const NO_DIGIT: u8 = u8::MAX;
const SEPARATOR: u8 = 51;
/// What each byte may be part of: asked once for every byte of every ID.
const KINDS: [u8; 256] = kinds();
/// A word of ASCII letters and digits.
const WORD: u8 = 1;
/// A short ID.
const SHORT: u8 = 2;
/// The time of a long ID.
const LONG: u8 = 4;
/// The inode of a long ID.
const LONG_INODE: u8 = 8;
/// 999,999 in base 52.
const LAST_MICROSECOND: &[u8; LONG_MICROSECONDS] = b"75pl";

impl<'a> QueueId<'a> {
    /// The whole of `text`, if it has the shape of a queue ID.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        word(text).filter(|(_, rest)| rest.is_empty()).map(|(id, _)| id)
    }

    /// The ID: ASCII letters and digits.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// When the message arrived; only long IDs tell (`enable_long_queue_ids`).
    #[must_use]
    pub fn arrival(self) -> Option<Timestamp> {
        let id = self.0.as_bytes();
        long(id)?;
        let (second, rest) = id.split_first_chunk::<LONG_SECONDS>()?;
        let (microsecond, _) = rest.split_first_chunk::<LONG_MICROSECONDS>()?;
        let (second, microsecond) = (number(second)?, number(microsecond)?);
        let nanosecond = i32::try_from(microsecond).ok()?.checked_mul(1000)?;
        Timestamp::new(i64::try_from(second).ok()?, nanosecond).ok()
    }
}

/// `97C0A53F4D6: ` in front of a text.
pub(super) fn leading(text: &[u8]) -> Parsed<'_, QueueId<'_>> {
    terminated(queue_id, tag(": ")).parse(text)
}

/// A word that is a queue ID.
pub(super) fn queue_id(input: &[u8]) -> Parsed<'_, QueueId<'_>> {
    word(input).map(|(id, rest)| (rest, id)).ok_or_else(|| failed(input))
}

/// The letters and digits in front, if they are a queue ID, and what follows.
fn word(input: &[u8]) -> Option<(QueueId<'_>, &[u8])> {
    let (text, rest) = input.split_at_checked(long(input).or_else(|| short(input))?)?;
    let is_end = rest.first().is_none_or(|byte| kinds_of(*byte) & WORD == 0);
    is_end.then_some((QueueId(AsciiStr::from_ascii(text).ok()?.as_str()), rest))
}

/// Length of the short ID in front.
fn short(input: &[u8]) -> Option<usize> {
    let (microseconds, rest) = input.split_first_chunk::<SHORT_MICROSECONDS>()?;
    let inode = count(rest, SHORT);
    // Upper-case hexadecimal digits of equal length compare like the numbers they write.
    let is_one = are_all(microseconds, SHORT)
        && microseconds <= b"F423F"
        && (1..=MAX_SHORT_INODE).contains(&inode);
    is_one.then_some(SHORT_MICROSECONDS + inode)
}

/// Length of the long ID in front.
fn long(input: &[u8]) -> Option<usize> {
    let (second, rest) = input.split_first_chunk::<LONG_SECONDS>()?;
    let (microsecond, rest) = rest.split_first_chunk::<LONG_MICROSECONDS>()?;
    let inode = count(rest.strip_prefix(b"z")?, LONG_INODE);
    // The digits are in the order of ASCII.
    let is_one = are_all(second, LONG)
        && are_all(microsecond, LONG)
        && microsecond <= LAST_MICROSECOND
        && (1..=MAX_LONG_INODE).contains(&inode);
    is_one.then_some(LONG_SECONDS + LONG_MICROSECONDS + 1 + inode)
}

/// May all the bytes be part of that?
fn are_all<const N: usize>(bytes: &[u8; N], kind: u8) -> bool {
    bytes.iter().fold(kind, |common, byte| common & kinds_of(*byte)) != 0
}

/// Bytes in front that may be part of that.
fn count(bytes: &[u8], kind: u8) -> usize {
    bytes.iter().take_while(|byte| kinds_of(**byte) & kind != 0).count()
}

fn kinds_of(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or_default()
}

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        #[expect(clippy::indexing_slicing, reason = "no byte is out of range")]
        {
            let short = if matches!(byte, b'0'..=b'9' | b'A'..=b'F') { SHORT } else { 0 };
            let long = match LONG_VALUES[byte as usize] {
                NO_DIGIT => 0,
                SEPARATOR => LONG,
                _ => LONG | LONG_INODE,
            };
            let word = if byte.is_ascii_alphanumeric() { WORD } else { 0 };
            kinds[byte as usize] = word | short | long;
        }
        byte += 1;
    }
    kinds
}

const fn long_values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < LONG_DIGITS.len() {
        #[expect(clippy::indexing_slicing, reason = "both are in range, or this does not compile")]
        #[expect(clippy::cast_possible_truncation, reason = "there are 52 digits")]
        {
            values[LONG_DIGITS[value] as usize] = value as u8;
        }
        value += 1;
    }
    values
}

/// At most six digits come here, so nothing overflows.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, byte| Some(sum * 52 + digit(*byte)?))
}

fn digit(byte: u8) -> Option<u64> {
    let value = LONG_VALUES.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT);
    (value != NO_DIGIT).then_some(u64::from(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn short_ids_are_microsecond_and_inode() {
        for id in ["1A20E52E14A", "0000010", "F423F0", "97C0A53F4D6", "00000FFFFFFFFFFFFFFFF"] {
            assert_eq!(QueueId::parse(id.as_bytes()).map(QueueId::as_str), Some(id));
        }
        for text in ["", "12345", "F42400", "1a20e52e14a", "1A20E52E14G", "00000FFFFFFFFFFFFFFFF0"]
        {
            assert_eq!(QueueId::parse(text.as_bytes()), None, "{text}");
        }
    }

    /// Postfix 3.7.11, `enable_long_queue_ids = yes`.
    #[test]
    fn a_long_id_tells_when_the_message_arrived() {
        let id = QueueId::parse(b"4jWZ7v40tkzmwDG").unwrap();
        assert_eq!(id.arrival().unwrap().as_microsecond(), 1_795_223_867_564_862);
    }

    #[test]
    fn the_last_z_of_a_long_id_separates() {
        let id = QueueId::parse(b"4jWZzv40zkzmwDG").unwrap();
        assert_eq!(id.arrival().unwrap().as_second(), 1_795_226_155);
    }

    #[test]
    fn a_short_id_does_not_tell_when() {
        assert_eq!(QueueId::parse(b"1A20E52E14A").unwrap().arrival(), None);
    }

    #[test]
    fn words_that_resemble_a_long_id_are_none() {
        for text in [
            "4jWZ7v40tkmwDG",
            "4jWZ740tkzmwDG",
            "4jWZ7v40tkz",
            "4jWZ7vyyyyzmwDG",
            "4jWZ7v40tkzmwEA",
        ] {
            assert_eq!(QueueId::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_id_leads_a_text_only_before_colon_and_space() {
        assert!(leading(b"1A20E52E14A: removed").is_ok());
        assert!(leading(b"1A20E52E14A removed").is_err());
        assert!(leading(b"1A20E52E14A:removed").is_err());
        assert!(leading(b"statistics: max").is_err());
        assert!(leading(b"NOQUEUE: reject").is_err());
    }
}
