//! What all connections share: who has asked how much, and how many listen.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{lettermint::Trials, pace::Paces};
use crate::limits::STREAM_CLIENTS;

/// The bounds on what is asked at once.
#[derive(Debug)]
pub struct Guard {
    pub(super) paces: Paces,
    /// Tests that were asked for lately.
    pub(super) trials: Trials,
    /// Places for those who listen.
    places: Arc<Semaphore>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            paces: Paces::default(),
            trials: Trials::default(),
            places: Arc::new(Semaphore::new(STREAM_CLIENTS)),
        }
    }
}

impl Guard {
    /// A place to listen; None when all are taken.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Those who listen.
    pub(super) fn stream_clients(&self) -> usize {
        STREAM_CLIENTS.saturating_sub(self.places.available_permits())
    }
}
