//! When events were stored, and how many bytes they take: marks along the sequence numbers, one
//! for each hour of storing and for each [`MARK_BYTES`] of chunks. They answer up to which event
//! something is too old or too much, without a look at the events.
//!
//! A mark stands at the beginning of a chunk. What lies between two marks was stored within
//! [`MARK_AGE`] of the first one.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{error::WriterError, stage::Stage};
use crate::{
    clock::millis_of,
    config::Kept,
    store::{Key, Prefix, Store, View, codec, key},
};

/// Version of the stored form.
const VERSION: u8 = 1;
/// A chunk begun later than this after the last mark gets one of its own.
const MARK_AGE: Duration = Duration::from_hours(1);
/// So does one before which that many bytes of chunks lie behind the last mark. Bounds the marks
/// of 4 GiB to 256 besides those of the hours.
const MARK_BYTES: u64 = 16 * 1024 * 1024;

/// The marks of a store.
#[derive(Debug, Default)]
pub(super) struct Ages {
    marks: VecDeque<Mark>,
    /// Bytes of all chunks that were ever full, deleted ones too.
    bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    first_seq: u64,
    stored: Stored,
}

/// The stored form of a mark.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Stored {
    /// When the chunk was begun, milliseconds since the epoch.
    at_ms: u64,
    /// Bytes of the chunks before it.
    bytes_before: u64,
}

/// A time at which the event was not stored yet, or just then, milliseconds since the epoch; as near as
/// is known. `at_ms` is when it happened by the log: most are stored right then.
pub(super) fn stored_after_ms(view: &View, seq: u64, at_ms: u64) -> Result<u64, WriterError> {
    let upto = Key::age(seq.saturating_add(1));
    let mark = view.scan_range(&Key::age(0), &upto)?.next_back().transpose()?;
    let Some((_, value)) = mark else { return Ok(0) };
    let Stored { at_ms: marked_ms, .. } = codec::decode("age", VERSION, &value)?;
    let lifetime_ms = marked_ms..=marked_ms.saturating_add(millis_of(MARK_AGE));
    Ok(if lifetime_ms.contains(&at_ms) { at_ms } else { marked_ms })
}

impl Ages {
    /// Continues with the stored marks. What has none, because an earlier version stored it,
    /// begins its time now; the mark goes with the next commit.
    pub(super) fn load(
        store: &Store,
        first_seq: Option<u64>,
        now_ms: u64,
        stage: &mut Stage,
    ) -> Result<Self, WriterError> {
        let mut ages = Self::default();
        for entry in store.scan(&Prefix::ages())? {
            let (key, value) = entry?;
            let Some(first_seq) = key::parse_age(&key) else { continue };
            let stored = codec::decode("age", VERSION, &value)?;
            ages.marks.push_back(Mark { first_seq, stored });
        }
        if let (Some(first_seq), true) = (first_seq, ages.marks.is_empty()) {
            ages.mark(first_seq, now_ms, stage);
        }
        if let Some(last) = ages.marks.back() {
            ages.bytes = last.stored.bytes_before;
            let later = store.scan_range(&Key::chunk(last.first_seq), &Key::chunk(u64::MAX))?;
            for entry in later {
                ages.bytes += entry?.1.len() as u64;
            }
        }
        Ok(ages)
    }

