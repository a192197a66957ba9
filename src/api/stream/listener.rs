//! One who listens.

use std::{collections::VecDeque, sync::Arc};

use axum::response::sse;
use serde::Serialize;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
    watch,
};

use super::{Gap, Letter, Tried, filter::Filter};
use crate::{
    api::logs::Logged,
    api::{Desk, caller::Caller},
    deliver::{canonical::append_canonical, envelope::render},
    event::{Event, Parcel},
    limits::STREAM_RESUMED,
    secret::Known,
    writer::{AttemptNews, News},
};

/// What has been told to one client, and what is next.
pub(super) struct Listener {
    desk: Desk,
    caller: Caller,
    filter: Filter,
    news: Receiver<News>,
    keys: watch::Receiver<Known>,
    /// Stored events that were missed: from the next one that is to be read up to and without that.
    missed: std::ops::Range<u64>,
    /// Those that were read.
    read: VecDeque<(u64, Arc<Parcel>)>,
    /// Where the stream begins, for one who comes the first time.
    start: Option<u64>,
    /// To be said before anything else.
    gap: u64,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// `last` is what was told before.
    pub(super) fn new(
        desk: Desk,
        caller: Caller,
        filter: Filter,
        last: Option<u64>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // In this order: what becomes durable in between comes twice, and is told once.
        let (news, keys) = (desk.writer.news(), desk.writer.api_keys().changes());
        let end = desk.writer.durable_seq();
        let next = last.map_or(end, |last| last.saturating_add(1)).min(end);
        let start = next.max(end.saturating_sub(STREAM_RESUMED));
        Self {
            desk,
            caller,
            filter,
            news,
            keys,
            missed: start..end,
            read: VecDeque::new(),
            start: end.checked_sub(1).filter(|_| last.is_none()),
            gap: start - next,
            is_over: false,
            _place: place,
        }
    }

    /// What is to be told next; None at the end: of the daemon, of the key, or of our patience.
    pub(super) async fn next(&mut self) -> Option<sse::Event> {
        while !self.is_over && self.is_let_in() {
            if let Some(start) = self.start.take() {
                return Some(sse::Event::default().id(start.to_string()));
            }
            if self.gap > 0 {
                return told("gap", &Gap { missed: std::mem::take(&mut self.gap) });
            }
            while let Some((seq, event)) = self.read.pop_front() {
                if let Some(told) = self.event(seq, &event) {
                    return Some(told);
                }
            }
            if !self.missed.is_empty() {
                self.read_on().await?;
                continue;
            }
            let told = self.happens().await?;
            if told.is_some() && self.is_let_in() {
                return told;
            }
        }
        None
    }

    /// The key was not revoked meanwhile.
    fn is_let_in(&self) -> bool {
        let known = self.desk.writer.api_keys().known();
        self.caller.key.is_none_or(|key| known.contains_key(&key))
    }

    /// Reads some of what was missed. None when the writer has ended.
    async fn read_on(&mut self) -> Option<()> {
        let found = self.desk.writer.events_since(self.missed.start).await.ok()?;
        // The oldest events go when they were kept for long enough.
        self.gap += found.from.min(self.missed.end) - self.missed.start;
        self.missed.start = found.next.min(self.missed.end);
        let end = self.missed.end;
        self.read.extend(found.events.into_iter().filter(|(seq, _)| *seq < end));
        Some(())
    }

    /// Waits for something to happen; None at the end, and none within when it is not asked for.
    async fn happens(&mut self) -> Option<Option<sse::Event>> {
        let news = tokio::select! {
            () = self.desk.stop.cancelled() => return None,
            changed = self.keys.changed() => return changed.ok().map(|()| None),
            news = self.news.recv() => news,
        };
        match news {
            Ok(News::Event { seq, .. }) if seq < self.missed.end => Some(None),
            Ok(News::Event { seq, event }) => Some(self.event(seq, &event)),
            Ok(News::Attempt(news)) => Some(self.attempt(&news)),
            Err(RecvError::Lagged(missed)) => {
                self.is_over = true;
                Some(told("gap", &Gap { missed }))
            }
            Err(RecvError::Closed) => None,
        }
    }

    fn event(&self, seq: u64, event: &Event) -> Option<sse::Event> {
        if !self.filter.takes_event(event) {
            return None;
        }
        let told = match self.filter.profile {
            None => {
                let mut bytes = Vec::new();
                append_canonical(event, &mut bytes);
                sse::Event::default().event("event").data(String::from_utf8(bytes).ok()?)
            }
            Some(profile) => {
                let rendered = render(event, profile)?;
                let body = String::from_utf8(rendered.body.to_vec()).ok()?;
                let kind = rendered.type_name.to_owned();
                told("letter", &Letter { id: rendered.id, kind, body })?
            }
        };
        Some(told.id(seq.to_string()))
    }

    fn attempt(&self, news: &AttemptNews) -> Option<sse::Event> {
        let AttemptNews { webhook, event, record } = news;
        if !self.filter.takes_attempt(webhook, event) {
            return None;
        }
        told(
            "attempt",
            &Tried { webhook: webhook.name.clone(), logged: Logged::of(record, webhook) },
        )
    }
}

/// None of these fails to have a JSON form.
fn told(name: &str, data: &impl Serialize) -> Option<sse::Event> {
    sse::Event::default().event(name).json_data(data).ok()
}
