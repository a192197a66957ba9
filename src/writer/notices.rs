//! What an operator hears of endpoints: each change, once.

use super::Resume;
use crate::queue::endpoint::{Change, DisabledReason};

/// Says what changed with the endpoint of a webhook.
pub(super) fn tell(webhook: &str, change: Change) {
    match change {
        Change::Failing { attempts } => {
            tracing::warn!(webhook, attempts, "a webhook fails again and again");
        }
        Change::Recovered { attempts } => tracing::info!(webhook, attempts, "a webhook recovered"),
        Change::Disabled(reason) => disabled(webhook, reason),
        Change::Opened => {
            tracing::warn!(webhook, "a webhook is down and much waits: only probes are sent");
        }
        Change::Closed => tracing::info!(webhook, "a webhook answers again: what waits is sent"),
    }
}

fn disabled(webhook: &str, reason: DisabledReason) {
    let reason = reason.name();
    tracing::error!(webhook, reason, "a webhook is disabled; its events wait");
}

/// Says that somebody enabled a webhook.
pub(super) fn enabled(webhook: &str, resume: Resume) {
    tracing::info!(webhook, ?resume, "a webhook is enabled");
}
