//! How many attempts may begin now: a token bucket for a configured rate, and the slow start.
//!
//! Times are milliseconds on a scale of the caller's that does not go back.

use std::num::NonZeroU32;

/// Attempts in the first second of a slow start (webhooks.md §2.2).
const FIRST: u32 = 10;
/// Doublings after which a slow start is over: no endpoint takes more than ten thousand a second.
const DOUBLINGS: u32 = 10;
/// Between two doublings.
const DOUBLE_EVERY_MS: u64 = 1000;
/// What may be saved up while nothing is sent: a tenth of a second.
const SAVED_MS: u64 = 100;
/// A token, in the unit of the bucket.
const TOKEN: u64 = 1000;

/// The pace of one endpoint.
#[derive(Debug, Default)]
pub struct Pace {
    rate: Option<NonZeroU32>,
    slow_start: Option<SlowStart>,
    /// Thousandths of a token.
    saved: u64,
    filled_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct SlowStart {
    doublings: u32,
    /// Since when nothing has failed at this pace.
    since_ms: u64,
}

impl Pace {
    /// At most `rate` attempts a second; None for no limit.
    #[must_use]
    pub fn new(rate: Option<NonZeroU32>) -> Self {
        Self { rate, slow_start: None, saved: TOKEN, filled_ms: 0 }
    }

    /// Begins slowly from now on.
    pub fn start_slowly(&mut self, now_ms: u64) {
        self.slow_start = Some(SlowStart { doublings: 0, since_ms: now_ms });
        (self.saved, self.filled_ms) = (TOKEN, now_ms);
    }

    /// An attempt failed: a slow start stays where it is for another second.
    pub fn failed(&mut self, now_ms: u64) {
        if let Some(slow_start) = &mut self.slow_start {
            slow_start.since_ms = now_ms;
        }
    }

    /// Is there a limit now?
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.rate.is_some() || self.slow_start.is_some()
    }

    /// Attempts that may begin now; None for any number.
    pub fn allowed(&mut self, now_ms: u64) -> Option<usize> {
        let rate = self.a_second()?;
        let elapsed_ms = now_ms.saturating_sub(self.filled_ms);
        let most = TOKEN.max(rate.saturating_mul(SAVED_MS));
        self.saved = self.saved.saturating_add(elapsed_ms.saturating_mul(rate)).min(most);
        self.filled_ms = now_ms;
        self.quicken(now_ms);
        self.a_second()?;
        Some(usize::try_from(self.saved / TOKEN).unwrap_or(usize::MAX))
    }

    /// When the next attempt may begin, after [`Self::allowed`] gave none.
    #[must_use]
    pub fn next_ms(&self) -> u64 {
        let missing = TOKEN.saturating_sub(self.saved);
        self.filled_ms + missing.div_ceil(self.a_second().unwrap_or(TOKEN))
    }

    /// So many attempts begin.
    pub fn spend(&mut self, count: usize) {
        self.saved = self.saved.saturating_sub(tokens(count));
    }

    /// So many did not begin after all.
    pub fn refund(&mut self, count: usize) {
        self.saved = self.saved.saturating_add(tokens(count));
    }

    fn quicken(&mut self, now_ms: u64) {
        let Some(slow_start) = &mut self.slow_start else { return };
        let seconds = now_ms.saturating_sub(slow_start.since_ms) / DOUBLE_EVERY_MS;
        slow_start.since_ms += seconds * DOUBLE_EVERY_MS;
        let doublings = u32::try_from(seconds).unwrap_or(u32::MAX);
        slow_start.doublings = slow_start.doublings.saturating_add(doublings);
        if slow_start.doublings >= DOUBLINGS {
            self.slow_start = None;
        }
    }

    /// The lower of the two limits.
    fn a_second(&self) -> Option<u64> {
        let slow = self.slow_start.map(|it| FIRST << it.doublings);
        let rate = self.rate.map(NonZeroU32::get);
        slow.into_iter().chain(rate).min().map(u64::from)
    }
}

fn tokens(count: usize) -> u64 {
    (count as u64).saturating_mul(TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts in each of some seconds, by someone who takes all that is allowed and waits until
    /// more is; `fails` says whether those of a second fail.
    fn each_second(pace: &mut Pace, seconds: u64, fails: impl Fn(u64) -> bool) -> Vec<usize> {
        let mut counts = Vec::new();
        for second in 0..seconds {
            let (mut count, mut now_ms) = (0, second * 1000);
            while now_ms < (second + 1) * 1000 {
                match pace.allowed(now_ms) {
                    Some(0) => now_ms = pace.next_ms(),
                    Some(allowed) => {
                        pace.spend(allowed);
                        count += allowed;
                        if fails(second) {
                            pace.failed(now_ms);
                        }
                    }
                    None => return counts,
                }
            }
            counts.push(count);
        }
        counts
    }

    #[test]
    fn a_slow_start_begins_with_ten_a_second_doubles_and_ends() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.allowed(0), None, "no limit without a reason");
        pace.start_slowly(0);
        let counts = each_second(&mut pace, 20, |_| false);
        assert_eq!(counts[..4], [10, 20, 40, 80]);
        assert_eq!((counts.len(), pace.is_limited()), (10, false));
    }

    #[test]
    fn a_slow_start_does_not_quicken_while_attempts_fail() {
        let mut pace = Pace::new(None);
        pace.start_slowly(0);
        let counts = each_second(&mut pace, 6, |second| second < 3);
        assert!(counts[..4].iter().all(|count| (9..=11).contains(count)), "{counts:?}");
        assert!(counts[5] > 25, "{counts:?}");
    }

    #[test]
    fn a_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(NonZeroU32::new(50));
        assert_eq!(each_second(&mut pace, 3, |_| false), [50, 50, 50]);
        assert_eq!(pace.allowed(60_000), Some(5), "a tenth of a second is saved up");
    }

    #[test]
    fn a_rate_limits_a_slow_start_and_outlives_it() {
        let mut pace = Pace::new(NonZeroU32::new(15));
        pace.start_slowly(0);
        assert_eq!(each_second(&mut pace, 4, |_| false), [10, 15, 15, 15]);
    }

    #[test]
    fn what_did_not_begin_may_begin_later() {
        let mut pace = Pace::new(NonZeroU32::new(1));
        pace.spend(1);
        assert_eq!(pace.allowed(0), Some(0));
        pace.refund(1);
        assert_eq!(pace.allowed(0), Some(1));
    }
}
