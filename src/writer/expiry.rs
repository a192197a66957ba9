//! Deliveries that one webhook never got because they had waited for too long: counted, and said
//! once a minute. Those of operational events are in the log only, or what is told of them would
//! expire and be told of in turn.

use crate::event::Parcel;

/// Between two words about it.
const SAY_EVERY_MS: u64 = 60_000;

/// The count of one webhook, since the start.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    total: u64,
    said: u64,
    /// Of operational events, since something was said.
    own: u64,
    said_ms: Option<u64>,
}

impl Expiry {
    /// Counts a delivery, if it is one.
    pub(super) fn count(&mut self, is_delivery: bool) {
        self.total += u64::from(is_delivery);
    }

    /// Counts a delivery of an event, as far as that is known.
    pub(super) fn count_of(&mut self, event: Option<&Parcel>) {
        self.count(true);
        self.own += u64::from(event.is_some_and(|event| event.head().kind.is_operational()));
    }

    /// All that were counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Says what is new, unless something was said a moment ago. Gives how many are to be told.
    pub(super) fn announce(&mut self, webhook: &str, now_ms: u64) -> Option<u64> {
        let is_early = self.said_ms.is_some_and(|said| now_ms.abs_diff(said) < SAY_EVERY_MS);
        if self.total == self.said || is_early {
            return None;
        }
        let (expired, total) = (self.total - self.said, self.total);
        tracing::error!(webhook, expired, total, "deliveries waited for too long and are given up");
        (self.said, self.said_ms) = (self.total, Some(now_ms));
        let told = expired.saturating_sub(std::mem::take(&mut self.own));
        (told > 0).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_said_once_a_minute() {
        let mut expiry = Expiry::default();
        let mut said = Vec::new();
        for (now_ms, count) in [(5, 0), (10, 2), (20, 3), (60_009, 0), (60_010, 0), (60_020, 0)] {
            (0..count).for_each(|_| expiry.count(true));
            said.push(expiry.announce("x", now_ms).unwrap_or(0));
        }
        assert_eq!(said, [0, 2, 0, 0, 3, 0]);
    }
}
