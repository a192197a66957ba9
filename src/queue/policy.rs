//! How one webhook wants its deliveries treated, beyond what its profile says.

use std::{num::NonZeroU32, time::Duration};

/// The policy of one webhook; the default is the profile's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Answers that mean something else than in the profile.
    pub codes: Codes,
    /// Retries are spread by up to a tenth of their wait. Without it the schedule is exact.
    pub jitter: bool,
    /// A receiver that is down is left alone, apart from probes, once much waits for it.
    pub circuit: bool,
    /// Attempts a second at most.
    pub rate: Option<NonZeroU32>,
    /// In which order deliveries go out.
    pub ordering: Ordering,
    /// How long an event may wait; None for what holds for all webhooks.
    pub backlog: Option<Duration>,
    /// Bytes of events that may wait; None for what holds for all webhooks.
    pub backlog_bytes: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            codes: Codes::default(),
            jitter: true,
            circuit: true,
            rate: None,
            ordering: Ordering::None,
            backlog: None,
            backlog_bytes: None,
        }
    }
}

/// Status codes whose meaning the webhook sets itself. No code is in both lists, and none is
/// between 200 and 299.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Codes {
    /// No later attempt can help.
    pub finals: Vec<u16>,
    /// A later attempt may help.
    pub retries: Vec<u16>,
}

impl Codes {
    /// Whether that code is final; None where the profile decides.
    #[must_use]
    pub fn is_final(&self, status: u16) -> Option<bool> {
        if self.finals.contains(&status) {
            Some(true)
        } else {
            self.retries.contains(&status).then_some(false)
        }
    }
}

/// In which order the deliveries of one webhook go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// Oldest first, side by side; what failed is overtaken.
    #[default]
    None,
    /// The events of one message one after the other, also across retries.
    Message,
}
