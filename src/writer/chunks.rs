//! Events packed many to a chunk, as the store keeps them.
//!
//! The newest chunk stays open and is put again under the same key with each commit until it is
//! full, or until its events would differ much in age, so that a quiet host does not fill the store
//! with chunks of one event.

use super::{ages::Ages, stage::Stage};
#[cfg(doc)]
use crate::store::chunk;
use crate::store::{ChunkBuilder, Key};

/// The open chunk, and when those before it were begun.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) ages: Ages,
    open: ChunkBuilder,
    changed: bool,
}

impl Chunks {
    /// The next event gets the sequence number `next_seq`.
    pub(super) fn new(next_seq: u64, ages: Ages) -> Self {
        Self { ages, open: ChunkBuilder::new(next_seq), changed: false }
    }

    /// Sequence number of the next event.
    pub(super) fn next_seq(&self) -> u64 {
        self.open.next_seq()
    }

    /// Adds the next event, which was packed ([`chunk::pack`]).
    pub(super) fn push(&mut self, packed: &[u8], now_ms: u64, stage: &mut Stage) {
        if self.ages.is_due(now_ms) {
            self.begin(stage);
            self.ages.mark(self.next_seq(), now_ms, stage);
        }
        if !self.open.push_packed(packed) {
            self.begin(stage);
            // An event always fits into an empty chunk.
            let _fits = self.open.push_packed(packed);
        }
        self.changed = true;
    }

    /// Puts the open chunk into the commit. False when it did not grow.
    pub(super) fn stage(&mut self, stage: &mut Stage) -> bool {
        let changed = std::mem::take(&mut self.changed);
        if changed {
            let values = self.open.values();
            if values.len() > 1 {
                // It was cut, so it is not gone on with.
                self.end(&values);
            }
            put(values, stage);
        }
        changed
    }

    fn begin(&mut self, stage: &mut Stage) {
        let values = if self.open.is_empty() { Vec::new() } else { self.open.values() };
        self.end(&values);
        if std::mem::take(&mut self.changed) {
            put(values, stage);
        }
    }

    /// The next event begins a chunk behind these values.
    fn end(&mut self, values: &[(u64, Vec<u8>)]) {
        for (_, value) in values {
            self.ages.add(value.len());
        }
        self.open = ChunkBuilder::new(self.next_seq());
    }
}

fn put(values: Vec<(u64, Vec<u8>)>, stage: &mut Stage) {
    for (first_seq, value) in values {
        stage.put(Key::chunk(first_seq), value);
    }
}
