//! What is known of one endpoint from the attempts to reach it, and what that means for the next
//! ones (webhooks.md §2.2): holds, the circuit breaker, disabling, the slow start.
//!
//! Pure: the caller says what time it is, in milliseconds on a scale that does not go back, and
//! keeps the [`Health`] in the store whenever it changed. Which delivery goes next is not decided
//! here, only whether one may.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{outcome::Outcome, pace::Pace, policy::Policy, schedule::RETRY_AFTER_MAX};
use crate::clock::millis_of;

/// Deliveries that wait, from which on a circuit may open.
pub const BACKLOG: usize = 100;
/// Failures to reach the receiver, one after the other, that open a circuit.
const DOWN: u32 = 5;
/// Until the first probe; each failed one doubles it.
const PROBE_MS: u64 = 30_000;
/// Between two probes at most.
const PROBE_MAX_MS: u64 = 600_000;
/// Failed attempts, one after the other, that are worth a word.
const FAILING: u64 = 4;
/// An endpoint that only fails is disabled after this time.
const DISABLED_AFTER_MS: u64 = 5 * 24 * 3_600_000;
/// If the first and the last failure lie at least that far apart: a few failures with days of
/// silence between them prove nothing.
const FAILED_FOR_MS: u64 = 12 * 3_600_000;

/// One endpoint.
#[derive(Debug, Default)]
pub struct Endpoint {
    health: Health,
    pace: Pace,
    is_changed: bool,
}

/// What survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Nothing is sent, and why.
    pub disabled: Option<Disabled>,
    /// Since the last success there were only failures.
    pub failing: Option<Failing>,
    /// The receiver wants to be left alone until then.
    pub held_until_ms: u64,
    /// Whether deliveries go out.
    pub circuit: Circuit,
}

/// Why nothing is sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// The reason.
    pub reason: DisabledReason,
    /// Since when.
    pub since_ms: u64,
}

/// Who or what disabled an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisabledReason {
    /// It failed for days.
    Failing,
    /// It said that it is gone (410).
    Gone,
    /// A person.
    Operator,
}

impl DisabledReason {
    /// One word, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Gone => "gone",
            Self::Operator => "operator",
        }
    }
}

/// Failures without a success between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The first one.
    pub since_ms: u64,
    /// The last one.
    pub last_ms: u64,
    /// How many.
    pub attempts: u64,
    /// How many of them, the last ones without another between, did not reach the receiver or
    /// found it broken.
    pub down: u32,
}

/// The circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Circuit {
    /// Deliveries go out.
    #[default]
    Closed,
    /// None does but a probe now and then.
    Open {
        /// Probes that failed.
        probes: u32,
        /// When the next one is due.
        probe_at_ms: u64,
    },
}

/// Whether deliveries may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// So many at most.
    Open(usize),
    /// The oldest one, to see how the receiver is.
    Probe,
    /// None for a moment: the pace forbids it.
    Paced {
        /// Until then.
        until_ms: u64,
    },
    /// None.
    Shut {
        /// Until then; None until somebody enables it.
        until_ms: Option<u64>,
    },
}

/// What an attempt says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// How it answered.
    pub signal: Signal,
    /// It wants to be left alone for so long; zero if it did not say so.
    pub hold: Duration,
    /// It says that it will never take anything again.
    pub gone: bool,
    /// It says that it is somewhere else.
    pub moved: bool,
}

/// How an endpoint answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It took the event.
    Took,
    /// It is there, and did not take it.
    Refused,
    /// No answer, or one that says that it is broken (5xx).
    Down,
    /// It was not asked.
    Unsent,
}

impl Sighting {
    /// From what came of an attempt; `status` is that of the answer, if there was one.
    #[must_use]
    pub fn of(outcome: Outcome, status: Option<u16>, gone: bool) -> Self {
        let signal = match (outcome, status) {
            (Outcome::Delivered, _) => Signal::Took,
            (_, Some(500..=599)) | (Outcome::Retry { .. }, None) => Signal::Down,
            (_, Some(_)) => Signal::Refused,
            (Outcome::Discarded | Outcome::Blocked, None) => Signal::Unsent,
        };
        let hold = match outcome {
            Outcome::Retry { not_before, hold: true } => not_before,
            _ => Duration::ZERO,
        };
        let moved = matches!(status, Some(300..=399));
        Self { signal, hold, gone, moved }
    }
}

