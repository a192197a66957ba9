//! Points in time, as people type them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{clock, config::parse_duration};

/// How to write one, for who has not.
const HELP: &str = "as in 2026-03-01T10:00:00Z, 2026-03-01 (by the clock of this machine), \
     or 2h for two hours ago";

/// A time with its zone; one without, by the zone of this machine; or how long ago.
pub(super) fn when(text: &str) -> Result<Timestamp, String> {
    at(text, clock::system().now(), TimeZone::system()).ok_or_else(|| format!("write it {HELP}"))
}

fn at(text: &str, now: Timestamp, zone: TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Some(ago) = parse_duration(text) {
        return now.checked_sub(ago).ok();
    }
    let local: DateTime = text.parse().ok()?;
    zone.to_timestamp(local).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_time_has_a_zone_or_that_of_this_machine_or_is_so_long_ago() {
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (text, expected) in [
            ("2026-03-01T10:00:00Z", Some("2026-03-01T10:00:00Z")),
            ("2026-03-01T10:00:00+01:00", Some("2026-03-01T09:00:00Z")),
            ("2026-03-01", Some("2026-02-28T22:00:00Z")),
            ("2026-03-01T10:00", Some("2026-03-01T08:00:00Z")),
            ("2026-03-01 10:00:30", Some("2026-03-01T08:00:30Z")),
            ("2h", Some("2026-03-02T10:00:00Z")),
            ("7d", Some("2026-02-23T12:00:00Z")),
            ("yesterday", None),
            ("", None),
            ("2026-13-01", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(at(text, now, zone.clone()), expected, "{text}");
        }
    }
}
