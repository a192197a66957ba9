//! Which deliveries of one webhook go out next.

use std::sync::{Arc, atomic::Ordering};

use super::{GIVEN_UP, LOOKED_AT, State, waiting};
use crate::{
    clock::millis_of,
    event::Parcel,
    queue::{
        delivery::Claim,
        endpoint::Gate,
        schedule::{JITTER_MAX, RETRY_AFTER_MAX},
        subscription::Decision,
    },
    store::{Key, Prefix, Store, key},
    writer::{Access, Claimed, error::WriterError, events::EventLog, stage::Stage},
};

/// What a claim looks things up in.
pub(super) struct Desk<'a> {
    pub(super) events: &'a mut EventLog,
    pub(super) store: &'a Store,
    pub(super) stage: &'a mut Stage,
    /// Events below it may be handed out.
    pub(super) durable_seq: u64,
    pub(super) now_ms: u64,
}

impl Desk<'_> {
    /// A durable event; None when there is none, or none any more.
    pub(super) fn event(&mut self, seq: u64) -> Result<Option<Arc<Parcel>>, WriterError> {
        if seq < self.durable_seq { self.events.get(seq, self.store) } else { Ok(None) }
    }
}

impl State {
    /// Hands out up to `max` deliveries, as far as the endpoint may be asked at all: due retries
    /// first, then fresh events, and the oldest of what is handed out at the head.
    pub(super) fn claim(
        &mut self,
        max: usize,
        desk: &mut Desk<'_>,
    ) -> Result<Claimed, WriterError> {
        let mut claimed = Claimed {
            now_ms: desk.now_ms,
            webhook: Some(Arc::clone(&self.webhook)),
            is_shut: Arc::clone(&self.is_shut),
            ..Claimed::default()
        };
        match self.endpoint.gate(desk.now_ms) {
            Gate::Open(allowed) => {
                self.is_shut.store(false, Ordering::Release);
                let max = max.min(allowed);
                self.claim_retries(max, desk, &mut claimed)?;
                self.claim_fresh(max, desk, &mut claimed)?;
                self.endpoint.sent(claimed.claims.len());
                claimed.claims.sort_by_key(|claim| claim.seq);
            }
            Gate::Probe => self.claim_probe(desk, &mut claimed)?,
            Gate::Paced { until_ms } => {
                (claimed.access, claimed.next_due_ms) = (Access::Paced, Some(until_ms));
            }
            Gate::Shut { until_ms } => {
                (claimed.access, claimed.next_due_ms) = (Access::Held, until_ms);
            }
        }
        claimed.is_careful = self.endpoint.is_careful();
        Ok(claimed)
    }

    /// One delivery, the oldest that is due.
    fn claim_probe(
        &mut self,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        claimed.access = Access::Held;
        if self.probe.is_some() {
            return Ok(());
        }
        if let Some((due_ms, seq)) = self.oldest_retry(desk)? {
            self.take_retry(due_ms, seq, desk, claimed)?;
        }
        if claimed.claims.is_empty() {
            self.claim_fresh(1, desk, claimed)?;
        }
        if let Some(probe) = claimed.claims.first_mut() {
            probe.is_probe = true;
            self.probe = Some(probe.seq);
        } else {
            claimed.next_due_ms = self.next_retry(desk)?;
        }
        Ok(())
    }

    /// Of the retries that are due and not under way, the one of the oldest event.
    fn oldest_retry(&self, desk: &Desk<'_>) -> Result<Option<(u64, u64)>, WriterError> {
        let mut oldest = None;
        for entry in desk.store.scan(&Prefix::retries(self.id))?.take(LOOKED_AT) {
            let Some((_, due_ms, seq)) = key::parse_retry(&entry?.0) else { continue };
            if due_ms > desk.now_ms {
                break;
            }
            let is_older = oldest.is_none_or(|(_, other)| seq < other);
            if is_older && !self.claimed_retries.contains(&(due_ms, seq)) {
                oldest = Some((due_ms, seq));
            }
        }
        Ok(oldest)
    }

    /// When the first retry is due that is not under way.
    fn next_retry(&self, desk: &Desk<'_>) -> Result<Option<u64>, WriterError> {
        for entry in desk.store.scan(&Prefix::retries(self.id))? {
            let Some((_, due_ms, seq)) = key::parse_retry(&entry?.0) else { continue };
            if !self.claimed_retries.contains(&(due_ms, seq)) {
                return Ok(Some(due_ms));
            }
        }
        Ok(None)
    }

