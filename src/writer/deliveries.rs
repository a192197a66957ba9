//! The queue state of each webhook, between memory and store.
//!
//! Fresh events are claimed by sequence number ([`Progress`]); what failed has a key of its own
//! (`retry`) and no longer holds the cursor back; what ended badly has another (`dead`). So a
//! pending delivery costs nothing, and a dead receiver costs one key for each event it missed.

mod claim;
mod figures;
mod finish;
mod manual;
mod order;
mod turnover;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    Claimed, Resume,
    backfill::Offered,
    course::Course,
    error::WriterError,
    events::EventLog,
    expiry::Expiry,
    figures::Ends,
    history::History,
    manual::{Action, Outcome, Standing},
    notices::Notices,
    stage::Stage,
    steady::Moment,
};
use crate::{
    config::{Kept, Webhook, WebhookId},
    event::{EventType, MessageUid, Parcel},
    limits,
    queue::{
        delivery::{Claim, Finished, Waiting},
        endpoint::{DisabledReason, Endpoint},
        gist::Interest,
        policy,
        progress::{Listed, Progress},
        subscription::{Subscription, Tally},
    },
    store::{CodecError, Key, Prefix, Store, codec, key},
};
use claim::Desk;
use order::Order;

/// Version of the stored dead letters and places in the order of messages.
pub(super) const VERSION: u8 = 1;
/// Version of the stored cursors.
const CURSOR_VERSION: u8 = 3;
/// Their forms before, which are still read: the first one ended before `tally`, and both list what
/// is open.
const FIRST_CURSOR_VERSION: u8 = 1;
const SECOND_CURSOR_VERSION: u8 = 2;
/// Version of the stored retries.
const RETRY_VERSION: u8 = 2;
/// Their first form, which is still read, ended before `is_replay`.
const FIRST_RETRY_VERSION: u8 = 1;
/// Waiting retries that are given up in one step.
const GIVEN_UP: usize = limits::REMOVES_PER_COMMIT;
/// Events looked at in one claim, so that a webhook that wants few does not hold up the others.
const LOOKED_AT: usize = 4096;

/// The state of all webhooks.
#[derive(Debug)]
pub(super) struct Deliveries {
    endpoints: BTreeMap<WebhookId, State>,
    durable_seq: u64,
    /// Below it every webhook was done one commit ago, and now: events below the first one are no
    /// longer in anybody's hands.
    floors: [u64; 2],
    /// The only webhook that new events are for, if there is one.
    only: Option<WebhookId>,
    /// What is to be told of all this.
    pub(super) notices: Notices,
}

/// The stored form of a webhook's cursor; `P` is its [`Progress`], or an earlier form of that.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cursor<P> {
    /// What is done.
    progress: P,
    /// The first event that came after the webhook: older ones reach it by a replay only.
    born_seq: u64,
    /// What became of those that it was asked about.
    tally: Tally,
}

impl Cursor<Progress> {
    /// That of a new webhook.
    fn starting_at(next_seq: u64) -> Self {
        let (progress, tally) = (Progress::starting_at(next_seq), Tally::default());
        Self { progress, born_seq: next_seq, tally }
    }
}

#[derive(Debug)]
struct State {
    id: WebhookId,
    webhook: Arc<Webhook>,
    /// What can be for it, in short.
    interest: Interest,
    progress: Progress,
    born_seq: u64,
    offered: Offered,
    changed: bool,
    /// Retries that senders have, by (due, seq), until their end is durable: till then the store
    /// still lists them as waiting.
    claimed_retries: BTreeSet<(u64, u64)>,
    /// Those of them whose end goes with the next commit.
    ended_retries: Vec<(u64, u64)>,
    /// Retries of another process may lie where only a wrong clock can have put them.
    may_be_misplaced: bool,
    expiry: Expiry,
    /// What became of fresh events. It is stored with the cursor that is behind them.
    tally: Tally,
    /// What came of attempts and deliveries, since the start.
    ends: Ends,
    history: History,
    /// Events below it are not sent any more.
    expired_seq: u64,
    endpoint: Endpoint,
    /// Where the events of one message go out one after the other.
    order: Option<Order>,
    /// When a delivery was last told of that was refused for good.
    discarded_told_ms: Option<u64>,
    /// Dead letters, once counted.
    dead: Option<u64>,
    /// The probe that is under way.
    probe: Option<u64>,
    /// What was handed out before must not be begun now: the senders look at this.
    is_shut: Arc<AtomicBool>,
    /// Nothing is handed out any more: it is not among the webhooks now.
    is_retired: bool,
}

