//! A thin adapter: batches of raw lines in, records with a resolved time and an occurrence out.
//!
//! It counts what it saw and did not understand; it decides nothing. What must survive a restart
//! ([`State`]) is committed by the writer together with the position of the lines.

mod about;
mod drift;
mod gaps;
pub mod json;
mod occurrence;
mod repeats;
mod years;

use std::collections::HashMap;

use jiff::{Timestamp, tz::TimeZone};
use mailherald_parsers::{
    Body, LogRecord, Parser,
    filters::Part,
    haraka,
    postfix::Entry,
    time::{Quality, Resolver},
};
use serde::{Deserialize, Serialize};

use crate::{
    event::TimeQuality,
    source::{Batch, Fingerprint, LineSpan},
};

pub use about::{About, Hop, about};
pub use occurrence::Occurrences;

use drift::Drift;
use gaps::Gaps;
use repeats::Repeats;
use years::Years;

/// One line, as the correlator wants it.
#[derive(Debug)]
pub struct Line<'a> {
    /// What the line is known by ([`LogRecord::line`]): the identity of the events it gives.
    pub bytes: &'a [u8],
    /// How many identical lines came before it.
    pub occurrence: u64,
    /// When it was logged, microseconds since the epoch.
    pub at_us: i64,
    /// How exact that is.
    pub quality: TimeQuality,
    /// A clock that says more than this is wrong, microseconds.
    pub latest_us: i64,
    /// It is not whole ([`LineSpan::cut`]).
    pub partial: bool,
    /// Offset of the line in its generation ([`LineSpan::offset`]).
    pub offset: u64,
    /// What it says.
    pub record: &'a LogRecord<'a>,
}

impl Line<'_> {
    /// When it was logged by the clock of the whole log, which has come to `horizon_us`: a host whose
    /// clock is days ahead must not end what others wait for.
    #[must_use]
    pub(crate) fn clock_us(&self, horizon_us: i64) -> i64 {
        self.at_us.min(horizon_us.max(self.latest_us))
    }
}

/// How far a clock may be ahead of the time of its log, microseconds.
const AHEAD_US: i64 = 24 * 3600 * 1_000_000;

/// Lines by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All lines.
    pub lines: u64,
    /// Lines that tell something about a message, a client, or the log itself.
    pub recognised: u64,
    /// Known lines without meaning for any message.
    pub ignored: u64,
    /// Lines that nothing here understands.
    pub unrecognised: u64,
    /// Of those that are recognised, logins that failed.
    pub auth_failures: u64,
    /// Lines that the log says were dropped before they came into it.
    #[serde(skip)]
    pub dropped: u64,
}

/// What must survive a restart, for one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When the last line without a zone was logged, microseconds: it tells the two passes apart of
    /// the hour that the end of summer time repeats.
    pub latest_us: Option<i64>,
    /// The recent lines that were counted.
    pub occurrences: Occurrences,
    /// Events before this time are not wanted (`start = "24h"`), microseconds. Fixed at the first
    /// start, so that a later one does not drop what it has to catch up on.
    pub since_us: Option<i64>,
    /// What was read last.
    pub generation: Option<Fingerprint>,
    /// Of that: what there is of lines that a container runtime split ([`Parser::unfinished`]).
    pub unfinished: [Vec<u8>; 2],
    /// Of that: which years its hosts' lines are of.
    pub years: Years,
}

/// Whose lines mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whose {
    /// Decided line by line.
    #[default]
    Anyones,
    /// Those of Postfix and of the filters around it.
    Postfix,
    /// Those of Haraka.
    Haraka,
    /// Those of our plugin for Haraka.
    HarakaPlugin,
}

/// Since when events of a source are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    since_us: Option<i64>,
}

impl Start {
    /// Is an event of this time wanted?
    #[must_use]
    pub fn wants(self, at_us: i64) -> bool {
        self.since_us.is_none_or(|since_us| at_us >= since_us)
    }
}

/// Reads the batches of one source.
#[derive(Debug)]
pub struct Reader {
    parser: Parser,
    zone: TimeZone,
    resolvers: HashMap<Fingerprint, Resolver>,
    /// When the last line of the run before was logged.
    resumed: Option<Timestamp>,
    repeats: Repeats,
    memory: Memory,
}

/// What a reader knows of the lines before.
#[derive(Debug, Default)]
struct Memory {
    whose: Whose,
    state: State,
    counts: Counts,
    gaps: Gaps,
    drift: Drift,
}

/// The time of a record, and its number among identical lines.
#[derive(Debug)]
struct Note {
    occurrence: u64,
    at_us: i64,
    quality: TimeQuality,
    latest_us: i64,
}

