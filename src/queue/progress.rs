//! How far one webhook has come in the numbered stream of events.
//!
//! Everything below [`Progress::low`] is done; between it and the next number never claimed,
//! only what is listed as open is not. So success costs no write of its own: the few bytes of a
//! `Progress` go into the next commit, whatever was settled since the last one. A claim needs no
//! write at all. After a restart the durable `Progress` hands out again exactly what it does not
//! hold as done.
//!
//! *Done* means that the cursor need not come back: delivered, not wanted, or kept elsewhere in
//! the same commit (waiting for a retry, dead, discarded).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// Most numbers open at once that are not near each other. It bounds the stored form (under 6 kB,
/// typically a few bytes), and stands far above any number of attempts under way.
pub const OPEN_MAX: usize = 512;

/// Numbers in a row that may all be open at once, of which the stored form has a bit each: more than
/// two commits bring, so that a receiver that is as fast as the log is read keeps up with it.
pub const ROW: u64 = 8192;

/// The bookkeeping of one webhook. Its serialised form is what survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Progress {
    /// The next number never claimed; everything below it is done or open.
    next: u64,
    /// Claimed at some time and not done.
    open: BTreeSet<u64>,
    /// The part of `open` that is not under way: given back, or left over from before a restart.
    /// Mostly empty.
    waiting: BTreeSet<u64>,
    /// Ranges at or above `next` that are not for this webhook, ends exclusive, ascending. One for
    /// each replay to other webhooks that this one has not come to yet.
    skips: Vec<(u64, u64)>,
}

/// The serialised form.
#[derive(Serialize, Deserialize)]
struct Stored {
    next: u64,
    open: Open,
    skips: Vec<(u64, u64)>,
}

/// The serialised form of open numbers, whichever is shorter by its bound.
#[derive(Serialize, Deserialize)]
enum Open {
    /// At most [`OPEN_MAX`] of them.
    List(Vec<u64>),
    /// Those of a row that begins with `first`: a bit each, the lowest one first. At most [`ROW`].
    Row { first: u64, bits: Vec<u8> },
}

/// The serialised form before there were rows.
#[derive(Debug, Deserialize)]
pub struct Listed {
    next: u64,
    open: Vec<u64>,
    skips: Vec<(u64, u64)>,
}

/// A stored progress that no run of this code wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProgressError {
    /// More open numbers than can ever be.
    #[error("progress lists {0} open events, more than {OPEN_MAX}")]
    TooManyOpen(usize),
    /// A row that is longer than any.
    #[error("progress has a row of {0} events, more than {ROW}")]
    TooLong(usize),
    /// An open number that was never claimed.
    #[error("progress lists event {0} as open, which was never claimed")]
    NeverClaimed(u64),
}

impl Progress {
    /// A webhook that is told of everything from event `first` on.
    #[must_use]
    pub fn starting_at(first: u64) -> Self {
        Self { next: first, open: BTreeSet::new(), waiting: BTreeSet::new(), skips: Vec::new() }
    }

