//! The forms of time stamps: RFC 3164, RFC 3339, and journald's `short-full`.
//!
//! Consecutive lines mostly share the second, so [`Memo`] keeps the last one of each form with
//! the bytes it was read from: equal bytes mean an equal stamp, whatever came between.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::{take, take_while_m_n},
    combinator::{map_opt, opt, success, value, verify},
    sequence::preceded,
};

use crate::fields::{Parsed, digits, fraction, small_number, tag};

/// When a line was logged, as far as the line itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The line has no stamp.
    Missing,
    /// A full stamp with zone (RFC 3339).
    Exact(Timestamp),
    /// Date and time without an offset, whole seconds.
    Local {
        /// As the clock showed it.
        civil: DateTime,
        /// The zone, where it is known by name (`short-full`).
        zone: Option<ZoneName>,
    },
    /// A traditional stamp (RFC 3164): no year, no zone, whole seconds.
    Yearless {
        /// 1–12.
        month: u8,
        /// 1–31, not checked against the month.
        day: u8,
        /// 0–23.
        hour: u8,
        /// 0–59.
        minute: u8,
        /// 0–60.
        second: u8,
    },
}

/// What a zone is called, as `CEST`: three to six letters. Several zones may share a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneName([u8; 6]);

impl ZoneName {
    fn new(name: &[u8]) -> Option<Self> {
        let mut letters = [0; 6];
        letters.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self(letters))
    }

    /// Is that the zone's name?
    pub(super) fn is(self, name: &str) -> bool {
        Self::new(name.as_bytes()) == Some(self)
    }
}

/// Bytes of `Nov 21 01:02:03`.
const TRADITIONAL_LEN: usize = 15;
/// Bytes of `2026-11-21T01:02:03`.
const CIVIL_LEN: usize = 19;

/// Bytes of `+00:00`.
const ZONE_LEN: usize = 6;

/// The last stamp of the two common forms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memo {
    traditional: Option<([u8; TRADITIONAL_LEN], Traditional)>,
    civil: Option<([u8; CIVIL_LEN], i64)>,
    /// Seconds east of UTC.
    zone: Option<([u8; ZONE_LEN], i64)>,
}

/// A traditional stamp and its length: 14 bytes where a one-digit day is not padded.
#[derive(Debug, Clone, Copy)]
struct Traditional {
    stamp: Stamp,
    len: usize,
}

impl Memo {
    /// A stamp of any form, and what follows it.
    pub(crate) fn stamp<'a>(&mut self, line: &'a [u8]) -> Parsed<'a, Stamp> {
        if line.first().is_some_and(u8::is_ascii_digit) {
            internet(self, line)
        } else {
            self.traditional(line).or_else(|_| full(line))
        }
    }

    /// A stamp whose second is the last one's, and what follows it: the stamps of most lines.
    pub(crate) fn again<'a>(&mut self, line: &'a [u8]) -> Option<(Stamp, &'a [u8])> {
        if let Some((known, seconds)) = &self.civil
            && let Some((head, rest)) = line.split_first_chunk::<CIVIL_LEN>()
            && head == known
        {
            let seconds = *seconds;
            return self.microseconds(rest, seconds);
        }
        let (known, value) = self.traditional.as_ref()?;
        let is_known = line.first_chunk() == Some(known);
        is_known.then(|| Some((value.stamp, line.get(value.len..)?))).flatten()
    }

    fn traditional<'a>(&mut self, line: &'a [u8]) -> Parsed<'a, Stamp> {
        let head = line.first_chunk::<TRADITIONAL_LEN>();
        if let (Some(head), Some((known, value))) = (head, &self.traditional)
            && head == known
        {
            let (rest, _) = take(value.len).parse(line)?;
            return Ok((rest, value.stamp));
        }
        let (rest, stamp) = traditional(line)?;
        let value = Traditional { stamp, len: line.len() - rest.len() };
        self.traditional = head.map(|head| (*head, value));
        Ok((rest, stamp))
    }

    /// Seconds since the epoch, as if the civil time were UTC.
    fn civil<'a>(&mut self, line: &'a [u8]) -> Parsed<'a, i64> {
        let head = line.first_chunk::<CIVIL_LEN>();
        if let (Some(head), Some((known, seconds))) = (head, &self.civil)
            && head == known
        {
            let (rest, _) = take(CIVIL_LEN).parse(line)?;
            return Ok((rest, *seconds));
        }
        let (rest, seconds) = civil(line)?;
        self.civil = head.map(|head| (*head, seconds));
        Ok((rest, seconds))
    }

    /// `.123456+00:00` behind the civil time, as rsyslog writes it: the form of most lines. None
    /// when it is another, which [`zoned`] reads, or wrong, which [`zoned`] says.
    fn microseconds<'a>(&mut self, line: &'a [u8], seconds: i64) -> Option<(Stamp, &'a [u8])> {
        let (fraction, rest) = line.strip_prefix(b".")?.split_first_chunk::<6>()?;
        let (zone, after) = rest.split_first_chunk::<ZONE_LEN>()?;
        let offset = match &self.zone {
            Some((known, offset)) if known == zone => *offset,
            _ => {
                let (_, offset) = offset(zone).ok().filter(|(left, _)| left.is_empty())?;
                self.zone = Some((*zone, offset));
                offset
            }
        };
        Some((at(seconds, offset, six_digits(*fraction)? * 1000)?, after))
    }
}

