//! What happens, for those who watch while it does: each event once it is durable, each attempt once
//! it has ended.
//!
//! Nobody who watches holds the writer up: what one of them is too slow for is lost to it, and it
//! hears so. While nobody watches, nothing is done.

use std::{ops::Range, sync::Arc};

use tokio::sync::broadcast;

use super::{
    Writer,
    error::WriterError,
    events::EventLog,
    handle::{Stopped, WriterHandle},
    look::Look,
};
use crate::{
    config::{Webhook, WebhookId},
    event::Parcel,
    limits::STREAM_BEHIND,
    queue::{delivery::Finished, record::Record},
    store::Store,
};

/// Stored events of one answer at most.
const PAGE: usize = 256;

/// Something happened.
#[derive(Debug, Clone)]
pub enum News {
    /// An event is durable.
    Event {
        /// Its place among all.
        seq: u64,
        /// The event.
        event: Arc<Parcel>,
    },
    /// An attempt has ended.
    Attempt(Arc<AttemptNews>),
}

/// An attempt that has ended.
#[derive(Debug)]
pub struct AttemptNews {
    /// Who was told.
    pub webhook: Arc<Webhook>,
    /// Of what.
    pub event: Arc<Parcel>,
    /// What came of it.
    pub record: Record,
}

/// Where all of it is told.
#[derive(Debug, Clone)]
pub(super) struct Teller(broadcast::Sender<News>);

impl Default for Teller {
    fn default() -> Self {
        Self(broadcast::Sender::new(STREAM_BEHIND))
    }
}

impl Teller {
    /// Does anybody watch?
    fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    fn tell(&self, news: News) {
        // Who watched may have gone just now.
        drop(self.0.send(news));
    }
}

impl Writer {
    /// Tells of the events with these numbers, which have just become durable.
    pub(super) fn tell_events(&self, durable: &Range<u64>) {
        if !self.teller.is_watched() {
            return;
        }
        for (seq, event) in self.events.newest(durable.start) {
            if durable.contains(&seq) {
                self.teller.tell(News::Event { seq, event: Arc::clone(event) });
            }
        }
    }

    /// Tells of an attempt.
    pub(super) fn tell_attempt(&self, webhook: WebhookId, finished: &Finished) {
        if !self.teller.is_watched() {
            return;
        }
        let event = Arc::clone(&finished.claim.event);
        if let Some(webhook) = self.deliveries.webhook(webhook)
            && let Some(record) = Record::of(&mut finished.clone())
        {
            self.teller.tell(News::Attempt(Arc::new(AttemptNews { webhook, event, record })));
        }
    }
}

/// Durable events from that one on, as many as fit into one answer, and the number behind the last
/// that was looked at.
pub(super) fn since(
    from: u64,
    durable_seq: u64,
    events: &mut EventLog,
    store: &Store,
) -> Result<Since, WriterError> {
    let from = from.max(events.first_seq());
    let mut found = Since { from, next: from, events: Vec::new() };
    while found.next < durable_seq && found.events.len() < PAGE {
        if let Some(event) = events.get(found.next, store)? {
            found.events.push((found.next, event));
        }
        found.next += 1;
    }
    Ok(found)
}

/// Stored events from one on.
#[derive(Debug, Default)]
pub struct Since {
    /// Where this answer begins: those before are deleted.
    pub from: u64,
    /// Each with its place.
    pub events: Vec<(u64, Arc<Parcel>)>,
    /// Where the next answer begins.
    pub next: u64,
}

impl WriterHandle {
    /// What happens from now on. Who reads it too slowly misses some, and is told how many.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.teller.0.subscribe()
    }

    /// Stored events from the one with that number on, some of them: ask again with `next` until there
    /// is none.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn events_since(&self, from: u64) -> Result<Since, Stopped> {
        self.look(|answer| Look::Since { from, answer }).await
    }

    /// Behind the newest durable event.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        *self.durable().borrow()
    }
}
