//! Spreads attempts over time, over all webhooks.

use std::{num::NonZeroU32, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Interval, MissedTickBehavior},
};

/// A rate of attempts.
#[derive(Debug)]
pub(in crate::app) struct Pace(Mutex<Interval>);

impl Pace {
    /// So many attempts a second at most, evenly. A pause is not made up for by a burst.
    pub(in crate::app) fn new(rate: NonZeroU32) -> Self {
        let period = Duration::from_secs(1) / rate.get();
        // A rate beyond one in a nanosecond is none, but an interval of zero is a panic.
        let mut interval = tokio::time::interval(period.max(Duration::from_nanos(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Mutex::new(interval))
    }

    /// Waits for the next turn.
    pub(super) async fn wait(&self) {
        self.0.lock().await.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_by_a_burst() {
        let pace = Pace::new(NonZeroU32::MIN.saturating_add(1));
        pace.wait().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        pace.wait().await;
        let before = tokio::time::Instant::now();
        for _ in 0..4 {
            pace.wait().await;
        }
        assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    }

    #[tokio::test]
    async fn the_highest_rate_is_no_panic() {
        Pace::new(NonZeroU32::MAX).wait().await;
    }
}
