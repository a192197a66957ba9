//! Who may begin the next attempt when all endpoints share a number of slots.
//!
//! Each endpoint has a share that is free for it at any time, so that receivers which let all their
//! attempts hang hold up nobody else. What is left is given out by deficit round robin, where an
//! attempt costs the time for which it held its slot.

use std::collections::{BTreeMap, BTreeSet};

/// What each endpoint may spend in one round.
const QUANTUM_MS: i64 = 100;
/// A debt beyond it is forgiven: as much as one attempt can make.
const DEBT_MS: i64 = 60_000;

/// The slots, and who has them.
#[derive(Debug)]
pub struct Slots {
    total: usize,
    free: usize,
    lanes: BTreeMap<usize, Lane>,
    /// Who waits: of a thousand endpoints, few.
    waiting: BTreeSet<usize>,
    /// Slots that are kept for the shares of endpoints which hold fewer: the sum over all lanes.
    kept: usize,
    /// Whose turn it was last.
    last: usize,
}

#[derive(Debug, Clone, Default)]
struct Lane {
    /// Attempts that the endpoint lets be under way.
    limit: usize,
    held: usize,
    waiting: usize,
    credit_ms: i64,
}

impl Slots {
    /// So many slots, all of them free.
    #[must_use]
    pub fn new(total: usize) -> Self {
        let (lanes, waiting) = (BTreeMap::new(), BTreeSet::new());
        Self { total, free: total, lanes, waiting, kept: 0, last: 0 }
    }

    /// An endpoint that wants up to `limit` slots at once.
    pub fn join(&mut self, endpoint: usize, limit: usize) {
        self.lanes.entry(endpoint).or_default().limit = limit;
        self.share_anew();
    }

    /// Everybody's share is another one now.
    fn share_anew(&mut self) {
        self.kept = self.lanes.values().map(|lane| self.kept_for(lane)).sum();
    }

    /// An endpoint is gone: nobody waits for it any more, and its slots are free.
    pub fn leave(&mut self, endpoint: usize) {
        if let Some(lane) = self.lanes.remove(&endpoint) {
            self.free += lane.held;
        }
        self.waiting.remove(&endpoint);
        self.share_anew();
    }

    /// An endpoint wants one more slot.
    pub fn want(&mut self, endpoint: usize) {
        if !self.lanes.contains_key(&endpoint) {
            self.join(endpoint, 0);
        }
        if let Some(lane) = self.lanes.get_mut(&endpoint) {
            lane.waiting += 1;
            self.waiting.insert(endpoint);
        }
    }

    /// Gives out one slot, if somebody may have it: says who.
    pub fn grant(&mut self) -> Option<usize> {
        if self.free == 0 || self.waiting.is_empty() {
            return None;
        }
        let behind = self.last.saturating_add(1);
        let turns = self.waiting.range(behind..).chain(self.waiting.range(..behind));
        let may: Vec<usize> = turns.copied().filter(|endpoint| self.may_take(*endpoint)).collect();
        self.refill(&may);
        let next = may.into_iter().find(|endpoint| self.credit(*endpoint) > 0)?;
        self.change(next, |lane| {
            lane.waiting -= 1;
            lane.held += 1;
        })?;
        self.free -= 1;
        self.last = next;
        Some(next)
    }

    /// A slot is free again that was held for so long.
    pub fn release(&mut self, endpoint: usize, held_ms: u64) {
        if self.lanes.get(&endpoint).is_none_or(|lane| lane.held == 0) {
            return;
        }
        let cost = i64::try_from(held_ms).unwrap_or(DEBT_MS);
        self.change(endpoint, |lane| {
            lane.held -= 1;
            lane.credit_ms = lane.credit_ms.saturating_sub(cost).max(-DEBT_MS);
        });
        self.free += 1;
    }

    /// Changes a lane, and what follows from it.
    fn change(&mut self, endpoint: usize, change: impl FnOnce(&mut Lane)) -> Option<()> {
        let mut lane = self.lanes.get(&endpoint)?.clone();
        self.kept -= self.kept_for(&lane);
        change(&mut lane);
        self.kept += self.kept_for(&lane);
        if lane.waiting == 0 {
            self.waiting.remove(&endpoint);
        }
        self.lanes.insert(endpoint, lane);
        Some(())
    }

    /// Somebody waits, a slot is free, and nobody else needs it for his share.
    fn may_take(&self, endpoint: usize) -> bool {
        let Some(lane) = self.lanes.get(&endpoint).filter(|lane| lane.waiting > 0) else {
            return false;
        };
        let kept_for_others = self.kept - self.kept_for(lane);
        self.free > 0 && (lane.held < self.share(lane) || self.free > kept_for_others)
    }

    fn kept_for(&self, lane: &Lane) -> usize {
        self.share(lane).saturating_sub(lane.held)
    }

