//! Wall time that does not go back while the program runs.
//!
//! Retries are due at a wall time, because a restart must find them. When the wall clock is set
//! back, they would be late by the whole step; on this scale they are due after what was left of
//! their wait. When it is set forward, the scale follows: a delivery that has waited in truth is due.

use tokio::time::Instant;

use super::millis;
use crate::clock::Clock;

/// The scale.
#[derive(Debug)]
pub(super) struct Steady {
    last_ms: u64,
    at: Instant,
}

/// A moment on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Milliseconds since the epoch, by the scale.
    pub(super) ms: u64,
    /// How far that is ahead of the wall clock, milliseconds.
    ahead_ms: u64,
}

impl Steady {
    /// Begins with the wall clock.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self { last_ms: millis(clock.now()), at: clock.instant() }
    }

    /// Now.
    pub(super) fn now(&mut self, clock: &dyn Clock) -> Moment {
        let (wall_ms, at) = (millis(clock.now()), clock.instant());
        let elapsed = at.saturating_duration_since(self.at).as_millis();
        let least_ms = self.last_ms.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX));
        let ms = wall_ms.max(least_ms);
        // Only whole milliseconds are counted, so the rest must stay to be counted later.
        if ms > self.last_ms {
            (self.last_ms, self.at) = (ms, at);
        }
        Moment { ms, ahead_ms: ms - wall_ms }
    }
}

impl Moment {
    /// The same instant on the scale as `wall_ms` by the wall clock.
    pub(super) fn of_wall(self, wall_ms: u64) -> u64 {
        wall_ms.saturating_add(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    /// Wall and elapsed milliseconds, as the test says.
    #[derive(Debug)]
    struct Times(i64, u64, Instant);

    impl Clock for Times {
        fn now(&self) -> Timestamp {
            Timestamp::from_millisecond(self.0).unwrap_or_default()
        }

        fn instant(&self) -> Instant {
            self.2 + Duration::from_millis(self.1)
        }
    }

    #[test]
    fn a_step_back_does_not_stop_the_time_and_a_step_forward_is_followed() {
        let start = Instant::now();
        let mut steady = Steady::new(&Times(1000, 0, start));
        let mut at = |wall, elapsed| {
            let moment = steady.now(&Times(wall, elapsed, start));
            (moment.ms, moment.of_wall(0))
        };
        assert_eq!(at(1500, 500), (1500, 0));
        assert_eq!(at(200, 700), (1700, 1500), "1.5 s back");
        assert_eq!(at(300, 800), (1800, 1500));
        assert_eq!(at(5000, 900), (5000, 0), "and far forward");
        assert_eq!(at(4000, 950), (5050, 1050));
    }
}
