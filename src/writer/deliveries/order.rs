//! `ordering = "message"`: the events of one message go out one after the other.
//!
//! What is under way is in memory. What waits for an earlier event of its message that failed, or
//! is under way, has a row in the store, and so has that earlier one while it waits for its retry:
//! the row of the lowest sequence number is the head of its message, and the others follow when it
//! has come to its end. A message of which nothing fails and nothing is late costs no row.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{State, VERSION};
use crate::{
    event::MessageUid,
    queue::delivery::Waiting,
    store::{Key, Prefix, Store, codec, key},
    writer::{error::WriterError, stage::Stage},
};

/// The messages of one webhook.
#[derive(Debug, Default)]
pub(super) struct Order {
    under_way: BTreeSet<MessageUid>,
    /// Rows that the next commit puts, and removes (None): the store does not show them yet.
    staged: BTreeMap<(MessageUid, u64), Option<Place>>,
}

/// The stored form of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::writer) struct Place {
    /// The retry that it is the order of; None while it waits for an earlier event.
    due_ms: Option<u64>,
}

impl Order {
    /// All that was staged is in the store.
    pub(super) fn committed(&mut self) {
        self.staged.clear();
    }
}

impl State {
    /// An earlier event of its message is under way or waits.
    pub(super) fn is_out_of_turn(
        &self,
        uid: MessageUid,
        seq: u64,
        store: &Store,
    ) -> Result<bool, WriterError> {
        let Some(order) = &self.order else { return Ok(false) };
        let is_behind = |head: Option<(u64, Place)>| head.is_some_and(|(first, _)| first < seq);
        Ok(order.under_way.contains(&uid) || is_behind(self.head(uid, store)?))
    }

    /// It goes out now.
    pub(super) fn take_turn(&mut self, uid: MessageUid) {
        if let Some(order) = &mut self.order {
            order.under_way.insert(uid);
        }
    }

    /// It did not go out after all.
    pub(super) fn leave_turn(&mut self, uid: MessageUid) {
        if let Some(order) = &mut self.order {
            order.under_way.remove(&uid);
        }
    }

    /// A fresh event has to wait for an earlier one.
    pub(super) fn queue_up(&mut self, uid: MessageUid, seq: u64, stage: &mut Stage) {
        self.put_place(uid, seq, Place { due_ms: None }, stage);
    }

    /// It failed, and its message waits with it.
    pub(super) fn hold_message(
        &mut self,
        uid: MessageUid,
        seq: u64,
        due_ms: u64,
        stage: &mut Stage,
    ) {
        self.leave_turn(uid);
        if self.order.is_some() {
            self.put_place(uid, seq, Place { due_ms: Some(due_ms) }, stage);
        }
    }

    /// It has come to its end: the next event of its message is due.
    pub(super) fn next_turn(
        &mut self,
        uid: MessageUid,
        seq: u64,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        self.leave_turn(uid);
        if self.order.is_none() {
            return Ok(());
        }
        if self.place(uid, seq, store)?.is_some() {
            self.remove_place(uid, seq, stage);
        }
        if let Some((next, Place { due_ms: None })) = self.head(uid, store)? {
            self.release(uid, next, now_ms, stage);
        }
        Ok(())
    }

    /// Looks after a row that may have been left behind: by an event that is too old, by a retry
    /// that was given up, by a filter that changed, or by another `ordering` before.
    pub(super) fn mend_order(
        &mut self,
        uid: MessageUid,
        seq: u64,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        let Some(place) = self.place(uid, seq, store)? else { return Ok(()) };
        let is_under_way = self.order.as_ref().is_some_and(|it| it.under_way.contains(&uid));
        if is_under_way || self.progress.low() <= seq {
            return Ok(());
        }
        let is_left_over = match place.due_ms {
            Some(due_ms) => store.get(&Key::retry(self.id, due_ms, seq))?.is_none(),
            None => seq < self.expired_seq,
        };
        if is_left_over {
            self.expiry.count(place.due_ms.is_none());
            self.remove_place(uid, seq, stage);
        }
        if let Some((next, Place { due_ms: None })) = self.head(uid, store)?
            && next < self.progress.low()
        {
            self.release(uid, next, now_ms, stage);
        }
        Ok(())
    }

