//! What a person has the writer do with a webhook or a key. Durable when each of these returns.

use std::time::Duration;

use super::{
    KeyOutcome, Resume, Writer,
    api_keys::{self, KeyAction},
    error::WriterError,
    manual::{Action, Outcome},
};
use crate::{
    config::WebhookId,
    secret::{KeyRing, RotationError, Secret},
};

impl Writer {
    /// Does something with deliveries.
    pub(super) fn act(
        &mut self,
        webhook: WebhookId,
        action: Action,
    ) -> Result<Outcome, WriterError> {
        let now_ms = self.steady.now(&*self.clock).ms;
        let (events, store, stage) = (&mut self.events, &self.store, &mut self.stage);
        let outcome = self.deliveries.act(webhook, action, now_ms, events, store, stage)?;
        self.commit()?;
        self.wake_senders();
        Ok(outcome)
    }

    /// Sends events again whose delivery is over; gives which.
    pub(super) fn recover(
        &mut self,
        webhook: WebhookId,
        seqs: &[u64],
    ) -> Result<Vec<u64>, WriterError> {
        let now_ms = self.steady.now(&*self.clock).ms;
        let (events, store, stage) = (&mut self.events, &self.store, &mut self.stage);
        let recovered = self.deliveries.recover(webhook, seqs, now_ms, events, store, stage)?;
        self.commit()?;
        self.wake_senders();
        Ok(recovered)
    }

    /// Sends nothing to a webhook. False if that was so before.
    pub(super) fn disable(&mut self, webhook: WebhookId) -> Result<bool, WriterError> {
        let now_ms = self.steady.now(&*self.clock).ms;
        let is_new = self.deliveries.disable(webhook, now_ms, &mut self.stage);
        self.commit()?;
        Ok(is_new)
    }

    /// Sends to it again. False if it was not disabled.
    pub(super) fn enable(
        &mut self,
        webhook: WebhookId,
        resume: Resume,
    ) -> Result<bool, WriterError> {
        let now_ms = self.steady.now(&*self.clock).ms;
        let (store, stage) = (&self.store, &mut self.stage);
        let is_new = self.deliveries.enable(webhook, resume, now_ms, store, stage)?;
        self.commit()?;
        self.wake_senders();
        Ok(is_new)
    }

    /// Signs with another secret. None when there is no such webhook.
    pub(super) fn rotate(
        &mut self,
        webhook: WebhookId,
        new: Secret,
        grace: Duration,
    ) -> Result<Option<Result<KeyRing, RotationError>>, WriterError> {
        let (now, stage) = (self.clock.now(), &mut self.stage);
        let rotated = self.keys.rotate(webhook, new, grace, now, stage);
        self.commit()?;
        if let Some(Ok(ring)) = &rotated {
            self.keys.release(webhook, ring.clone());
        }
        Ok(rotated)
    }

    /// Makes a key of the API, or ends one.
    pub(super) fn change_key(&mut self, action: KeyAction) -> Result<KeyOutcome, WriterError> {
        match api_keys::stage(action, &self.api_keys, &mut self.stage) {
            Ok(known) => {
                self.commit()?;
                self.api_keys.set(known);
                Ok(KeyOutcome::Done)
            }
            Err(outcome) => Ok(outcome),
        }
    }
}
