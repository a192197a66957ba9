//! How many deliveries of each webhook are where.

use std::{collections::BTreeSet, sync::Arc};

use super::{Deliveries, State};
use crate::{
    config::{Webhook, WebhookId},
    queue::delivery::Finished,
    store::{Prefix, Store, key},
    writer::{
        error::WriterError,
        events::EventLog,
        figures::{ROWS, WebhookFigures},
    },
};

impl Deliveries {
    /// The webhook with that id.
    pub(in crate::writer) fn webhook(&self, webhook: WebhookId) -> Option<Arc<Webhook>> {
        self.endpoints.get(&webhook).map(|state| Arc::clone(&state.webhook))
    }

    /// Counts what came of an attempt.
    pub(in crate::writer) fn count(&mut self, webhook: WebhookId, finished: &Finished) {
        if let Some(state) = self.endpoints.get_mut(&webhook) {
            state.count(finished);
        }
    }

    /// The figures of all webhooks.
    pub(in crate::writer) fn figures(
        &self,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<Vec<WebhookFigures>, WriterError> {
        let all = self.endpoints.values().filter(|state| !state.is_retired);
        all.map(|state| state.figures(self.durable_seq, now_ms, events, store)).collect()
    }
}

impl State {
    fn figures(
        &self,
        durable_seq: u64,
        now_ms: u64,
        events: &mut EventLog,
        store: &Store,
    ) -> Result<WebhookFigures, WriterError> {
        let (retries, oldest_retry) = self.waiting_retries(store)?;
        let low = Some(self.progress.low()).filter(|low| *low < durable_seq);
        let oldest = low.into_iter().chain(oldest_retry).min();
        let stored_ms = oldest.map(|seq| events.stored_ms(seq, store)).transpose()?.flatten();
        Ok(WebhookFigures {
            name: self.webhook.name.clone(),
            id: self.id,
            is_made: self.webhook.made.is_some(),
            health: self.endpoint.health().clone(),
            ends: self.ends.clone(),
            expired: self.expiry.total(),
            backlog: durable_seq.saturating_sub(self.progress.next()),
            under_way: self.progress.under_way()
                + self.claimed_retries.len().saturating_sub(self.ended_retries.len()),
            retries,
            dead: store.scan(&Prefix::dead(self.id))?.take(ROWS).count(),
            oldest_ms: stored_ms.map(|stored_ms| stored_ms.min(now_ms)),
        })
    }

    /// How many there are, and the oldest event among them. Those that have come to their end are in
    /// the store until the next commit.
    fn waiting_retries(&self, store: &Store) -> Result<(usize, Option<u64>), WriterError> {
        let ended: BTreeSet<_> = self.ended_retries.iter().collect();
        let (mut count, mut oldest) = (0, None);
        for entry in store.scan(&Prefix::retries(self.id))?.take(ROWS) {
            let Some((_, due_ms, seq)) = key::parse_retry(&entry?.0) else { continue };
            if ended.contains(&(due_ms, seq)) {
                continue;
            }
            count += 1;
            oldest = Some(oldest.map_or(seq, |oldest: u64| oldest.min(seq)));
        }
        Ok((count, oldest))
    }
}
