//! Lines that the logging system itself says it has dropped: counted, and told to the operator.

/// Seconds of log time in which a gap is told once.
const REPEAT_SECONDS: u64 = 60;

/// The gaps of one source.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Lines lost in all.
    lines: u64,
    /// Second of the gap that was told last.
    told: Option<i64>,
    /// Lines in all at the gap that was told, until somebody asks.
    untold: Option<u64>,
}

impl Gaps {
    /// So many lines are missing at this second.
    pub(super) fn note(&mut self, lines: u64, second: i64) {
        if let Some(in_all) = self.news(lines, second) {
            self.untold = Some(in_all);
            tracing::warn!(
                lines,
                in_all,
                hint = "see RateLimitIntervalSec= in journald.conf(5), or imuxsock of rsyslog",
                "the log says that lines were dropped, of whichever program"
            );
        }
    }

    /// Lines lost in all, when a gap was told since this was last asked.
    pub(super) fn take(&mut self) -> Option<u64> {
        self.untold.take()
    }

    /// Counts; gives the count when it is time to say so.
    fn news(&mut self, lines: u64, second: i64) -> Option<u64> {
        self.lines = self.lines.saturating_add(lines);
        let is_news = self.told.is_none_or(|told| second.abs_diff(told) >= REPEAT_SECONDS);
        if is_news {
            self.told = Some(second);
        }
        is_news.then_some(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_38_dropped_lines_are_counted_and_told_once_a_minute() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.news(500, 1_000), Some(500));
        assert_eq!(gaps.news(20, 1_059), None);
        assert_eq!(gaps.news(u64::MAX, 1_060), Some(u64::MAX));
    }
}
