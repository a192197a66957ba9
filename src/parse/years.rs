//! The year of stamps that leave it out, as queue IDs tell it.
//!
//! A long queue ID says when its message arrived (`enable_long_queue_ids`), and the line that opens
//! the message is logged at that moment. So it dates the lines of its host from there on, for a year,
//! however old the file is and however many years it spans. Each host has its own: a clock that was
//! wrong dates the lines of no other. What a stamp means is the resolver's to say.

use jiff::{SignedDuration, Timestamp};
use mailherald_parsers::{
    Body, LogRecord,
    postfix::Entry,
    time::{Quality, Resolver, Stamp},
};
use serde::{Deserialize, Serialize};

use super::about;
use crate::limits;

/// Of each host, when a message arrived, microseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Years(Vec<(Vec<u8>, i64)>);

/// Clocks and zones apart, a message is opened when it arrives.
const AT_ONCE: SignedDuration = SignedDuration::from_hours(26);
/// Arrivals this close prove the same.
const SAME: SignedDuration = SignedDuration::from_hours(1);
/// Longer than mail stays in a queue (`maximal_queue_lifetime`, 5 days unless set), far from a year.
const IN_QUEUE: SignedDuration = SignedDuration::from_hours(24 * 100);

impl Years {
    /// The instant of a line, and how exact that is.
    pub(super) fn date(
        &mut self,
        record: &LogRecord<'_>,
        resolver: &mut Resolver,
        anchor: Timestamp,
    ) -> (Timestamp, Quality) {
        let mut resolve = |after| resolver.resolve(record.stamp, anchor, after);
        let Stamp::Yearless { .. } = record.stamp else { return resolve(None) };
        let known = self.of(record.host);
        if let Some(arrival) = opened_at(&record.body).filter(|arrival| is_news(*arrival, known)) {
            let dated = resolve(Some(arrival));
            if is_within(AT_ONCE, arrival, dated.0) {
                self.note(record.host, arrival);
                return dated;
            }
        }
        if known.is_none()
            && let Some(arrival) = arrived_at(&record.body)
        {
            let dated = resolve(Some(arrival));
            if is_within(IN_QUEUE, arrival, dated.0) {
                return dated;
            }
        }
        resolve(known)
    }

    fn of(&self, host: &[u8]) -> Option<Timestamp> {
        let (_, arrival_us) = self.0.iter().find(|(known, _)| known == host)?;
        Timestamp::from_microsecond(*arrival_us).ok()
    }

