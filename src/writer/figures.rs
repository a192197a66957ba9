//! What the writer has done and how it is, in numbers, for whoever looks.
//!
//! Everything is counted with plain numbers by the one thread that does it, and copied when somebody
//! asks: what is not looked at costs an addition.

use std::sync::Arc;

use super::{
    Writer,
    error::WriterError,
    handle::{Stopped, WriterHandle},
    look::Look,
};
use crate::{
    config::WebhookId,
    event::EventType,
    parse::Counts,
    queue::{class::Class, endpoint::Health},
    store::Space,
    telemetry::Histogram,
};

/// Rows of a table of the store that are counted for one webhook: more are as bad.
pub(super) const ROWS: usize = 10_000;

/// How the writer is, as far as one has to know at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Nothing is read, because the disk is nearly full.
    pub is_short: bool,
}

/// All figures of the writer.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Events that were stored since the start, by source and type: what did not happen is left out.
    /// No source for what no single one tells.
    pub events: Vec<(Option<String>, EventType, u64)>,
    /// Lines that were read since the start, by source.
    pub lines: Vec<(String, Counts)>,
    /// The webhooks.
    pub webhooks: Vec<WebhookFigures>,
    /// The store.
    pub store: StoreFigures,
}

/// Figures of one webhook.
#[derive(Debug, Clone)]
pub struct WebhookFigures {
    /// Its name, which one of the file may share with one that was made through the API.
    pub name: String,
    /// Its id.
    pub id: WebhookId,
    /// It was made through the API.
    pub is_made: bool,
    /// What holds its deliveries back, if anything does.
    pub health: Health,
    /// What came of its attempts and deliveries.
    pub ends: Ends,
    /// Deliveries that were given up because they had waited for too long.
    pub expired: u64,
    /// Events that it has not been asked about yet.
    pub backlog: u64,
    /// Deliveries that are handed out now.
    pub under_way: usize,
    /// Deliveries that wait for a retry; ten thousand stand for more.
    pub retries: usize,
    /// Dead letters; ten thousand stand for more.
    pub dead: usize,
    /// Since when the oldest event waits, milliseconds since the epoch.
    pub oldest_ms: Option<u64>,
}

/// What came of attempts and deliveries, since the start.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Attempts, by class.
    attempts: [u64; Class::ALL.len()],
    /// How long they took.
    pub seconds: Histogram,
    /// Delivered.
    pub delivered: u64,
    /// Ended badly, by the order of `EndState::ALL`.
    pub ended: [u64; 4],
}

/// Figures of the store.
#[derive(Debug, Clone)]
pub struct StoreFigures {
    /// Bytes of its files.
    pub bytes: u64,
    /// Room on the disk, and what must be free of it; None when the system does not say.
    pub room: Option<(Space, u64)>,
    /// Nothing is read, because there is too little.
    pub is_short: bool,
    /// How long commits took.
    pub commits: Histogram,
}

impl Ends {
    /// Counts an attempt.
    pub(super) fn note(&mut self, class: Class, took_us: u64) {
        if let Some(count) = self.attempts.get_mut(class as usize) {
            *count += 1;
        }
        self.seconds.note_us(took_us);
    }

    /// Attempts by class.
    pub fn attempts(&self) -> impl Iterator<Item = (Class, u64)> {
        Class::ALL.into_iter().zip(self.attempts)
    }
}

/// Events that were stored, by source and type.
#[derive(Debug)]
pub(super) struct EventCounts {
    /// By the index of the source; the last one is for events of none.
    by_source: Vec<[u64; EventType::ALL.len()]>,
}

impl EventCounts {
    pub(super) fn new(sources: usize) -> Self {
        Self { by_source: vec![[0; EventType::ALL.len()]; sources + 1] }
    }

    pub(super) fn count(&mut self, source: Option<usize>, kind: EventType) {
        let none = self.by_source.len() - 1;
        let counts = self.by_source.get_mut(source.unwrap_or(none));
        if let Some(count) = counts.and_then(|counts| counts.get_mut(kind as usize)) {
            *count += 1;
        }
    }

    /// Source, type and count of those that there are.
    fn made(&self) -> impl Iterator<Item = (Option<usize>, EventType, u64)> {
        let none = self.by_source.len() - 1;
        self.by_source.iter().enumerate().flat_map(move |(source, counts)| {
            let source = (source != none).then_some(source);
            let counts = EventType::ALL.iter().zip(counts);
            counts
                .filter(|(_, count)| **count > 0)
                .map(move |(kind, count)| (source, *kind, *count))
        })
    }
}

impl Writer {
    pub(super) fn vitals(&self) -> Vitals {
        Vitals { is_short: self.room.is_short() }
    }

    pub(super) fn figures(&mut self) -> Result<Figures, WriterError> {
        let now_ms = self.now_ms();
        let name = |source: Option<usize>| {
            source.and_then(|source| self.feeds.get(source)).map(|feed| feed.name.clone())
        };
        let events = self.event_counts.made();
        let events = events.map(|(source, kind, count)| (name(source), kind, count)).collect();
        let lines = self.intake()?.counts_by_source();
        let lines = lines.map(|(name, counts)| (name.to_owned(), counts)).collect();
        Ok(Figures {
            events,
            lines,
            webhooks: self.deliveries.figures(now_ms, &mut self.events, &self.store)?,
            store: StoreFigures {
                bytes: self.store.size_on_disk()?,
                room: self.room.seen(),
                is_short: self.room.is_short(),
                commits: self.commit_seconds.clone(),
            },
        })
    }
}

impl WriterHandle {
    /// How the writer is. It answers as soon as it gets to it: an answer says that it works.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn vitals(&self) -> Result<Vitals, Stopped> {
        self.look(|answer| Look::Vitals { answer }).await
    }

    /// All figures of the writer.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn figures(&self) -> Result<Arc<Figures>, Stopped> {
        self.look(|answer| Look::Figures { answer }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_source_and_type_and_those_of_no_source_apart() {
        let mut counts = EventCounts::new(2);
        counts.count(Some(1), EventType::OutboundQueued);
        counts.count(Some(1), EventType::OutboundQueued);
        counts.count(None, EventType::StoreReset);
        let made: Vec<_> = counts.made().collect();
        assert_eq!(
            made,
            [(Some(1), EventType::OutboundQueued, 2), (None, EventType::StoreReset, 1)]
        );
        for (place, kind) in EventType::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place, "{}", kind.name());
        }
    }
}