/// What changed with an endpoint, for whoever wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It fails again and again.
    Failing {
        /// Attempts so far.
        attempts: u64,
    },
    /// It sends us elsewhere, where we do not go.
    Redirected,
    /// It takes events again.
    Recovered {
        /// Attempts that failed before.
        attempts: u64,
    },
    /// Nothing is sent to it any more.
    Disabled(DisabledReason),
    /// Its circuit opened: much waits for it, and it cannot be reached.
    Opened,
    /// Its circuit closed: the backlog goes out, slowly at first.
    Closed,
}

impl Endpoint {
    /// Goes on with what was stored, if anything was. Times that a clock gone wrong has left behind
    /// are brought back into bounds.
    #[must_use]
    pub fn new(stored: Option<Health>, policy: &Policy, now_ms: u64) -> Self {
        let mut health = stored.unwrap_or_default();
        let longest = millis_of(RETRY_AFTER_MAX);
        health.held_until_ms = health.held_until_ms.min(now_ms.saturating_add(longest));
        if let Circuit::Open { probe_at_ms, .. } = &mut health.circuit {
            *probe_at_ms = (*probe_at_ms).min(now_ms.saturating_add(PROBE_MAX_MS));
        }
        if let Some(failing) = &mut health.failing {
            failing.since_ms = failing.since_ms.min(now_ms);
            failing.last_ms = failing.last_ms.min(now_ms);
        }
        if !policy.circuit {
            health.circuit = Circuit::Closed;
        }
        Self { health, pace: Pace::new(policy.rate), is_changed: false }
    }

    /// Goes on by another policy. One that `is_elsewhere` now has none of the failures of the place
    /// before; whether it is disabled is another matter.
    pub fn follow(&mut self, policy: &Policy, is_elsewhere: bool, now_ms: u64) {
        let mut health = std::mem::take(&mut self.health);
        if is_elsewhere {
            health = Health { disabled: health.disabled, ..Health::default() };
        }
        let is_changed = self.is_changed || is_elsewhere;
        *self = Self { is_changed, ..Self::new(Some(health), policy, now_ms) };
    }

    /// What is to be stored, if it changed since this was last asked.
    pub fn changed(&mut self) -> Option<&Health> {
        std::mem::take(&mut self.is_changed).then_some(&self.health)
    }

    /// What is known.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether deliveries may go out now.
    pub fn gate(&mut self, now_ms: u64) -> Gate {
        if self.health.disabled.is_some() {
            return Gate::Shut { until_ms: None };
        }
        if now_ms < self.health.held_until_ms {
            return Gate::Shut { until_ms: Some(self.health.held_until_ms) };
        }
        match self.health.circuit {
            Circuit::Open { probe_at_ms, .. } if now_ms < probe_at_ms => {
                Gate::Shut { until_ms: Some(probe_at_ms) }
            }
            Circuit::Open { .. } => Gate::Probe,
            Circuit::Closed => match self.pace.allowed(now_ms) {
                Some(0) => Gate::Paced { until_ms: self.pace.next_ms() },
                Some(allowed) => Gate::Open(allowed),
                None => Gate::Open(usize::MAX),
            },
        }
    }

    /// No delivery may be begun now that was handed out before.
    #[must_use]
    pub fn is_shut(&self, now_ms: u64) -> bool {
        self.health.disabled.is_some()
            || now_ms < self.health.held_until_ms
            || self.health.circuit != Circuit::Closed
    }

    /// It does not pay to hand out more than can be begun at once.
    #[must_use]
    pub fn is_careful(&self) -> bool {
        self.pace.is_limited() || self.health.failing.is_some()
    }

    /// So many attempts begin.
    pub fn sent(&mut self, count: usize) {
        self.pace.spend(count);
    }

    /// So many did not begin after all.
    pub fn gave_back(&mut self, count: usize) {
        self.pace.refund(count);
    }

    /// Begins slowly: the endpoint, or this program, was away.
    pub fn start_slowly(&mut self, now_ms: u64) {
        self.pace.start_slowly(now_ms);
    }

