//! Puts cut lines together with what is known of their generation.

use jiff::Timestamp;

use super::{
    Batch, Fingerprint, Position,
    head::Head,
    lines::{Cut, Cutter},
};

/// The generation that lines come from.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// Index of the source.
    pub(crate) source: usize,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) head: &'a Head,
    /// See [`Batch::anchor`].
    pub(crate) anchor: Timestamp,
    pub(crate) now: Timestamp,
}

impl Origin<'_> {
    /// The lines of `cut`.
    pub(crate) fn batch(&self, cut: Cut) -> Batch {
        Batch {
            source: self.source,
            bytes: cut.bytes,
            lines: cut.lines,
            position: self.position(cut.offset, cut.line_count, false),
            journal: None,
            anchor: self.anchor,
            first_of_generation: cut.from == 0,
            idle: false,
            is_past: false,
            is_behind_gap: false,
        }
    }

    /// The last word on a generation that nobody appends to: what is left of it, half a line at its
    /// end marked as cut.
    pub(crate) fn last(&self, cutter: &mut Cutter) -> Batch {
        cutter.finish();
        let position = self.position(cutter.offset(), cutter.line_count(), true);
        match cutter.take() {
            Some(cut) => Batch { position, ..self.batch(cut) },
            None => self.mark(position),
        }
    }

    /// No lines, only a position.
    pub(crate) fn mark(&self, position: Position) -> Batch {
        Batch {
            source: self.source,
            bytes: Vec::new(),
            lines: Vec::new(),
            position,
            journal: None,
            anchor: self.anchor,
            first_of_generation: false,
            idle: false,
            is_past: false,
            is_behind_gap: false,
        }
    }

    /// A position in this generation.
    pub(crate) fn position(&self, offset: u64, line_count: u64, finished: bool) -> Position {
        Position {
            fingerprint: self.fingerprint,
            offset,
            line_count,
            finished,
            seen_at: self.now.as_second(),
            heads: self.head.hashes(offset),
        }
    }
}
