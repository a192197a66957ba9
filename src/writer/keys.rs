//! The secrets of all webhooks over restarts: what was rotated stays so, what the configuration
//! changes is followed, and what expired is let go of.
//!
//! What a rotation means is [`KeyRing`]'s. A ring changes first in the store, then in the hands of
//! the senders.

mod stored;

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Webhooks, made, stage::Stage};
use crate::{
    config::{Webhook, WebhookId},
    secret::{KeyId, KeyRing, RotationError, SealError, Sealing, Secret, SecretError},
    store::{CodecError, Key, Prefix, Store, StoreError, key::parse_ring},
};

use stored::StoredRing;

/// The end of a former secret is told so long before.
const TOLD_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// The secrets of the webhooks at work.
#[derive(Debug, Default)]
pub struct Keys {
    sealing: Sealing,
    webhooks: Webhooks,
    /// What a start has changed and no commit holds yet.
    unstored: Vec<(Key, Vec<u8>)>,
    /// Former secrets whose end was told.
    told: HashSet<(WebhookId, KeyId)>,
}

/// A former secret that will soon no longer be good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expiring {
    /// Name of its webhook.
    pub(super) webhook: String,
    /// Its id.
    pub(super) key: KeyId,
    /// So long it still is.
    pub(super) seconds: u64,
}