impl Reader {
    /// A reader that continues from `state`. Stamps without a zone are in `zone`.
    #[must_use]
    pub fn new(zone: TimeZone, state: State) -> Self {
        Self {
            parser: Parser::resume(state.unfinished.each_ref().map(Vec::as_slice)),
            zone,
            resolvers: HashMap::new(),
            resumed: state.latest_us.and_then(|us| Timestamp::from_microsecond(us).ok()),
            repeats: Repeats::default(),
            memory: Memory { state, ..Memory::default() },
        }
    }

    /// Only lines of these mean something.
    #[must_use]
    pub fn of(mut self, whose: Whose) -> Self {
        self.memory.whose = whose;
        self
    }

    /// Gives each line of `batch` that tells something to `each`, in order.
    pub fn read(&mut self, batch: &Batch, mut each: impl FnMut(&Line<'_>)) {
        self.turn_to(batch);
        let mut resolver = self.resolver(batch);
        let before = self.memory.counts;
        for (bytes, span) in lines(batch) {
            let record = &self.parser.parse(bytes);
            let repeated = self.repeats.behind(record);
            let record = repeated.as_ref().unwrap_or(record);
            if let Some(note) = self.memory.note(record, &mut resolver, batch.anchor) {
                each(&note.line(record, span));
            }
        }
        let Memory { state, counts, drift, .. } = &mut self.memory;
        drift.note(batch.position.fingerprint, before, *counts);
        state.latest_us = resolver.latest().map(Timestamp::as_microsecond);
        state.unfinished = self.parser.unfinished().map(<[u8]>::to_vec);
        self.resolvers.insert(batch.position.fingerprint, resolver);
    }

    /// Lines that the log says were lost, in all, if it has said so since this was last asked.
    pub fn told_gap(&mut self) -> Option<u64> {
        self.memory.gaps.take()
    }

    /// Lines of those judged last that were not understood, if they were most and that was told
    /// since this was last asked.
    pub fn told_drift(&mut self) -> Option<u64> {
        self.memory.drift.take()
    }

    /// What must be committed with the position of the lines read so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.memory.state
    }

    /// Where it begins.
    #[must_use]
    pub fn start(&self) -> Start {
        Start { since_us: self.memory.state.since_us }
    }

    /// What was seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.memory.counts
    }

    fn turn_to(&mut self, batch: &Batch) {
        let state = &mut self.memory.state;
        let last = state.generation.replace(batch.position.fingerprint);
        if batch.first_of_generation || last != state.generation {
            self.parser.turn();
            self.repeats.turn();
            state.years.clear();
        }
    }

    /// A generation that was not read from its head in this run continues where the last run stopped.
    fn resolver(&mut self, batch: &Batch) -> Resolver {
        if batch.first_of_generation {
            return Resolver::new(self.zone.clone());
        }
        let known = self.resolvers.remove(&batch.position.fingerprint);
        known.unwrap_or_else(|| Resolver::resume(self.zone.clone(), self.resumed))
    }
}

impl Memory {
    /// Counts a record, and tells its time; None when it tells nothing of any message.
    fn note(
        &mut self,
        record: &LogRecord<'_>,
        resolver: &mut Resolver,
        anchor: Timestamp,
    ) -> Option<Note> {
        let is_of_others = self.whose.passes_over(&record.body);
        let body = if is_of_others { &Body::Ignored } else { &record.body };
        self.counts.add(body);
        let (at, quality) = self.state.years.date(record, resolver, anchor);
        let (at_us, second) = (at.as_microsecond(), at.as_second());
        match body {
            Body::Postfix(_) | Body::Haraka(_) | Body::HarakaPlugin(_) | Body::Filter(_) => {}
            Body::Gap(gap) => {
                self.gaps.note(gap.lines, second);
                return None;
            }
            Body::Ignored | Body::Unrecognised(_) => return None,
        }
        let quality = time_quality(quality);
        let latest_us = anchor.as_microsecond().saturating_add(AHEAD_US);
        if !gives_events(&record.body) {
            return Some(Note { occurrence: 0, at_us, quality, latest_us });
        }
        let occurrence = self.state.occurrences.count(record.line, second);
        Some(Note { occurrence, at_us, quality, latest_us })
    }
}

impl Whose {
    fn passes_over(self, body: &Body<'_>) -> bool {
        match body {
            Body::Haraka(_) => matches!(self, Self::Postfix | Self::HarakaPlugin),
            Body::HarakaPlugin(_) => self == Self::Postfix,
            Body::Postfix(_) | Body::Filter(_) => {
                matches!(self, Self::Haraka | Self::HarakaPlugin)
            }
            Body::Gap(_) | Body::Ignored | Body::Unrecognised(_) => false,
        }
    }
}

