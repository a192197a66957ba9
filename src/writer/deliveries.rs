//! The queue state of each webhook, between memory and store.
//!
//! Fresh events are claimed by sequence number ([`Progress`]); what failed has a key of its own
//! (`retry`) and no longer holds the cursor back; what ended badly has another (`dead`). So a
//! pending delivery costs nothing, and a dead receiver costs one key for each event it missed.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Claimed, backfill::Offered, error::WriterError, events::EventLog, expiry::Expiry, stage::Stage,
};
use crate::{
    config::{Webhook, WebhookId},
    event::{Event, EventType},
    limits,
    queue::{
        delivery::{Claim, Fate, Finished, Waiting},
        progress::Progress,
        subscription::{Decision, Subscription, Tally},
    },
    store::{Key, Prefix, Store, codec, key},
};

/// Version of the stored cursors, retries and dead letters.
pub(super) const VERSION: u8 = 1;
/// Waiting retries that are given up in one step.
const GIVEN_UP: usize = limits::REMOVES_PER_COMMIT;
/// Events looked at in one claim, so that a webhook that wants few does not hold up the others.
const LOOKED_AT: usize = 2048;

/// The state of all webhooks.
#[derive(Debug)]
pub(super) struct Deliveries {
    endpoints: Vec<State>,
    durable_seq: u64,
    /// Below it every webhook was done one commit ago, and now: events below the first one are no
    /// longer in anybody's hands.
    floors: [u64; 2],
    /// The only webhook that new events are for, if there is one.
    only: Option<usize>,
}

/// The stored form of a webhook's cursor.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cursor {
    /// What is done.
    progress: Progress,
    /// The first event that came after the webhook: older ones reach it by a replay only.
    born_seq: u64,
}

#[derive(Debug)]
struct State {
    id: WebhookId,
    webhook: Arc<Webhook>,
    progress: Progress,
    born_seq: u64,
    offered: Offered,
    changed: bool,
    /// Retries that senders have, by (due, seq), until their end is durable: till then the store
    /// still lists them as waiting.
    claimed_retries: BTreeSet<(u64, u64)>,
    /// Those of them whose end goes with the next commit.
    ended_retries: Vec<(u64, u64)>,
    expiry: Expiry,
    /// What became of fresh events, since the start.
    tally: Tally,
}

impl Deliveries {
    /// Continues where the stored cursors are. A webhook without one starts with the next event.
    pub(super) fn load(
        webhooks: Vec<Arc<Webhook>>,
        store: &Store,
        next_seq: u64,
        only: Option<usize>,
    ) -> Result<Self, WriterError> {
        let endpoints = webhooks
            .into_iter()
            .map(|webhook| State::load(webhook, store, next_seq))
            .collect::<Result<Vec<_>, _>>()?;
        let mut deliveries = Self { endpoints, durable_seq: next_seq, floors: [0; 2], only };
        deliveries.floors = [deliveries.low(); 2];
        Ok(deliveries)
    }

