//! Which events the store holds, by hour of log time: the answer to "was this one stored before?",
//! which is asked for what happened before the writer was started.
//!
//! A posting is a pair of the first eight bytes of an event id and the event's sequence number.
//! The postings of an hour lie packed in values of at most [`PER_VALUE`], each named by its first
//! sequence number; the last one stays open, as the event chunk does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::{error::WriterError, stage::Stage};
use crate::{
    event::Head,
    store::{Key, Prefix, Store, codec, key},
};

/// Version of the stored form.
const VERSION: u8 = 1;
/// Postings in one value: 4 KiB of 16 bytes.
const PER_VALUE: usize = 256;
/// Hours whose postings are held in memory: the one that a log is in, and the one before it.
const HOURS_LOADED: usize = 2;
/// Postings of an hour that are in a map, about.
const FRESH: usize = if cfg!(test) { 30 } else { 65_536 };

type Posting = (u64, u64);

/// Postings to be looked up.
type Seqs = HashMap<u64, u64, RandomState>;

/// Postings being written and postings being asked for.
#[derive(Debug, Default)]
pub(super) struct Postings {
    /// The open value of each hour that this run wrote to.
    open: BTreeMap<u32, Open>,
    /// What was added since the last commit, which the store cannot show yet.
    uncommitted: Seqs,
    /// Postings of the hours that were asked for.
    loaded: BTreeMap<u32, Hour>,
}

/// The postings of an hour, in memory. A map for a busy hour takes three times the memory of the
/// same postings in a row, and more while it grows, so only the latest are in one.
#[derive(Debug, Default)]
struct Hour {
    /// In order.
    sealed: Vec<Posting>,
    fresh: Seqs,
}

#[derive(Debug)]
struct Open {
    number: u64,
    postings: Vec<Posting>,
    changed: bool,
}

impl Postings {
    /// Notes a new event: it is found from now on, and added to what is stored of its hour.
    pub(super) fn note(&mut self, event: &Head, seq: u64, stage: &mut Stage) {
        let (hour, head) = (hour(event.at_us), head(event));
        self.uncommitted.insert(head, seq);
        if let Some(loaded) = self.loaded.get_mut(&hour) {
            loaded.add(head, seq);
        }
        // A value is numbered by its first event, so that one of an earlier run is never
        // overwritten.
        let open = self.open.entry(hour).or_insert_with(|| Open::new(seq));
        if open.postings.len() >= PER_VALUE {
            open.stage(hour, stage);
            *open = Open::new(seq);
        }
        open.postings.push((head, seq));
        open.changed = true;
    }

    /// Puts what grew into the next commit.
    pub(super) fn stage(&mut self, stage: &mut Stage) {
        for (&hour, open) in &mut self.open {
            open.stage(hour, stage);
        }
        while self.open.len() > HOURS_LOADED {
            self.open.pop_first();
        }
    }

    /// Removes the values of these hours that speak of no event from `first_seq` on.
    pub(super) fn forget(
        &mut self,
        hours: &BTreeSet<u32>,
        first_seq: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        for &hour in hours {
            for entry in store.scan(&Prefix::postings(hour))? {
                let (key, value) = entry?;
                let postings: Vec<Posting> = codec::decode("posting", VERSION, &value)?;
                let is_needed = |postings: &[Posting]| {
                    postings.last().is_some_and(|(_, seq)| *seq >= first_seq)
                };
                let number = key::parse_posting(&key).map(|(_, number)| number);
                let open = self.open.get(&hour).filter(|open| Some(open.number) == number);
                if is_needed(&postings) || open.is_some_and(|open| is_needed(&open.postings)) {
                    break;
                }
                if open.is_some() {
                    self.open.remove(&hour);
                }
                stage.remove(Key::from_stored(&key));
            }
        }
        Ok(())
    }

    /// All that was staged is in the store.
    pub(super) fn committed(&mut self) {
        self.uncommitted.clear();
    }

    /// The sequence number under which the store, or what is staged for it, holds this event.
    pub(super) fn find(&mut self, event: &Head, store: &Store) -> Result<Option<u64>, WriterError> {
        let (hour, head) = (hour(event.at_us), head(event));
        if let Some(&seq) = self.uncommitted.get(&head) {
            return Ok(Some(seq));
        }
        if !self.loaded.contains_key(&hour) {
            if self.loaded.len() >= HOURS_LOADED {
                self.loaded.pop_first();
            }
            // The log has most likely left their hours.
            self.loaded.values_mut().for_each(Hour::seal);
            self.loaded.insert(hour, Hour::load(hour, store)?);
        }
        Ok(self.loaded.get(&hour).and_then(|postings| postings.get(head)))
    }
}

impl Hour {
    fn load(hour: u32, store: &Store) -> Result<Self, WriterError> {
        let mut sealed = Vec::new();
        for entry in store.scan(&Prefix::postings(hour))? {
            let postings: Vec<Posting> = codec::decode("posting", VERSION, &entry?.1)?;
            sealed.extend(postings);
        }
        sealed.sort_unstable();
        Ok(Self { sealed, fresh: Seqs::default() })
    }

    fn add(&mut self, head: u64, seq: u64) {
        self.fresh.insert(head, seq);
        if self.fresh.len() >= FRESH {
            self.seal();
        }
    }

    fn get(&self, head: u64) -> Option<u64> {
        let sealed = || {
            let place = self.sealed.binary_search_by_key(&head, |(head, _)| *head).ok()?;
            self.sealed.get(place).map(|(_, seq)| *seq)
        };
        self.fresh.get(&head).copied().or_else(sealed)
    }

    fn seal(&mut self) {
        let mut fresh: Vec<_> = std::mem::take(&mut self.fresh).into_iter().collect();
        fresh.sort_unstable();
        self.sealed.reserve_exact(fresh.len());
        self.sealed.append(&mut fresh);
        #[expect(clippy::stable_sort_primitive, reason = "of two runs in order, it merges them")]
        self.sealed.sort();
    }
}

impl Open {
    fn new(number: u64) -> Self {
        Self { number, postings: Vec::new(), changed: false }
    }

    fn stage(&mut self, hour: u32, stage: &mut Stage) {
        if std::mem::take(&mut self.changed) {
            stage.put(Key::posting(hour, self.number), codec::encode(VERSION, &self.postings));
        }
    }
}

/// Hours since the epoch.
pub(super) fn hour(at_us: i64) -> u32 {
    u32::try_from(at_us.div_euclid(3_600_000_000)).unwrap_or(0)
}

fn head(event: &Head) -> u64 {
    event.id.0.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_is_sealed_again_and_again_still_finds_all_that_came() {
        let mut hour = Hour::default();
        for head in 0..100 {
            if head % 30 == 7 {
                hour.seal();
            }
            // In no order, as ids are.
            let place = head * 37 % 101;
            assert_eq!(hour.get(place), None);
            hour.add(place, head);
            assert!((0..=head).all(|seq| hour.get(seq * 37 % 101) == Some(seq)));
            assert!(hour.fresh.len() < FRESH, "a map does not grow");
        }
        assert!(hour.sealed.len() > 90 && hour.fresh.len() < 30);
    }
}