    /// The next event must begin a chunk, and the chunk be marked. A clock that was set back is as
    /// good a reason as one that went on.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.marks.back().is_none_or(|last| {
            now_ms.abs_diff(last.stored.at_ms) >= millis_of(MARK_AGE)
                || self.bytes - last.stored.bytes_before >= MARK_BYTES
        })
    }

    /// Marks the chunk that begins with `first_seq`.
    pub(super) fn mark(&mut self, first_seq: u64, now_ms: u64, stage: &mut Stage) {
        let stored = Stored { at_ms: now_ms, bytes_before: self.bytes };
        stage.put(Key::age(first_seq), codec::encode(VERSION, &stored));
        self.marks.push_back(Mark { first_seq, stored });
    }

    /// A chunk of that many bytes is full.
    pub(super) fn add(&mut self, chunk_bytes: usize) {
        self.bytes += chunk_bytes as u64;
    }

    /// When an event was stored at the earliest: within [`MARK_AGE`] before it was.
    pub(super) fn stored_since_ms(&self, seq: u64) -> Option<u64> {
        let behind = self.marks.partition_point(|mark| mark.first_seq <= seq);
        self.marks.get(behind.checked_sub(1)?).map(|mark| mark.stored.at_ms)
    }

    /// Below this sequence number everything is older than `kept` allows, or more. `next_seq` is
    /// the number that the next event gets.
    pub(super) fn end_of(&self, kept: Kept, now_ms: u64, next_seq: u64) -> u64 {
        if kept.age.is_zero() {
            return next_seq;
        }
        self.end_of_old(kept.age, now_ms, next_seq).max(self.end_of_surplus(kept.bytes))
    }

    /// A mark that is younger than a later one was made while the clock was wrong, and has the
    /// later one's time.
    fn end_of_old(&self, age: Duration, now_ms: u64, next_seq: u64) -> u64 {
        let (mut end, mut at_ms) = (next_seq, u64::MAX);
        let lifetime_ms = millis_of(MARK_AGE).saturating_add(millis_of(age));
        for mark in self.marks.iter().rev() {
            at_ms = at_ms.min(mark.stored.at_ms);
            if at_ms.saturating_add(lifetime_ms) <= now_ms {
                return end;
            }
            end = mark.first_seq;
        }
        0
    }

    /// The first mark behind which no more than `bytes` lie, else the last one.
    fn end_of_surplus(&self, bytes: u64) -> u64 {
        let fits = |mark: &&Mark| self.bytes - mark.stored.bytes_before <= bytes;
        self.marks.iter().find(fits).or(self.marks.back()).map_or(0, |mark| mark.first_seq)
    }

    /// Events below `first_seq` are gone: so are the marks that speak of no others.
    pub(super) fn forget(&mut self, first_seq: u64, stage: &mut Stage) {
        while let (Some(mark), Some(next)) = (self.marks.front(), self.marks.get(1)) {
            if next.first_seq > first_seq {
                return;
            }
            stage.remove(Key::age(mark.first_seq));
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const DAY: Duration = Duration::from_hours(24);

    fn ages(marks: &[(u64, u64, u64)], bytes: u64) -> Ages {
        let mark = |&(first_seq, hour, bytes_before): &(u64, u64, u64)| Mark {
            first_seq,
            stored: Stored { at_ms: hour * HOUR_MS, bytes_before },
        };
        Ages { marks: marks.iter().map(mark).collect(), bytes }
    }

    fn old_at(ages: &Ages, hour: u64) -> u64 {
        ages.end_of(Kept { age: DAY, bytes: u64::MAX }, hour * HOUR_MS, 99)
    }

    #[test]
    fn what_lies_between_two_marks_is_old_an_hour_after_the_first_one() {
        let ages = ages(&[(0, 10, 0), (40, 11, 0), (70, 20, 0)], 0);
        assert_eq!([34, 35, 36, 44, 45].map(|hour| old_at(&ages, hour)), [0, 40, 70, 70, 99]);
    }

    #[test]
    fn a_mark_from_a_clock_in_the_future_holds_nothing_up() {
        let ages = ages(&[(0, 10, 0), (40, 9_999, 0), (70, 12, 0)], 0);
        assert_eq!([35, 36, 37].map(|hour| old_at(&ages, hour)), [40, 40, 99]);
    }

    #[test]
    fn of_too_many_bytes_the_oldest_go_and_the_last_stretch_stays() {
        let ages = ages(&[(0, 1, 0), (40, 1, 100), (70, 1, 180)], 200);
        let end = |bytes| ages.end_of(Kept { age: DAY, bytes }, HOUR_MS, 99);
        assert_eq!([200, 199, 100, 99, 20, 19].map(end), [0, 40, 40, 70, 70, 70]);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be_kept() {
        let nothing = Kept { age: Duration::ZERO, bytes: u64::MAX };
        assert_eq!(ages(&[(0, 1, 0)], 0).end_of(nothing, 0, 99), 99);
    }
}
