//! Gives year and zone to stamps that have neither.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};

use super::{Stamp, stamp::ZoneName};

/// How far a resolved time can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// The line gave instant and fraction.
    Exact,
    /// The line gave whole seconds; year and zone were supplied by us.
    Second,
    /// The line gave the date and whole seconds, but no zone, or one by a name that several have.
    NoZone,
    /// The line had no stamp, or one that no calendar has: it is the time of reading.
    ReadTime,
}

/// Gives year and zone to the stamps of one stream of lines, in order.
///
/// The year of a stamp is the latest one that does not put it more than a day after `anchor`. So a
/// live file (anchor: now) and its archive (anchor: its modification time) resolve alike, a late
/// line of December that comes after the first of January stays in the old year, and one wrong
/// clock misleads no line but its own. Lines that were written more than a year before `anchor`
/// are taken for those of a later year, unless an instant is known that they were written after:
/// their stamps say nothing else, and how many years a file spans is only known at its end.
///
/// In the hour that the end of summer time repeats, the zone's name decides where a stamp has it, else
/// order: the first pass is summer time, and once the clock falls back by more than a minute it is
/// winter time. An hour that the
/// beginning of summer time skips is shifted forward.
#[derive(Debug, Clone)]
pub struct Resolver {
    zone: TimeZone,
    /// Instant of the last stamp without a zone; tells the passes of a repeated hour apart.
    latest: Option<Timestamp>,
    /// The last anchor, and the time on its clock that no stamp lies after.
    limit: Option<(Timestamp, DateTime)>,
    /// The last instant that a line was written after, and the time that it does not lie before.
    floor: Option<(Timestamp, DateTime)>,
}

/// How far lines may stray from their order. Postfix's daemons write their `maillog_file` through
/// separate sockets, and stay within about one second of each other.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);

/// How far a stamp may lie after the anchor: clocks differ, and an anchor may be a day's end.
const LEEWAY: SignedDuration = SignedDuration::from_hours(24);

/// Leap years are at most this far apart (1896 and 1904, 2096 and 2104).
const LONGEST_LEAP_GAP: i16 = 8;

impl Resolver {
    /// A resolver for stamps written in `zone`.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        Self::resume(zone, None)
    }

    /// Continues where a former run stopped: behind a stamp without a zone that meant `latest`.
    #[must_use]
    pub fn resume(zone: TimeZone, latest: Option<Timestamp>) -> Self {
        Self { zone, latest, limit: None, floor: None }
    }

    /// What [`Resolver::resume`] needs.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// The instant that `stamp` means. `anchor` is now for a live line and the modification time
    /// for an archive; it also stands in for a missing stamp.
    ///
    /// `after` is an instant that the line was written after, and before a year was over. Where it
    /// contradicts `anchor`, it counts for nothing.
    pub fn resolve(
        &mut self,
        stamp: Stamp,
        anchor: Timestamp,
        after: Option<Timestamp>,
    ) -> (Timestamp, Quality) {
        match stamp {
            Stamp::Missing => (anchor, Quality::ReadTime),
            Stamp::Exact(at) => (at, Quality::Exact),
            Stamp::Local { civil, zone } => match self.settle(civil, zone) {
                Some(at) => (at, Quality::NoZone),
                None => (anchor, Quality::ReadTime),
            },
            Stamp::Yearless { month, day, hour, minute, second } => {
                let clock = Clock { month, day, hour, minute, second };
                match self.date(clock, anchor, after) {
                    Some(at) => (at, Quality::Second),
                    None => (anchor, Quality::ReadTime),
                }
            }
        }
    }

    fn date(
        &mut self,
        clock: Clock,
        anchor: Timestamp,
        after: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let limit = civil(&mut self.limit, &self.zone, anchor, LEEWAY)?;
        let floor = after.and_then(|after| civil(&mut self.floor, &self.zone, after, -LEEWAY));
        let behind = floor.and_then(|floor| clock.earliest_from(floor)).filter(|at| *at <= limit);
        self.settle(behind.or_else(|| clock.latest_until(limit))?, None)
    }

    /// Remembers the instant for the lines to come.
    fn settle(&mut self, at: DateTime, zone: Option<ZoneName>) -> Option<Timestamp> {
        let instant = self.instant(at, zone)?;
        self.latest = Some(instant);
        Some(instant)
    }

    fn instant(&self, at: DateTime, zone: Option<ZoneName>) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(at);
        if !matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. }) {
            return ambiguous.compatible().ok();
        }
        let (first, second) = (ambiguous.earlier().ok()?, ambiguous.later().ok()?);
        let is_second = match zone.map(|name| [first, second].map(|at| self.is_called(name, at))) {
            Some([first, second]) if first != second => second,
            _ => self.latest.is_some_and(|latest| first.duration_until(latest) > DISORDER),
        };
        Some(if is_second { second } else { first })
    }

    /// Has our zone that name then?
    fn is_called(&self, name: ZoneName, at: Timestamp) -> bool {
        name.is(self.zone.to_offset_info(at).abbreviation())
    }
}

