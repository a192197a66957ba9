//! All webhooks, as they are at this moment. The writer changes them, once that is durable; everybody
//! else looks here.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use crate::config::{Webhook, WebhookId};

/// Webhooks in the order in which they are shown: those of the file, then the others.
pub type Webhooks = Arc<[Arc<Webhook>]>;

/// The webhooks at work: a clone sees the same ones.
#[derive(Clone)]
pub struct Roster(Arc<watch::Sender<Webhooks>>);

impl Roster {
    /// These webhooks.
    #[must_use]
    pub fn new(webhooks: Webhooks) -> Self {
        Self(Arc::new(watch::Sender::new(webhooks)))
    }

    /// As they are now.
    #[must_use]
    pub fn now(&self) -> Webhooks {
        Arc::clone(&self.0.borrow())
    }

    /// Tells of each change; a receiver that has seen nothing has the present ones to see.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Webhooks> {
        let mut changes = self.0.subscribe();
        changes.mark_changed();
        changes
    }

    /// From now on these are the webhooks.
    pub(super) fn set(&self, webhooks: Webhooks) {
        self.0.send_replace(webhooks);
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.now().iter().map(|webhook| &webhook.name)).finish()
    }
}

/// The webhook with that id.
#[must_use]
pub fn find(webhooks: &[Arc<Webhook>], id: WebhookId) -> Option<&Arc<Webhook>> {
    webhooks.iter().find(|webhook| webhook.id == id)
}
