//! Logs of which most is not understood: the pattern matches another program's log, or the mail
//! server has learnt to speak otherwise. Told once for each generation.

use std::collections::HashMap;

use super::Counts;
use crate::source::Fingerprint;

/// Lines that are judged together.
const LINES: u64 = 500;

/// A log is doubted when more than one line of so many is not understood. Of a mail server's log
/// hardly any is.
const ONE_OF: u64 = 2;

/// What is known of each generation.
#[derive(Debug, Default)]
pub(super) struct Drift {
    seen: HashMap<Fingerprint, Seen>,
    /// Lines that were not understood of those that were told last, until somebody asks.
    untold: Option<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since the last judgement.
    lines: u64,
    unrecognised: u64,
    is_told: bool,
}

impl Drift {
    /// Counts what came of one batch of a generation.
    pub(super) fn note(&mut self, generation: Fingerprint, before: Counts, after: Counts) {
        let (lines, unrecognised) =
            (after.lines - before.lines, after.unrecognised - before.unrecognised);
        if let Some((unrecognised, lines)) = self.news(generation, lines, unrecognised) {
            self.untold = Some(unrecognised);
            tracing::warn!(
                %generation,
                unrecognised,
                lines,
                hint = "is it a mail log? `mailherald parse FILE` shows what is not understood",
                "most lines of a log are not understood"
            );
        }
    }

    /// Lines that were not understood, when that was told since this was last asked.
    pub(super) fn take(&mut self) -> Option<u64> {
        self.untold.take()
    }

    /// Counts; gives how many of how many when it is time to say so.
    fn news(
        &mut self,
        generation: Fingerprint,
        lines: u64,
        unrecognised: u64,
    ) -> Option<(u64, u64)> {
        let seen = self.seen.entry(generation).or_default();
        seen.lines += lines;
        seen.unrecognised += unrecognised;
        if seen.lines < LINES {
            return None;
        }
        let judged = (std::mem::take(&mut seen.unrecognised), std::mem::take(&mut seen.lines));
        let is_news = judged.0.saturating_mul(ONE_OF) > judged.1 && !seen.is_told;
        seen.is_told |= is_news;
        is_news.then_some(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Fingerprint = Fingerprint([1; 16]);

    #[test]
    fn row_35_a_log_of_which_most_is_not_understood_is_told_once() {
        let mut drift = Drift::default();
        assert_eq!(drift.news(LOG, LINES - 1, LINES - 1), None, "too little to judge by");
        assert_eq!(drift.news(LOG, 1, 1), Some((LINES, LINES)));
        assert_eq!(drift.news(LOG, LINES, LINES), None);
        assert_eq!(drift.news(Fingerprint([2; 16]), LINES, LINES), Some((LINES, LINES)));
    }

    #[test]
    fn what_was_told_can_be_asked_for_once() {
        let mut drift = Drift::default();
        let (before, after) =
            (Counts::default(), Counts { lines: 900, unrecognised: 800, ..Counts::default() });
        drift.note(LOG, before, before);
        assert_eq!(drift.take(), None);
        drift.note(LOG, before, after);
        assert_eq!((drift.take(), drift.take()), (Some(800), None));
    }

    #[test]
    fn row_35_a_log_that_changes_in_the_middle_is_told_whatever_came_before() {
        let mut drift = Drift::default();
        assert_eq!(drift.news(LOG, 1_000_000, 0), None);
        assert_eq!(drift.news(LOG, LINES, LINES / 2), None, "half is not most");
        assert_eq!(drift.news(LOG, LINES, LINES / 2 + 1), Some((LINES / 2 + 1, LINES)));
    }
}
