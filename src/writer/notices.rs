//! What an operator hears of endpoints, deliveries and the store: a line in the log, and an
//! operational event for webhooks that subscribe to it (webhooks.md §2.8).
//!
//! Loops are impossible: nothing is told about the deliveries of operational events, and of each
//! type only so many an hour become events.

use std::collections::BTreeMap;

use crate::{
    event::{Event, EventData, EventId, EventType, Notice, TimeQuality},
    queue::{
        delivery::{Claim, DeadLetter, EndState},
        endpoint::{Change, DisabledReason},
    },
};

use super::Resume;

/// Events of one type in one hour.
const AN_HOUR: u32 = 60;
const HOUR_MS: u64 = 3_600_000;

/// What is to be told with the next commit.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: Vec<(EventType, Notice)>,
    /// The hour, and how many of each type were told in it.
    hour: u64,
    told: BTreeMap<&'static str, u32>,
}

impl Notices {
    /// Tells of something; the log line is the caller's.
    pub(super) fn push(&mut self, kind: EventType, notice: Notice, now_ms: u64) {
        let hour = now_ms / HOUR_MS;
        if hour != self.hour {
            (self.hour, self.told) = (hour, BTreeMap::new());
        }
        let told = self.told.entry(kind.name()).or_default();
        *told = told.saturating_add(1);
        match *told {
            ..=AN_HOUR => self.waiting.push((kind, notice)),
            told if told == AN_HOUR + 1 => {
                let kind = kind.name();
                tracing::warn!(kind, "too many operational events in this hour; the log has all");
            }
            _ => {}
        }
    }

    /// There is nothing to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is to be told now.
    pub(super) fn take(&mut self) -> Vec<(EventType, Notice)> {
        std::mem::take(&mut self.waiting)
    }

    /// Something changed with the endpoint of a webhook. Nothing is said of a failure if it is that
    /// of an operational event.
    pub(super) fn changed(&mut self, webhook: &str, change: Change, is_own: bool, now_ms: u64) {
        let about = Notice::about(webhook);
        match change {
            Change::Failing { attempts } => {
                tracing::warn!(webhook, attempts, "a webhook fails again and again");
                if !is_own {
                    let notice = Notice { attempts: Some(attempts), ..about };
                    self.push(EventType::EndpointFailing, notice, now_ms);
                }
            }
            Change::Redirected => {
                let hint = "redirects are never followed: set its url to where it leads";
                tracing::warn!(webhook, hint, "a webhook redirects");
                if !is_own {
                    let reason = Some("redirect".to_owned());
                    let notice = Notice { reason, attempts: Some(1), ..about };
                    self.push(EventType::EndpointFailing, notice, now_ms);
                }
            }
            Change::Recovered { attempts } => {
                tracing::info!(webhook, attempts, "a webhook recovered");
                if !is_own {
                    let notice = Notice { attempts: Some(attempts), ..about };
                    self.push(EventType::EndpointRecovered, notice, now_ms);
                }
            }
            Change::Disabled(reason) => self.disabled(webhook, reason, now_ms),
            Change::Opened => {
                tracing::warn!(webhook, "a webhook is down and much waits: only probes are sent");
            }
            Change::Closed => {
                tracing::info!(webhook, "a webhook answers again: what waits is sent");
            }
        }
    }

    /// A webhook is disabled.
    pub(super) fn disabled(&mut self, webhook: &str, reason: DisabledReason, now_ms: u64) {
        let reason = reason.name();
        tracing::error!(webhook, reason, "a webhook is disabled; its events wait");
        let notice = Notice { reason: Some(reason.to_owned()), ..Notice::about(webhook) };
        self.push(EventType::EndpointDisabled, notice, now_ms);
    }

    /// Somebody enabled a webhook.
    pub(super) fn enabled(&mut self, webhook: &str, resume: Resume, now_ms: u64) {
        tracing::info!(webhook, ?resume, "a webhook is enabled");
        self.push(EventType::EndpointEnabled, Notice::about(webhook), now_ms);
    }

    /// A delivery ended badly; the log line is the sender's.
    pub(super) fn ended(&mut self, webhook: &str, claim: &Claim, letter: &DeadLetter, now_ms: u64) {
        let kind = match letter.state {
            EndState::Dead => EventType::DeliveryDead,
            EndState::Discarded | EndState::Blocked | EndState::Cancelled => {
                EventType::DeliveryDiscarded
            }
        };
        let notice = Notice {
            event: Some(claim.event.head().id),
            reason: Some(letter.state.name().to_owned()),
            error: Some(letter.last_error.clone()),
            attempts: Some(u64::from(letter.attempts)),
            ..Notice::about(webhook)
        };
        self.push(kind, notice, now_ms);
    }

    /// So many dead letters lie there.
    pub(super) fn dead_letters(&mut self, webhook: &str, count: u64, now_ms: u64) {
        tracing::error!(webhook, count, "dead letters pile up");
        let notice = Notice { count: Some(count), ..Notice::about(webhook) };
        self.push(EventType::DlqThreshold, notice, now_ms);
    }

    /// Deliveries were given up because they had waited for too long; the log line is said.
    pub(super) fn expired(&mut self, webhook: &str, count: u64, now_ms: u64) {
        let notice = Notice { count: Some(count), ..Notice::about(webhook) };
        self.push(EventType::DeliveryExpired, notice, now_ms);
    }
}

/// The operational event, to be stored under `seq`.
pub(super) fn event(kind: EventType, notice: Notice, at_us: i64, seq: u64) -> Event {
    let parts =
        [b"v1".as_slice(), kind.name().as_bytes(), &at_us.to_be_bytes(), &seq.to_be_bytes()];
    Event {
        id: EventId::of(&parts),
        kind,
        at_us,
        time_quality: TimeQuality::Exact,
        data: Box::new(EventData { notice: Some(Box::new(notice)), ..EventData::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_type_sixty_an_hour_are_told() {
        let mut notices = Notices::default();
        for now_ms in 0..100 {
            notices.disabled("a", DisabledReason::Operator, now_ms);
        }
        notices.enabled("a", Resume::Replay, 100);
        assert_eq!(notices.take().len(), 61);
        notices.disabled("a", DisabledReason::Operator, HOUR_MS);
        assert_eq!(notices.take().len(), 1, "another hour");
    }
}