    /// Passes over the numbers from `from` up to and without `to`, which are the newest: they are
    /// not for this webhook.
    pub fn skip(&mut self, from: u64, to: u64) {
        match self.skips.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ if from < to => self.skips.push((from, to)),
            _ => {}
        }
        self.pass_skips();
    }

    /// The number that [`Self::claim`] would hand out next if it is stored already.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.waiting.first().copied().unwrap_or(self.next)
    }

    /// Everything below this number is done: the webhook no longer needs those events.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// Claims the lowest number below `end` that is neither done nor under way. None when there
    /// is none, or when [`OPEN_MAX`] are open and the lowest of them is further away than [`ROW`].
    pub fn claim(&mut self, end: u64) -> Option<u64> {
        let seq = self.next();
        if seq >= end {
            return None;
        }
        if !self.waiting.remove(&seq) {
            if self.open.len() >= OPEN_MAX && seq - self.low() >= ROW {
                return None;
            }
            self.open.insert(seq);
            self.next += 1;
            self.pass_skips();
        }
        Some(seq)
    }

    /// The next numbers below `end` that were never claimed, end exclusive: they can be passed with
    /// [`Self::pass`]. None while an older one waits.
    #[must_use]
    pub fn fresh(&self, end: u64) -> Option<(u64, u64)> {
        let end = self.skips.first().map_or(end, |&(skipped, _)| end.min(skipped));
        (self.next < end && self.waiting.is_empty()).then_some((self.next, end))
    }

    /// Everything fresh below `to` is done, without having been claimed.
    pub fn pass(&mut self, to: u64) {
        self.next = self.next.max(to);
        self.pass_skips();
    }

    /// Marks a claimed number as done, in any order. False, and without effect, when it is not
    /// under way.
    pub fn done(&mut self, seq: u64) -> bool {
        !self.waiting.contains(&seq) && self.open.remove(&seq)
    }

    /// A claimed number was not tried after all: it is handed out again.
    pub fn give_back(&mut self, seq: u64) {
        if self.open.contains(&seq) {
            self.waiting.insert(seq);
        }
    }

    /// Everything below `end` that is not under way is done: it will never be sent.
    pub fn abandon(&mut self, end: u64) {
        self.open.retain(|seq| !self.waiting.contains(seq));
        self.waiting.clear();
        self.next = self.next.max(end);
        self.pass_skips();
    }

    /// It was not tried yet, and will be handed out.
    #[must_use]
    pub fn is_pending(&self, seq: u64) -> bool {
        let is_skipped = || self.skips.iter().any(|&(from, to)| (from..to).contains(&seq));
        self.waiting.contains(&seq) || (seq >= self.next && !is_skipped())
    }

    /// It is under way.
    #[must_use]
    pub fn is_under_way(&self, seq: u64) -> bool {
        self.open.contains(&seq) && !self.waiting.contains(&seq)
    }

    /// Calls one number off; false, and without effect, when it is not pending.
    pub fn cancel(&mut self, seq: u64) -> bool {
        if !self.is_pending(seq) {
            return false;
        }
        if self.waiting.remove(&seq) {
            self.open.remove(&seq);
        } else {
            let place = self.skips.partition_point(|&(from, _)| from < seq);
            self.skips.insert(place, (seq, seq.saturating_add(1)));
            self.pass_skips();
        }
        true
    }

    /// Ranges that will be passed over.
    #[must_use]
    pub fn skips(&self) -> usize {
        self.skips.len()
    }

    /// Numbers under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.open.len() - self.waiting.len()
    }

    fn pass_skips(&mut self) {
        while let Some(&(from, to)) = self.skips.first()
            && from <= self.next
        {
            self.next = self.next.max(to);
            self.skips.remove(0);
        }
    }
}

impl Open {
    fn of(open: &BTreeSet<u64>) -> Self {
        if open.len() <= OPEN_MAX {
            return Self::List(open.iter().copied().collect());
        }
        let first = open.first().copied().unwrap_or_default();
        let mut bits = Vec::new();
        for place in open.iter().map(|seq| seq - first) {
            let byte = usize::try_from(place / 8).unwrap_or(usize::MAX);
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            if let Some(byte) = bits.get_mut(byte) {
                *byte |= 1 << (place % 8);
            }
        }
        Self::Row { first, bits }
    }

    fn into_numbers(self) -> Result<BTreeSet<u64>, ProgressError> {
        match self {
            Self::List(open) if open.len() > OPEN_MAX => {
                Err(ProgressError::TooManyOpen(open.len()))
            }
            Self::List(open) => Ok(open.into_iter().collect()),
            Self::Row { bits, .. } if bits.len() as u64 > ROW / 8 => {
                Err(ProgressError::TooLong(bits.len().saturating_mul(8)))
            }
            Self::Row { first, bits } => {
                let places = (0..).zip(&bits).flat_map(|(at, byte)| {
                    (0..8).filter(move |bit| byte & 1 << bit != 0).map(move |bit| at * 8 + bit)
                });
                Ok(places.map(|place: u64| first.saturating_add(place)).collect())
            }
        }
    }
}

impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (open, skips) = (Open::of(&self.open), self.skips.clone());
        Stored { next: self.next, open, skips }.serialize(serializer)
    }
}

impl TryFrom<Stored> for Progress {
    type Error = ProgressError;

    fn try_from(stored: Stored) -> Result<Self, ProgressError> {
        let open = stored.open.into_numbers()?;
        if let Some(&seq) = open.last().filter(|&&seq| seq >= stored.next) {
            return Err(ProgressError::NeverClaimed(seq));
        }
        Ok(Self { next: stored.next, waiting: open.clone(), open, skips: stored.skips })
    }
}

impl TryFrom<Listed> for Progress {
    type Error = ProgressError;

