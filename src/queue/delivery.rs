//! What passes between the queue and its senders: a delivery to make, and what became of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{attempt::Attempt, endpoint::Sighting};
use crate::event::Parcel;

/// One event that a sender is to POST to its webhook now. Claimed in memory only: a crash makes
/// it due again with the same attempt number.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Place of the event in the store.
    pub seq: u64,
    /// What to send.
    pub event: Arc<Parcel>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Key of the waiting retry that this claim takes, milliseconds; None for a first attempt.
    pub due_ms: Option<u64>,
    /// It is sent to see how the receiver is, while all others wait. If that is down, the attempt
    /// does not count.
    pub is_probe: bool,
    /// It belongs to a delivery that repeats an earlier one of the same event.
    pub is_replay: bool,
}

/// What became of a claimed delivery.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The claim.
    pub claim: Claim,
    /// Where it goes from here.
    pub fate: Fate,
    /// What the attempt says about the endpoint.
    pub sighting: Sighting,
    /// The attempt, for the history.
    pub record: Option<Box<Attempt>>,
}

/// Where a delivery goes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// Another attempt at this time, milliseconds since the epoch.
    Retry {
        /// When.
        due_ms: u64,
        /// What the store remembers meanwhile.
        waiting: Waiting,
    },
    /// It ended badly, and is kept.
    Ended(DeadLetter),
}

/// A delivery that failed and waits for its next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Attempts made.
    pub attempts: u32,
    /// What the last one met.
    pub last_error: String,
    // Since the second stored form (`writer::deliveries`):
    /// It repeats an earlier delivery of the same event.
    pub is_replay: bool,
}

impl Waiting {
    /// Nothing was tried yet.
    #[must_use]
    pub fn fresh() -> Self {
        Self { attempts: 0, last_error: String::new(), is_replay: false }
    }

    /// A new delivery of an event that the webhook was told of before, or was to be.
    #[must_use]
    pub fn replay() -> Self {
        Self { is_replay: true, ..Self::fresh() }
    }
}

/// A delivery that ended badly. Kept for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Why it ended.
    pub state: EndState,
    /// Attempts made.
    pub attempts: u32,
    /// What the last one met.
    pub last_error: String,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: u64,
}

/// Bad ends of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndState {
    /// All attempts were used up.
    Dead,
    /// The receiver's answer was final.
    Discarded,
    /// We may not send there; the configuration must change.
    Blocked,
    /// A person called it off.
    Cancelled,
}

impl EndState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Discarded, Self::Blocked, Self::Cancelled];

    /// One word, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Discarded => "discarded",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }
}
