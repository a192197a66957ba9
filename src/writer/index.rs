//! The index of the events ([`crate::store::index`]), as it is made: each event is noted when it
//! gets its sequence number, and a segment stored once it is full.
//!
//! The segment that is not full yet is in memory only; the next start reads its events again. Events
//! without an index, as an earlier version stored them, get it little by little, the newest first;
//! until then whoever looks something up reads them one after the other.

use std::collections::VecDeque;

use super::{error::WriterError, stage::Stage};
use crate::store::{
    Key, Prefix, View, chunk,
    index::{self, SEGMENT_EVENTS, SegmentBuilder, Terms},
    key,
};

/// Events after which a segment is stored. Fewer would make more segments to ask, and more would
/// leave more events that have none yet.
const FULL: u64 = if cfg!(test) { 64 } else { SEGMENT_EVENTS / 2 };
/// Chunks read in one step for events that have no index: a few milliseconds.
const CHUNKS_READ: usize = 64;
/// Pages removed in one step. A step deletes the events of about as many.
const PAGES_REMOVED: usize = 32;

/// Sequence numbers in a row, the end exclusive.
type Range = (u64, u64);

/// What is stored of the index, and what is not yet.
#[derive(Debug)]
pub(super) struct Index {
    /// Segments that are stored, or staged for it.
    segments: VecDeque<Range>,
    /// The newest events.
    open: SegmentBuilder,
    /// Older events without an index.
    holes: Vec<Range>,
    /// The end of the last hole, as far as it was read again.
    mending: Option<SegmentBuilder>,
}

impl Index {
    /// Goes on behind what is stored: the events from `first_seq` up to and without `next_seq`.
    pub(super) fn load(view: &View, first_seq: u64, next_seq: u64) -> Result<Self, WriterError> {
        let (mut segments, mut holes) = (VecDeque::new(), Vec::new());
        let mut covered = first_seq;
        for entry in view.scan(&Prefix::segments())? {
            let index::Segment { first_seq, end_seq, .. } = index::segment(&entry?.1)?;
            if covered < first_seq {
                holes.push((covered, first_seq));
            }
            covered = covered.max(end_seq);
            segments.push_back((first_seq, end_seq));
        }
        let is_much = next_seq.saturating_sub(covered) >= FULL;
        if is_much {
            holes.push((covered, next_seq));
        }
        let mut open = SegmentBuilder::new(if is_much { next_seq } else { covered });
        note_stored(&mut open, next_seq, usize::MAX, view)?;
        Ok(Self { segments, open, holes, mending: None })
    }

    /// Notes the next event.
    pub(super) fn note(&mut self, at_us: i64, terms: &Terms, stage: &mut Stage) {
        self.open.push(at_us, terms);
        let index::Segment { first_seq, end_seq, .. } = self.open.segment();
        if end_seq - first_seq >= FULL {
            let next = SegmentBuilder::new(end_seq);
            self.segments.push_back(store(std::mem::replace(&mut self.open, next), stage));
        }
    }

    /// Makes a little more of the index of older events. True when there is more to do.
    pub(super) fn mend(
        &mut self,
        first_seq: u64,
        view: &View,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        let Some((start, end)) = self.holes.last().copied() else { return Ok(false) };
        let start = start.max(first_seq);
        if start >= end {
            self.holes.pop();
            self.mending = None;
            return Ok(true);
        }
        let from = start.max(end.saturating_sub(FULL));
        let mut mending = match self.mending.take() {
            Some(begun) if begun.segment().first_seq >= from => begun,
            _ => SegmentBuilder::new(from),
        };
        if !note_stored(&mut mending, end, CHUNKS_READ, view)? {
            self.mending = Some(mending);
            return Ok(true);
        }
        let begun = mending.segment().first_seq;
        let place = self.segments.partition_point(|(first, _)| *first < begun);
        self.segments.insert(place, store(mending, stage));
        if let Some(hole) = self.holes.last_mut() {
            hole.1 = begun;
        }
        Ok(true)
    }

    /// Removes some of what speaks only of events below `first_seq`. True when there is more.
    pub(super) fn forget(
        &mut self,
        first_seq: u64,
        view: &View,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        let Some(&(segment, end)) = self.segments.front() else { return Ok(false) };
        if end > first_seq {
            return Ok(false);
        }
        let mut removed = 0;
        for entry in view.scan(&Prefix::terms(segment))?.take(PAGES_REMOVED) {
            stage.remove(Key::from_stored(&entry?.0));
            removed += 1;
        }
        if removed < PAGES_REMOVED {
            stage.remove(Key::segment(segment));
            self.segments.pop_front();
        }
        Ok(true)
    }
}

fn store(full: SegmentBuilder, stage: &mut Stage) -> Range {
    let index::Segment { first_seq, end_seq, .. } = full.segment();
    for (key, value) in full.finish() {
        stage.put(key, value);
    }
    (first_seq, end_seq)
}

/// Notes stored events from where `builder` is up to `end`, from at most so many chunks. True when
/// it has come there. What was deleted meanwhile, or is damaged, is passed over.
fn note_stored(
    builder: &mut SegmentBuilder,
    end: u64,
    chunks: usize,
    view: &View,
) -> Result<bool, WriterError> {
    let from = builder.segment().end_seq;
    let holder = view.scan_range(&Key::chunk(0), &Key::chunk(from.saturating_add(1)))?.next_back();
    let holder = holder.transpose()?.and_then(|(key, _)| key::parse_chunk(&key)).unwrap_or(from);
    let mut read = 0;
    for entry in view.scan_range(&Key::chunk(holder), &Key::chunk(end))?.take(chunks) {
        let (key, value) = entry?;
        read += 1;
        let Some(first) = key::parse_chunk(&key) else { continue };
        match chunk::decode(first, &value) {
            Ok(events) => {
                let wanted = events.iter().filter(|(seq, _)| (from..end).contains(seq));
                wanted.for_each(|(seq, event)| builder.push_at(*seq, event));
            }
            Err(error) => tracing::warn!(%error, "a chunk that cannot be read is not in the index"),
        }
    }
    if read < chunks {
        builder.pass_to(end);
    }
    Ok(builder.segment().end_seq >= end)
}
