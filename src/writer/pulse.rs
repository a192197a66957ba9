//! Tells somebody that the writer works: once in a while, each time that it comes round.
//!
//! It comes round after each command, batch and commit, and each second while there is nothing to do. If
//! one of them hangs, nothing is told any more.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// Between two words.
const EVERY: Duration = Duration::from_secs(5);

/// Who is told, and when next.
pub(super) struct Pulse {
    tell: Box<dyn Fn() + Send>,
    next: Instant,
}

impl Pulse {
    /// Tells from now on.
    pub(super) fn new(tell: impl Fn() + Send + 'static) -> Self {
        Self { tell: Box::new(tell), next: Instant::now() }
    }

    /// The writer comes round.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + EVERY;
            (self.tell)();
        }
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn however_often_it_comes_round_it_tells_every_five_seconds() {
        let told = Arc::new(AtomicU32::new(0));
        let telling = Arc::clone(&told);
        let mut pulse = Pulse::new(move || {
            telling.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..100 {
            pulse.beat();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(told.load(Ordering::Relaxed), 2);
        tokio::time::advance(EVERY * 9).await;
        pulse.beat();
        assert_eq!(told.load(Ordering::Relaxed), 3);
    }
}
