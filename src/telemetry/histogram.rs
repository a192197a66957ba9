//! How often something took how long, in buckets.

use std::time::Duration;

/// Upper bounds of the buckets, in microseconds; what took longer is in none but the last, which has
/// no bound.
const BOUNDS_US: [u64; 13] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Counts of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By the first bound that is not exceeded.
    buckets: [u64; BOUNDS_US.len()],
    count: u64,
    sum_us: u64,
}

impl Histogram {
    /// It took that long.
    pub fn note(&mut self, took: Duration) {
        self.note_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// It took so many microseconds.
    pub fn note_us(&mut self, took_us: u64) {
        let place = BOUNDS_US.partition_point(|bound| *bound < took_us);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(took_us);
    }

    /// How often, in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long, in all, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_us).as_secs_f64()
    }

    /// Each bound in seconds, with how often it took no longer than that.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut so_far = 0;
        BOUNDS_US.iter().zip(self.buckets).map(move |(bound, count)| {
            so_far += count;
            (Duration::from_micros(*bound).as_secs_f64(), so_far)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_in_its_own_bucket_and_what_is_beyond_all_is_counted_too() {
        let mut histogram = Histogram::default();
        for took_ms in [5, 6, 60_000, 60_001] {
            histogram.note(Duration::from_millis(took_ms));
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative.first(), Some(&(0.005, 1)));
        assert_eq!(cumulative.get(1), Some(&(0.01, 2)));
        assert_eq!(cumulative.last(), Some(&(60.0, 3)));
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum_seconds() - 120.012).abs() < 1e-9);
    }
}