impl Deliveries {
    /// Continues where the stored cursors are. A webhook without one starts with the next event.
    pub(super) fn load(
        webhooks: Vec<Arc<Webhook>>,
        store: &Store,
        next_seq: u64,
        only: Option<WebhookId>,
        now_ms: u64,
    ) -> Result<Self, WriterError> {
        let endpoints = webhooks
            .into_iter()
            .map(|webhook| Ok((webhook.id, State::load(webhook, store, next_seq, now_ms)?)))
            .collect::<Result<_, WriterError>>()?;
        let mut deliveries = Self {
            endpoints,
            durable_seq: next_seq,
            floors: [0; 2],
            only,
            notices: Notices::default(),
        };
        deliveries.floors = [deliveries.low(); 2];
        Ok(deliveries)
    }

    /// Lets go of what waits for its turn where there are no turns any more.
    pub(super) fn settle_order(
        &mut self,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        let mut unordered = self.endpoints.values_mut().filter(|own| own.order.is_none());
        unordered.try_for_each(|own| own.dissolve_order(now_ms, store, stage))
    }

    /// Looks after a row of the order of messages.
    pub(super) fn mend_order(
        &mut self,
        (webhook, uid, seq): (WebhookId, MessageUid, u64),
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        match self.endpoints.get_mut(&webhook) {
            Some(own) => own.mend_order(uid, seq, now_ms, store, stage),
            None => Ok(()),
        }
    }

    /// All endpoints were left alone for a while: what waits for them goes out slowly at first.
    pub(super) fn start_slowly(&mut self, now_ms: u64) {
        self.endpoints.values_mut().for_each(|state| state.endpoint.start_slowly(now_ms));
    }

    fn low(&self) -> u64 {
        let lows = self.endpoints.values().map(|state| state.progress.low());
        lows.min().unwrap_or(self.durable_seq)
    }

    /// Events below this sequence number are behind all cursors, and have been for a commit.
    pub(super) fn floor(&self) -> u64 {
        let [floor, _] = self.floors;
        floor
    }

    /// A commit would move the floor, even one without anything in it.
    pub(super) fn is_floor_behind(&self) -> bool {
        self.floor() < self.low()
    }