impl Note {
    fn line<'a>(&'a self, record: &'a LogRecord<'a>, span: LineSpan) -> Line<'a> {
        Line {
            bytes: record.line,
            occurrence: self.occurrence,
            at_us: self.at_us,
            quality: self.quality,
            latest_us: self.latest_us,
            partial: span.cut,
            offset: span.offset,
            record,
        }
    }
}

/// The bytes of the lines of a batch, and where each is.
fn lines(batch: &Batch) -> impl Iterator<Item = (&[u8], LineSpan)> {
    batch.lines.iter().filter_map(|span| {
        let bytes = batch.bytes.get(span.start as usize..span.end as usize)?;
        Some((bytes, *span))
    })
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, one| Self {
            lines: sum.lines + one.lines,
            recognised: sum.recognised + one.recognised,
            ignored: sum.ignored + one.ignored,
            unrecognised: sum.unrecognised + one.unrecognised,
            auth_failures: sum.auth_failures + one.auth_failures,
            dropped: sum.dropped.saturating_add(one.dropped),
        })
    }
}

impl Counts {
    /// Counts a line by what it says.
    pub(crate) fn add(&mut self, body: &Body<'_>) {
        self.lines += 1;
        self.auth_failures += u64::from(is_auth_failure(body));
        match body {
            Body::Postfix(_) | Body::Haraka(_) | Body::HarakaPlugin(_) | Body::Filter(_) => {
                self.recognised += 1;
            }
            Body::Gap(gap) => {
                self.recognised += 1;
                self.dropped = self.dropped.saturating_add(gap.lines);
            }
            Body::Ignored => self.ignored += 1,
            Body::Unrecognised(_) => self.unrecognised += 1,
        }
    }
}

fn is_auth_failure(body: &Body<'_>) -> bool {
    match body {
        Body::Postfix(entry) => matches!(entry, Entry::AuthFailure(_)),
        Body::Haraka(record) => matches!(record.entry, haraka::Entry::AuthFailed),
        _ => false,
    }
}

/// Only lines that can give an event need an occurrence; by their content alone, so that every
/// reading counts alike.
fn gives_events(body: &Body<'_>) -> bool {
    let entry = match body {
        Body::Postfix(entry) => entry,
        Body::Filter(verdict) => return verdict.part != Part::Repeat,
        // Haraka's facts are known by what they are about, not by their lines.
        Body::Haraka(_)
        | Body::HarakaPlugin(_)
        | Body::Ignored
        | Body::Gap(_)
        | Body::Unrecognised(_) => return false,
    };
    match entry {
        Entry::Removed(removed) => removed.by_operator,
        Entry::QueueActive(_)
        | Entry::Expired(_)
        | Entry::Delivery(_)
        | Entry::Verdict(_)
        | Entry::ContentCheck(_)
        | Entry::Refused(_)
        | Entry::ProxyAnswer(_)
        | Entry::RateLimit(_)
        | Entry::Corrupt(_)
        | Entry::OperationTotal(_) => true,
        _ => false,
    }
}

fn time_quality(quality: Quality) -> TimeQuality {
    match quality {
        Quality::Exact => TimeQuality::Exact,
        Quality::Second => TimeQuality::Second,
        Quality::NoZone => TimeQuality::NoZone,
        Quality::ReadTime => TimeQuality::ReadTime,
    }
}

