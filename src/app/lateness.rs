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

/// Looks once in a while: what is read at once is no lag, and need not wake anybody.
async fn listen(
    mut health: Receiver<Health>,
    clock: &SharedClock,
    mut say: impl FnMut(Word),
) -> Result<(), RecvError> {
    loop {
        sleep(SAY_EVERY).await;
        health.has_changed()?;
        let seen = *health.borrow();
        if seen.lag_seconds(clock.now()) >= SAY_EVERY.as_secs() {
            say(Word::Behind(seen));
            until_over(&mut health, &mut say).await?;
            say(Word::CaughtUp);
        }
    }
}

async fn until_over(
    health: &mut Receiver<Health>,
    say: &mut impl FnMut(Word),
) -> Result<(), RecvError> {
    loop {
        tokio::select! {
            over = health.wait_for(|health| health.behind_since.is_none()) => return over.map(drop),
            () = sleep(SAY_EVERY) => {}
        }
        say(Word::Behind(*health.borrow()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use tokio::sync::watch;

    use super::*;
    use crate::clock::{Clock, testing::PausedClock};

    fn behind_at(clock: &PausedClock) -> Health {
        Health { lag_bytes: 7, behind_since: Some(clock.now()), ..Health::default() }
    }

    /// What is said of a source that is behind for so many seconds, and then is not.
    async fn said_of(seconds: u64) -> Vec<Word> {
        let clock = Arc::new(PausedClock::start());
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