    /// Passes over events that nobody has claimed and that have waited for too long, or behind too
    /// much: more than `kept`, or than the webhook says itself. True when there are more.
    pub(super) fn expire(
        &mut self,
        kept: Kept,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<bool, WriterError> {
        let mut more = false;
        for state in self.endpoints.values_mut() {
            state.expired_seq = events.end_of(state.backlog(kept), now_ms);
            more |= state.expire(state.expired_seq.min(self.durable_seq), events, store)?;
            if let Some(count) = state.expiry.announce(&state.webhook.name, now_ms) {
                self.notices.expired(&state.webhook.name, count, now_ms);
            }
        }
        Ok(more)
    }

    /// Deliveries that were given up because they had waited for too long.
    pub(super) fn expired(&self) -> u64 {
        self.endpoints.values().map(|state| state.expiry.total()).sum()
    }

    /// Events below this sequence number are not sent to that webhook any more; None if there is no
    /// such webhook.
    pub(super) fn expired_seq(&self, webhook: WebhookId) -> Option<u64> {
        self.endpoints.get(&webhook).map(|state| state.expired_seq)
    }

    /// A waiting retry was given up whose event is too old. False when a sender has it: then it
    /// stays.
    pub(super) fn give_up(
        &mut self,
        (webhook, due_ms, seq): (WebhookId, u64, u64),
        events: &mut EventLog,
        store: &Store,
    ) -> Result<bool, WriterError> {
        let Some(state) = self.endpoints.get_mut(&webhook) else { return Ok(true) };
        let is_free = !state.claimed_retries.contains(&(due_ms, seq));
        if is_free {
            state.expiry.count_of(events.get(seq, store)?.as_deref());
        }
        Ok(is_free)
    }

    /// Offers an event that the store holds under `seq` to the webhooks that a replay is for: to
    /// those that are younger than it and were not offered it before, or, to send it again, to all
    /// that want it. Gives how many took it.
    pub(super) fn offer_again(
        &mut self,
        event: &Parcel,
        seq: u64,
        resend: bool,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<u64, WriterError> {
        let mut offers = 0;
        for (id, state) in &mut self.endpoints {
            let is_meant = self.only.is_none_or(|only| only == *id);
            if !is_meant || !state.subscription().wants_parcel(event) {
                continue;
            }
            let is_due = if resend {
                true
            } else {
                seq < state.born_seq && state.offered.mark(state.id, seq, store)?
            };
            if is_due {
                let waiting = if resend { Waiting::replay() } else { Waiting::fresh() };
                state.make_due(seq, now_ms, &waiting, stage);
                offers += 1;
            }
        }
        Ok(offers)
    }

    /// Dead letters were removed: they are counted anew.
    pub(super) fn recount_dead(&mut self) {
        self.endpoints.values_mut().for_each(|state| state.dead = None);
    }

    /// Any webhook that wants events of this type?
    pub(super) fn wants(&self, kind: EventType) -> bool {
        self.endpoints.values().any(|state| state.webhook.events.contains(kind))
    }

    /// Is any webhook to be shown the lines behind events?
    pub(super) fn want_evidence(&self) -> bool {
        self.endpoints.values().any(|state| state.webhook.selection.evidence)
    }

    /// How each webhook is.
    pub(super) fn standings(&self) -> BTreeMap<WebhookId, Standing> {
        let standing = |state: &State| Standing {
            health: state.endpoint.health().clone(),
            backlog: self.durable_seq.saturating_sub(state.progress.next()),
            tally: state.tally.clone(),
        };
        self.endpoints.iter().map(|(id, state)| (*id, standing(state))).collect()
    }

    /// How far each webhook is.
    pub(super) fn courses(&self) -> Vec<Course> {
        let course = |state: &State| Course {
            webhook: state.id,
            progress: state.progress.clone(),
            claimed: state.claimed_retries.iter().map(|(_, seq)| *seq).collect(),
            born_seq: state.born_seq,
            is_disabled: state.endpoint.health().disabled.is_some(),
        };
        self.endpoints.values().map(course).collect()
    }

    /// Hands out up to `max` deliveries of one webhook.
    pub(super) fn claim(
        &mut self,
        webhook: WebhookId,
        max: usize,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Claimed, WriterError> {
        let durable_seq = self.durable_seq;
        let own = self.endpoints.get_mut(&webhook).filter(|own| !own.is_retired);
        let Some(own) = own else { return Ok(Claimed::default()) };
        own.claim(max, &mut Desk { events, store, stage, durable_seq, now_ms })
    }

    /// Notes what became of a claimed delivery.
    pub(super) fn finish(
        &mut self,
        webhook: WebhookId,
        finished: Finished,
        now: Moment,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        let Some(own) = self.endpoints.get_mut(&webhook) else { return Ok(()) };
        own.finish(finished, now, self.durable_seq, store, stage, &mut self.notices)
    }

    /// These were claimed and not tried.
    pub(super) fn give_back(&mut self, webhook: WebhookId, claims: &[Claim]) {
        if let Some(own) = self.endpoints.get_mut(&webhook) {
            own.give_back(claims);
        }
    }

    /// Sends nothing to a webhook from now on; what comes waits. False if that was so before, or
    /// there is no such webhook.
    pub(super) fn disable(&mut self, webhook: WebhookId, now_ms: u64, stage: &mut Stage) -> bool {
        let Some(own) = self.endpoints.get_mut(&webhook) else { return false };
        let is_new = own.endpoint.disable(DisabledReason::Operator, now_ms);
        if is_new {
            own.is_shut.store(true, Ordering::Release);
            stage.touch();
            self.notices.disabled(&own.webhook.name, DisabledReason::Operator, now_ms);
        }
        is_new
    }

    /// Sends to a webhook again. False if it was not disabled, or there is no such webhook.
    pub(super) fn enable(
        &mut self,
        webhook: WebhookId,
        resume: Resume,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<bool, WriterError> {
        let durable_seq = self.durable_seq;
        let Some(own) = self.endpoints.get_mut(&webhook) else { return Ok(false) };
        if !own.endpoint.enable(now_ms) {
            return Ok(false);
        }
        stage.touch();
        self.notices.enabled(&own.webhook.name, resume, now_ms);
        if resume == Resume::Drop {
            own.abandon(durable_seq, store, stage)?;
        }
        Ok(true)
    }

    /// Does what a person asks for with the deliveries of a webhook.
    pub(super) fn act(
        &mut self,
        webhook: WebhookId,
        action: Action,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Outcome, WriterError> {
        let durable_seq = self.durable_seq;
        let Some(own) = self.endpoints.get_mut(&webhook) else {
            return Ok(Outcome::nothing(action));
        };
        own.act(action, &mut Desk { events, store, stage, durable_seq, now_ms })
    }

    /// Sends events to a webhook again whose delivery is over; gives which.
    pub(super) fn recover(
        &mut self,
        webhook: WebhookId,
        seqs: &[u64],
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Vec<u64>, WriterError> {
        let durable_seq = self.durable_seq;
        match self.endpoints.get_mut(&webhook) {
            Some(own) => own.recover(seqs, &mut Desk { events, store, stage, durable_seq, now_ms }),
            None => Ok(Vec::new()),
        }
    }

    /// Puts the cursors that moved into the next commit; events up to `next_seq` are in it.
    pub(super) fn stage(&mut self, next_seq: u64, stage: &mut Stage) {
        for (id, state) in &mut self.endpoints {
            if self.only.is_some_and(|only| only != *id) && self.durable_seq < next_seq {
                state.progress.skip(self.durable_seq, next_seq);
                state.changed = true;
            }
            state.offered.stage(state.id, stage);
            state.history.stage(state.id, stage);
            if let Some(health) = state.endpoint.changed() {
                stage.put(Key::endpoint(state.id), codec::encode(VERSION, health));
            }
            if std::mem::take(&mut state.changed) {
                let (progress, tally) = (&state.progress, state.tally.clone());
                let cursor = Cursor { progress, born_seq: state.born_seq, tally };
                stage.put(Key::cursor(state.id), codec::encode(CURSOR_VERSION, &cursor));
            }
        }
    }

    /// All that was staged is durable, and events below `durable_seq` may be handed out.
    pub(super) fn committed(&mut self, durable_seq: u64) {
        self.durable_seq = durable_seq;
        let [_, before] = self.floors;
        self.floors = [before, self.low()];
        for state in self.endpoints.values_mut() {
            if let Some(order) = &mut state.order {
                order.committed();
            }
            for retry in state.ended_retries.drain(..) {
                state.claimed_retries.remove(&retry);
            }
        }
    }
}

impl State {
    fn load(
        webhook: Arc<Webhook>,
        store: &Store,
        next_seq: u64,
        now_ms: u64,
    ) -> Result<Self, WriterError> {
        let stored = store.get(&Key::cursor(webhook.id))?;
        let Cursor { progress, born_seq, tally } = match &stored {
            Some(bytes) => cursor(bytes)?,
            None => Cursor::starting_at(next_seq),
        };
        let health = store.get(&Key::endpoint(webhook.id))?;
        let health = health.map(|bytes| codec::decode("endpoint", VERSION, &bytes)).transpose()?;
        Ok(Self {
            id: webhook.id,
            history: History::load(webhook.id, store)?,
            order: (webhook.policy.ordering == policy::Ordering::Message).then(Order::default),
            endpoint: Endpoint::new(health, &webhook.policy, now_ms),
            interest: Interest::of(&webhook.subscription()),
            webhook,
            progress,
            born_seq,
            offered: Offered::default(),
            changed: stored.is_none(),
            claimed_retries: BTreeSet::new(),
            ended_retries: Vec::new(),
            may_be_misplaced: true,
            expiry: Expiry::default(),
            tally,
            ends: Ends::default(),
            expired_seq: 0,
            discarded_told_ms: None,
            dead: None,
            probe: None,
            is_shut: Arc::default(),
            is_retired: false,
        })
    }

    /// An event is to be sent from then on, wherever the cursor is.
    fn make_due(&self, seq: u64, due_ms: u64, waiting: &Waiting, stage: &mut Stage) {
        stage.put(Key::retry(self.id, due_ms, seq), codec::encode(RETRY_VERSION, waiting));
    }

    /// Nothing that waits now will be sent.
    fn abandon(
        &mut self,
        durable_seq: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        self.progress.abandon(durable_seq);
        self.changed = true;
        for entry in store.scan(&Prefix::retries(self.id))? {
            let (key, _) = entry?;
            let place = key::parse_retry(&key).map(|(_, due_ms, seq)| (due_ms, seq));
            if place.is_none_or(|place| !self.claimed_retries.contains(&place)) {
                stage.remove(Key::from_stored(&key));
            }
        }
        self.abandon_order(store, stage)
    }

    /// How much may wait, where `default` is what holds for all.
    fn backlog(&self, default: Kept) -> Kept {
        let policy = &self.webhook.policy;
        Kept {
            age: policy.backlog.unwrap_or(default.age),
            bytes: policy.backlog_bytes.unwrap_or(default.bytes),
        }
    }

    fn subscription(&self) -> Subscription<'_> {
        self.webhook.subscription()
    }

    /// As [`Deliveries::expire`], for one webhook.
    fn expire(
        &mut self,
        end: u64,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<bool, WriterError> {
        for _ in 0..LOOKED_AT {
            let Some(seq) = self.progress.claim(end) else { return Ok(false) };
            let event = events.get(seq, store)?;
            if event.as_ref().is_none_or(|event| self.subscription().wants_parcel(event)) {
                self.expiry.count_of(event.as_deref());
            }
            self.changed |= self.progress.done(seq);
        }
        Ok(true)
    }
}

/// A stored cursor.
fn cursor(value: &[u8]) -> Result<Cursor<Progress>, CodecError> {
    const WHAT: &str = "cursor";
    let listed: Cursor<Listed> = match value.first() {
        Some(&FIRST_CURSOR_VERSION) => {
            codec::decode(WHAT, FIRST_CURSOR_VERSION, &[value, &[0]].concat())?
        }
        Some(&SECOND_CURSOR_VERSION) => codec::decode(WHAT, SECOND_CURSOR_VERSION, value)?,
        _ => return codec::decode(WHAT, CURSOR_VERSION, value),
    };
    let Cursor { progress, born_seq, tally } = listed;
    let progress = progress.try_into().map_err(|_| CodecError::Malformed { what: WHAT })?;
    Ok(Cursor { progress, born_seq, tally })
}

/// A stored retry.
pub(super) fn waiting(value: &[u8]) -> Result<Waiting, CodecError> {
    const WHAT: &str = "retry";
    if value.first() == Some(&FIRST_RETRY_VERSION) {
        return codec::decode(WHAT, FIRST_RETRY_VERSION, &[value, &[0]].concat());
    }
    codec::decode(WHAT, RETRY_VERSION, value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn cursors_of_earlier_forms_are_read() {
        let (next, open, skips, born_seq) = (9_u64, vec![4_u64, 7], vec![(12_u64, 15_u64)], 2_u64);
        let tally = Tally::default();
        let packed = postcard::to_allocvec(&(next, &open, &skips, born_seq)).unwrap();
        let first = [&[FIRST_CURSOR_VERSION], &*packed].concat();
        let packed = postcard::to_allocvec(&(next, open, skips, born_seq, &tally)).unwrap();
        let second = [&[SECOND_CURSOR_VERSION], &*packed].concat();
        for value in [first, second] {
            let mut read = cursor(&value).unwrap();
            let claims: Vec<_> = std::iter::from_fn(|| read.progress.claim(17)).collect();
            assert_eq!(claims, [4, 7, 9, 10, 11, 15, 16]);
            assert_eq!((read.born_seq, read.tally), (2, tally.clone()));
            assert!(cursor(value.get(..5).unwrap()).is_err());
        }
    }
}