    fn try_from(Listed { next, open, skips }: Listed) -> Result<Self, ProgressError> {
        Stored { next, open: Open::List(open), skips }.try_into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::{prelude::*, sample::Index};

    use super::*;

    fn restarted(snapshot: &[u8]) -> Progress {
        postcard::from_bytes(snapshot).unwrap()
    }

    fn snapshot(progress: &Progress) -> Vec<u8> {
        postcard::to_allocvec(progress).unwrap()
    }

    #[test]
    fn numbers_are_claimed_in_order_up_to_the_end_and_once() {
        let mut progress = Progress::starting_at(5);
        assert_eq!(progress.claim(5), None);
        assert_eq!(
            [progress.claim(7), progress.claim(7), progress.claim(7)],
            [Some(5), Some(6), None]
        );
        assert_eq!(progress.next(), 7);
    }

    #[test]
    fn the_low_mark_waits_for_the_oldest_that_is_not_done() {
        let mut progress = Progress::starting_at(0);
        for _ in 0..3 {
            progress.claim(3);
        }
        assert!(progress.done(2) && progress.done(1));
        assert_eq!(progress.low(), 0);
        assert!(progress.done(0));
        assert_eq!(progress.low(), 3);
    }

    #[test]
    fn done_twice_or_unclaimed_has_no_effect() {
        let mut progress = Progress::starting_at(0);
        progress.claim(9);
        assert!(!progress.done(1));
        assert!(progress.done(0) && !progress.done(0));
        assert_eq!(progress.low(), 1);
    }

    #[test]
    fn a_restart_hands_out_again_only_what_was_not_done() {
        let mut progress = Progress::starting_at(0);
        for _ in 0..4 {
            progress.claim(10);
        }
        progress.done(0);
        progress.done(2);
        let mut after = restarted(&snapshot(&progress));
        let claims: Vec<_> = std::iter::from_fn(|| after.claim(6)).collect();
        assert_eq!(claims, [1, 3, 4, 5]);
    }

    #[test]
    fn claims_stop_at_the_end_of_a_row_and_the_stored_form_stays_small() {
        let first = u64::MAX / 2;
        let mut progress = Progress::starting_at(first);
        let claims = std::iter::from_fn(|| progress.claim(u64::MAX)).count();
        assert_eq!(claims as u64, ROW);
        assert!(progress.done(first + 1) && progress.claim(u64::MAX).is_none());
        assert!(snapshot(&progress).len() < 2 * 1024);
        assert!(progress.done(first));
        assert_eq!([(); 3].map(|()| progress.claim(u64::MAX).is_some()), [true, true, false]);
    }

    #[test]
    fn claims_that_are_far_apart_stop_at_the_bound_and_the_stored_form_stays_small() {
        let first = u64::MAX / 2;
        let mut progress = Progress::starting_at(first);
        let mut claims = 0;
        while progress.claim(u64::MAX).is_some() {
            claims += 1;
            progress.pass(progress.next() + ROW);
        }
        assert_eq!(claims, OPEN_MAX);
        assert!(snapshot(&progress).len() < 6 * 1024);
        assert!(progress.done(first));
        assert!(progress.claim(u64::MAX).is_some());
    }

    #[test]
    fn a_row_with_gaps_comes_back_as_it_was() {
        let mut progress = Progress::starting_at(3);
        while progress.claim(3 + ROW).is_some() {}
        for seq in (3..3 + ROW).filter(|seq| seq % 7 == 3 || (100..900).contains(seq)) {
            assert!(progress.done(seq));
        }
        let mut after = restarted(&snapshot(&progress));
        let claims: Vec<_> = std::iter::from_fn(|| after.claim(3 + ROW)).collect();
        assert_eq!(claims, progress.open.into_iter().collect::<Vec<_>>());
        assert!(claims.len() > OPEN_MAX);
    }

    #[test]
    fn what_is_for_other_webhooks_is_passed_over_and_nothing_else() {
        let mut progress = Progress::starting_at(0);
        progress.skip(2, 4);
        progress.skip(4, 5);
        progress.skip(7, 9);
        let mut progress = restarted(&snapshot(&progress));
        let claims: Vec<_> = std::iter::from_fn(|| progress.claim(10)).collect();
        assert_eq!(claims, [0, 1, 5, 6, 9]);
        progress.skip(10, 10);
        progress.skip(10, 12);
        assert_eq!((progress.claim(12), progress.next()), (None, 12));
    }

    #[test]
    fn what_is_passed_is_done_and_nothing_is_passed_before_what_waits() {
        let mut progress = Progress::starting_at(0);
        progress.skip(5, 7);
        assert_eq!((progress.fresh(3), progress.fresh(9)), (Some((0, 3)), Some((0, 5))));
        assert_eq!(progress.claim(9), Some(0));
        progress.pass(5);
        assert_eq!((progress.fresh(9), progress.low(), progress.next()), (Some((7, 9)), 0, 7));
        progress.give_back(0);
        assert_eq!(progress.fresh(9), None);
        assert!(progress.claim(9) == Some(0) && progress.done(0));
        assert_eq!((progress.fresh(7), progress.low()), (None, 7));
    }

    #[test]
    fn a_number_that_is_called_off_is_never_handed_out() {
        let mut progress = Progress::starting_at(0);
        progress.skip(6, 8);
        assert_eq!(progress.claim(9), Some(0));
        for (seq, is_pending) in [(0, false), (3, true), (3, false), (1, true), (7, false)] {
            assert_eq!(progress.cancel(seq), is_pending, "{seq}");
        }
        assert_eq!(progress.claim(9), Some(2));
        progress.give_back(2);
        assert!(progress.cancel(2));
        let mut progress = restarted(&snapshot(&progress));
        let claims: Vec<_> = std::iter::from_fn(|| progress.claim(9)).collect();
        assert_eq!(claims, [0, 4, 5, 8]);
    }

    #[test]
    fn what_is_abandoned_is_done_but_for_what_is_under_way() {
        let mut progress = Progress::starting_at(0);
        assert_eq!([(); 3].map(|()| progress.claim(9)), [Some(0), Some(1), Some(2)]);
        progress.give_back(1);
        progress.abandon(9);
        assert_eq!((progress.low(), progress.claim(9), progress.claim(10)), (0, None, Some(9)));
        assert!(progress.done(0) && progress.done(2) && progress.done(9));
        assert_eq!(progress.low(), 10);
    }

    #[test]
    fn a_damaged_snapshot_is_refused() {
        let read = |next, open| {
            let stored = Stored { next, open, skips: Vec::new() };
            postcard::from_bytes::<Progress>(&postcard::to_allocvec(&stored).unwrap())
        };
        let row = |first, bytes| Open::Row { first, bits: vec![0x80; bytes] };
        assert!(read(3, Open::List(vec![3])).is_err());
        assert!(read(9999, Open::List((0..600).collect())).is_err());
        assert!(read(3, Open::List(vec![2])).is_ok());
        assert!(read(15, row(1, 2)).is_err());
        assert!(read(u64::MAX, row(1, 1025)).is_err());
        assert!(read(u64::MAX, row(u64::MAX - 3, 9)).is_err());
        assert_eq!(read(17, row(1, 2)).unwrap().open, BTreeSet::from([8, 16]));
    }

    #[derive(Debug, Clone)]
    enum Action {
        /// More events are stored.
        Grow(u8),
        Claim,
        /// One of those under way is done.
        Done(Index),
        /// A commit: what is done now stays done.
        Commit,
        /// A crash: back to the last commit.
        Crash,
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let action = prop_oneof![
            2 => (0u8..20).prop_map(Action::Grow),
            8 => Just(Action::Claim),
            6 => any::<Index>().prop_map(Action::Done),
            2 => Just(Action::Commit),
            1 => Just(Action::Crash),
        ];
        prop::collection::vec(action, 1..300)
    }

    /// The obvious bookkeeping: one flag for each event.
    #[derive(Default)]
    struct Model {
        end: u64,
        done: BTreeSet<u64>,
        under_way: BTreeSet<u64>,
        durable: BTreeSet<u64>,
    }

    impl Model {
        fn expected_claim(&self) -> Option<u64> {
            (0..self.end).find(|seq| !self.done.contains(seq) && !self.under_way.contains(seq))
        }

        fn low(&self) -> u64 {
            (0..self.end).find(|seq| !self.done.contains(seq)).unwrap_or(self.end)
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_handed_out_twice(actions in actions()) {
            let mut model = Model::default();
            let mut progress = Progress::starting_at(0);
            let mut durable = snapshot(&progress);
            for action in actions {
                match action {
                    Action::Grow(count) => model.end += u64::from(count),
                    Action::Claim => {
                        let claimed = progress.claim(model.end);
                        prop_assert_eq!(claimed, model.expected_claim());
                        model.under_way.extend(claimed);
                    }
                    Action::Done(which) if !model.under_way.is_empty() => {
                        let seq = *which.get(&model.under_way.iter().copied().collect::<Vec<_>>());
                        prop_assert!(progress.done(seq));
                        model.under_way.remove(&seq);
                        model.done.insert(seq);
                    }
                    Action::Done(_) => {}
                    Action::Commit => {
                        durable = snapshot(&progress);
                        model.durable.clone_from(&model.done);
                    }
                    Action::Crash => {
                        progress = restarted(&durable);
                        model.done.clone_from(&model.durable);
                        model.under_way.clear();
                    }
                }
                prop_assert_eq!(progress.low(), model.low());
                prop_assert_eq!(progress.under_way(), model.under_way.len());
            }
            // Run to the end: every event is done exactly once more.
            for seq in std::mem::take(&mut model.under_way) {
                prop_assert!(progress.done(seq));
                model.done.insert(seq);
            }
            while let Some(seq) = progress.claim(model.end) {
                prop_assert!(progress.done(seq));
                prop_assert!(model.done.insert(seq));
            }
            prop_assert_eq!(model.done, (0..model.end).collect::<BTreeSet<_>>());
        }
    }
}
