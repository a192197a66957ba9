//! The event log: every event has a sequence number and lies in a chunk of the store.
//!
//! The newest chunk stays open and is put again under the same key with each commit until it is
//! full, so that a quiet host does not fill the store with chunks of one event.

use std::{collections::VecDeque, sync::Arc};

use super::{error::WriterError, postings::Postings, stage::Stage};
use crate::{
    event::Event,
    store::{ChunkBuilder, Key, Store, chunk, codec, key},
};

/// Name of the stored next sequence number: it must not fall back when old chunks are deleted.
const NEXT_SEQ: &str = "next_seq";
/// Version of its stored form.
const VERSION: u8 = 1;
/// Newest events kept in memory for the senders; older ones are read from the store.
const RECENT_EVENTS: usize = 4096;

/// The events of this store, by sequence number.
#[derive(Debug)]
pub(super) struct EventLog {
    next_seq: u64,
    open: ChunkBuilder,
    open_changed: bool,
    recent: VecDeque<Arc<Event>>,
    postings: Postings,
    /// The chunk that was last read from the store.
    read_chunk: Vec<(u64, Arc<Event>)>,
}

impl EventLog {
    pub(super) fn new(next_seq: u64) -> Self {
        Self {
            next_seq,
            open: ChunkBuilder::new(next_seq),
            open_changed: false,
            recent: VecDeque::new(),
            postings: Postings::default(),
            read_chunk: Vec::new(),
        }
    }

    /// Appends an event; it can be claimed after the next commit.
    pub(super) fn append(&mut self, event: Event, stage: &mut Stage) {
        if !self.open.push(&event) {
            self.stage_open(stage);
            self.open = ChunkBuilder::new(self.next_seq);
            // An event always fits into an empty chunk.
            let _fits = self.open.push(&event);
        }
        self.open_changed = true;
        self.postings.add(&event, self.next_seq, stage);
        self.next_seq += 1;
        self.recent.push_back(Arc::new(event));
        if self.recent.len() > RECENT_EVENTS {
            self.recent.pop_front();
        }
    }

    /// Puts the open chunk into the next commit, if it grew.
    pub(super) fn stage_open(&mut self, stage: &mut Stage) {
        if std::mem::take(&mut self.open_changed) {
            stage.put(Key::chunk(self.open.first_seq()), self.open.value());
            let next = codec::encode(VERSION, &self.next_seq);
            stage.put(Key::meta(NEXT_SEQ), next);
        }
        self.postings.stage(stage);
    }

    /// Everything appended so far is durable: the sequence number below which it is.
    pub(super) fn committed(&mut self) -> u64 {
        self.postings.committed();
        self.next_seq
    }

    /// The sequence number that the next event gets.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The sequence number of an event that the store holds already.
    pub(super) fn find(
        &mut self,
        event: &Event,
        store: &Store,
    ) -> Result<Option<u64>, WriterError> {
        self.postings.find(event, store)
    }

    /// A durable event; None when it was deleted.
    pub(super) fn get(
        &mut self,
        seq: u64,
        store: &Store,
    ) -> Result<Option<Arc<Event>>, WriterError> {
        let first_recent = self.next_seq - self.recent.len() as u64;
        if let Some(place) = seq.checked_sub(first_recent) {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            return Ok(self.recent.get(place).cloned());
        }
        if let Some(event) = self.in_read_chunk(seq) {
            return Ok(Some(event));
        }
        // The chunk with the greatest first sequence number that is not behind the wanted one.
        let upto = Key::chunk(seq.saturating_add(1));
        let Some(entry) = store.scan_range(&Key::chunk(0), &upto)?.next_back() else {
            return Ok(None);
        };
        let (key, value) = entry?;
        let first_seq = key::parse_chunk(&key).unwrap_or(seq);
        let events = chunk::decode(first_seq, &value)?;
        self.read_chunk = events.into_iter().map(|(seq, event)| (seq, Arc::new(event))).collect();
        Ok(self.in_read_chunk(seq))
    }

    fn in_read_chunk(&self, wanted: u64) -> Option<Arc<Event>> {
        let place = self.read_chunk.binary_search_by_key(&wanted, |(seq, _)| *seq).ok()?;
        self.read_chunk.get(place).map(|(_, event)| Arc::clone(event))
    }
}

/// The sequence number that the next event gets.
pub(super) fn next_seq(store: &Store) -> Result<u64, WriterError> {
    match store.get(&Key::meta(NEXT_SEQ))? {
        Some(bytes) => Ok(codec::decode("sequence number", VERSION, &bytes)?),
        None => Ok(0),
    }
}
