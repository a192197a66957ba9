//! What an operational event tells: about a webhook, the store or a source, never about mail.

use serde::{Deserialize, Serialize};

use super::EventId;

/// The `data` object of an operational event (webhooks.md §2.8). `None` is left out when rendered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notice {
    /// The webhook that it is about, by its name.
    pub webhook: Option<String>,
    /// The source that it is about, by its name.
    pub source: Option<String>,
    /// The event whose delivery it is about.
    pub event: Option<EventId>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// What the last attempt met.
    pub error: Option<String>,
    /// Attempts made.
    pub attempts: Option<u64>,
    /// How many: of dead letters, deliveries, lines, bytes that are free, seconds.
    pub count: Option<u64>,
}

impl Notice {
    /// About a webhook.
    #[must_use]
    pub fn about(webhook: &str) -> Self {
        Self { webhook: Some(webhook.to_owned()), ..Self::default() }
    }
}
