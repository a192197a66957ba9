//! When the next attempt is due.
//!
//! Pure arithmetic: the instant at which the attempt ended and the random draw come from the
//! caller. Which results are retried at all is [`super::outcome`]'s.

use std::time::Duration;

use jiff::{Timestamp, civil, fmt::strtime, tz::TimeZone};

/// The longest wait that a receiver may ask for (webhooks.md §2.2).
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(6);

/// The longest random wait on top of a scheduled one.
pub const JITTER_MAX: Duration = Duration::from_mins(1);

/// Jitter is at most this part of the scheduled wait.
const JITTER_PART: f64 = 0.1;

/// The three forms of HTTP-date (RFC 9110 §5.6.7).
const HTTP_DATES: [&str; 3] =
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// When the attempt after attempt `number` (from 1), which ended at `ended_at`, is due; None
/// when the schedule has no more, and the delivery is dead.
///
/// Never earlier than the schedule says, nor than `not_before` after the end. `draw`, from 0 to
/// 1, places the jitter, which only ever adds: with 0 the schedule is exact.
#[must_use]
pub fn next_due(
    schedule: &[Duration],
    number: u32,
    ended_at: Timestamp,
    not_before: Duration,
    draw: f64,
) -> Option<Timestamp> {
    let retries_made = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let scheduled = *schedule.get(retries_made)?;
    let wait = scheduled.saturating_add(jitter(scheduled, draw)).max(not_before);
    Some(ended_at.checked_add(wait).unwrap_or(Timestamp::MAX))
}

fn jitter(scheduled: Duration, draw: f64) -> Duration {
    let part = if draw.is_finite() { draw.clamp(0.0, 1.0) } else { 0.0 };
    let most = Duration::try_from_secs_f64(scheduled.as_secs_f64() * JITTER_PART);
    most.unwrap_or(JITTER_MAX).min(JITTER_MAX).mul_f64(part)
}

/// What a `Retry-After` header asks for (RFC 9110 §10.2.3), from `now` on and at most
/// [`RETRY_AFTER_MAX`]. None when it is neither seconds nor a date; a date gone by is zero.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_ascii();
    let asked = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        http_date(value)?.duration_since(now).try_into().unwrap_or(Duration::ZERO)
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

/// Reads an HTTP-date (RFC 9110 §5.6.7). None when it is none.
#[must_use]
pub fn http_date(value: &str) -> Option<Timestamp> {
    let parsed = HTTP_DATES.iter().find_map(|form| strtime::parse(form, value).ok())?;
    let date: civil::DateTime = parsed.to_datetime().ok()?;
    // The last day of 9999, a favourite for "never", lies beyond what a Timestamp can hold.
    Some(date.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::profile::Profile;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    /// Seconds from the first attempt to each one, when attempts take no time.
    fn offsets(profile: Profile) -> Vec<i64> {
        let mut at = START;
        let mut offsets = vec![0];
        for number in 1.. {
            match next_due(profile.schedule(), number, at, Duration::ZERO, 0.0) {
                Some(due) => at = due,
                None => break,
            }
            offsets.push(at.as_second());
        }
        offsets
    }

    #[test]
    fn each_profile_keeps_its_published_timetable() {
        assert_eq!(offsets(Profile::Jetemail), [0, 30, 150, 750, 4350, 18_750]);
        assert_eq!(offsets(Profile::Generic), [0, 60, 360, 2160]);
        let lettermint = offsets(Profile::Lettermint);
        assert_eq!((lettermint.len(), lettermint.last()), (12, Some(&51_180)));
        assert_eq!(offsets(Profile::Standard).len(), 10);
    }

    #[test]
    fn a_delivery_without_attempts_left_has_no_next_one() {
        let schedule = [Duration::from_secs(1)];
        assert!(next_due(&schedule, 1, START, Duration::ZERO, 0.0).is_some());
        assert_eq!(next_due(&schedule, 2, START, RETRY_AFTER_MAX, 0.0), None);
        assert_eq!(next_due(&[], 1, START, Duration::ZERO, 0.0), None);
    }

    #[test]
    fn what_the_receiver_asks_for_never_shortens_the_schedule() {
        let schedule = [Duration::from_secs(30)];
        let due = |asked| next_due(&schedule, 1, START, Duration::from_secs(asked), 0.0).unwrap();
        assert_eq!(due(7).as_second(), 30);
        assert_eq!(due(45).as_second(), 45);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_any_http_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let read = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(read("7"), Some(7));
        assert_eq!(read(" 120 "), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sunday, 06-Nov-94 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sun Nov  6 08:49:37 1994"), Some(37));
        assert_eq!(read("Sun, 06 Nov 1994 08:48:00 GMT"), Some(0));
        for nonsense in ["", "-1", "1.5", "soon", "7 s", "+3"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_absurd_retry_after_is_cut_to_six_hours() {
        for absurd in ["99999999999999999999999999", "21601", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(retry_after(absurd, START), Some(RETRY_AFTER_MAX), "{absurd}");
        }
    }

    #[test]
    fn jitter_adds_a_tenth_at_most_and_never_more_than_a_minute() {
        let due = |seconds, draw| {
            let schedule = [Duration::from_secs(seconds)];
            next_due(&schedule, 1, START, Duration::ZERO, draw).unwrap().as_second()
        };
        assert_eq!(due(100, 1.0), 110);
        assert_eq!(due(3600, 1.0), 3660);
        assert_eq!(due(100, f64::NAN), 100);
    }

    proptest! {
        #[test]
        fn an_attempt_is_never_early_and_never_more_than_a_minute_late(
            seconds in 0u64..200_000, draw in any::<f64>(), ended_us in 0i64..1 << 52,
        ) {
            let ended_at = Timestamp::from_microsecond(ended_us).unwrap();
            let wait = Duration::from_secs(seconds);
            let due = next_due(&[wait], 1, ended_at, Duration::ZERO, draw).unwrap();
            let exact = ended_at.checked_add(wait).unwrap();
            prop_assert!(due >= exact && due <= exact.checked_add(JITTER_MAX).unwrap());
        }

        #[test]
        fn no_header_breaks_the_reader(value in "\\PC{0,80}") {
            if let Some(wait) = retry_after(&value, START) {
                prop_assert!(wait <= RETRY_AFTER_MAX);
            }
        }
    }
}
