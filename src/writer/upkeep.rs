//! What the writer does between lines and deliveries: lets go of what has been kept for long
//! enough. Each step is small and goes with the next commit; what waits for a cursor or a sender
//! is not touched.

use std::time::Duration;

use tokio::time::Instant;

use super::{Mode, Writer, error::WriterError, keys::Expiring, pulse::Pulse, sweep::Measure};
use crate::{
    event::{EventType, Notice},
    store::Sparse,
};

/// Between two looks while there is nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two steps while there is: others get their turn.
const STEP_EVERY: Duration = Duration::from_millis(20);

/// Between two looks at the size of the store.
const REBUILD_ASKED_EVERY_MS: u64 = 600_000;
/// What live data needs by itself is at most half of this (1.7 times its size was measured), and
/// below 512 MB there is no harm.
const SPARSE: Sparse = Sparse { times: 8, bytes: 512 * 1024 * 1024 };

impl Writer {
    /// A step, and when the next one is due.
    pub(super) fn keep_up(&mut self) -> Result<(), WriterError> {
        self.look_for_room();
        let mut more = self.forget_some()?;
        // What is forgotten has to keep pace with what comes.
        for _ in 1..self.stage.commits() {
            if !more {
                break;
            }
            more = self.forget_some()?;
        }
        self.keys.forget_expired(self.clock.now(), &mut self.stage);
        self.tell_of_silences()?;
        self.tell_of_keys();
        self.rebuild_store()?;
        if !self.deliveries.notices.is_empty() {
            self.stage.touch();
        }
        self.upkeep_at = Instant::now() + if more { STEP_EVERY } else { LOOK_EVERY };
        Ok(())
    }

    fn tell_of_silences(&mut self) -> Result<(), WriterError> {
        for (source, lasted) in self.intake()?.silences.too_long(Instant::now()) {
            let seconds = lasted.as_secs();
            let name = self.feeds.get(source).map(|feed| feed.name.as_str());
            tracing::warn!(source = name, seconds, "no line comes from the source");
            let reason = Some("silent".to_owned());
            let about = Notice { reason, count: Some(seconds), ..Notice::default() };
            self.tell_of_source(source, EventType::SourceStalled, about);
        }
        Ok(())
    }

    fn tell_of_keys(&mut self) {
        let now_ms = self.now_ms();
        for expiring in self.keys.expiring(self.clock.now()) {
            let Expiring { webhook, key, seconds } = expiring;
            tracing::warn!(webhook, %key, seconds, "a secret that was replaced is soon no longer good");
            let notice = Notice { count: Some(seconds), ..Notice::about(&webhook) };
            self.deliveries.notices.push(EventType::KeyExpiring, notice, now_ms);
        }
    }

    /// Has the store rebuilt when its files have grown out of all proportion. To find that out is
    /// work as well, so it is asked only once in a while.
    fn rebuild_store(&mut self) -> Result<(), WriterError> {
        let now_ms = self.now_ms();
        if now_ms.abs_diff(self.rebuild_asked_ms) < REBUILD_ASKED_EVERY_MS {
            return Ok(());
        }
        self.rebuild_asked_ms = now_ms;
        self.rebuild_if(SPARSE)
    }

    /// Has it rebuilt if it is so sparse, and says that it works meanwhile.
    pub(super) fn rebuild_if(&mut self, sparse: Sparse) -> Result<(), WriterError> {
        let before = self.store.size_on_disk()?;
        let mut goes_on = || self.pulse.iter_mut().for_each(Pulse::beat);
        match self.store.rebuild_if_sparse(sparse, &mut goes_on) {
            Ok(false) => {}
            Ok(true) => {
                let after = self.store.size_on_disk()?;
                tracing::info!(before, after, "the store was rebuilt");
            }
            Err(error) if error.is_disk_full() => {
                tracing::warn!(before, "no room to rebuild the store");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Stages removes of what is over. True when there is more.
    pub(super) fn forget_some(&mut self) -> Result<bool, WriterError> {
        let now_ms = self.now_ms();
        let backlog = self.retention.backlog;
        let mut more = self.deliveries.expire(backlog, now_ms, &mut self.events, &self.store)?;
        let end = self.events.end_of(self.retention.events, now_ms);
        let floor = self.deliveries.floor();
        if floor < end && self.deliveries.is_floor_behind() {
            self.stage.touch();
        }
        more |= self.events.forget(end.min(floor), &self.store, &mut self.stage)?;
        more |= self.events.tend_index(&self.store, &mut self.stage)?;
        if self.mode == Mode::Live {
            let measure = Measure {
                now_ms,
                steady_ms: self.steady.now(&*self.clock).ms,
                retention: &self.retention,
                first_seq: self.events.first_seq(),
                expired_seq: self.events.end_of(backlog, now_ms),
                sources: self.feeds.iter().map(|source| source.name.as_str()).collect(),
            };
            let (deliveries, events) = (&mut self.deliveries, &mut self.events);
            let (store, stage) = (&self.store, &mut self.stage);
            more |= self.sweep.step(&measure, deliveries, events, store, stage)?;
        }
        self.summary.expired = self.deliveries.expired();
        Ok(more)
    }
}