    /// It has a place among the events of its message.
    pub(super) fn has_place(
        &self,
        uid: MessageUid,
        seq: u64,
        store: &Store,
    ) -> Result<bool, WriterError> {
        Ok(self.order.is_some() && self.place(uid, seq, store)?.is_some())
    }

    /// It is due at another time, if it has a place.
    pub(super) fn move_place(
        &mut self,
        uid: MessageUid,
        seq: u64,
        due_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        if self.has_place(uid, seq, store)? {
            self.put_place(uid, seq, Place { due_ms: Some(due_ms) }, stage);
        }
        Ok(())
    }

    /// Without an order nothing waits for anything else.
    pub(super) fn dissolve_order(
        &mut self,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        for entry in store.scan(&Prefix::places(self.id))? {
            let (key, value) = entry?;
            let place: Place = codec::decode("place", VERSION, &value)?;
            if let (Some((_, _, seq)), None) = (key::parse_place(&key), place.due_ms) {
                self.make_due(seq, now_ms, &Waiting::fresh(), stage);
            }
            stage.remove(Key::from_stored(&key));
        }
        Ok(())
    }

    /// Nothing that waits for its turn will be sent.
    pub(super) fn abandon_order(
        &mut self,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        for entry in store.scan(&Prefix::places(self.id))? {
            if let Some((_, uid, seq)) = key::parse_place(&entry?.0) {
                self.remove_place(uid, seq, stage);
            }
        }
        Ok(())
    }

    fn release(&mut self, uid: MessageUid, seq: u64, now_ms: u64, stage: &mut Stage) {
        self.make_due(seq, now_ms, &Waiting::fresh(), stage);
        self.put_place(uid, seq, Place { due_ms: Some(now_ms) }, stage);
    }

    fn put_place(&mut self, uid: MessageUid, seq: u64, place: Place, stage: &mut Stage) {
        stage.put(Key::place(self.id, uid, seq), codec::encode(VERSION, &place));
        if let Some(order) = &mut self.order {
            order.staged.insert((uid, seq), Some(place));
        }
    }

    fn remove_place(&mut self, uid: MessageUid, seq: u64, stage: &mut Stage) {
        stage.remove(Key::place(self.id, uid, seq));
        if let Some(order) = &mut self.order {
            order.staged.insert((uid, seq), None);
        }
    }

    fn place(
        &self,
        uid: MessageUid,
        seq: u64,
        store: &Store,
    ) -> Result<Option<Place>, WriterError> {
        let staged = self.order.as_ref().and_then(|order| order.staged.get(&(uid, seq)));
        if let Some(staged) = staged {
            return Ok(*staged);
        }
        let stored = store.get(&Key::place(self.id, uid, seq))?;
        Ok(stored.map(|bytes| codec::decode("place", VERSION, &bytes)).transpose()?)
    }

    /// The lowest row of a message.
    fn head(&self, uid: MessageUid, store: &Store) -> Result<Option<(u64, Place)>, WriterError> {
        let Some(order) = &self.order else { return Ok(None) };
        let mut rows = order.staged.range((uid, 0)..=(uid, u64::MAX));
        let staged = rows.find_map(|((_, seq), place)| place.map(|place| (*seq, place)));
        for entry in store.scan(&Prefix::places_of(self.id, uid))? {
            let (key, value) = entry?;
            let Some((_, _, seq)) = key::parse_place(&key) else { continue };
            if order.staged.contains_key(&(uid, seq)) {
                continue;
            }
            let stored = (seq, codec::decode("place", VERSION, &value)?);
            return Ok(staged.filter(|(first, _)| *first < seq).or(Some(stored)));
        }
        Ok(staged)
    }
}