/// The secrets cannot be had, so nothing could be signed as receivers expect it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store gave back what this version cannot read.
    #[error("read the stored secrets")]
    Value(#[from] CodecError),
    /// One that is needed does not open.
    #[error("open the stored secret of webhook `{webhook}`")]
    Open {
        /// Name of the webhook.
        webhook: String,
        /// Why.
        source: SealError,
    },
    /// One that was rotated before the profile was changed is none for the new profile.
    #[error("use the stored secret of webhook `{webhook}` with its profile")]
    Unfit {
        /// Name of the webhook.
        webhook: String,
        /// Why.
        source: SecretError,
    },
    /// What a webhook is that was made through the API does not open.
    #[error("open what is stored of webhook {id}")]
    Definition {
        /// Its id.
        id: WebhookId,
        /// Why.
        source: SealError,
    },
    /// One cannot be sealed.
    #[error("seal the secrets")]
    Seal(#[source] SealError),
}

impl Keys {
    /// Reads what is stored, follows the configuration, and gives each webhook its secrets.
    ///
    /// # Errors
    /// When the store cannot be read, or a secret that is needed cannot be opened.
    pub fn load(
        store: &Store,
        webhooks: &[Arc<Webhook>],
        sealing: Sealing,
        now: Timestamp,
    ) -> Result<Self, KeysError> {
        let mut keys = Self { sealing, webhooks: webhooks.into(), ..Self::default() };
        for entry in store.scan(&Prefix::rings())? {
            let (key, value) = entry?;
            let owner = parse_ring(&key);
            if let Some(id) = owner.filter(|id| webhooks.iter().all(|own| own.id != *id)) {
                keys.seal_anew(id, StoredRing::decode(&value)?)?;
            }
        }
        for webhook in webhooks {
            let stored = store.get(&Key::ring(webhook.id))?;
            let stored = stored.map(|bytes| StoredRing::decode(&bytes)).transpose()?;
            keys.take_up(webhook, stored.as_ref(), now)?;
            if let Some(made) = &webhook.made {
                let anew = made::sealed_anew(webhook.id, made, store, &keys.sealing)?;
                keys.unstored.extend(anew);
            }
        }
        Ok(keys)
    }

    /// Stages what the start has changed.
    pub(super) fn begin(&mut self, stage: &mut Stage) {
        for (key, bytes) in std::mem::take(&mut self.unstored) {
            stage.put(key, bytes);
        }
    }

    /// The ring of that webhook with `new` as the secret that signs, staged. Hand it to
    /// [`Keys::release`] when it is durable. None when there is no such webhook.
    pub(super) fn rotate(
        &self,
        id: WebhookId,
        new: Secret,
        grace: Duration,
        now: Timestamp,
        stage: &mut Stage,
    ) -> Option<Result<KeyRing, RotationError>> {
        let webhook = self.webhook(id)?;
        let staged = webhook.ring().rotated(new, grace, now).and_then(|ring| {
            stage.put(Key::ring(id), StoredRing::of(&ring, &self.sealing, id)?.encode());
            Ok(ring)
        });
        Some(staged)
    }

    /// Gives a webhook that is to be put its secrets: those that it has already, if it is not new, with
    /// its configured secret as the one that signs, if that is another one than before. Gives what the
    /// store is to hold of them.
    ///
    /// # Errors
    /// The secret that signs is none for its profile, or does not open.
    pub(super) fn ring_for(
        &self,
        webhook: &Webhook,
        store: &Store,
        now: Timestamp,
    ) -> Result<Vec<u8>, KeysError> {
        let mut ring = match self.webhook(webhook.id) {
            Some(before) => before.ring(),
            None => match store.get(&Key::ring(webhook.id))? {
                Some(bytes) => StoredRing::decode(&bytes)?.open(webhook, &self.sealing, now)?,
                None => KeyRing::new(webhook.secret.clone()),
            },
        };
        if ring.follow(&webhook.secret, now) {
            say_followed(webhook, &ring);
        }
        ring.prune(now);
        ring.fit(webhook.profile)
            .map_err(|source| KeysError::Unfit { webhook: webhook.name.clone(), source })?;
        let stored = StoredRing::of(&ring, &self.sealing, webhook.id).map_err(KeysError::Seal)?;
        webhook.transport.keys.set(ring);
        Ok(stored.encode())
    }

    /// From now on these are the webhooks.
    pub(super) fn set_webhooks(&mut self, webhooks: Webhooks) {
        self.webhooks = webhooks;
    }

    /// What is stored is sealed with it.
    pub(super) fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// From now on the webhook's requests are signed with this ring.
    pub(super) fn release(&self, id: WebhookId, ring: KeyRing) {
        if let Some(webhook) = self.webhook(id) {
            webhook.transport.keys.set(ring);
        }
    }

    /// Stages rings without what has expired.
    pub(super) fn forget_expired(&self, now: Timestamp, stage: &mut Stage) {
        for webhook in self.webhooks.iter() {
            let mut ring = webhook.ring();
            // Without random bytes to seal with it stays until there are some.
            if ring.prune(now)
                && let Ok(stored) = StoredRing::of(&ring, &self.sealing, webhook.id)
            {
                stage.put(Key::ring(webhook.id), stored.encode());
                webhook.transport.keys.set(ring);
            }
        }
    }

    /// Former secrets whose end is near, each once: receivers that still know no other will refuse
    /// what is sent to them.
    pub(super) fn expiring(&mut self, now: Timestamp) -> Vec<Expiring> {
        let mut expiring = Vec::new();
        for webhook in self.webhooks.iter() {
            for former in webhook.ring().former() {
                let (key, left) = (former.secret.id(), former.valid_until.duration_since(now));
                if left <= TOLD_BEFORE && self.told.insert((webhook.id, key)) {
                    let seconds = u64::try_from(left.as_secs()).unwrap_or(0);
                    expiring.push(Expiring { webhook: webhook.name.clone(), key, seconds });
                }
            }
        }
        expiring
    }

    fn webhook(&self, id: WebhookId) -> Option<&Arc<Webhook>> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }

    fn take_up(
        &mut self,
        webhook: &Webhook,
        stored: Option<&StoredRing>,
        now: Timestamp,
    ) -> Result<(), KeysError> {
        let mut ring = match stored {
            Some(stored) => stored.open(webhook, &self.sealing, now)?,
            None => KeyRing::new(webhook.secret.clone()),
        };
        if ring.follow(&webhook.secret, now) {
            say_followed(webhook, &ring);
        }
        ring.prune(now);
        if !stored.is_some_and(|stored| stored.is_of(&ring, &self.sealing)) {
            let anew = StoredRing::of(&ring, &self.sealing, webhook.id).map_err(KeysError::Seal)?;
            self.unstored.push((Key::ring(webhook.id), anew.encode()));
        }
        webhook.transport.keys.set(ring);
        Ok(())
    }

    /// For a webhook that is not configured now, but may be again: what opens is sealed under the
    /// present key. What does not is left for whoever has its key.
    fn seal_anew(&mut self, id: WebhookId, stored: StoredRing) -> Result<(), KeysError> {
        if let Some(anew) = stored.sealed_anew(id, &self.sealing).map_err(KeysError::Seal)? {
            self.unstored.push((Key::ring(id), anew.encode()));
        }
        Ok(())
    }
}

fn say_followed(webhook: &Webhook, ring: &KeyRing) {
    let (webhook, key) = (&webhook.name, ring.current().id());
    let former = ring.former().first().map(|former| former.valid_until.to_string());
    tracing::info!(webhook, %key, former_good_until = former, "the configured secret has changed");
}
