//! What the writer does not see and webhooks are told of nevertheless (webhooks.md §2.8): a source
//! that stands still, and a clock that is wrong. That a source is silent the writer sees itself.

use std::time::Duration;

use tokio::{
    sync::watch::{Receiver, error::RecvError},
    time::sleep,
};

use crate::{
    clock::SharedClock,
    deliver::{Client, SkewNews},
    event::{EventType, Notice},
    source::Health,
    writer::WriterHandle,
};

/// Time between two looks at a source.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Looks in a row at the same trouble until it is told: a rotation or a start is no stall.
const LOOKS: u32 = 10;

/// Tells when a source has stood still for ten minutes, once each time, until it has ended.
pub(super) async fn of_source(
    name: String,
    health: Receiver<Health>,
    clock: SharedClock,
    writer: WriterHandle,
) {
    let mut stalls = Stalls { health, clock, before: None, looks: 0 };
    while let Ok((trouble, health)) = stalls.next().await {
        let (source, reason) = (&name, trouble.name());
        tracing::warn!(source, reason, "the source stands still: events are missing or late");
        let notice = Notice {
            source: Some(name.clone()),
            reason: Some(reason.to_owned()),
            count: (trouble == Trouble::Behind).then_some(health.lag_bytes),
            ..Notice::default()
        };
        writer.tell(EventType::SourceStalled, notice).await;
    }
}

/// Tells when the clock goes wrong, and when it is so wrong that receivers may refuse what is sent.
/// That it is right again is left to the log.
pub(super) async fn of_clock(client: Client, writer: WriterHandle) {
    let mut news = client.skew_news();
    while news.changed().await.is_ok() {
        let heard = *news.borrow_and_update();
        if let Some(skew) = heard.filter(|skew| skew.is_off()) {
            writer.tell(EventType::ClockSkew, skewed(skew)).await;
        }
    }
}

fn skewed(skew: SkewNews) -> Notice {
    let reason = if skew.ahead.is_negative() { "behind" } else { "ahead" };
    let count = Some(skew.ahead.as_secs().unsigned_abs());
    Notice { reason: Some(reason.to_owned()), count, ..Notice::default() }
}

/// Why nothing comes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Refused,
    Missing,
    Behind,
}

impl Trouble {
    fn of(health: &Health, clock: &SharedClock) -> Option<Self> {
        match health {
            _ if health.refused > 0 => Some(Self::Refused),
            _ if health.is_waiting => Some(Self::Missing),
            _ if health.lag_seconds(clock.now()) >= LOOK_EVERY.as_secs() => Some(Self::Behind),
            _ => None,
        }
    }

    /// As it is told.
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Behind => "behind",
        }
    }
}

/// Looks at a source once in a while: most troubles are over soon, and need not wake anybody.
struct Stalls {
    health: Receiver<Health>,
    clock: SharedClock,
    before: Option<Trouble>,
    /// In a row that saw the same.
    looks: u32,
}

impl Stalls {
    /// Waits until the source stands still, or has ended.
    async fn next(&mut self) -> Result<(Trouble, Health), RecvError> {
        loop {
            sleep(LOOK_EVERY).await;
            self.health.has_changed()?;
            let seen = *self.health.borrow();
            let trouble = Trouble::of(&seen, &self.clock);
            self.looks = if trouble == self.before { self.looks.saturating_add(1) } else { 1 };
            self.before = trouble;
            if let (LOOKS, Some(trouble)) = (self.looks, trouble) {
                return Ok((trouble, seen));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::sync::watch;

    use super::*;
    use crate::clock::testing::PausedClock;

    /// What is told of a source that is as these say, each for so many minutes.
    async fn told_of(story: &[(Health, u64)]) -> Vec<Trouble> {
        let clock: SharedClock = Arc::new(PausedClock::start());
        let (sender, receiver) = watch::channel(Health::default());
        let mut stalls = Stalls { health: receiver, clock, before: None, looks: 0 };
        let looking = tokio::spawn(async move {
            let mut told = Vec::new();
            while let Ok((trouble, _)) = stalls.next().await {
                told.push(trouble);
            }
            told
        });
        for (health, minutes) in story {
            sender.send_replace(*health);
            sleep(Duration::from_mins(*minutes)).await;
        }
        drop(sender);
        // It ends with the source.
        looking.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_stands_still_for_ten_minutes_is_told_once_each_time() {
        let well = Health::default();
        let missing = Health { is_waiting: true, ..well };
        let refused = Health { refused: 1, ..well };
        let behind = Health { behind_since: Some(Timestamp::UNIX_EPOCH), lag_bytes: 9, ..well };
        assert_eq!(told_of(&[(missing, 9), (well, 9), (refused, 9), (behind, 9)]).await, []);
        let story = [(missing, 99), (well, 2), (missing, 11), (refused, 11), (behind, 30)];
        assert_eq!(
            told_of(&story).await,
            [Trouble::Missing, Trouble::Missing, Trouble::Refused, Trouble::Behind]
        );
    }
}
