//! What becomes of a delivery that was handed out, and what that says about its endpoint.

use std::sync::atomic::Ordering;

use super::{State, VERSION};
use crate::{
    queue::{
        class::Class,
        delivery::{Claim, DeadLetter, EndState, Fate, Finished, Waiting},
        endpoint::{BACKLOG, Change, Signal},
        record::Record,
    },
    store::{Key, Prefix, Store, codec},
    writer::{error::WriterError, notices::Notices, stage::Stage, steady::Moment},
};

/// Between two words about deliveries that were refused for good.
const DISCARDED_TOLD_MS: u64 = 3_600_000;
/// Numbers of dead letters that are worth a word.
const DEAD_TOLD: [u64; 5] = [100, 1000, 10_000, 100_000, 1_000_000];

impl State {
    /// Notes what became of a claimed delivery, and tells what that changes with the endpoint.
    pub(super) fn finish(
        &mut self,
        mut finished: Finished,
        now: Moment,
        durable_seq: u64,
        store: &Store,
        stage: &mut Stage,
        notices: &mut Notices,
    ) -> Result<(), WriterError> {
        if let Some(record) = Record::of(&mut finished) {
            self.history.append(self.id, record, stage);
        }
        let Finished { claim, fate, sighting, .. } = finished;
        if claim.is_probe {
            self.probe = None;
        }
        let mut changes = self.endpoint.saw(sighting, claim.is_probe, now.ms);
        if self.endpoint.is_down()
            && self.webhook.policy.circuit
            && self.is_backlogged(durable_seq, store)?
        {
            self.endpoint.open(now.ms);
            changes.push(Change::Opened);
        }
        let is_own = claim.event.head().kind.is_operational();
        for change in changes {
            notices.changed(&self.webhook.name, change, is_own, now.ms);
        }
        self.is_shut.store(self.endpoint.is_shut(now.ms), Ordering::Release);
        if claim.is_probe && sighting.signal == Signal::Down && !is_final(&fate) {
            self.untake(&claim);
        } else {
            if let (Fate::Ended(letter), false) = (&fate, is_own) {
                self.tell_end(&claim, letter, now.ms, store, notices)?;
            }
            self.end(&claim, fate, now, store, stage)?;
        }
        stage.touch();
        Ok(())
    }

    /// Counts what came of an attempt.
    pub(super) fn count(&mut self, finished: &Finished) {
        if let Some(attempt) = &finished.record {
            self.ends.note(Class::of(attempt), attempt.elapsed_us);
        }
        match &finished.fate {
            Fate::Delivered => self.ends.delivered += 1,
            Fate::Retry { .. } => {}
            Fate::Ended(letter) => self.count_end(letter.state),
        }
    }

    /// A delivery ended badly.
    pub(super) fn count_end(&mut self, state: EndState) {
        let ended = EndState::ALL.iter().position(|known| *known == state);
        if let Some(count) = ended.and_then(|place| self.ends.ended.get_mut(place)) {
            *count += 1;
        }
    }

    /// Of those that were refused for good, the first of each hour is told.
    fn tell_end(
        &mut self,
        claim: &Claim,
        letter: &DeadLetter,
        now_ms: u64,
        store: &Store,
        notices: &mut Notices,
    ) -> Result<(), WriterError> {
        let webhook = &self.webhook.name;
        let told = self.discarded_told_ms;
        let is_early = told.is_some_and(|told| now_ms.saturating_sub(told) < DISCARDED_TOLD_MS);
        if letter.state == EndState::Dead {
            notices.ended(webhook, claim, letter, now_ms);
        } else if !is_early {
            self.discarded_told_ms = Some(now_ms);
            notices.ended(webhook, claim, letter, now_ms);
        }
        let before = match self.dead {
            Some(dead) => dead,
            None => store.scan(&Prefix::dead(self.id))?.count() as u64,
        };
        self.dead = Some(before + 1);
        if DEAD_TOLD.contains(&(before + 1)) {
            notices.dead_letters(webhook, before + 1, now_ms);
        }
        Ok(())
    }

    /// These were handed out and not tried: they are handed out again.
    pub(super) fn give_back(&mut self, claims: &[Claim]) {
        self.endpoint.gave_back(claims.len());
        for claim in claims {
            if claim.is_probe {
                self.probe = None;
            }
            self.untake(claim);
        }
    }

    fn untake(&mut self, claim: &Claim) {
        self.leave_turn(claim.event.head().uid);
        match claim.due_ms {
            Some(due_ms) => {
                self.claimed_retries.remove(&(due_ms, claim.seq));
            }
            None => self.progress.give_back(claim.seq),
        }
    }

    /// The delivery leaves the place where it was, and gets its new one with the same commit.
    fn end(
        &mut self,
        claim: &Claim,
        fate: Fate,
        now: Moment,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        let (uid, seq) = (claim.event.head().uid, claim.seq);
        match claim.due_ms {
            Some(due_ms) => {
                self.ended_retries.push((due_ms, claim.seq));
                stage.remove(Key::retry(self.id, due_ms, claim.seq));
            }
            None => self.changed |= self.progress.done(claim.seq),
        }
        if let Fate::Retry { due_ms, waiting } = fate {
            let due_ms = now.of_wall(due_ms);
            let waiting = Waiting { is_replay: claim.is_replay, ..waiting };
            self.make_due(seq, due_ms, &waiting, stage);
            self.hold_message(uid, seq, due_ms, stage);
            return Ok(());
        }
        if let Fate::Ended(letter) = fate {
            stage.put(Key::dead(self.id, seq), codec::encode(VERSION, &letter));
        }
        self.next_turn(uid, seq, now.ms, store, stage)
    }

    /// As many deliveries wait as it takes for a circuit to open.
    fn is_backlogged(&self, durable_seq: u64, store: &Store) -> Result<bool, WriterError> {
        if durable_seq.saturating_sub(self.progress.low()) >= BACKLOG as u64 {
            return Ok(true);
        }
        let waiting = store.scan(&Prefix::retries(self.id))?.take(BACKLOG);
        Ok(waiting.count() == BACKLOG)
    }
}

/// The receiver said that it will never take this event. That it was the last attempt is no such
/// word.
fn is_final(fate: &Fate) -> bool {
    matches!(fate, Fate::Ended(letter) if letter.state != EndState::Dead)
}
