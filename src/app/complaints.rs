//! What a webhook's operator hears of its attempts: each change at once, and what goes on being so
//! once a minute with a count, however many attempts there are.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::fate::words;
use crate::{
    config::Webhook,
    deliver::AttemptReport,
    queue::delivery::{Claim, Fate},
};

/// Between two words about the same trouble.
const REPEAT_AFTER: Duration = Duration::from_mins(1);

/// The trouble of one webhook.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failed attempts since the last success.
    failures: u64,
    /// When the last word was said about one that will be tried again.
    said: Option<Instant>,
    /// When the last word was said about one that ended a delivery.
    said_ended: Option<Instant>,
}

impl Complaints {
    /// Says what became of an attempt, if it is news.
    pub(super) fn tell(
        &self,
        webhook: &Webhook,
        claim: &Claim,
        report: &AttemptReport,
        fate: &Fate,
    ) {
        let (webhook, event) = (&webhook.name, claim.event.id);
        let (attempt, elapsed_ms) = (report.number, report.elapsed.as_millis());
        let error = words(report);
        if *fate == Fate::Delivered {
            tracing::debug!(webhook, %event, attempt, elapsed_ms, "delivered");
            if let Some(failures) = self.succeeded() {
                tracing::info!(webhook, failures, "deliveries succeed again");
            }
            return;
        }
        let Some(failures) = self.failed(matches!(fate, Fate::Ended(_))) else {
            tracing::debug!(webhook, %event, attempt, elapsed_ms, error, "delivery failed");
            return;
        };
        if let Fate::Ended(letter) = fate {
            let state = letter.state.name();
            tracing::error!(webhook, %event, attempt, failures, state, error, "delivery ended badly");
        } else {
            tracing::warn!(webhook, %event, attempt, failures, error, "delivery failed for now");
        }
    }

    /// Counts a failure; gives the count when it is time to say so.
    fn failed(&self, ended: bool) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures += 1;
        let failures = state.failures;
        let said = if ended { &mut state.said_ended } else { &mut state.said };
        let now = Instant::now();
        let is_news = said.is_none_or(|said| now - said >= REPEAT_AFTER);
        if is_news {
            *said = Some(now);
        }
        is_news.then_some(failures)
    }

    /// Forgets the failures; gives how many there were, if any.
    fn succeeded(&self) -> Option<u64> {
        let state = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Some(state.failures).filter(|&failures| failures > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lasting_trouble_is_told_at_once_and_then_once_a_minute() {
        let complaints = Complaints::default();
        assert_eq!(complaints.failed(false), Some(1));
        assert_eq!(complaints.failed(false), None);
        assert_eq!(complaints.failed(true), Some(3), "an end is news of its own");
        tokio::time::advance(REPEAT_AFTER).await;
        assert_eq!(complaints.failed(false), Some(4));
        assert_eq!(complaints.succeeded(), Some(4));
        assert_eq!(complaints.succeeded(), None);
        assert_eq!(complaints.failed(false), Some(1));
    }
}
