//! How a source is, for those who look at it from outside.

use jiff::Timestamp;
use tokio::sync::watch;

use super::{file::Tally, milter};

/// Where a source tells how it is.
pub type HealthSender = watch::Sender<Health>;

/// How a source is. It tells through a watch channel, at each look at its logs and with each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Bytes that are there and not handed out yet, half lines and NULs at the end among them; of an
    /// archive those that are stored. A journal does not tell: 0.
    pub lag_bytes: u64,
    /// Since when there has always been something to read; None when all was read at the last look.
    pub behind_since: Option<Timestamp>,
    /// When the latest look began after which all that was there is with the writer. None of a source
    /// that does not look but is told.
    pub read_at: Option<Timestamp>,
    /// Disk space of deleted files that are still held open.
    pub pinned_bytes: u64,
    /// What there was at its very first start is marked as its `start` rule says, or will be as soon
    /// as it may be looked at: whatever is logged from now on is read.
    pub has_begun: bool,
    /// There is no log yet.
    pub is_waiting: bool,
    /// Logs that are there and that the system does not let us read now.
    pub refused: usize,
    /// What a source of files has done since it started; nothing of any other.
    pub tally: Tally,
    /// Times that a journal had deleted the entry that was read last, since the source started.
    pub gaps: u64,
    /// What a milter has done since it started.
    pub milter: milter::Tally,
}

impl Health {
    /// How long it has been behind.
    #[must_use]
    pub fn lag_seconds(&self, now: Timestamp) -> u64 {
        let lag = self.behind_since.map_or(0, |since| now.as_second() - since.as_second());
        // The clock may have stepped back.
        u64::try_from(lag).unwrap_or(0)
    }

    /// Whatever was logged before `at` is with the writer.
    pub(crate) fn has_read(&self, at: Timestamp) -> bool {
        match self.read_at {
            Some(read_at) => read_at >= at,
            None => self.has_begun && self.behind_since.is_none(),
        }
    }

    /// All is read.
    pub(crate) fn catch_up(&mut self) {
        self.behind_since = None;
        self.refused = 0;
    }

    /// There is something to read.
    pub(crate) fn fall_behind(&mut self, now: Timestamp) {
        self.behind_since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_counts_from_when_it_began_and_a_clock_that_steps_back_makes_it_none() {
        let at = |second| Timestamp::constant(second, 0);
        let mut health = Health::default();
        assert_eq!(health.lag_seconds(at(1_000)), 0);
        health.fall_behind(at(1_000));
        health.fall_behind(at(1_050));
        assert_eq!(health.lag_seconds(at(1_060)), 60);
        assert_eq!(health.lag_seconds(at(900)), 0);
    }
}
