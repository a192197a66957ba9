//! Parses the lines of a large batch on a second thread, while the first takes in what they say.
//!
//! History is read as fast as it can be taken in, and parsing is a good part of that. Nothing
//! depends on it: the same records come in the same order. A few lines, as a live log has them, are
//! not worth a thread, and neither are lines of JSON, whose escaped texts lie in the parser.

use std::{
    sync::{
        LazyLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use mailherald_parsers::{Parser, header::is_object, time::Resolver};

use super::{Line, Memory, Parsed, lines};
use crate::source::Batch;

/// Lines that are worth a thread: it takes as long to start as some hundred lines to parse.
const WORTH_A_THREAD: usize = if cfg!(test) { 2 } else { 512 };

/// Lines that are handed over at once.
const RUN_LINES: usize = if cfg!(test) { 1 } else { 128 };

/// Runs that may wait: mostly all of a batch, so that nobody has to be woken.
const RUNS_WAITING: usize = 64;

/// A second thread would take the first one's place where there is but one processor.
static HAS_ROOM: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));

/// Gives each line of `batch` that tells something to `each`, in order. False, and nothing done,
/// when that is nothing for a second thread, or there is none to be had.
pub(super) fn read(
    parser: &mut Parser,
    memory: &mut Memory,
    resolver: &mut Resolver,
    batch: &Batch,
    each: &mut impl FnMut(&Line<'_>),
) -> bool {
    if batch.lines.len() < WORTH_A_THREAD || !*HAS_ROOM || has_json(batch) {
        return false;
    }
    let (ahead, behind) = sync_channel(RUNS_WAITING);
    // Each side owns its end, so that a panic of one lets the other go.
    thread::scope(|scope| {
        let parse = move || parse_runs(parser, memory, resolver, batch, &ahead);
        let started = thread::Builder::new().name("parse".into()).spawn_scoped(scope, parse);
        for run in behind {
            // By reference: of most records, less than half is looked at.
            for parsed in &run {
                each(&parsed.line());
            }
        }
        started.is_ok()
    })
}

fn parse_runs<'a>(
    parser: &mut Parser,
    memory: &mut Memory,
    resolver: &mut Resolver,
    batch: &'a Batch,
    ahead: &SyncSender<Vec<Parsed<'a>>>,
) {
    for run in batch.lines.chunks(RUN_LINES) {
        let mut parsed = Vec::with_capacity(run.len());
        parsed.extend(lines(batch, run).filter_map(|(line, partial)| {
            let record = parser.parse_text(line)?;
            let parsed = memory.note(record, resolver, batch.anchor)?;
            Some(Parsed { partial, ..parsed })
        }));
        if ahead.send(parsed).is_err() {
            // Whoever took them is unwinding.
            return;
        }
    }
}

fn has_json(batch: &Batch) -> bool {
    lines(batch, &batch.lines).any(|(line, _)| is_object(line))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use jiff::tz::TimeZone;

    use super::*;
    use crate::parse::{Reader, State};
    use crate::source::testing::batch_of;

    /// More than may wait.
    fn many_lines() -> Vec<String> {
        let line = |number| {
            format!("2026-11-21T01:28:22Z mx postfix/qmgr[1]: 97C0A53F{number:03X}: removed")
        };
        (0..2 * RUNS_WAITING).map(line).collect()
    }

    #[test]
    fn lines_come_in_their_order_and_all_are_counted() {
        let (lines, mut seen) = (many_lines(), Vec::<String>::new());
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        reader
            .read(&batch_of(&lines), |line| seen.push(String::from_utf8_lossy(line.bytes).into()));
        assert_eq!(seen, lines);
        assert_eq!(reader.counts().recognised, lines.len() as u64);
    }

    #[test]
    fn a_panic_of_who_takes_the_lines_does_not_wait_for_the_parser() {
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        let lines = many_lines();
        let read = AssertUnwindSafe(|| reader.read(&batch_of(&lines), |_| panic!("on purpose")));
        assert!(catch_unwind(read).is_err());
    }
}
