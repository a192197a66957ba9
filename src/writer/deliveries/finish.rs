//! What becomes of a delivery that was handed out, and what that says about its endpoint.

use std::sync::atomic::Ordering;

use super::{State, VERSION};
use crate::{
    queue::{
        delivery::{Claim, EndState, Fate, Finished},
        endpoint::{BACKLOG, Change, Signal},
        record::Record,
    },
    store::{Key, Prefix, Store, codec},
    writer::{error::WriterError, stage::Stage, steady::Moment},
};

impl State {
    /// Notes what became of a claimed delivery. Gives what that changes with the endpoint.
    pub(super) fn finish(
        &mut self,
        mut finished: Finished,
        now: Moment,
        durable_seq: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<Vec<Change>, WriterError> {
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
        self.is_shut.store(self.endpoint.is_shut(now.ms), Ordering::Release);
        if claim.is_probe && sighting.signal == Signal::Down && !is_final(&fate) {
            self.untake(&claim);
        } else {
            self.end(&claim, fate, now, store, stage)?;
        }
        stage.touch();
        Ok(changes)
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
        self.leave_turn(claim.event.data.uid);
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
        let (uid, seq) = (claim.event.data.uid, claim.seq);
        match claim.due_ms {
            Some(due_ms) => {
                self.ended_retries.push((due_ms, claim.seq));
                stage.remove(Key::retry(self.id, due_ms, claim.seq));
            }
            None => self.changed |= self.progress.done(claim.seq),
        }
        if let Fate::Retry { due_ms, waiting } = fate {
            let due_ms = now.of_wall(due_ms);
            stage.put(Key::retry(self.id, due_ms, seq), codec::encode(VERSION, &waiting));
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
