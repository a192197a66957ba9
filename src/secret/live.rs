//! The key ring of a webhook as it is at this moment, in the hands of all that send for it.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::ring::KeyRing;

/// A key ring that is replaced under whoever holds the webhook: a clone sees the same one. Without
/// a ring, the configured secret is the only one.
#[derive(Clone)]
pub struct LiveKeys(Arc<watch::Sender<Option<KeyRing>>>);

impl LiveKeys {
    /// From now on these are the secrets.
    pub fn set(&self, ring: KeyRing) {
        self.0.send_replace(Some(ring));
    }

    /// As it is now.
    #[must_use]
    pub fn ring(&self) -> Option<KeyRing> {
        self.0.borrow().clone()
    }
}

impl Default for LiveKeys {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl PartialEq for LiveKeys {
    fn eq(&self, other: &Self) -> bool {
        self.ring() == other.ring()
    }
}

impl Eq for LiveKeys {}

impl fmt::Debug for LiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveKeys").field(&self.ring()).finish()
    }
}
