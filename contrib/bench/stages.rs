//! Runs one stage over a log as the product does, for `cargo xtask bench parse`.
//!
//! `stages parse|events|crate FILE`:
//!
//! * `parse`: read, cut and parse every line, and take delivery answers apart,
//! * `events`: that, then time, occurrence, correlation, and events packed as they are stored, on
//!   the threads that a replay does it on: reading, all that, filling chunks,
//! * `crate`: the `postfix-log-parser` crate, its parser made once, over the file's lines.
//!
//! The last line of standard output is `lines events rss_10 rss_50 rss_100`: what was seen, and
//! the resident kilobytes when that much of the file (in percent) was read.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

use std::{
    fs::{self, File},
    hint::black_box,
    io::{BufRead, BufReader},
    ops::{ControlFlow, Range},
    path::Path,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use jiff::{Timestamp, tz::TimeZone};
use mailherald::{
    correlate::{Correlator, Direction},
    event::Event,
    limits::BATCHES_WAITING,
    parse::{Reader, State},
    source::{Batch, replay},
    store::{ChunkBuilder, chunk},
};
use mailherald_parsers::{
    Body, Parser,
    postfix::{Entry, response},
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stage, file] = arguments.as_slice() else { bail!("give a stage and a file") };
    let mut memory = Memory::new(fs::metadata(file).context("look at the log")?.len());
    let (lines, events) = match stage.as_str() {
        "parse" => parse(file, &mut memory)?,
        "events" => events(file, &mut memory)?,
        "crate" => other_crate(Path::new(file))?,
        other => bail!("{other:?} is no stage"),
    };
    let [ten, fifty, hundred] = memory.seen;
    println!("{lines} {events} {ten} {fifty} {hundred}");
    Ok(())
}

/// T1. A delivery's answer gives fields of events, too.
fn parse(file: &str, memory: &mut Memory) -> Result<(u64, u64)> {
    let mut parser = Parser::new();
    let (mut lines, mut statuses) = (0, 0);
    each_batch(file, memory, |batch| {
        for span in &batch.lines {
            let Some(line) = batch.bytes.get(span.start as usize..span.end as usize) else {
                continue;
            };
            let record = parser.parse(line);
            lines += 1;
            if let Body::Postfix(Entry::Delivery(delivery)) = &record.body {
                black_box(response(delivery.text));
                statuses += 1;
            }
            black_box(&record);
        }
    })?;
    Ok((lines, statuses))
}

/// T2.
fn events(file: &str, memory: &mut Memory) -> Result<(u64, u64)> {
    let mut reader = Reader::new(TimeZone::system(), State::default());
    let mut correlator = Correlator::new(Direction::default(), false);
    let (telling, told) = sync_channel(1);
    let filling = thread::spawn(move || fill_chunks(told));
    let (mut fresh, mut room) = (Vec::new(), 0);
    each_batch_read_ahead(file, memory, |batch| {
        let mut packed = Packed::with_room(room);
        reader.read(batch, |line| {
            correlator.step(line, &mut fresh);
            fresh.drain(..).for_each(|event| packed.push(&event));
        });
        room = packed.bytes.capacity();
        correlator.drain_asides(|_, _| {});
        correlator.drain_haraka(|_, _, _| {});
        correlator.drain_changes(|_, _, _, _, _| {});
        // Nobody listens only when that thread has panicked.
        telling.send(packed).ok();
    })?;
    let mut packed = Packed::with_room(0);
    correlator.release_all(&mut fresh);
    fresh.drain(..).for_each(|event| packed.push(&event));
    telling.send(packed).ok();
    drop(telling);
    let count = filling.join().map_err(|_| anyhow!("the thread of the chunks panicked"))?;
    Ok((reader.counts().lines, count))
}

/// What is stored of events.
struct Packed {
    events: Vec<Range<usize>>,
    bytes: Vec<u8>,
}

impl Packed {
    fn with_room(bytes: usize) -> Self {
        Self { events: Vec::new(), bytes: Vec::with_capacity(bytes) }
    }

    fn push(&mut self, event: &Event) {
        let start = self.bytes.len();
        chunk::pack(event, &mut self.bytes);
        self.events.push(start..self.bytes.len());
    }
}

/// Fills chunks, as the thread does that commits them. How many events those were.
fn fill_chunks(told: Receiver<Packed>) -> u64 {
    let (mut open, mut chunk_bytes) = (ChunkBuilder::new(0), 0);
    for Packed { events, bytes } in told {
        for range in events {
            let packed = bytes.get(range).unwrap_or_default();
            if !open.push_packed(packed) {
                chunk_bytes += open.packed_bytes();
                open = ChunkBuilder::new(open.next_seq());
                // An event always fits into an empty chunk.
                let _fits = open.push_packed(packed);
            }
        }
    }
    black_box(chunk_bytes);
    open.next_seq()
}

/// Lines that it does not parse count as well.
fn other_crate(file: &Path) -> Result<(u64, u64)> {
    let parser = postfix_log_parser::MasterParser::new();
    let mut input = BufReader::with_capacity(1 << 18, File::open(file).context("open the log")?);
    let (mut lines, mut parsed, mut line) = (0, 0, String::new());
    while input.read_line(&mut line).context("read the log")? > 0 {
        let result = black_box(parser.parse(line.trim_end()));
        lines += 1;
        parsed += u64::from(result.event.is_some());
        line.clear();
    }
    Ok((lines, parsed))
}

fn each_batch(file: &str, memory: &mut Memory, mut each: impl FnMut(&Batch)) -> Result<()> {
    read(file, &mut |batch, read| {
        each(&batch);
        memory.note(read);
        ControlFlow::Continue(())
    })
}

/// As [`each_batch`], read by a thread of its own, as a replay does.
fn each_batch_read_ahead(
    file: &str,
    memory: &mut Memory,
    mut each: impl FnMut(&Batch),
) -> Result<()> {
    let (batches, waiting) = sync_channel(BATCHES_WAITING);
    thread::scope(|scope| {
        let source = scope.spawn(move || {
            read(file, &mut |batch, read| match batches.send((batch, read)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        for (batch, read) in waiting {
            each(&batch);
            memory.note(read);
        }
        source.join().map_err(|_| anyhow!("the source panicked"))?
    })
}

fn read(file: &str, each: &mut dyn FnMut(Batch, u64) -> ControlFlow<()>) -> Result<()> {
    for planned in replay::plan(&[file.to_owned()], &|_, _| None)? {
        let _to_its_end = replay::read(&planned, 0, None, Timestamp::UNIX_EPOCH, each)?;
    }
    Ok(())
}

/// Resident kilobytes at three places of the file.
struct Memory {
    size: u64,
    seen: [u64; 3],
}

impl Memory {
    const PERCENT: [u64; 3] = [10, 50, 100];

    fn new(size: u64) -> Self {
        Self { size, seen: [0; 3] }
    }

    fn note(&mut self, read: u64) {
        for (percent, seen) in Self::PERCENT.into_iter().zip(&mut self.seen) {
            if *seen == 0 && read * 100 >= self.size * percent {
                *seen = resident().unwrap_or_default();
            }
        }
    }
}

/// proc(5): `VmRSS:      1234 kB`.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