/// The number that six digits write.
fn six_digits(text: [u8; 6]) -> Option<u32> {
    let (value, largest) = text.iter().fold((0_u32, 0), |(value, largest), byte| {
        let digit = byte.wrapping_sub(b'0');
        (value.wrapping_mul(10).wrapping_add(digit.into()), digit.max(largest))
    });
    (largest <= 9).then_some(value)
}

/// A whole RFC 3339 stamp, as in the header of RFC 5424.
pub(crate) fn internet<'a>(memo: &mut Memo, input: &'a [u8]) -> Parsed<'a, Stamp> {
    let (rest, seconds) = memo.civil(input)?;
    if let Some((stamp, rest)) = memo.microseconds(rest, seconds) {
        return Ok((rest, stamp));
    }
    zoned(rest, seconds)
}

/// `Nov  1 01:02:03`, `Nov 01 01:02:03` or `Nov 1 01:02:03`.
///
/// syslogd pads the day with a space (RFC 3164 §4.1.2), Postfix's own `maillog_file` with a zero
/// (`msg_logger.c`, `msg_logger_print()`), and some relays not at all.
fn traditional(input: &[u8]) -> Parsed<'_, Stamp> {
    let (rest, (month, _, _, day, _)) = (
        map_opt(take(3_usize), month),
        tag(" "),
        opt(tag(" ")),
        map_opt(digits(1, 2), |digits| in_range(digits, 1, 31)),
        tag(" "),
    )
        .parse(input)?;
    let (rest, (hour, minute, second)) = time_of_day(rest)?;
    Ok((rest, Stamp::Yearless { month, day, hour, minute, second }))
}

/// English in every locale: syslogd and Postfix both write month names in locale C.
fn month(name: &[u8]) -> Option<u8> {
    match name {
        b"Jan" => Some(1),
        b"Feb" => Some(2),
        b"Mar" => Some(3),
        b"Apr" => Some(4),
        b"May" => Some(5),
        b"Jun" => Some(6),
        b"Jul" => Some(7),
        b"Aug" => Some(8),
        b"Sep" => Some(9),
        b"Oct" => Some(10),
        b"Nov" => Some(11),
        b"Dec" => Some(12),
        _ => None,
    }
}

/// `01:02:03`; 60 is a leap second.
fn time_of_day(input: &[u8]) -> Parsed<'_, (u8, u8, u8)> {
    let (rest, (hour, _, minute, _, second)) = (
        map_opt(digits(2, 2), |digits| in_range(digits, 0, 23)),
        tag(":"),
        map_opt(digits(2, 2), |digits| in_range(digits, 0, 59)),
        tag(":"),
        map_opt(digits(2, 2), |digits| in_range(digits, 0, 60)),
    )
        .parse(input)?;
    Ok((rest, (hour, minute, second)))
}

fn in_range(digits: &[u8], min: u8, max: u8) -> Option<u8> {
    small_number(digits).filter(|value| (min..=max).contains(value))
}

/// `2026-11-21T01:02:03`, as seconds since the epoch if it were UTC.
fn civil(input: &[u8]) -> Parsed<'_, i64> {
    map_opt(date_and_time("T"), seconds).parse(input)
}

fn seconds(civil: DateTime) -> Option<i64> {
    Offset::UTC.to_timestamp(civil).map(Timestamp::as_second).ok()
}

