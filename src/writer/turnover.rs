//! Webhooks that come, change and go while the writer works.
//!
//! A change is durable first; then it is in the [`Roster`](super::Roster), where senders and everybody
//! else find it. What is under way at that moment comes to its end, and counts as long as the webhook
//! is known.

use std::sync::Arc;

use super::{Webhooks, Writer, error::WriterError, keys::KeysError, made, roster::find};
use crate::{
    config::{Webhook, WebhookId},
    event::{EventType, Notice},
    limits::REMOVES_PER_COMMIT,
    store::{Key, Prefix},
};

/// One change of the webhooks.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is new, or is to be as it is here. What waits for it is for it as it is then.
    Put {
        /// The webhook.
        webhook: Arc<Webhook>,
        /// Whether it is to be told of events; None for as it was, and for a new one to be.
        is_enabled: Option<bool>,
    },
    /// It is not in the configuration any more. Nothing is sent; what is known of it stays, for it may
    /// be there again.
    Retire(WebhookId),
    /// It is gone for good, and what waits for it is cancelled.
    Delete(WebhookId),
}

impl Writer {
    /// Makes all these changes, or says why none is made.
    pub(super) fn turn_over(
        &mut self,
        changes: Vec<Change>,
    ) -> Result<Result<(), KeysError>, WriterError> {
        // What is staged speaks of the webhooks as they were.
        self.commit()?;
        let prepared = self.prepare(&changes);
        let rows = match prepared {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        for (key, value) in rows {
            self.stage.put(key, value);
        }
        let mut webhooks = self.roster.now().to_vec();
        for change in &changes {
            self.stage_change(change, &mut webhooks)?;
        }
        self.commit()?;
        self.publish(webhooks.into())?;
        for change in changes {
            if let Change::Delete(id) = change {
                self.erase(id)?;
            }
        }
        Ok(Ok(()))
    }

    /// What the store is to hold of the webhooks that are put: the part of a change that can fail.
    fn prepare(&mut self, changes: &[Change]) -> Result<Vec<(Key, Vec<u8>)>, KeysError> {
        let (now, mut rows) = (self.clock.now(), Vec::new());
        for change in changes {
            let Change::Put { webhook, .. } = change else { continue };
            let ring = self.keys.ring_for(webhook, &self.store, now)?;
            rows.push((Key::ring(webhook.id), ring));
            if let Some(made) = &webhook.made {
                let value = made::value(webhook.id, made, self.keys.sealing());
                rows.push((Key::made(webhook.id), value.map_err(KeysError::Seal)?));
            }
        }
        Ok(rows)
    }

    fn stage_change(
        &mut self,
        change: &Change,
        webhooks: &mut Vec<Arc<Webhook>>,
    ) -> Result<(), WriterError> {
        let now_ms = self.steady.now(&*self.clock).ms;
        match change {
            Change::Put { webhook, is_enabled } => {
                let is_new = find(webhooks, webhook.id).is_none();
                let next_seq = self.events.next_seq();
                let (store, stage) = (&self.store, &mut self.stage);
                self.deliveries.put(Arc::clone(webhook), next_seq, now_ms, store, stage)?;
                let kind =
                    if is_new { EventType::EndpointCreated } else { EventType::EndpointUpdated };
                self.announce(kind, webhook, now_ms);
                enter(Arc::clone(webhook), webhooks);
                self.set_enabled(webhook.id, *is_enabled, now_ms)?;
            }
            Change::Retire(id) | Change::Delete(id) => {
                let Some(webhook) = find(webhooks, *id).cloned() else { return Ok(()) };
                webhooks.retain(|webhook| webhook.id != *id);
                if matches!(change, Change::Delete(_)) {
                    self.deliveries.delete(*id);
                    for key in
                        [Key::made(*id), Key::ring(*id), Key::cursor(*id), Key::endpoint(*id)]
                    {
                        self.stage.remove(key);
                    }
                } else {
                    self.deliveries.retire(*id);
                }
                self.announce(EventType::EndpointDeleted, &webhook, now_ms);
            }
        }
        Ok(())
    }

    fn set_enabled(
        &mut self,
        id: WebhookId,
        is_enabled: Option<bool>,
        now_ms: u64,
    ) -> Result<(), WriterError> {
        let (store, stage) = (&self.store, &mut self.stage);
        match is_enabled {
            Some(true) => {
                let resume = super::Resume::default();
                self.deliveries.enable(id, resume, now_ms, store, stage)?;
            }
            Some(false) => {
                self.deliveries.disable(id, now_ms, stage);
            }
            None => {}
        }
        Ok(())
    }

    fn announce(&mut self, kind: EventType, webhook: &Webhook, now_ms: u64) {
        let (name, change) = (&webhook.name, kind.name());
        tracing::info!(webhook = name, id = %webhook.id, change, "the webhooks have changed");
        self.deliveries.notices.push(kind, Notice::about(name), now_ms);
        self.stage.touch();
    }

    /// It is durable: everybody may know.
    fn publish(&mut self, webhooks: Webhooks) -> Result<(), WriterError> {
        self.keys.set_webhooks(Arc::clone(&webhooks));
        let sending = self.deliveries.wants(EventType::OutboundSending);
        let evidence = self.deliveries.want_evidence();
        self.intake()?.correlator.tell_of(sending, evidence);
        self.roster.set(webhooks);
        self.wake_senders();
        Ok(())
    }

    /// Removes what waits for a webhook that is deleted, and what else only it has use for. Its
    /// attempts and dead letters go when they are old enough.
    fn erase(&mut self, id: WebhookId) -> Result<(), WriterError> {
        let mut cancelled = 0;
        for prefix in [Prefix::retries(id), Prefix::places(id), Prefix::offered(id)] {
            loop {
                let keys = self.store.scan(&prefix)?.take(REMOVES_PER_COMMIT);
                let keys =
                    keys.map(|entry| entry.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
                if keys.is_empty() {
                    break;
                }
                let is_delivery = prefix == Prefix::retries(id);
                cancelled += if is_delivery { keys.len() } else { 0 };
                for key in &keys {
                    self.stage.remove(Key::from_stored(key));
                }
                self.commit()?;
            }
        }
        if cancelled > 0 {
            tracing::info!(%id, cancelled, "deliveries that waited for a deleted webhook");
        }
        Ok(())
    }
}

/// In the place of the one with its id; else behind those that were made as it was.
fn enter(webhook: Arc<Webhook>, webhooks: &mut Vec<Arc<Webhook>>) {
    if let Some(place) = webhooks.iter_mut().find(|other| other.id == webhook.id) {
        *place = webhook;
        return;
    }
    let first_made = webhooks.iter().position(|other| other.made.is_some());
    let place = first_made.filter(|_| webhook.made.is_none()).unwrap_or(webhooks.len());
    webhooks.insert(place, webhook);
}
