//! The event log: every event has a sequence number and lies in a chunk of the store ([`Chunks`]).
//!
//! All that the store keeps of a new event is made at once, while it is at hand: its place in a chunk,
//! in the postings and in the index ([`Index`]). The oldest chunks are deleted with all that leads to
//! them.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    ages::Ages,
    chunks::Chunks,
    error::WriterError,
    gists::Gists,
    index::Index,
    postings::{self, Postings},
    stage::Stage,
    told::Fresh,
};
use crate::{
    config::Kept,
    event::{Event, Head, Parcel},
    queue::gist::Interest,
    store::{Key, Prefix, Store, chunk, codec, key},
};

/// Name of the stored next sequence number: it must not fall back when old chunks are deleted.
const NEXT_SEQ: &str = "next_seq";
/// Version of its stored form.
const VERSION: u8 = 1;
/// Events kept in memory for the senders, or as many as are not durable yet if those are more. Older
/// ones are read from the store.
const RECENT_EVENTS: usize = 2048;
/// Chunks deleted in one commit. With their postings they make about one batch of removes.
const CHUNKS_DELETED: usize = 200;

/// The events of this store, by sequence number.
#[derive(Debug)]
pub(super) struct EventLog {
    next_seq: u64,
    /// Events below this sequence number are durable.
    durable_seq: u64,
    /// The oldest event that is not deleted; the next one, if there is none.
    first_seq: u64,
    chunks: Chunks,
    /// The newest events: those that are not durable yet, and some before them.
    recent: VecDeque<Arc<Parcel>>,
    gists: Gists,
    postings: Postings,
    index: Index,
    /// The chunk that was last read from the store.
    read_chunk: Vec<(u64, Arc<Parcel>)>,
}

impl EventLog {
    /// Continues behind what is stored.
    pub(super) fn load(
        store: &Store,
        next_seq: u64,
        now_ms: u64,
        stage: &mut Stage,
    ) -> Result<Self, WriterError> {
        let first = store.scan(&Prefix::chunks())?.next().transpose()?;
        let first_chunk = first.and_then(|(key, _)| key::parse_chunk(&key));
        let first_seq = first_chunk.unwrap_or(next_seq);
        Ok(Self {
            next_seq,
            durable_seq: next_seq,
            first_seq,
            chunks: Chunks::new(next_seq, Ages::load(store, first_chunk, now_ms, stage)?),
            recent: VecDeque::new(),
            gists: Gists::new(next_seq),
            postings: Postings::default(),
            index: Index::load(store, first_seq, next_seq)?,
            read_chunk: Vec::new(),
        })
    }

    /// Appends an event; it can be claimed after the next commit.
    pub(super) fn append(&mut self, event: &Event, now_ms: u64, stage: &mut Stage) {
        let mut packed = Vec::new();
        chunk::pack(event, &mut packed);
        self.append_packed(&Fresh::of(event, None), &packed, now_ms, stage);
    }

    /// As [`EventLog::append`], for an event that was packed.
    pub(super) fn append_packed(
        &mut self,
        fresh: &Fresh,
        packed: &[u8],
        now_ms: u64,
        stage: &mut Stage,
    ) {
        self.gists.note(&fresh.mark, self.next_seq);
        self.chunks.push(packed, now_ms, stage);
        self.postings.note(&fresh.head, self.next_seq, stage);
        self.index.note(fresh.head.at_us, &fresh.terms, stage);
        self.next_seq += 1;
        self.recent.push_back(Arc::new(fresh.parcel(packed)));
        stage.touch();
    }

    /// Puts into the commit what is still open of what was appended.
    pub(super) fn stage(&mut self, stage: &mut Stage) {
        if self.chunks.stage(stage) {
            stage.put(Key::meta(NEXT_SEQ), codec::encode(VERSION, &self.next_seq));
        }
        self.postings.stage(stage);
        let fresh = usize::try_from(self.next_seq - self.durable_seq).unwrap_or(usize::MAX);
        let kept = fresh.max(RECENT_EVENTS);
        self.recent.drain(..self.recent.len().saturating_sub(kept));
    }