/// Date and time of day. A leap second counts as the one before it.
fn date_and_time<'a>(separator: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, DateTime> {
    move |input| {
        let date = (digits(4, 4), tag("-"), digits(2, 2), tag("-"), digits(2, 2), tag(separator));
        let parts = (date, time_of_day);
        map_opt(parts, |((year, _, month, _, day, _), (hour, minute, second))| {
            DateTime::new(
                // RFC 3339 can write no year before the first.
                small_number::<u16>(year).filter(|year| *year > 0)?.try_into().ok()?,
                small_number::<u8>(month)?.try_into().ok()?,
                small_number::<u8>(day)?.try_into().ok()?,
                i8::try_from(hour).ok()?,
                i8::try_from(minute).ok()?,
                i8::try_from(second.min(59)).ok()?,
                0,
            )
            .ok()
        })
        .parse(input)
    }
}

/// `Sat 2026-11-21 01:47:12 UTC` (systemd `logs-show.c`, `output_short()` for
/// `journalctl -o short-full`).
///
/// The zone is strftime(3)'s `%Z`: its name, or its offset where it has no name. A name other than
/// UTC's means no certain offset (`IST`, `CST`), but tells summer time from winter time.
fn full(input: &[u8]) -> Parsed<'_, Stamp> {
    let (rest, _) = (weekday, tag(" ")).parse(input)?;
    let (rest, civil) = date_and_time(" ")(rest)?;
    let (rest, _) = tag(" ").parse(rest)?;
    let utc = verify(zone_name, |name| name.is("UTC") || name.is("GMT"));
    let (rest, offset) = opt(alt((offset, value(0, utc)))).parse(rest)?;
    match offset {
        Some(offset) => map_opt(success(()), |()| at(seconds(civil)?, offset, 0)).parse(rest),
        None => zone_name.map(|zone| Stamp::Local { civil, zone: Some(zone) }).parse(rest),
    }
}

fn weekday(input: &[u8]) -> Parsed<'_, &[u8]> {
    let is_one = |name: &&[u8]| {
        matches!(*name, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")
    };
    verify(take(3_usize), is_one).parse(input)
}

fn zone_name(input: &[u8]) -> Parsed<'_, ZoneName> {
    map_opt(take_while_m_n(3, 6, |byte: u8| byte.is_ascii_alphabetic()), ZoneName::new).parse(input)
}

/// `.123456+00:00` behind the civil time: fraction and zone.
fn zoned(input: &[u8], civil_seconds: i64) -> Parsed<'_, Stamp> {
    let fraction = opt(preceded(tag("."), fraction));
    map_opt((fraction, offset), |(fraction, offset)| {
        at(civil_seconds, offset, fraction.unwrap_or_default())
    })
    .parse(input)
}

/// The instant at which clocks `offset` seconds east of UTC show this.
fn at(civil_seconds: i64, offset: i64, nanoseconds: u32) -> Option<Stamp> {
    let second = civil_seconds.checked_sub(offset)?;
    Timestamp::new(second, i32::try_from(nanoseconds).ok()?).ok().map(Stamp::Exact)
}