/// The time on the zone's clock that lies `leeway` after an instant. Asked for each line, and mostly
/// for the same instant: the last answer is in `known`.
fn civil(
    known: &mut Option<(Timestamp, DateTime)>,
    zone: &TimeZone,
    at: Timestamp,
    leeway: SignedDuration,
) -> Option<DateTime> {
    if let Some((_, civil)) = known.filter(|(last, _)| *last == at) {
        return Some(civil);
    }
    let civil = zone.to_datetime(at.checked_add(leeway).ok()?);
    *known = Some((at, civil));
    Some(civil)
}

/// A stamp without its year.
#[derive(Debug, Clone, Copy)]
struct Clock {
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Clock {
    /// The civil time in `year`; none for a day that year does not have.
    fn in_year(self, year: i16) -> Option<DateTime> {
        let date =
            Date::new(year, i8::try_from(self.month).ok()?, i8::try_from(self.day).ok()?).ok()?;
        let (hour, minute) = (i8::try_from(self.hour).ok()?, i8::try_from(self.minute).ok()?);
        let second = i8::try_from(self.second.min(59)).ok()?;
        let time = Time::new(hour, minute, second, 0).ok()?;
        Some(date.to_datetime(time))
    }

    /// The first such time from `floor` on, before a year is over.
    fn earliest_from(self, floor: DateTime) -> Option<DateTime> {
        let later = |years| floor.year().checked_add(years).and_then(|year| self.in_year(year));
        [0, 1].into_iter().filter_map(later).find(|at| *at >= floor)
    }

    /// The last such time until `limit`. 29 February only falls into leap years.
    fn latest_until(self, limit: DateTime) -> Option<DateTime> {
        (0..=LONGEST_LEAP_GAP)
            .filter_map(|back| self.in_year(limit.year() - back))
            .find(|at| *at <= limit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::time::Memo;

    /// Berlin's rules, written out so that no time zone database is needed.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn yearless(at: DateTime) -> Stamp {
        let part = |value: i8| u8::try_from(value).unwrap();
        Stamp::Yearless {
            month: part(at.month()),
            day: part(at.day()),
            hour: part(at.hour()),
            minute: part(at.minute()),
            second: part(at.second()),
        }
    }

    fn local(civil: DateTime) -> Stamp {
        Stamp::Local { civil, zone: None }
    }

    /// What `clocks` resolve to when read in order.
    fn resolve(zone: TimeZone, anchor: &str, clocks: &[&str]) -> Vec<String> {
        let mut resolver = Resolver::new(zone);
        let clocks = clocks.iter().map(|clock| format!("2000-{clock}").parse().unwrap());
        clocks
            .map(|clock| resolver.resolve(yearless(clock), at(anchor), None).0.to_string())
            .collect()
    }

    #[test]
    fn row_20_the_first_year_is_the_latest_that_is_not_in_the_future() {
        let year = |anchor, clock| resolve(TimeZone::UTC, anchor, &[clock]).remove(0);
        assert_eq!(year("2027-01-01T00:00:10Z", "12-31T23:59:59"), "2026-12-31T23:59:59Z");
        assert_eq!(year("2026-12-31T23:59:59Z", "01-01T00:00:02"), "2027-01-01T00:00:02Z");
        assert_eq!(year("2026-12-30T00:00:00Z", "01-01T00:00:02"), "2026-01-01T00:00:02Z");
    }

    #[test]
    fn row_21_the_year_rises_at_new_year_and_late_lines_stay_in_the_old_one() {
        let clocks = ["12-31T23:59:58", "01-01T00:00:00", "12-31T23:59:59", "01-01T00:00:01"];
        assert_eq!(
            resolve(TimeZone::UTC, "2027-01-01T00:00:05Z", &clocks),
            [
                "2026-12-31T23:59:58Z",
                "2027-01-01T00:00:00Z",
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:01Z"
            ]
        );
    }

    #[test]
    fn row_20_the_29th_of_february_only_falls_into_leap_years() {
        let leap = |anchor| resolve(TimeZone::UTC, anchor, &["02-29T12:00:00"]).remove(0);
        assert_eq!(leap("2026-11-21T00:00:00Z"), "2024-02-29T12:00:00Z");
        assert_eq!(leap("2103-06-01T00:00:00Z"), "2096-02-29T12:00:00Z");
    }

    #[test]
    fn a_day_that_no_year_has_is_the_time_of_reading() {
        let stamp = Stamp::Yearless { month: 2, day: 30, hour: 0, minute: 0, second: 0 };
        let mut resolver = Resolver::new(TimeZone::UTC);
        let anchor = at("2026-11-21T00:00:00Z");
        assert_eq!(resolver.resolve(stamp, anchor, None), (anchor, Quality::ReadTime));
        assert_eq!(resolver.resolve(Stamp::Missing, anchor, None), (anchor, Quality::ReadTime));
    }

    #[test]
    fn row_22_a_repeated_hour_is_summer_time_first_and_winter_time_once_the_clock_fell_back() {
        let clocks = [
            "10-25T01:59:59",
            "10-25T02:30:01",
            "10-25T02:30:00",
            "10-25T02:59:59",
            "10-25T02:00:00",
            "10-25T02:30:00",
            "10-25T03:00:00",
        ];
        assert_eq!(
            resolve(berlin(), "2026-10-25T12:00:00Z", &clocks),
            [
                "2026-10-24T23:59:59Z",
                "2026-10-25T00:30:01Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T00:59:59Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }

    #[test]
    fn a_stamp_that_only_lacks_its_zone_keeps_its_year() {
        let civil: DateTime = "2019-07-01T12:00:00".parse().unwrap();
        let resolved =
            Resolver::new(berlin()).resolve(local(civil), at("2026-11-21T00:00:00Z"), None);
        assert_eq!(resolved, (at("2019-07-01T10:00:00Z"), Quality::NoZone));
    }

    /// journald's `short-full`; lines of both passes may be in any order.
    #[test]
    fn row_22_the_name_of_the_zone_tells_the_passes_of_a_repeated_hour_apart() {
        let mut resolver = Resolver::new(berlin());
        let mut resolve = |line: &str| {
            let stamp = Memo::default().stamp(line.as_bytes()).unwrap().1;
            resolver.resolve(stamp, at("2026-10-27T00:00:00Z"), None).0.to_string()
        };
        assert_eq!(resolve("Sun 2026-10-25 02:30:00 CET mx"), "2026-10-25T01:30:00Z");
        assert_eq!(resolve("Sun 2026-10-25 02:30:00 CEST mx"), "2026-10-25T00:30:00Z");
        assert_eq!(
            resolve("Sun 2026-10-25 02:40:00 EST mx"),
            "2026-10-25T00:40:00Z",
            "no name of ours"
        );
    }

    #[test]
    fn row_22_a_skipped_hour_is_shifted_forward() {
        let clocks = ["03-29T02:30:00"];
        assert_eq!(resolve(berlin(), "2026-04-01T00:00:00Z", &clocks), ["2026-03-29T01:30:00Z"]);
    }

    #[test]
    fn row_20_a_stamp_from_the_future_misleads_no_other_line() {
        let clocks = ["11-20T00:00:00", "01-02T00:00:00", "12-24T00:00:00", "11-20T00:00:01"];
        assert_eq!(
            resolve(TimeZone::UTC, "2026-11-20T00:00:05Z", &clocks),
            [
                "2026-11-20T00:00:00Z",
                "2026-01-02T00:00:00Z",
                "2025-12-24T00:00:00Z",
                "2026-11-20T00:00:01Z"
            ]
        );
    }

    #[test]
    fn row_21_of_a_file_of_more_than_a_year_the_last_year_is_right_and_no_line_in_the_future() {
        let clocks = ["10-20T00:00:00", "12-24T00:00:00", "01-02T00:00:00", "11-20T00:00:00"];
        assert_eq!(
            resolve(TimeZone::UTC, "2026-11-21T00:00:00Z", &clocks),
            [
                // Of 2025, which its stamp does not tell.
                "2026-10-20T00:00:00Z",
                "2025-12-24T00:00:00Z",
                "2026-01-02T00:00:00Z",
                "2026-11-20T00:00:00Z"
            ]
        );
    }

    #[test]
    fn row_20_an_instant_behind_the_anchor_counts_for_nothing() {
        let mut resolver = Resolver::new(TimeZone::UTC);
        let stamp = yearless("2000-11-20T00:00:00".parse().unwrap());
        let (anchor, after) = (at("2026-11-21T00:00:00Z"), at("2031-05-01T00:00:00Z"));
        assert_eq!(resolver.resolve(stamp, anchor, Some(after)).0, at("2026-11-20T00:00:00Z"));
    }

    #[test]
    fn row_21_a_log_that_was_silent_for_months_goes_on_in_the_right_year() {
        let mut resolver = Resolver::new(TimeZone::UTC);
        let mut resolve = |clock: &str, anchor: &str| {
            resolver.resolve(yearless(clock.parse().unwrap()), at(anchor), None).0.to_string()
        };
        resolve("2000-04-01T00:00:00", "2025-04-01T00:00:00Z");
        let next = resolve("2000-02-01T00:00:00", "2026-02-01T00:00:00Z");
        assert_eq!(next, "2026-02-01T00:00:00Z");
    }

    /// Longest silence that does not hide from the next line that the clock fell back.
    const TOLD: i64 = 3600 - 61;

    proptest! {
        /// Lines in order, written by Berlin's clock: every one comes back as the instant it was
        /// written at, whether read live, from the archive or by a run for each line.
        #[test]
        fn stamps_in_order_come_back_as_the_instants_they_were_made_from(
            start in 0_i64..4_000_000_000,
            steps in prop::collection::vec(prop_oneof![0_i64..=TOLD, 0_i64..6_000_000], 1..80),
        ) {
            let zone = berlin();
            let mut live = Resolver::new(zone.clone());
            let mut restarted = None;
            let mut second = start;
            let mut written: Vec<(Timestamp, DateTime)> = Vec::new();
            for step in steps {
                second += step;
                let instant = Timestamp::from_second(second).unwrap();
                let clock = zone.to_datetime(instant);
                let is_told = written.last().is_some_and(|(before, _)| second - before.as_second() <= TOLD);
                if !is_told && zone.to_ambiguous_timestamp(clock).is_ambiguous() {
                    continue;
                }
                prop_assert_eq!(live.resolve(yearless(clock), instant, None).0, instant);
                let mut next = Resolver::resume(zone.clone(), restarted);
                prop_assert_eq!(next.resolve(yearless(clock), instant, None).0, instant);
                restarted = next.latest();
                written.push((instant, clock));
            }
            let within_a_year = |from: Timestamp, to: Timestamp| {
                from.duration_until(to) < SignedDuration::from_hours(24 * 363)
            };
            if let (Some(first), Some(last)) = (written.first(), written.last())
                && within_a_year(first.0, last.0)
            {
                let mut archive = Resolver::new(zone);
                for (instant, clock) in &written {
                    prop_assert_eq!(archive.resolve(yearless(*clock), last.0, None).0, *instant);
                }
            }
        }

        /// The same around the end of summer time, where most lines are ambiguous.
        #[test]
        fn a_restart_within_the_repeated_hour_changes_no_instant(
            steps in prop::collection::vec(0_i64..=TOLD, 1..40),
        ) {
            let zone = berlin();
            let end_of_archive = at("2026-10-27T00:00:00Z");
            let (mut archive, mut restarted) = (Resolver::new(zone.clone()), None);
            let mut second = at("2026-10-24T23:30:00Z").as_second();
            for step in steps {
                second += step;
                let instant = Timestamp::from_second(second).unwrap();
                let stamp = yearless(zone.to_datetime(instant));
                prop_assert_eq!(archive.resolve(stamp, end_of_archive, None).0, instant);
                let mut next = Resolver::resume(zone.clone(), restarted);
                prop_assert_eq!(next.resolve(stamp, instant, None).0, instant);
                restarted = next.latest();
            }
        }

        #[test]
        fn any_stamp_resolves(
            month in 1_u8..=12, day in 1_u8..=31, hour in 0_u8..24, minute in 0_u8..60,
            second in 0_u8..=60, anchor in any::<i64>(), latest in any::<i64>(),
            after in any::<i64>(),
        ) {
            let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
            let [anchor, latest, after] = [anchor, latest, after].map(|second| {
                Timestamp::from_second(second.clamp(*range.start(), *range.end())).unwrap()
            });
            let mut resolver = Resolver::resume(berlin(), Some(latest));
            let stamp = Stamp::Yearless { month, day, hour, minute, second };
            resolver.resolve(stamp, anchor, None);
            resolver.resolve(stamp, anchor, Some(after));
        }

        /// However old the file is, and whatever a clock said before.
        #[test]
        fn what_a_line_was_written_after_tells_its_year(
            second in 0_i64..4_000_000_000,
            before in -3600_i64..86_400 * 363,
            age in 0_i64..86_400 * 365 * 20,
        ) {
            let at = |second| Timestamp::from_second(second).unwrap();
            let clock = berlin().to_datetime(at(second));
            prop_assume!(!berlin().to_ambiguous_timestamp(clock).is_ambiguous());
            let mut resolver = Resolver::new(berlin());
            let (anchor, after) = (at(second + age), at(second - before));
            let resolved = resolver.resolve(yearless(clock), anchor, Some(after));
            prop_assert_eq!(resolved.0, at(second));
        }
    }
}
