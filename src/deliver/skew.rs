//! How far our clock is off, judged by what receivers say (webhooks.md §2.5).
//!
//! Receivers refuse signatures with a timestamp that is more than five minutes off. One receiver may
//! be wrong itself, so the median of at least three counts.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// Receivers that are remembered, each with the last that it said.
const HOSTS: usize = 64;

/// Receivers without which nothing is said.
const ENOUGH: usize = 3;

/// What a receiver said counts for so long.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// Beyond it the operator is told.
const NOTABLE: SignedDuration = SignedDuration::from_secs(60);

/// Beyond it receivers refuse what we send.
const FATAL: SignedDuration = SignedDuration::from_secs(300);

/// What receivers said of the time, the one that spoke last at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Skew {
    heard: VecDeque<Heard>,
    /// What the operator was told last.
    told: Level,
}

#[derive(Debug, Clone)]
struct Heard {
    host: String,
    at: Timestamp,
    ahead: SignedDuration,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Level {
    #[default]
    Fine,
    Off,
    Refused,
}

/// It has become better or worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkewNews {
    level: Level,
    /// How far our clock is ahead of the receivers'.
    pub ahead: SignedDuration,
}

impl Skew {
    /// `host` said `date`, in answer to a request that was sent and answered at `between` by our
    /// clock. Gives the news, if that makes a difference.
    pub(super) fn observe(
        &mut self,
        host: &str,
        date: Timestamp,
        between: [Timestamp; 2],
    ) -> Option<SkewNews> {
        let [sent, answered] = between;
        self.heard.retain(|heard| heard.host != host && answered.duration_since(heard.at) < FRESH);
        if self.heard.len() >= HOSTS {
            self.heard.pop_front();
        }
        let ahead = ahead(date, sent, answered);
        self.heard.push_back(Heard { host: host.to_owned(), at: answered, ahead });
        let ahead = self.median()?;
        let level = Level::of(ahead);
        (std::mem::replace(&mut self.told, level) != level).then_some(SkewNews { level, ahead })
    }

    /// How far our clock is ahead; None while too few have spoken.
    pub(super) fn median(&self) -> Option<SignedDuration> {
        let mut all: Vec<_> = self.heard.iter().map(|heard| heard.ahead).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().filter(|_| all.len() >= ENOUGH)
    }
}

/// A date has whole seconds and was written at some time between the two, so up to there nothing is
/// off.
fn ahead(date: Timestamp, sent: Timestamp, answered: Timestamp) -> SignedDuration {
    let latest = date.saturating_add(SignedDuration::from_secs(1)).unwrap_or(date);
    if sent > latest {
        sent.duration_since(latest)
    } else if answered < date {
        answered.duration_since(date)
    } else {
        SignedDuration::ZERO
    }
}

impl Level {
    fn of(ahead: SignedDuration) -> Self {
        match ahead.abs() {
            off if off > FATAL => Self::Refused,
            off if off > NOTABLE => Self::Off,
            _ => Self::Fine,
        }
    }
}

impl SkewNews {
    /// The clock is off; else it is right again.
    #[must_use]
    pub fn is_off(self) -> bool {
        self.level != Level::Fine
    }

    /// Tells the operator.
    pub(super) fn tell(self) {
        let ahead_seconds = self.ahead.as_secs();
        match self.level {
            Level::Fine => {
                tracing::info!(ahead_seconds, "the clock agrees with the receivers again");
            }
            Level::Off => {
                tracing::warn!(
                    ahead_seconds,
                    "the clock of this machine differs from the receivers'"
                );
            }
            Level::Refused => tracing::error!(
                ahead_seconds,
                "the clock of this machine is so wrong that receivers may refuse what is sent"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// Our clock says `now`, the receiver's is `behind` it.
    fn hear(skew: &mut Skew, host: &str, now: i64, behind: i64) -> Option<SkewNews> {
        skew.observe(host, at(now - behind), [at(now), at(now)])
    }

    fn news(level: Level, ahead: i64) -> SkewNews {
        SkewNews { level, ahead: SignedDuration::from_secs(ahead) }
    }

    #[test]
    fn the_median_of_three_hosts_decides_and_one_wrong_one_does_not() {
        let mut skew = Skew::default();
        assert_eq!(hear(&mut skew, "a", 0, 100_000), None);
        assert_eq!(hear(&mut skew, "a", 1, 100_000), None);
        assert_eq!(hear(&mut skew, "b", 2, 0), None);
        assert_eq!(skew.median(), None, "two hosts are too few");
        assert_eq!(hear(&mut skew, "c", 3, 0), None);
        assert_eq!(skew.median(), Some(SignedDuration::ZERO));
    }

    #[test]
    fn each_change_is_told_once() {
        let mut skew = Skew::default();
        let mut all = |now, behind| ["a", "b", "c"].map(|host| hear(&mut skew, host, now, behind));
        assert_eq!(all(0, 91), [None, None, Some(news(Level::Off, 90))]);
        assert_eq!(all(1, 91), [None, None, None]);
        assert_eq!(all(2, -400), [None, Some(news(Level::Refused, -400)), None]);
        assert_eq!(all(3, 0), [None, Some(news(Level::Fine, 0)), None]);
    }

    #[test]
    fn a_slow_answer_and_whole_seconds_are_no_skew() {
        let mut skew = Skew::default();
        for host in ["a", "b", "c"] {
            skew.observe(host, at(10), [at(0), at(120)]);
        }
        assert_eq!(skew.median(), Some(SignedDuration::ZERO));
        assert_eq!(ahead(at(0), at(0), at(0)), SignedDuration::ZERO);
        assert_eq!(ahead(at(0), at(1), at(1)), SignedDuration::ZERO);
        assert_eq!(ahead(at(0), at(2), at(2)), SignedDuration::from_secs(1));
        assert_eq!(ahead(at(5), at(0), at(2)), SignedDuration::from_secs(-3));
    }

    #[test]
    fn what_was_said_an_hour_ago_and_by_the_65th_host_does_not_count() {
        let mut skew = Skew::default();
        for number in 0..200 {
            hear(&mut skew, &format!("host {number}"), 0, 500);
        }
        assert_eq!(skew.heard.len(), HOSTS);
        hear(&mut skew, "late", 3600, 500);
        assert_eq!(skew.median(), None);
    }

    #[test]
    fn the_limits_are_exclusive() {
        for (ahead, level) in [
            (60, Level::Fine),
            (61, Level::Off),
            (-61, Level::Off),
            (300, Level::Off),
            (-301, Level::Refused),
        ] {
            assert_eq!(Level::of(SignedDuration::from_secs(ahead)), level, "{ahead}");
        }
    }
}
