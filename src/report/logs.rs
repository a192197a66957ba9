//! How far the logs are read. A report may come before the lines are read that tell of its message:
//! after a start, after trouble with a log, or a moment after they were written.

use std::{pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    limits::{REPORT_LOGS_LATE, REPORTS_PATIENT},
    source::Health,
};

/// As long as it takes to look at the logs. A wait beyond that is said.
const LOOK: Duration = Duration::from_secs(2);

/// Tells whether what was logged so far is with the writer.
#[derive(Debug, Clone)]
pub struct Logs {
    sources: Arc<[watch::Receiver<Health>]>,
    clock: SharedClock,
    stop: CancellationToken,
    /// For those who wait.
    places: Arc<Semaphore>,
}

impl Logs {
    /// Of these sources, for as long as nobody is to stop.
    #[must_use]
    pub fn new(
        sources: impl IntoIterator<Item = watch::Receiver<Health>>,
        clock: SharedClock,
        stop: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(REPORTS_PATIENT));
        Self { sources: sources.into_iter().collect(), clock, stop, places }
    }

    /// Waits until all is handed to the writer that stands in the logs now. False when `patience` ends
    /// before, when too many wait already, and when everything is to stop.
    pub(super) async fn read_up_to_now(&self, patience: Duration) -> bool {
        let Ok(_place) = self.places.try_acquire() else { return false };
        let now = self.clock.now();
        let is_read = self.stop.run_until_cancelled(self.read_up_to(now, patience)).await;
        is_read.unwrap_or(false)
    }

    async fn read_up_to(&self, at: Timestamp, patience: Duration) -> bool {
        let mut all = pin!(self.all_read(at));
        if timeout(LOOK.min(patience), &mut all).await.is_ok() {
            return true;
        }
        tracing::info!(
            "the message of a report is not known yet: it waits for the logs to be read"
        );
        timeout(patience.saturating_sub(LOOK), all).await.is_ok()
    }

    async fn all_read(&self, at: Timestamp) {
        for source in &*self.sources {
            let is_read = |health: &Health| health.has_read(at) || is_hopeless(health, at);
            // One that has ended reads nothing any more.
            source.clone().wait_for(is_read).await.ok();
        }
    }
}

/// Nobody knows when it will be read.
fn is_hopeless(health: &Health, now: Timestamp) -> bool {
    health.refused > 0 || health.lag_seconds(now) >= REPORT_LOGS_LATE.as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::sync::watch::Sender;

    use super::*;
    use crate::clock::{Clock, testing::PausedClock};

    const MINUTE: Duration = Duration::from_mins(1);

    fn logs(clock: &Arc<PausedClock>) -> (Sender<Health>, Logs, CancellationToken) {
        let (telling, told) = watch::channel(Health::default());
        let (shared, stop): (SharedClock, _) = (Arc::clone(clock) as _, CancellationToken::new());
        (telling, Logs::new([told], shared, stop.clone()), stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_began_before_the_report_came_does_not_count() {
        let clock = Arc::new(PausedClock::start());
        let (telling, logs, _stop) = logs(&clock);
        let before = clock.now();
        let looked = |at| Health { has_begun: true, read_at: Some(at), ..Health::default() };
        telling.send_replace(looked(before));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!logs.read_up_to_now(MINUTE).await);
        telling.send_replace(looked(clock.now()));
        assert!(logs.read_up_to_now(MINUTE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_without_looks_counts_as_read_once_it_has_caught_up() {
        let clock = Arc::new(PausedClock::start());
        let (telling, logs, _stop) = logs(&clock);
        assert!(!logs.read_up_to_now(MINUTE).await, "it has not begun");
        let behind =
            Health { behind_since: Some(clock.now()), has_begun: true, ..Health::default() };
        telling.send_replace(behind);
        let waiting = tokio::spawn({
            let logs = logs.clone();
            async move { logs.read_up_to_now(MINUTE).await }
        });
        tokio::time::sleep(MINUTE / 2).await;
        assert!(!waiting.is_finished());
        telling.send_modify(Health::catch_up);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_knows_the_end_of_is_not_waited_for() {
        let clock = Arc::new(PausedClock::start());
        let (telling, logs, _stop) = logs(&clock);
        telling.send_replace(Health { refused: 1, ..Health::default() });
        assert!(logs.read_up_to_now(MINUTE).await);
        let behind = Health { behind_since: Some(clock.now()), ..Health::default() };
        telling.send_replace(behind);
        assert!(!logs.read_up_to_now(MINUTE).await);
        tokio::time::advance(REPORT_LOGS_LATE).await;
        assert!(logs.read_up_to_now(MINUTE).await);
        drop(telling);
        assert!(logs.read_up_to_now(MINUTE).await, "nothing comes of one that has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_stop_nor_a_crowd_is_held_up() {
        let clock = Arc::new(PausedClock::start());
        let (_telling, logs, stop) = logs(&clock);
        let wait = || {
            let logs = logs.clone();
            tokio::spawn(async move { logs.read_up_to_now(MINUTE).await })
        };
        let waiting: Vec<_> = (0..REPORTS_PATIENT).map(|_| wait()).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = clock.now();
        assert!(!logs.read_up_to_now(MINUTE).await, "so many wait already");
        stop.cancel();
        for one in waiting {
            assert!(!one.await.unwrap());
        }
        assert_eq!(clock.now(), before);
    }
}
