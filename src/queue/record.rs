//! An attempt with what it was for and what came of it, as the history keeps it.

use serde::{Deserialize, Serialize};

use super::{
    attempt::Attempt,
    delivery::{Claim, EndState, Fate, Finished},
};
use crate::event::{EventId, EventType};

/// Bytes kept of an answer's body where the record would be too large, less with each step.
const BODY_BYTES: [usize; 3] = [4096, 1024, 0];
/// Bytes kept of the URL when all else is cut.
const URL_BYTES: usize = 512;

/// One attempt on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Place of the event in the store.
    pub seq: u64,
    /// The event, which may be deleted before its attempts are.
    pub event: EventId,
    /// What it told.
    pub kind: EventType,
    /// What it was made for.
    pub purpose: Purpose,
    /// What became of the delivery.
    pub end: RecordEnd,
    /// The attempt itself.
    pub attempt: Attempt,
}

/// What an attempt was made for. Stored where the first form said whether it was a probe, which the
/// first two variants still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A delivery.
    Delivery,
    /// One that was to show how the receiver is.
    Probe,
    /// A delivery that repeats an earlier one of the same event.
    Replay,
    /// Both.
    ReplayAsProbe,
}

/// What became of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordEnd {
    /// The receiver has it.
    Delivered,
    /// Another attempt is due then, milliseconds since the epoch; a probe that failed says when
    /// it ended.
    Retry {
        /// When.
        due_ms: u64,
    },
    /// It ended badly.
    Ended(EndState),
}

impl Record {
    /// From what a sender reports; None if it reports no attempt.
    #[must_use]
    pub fn of(finished: &mut Finished) -> Option<Self> {
        let attempt = *finished.record.take()?;
        let claim = &finished.claim;
        let end = match &finished.fate {
            Fate::Delivered => RecordEnd::Delivered,
            Fate::Retry { due_ms, .. } => RecordEnd::Retry { due_ms: *due_ms },
            Fate::Ended(letter) => RecordEnd::Ended(letter.state),
        };
        Some(Self {
            seq: claim.seq,
            event: claim.event.head().id,
            kind: claim.event.head().kind,
            purpose: Purpose::of(claim),
            end,
            attempt,
        })
    }

    /// When the attempt began, milliseconds since the epoch.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        u64::try_from(self.attempt.started_us / 1000).unwrap_or(0)
    }

    /// Cuts what strangers filled, more with each `step` from 0 on. False when there is nothing left
    /// to cut.
    pub fn shorten(&mut self, step: usize) -> bool {
        let exchanges = &mut self.attempt.exchanges;
        match BODY_BYTES.get(step) {
            Some(bytes) => {
                for exchange in exchanges {
                    cut(&mut exchange.body, *bytes);
                }
            }
            None if step == BODY_BYTES.len() => {
                cut(&mut self.attempt.url, URL_BYTES);
                for exchange in exchanges {
                    exchange.headers.clear();
                }
            }
            None => return false,
        }
        true
    }
}

impl Purpose {
    fn of(claim: &Claim) -> Self {
        match (claim.is_replay, claim.is_probe) {
            (false, false) => Self::Delivery,
            (false, true) => Self::Probe,
            (true, false) => Self::Replay,
            (true, true) => Self::ReplayAsProbe,
        }
    }

    /// To see how the receiver is.
    #[must_use]
    pub fn is_probe(self) -> bool {
        matches!(self, Self::Probe | Self::ReplayAsProbe)
    }

    /// Of a delivery that repeats an earlier one.
    #[must_use]
    pub fn is_replay(self) -> bool {
        matches!(self, Self::Replay | Self::ReplayAsProbe)
    }
}

fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}