    /// Of hosts beyond the limit nothing is known.
    fn note(&mut self, host: &[u8], arrival: Timestamp) {
        let arrival_us = arrival.as_microsecond();
        if let Some((_, known_us)) = self.0.iter_mut().find(|(known, _)| known == host) {
            *known_us = arrival_us;
        } else if self.0.len() < limits::DATED_HOSTS && host.len() <= limits::DATED_HOST_BYTES {
            self.0.push((host.to_vec(), arrival_us));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// When the message arrived whose queue file was made then and there.
fn opened_at(body: &Body<'_>) -> Option<Timestamp> {
    match body {
        Body::Postfix(Entry::Client(_) | Entry::Pickup(_)) => arrived_at(body),
        _ => None,
    }
}

/// When the message arrived that a line is about.
fn arrived_at(body: &Body<'_>) -> Option<Timestamp> {
    match body {
        Body::Postfix(entry) => about::queue_id(entry)?.arrival(),
        _ => None,
    }
}

/// Does it tell more than what is known?
fn is_news(arrival: Timestamp, known: Option<Timestamp>) -> bool {
    known.is_none_or(|known| !is_within(SAME, known, arrival))
}

fn is_within(time: SignedDuration, one: Timestamp, other: Timestamp) -> bool {
    one.duration_until(other).abs() <= time
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use jiff::tz::TimeZone;

    use crate::{
        parse::{Reader, State},
        source::testing::batch_of,
    };

    /// Years that the lines are found to be of, read a batch each, with a restart between.
    fn years(lines: &[String]) -> Vec<i16> {
        let mut state = State::default();
        let mut years = Vec::new();
        for line in lines {
            let mut batch = batch_of([line.as_str()]);
            batch.anchor = "2026-11-21T00:00:00Z".parse().unwrap();
            let mut reader = Reader::new(TimeZone::UTC, std::mem::take(&mut state));
            reader.read(&batch, |line| {
                let at = jiff::Timestamp::from_microsecond(line.at_us).unwrap();
                years.push(TimeZone::UTC.to_datetime(at).year());
            });
            state = reader.state().clone();
        }
        years
    }

    /// Arrived on 1 March 2019, 1 March 2020 and 1 October 2026, all at 10 o'clock.
    const OF_2019: &str = "449lJw0000zkTjr";
    const OF_2020: &str = "48Vf000000zkTjr";
    const OF_2026: &str = "4hwS800000zkTjr";

    fn client(stamp: &str, host: &str, id: &str) -> String {
        format!("{stamp} {host} postfix/smtpd[1]: {id}: client=x.test[192.0.2.66]")
    }

    fn refusal(stamp: &str, host: &str) -> String {
        format!(
            "{stamp} {host} postfix/smtpd[1]: NOQUEUE: reject: RCPT from x.test[192.0.2.66]: \
            554 5.7.1 <r@y.test>: Relay access denied; from=<s@x.test> to=<r@y.test> proto=SMTP"
        )
    }

    #[test]
    fn row_21_queue_ids_tell_the_years_of_a_file_of_many_over_restarts_too() {
        let lines = [
            client("Mar  1 10:00:00", "mx", OF_2019),
            refusal("Mar  1 09:59:59", "mx"),
            refusal("Dec 31 23:59:59", "mx"),
            refusal("Feb 20 00:00:00", "mx"),
            client("Mar  1 10:00:01", "mx", OF_2020),
            refusal("Oct  1 09:00:00", "mx"),
            client("Oct  1 10:00:00", "mx", OF_2026),
            refusal("Nov 20 23:00:00", "mx"),
        ];
        assert_eq!(years(&lines), [2019, 2019, 2019, 2020, 2020, 2020, 2026, 2026]);
    }

    #[test]
    fn row_21_without_queue_ids_in_front_the_time_of_the_file_tells() {
        let status = |stamp, id| {
            format!(
                "{stamp} mx postfix/smtp[1]: {id}: to=<a@b.test>, relay=none, delay=9, \
                delays=9/0/0/0, dsn=4.4.1, status=deferred (connect to b.test[192.0.2.1]:25: no)"
            )
        };
        let lines = [
            refusal("Mar  2 10:00:00", "mx"),
            status("Mar  2 10:00:00", OF_2019),
            // Queued by a clock that was wrong.
            status("Nov 20 10:00:00", OF_2019),
            status("Mar  2 10:00:00", "97C0A53F4D6"),
        ];
        assert_eq!(years(&lines), [2026, 2019, 2026, 2026]);
    }

    #[test]
    fn row_20_a_host_whose_clock_is_wrong_misleads_no_other() {
        let lines = [
            client("Mar  1 10:00:00", "mx1", OF_2019),
            refusal("Nov 20 10:00:00", "mx2"),
            client("Oct  1 10:00:00", "mx1", OF_2026),
            refusal("Nov 20 10:00:00", "mx1"),
        ];
        assert_eq!(years(&lines), [2019, 2026, 2026, 2026]);
    }

    #[test]
    fn row_20_only_so_many_hosts_are_known() {
        let mut lines: Vec<_> =
            (0..80).map(|host| client("Mar  1 10:00:00", &format!("mx{host}"), OF_2019)).collect();
        lines.push(refusal("Mar  1 10:00:00", "mx79"));
        assert_eq!(years(&lines).pop(), Some(2026));
    }
}