    fn low(&self) -> u64 {
        let lows = self.endpoints.iter().map(|state| state.progress.low());
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

    /// Passes over events below `end` that nobody has claimed: they have waited for too long. True
    /// when there are more.
    pub(super) fn expire(
        &mut self,
        end: u64,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<bool, WriterError> {
        let end = end.min(self.durable_seq);
        let mut more = false;
        for state in &mut self.endpoints {
            more |= state.expire(end, events, store)?;
            state.expiry.announce(&state.webhook.name, now_ms);
        }
        Ok(more)
    }

    /// Deliveries that were given up because they had waited for too long.
    pub(super) fn expired(&self) -> u64 {
        self.endpoints.iter().map(|state| state.expiry.total()).sum()
    }

    /// A waiting retry was given up whose event is too old. False when a sender has it: then it
    /// stays.
    pub(super) fn give_up(&mut self, webhook: WebhookId, due_ms: u64, seq: u64) -> bool {
        let Some(state) = self.endpoints.iter_mut().find(|state| state.id == webhook) else {
            return true;
        };
        let is_free = !state.claimed_retries.contains(&(due_ms, seq));
        state.expiry.count(is_free);
        is_free
    }

    /// Offers an event that the store holds under `seq` to the webhooks that a replay is for: to
    /// those that are younger than it and were not offered it before, or, to send it again, to all
    /// that want it. Gives how many took it.
    pub(super) fn offer_again(
        &mut self,
        event: &Event,
        seq: u64,
        resend: bool,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<u64, WriterError> {
        let mut offers = 0;
        for (index, state) in self.endpoints.iter_mut().enumerate() {
            let is_meant = self.only.is_none_or(|only| only == index);
            if !is_meant || !state.subscription().wants(event) {
                continue;
            }
            let is_due = if resend {
                true
            } else {
                seq < state.born_seq && state.offered.mark(state.id, seq, store)?
            };
            if is_due {
                let waiting = Waiting { attempts: 0, last_error: String::new() };
                stage.put(Key::retry(state.id, now_ms, seq), codec::encode(VERSION, &waiting));
                offers += 1;
            }
        }
        Ok(offers)
    }

    /// Any webhook that wants events of this type?
    pub(super) fn wants(&self, kind: EventType) -> bool {
        self.endpoints.iter().any(|state| state.webhook.events.contains(kind))
    }

    /// Is any webhook to be shown the lines behind events?
    pub(super) fn want_evidence(&self) -> bool {
        self.endpoints.iter().any(|state| state.webhook.selection.evidence)
    }

    /// Hands out up to `max` deliveries: due retries first, then fresh events in order.
    pub(super) fn claim(
        &mut self,
        endpoint: usize,
        max: usize,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Claimed, WriterError> {
        let durable_seq = self.durable_seq;
        let Some(own) = self.endpoints.get_mut(endpoint) else { return Ok(Claimed::default()) };
        let mut claimed = Claimed::default();
        own.claim_retries(max, now_ms, events, store, stage, &mut claimed)?;
        own.claim_fresh(max, durable_seq, events, store, &mut claimed)?;
        Ok(claimed)
    }

    /// Notes what became of a claimed delivery.
    pub(super) fn finish(&mut self, endpoint: usize, finished: Finished, stage: &mut Stage) {
        let Some(own) = self.endpoints.get_mut(endpoint) else { return };
        match finished.due_ms {
            Some(due_ms) => {
                own.ended_retries.push((due_ms, finished.seq));
                stage.remove(Key::retry(own.id, due_ms, finished.seq));
            }
            None => own.changed |= own.progress.done(finished.seq),
        }
        match finished.fate {
            Fate::Delivered => {}
            Fate::Retry { due_ms, waiting } => {
                let key = Key::retry(own.id, due_ms, finished.seq);
                stage.put(key, codec::encode(VERSION, &waiting));
            }
            Fate::Ended(letter) => {
                let key = Key::dead(own.id, finished.seq);
                stage.put(key, codec::encode(VERSION, &letter));
            }
        }
        stage.touch();
    }

    /// Puts the cursors that moved into the next commit; events up to `next_seq` are in it.
    pub(super) fn stage(&mut self, next_seq: u64, stage: &mut Stage) {
        for (index, state) in self.endpoints.iter_mut().enumerate() {
            if self.only.is_some_and(|only| only != index) && self.durable_seq < next_seq {
                state.progress.skip(self.durable_seq, next_seq);
                state.changed = true;
            }
            state.offered.stage(state.id, stage);
            if std::mem::take(&mut state.changed) {
                let cursor = Cursor { progress: state.progress.clone(), born_seq: state.born_seq };
                stage.put(Key::cursor(state.id), codec::encode(VERSION, &cursor));
            }
        }
    }

    /// All that was staged is durable, and events below `durable_seq` may be handed out.
    pub(super) fn committed(&mut self, durable_seq: u64) {
        self.durable_seq = durable_seq;
        let [_, before] = self.floors;
        self.floors = [before, self.low()];
        for state in &mut self.endpoints {
            for retry in state.ended_retries.drain(..) {
                state.claimed_retries.remove(&retry);
            }
        }
    }
}

impl State {
    fn load(webhook: Arc<Webhook>, store: &Store, next_seq: u64) -> Result<Self, WriterError> {
        let stored = store.get(&Key::cursor(webhook.id))?;
        let Cursor { progress, born_seq } = match &stored {
            Some(bytes) => codec::decode("cursor", VERSION, bytes)?,
            None => Cursor { progress: Progress::starting_at(next_seq), born_seq: next_seq },
        };
        Ok(Self {
            id: webhook.id,
            webhook,
            progress,
            born_seq,
            offered: Offered::default(),
            changed: stored.is_none(),
            claimed_retries: BTreeSet::new(),
            ended_retries: Vec::new(),
            expiry: Expiry::default(),
            tally: Tally::default(),
        })
    }

    fn subscription(&self) -> Subscription<'_> {
        let Webhook { events, filter_users, filter_domains, selection, .. } = &*self.webhook;
        Subscription {
            types: *events,
            users: filter_users.as_deref().unwrap_or_default(),
            domains: filter_domains.as_deref().unwrap_or_default(),
            routes: &selection.routes,
            deferrals: selection.deferrals,
            machine: selection.include_machine_events,
        }
    }

    fn claim_retries(
        &mut self,
        max: usize,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
        stage: &mut Stage,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        let mut given_up = 0;
        for entry in store.scan(&Prefix::retries(self.id))? {
            let (key, value) = entry?;
            let Some((_, due_ms, seq)) = key::parse_retry(&key) else { continue };
            if self.claimed_retries.contains(&(due_ms, seq)) {
                continue;
            }
            if due_ms > now_ms || claimed.claims.len() >= max {
                claimed.next_due_ms = Some(due_ms);
                break;
            }
            let waiting: Waiting = codec::decode("retry", VERSION, &value)?;
            let Some(event) = events.get(seq, store)? else {
                // Its event is deleted: it must not come up again for ever.
                self.expiry.count(true);
                self.claimed_retries.insert((due_ms, seq));
                self.ended_retries.push((due_ms, seq));
                stage.remove(Key::from_stored(&key));
                given_up += 1;
                claimed.more |= given_up == GIVEN_UP;
                if claimed.more {
                    break;
                }
                continue;
            };
            self.claimed_retries.insert((due_ms, seq));
            let attempt = waiting.attempts + 1;
            claimed.claims.push(Claim { seq, event, attempt, due_ms: Some(due_ms) });
        }
        Ok(())
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
            self.expiry.count(event.is_none_or(|event| self.subscription().wants(&event)));
            self.changed |= self.progress.done(seq);
        }
        Ok(true)
    }

    fn claim_fresh(
        &mut self,
        max: usize,
        durable_seq: u64,
        events: &mut EventLog,
        store: &Store,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        for _ in 0..LOOKED_AT {
            if claimed.claims.len() >= max {
                return Ok(());
            }
            let Some(seq) = self.progress.claim(durable_seq) else { return Ok(()) };
            let event = events.get(seq, store)?.filter(|event| {
                let decision = self.subscription().decide(event);
                self.tally.count(decision, event.id);
                decision == Decision::Wanted
            });
            match event {
                Some(event) => {
                    claimed.claims.push(Claim { seq, event, attempt: 1, due_ms: None });
                }
                None => self.changed |= self.progress.done(seq),
            }
        }
        claimed.more = true;
        Ok(())
    }
}