    fn claim_retries(
        &mut self,
        max: usize,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        self.claim_misplaced(max, desk, claimed)?;
        let mut given_up = 0;
        for entry in desk.store.scan(&Prefix::retries(self.id))? {
            let (key, _) = entry?;
            let Some((_, due_ms, seq)) = key::parse_retry(&key) else { continue };
            if self.claimed_retries.contains(&(due_ms, seq)) {
                continue;
            }
            if due_ms > desk.now_ms || claimed.claims.len() >= max {
                claimed.next_due_ms = Some(due_ms);
                break;
            }
            if !self.take_retry(due_ms, seq, desk, claimed)? {
                given_up += 1;
                claimed.more |= given_up == GIVEN_UP;
                if claimed.more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Retries that lie further in the future than any wait is long: a clock gone wrong has put
    /// them there before the program was started. They are due.
    fn claim_misplaced(
        &mut self,
        max: usize,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        if !self.may_be_misplaced {
            return Ok(());
        }
        let longest = self.webhook.schedule.iter().copied().max().unwrap_or_default();
        let longest = longest.max(RETRY_AFTER_MAX) + JITTER_MAX;
        let limit_ms = desk.now_ms.saturating_add(millis_of(longest));
        let range = (Key::retry(self.id, limit_ms, 0), Key::retry(self.id, u64::MAX, u64::MAX));
        self.may_be_misplaced = false;
        for entry in desk.store.scan_range(&range.0, &range.1)? {
            let Some((_, due_ms, seq)) = key::parse_retry(&entry?.0) else { continue };
            self.may_be_misplaced = true;
            if claimed.claims.len() >= max {
                break;
            }
            if !self.claimed_retries.contains(&(due_ms, seq)) {
                self.take_retry(due_ms, seq, desk, claimed)?;
            }
        }
        Ok(())
    }

    /// Hands a retry out. False when its event is deleted: then it is given up, so that it does not
    /// come up again for ever.
    fn take_retry(
        &mut self,
        due_ms: u64,
        seq: u64,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<bool, WriterError> {
        let key = Key::retry(self.id, due_ms, seq);
        let Some(value) = desk.store.get(&key)? else { return Ok(false) };
        let waiting = waiting(&value)?;
        self.claimed_retries.insert((due_ms, seq));
        let Some(event) = desk.events.get(seq, desk.store)? else {
            self.expiry.count(true);
            self.ended_retries.push((due_ms, seq));
            desk.stage.remove(key);
            return Ok(false);
        };
        if self.is_out_of_turn(event.head().uid, seq, desk.store)? {
            self.claimed_retries.remove(&(due_ms, seq));
            return Ok(true);
        }
        self.take_turn(event.head().uid);
        let (attempt, due_ms) = (waiting.attempts.saturating_add(1), Some(due_ms));
        let is_replay = waiting.is_replay;
        claimed.claims.push(Claim { seq, event, attempt, due_ms, is_probe: false, is_replay });
        Ok(true)
    }

    fn claim_fresh(
        &mut self,
        max: usize,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        for _ in 0..LOOKED_AT {
            if max > 0 && claimed.claims.len() >= max {
                return Ok(());
            }
            let next = match self.pass_unwanted(desk)? {
                Next::Passed => continue,
                Next::Wanted(event) => Some(event),
                Next::Unknown => None,
            };
            let Some(seq) = self.progress.claim(desk.durable_seq) else { return Ok(()) };
            let wanted = match next {
                Some(event) => Some(event),
                None => desk.events.get(seq, desk.store)?.filter(|event| self.is_wanted(event)),
            };
            match wanted {
                // Even when none may go out, what is not wanted is passed over: it is no backlog.
                Some(_) if max == 0 => {
                    self.progress.give_back(seq);
                    return Ok(());
                }
                Some(event) => {
                    self.tally.count(Decision::Wanted, event.head().id);
                    self.hand_out(event, seq, desk, claimed)?;
                }
                None => self.changed |= self.progress.done(seq),
            }
        }
        claimed.more = true;
        Ok(())
    }

    /// Hands out a fresh event that was claimed, or has it wait for its turn.
    fn hand_out(
        &mut self,
        event: Arc<Parcel>,
        seq: u64,
        desk: &mut Desk<'_>,
        claimed: &mut Claimed,
    ) -> Result<(), WriterError> {
        let uid = event.head().uid;
        if self.is_out_of_turn(uid, seq, desk.store)? {
            self.changed |= self.progress.done(seq);
            self.queue_up(uid, seq, desk.stage);
        } else {
            self.take_turn(uid);
            claimed.claims.push(Claim {
                seq,
                event,
                attempt: 1,
                due_ms: None,
                is_probe: false,
                is_replay: false,
            });
        }
        Ok(())
    }

    /// Passes over the next fresh event if it is not wanted, and over many at once of types, users,
    /// domains or routes that the webhook did not ask for.
    fn pass_unwanted(&mut self, desk: &mut Desk<'_>) -> Result<Next, WriterError> {
        let Some((from, end)) = self.progress.fresh(desk.durable_seq) else {
            return Ok(Next::Unknown);
        };
        let others = desk.events.end_of_others(&self.interest, from, end);
        let to = others.max(from + 1);
        if let Some(event) = desk.events.get(to - 1, desk.store)? {
            let decision = self.subscription().decide_parcel(&event);
            if decision == Decision::Wanted {
                return Ok(if to == from + 1 { Next::Wanted(event) } else { Next::Unknown });
            }
            self.tally.count_many(decision, to - from, event.head().id);
        }
        self.changed = true;
        self.progress.pass(to);
        Ok(Next::Passed)
    }

    /// Is an event wanted? Counted when it is not; one that is counts once it goes out.
    fn is_wanted(&mut self, event: &Parcel) -> bool {
        let decision = self.subscription().decide_parcel(event);
        if decision != Decision::Wanted {
            self.tally.count(decision, event.head().id);
        }
        decision == Decision::Wanted
    }
}

/// What the next fresh event is.
enum Next {
    /// It was not wanted, and is passed.
    Passed,
    /// It will be claimed next.
    Wanted(Arc<Parcel>),
    /// There is none, or nobody has looked at it.
    Unknown,
}