/// `Z`, `+01:00`, `+0100` (journald before systemd 255) or `+01`, as seconds east of UTC.
fn offset(input: &[u8]) -> Parsed<'_, i64> {
    let sign = alt((tag("+").map(|_| 1), tag("-").map(|_| -1)));
    let minutes = opt(preceded(opt(tag(":")), digits(2, 2)));
    let numeric = map_opt((sign, digits(2, 2), minutes), |(sign, hours, minutes)| {
        let hours = i64::from(in_range(hours, 0, 23)?);
        let minutes = i64::from(minutes.map_or(Some(0), |minutes| in_range(minutes, 0, 59))?);
        Some(sign * (hours * 3600 + minutes * 60))
    });
    alt((tag("Z").map(|_| 0), numeric)).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Option<(Stamp, &[u8])> {
        Memo::default().stamp(text.as_bytes()).ok().map(|(rest, stamp)| (stamp, rest))
    }

    fn exact(text: &str) -> Option<String> {
        match stamp(text)? {
            (Stamp::Exact(at), []) => Some(at.to_string()),
            _ => None,
        }
    }

    #[test]
    fn a_day_is_padded_by_a_space_a_zero_or_nothing() {
        let expected = Stamp::Yearless { month: 11, day: 1, hour: 1, minute: 2, second: 3 };
        for text in ["Nov  1 01:02:03 mx", "Nov 01 01:02:03 mx", "Nov 1 01:02:03 mx"] {
            assert_eq!(stamp(text), Some((expected, &b" mx"[..])), "{text}");
        }
    }

    #[test]
    fn internet_stamps_are_exact_in_every_zone_notation() {
        let utc = Some("2026-11-21T01:02:03.123456Z".to_owned());
        for text in [
            "2026-11-21T01:02:03.123456Z",
            "2026-11-21T01:02:03.123456+00:00",
            "2026-11-21T03:32:03.123456+0230",
            "2026-11-20T20:02:03.123456-05:00",
            "2026-11-21T01:02:03.123456000999Z",
        ] {
            assert_eq!(exact(text), utc, "{text}");
        }
        assert_eq!(exact("2026-11-21T01:02:03Z").as_deref(), Some("2026-11-21T01:02:03Z"));
        assert_eq!(exact("2016-12-31T23:59:60Z").as_deref(), Some("2016-12-31T23:59:59Z"));
        assert_eq!(exact("1969-12-31T23:59:59.5Z").as_deref(), Some("1969-12-31T23:59:59.5Z"));
    }

    #[test]
    fn a_full_stamp_is_exact_in_utc_and_with_an_offset() {
        let utc = Some("2026-11-21T01:47:12Z".to_owned());
        for text in [
            "Sat 2026-11-21 01:47:12 UTC",
            "Fri 2026-11-20 22:47:12 -03",
            "Sat 2026-11-21 07:17:12 +0530",
        ] {
            assert_eq!(exact(text), utc, "{text}");
        }
    }

    #[test]
    fn a_full_stamp_with_a_zone_of_many_meanings_has_no_zone() {
        let civil = jiff::civil::date(2026, 11, 21).at(1, 47, 12, 0);
        for zone in ["CET", "CST", "ACWST"] {
            let expected = Stamp::Local { civil, zone: ZoneName::new(zone.as_bytes()) };
            let text = format!("Sat 2026-11-21 01:47:12 {zone} mx");
            assert_eq!(stamp(&text), Some((expected, &b" mx"[..])), "{text}");
        }
    }

    #[test]
    fn impossible_stamps_are_refused() {
        for text in [
            "Sat 2026-11-21 01:47:12",
            "Sat 2026-11-21 01:47:12 mx postfix",
            "Sat 2026-02-30 01:47:12 UTC",
            "Sam 2026-11-21 01:47:12 UTC",
            "",
            "Nov",
            "Nov 21 01:02",
            "Nov 32 01:02:03",
            "Nov 21 24:02:03",
            "Nov 21 01:60:03",
            "Nov 21 01:02:61",
            "nov 21 01:02:03",
            "2026-13-21T01:02:03Z",
            "0000-01-01T01:02:03Z",
            "2026-02-30T01:02:03Z",
            "2026-11-21T01:02:03",
            "2026-11-21 01:02:03Z",
            "2026-11-21T01:02:03.Z",
            "2026-11-21T01:02:03+1:00",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_memo_never_changes_an_answer() {
        let lines = [
            "Nov 21 01:02:03 a",
            "Nov 21 01:02:03 b",
            "Nov 1 01:02:03 xx",
            "Nov 1 01:02:03 yy",
            "Nov  1 01:02:03 y",
            "2026-11-21T01:02:03.5Z",
            "2026-11-21T01:02:03.25+01:00",
            "2026-11-21T01:02:03.123456+01:00",
            "2026-11-21T01:02:03.123456-01:00 x",
            "2026-11-21T01:02:03.123456-01:000",
            "2026-11-21T01:02:03.1234567+01:00",
            "2026-11-21T01:02:03.123456+24:00",
            "2026-11-21T01:02:03.123456Z 01:00",
            "2026-11-21T01:02:03.12345x+01:00",
            "2026-11-21T01:02:04Z",
            "2026-11-21T01:02:0",
            "Nov 21 01:02:0",
        ];
        let mut memo = Memo::default();
        for line in lines.iter().chain(lines.iter().rev()) {
            let remembered = memo.stamp(line.as_bytes()).ok().map(|(rest, stamp)| (stamp, rest));
            assert_eq!(remembered, stamp(line), "{line}");
        }
    }
}
