//! How much is not read yet, and a word to the operator when reading takes long.

use std::time::Duration;

use jiff::Timestamp;

use super::tail::Tail;

/// Time between two words, and before the first.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// What waits for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backlog {
    /// Bytes not read yet; of an archive those that are stored.
    pub(super) unread_bytes: u64,
    /// Disk space of deleted files that are still held open.
    pub(super) pinned_bytes: u64,
}

/// Decides when to say how late the source is.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// When the round began, or something was last said.
    since: Option<Timestamp>,
    was_said: bool,
}

impl Backlog {
    /// Adds what an open file holds. What cannot be asked adds nothing.
    pub(super) fn add(&mut self, tail: &Tail) {
        let (unread, pinned) = tail.backlog().unwrap_or_default();
        self.unread_bytes += unread;
        self.pinned_bytes += pinned;
    }
}

impl Lateness {
    /// After each batch of a round: it is time to say something.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let since = *self.since.get_or_insert(now);
        if now >= since && now.duration_since(since).unsigned_abs() < SAY_EVERY {
            return false;
        }
        self.since = Some(now);
        self.was_said |= now >= since;
        now >= since
    }

    /// A round is over. True when lateness was said before, and is over now.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(self).was_said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn row_36_a_round_that_takes_minutes_says_so_once_a_minute_and_when_it_is_over() {
        let mut lateness = Lateness::default();
        let said: Vec<_> = (0..200).filter(|&second| lateness.is_due(at(second))).collect();
        assert_eq!(said, [60, 120, 180]);
        assert!(lateness.end());
        assert!(!lateness.end());
    }

    #[test]
    fn row_36_a_short_round_says_nothing_whatever_the_clock_does() {
        let mut lateness = Lateness::default();
        assert!(![5, 20, 1, 50, 2].into_iter().any(|second| lateness.is_due(at(second))));
        assert!(!lateness.end());
        assert!(!lateness.is_due(at(1_000)));
    }
}