    /// Notes what an attempt says about it, and gives what that changes.
    pub fn saw(&mut self, sighting: Sighting, is_probe: bool, now_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        match sighting.signal {
            Signal::Took => self.took(now_ms, &mut changes),
            Signal::Refused | Signal::Down => self.failed(sighting.signal, now_ms, &mut changes),
            Signal::Unsent => {}
        }
        // A receiver that was right before is not wrong at every attempt.
        if sighting.moved && self.health.failing.is_some_and(|failing| failing.attempts == 1) {
            changes.push(Change::Redirected);
        }
        if is_probe && sighting.signal == Signal::Down {
            self.probe_failed(now_ms);
        }
        let held_until_ms = now_ms.saturating_add(millis_of(sighting.hold.min(RETRY_AFTER_MAX)));
        if !sighting.hold.is_zero() && self.health.held_until_ms < held_until_ms {
            self.health.held_until_ms = held_until_ms;
            self.is_changed = true;
        }
        if sighting.gone && self.disable(DisabledReason::Gone, now_ms) {
            changes.push(Change::Disabled(DisabledReason::Gone));
        }
        changes
    }

    /// It has failed often enough for its circuit to open, if much waits for it.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.health.circuit == Circuit::Closed
            && self.health.failing.is_some_and(|failing| failing.down >= DOWN)
    }

    /// Opens the circuit.
    pub fn open(&mut self, now_ms: u64) {
        self.health.circuit =
            Circuit::Open { probes: 0, probe_at_ms: now_ms.saturating_add(PROBE_MS) };
        self.is_changed = true;
    }

    /// Sends nothing from now on. False if that was so before.
    pub fn disable(&mut self, reason: DisabledReason, now_ms: u64) -> bool {
        if self.health.disabled.is_some() {
            return false;
        }
        self.health.disabled = Some(Disabled { reason, since_ms: now_ms });
        self.is_changed = true;
        true
    }

    /// Sends again, slowly at first, as if nothing had ever failed. False if it was not disabled.
    pub fn enable(&mut self, now_ms: u64) -> bool {
        if self.health.disabled.is_none() {
            return false;
        }
        self.health = Health::default();
        self.is_changed = true;
        self.start_slowly(now_ms);
        true
    }

    fn took(&mut self, now_ms: u64, changes: &mut Vec<Change>) {
        self.close(now_ms, changes);
        if let Some(Failing { attempts, .. }) = self.health.failing.take() {
            self.is_changed = true;
            if attempts >= FAILING {
                changes.push(Change::Recovered { attempts });
            }
        }
    }

    fn failed(&mut self, signal: Signal, now_ms: u64, changes: &mut Vec<Change>) {
        self.pace.failed(now_ms);
        self.is_changed = true;
        let first = Failing { since_ms: now_ms, last_ms: now_ms, attempts: 0, down: 0 };
        let before = self.health.failing.unwrap_or(first);
        let attempts = before.attempts.saturating_add(1);
        let down = if signal == Signal::Down { before.down.saturating_add(1) } else { 0 };
        self.health.failing = Some(Failing { last_ms: now_ms, attempts, down, ..before });
        if signal == Signal::Refused {
            self.close(now_ms, changes);
        }
        if attempts == FAILING {
            changes.push(Change::Failing { attempts });
        }
        // By the failure before this one: two with five days of silence between them prove nothing.
        let lasted_ms = before.last_ms.saturating_sub(before.since_ms);
        if now_ms.saturating_sub(before.since_ms) >= DISABLED_AFTER_MS
            && lasted_ms >= FAILED_FOR_MS
            && self.disable(DisabledReason::Failing, now_ms)
        {
            changes.push(Change::Disabled(DisabledReason::Failing));
        }
    }

    /// The receiver is there.
    fn close(&mut self, now_ms: u64, changes: &mut Vec<Change>) {
        if self.health.circuit != Circuit::Closed {
            self.health.circuit = Circuit::Closed;
            self.is_changed = true;
            self.start_slowly(now_ms);
            changes.push(Change::Closed);
        }
    }

    fn probe_failed(&mut self, now_ms: u64) {
        if let Circuit::Open { probes, probe_at_ms } = &mut self.health.circuit {
            *probes = probes.saturating_add(1);
            // Five doublings are beyond the longest wait.
            let wait = (PROBE_MS << (*probes).min(5)).min(PROBE_MAX_MS);
            *probe_at_ms = now_ms.saturating_add(wait);
        }
    }
}

#[cfg(test)]
mod tests;
