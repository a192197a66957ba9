//! Says of a source that it is behind, when that lasts: each minute, and when it is over.

use std::time::Duration;

use tokio::{
    sync::watch::{Receiver, error::RecvError},
    time::sleep,
};

use crate::{clock::SharedClock, source::Health};

/// Time between two words, and before the first.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Behind(Health),
    CaughtUp,
}

/// Says it, until the source has ended.
pub(super) async fn watch(source: String, health: Receiver<Health>, clock: SharedClock) {
    let now = SharedClock::clone(&clock);
    let _ended = listen(health, &clock, |word| say(&source, word, &now)).await;
}

fn say(source: &str, word: Word, clock: &SharedClock) {
    match word {
        Word::Behind(health) => tracing::warn!(
            source,
            lag_bytes = health.lag_bytes,
            lag_seconds = health.lag_seconds(clock.now()),
            pinned_bytes = health.pinned_bytes,
            "the source is behind; it reads on as fast as it is let"
        ),
        Word::CaughtUp => tracing::info!(source, "the source has caught up"),
    }
}

async fn listen(
    mut health: Receiver<Health>,
    clock: &SharedClock,
    mut say: impl FnMut(Word),
) -> Result<(), RecvError> {
    let is_late = |health: &Health| health.lag_seconds(clock.now()) >= SAY_EVERY.as_secs();
    loop {
        health.wait_for(|health| health.behind_since.is_some()).await?;
        let mut is_said = false;
        loop {
            tokio::select! {
                over = health.wait_for(|health| health.behind_since.is_none()) => {
                    over?;
                    break;
                }
                () = sleep(SAY_EVERY) => {}
            }
            let seen = *health.borrow();
            if is_late(&seen) {
                say(Word::Behind(seen));
                is_said = true;
            }
        }
        if is_said {
            say(Word::CaughtUp);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;
    use tokio::{sync::watch, time::Instant};

    use super::*;
    use crate::clock::Clock;

    /// Goes with tokio's time, which is paused.
    #[derive(Debug)]
    struct PausedClock(Instant);

    impl Clock for PausedClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.0.elapsed()
        }
    }

    fn behind_at(clock: &PausedClock) -> Health {
        Health { lag_bytes: 7, behind_since: Some(clock.now()), ..Health::default() }
    }

    /// What is said of a source that is behind for so many seconds, and then is not.
    async fn said_of(seconds: u64) -> Vec<Word> {
        let clock = Arc::new(PausedClock(Instant::now()));
        let (sender, receiver) = watch::channel(behind_at(&clock));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (shared, words): (SharedClock, _) = (clock, Arc::clone(&said));
        let listener = tokio::spawn(async move {
            listen(receiver, &shared, |word| words.lock().unwrap().push(word)).await
        });
        sleep(Duration::from_secs(seconds)).await;
        sender.send_replace(Health::default());
        sleep(Duration::from_secs(1)).await;
        drop(sender);
        assert!(listener.await.unwrap().is_err(), "it ends with the source");
        Arc::try_unwrap(said).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn row_36_a_source_that_is_behind_for_minutes_says_so_once_a_minute_and_when_it_is_over()
    {
        let said = said_of(190).await;
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(matches!(said.first(), Some(Word::Behind(health)) if health.lag_bytes == 7));
        assert_eq!(said.last(), Some(&Word::CaughtUp));
    }

    #[tokio::test(start_paused = true)]
    async fn row_36_a_source_that_is_behind_for_a_moment_says_nothing() {
        assert_eq!(said_of(59).await, []);
    }
}
