//! A key ring as it lies in the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::KeysError;
use crate::{
    config::{Webhook, WebhookId},
    secret::{FormerKey, Kept, KeyId, KeyRing, SealError, Sealing, Secret},
    store::{CodecError, codec},
};

/// Version of the stored form.
const VERSION: u8 = 1;

/// A ring: what is secret of it as the sealing allows, the rest readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRing {
    /// Id of the secret that the configuration named.
    configured: KeyId,
    /// The current one, then the former ones, the newest first.
    keys: Vec<StoredKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredKey {
    id: KeyId,
    kept: Kept,
    /// Microseconds since the epoch; of the current one it means nothing.
    valid_until_us: i64,
}

impl StoredKey {
    fn of(
        secret: &Secret,
        until: Timestamp,
        sealing: &Sealing,
        owner: WebhookId,
    ) -> Result<Self, SealError> {
        let kept = sealing.keep(secret, &owner.0)?;
        Ok(Self { id: secret.id(), kept, valid_until_us: until.as_microsecond() })
    }

    fn open(&self, webhook: &Webhook, sealing: &Sealing) -> Result<Secret, KeysError> {
        let name = || webhook.name.clone();
        let text = sealing.open(&self.kept, &webhook.id.0);
        let text = text.map_err(|source| KeysError::Open { webhook: name(), source })?;
        Secret::parse(&text, webhook.profile)
            .map_err(|source| KeysError::Unfit { webhook: name(), source })
    }
}

impl StoredRing {
    pub(super) fn of(
        ring: &KeyRing,
        sealing: &Sealing,
        owner: WebhookId,
    ) -> Result<Self, SealError> {
        let current = std::iter::once((ring.current(), Timestamp::MAX));
        let former = ring.former().iter().map(|key| (&key.secret, key.valid_until));
        let keys = current.chain(former);
        let keys = keys.map(|(secret, until)| StoredKey::of(secret, until, sealing, owner));
        Ok(Self { configured: ring.configured(), keys: keys.collect::<Result<_, _>>()? })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode("key ring", VERSION, bytes)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(VERSION, self)
    }

    /// It says the same, and is kept as it would be kept now.
    pub(super) fn is_of(&self, ring: &KeyRing, sealing: &Sealing) -> bool {
        let former = ring.former().iter().map(|key| key.secret.id());
        let ids = std::iter::once(ring.current().id()).chain(former);
        self.configured == ring.configured()
            && self.keys.iter().map(|key| key.id).eq(ids)
            && self.keys.iter().all(|key| sealing.is_current(&key.kept))
    }

    /// The ring, but for what has expired. What does not open is an error while it is needed: when
    /// the configuration names another secret than before, one can go on with that.
    pub(super) fn open(
        &self,
        webhook: &Webhook,
        sealing: &Sealing,
        now: Timestamp,
    ) -> Result<KeyRing, KeysError> {
        let configured = &webhook.secret;
        let is_needed = configured.id() == self.configured;
        let mut current = None;
        let mut former = Vec::new();
        for (number, key) in self.keys.iter().enumerate() {
            let valid_until = Timestamp::from_microsecond(key.valid_until_us).unwrap_or_default();
            if number > 0 && valid_until <= now {
                continue;
            }
            // The configuration knows it, so no key can be missing.
            let known = (key.id == configured.id()).then(|| configured.clone());
            match known.map_or_else(|| key.open(webhook, sealing), Ok) {
                Ok(secret) if number == 0 => current = Some(secret),
                Ok(secret) => former.push(FormerKey { secret, valid_until }),
                Err(error) if is_needed => return Err(error),
                Err(error) => say_lost(webhook, key.id, &error),
            }
        }
        let (configured, id) = (configured.clone(), self.configured);
        Ok(match current {
            Some(current) => KeyRing::restored(id, current, former),
            None => KeyRing::restored(configured.id(), configured, former),
        })
    }

    /// The same under the present key; None when it is, or when a part of it does not open.
    ///
    /// # Errors
    /// There are no random bytes to seal with.
    pub(super) fn sealed_anew(
        mut self,
        owner: WebhookId,
        sealing: &Sealing,
    ) -> Result<Option<Self>, SealError> {
        if self.keys.iter().all(|key| sealing.is_current(&key.kept)) {
            return Ok(None);
        }
        for key in &mut self.keys {
            let Ok(text) = sealing.open(&key.kept, &owner.0) else { return Ok(None) };
            key.kept = sealing.keep_text(&text, &owner.0)?;
        }
        Ok(Some(self))
    }
}

fn say_lost(webhook: &Webhook, key: KeyId, error: &KeysError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(
        webhook = webhook.name,
        %key,
        cause,
        "a former secret cannot be opened: receivers that know only that one will refuse"
    );
}
