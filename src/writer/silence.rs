//! Sources from which no line comes for longer than is usual there, where that is configured.

use std::time::Duration;

use tokio::time::Instant;

use super::Feed;

/// Since when each source is silent, by its index.
#[derive(Debug)]
pub(super) struct Silences(Vec<Silence>);

#[derive(Debug)]
struct Silence {
    /// How long it may be.
    limit: Option<Duration>,
    since: Instant,
    is_told: bool,
}

impl Silences {
    /// All begin now.
    pub(super) fn new(sources: &[Feed], now: Instant) -> Self {
        let begin = |source: &Feed| Silence { limit: source.silence, since: now, is_told: false };
        Self(sources.iter().map(begin).collect())
    }

    /// A line came.
    pub(super) fn end(&mut self, source: usize, now: Instant) {
        if let Some(silence) = self.0.get_mut(source) {
            (silence.since, silence.is_told) = (now, false);
        }
    }

    /// Nobody listened until now.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.0.iter_mut().for_each(|silence| silence.since = now);
    }

    /// Sources that have become too silent, with how long no line came. Each silence is told once.
    pub(super) fn too_long(&mut self, now: Instant) -> Vec<(usize, Duration)> {
        let mut found = Vec::new();
        for (source, silence) in self.0.iter_mut().enumerate() {
            let lasted = now.saturating_duration_since(silence.since);
            if !silence.is_told && silence.limit.is_some_and(|limit| lasted >= limit) {
                silence.is_told = true;
                found.push((source, lasted));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn feed(silence: Option<Duration>) -> Feed {
        Feed {
            name: "a".into(),
            since_us: None,
            can_be_read_again: true,
            silence,
            whose: crate::parse::Whose::default(),
        }
    }

    #[test]
    fn a_silence_is_told_once_and_again_after_a_line() {
        let start = Instant::now();
        let mut silences = Silences::new(&[feed(None), feed(Some(HOUR))], start);
        assert_eq!(silences.too_long(start + HOUR / 2), []);
        assert_eq!(silences.too_long(start + HOUR), [(1, HOUR)]);
        assert_eq!(silences.too_long(start + HOUR * 9), []);
        silences.end(1, start + HOUR * 10);
        assert_eq!(silences.too_long(start + HOUR * 10 + HOUR / 2), []);
        assert_eq!(silences.too_long(start + HOUR * 11), [(1, HOUR)]);
    }

    #[test]
    fn while_nobody_listens_nothing_is_silent() {
        let start = Instant::now();
        let mut silences = Silences::new(&[feed(Some(HOUR))], start);
        silences.begin_anew(start + HOUR * 5);
        assert_eq!(silences.too_long(start + HOUR * 5), []);
        assert_eq!(silences.too_long(start + HOUR * 6), [(0, HOUR)]);
    }
}
