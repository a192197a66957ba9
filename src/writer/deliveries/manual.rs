//! What a person does with single deliveries: sends them again, calls them off, clears the dead
//! letters away.

use std::collections::BTreeSet;

use super::{State, VERSION, claim::Desk};
use crate::{
    event::{MessageUid, Parcel},
    queue::delivery::{DeadLetter, EndState, Waiting},
    store::{Key, Prefix, Store, StoreError, codec, key},
    writer::{
        error::WriterError,
        manual::{Action, Cancelled, Cleared, Dead, DeadPage, Outcome, Replayed, Selector},
        stage::Stage,
    },
};

/// Each with the place of its event.
type Letters = Vec<(u64, DeadLetter)>;

/// Dead letters removed in one step.
const CLEARED: usize = 1000;
/// Single deliveries that may be called off before they were handed out.
const CANCELLED_MAX: usize = 1000;

impl State {
    /// Does what a person asks for.
    pub(super) fn act(
        &mut self,
        action: Action,
        desk: &mut Desk<'_>,
    ) -> Result<Outcome, WriterError> {
        let (now_ms, store) = (desk.now_ms, desk.store);
        Ok(match action {
            Action::Replay { seq } => match desk.event(seq)? {
                Some(event) => {
                    let is_wanted = self.subscription().wants_parcel(&event);
                    let (uid, stage) = (event.head().uid, &mut *desk.stage);
                    let replayed = self.replay(seq, uid, is_wanted, now_ms, store, stage)?;
                    Outcome::Replayed(replayed)
                }
                None => Outcome::nothing(action),
            },
            Action::Cancel { seq } => match desk.event(seq)? {
                Some(event) => {
                    let (uid, stage) = (event.head().uid, &mut *desk.stage);
                    Outcome::Cancelled(self.cancel(seq, uid, now_ms, store, stage)?)
                }
                None => Outcome::nothing(action),
            },
            Action::Dead { selector, limit } => Outcome::Dead(self.dead(selector, limit, desk)?),
            Action::Clear { selector, again } => {
                Outcome::Cleared(self.clear_dead(selector, again, desk)?)
            }
        })
    }

    /// Sends events again whose delivery is over, from their first attempt on. Gives which.
    pub(super) fn recover(
        &mut self,
        seqs: &[u64],
        desk: &mut Desk<'_>,
    ) -> Result<Vec<u64>, WriterError> {
        let (mut recovered, mut retries) = (Vec::new(), None);
        for &seq in seqs {
            let Some(event) = desk.event(seq)? else { continue };
            if self.is_on_its_way(seq, &event, &mut retries, desk.store)? {
                continue;
            }
            if seq < self.born_seq {
                // No replay has to offer it any more.
                self.offered.mark(self.id, seq, desk.store)?;
            }
            desk.stage.remove(Key::dead(self.id, seq));
            self.make_due(seq, desk.now_ms, &Waiting::replay(), desk.stage);
            recovered.push(seq);
        }
        self.dead = None;
        Ok(recovered)
    }

    /// It waits or is being sent. `retries`: the events that wait for one, once somebody asked.
    fn is_on_its_way(
        &self,
        seq: u64,
        event: &Parcel,
        retries: &mut Option<BTreeSet<u64>>,
        store: &Store,
    ) -> Result<bool, WriterError> {
        if self.is_under_way(seq)
            || (self.progress.is_pending(seq) && self.subscription().wants_parcel(event))
        {
            return Ok(true);
        }
        // What ended badly waits for nothing.
        if store.get(&Key::dead(self.id, seq))?.is_some() {
            return Ok(false);
        }
        if self.has_place(event.head().uid, seq, store)? {
            return Ok(true);
        }
        let retries = match retries {
            Some(retries) => retries,
            None => retries.insert(self.retries(store)?),
        };
        Ok(retries.contains(&seq))
    }

    /// The events that wait for a retry.
    fn retries(&self, store: &Store) -> Result<BTreeSet<u64>, WriterError> {
        let seq = |entry: Result<(Vec<u8>, Vec<u8>), StoreError>| {
            Ok(key::parse_retry(&entry?.0).map(|(_, _, seq)| seq))
        };
        store.scan(&Prefix::retries(self.id))?.map(seq).filter_map(Result::transpose).collect()
    }

