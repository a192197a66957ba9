//! Waiting for one of the slots that all webhooks share. Who is next is [`crate::queue::slots`]'s.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, time::Instant};

use crate::{clock::millis_of, queue::slots::Slots};

/// The slots, and who waits for one.
#[derive(Debug)]
pub(in crate::app) struct Turnstile(Mutex<State>);

#[derive(Debug)]
struct State {
    slots: Slots,
    waiting: BTreeMap<usize, VecDeque<oneshot::Sender<Slot>>>,
}

/// A slot; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    /// None once it is given back.
    of: Option<Arc<Turnstile>>,
    endpoint: usize,
    since: Instant,
}

impl Turnstile {
    /// So many slots.
    pub(in crate::app) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { slots: Slots::new(slots), waiting: BTreeMap::new() })))
    }

    /// An endpoint will come that wants up to `limit` slots at once.
    pub(in crate::app) fn join(&self, endpoint: usize, limit: usize) {
        self.state().slots.join(endpoint, limit);
    }

    /// An endpoint is gone, and all its attempts have ended.
    pub(super) fn leave(self: &Arc<Self>, endpoint: usize) {
        let mut state = self.state();
        state.waiting.remove(&endpoint);
        state.slots.leave(endpoint);
        self.let_in(&mut state);
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    /// Dropped half-way, it leaves no slot behind.
    pub(super) async fn enter(self: &Arc<Self>, endpoint: usize) -> Slot {
        let (give, taken) = oneshot::channel();
        {
            let mut state = self.state();
            state.slots.want(endpoint);
            state.waiting.entry(endpoint).or_default().push_back(give);
            self.let_in(&mut state);
        }
        match taken.await {
            Ok(slot) => slot,
            // Nobody lets go of a waiting sender without using it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives out what is free. One that nobody waits for any more is free again.
    fn let_in(self: &Arc<Self>, state: &mut State) {
        while let Some(endpoint) = state.slots.grant() {
            let give = state.waiting.get_mut(&endpoint).and_then(VecDeque::pop_front);
            let slot = Slot { of: Some(Arc::clone(self)), endpoint, since: Instant::now() };
            let refused = match give {
                Some(give) => give.send(slot).err(),
                None => Some(slot),
            };
            if let Some(mut slot) = refused {
                // Its own drop would wait for the lock that is held here.
                slot.of = None;
                state.slots.release(endpoint, 0);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(turnstile) = self.of.take() else { return };
        let held_ms = millis_of(self.since.elapsed());
        let mut state = turnstile.state();
        state.slots.release(self.endpoint, held_ms);
        turnstile.let_in(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_open(turnstile: &Arc<Turnstile>, endpoint: usize) -> bool {
        timeout(Duration::from_millis(1), turnstile.enter(endpoint)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_was_waited_for_in_vain_is_not_lost() {
        let turnstile = Turnstile::new(1);
        turnstile.join(0, 1);
        let slot = turnstile.enter(0).await;
        for _ in 0..3 {
            assert!(!is_open(&turnstile, 0).await, "the only one is taken");
        }
        drop(slot);
        assert!(is_open(&turnstile, 0).await);
        assert!(is_open(&turnstile, 0).await, "and free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_goes_to_the_next_who_waits() {
        let turnstile = Turnstile::new(1);
        (0..2).for_each(|endpoint| turnstile.join(endpoint, 1));
        let slot = turnstile.enter(0).await;
        let waiting = Arc::clone(&turnstile);
        let waiting = tokio::spawn(async move { waiting.enter(1).await.endpoint });
        tokio::task::yield_now().await;
        drop(slot);
        assert_eq!(waiting.await.ok(), Some(1));
    }
}
