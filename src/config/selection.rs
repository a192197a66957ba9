//! What a webhook is told of, beyond the types it names, and what of an event it is shown.
//!
//! How events are picked is [`crate::queue::subscription`]'s, how they are veiled is `deliver`'s.

use std::fmt;

use crate::queue::subscription::Deferrals;

/// The finer choices of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Which deferrals.
    pub deferrals: Deferrals,
    /// Also opens and clicks that no person made.
    pub include_machine_events: bool,
    /// Only events of these streams; empty for all.
    pub routes: Vec<String>,
    /// What becomes of addresses.
    pub privacy: Privacy,
    /// Leaves the subject out.
    pub drop_subject: bool,
    /// Shows the log line that gave the event.
    pub evidence: bool,
}

/// What becomes of the local parts of addresses before a webhook sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Privacy {
    /// Nothing.
    #[default]
    None,
    /// Only the first letter stays.
    Mask,
    /// A keyed hash stands for them: the same one for the same address.
    Hash(HashKey),
}

/// Key of [`Privacy::Hash`]. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(pub [u8; 32]);

impl HashKey {
    /// A new key. Hashes made with it mean nothing beside those of another.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}
