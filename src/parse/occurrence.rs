//! How often the very same line was seen before.
//!
//! Two events from two byte-identical lines must have two ids, the same ones on every reading.
//! Identical lines carry the same stamp, and a log is out of order by a second at the most, so a
//! window of a few seconds of log time is enough.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use serde::{Deserialize, Serialize};

/// Seconds of log time that are remembered.
const WINDOW_SECONDS: i64 = 5;

/// Lines remembered for each second; beyond it, occurrences of further lines are not counted.
/// Far above what a mail host logs in a second.
const LINES_PER_SECOND: usize = 4096;

/// Counts identical lines inside a moving window of log time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrences {
    /// Log second → hash of the line → times seen.
    seconds: BTreeMap<i64, HashMap<u64, u32, RandomState>>,
}

impl Occurrences {
    /// How many lines identical to `line`, logged in `second`, were counted before this one.
    pub fn count(&mut self, line: &[u8], second: i64) -> u64 {
        self.forget_before(second - WINDOW_SECONDS);
        let last = self.seconds.last_key_value().map_or(0, |(_, lines)| lines.len());
        let lines = self.seconds.entry(second).or_insert_with(|| as_large_as(last));
        if lines.len() >= LINES_PER_SECOND {
            return 0;
        }
        let seen = lines.entry(hash(line)).or_default();
        *seen += 1;
        u64::from(*seen - 1)
    }

    /// The newest `limit` seconds' worth, small enough to be stored with every commit.
    #[must_use]
    pub fn newest(&self, limit: usize) -> Self {
        let mut kept = BTreeMap::new();
        let mut total = 0;
        for (&second, lines) in self.seconds.iter().rev() {
            total += lines.len();
            if total > limit && !kept.is_empty() {
                break;
            }
            kept.insert(second, lines.clone());
        }
        Self { seconds: kept }
    }

    fn forget_before(&mut self, second: i64) {
        while let Some(oldest) = self.seconds.first_entry() {
            if *oldest.key() >= second {
                return;
            }
            oldest.remove();
        }
    }
}

/// A second is about as busy as the one before: room for its lines at once saves growing in steps.
fn as_large_as(lines: usize) -> HashMap<u64, u32, RandomState> {
    HashMap::with_capacity_and_hasher(lines, RandomState::default())
}

/// Equal lines have equal hashes on every reading, which is all that matters: a collision would
/// merely number a line differently, and always the same way.
fn hash(line: &[u8]) -> u64 {
    u64::from(crc32fast::hash(line)) << 32 | (line.len() as u64 & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_lines_of_one_second_are_numbered() {
        let mut seen = Occurrences::default();
        assert_eq!((seen.count(b"a", 1), seen.count(b"b", 1), seen.count(b"a", 1)), (0, 0, 1));
    }

    #[test]
    fn the_window_survives_lines_that_come_a_second_late() {
        let mut seen = Occurrences::default();
        seen.count(b"a", 10);
        seen.count(b"b", 11);
        assert_eq!(seen.count(b"a", 10), 1);
        seen.count(b"c", 16);
        assert!(!seen.seconds.contains_key(&10));
    }

    #[test]
    fn what_is_stored_is_the_newest_part() {
        let mut seen = Occurrences::default();
        seen.count(b"old", 1);
        seen.count(b"new", 2);
        let stored = seen.newest(1);
        assert_eq!(stored.seconds.keys().collect::<Vec<_>>(), [&2]);
    }
}
