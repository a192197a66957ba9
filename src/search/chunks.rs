//! Stored events, chunk by chunk, from the newest to the oldest.

use crate::{
    event::Event,
    store::{Key, StoreError, View, chunk, key},
};

/// First sequence number of a chunk, and its events with theirs.
type Chunk = (u64, Vec<(u64, Event)>);

/// Reads chunks, so many and no more.
pub(super) struct Chunks<'a> {
    view: &'a View,
    /// Chunks that may still be read.
    left: usize,
    /// The one that was read last: its first sequence number, and its events.
    last: Option<Chunk>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(view: &'a View, left: usize) -> Self {
        Self { view, left, last: None }
    }

    /// No more may be read.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The events of the chunk that has the event `seq`, or, where that is deleted or damaged, of the
    /// one before it; and the first sequence number that belongs to the chunk. None when there is
    /// nothing left, or nothing may be read any more.
    pub(super) fn holder(&mut self, seq: u64) -> Result<Option<&Chunk>, StoreError> {
        let holds = |(first, events): &Chunk| {
            *first <= seq && events.last().is_some_and(|(last, _)| seq <= *last)
        };
        if !self.last.as_ref().is_some_and(holds) {
            self.last = self.read(seq)?;
        }
        Ok(self.last.as_ref())
    }

    fn read(&mut self, seq: u64) -> Result<Option<Chunk>, StoreError> {
        if self.is_spent() {
            return Ok(None);
        }
        self.left -= 1;
        let upto = Key::chunk(seq.saturating_add(1));
        let Some(entry) = self.view.scan_range(&Key::chunk(0), &upto)?.next_back() else {
            return Ok(None);
        };
        let (key, value) = entry?;
        let Some(first) = key::parse_chunk(&key) else { return Ok(None) };
        let events = chunk::decode(first, &value).unwrap_or_else(|error| {
            tracing::warn!(%error, "a chunk cannot be read");
            Vec::new()
        });
        Ok(Some((first, events)))
    }
}