    /// Sends an event again, from its first attempt on. One that waits for a retry does not wait any
    /// more; one that is to be sent anyway is not sent twice.
    fn replay(
        &mut self,
        seq: u64,
        uid: MessageUid,
        is_wanted: bool,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Replayed, WriterError> {
        if self.is_under_way(seq) {
            return Ok(Replayed::UnderWay);
        }
        if is_wanted && self.progress.is_pending(seq) {
            return Ok(Replayed::Pending);
        }
        self.remove_retries(seq, store, stage)?;
        stage.remove(Key::dead(self.id, seq));
        self.make_due(seq, now_ms, &Waiting::replay(), stage);
        self.move_place(uid, seq, now_ms, store, stage)?;
        Ok(Replayed::Due)
    }

    /// Calls a delivery off that is not under way; it stays on record with the dead letters.
    fn cancel(
        &mut self,
        seq: u64,
        uid: MessageUid,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Cancelled, WriterError> {
        if self.is_under_way(seq) {
            return Ok(Cancelled::UnderWay);
        }
        if self.progress.skips() >= CANCELLED_MAX {
            return Ok(Cancelled::TooMany);
        }
        let is_fresh = self.progress.cancel(seq);
        self.changed |= is_fresh;
        let waiting = self.remove_retries(seq, store, stage)?;
        let had_place = self.has_place(uid, seq, store)?;
        if !is_fresh && waiting.is_none() && !had_place {
            return Ok(Cancelled::NotPending);
        }
        self.next_turn(uid, seq, now_ms, store, stage)?;
        self.count_end(EndState::Cancelled);
        let Waiting { attempts, last_error, .. } = waiting.unwrap_or_else(Waiting::fresh);
        let letter =
            DeadLetter { state: EndState::Cancelled, attempts, last_error, ended_ms: now_ms };
        stage.put(Key::dead(self.id, seq), codec::encode(VERSION, &letter));
        Ok(Cancelled::Done)
    }

    /// Dead letters, by the place of their events.
    fn dead(
        &self,
        selector: Selector,
        limit: usize,
        desk: &mut Desk<'_>,
    ) -> Result<DeadPage, WriterError> {
        let (found, next) = self.select_dead(selector, limit, desk.store)?;
        let with_event = |(seq, letter)| Ok(Dead { seq, event: desk.event(seq)?, letter });
        let letters: Result<_, WriterError> = found.into_iter().map(with_event).collect();
        Ok(DeadPage { letters: letters?, next })
    }

    /// The letters that are meant, and behind which to go on.
    fn select_dead(
        &self,
        selector: Selector,
        limit: usize,
        store: &Store,
    ) -> Result<(Letters, Option<u64>), WriterError> {
        let from = selector.after.map_or(0, |after| after.saturating_add(1));
        let range = (Key::dead(self.id, from), Key::dead(self.id, u64::MAX));
        let mut found = Letters::new();
        for entry in store.scan_range(&range.0, &range.1)? {
            let (key, value) = entry?;
            let Some((_, seq)) = key::parse_dead(&key) else { continue };
            let letter: DeadLetter = codec::decode("dead letter", VERSION, &value)?;
            if !selector.takes(seq, &letter) {
                continue;
            }
            if found.len() >= limit {
                let next = found.last().map(|(last, _)| *last).or(selector.after);
                return Ok((found, next));
            }
            found.push((seq, letter));
        }
        Ok((found, None))
    }

    /// Removes some dead letters, and sends their events again if `again`. The letter of an event
    /// that is deleted stays then: it is all that is known of it.
    fn clear_dead(
        &mut self,
        selector: Selector,
        again: bool,
        desk: &mut Desk<'_>,
    ) -> Result<Cleared, WriterError> {
        let (found, next) = self.select_dead(selector, CLEARED, desk.store)?;
        let mut count = 0;
        for (seq, _) in &found {
            if again && desk.event(*seq)?.is_none() {
                continue;
            }
            count += 1;
            desk.stage.remove(Key::dead(self.id, *seq));
            if again {
                self.make_due(*seq, desk.now_ms, &Waiting::replay(), desk.stage);
            }
        }
        self.dead = None;
        Ok(Cleared { count, next })
    }

    fn is_under_way(&self, seq: u64) -> bool {
        self.progress.is_under_way(seq) || self.claimed_retries.iter().any(|(_, it)| *it == seq)
    }

    /// Removes the retries of an event; gives the state of the last one.
    fn remove_retries(
        &self,
        wanted: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Option<Waiting>, WriterError> {
        let mut last = None;
        for entry in store.scan(&Prefix::retries(self.id))? {
            let (key, value) = entry?;
            if key::parse_retry(&key).is_some_and(|(_, _, seq)| seq == wanted) {
                last = Some(super::waiting(&value)?);
                stage.remove(Key::from_stored(&key));
            }
        }
        Ok(last)
    }
}
