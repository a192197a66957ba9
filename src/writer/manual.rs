//! The words of what a person may do with deliveries.

use std::sync::Arc;

use crate::{
    event::Parcel,
    queue::{
        delivery::{DeadLetter, EndState},
        endpoint::Health,
        subscription::Tally,
    },
};

/// Which dead letters are meant; the default is all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selector {
    /// Behind the letter of this event.
    pub after: Option<u64>,
    /// Of this event only.
    pub seq: Option<u64>,
    /// That ended so.
    pub state: Option<EndState>,
    /// That ended at this time or later, milliseconds since the epoch.
    pub since_ms: Option<u64>,
    /// That ended before this time.
    pub until_ms: Option<u64>,
}

impl Selector {
    /// Is that letter meant?
    #[must_use]
    pub fn takes(&self, seq: u64, letter: &DeadLetter) -> bool {
        self.seq.is_none_or(|wanted| wanted == seq)
            && self.state.is_none_or(|wanted| wanted == letter.state)
            && self.since_ms.is_none_or(|since| letter.ended_ms >= since)
            && self.until_ms.is_none_or(|until| letter.ended_ms < until)
    }
}

/// What is to be done with one webhook's deliveries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Replay { seq: u64 },
    Cancel { seq: u64 },
    Dead { selector: Selector, limit: usize },
    Clear { selector: Selector, again: bool },
}

/// What came of an [`Action`].
#[derive(Debug)]
pub(super) enum Outcome {
    Replayed(Replayed),
    Cancelled(Cancelled),
    Dead(DeadPage),
    Cleared(Cleared),
}

impl Outcome {
    /// There is no such webhook, or no such event.
    pub(super) fn nothing(action: Action) -> Self {
        match action {
            Action::Replay { .. } => Self::Replayed(Replayed::Unknown),
            Action::Cancel { .. } => Self::Cancelled(Cancelled::NotPending),
            Action::Dead { .. } => Self::Dead(DeadPage::default()),
            Action::Clear { .. } => Self::Cleared(Cleared::default()),
        }
    }
}

/// What came of sending an event again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It is due now, as a new delivery of the same event; one that waited for a retry is replaced
    /// by it.
    Due,
    /// It was not sent yet, and will be.
    Pending,
    /// It is being sent.
    UnderWay,
    /// There is no such webhook, or the event is deleted.
    Unknown,
}

/// What came of calling a delivery off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be sent.
    Done,
    /// It is being sent.
    UnderWay,
    /// It has come to its end, or is not for this webhook.
    NotPending,
    /// So many were called off that have not come up yet that no more can be.
    TooMany,
}

/// Some dead letters, by the place of their events.
#[derive(Debug, Clone, Default)]
pub struct DeadPage {
    /// In the order of their events.
    pub letters: Vec<Dead>,
    /// Behind which to go on; None at the end.
    pub next: Option<u64>,
}

/// A dead letter and what it is about.
#[derive(Debug, Clone)]
pub struct Dead {
    /// Place of its event.
    pub seq: u64,
    /// The event; None when it is deleted, and cannot be sent again.
    pub event: Option<Arc<Parcel>>,
    /// What became of it.
    pub letter: DeadLetter,
}

/// How a webhook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What holds its deliveries back, if anything does.
    pub health: Health,
    /// Events that it has not been asked about yet, of which it may not want all.
    pub backlog: u64,
    /// What became of the events that it was asked about, since the start.
    pub tally: Tally,
}

/// How many dead letters were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// So many.
    pub count: usize,
    /// There may be more behind that one: ask again.
    pub next: Option<u64>,
}
