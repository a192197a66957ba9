//! What one run writes, as batches of lines, each with the cursor behind it.

use std::ops::ControlFlow;

use jiff::Timestamp;
use mailherald_parsers::journal::{Entry, Reader};

use super::JournalPosition;
use crate::source::{
    Batch, Fingerprint,
    batching::Origin,
    head::Head,
    lines::{Cut, Cutter},
};

/// The entries of one run.
#[derive(Debug)]
pub(super) struct Entries {
    reader: Reader,
    sink: Sink,
}

/// Where entries go.
#[derive(Debug)]
struct Sink {
    /// Index of the source.
    source: usize,
    now: Timestamp,
    /// The entry that the run has to begin with.
    expected: Option<String>,
    beginning: Beginning,
    /// No batch has said yet that there is a gap before it.
    gap_is_untold: bool,
    /// Behind the last entry.
    position: JournalPosition,
    count: u64,
    unnamed: u64,
    head: Head,
    cutter: Cutter,
    line: Vec<u8>,
    ready: Vec<Batch>,
}

/// What a run began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing so far.
    Unknown,
    /// The entry that was read last, or any, where none was.
    Expected,
    /// Another one: what was behind the one that was read last may be gone with it.
    Gap,
}

impl Entries {
    /// Of a run from `position` on.
    pub(super) fn new(source: usize, position: JournalPosition, now: Timestamp) -> Self {
        let expected = match &position {
            JournalPosition::Behind(cursor) => Some(cursor.clone()),
            JournalPosition::Beginning | JournalPosition::Since(_) => None,
        };
        let sink = Sink {
            source,
            now,
            expected,
            beginning: Beginning::Unknown,
            gap_is_untold: false,
            position,
            count: 0,
            unnamed: 0,
            head: Head::default(),
            cutter: Cutter::new(0, 0),
            line: Vec::new(),
            ready: Vec::new(),
        };
        Self { reader: Reader::new(), sink }
    }

    /// Takes the next bytes. Batches that got full are ready then.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Timestamp) {
        self.sink.now = now;
        self.reader.feed(bytes, &mut |entry| self.sink.take(entry));
    }

    /// What is ready.
    pub(super) fn ready(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.sink.ready)
    }

    /// Makes the rest ready, too; `idle` when nothing more is there for now. An entry that has not
    /// its end is none yet.
    pub(super) fn cut(&mut self, idle: bool) {
        if let Some(cut) = self.sink.cutter.take() {
            let batch = self.sink.batch(cut);
            self.sink.ready.push(Batch { idle, ..batch });
        }
    }

    /// What the run began with.
    pub(super) fn beginning(&self) -> Beginning {
        self.sink.beginning
    }

    /// Entries so far, without the one that was expected.
    pub(super) fn count(&self) -> u64 {
        self.sink.count
    }

    /// Entries so far that had no cursor and so were passed over. No `journalctl` writes one.
    pub(super) fn unnamed(&self) -> u64 {
        self.sink.unnamed
    }
}

impl Sink {
    fn take(&mut self, entry: &Entry<'_>) {
        // Without its own position an entry would be told again and again.
        let Some(cursor) = cursor(entry) else {
            self.unnamed += 1;
            return;
        };
        if self.beginning == Beginning::Unknown && self.begins_with(cursor) {
            return;
        }
        self.count += 1;
        self.position = JournalPosition::Behind(cursor.to_owned());
        self.line.clear();
        entry.render(&mut self.line);
        self.line.push(b'\n');
        let mut full = None;
        // A cutter is given one line, so it has one batch at the most.
        let _goes_on = self.cutter.feed(&self.line, &mut |cut| {
            full = Some(cut);
            ControlFlow::Continue(())
        });
        if let Some(cut) = full {
            let batch = self.batch(cut);
            self.ready.push(batch);
        }
    }

    /// Judges the first entry: is it the one that was read before?
    fn begins_with(&mut self, cursor: &str) -> bool {
        let known = self.expected.as_deref() == Some(cursor);
        let is_gap = self.expected.is_some() && !known;
        self.beginning = if is_gap { Beginning::Gap } else { Beginning::Expected };
        self.gap_is_untold = is_gap;
        known
    }

    fn batch(&mut self, cut: Cut) -> Batch {
        let (source, now) = (self.source, self.now);
        let fingerprint = Fingerprint::NONE;
        let origin = Origin { source, fingerprint, head: &self.head, anchor: now, now };
        let is_behind_gap = std::mem::take(&mut self.gap_is_untold);
        Batch { journal: Some(self.position.clone()), is_behind_gap, ..origin.batch(cut) }
    }
}

/// The cursor of an entry, if it is one that can be given back as an argument.
pub(super) fn cursor<'e>(entry: &Entry<'e>) -> Option<&'e str> {
    let is_word = !entry.cursor.is_empty() && entry.cursor.iter().all(u8::is_ascii_graphic);
    if is_word { std::str::from_utf8(entry.cursor).ok() } else { None }
}

/// No lines, only a position.
pub(super) fn mark(source: usize, position: JournalPosition, now: Timestamp) -> Batch {
    let head = &Head::default();
    let origin = Origin { source, fingerprint: Fingerprint::NONE, head, anchor: now, now };
    let mark = origin.mark(origin.position(0, 0, false));
    Batch { journal: Some(position), idle: true, ..mark }
}
