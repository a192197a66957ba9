//! Webhooks that come, change and go: what that means for their deliveries.

use std::sync::{Arc, atomic::Ordering};

use super::{Deliveries, State};
use crate::{
    config::{Webhook, WebhookId},
    queue::{gist::Interest, policy},
    store::Store,
    writer::{error::WriterError, stage::Stage},
};

use super::order::Order;

impl Deliveries {
    /// A webhook is new, or is to be as it is here. A new one gets what happens from `next_seq` on, one
    /// that was there before goes on where it was.
    pub(in crate::writer) fn put(
        &mut self,
        webhook: Arc<Webhook>,
        next_seq: u64,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        if let Some(own) = self.endpoints.get_mut(&webhook.id) {
            return own.turn_into(webhook, now_ms, store, stage);
        }
        let mut own = State::load(Arc::clone(&webhook), store, next_seq, now_ms)?;
        if own.order.is_none() {
            own.dissolve_order(now_ms, store, stage)?;
        }
        self.endpoints.insert(webhook.id, own);
        // It may have to do with events that all others are past.
        let low = self.low();
        self.floors = self.floors.map(|floor| floor.min(low));
        Ok(())
    }

    /// Hands nothing out any more. What is under way may still come to its end.
    pub(in crate::writer) fn retire(&mut self, webhook: WebhookId) {
        if let Some(own) = self.endpoints.get_mut(&webhook) {
            own.is_retired = true;
            own.take_back();
        }
    }

    /// Forgets a webhook that was retired and has not come back: nothing is under way for it. All that
    /// is to be kept of it must be durable.
    pub(in crate::writer) fn let_go(&mut self, webhook: WebhookId) {
        if self.endpoints.get(&webhook).is_some_and(|own| own.is_retired) {
            self.endpoints.remove(&webhook);
        }
    }

    /// Forgets a webhook for good: what comes of attempts under way does not count any more.
    pub(in crate::writer) fn delete(&mut self, webhook: WebhookId) {
        if let Some(mut own) = self.endpoints.remove(&webhook) {
            own.take_back();
        }
    }
}

impl State {
    /// Nothing that was handed out before may be begun any more, whatever its attempts under way come
    /// to.
    fn take_back(&mut self) {
        std::mem::take(&mut self.is_shut).store(true, Ordering::Release);
    }

    /// The webhook is as it is here from now on. What was handed out and not begun comes back, to be
    /// handed out anew.
    fn turn_into(
        &mut self,
        webhook: Arc<Webhook>,
        now_ms: u64,
        store: &Store,
        stage: &mut Stage,
    ) -> Result<(), WriterError> {
        self.is_retired = false;
        self.take_back();
        let is_elsewhere = webhook.url != self.webhook.url;
        self.endpoint.follow(&webhook.policy, is_elsewhere, now_ms);
        let is_ordered = webhook.policy.ordering == policy::Ordering::Message;
        if is_ordered != self.order.is_some() {
            self.order = is_ordered.then(Order::default);
        }
        self.interest = Interest::of(&webhook.subscription());
        // Its waits may be shorter now.
        self.may_be_misplaced = true;
        self.webhook = webhook;
        if is_ordered { Ok(()) } else { self.dissolve_order(now_ms, store, stage) }
    }
}