    /// Everything appended so far is durable: the sequence number below which it is.
    pub(super) fn committed(&mut self) -> u64 {
        self.postings.committed();
        self.durable_seq = self.next_seq;
        self.next_seq
    }

    /// The sequence number that the next event gets.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The oldest event that is not deleted.
    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Below this sequence number everything is older than `kept` allows, or more.
    pub(super) fn end_of(&self, kept: Kept, now_ms: u64) -> u64 {
        self.chunks.ages.end_of(kept, now_ms, self.next_seq)
    }

    /// Deletes some chunks of events below `end`, and all that leads to them; the newest chunk
    /// stays. True when there are more. Events below `end` must be durable.
    pub(super) fn forget(
        &mut self,
        end: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        if end <= self.first_seq {
            return Ok(false);
        }
        let range = (Key::chunk(self.first_seq), Key::chunk(end.saturating_add(1)));
        let chunks: Vec<_> = store
            .scan_range(&range.0, &range.1)?
            .take(CHUNKS_DELETED + 1)
            .collect::<Result<_, _>>()?;
        let mut hours = BTreeSet::new();
        for pair in chunks.windows(2) {
            let [(key, value), (next, _)] = pair else { continue };
            let (Some(first), Some(next)) = (key::parse_chunk(key), key::parse_chunk(next)) else {
                continue;
            };
            match chunk::decode(first, value) {
                Ok(events) => {
                    hours.extend(events.iter().map(|(_, event)| postings::hour(event.at_us)));
                }
                Err(error) => tracing::warn!(%error, "a chunk is deleted that cannot be read"),
            }
            stage.remove(Key::from_stored(key));
            self.first_seq = next;
        }
        self.postings.forget(&hours, self.first_seq, store, stage)?;
        self.chunks.ages.forget(self.first_seq, stage);
        Ok(chunks.len() > CHUNKS_DELETED)
    }

    /// Brings the index a little nearer to what is stored: older events get into it, deleted ones
    /// go. True when there is more to do.
    pub(super) fn tend_index(
        &mut self,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        let more = self.index.forget(self.first_seq, store, stage)?;
        Ok(self.index.mend(self.first_seq, store, stage)? || more)
    }

    /// The sequence number of an event that the store holds already.
    pub(super) fn find(&mut self, event: &Head, store: &Store) -> Result<Option<u64>, WriterError> {
        // The postings of an hour go when the last of them is of no use.
        Ok(self.postings.find(event, store)?.filter(|seq| *seq >= self.first_seq))
    }

    /// From `from` up to and without this sequence number, at most `end`, nothing is for `who`, as far
    /// as that is known without a look at the events.
    pub(super) fn end_of_others(&self, who: &Interest, from: u64, end: u64) -> u64 {
        self.gists.end_of_others(who, from, end)
    }

    /// A durable event; None when it was deleted.
    pub(super) fn get(
        &mut self,
        seq: u64,
        store: &Store,
    ) -> Result<Option<Arc<Parcel>>, WriterError> {
        if seq < self.first_seq {
            return Ok(None);
        }
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
        let parcel = |(seq, event): (u64, Event)| (seq, Arc::new(event.into()));
        self.read_chunk = events.into_iter().map(parcel).collect();
        Ok(self.in_read_chunk(seq))
    }

    /// When an event was stored, milliseconds since the epoch: as the log has it, but for what was
    /// history when it was read. Of that it may be an hour more. None when it was deleted.
    pub(super) fn stored_ms(
        &mut self,
        seq: u64,
        store: &Store,
    ) -> Result<Option<u64>, WriterError> {
        let Some(event) = self.get(seq, store)? else { return Ok(None) };
        let since_ms = self.chunks.ages.stored_since_ms(seq).unwrap_or(0);
        Ok(Some(event.head().at_ms().max(since_ms)))
    }

    /// Durable events from that one on, of those that are in memory.
    pub(super) fn newest(&self, from: u64) -> impl Iterator<Item = (u64, &Arc<Parcel>)> {
        let first = self.next_seq - self.recent.len() as u64;
        let passed = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        (first..).zip(&self.recent).skip(passed)
    }

    fn in_read_chunk(&self, wanted: u64) -> Option<Arc<Parcel>> {
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
