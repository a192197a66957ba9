//! Parses the lines of a large batch on a second thread, while the first takes in what they say.
//!
//! History is read as fast as it can be taken in, and parsing is a good part of that. Nothing
//! depends on it: the same records come in the same order. A few lines, as a live log has them, are
//! not worth a thread, and neither are lines of JSON, whose escaped texts lie in the parser.

use std::{
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
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
const RUN_LINES: usize = if cfg!(test) { 1 } else { 256 };

/// Runs that may wait: so few that the memory of those before them is still at hand when it is
/// written to again.
const RUNS_WAITING: usize = 4;

/// A second thread would take the first one's place where there is but one processor.
static HAS_ROOM: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));

/// Lines that were parsed, in order.
type Run<'a> = Vec<Parsed<'a>>;

/// Runs without lines, whose memory the next ones use.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<Run<'static>>);

/// What a batch is parsed with.
pub(super) struct Tools<'r> {
    pub(super) parser: &'r mut Parser,
    pub(super) memory: &'r mut Memory,
    pub(super) resolver: &'r mut Resolver,
}

/// Gives each line of `batch` that tells something to `each`, in order, up to the first one that is
/// nothing for a second thread. How many lines were read: none when there is no such thread, or
/// nothing for it to do.
pub(super) fn read(
    tools: Tools<'_>,
    spare: &mut Spare,
    batch: &Batch,
    each: &mut impl FnMut(&Line<'_>),
) -> usize {
    if batch.lines.len() < WORTH_A_THREAD || !*HAS_ROOM || begins_with_json(batch) {
        return 0;
    }
    let (ahead, behind) = sync_channel(RUNS_WAITING);
    let free = Mutex::new(spare.0.drain(..).map(emptied).collect());
    let mut read = 0;
    // Each side owns its end, so that a panic of one lets the other go.
    thread::scope(|scope| {
        let (read, free) = (&mut read, &free);
        let parse = move || *read = parse_runs(tools, batch, &ahead, free);
        let started = thread::Builder::new().name("parse".into()).spawn_scoped(scope, parse);
        drop(started);
        for run in behind {
            // By reference: of most records, less than half is looked at.
            for parsed in &run {
                each(&parsed.line());
            }
            lock(free).push(emptied(run));
        }
    });
    spare.0.extend(lock(&free).drain(..).map(emptied));
    read
}

/// How many lines were parsed.
fn parse_runs<'a>(
    tools: Tools<'_>,
    batch: &'a Batch,
    ahead: &SyncSender<Run<'a>>,
    free: &Mutex<Vec<Run<'a>>>,
) -> usize {
    let Tools { parser, memory, resolver } = tools;
    let mut read = 0;
    for run in batch.lines.chunks(RUN_LINES) {
        let mut parsed = lock(free).pop().unwrap_or_else(|| Vec::with_capacity(RUN_LINES));
        let before = read;
        for (line, span) in lines(batch, run) {
            let Some(record) = parser.parse_text(line) else { break };
            read += 1;
            let Some(note) = memory.note(&record, resolver, batch.anchor) else { continue };
            parsed.push(Parsed { record, note, span });
        }
        // Without a receiver, whoever took them is unwinding.
        if ahead.send(parsed).is_err() || read - before < run.len() {
            break;
        }
    }
    read
}

/// The memory of a run, for lines of another batch.
fn emptied<'a>(run: Run<'_>) -> Run<'a> {
    // Collected in the place where they were.
    run.into_iter().map_while(|_| None).collect()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log of JSON has nothing else.
fn begins_with_json(batch: &Batch) -> bool {
    lines(batch, &batch.lines).next().is_some_and(|(line, _)| is_object(line))
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
    fn the_lines_from_the_first_one_of_json_on_come_as_well() {
        let mut lines = many_lines();
        let time = "2026-11-21T01:28:22Z";
        let log = &lines[0];
        let json = format!(r#"{{"log":"{log}\n","stream":"stdout","time":"{time}"}}"#);
        lines.insert(5, json);
        let mut seen = 0;
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        reader.read(&batch_of(&lines), |_| seen += 1);
        assert_eq!((seen, reader.counts().lines), (lines.len(), lines.len() as u64));
    }

    #[test]
    fn the_memory_of_a_run_serves_the_next_ones() {
        let run = Run::with_capacity(7);
        assert_eq!(emptied(run).capacity(), 7);
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        for _ in 0..3 {
            reader.read(&batch_of(many_lines()), |_| {});
            assert!((1..=RUNS_WAITING + 3).contains(&reader.spare.0.len()));
        }
    }

    #[test]
    fn a_panic_of_who_takes_the_lines_does_not_wait_for_the_parser() {
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        let lines = many_lines();
        let read = AssertUnwindSafe(|| reader.read(&batch_of(&lines), |_| panic!("on purpose")));
        assert!(catch_unwind(read).is_err());
    }
}
