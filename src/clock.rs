//! Wall time behind a trait, so that tests own it.
//!
//! Waiting is tokio's business (`tokio::time`, which tests pause); this is only for "what time
//! is it". Nothing else in the crate may ask the system (see `.clippy.toml`).

use std::{fmt::Debug, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells wall time.
pub trait Clock: Debug + Send + Sync {
    /// Now, by the system's clock. May step in either direction.
    fn now(&self) -> Timestamp;

    /// Now, on a scale that neither steps nor goes back, and ends with the process.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock handed from room to room.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Milliseconds since the epoch; 0 before it.
#[must_use]
pub fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// Milliseconds of a length of time.
#[must_use]
pub fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The machine's clock, ready to share.
#[must_use]
pub fn system() -> SharedClock {
    Arc::new(SystemClock)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Clock, Instant, Timestamp};

    /// Goes with tokio's time, which tests pause, from the epoch on.
    #[derive(Debug)]
    pub(crate) struct PausedClock(Instant);

    impl PausedClock {
        /// At the epoch.
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }
    }

    impl Clock for PausedClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.0.elapsed()
        }
    }
}