    fn share(&self, lane: &Lane) -> usize {
        (self.total / self.lanes.len().max(1)).min(lane.limit)
    }

    fn credit(&self, endpoint: usize) -> i64 {
        self.lanes.get(&endpoint).map_or(0, |lane| lane.credit_ms)
    }

    /// As many rounds as it takes until one of these has credit.
    fn refill(&mut self, endpoints: &[usize]) {
        let Some(most) = endpoints.iter().map(|endpoint| self.credit(*endpoint)).max() else {
            return;
        };
        if most > 0 {
            return;
        }
        let rounds = most.abs() / QUANTUM_MS + 1;
        for endpoint in endpoints {
            if let Some(lane) = self.lanes.get_mut(endpoint) {
                lane.credit_ms = (lane.credit_ms + rounds * QUANTUM_MS).min(QUANTUM_MS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots(total: usize, limits: &[usize]) -> Slots {
        let mut slots = Slots::new(total);
        limits.iter().enumerate().for_each(|(endpoint, limit)| slots.join(endpoint, *limit));
        slots
    }

    fn grants(slots: &mut Slots) -> Vec<usize> {
        std::iter::from_fn(|| slots.grant()).collect()
    }

    #[test]
    fn a_share_stays_free_however_much_the_others_want() {
        let mut slots = slots(8, &[16, 16]);
        (0..16).for_each(|_| slots.want(0));
        assert_eq!(grants(&mut slots), [0; 4]);
        slots.want(1);
        assert_eq!(grants(&mut slots), [1]);
    }

    #[test]
    fn what_an_endpoint_cannot_use_of_its_share_is_for_the_others() {
        let mut slots = slots(8, &[16, 1]);
        (0..16).for_each(|_| slots.want(0));
        assert_eq!(grants(&mut slots).len(), 7);
    }

    #[test]
    fn with_more_endpoints_than_slots_the_turns_go_round() {
        let mut slots = slots(2, &[9, 9, 9]);
        (0..3).for_each(|endpoint| (0..4).for_each(|_| slots.want(endpoint)));
        let mut served = grants(&mut slots);
        for _ in 0..7 {
            let first = served.get(served.len() - 2).copied().unwrap_or_default();
            slots.release(first, 10);
            served.extend(slots.grant());
        }
        for endpoint in 0..3 {
            assert!(served.iter().filter(|it| **it == endpoint).count() >= 2, "{served:?}");
        }
    }

    #[test]
    fn who_leaves_gives_back_what_he_held_and_his_share() {
        let mut slots = slots(4, &[4, 4]);
        (0..2).for_each(|endpoint| (0..3).for_each(|_| slots.want(endpoint)));
        assert_eq!(grants(&mut slots).len(), 4);
        slots.leave(1);
        assert_eq!(grants(&mut slots), [0], "all that it waited for");
        slots.want(0);
        assert_eq!(grants(&mut slots), [0]);
        slots.release(1, 5);
        slots.want(0);
        assert!(grants(&mut slots).is_empty(), "none is given twice");
    }

    #[test]
    fn who_holds_slots_for_long_gets_fewer_turns() {
        let mut slots = slots(1, &[9, 9]);
        let mut served = [0, 0];
        (0..2).for_each(|endpoint| slots.want(endpoint));
        for _ in 0..1000 {
            let Some(endpoint) = slots.grant() else { panic!("somebody waits") };
            served[endpoint] += 1;
            slots.release(endpoint, if endpoint == 0 { 10_000 } else { 20 });
            slots.want(endpoint);
        }
        assert!(served[0] * 50 < served[1] && served[0] > 0, "{served:?}");
    }

    proptest! {
        #[test]
        fn no_slot_is_lost_or_given_twice_and_none_stays_free_that_somebody_may_have(
            total in 1usize..9, steps in prop::collection::vec((any::<bool>(), 0usize..4, 0u64..9999), 1..200),
        ) {
            let mut slots = slots(total, &[2, 3, 5, 1]);
            let (mut held, mut waiting) = ([0usize; 4], [0usize; 4]);
            for (is_want, endpoint, held_ms) in steps {
                if is_want {
                    slots.want(endpoint);
                    waiting[endpoint] += 1;
                } else if held[endpoint] > 0 {
                    slots.release(endpoint, held_ms);
                    held[endpoint] -= 1;
                }
                while let Some(granted) = slots.grant() {
                    held[granted] += 1;
                    waiting[granted] -= 1;
                }
                prop_assert!(held.iter().sum::<usize>() <= total);
                prop_assert_eq!(slots.free, total - held.iter().sum::<usize>());
                let kept: usize = slots.lanes.values().map(|lane| slots.kept_for(lane)).sum();
                prop_assert_eq!(slots.kept, kept);
                for (endpoint, waits) in waiting.iter().enumerate() {
                    prop_assert!(*waits == 0 || held[endpoint] > 0 || slots.free == 0);
                }
            }
        }
    }
}