/// The instant of the first stamp of a log line, for ordering files; None when it has none.
#[must_use]
pub fn first_stamp(line: &[u8], zone: &TimeZone, anchor: Timestamp) -> Option<Timestamp> {
    let mut parser = Parser::new();
    let mut resolver = Resolver::new(zone.clone());
    let (at, quality) = Years::default().date(&parser.parse(line), &mut resolver, anchor);
    (quality != Quality::ReadTime).then_some(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    mod chunks;

    use super::*;
    use crate::source::testing::batch_of;

    /// One line of a generation.
    fn batch(line: &str, generation: u8) -> Batch {
        let mut batch = batch_of([line]);
        batch.position.fingerprint = Fingerprint([generation; 16]);
        batch
    }

    const REMOVED: &str = "Nov 21 01:28:22 vm postfix/qmgr[1]: 4jWZN668XQzn0b1: removed";

    fn part(mark: &str, text: &str) -> String {
        format!("2026-11-21T01:28:22Z stdout {mark} {text}")
    }

    #[test]
    fn a_line_that_a_runtime_split_ends_in_the_next_batch_of_its_file_and_in_no_other() {
        let (head, tail) = REMOVED.split_at(40);
        let recognised = |parts: [(&str, &str, u8); 2]| {
            let mut reader = Reader::new(TimeZone::UTC, State::default());
            for (mark, text, generation) in parts {
                reader.read(&batch(&part(mark, text), generation), |_| {});
            }
            reader.counts().recognised
        };
        assert_eq!(recognised([("P", head, 1), ("F", tail, 1)]), 1);
        assert_eq!(recognised([("P", head, 1), ("F", tail, 2)]), 0);
        assert_eq!(recognised([("P", head, 1), ("F", REMOVED, 2)]), 1);
    }

    #[test]
    fn a_line_that_a_runtime_split_is_joined_over_a_restart() {
        let (head, tail) = REMOVED.split_at(40);
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        reader.read(&batch(&part("P", head), 1), |_| {});
        let mut next = Reader::new(TimeZone::UTC, reader.state().clone());
        next.read(&batch(&part("F", tail), 1), |_| {});
        assert_eq!(next.counts().recognised, 1);
        assert_eq!(next.state().unfinished, [b"", b""]);
    }

    #[test]
    fn logins_that_fail_are_counted() {
        let mut counts = Counts::default();
        for line in [
            "Nov 21 01:28:22 vm postfix/smtpd[1]: warning: c.test[192.0.2.7]: SASL PLAIN authentication failed: no",
            "Nov 21 01:28:22 vm postfix/smtpd[1]: warning: c.test[192.0.2.7]: SASL LOGIN authentication failed: no, sasl_username=ivy",
            "Nov 21 01:28:22 vm postfix/smtpd[1]: 4jWZN668XQzn0b1: client=c.test[192.0.2.7], sasl_method=PLAIN, sasl_username=ivy",
        ] {
            counts.add(&Parser::new().parse(line.as_bytes()).body);
        }
        assert_eq!((counts.auth_failures, counts.recognised), (2, 3));
    }

    /// Berlin's clock at the end of summer time.
    const REPEATED_HOUR: [&str; 4] = ["02:10:00", "02:50:00", "02:10:00", "02:50:00"];

    /// What the lines with these stamps mean to a reader that goes on from `state`.
    fn instants(state: &mut State, clocks: &[&str], generation: u8) -> Vec<String> {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut reader = Reader::new(zone, std::mem::take(state));
        let mut instants = Vec::new();
        for clock in clocks {
            let line = format!("Oct 25 {clock} vm postfix/qmgr[1]: 97C0A53F4D6: removed");
            let mut batch = batch(&line, generation);
            batch.anchor = "2026-10-25T12:00:00Z".parse().unwrap();
            let mut note = |line: &Line<'_>| {
                instants.push(Timestamp::from_microsecond(line.at_us).unwrap().to_string());
            };
            reader.read(&batch, &mut note);
        }
        *state = reader.state().clone();
        instants
    }

    #[test]
    fn row_22_a_restart_within_the_repeated_hour_changes_no_time() {
        let whole = instants(&mut State::default(), &REPEATED_HOUR, 1);
        assert_eq!(whole[2..], ["2026-10-25T01:10:00Z", "2026-10-25T01:50:00Z"]);
        for restart in 1..REPEATED_HOUR.len() {
            let (before, after) = REPEATED_HOUR.split_at(restart);
            let mut state = State::default();
            let both = [instants(&mut state, before, 1), instants(&mut state, after, 1)].concat();
            assert_eq!(both, whole, "after {restart} lines");
        }
    }

    #[test]
    fn row_38_lines_that_the_log_says_were_dropped_are_counted() {
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        let told = "Nov 21 01:44:45 vm systemd-journald[1]: Suppressed 500 messages from x.service";
        reader.read(&batch(told, 1), |_| {});
        reader.read(&batch(told, 1), |_| {});
        assert_eq!((reader.counts().recognised, reader.counts().dropped), (2, 1000));
    }

    /// amavis logs one verdict several times, and only one of these lines may give events.
    #[test]
    fn a_filter_verdict_can_give_events_and_its_repeat_cannot() {
        for (line, expected) in [
            ("Passed CLEAN {RelayedInbound}, [192.0.2.7]:1 <a@x> -> <b@y>, Hits: 1, size: 3", true),
            ("Passed CLEAN, <a@x> -> <b@y>, Hits: 1, tag=1, tag2=5, kill=7, 0/0/0/0", false),
            ("Checking: uH9lMB7_zMz6 [192.0.2.7] <a@x> -> <b@y>", false),
        ] {
            let line = format!("Nov 21 01:44:45 vm amavis[1]: (1-01) {line}");
            let mut parser = Parser::new();
            let record = parser.parse(line.as_bytes());
            assert_eq!(gives_events(&record.body), expected, "{line}");
        }
    }
}
