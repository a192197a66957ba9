//! Recipients that one instance hands to another on this host, which refuses them.
//!
//! Both log it: the one that has the message by its status line, which is the recipient's end there,
//! and before that the other by its refusal of a client. The refusal waits a moment for a status
//! line with its words, and is told only when none comes.

use mailherald_parsers::postfix::{Action, Delivery, Status, Verdict, response};

use super::{Step, aside::Topic, direction::is_loopback, finding::is_asked_here};

/// The status line follows the reply.
const STATUS_US: i64 = 2 * 1_000_000;

impl Step<'_> {
    /// A client was refused that may be another instance. True when that waits for its status line.
    pub(crate) fn awaits_relay(&mut self, verdict: &Verdict<'_>) -> bool {
        let (host, instance) = (&self.system.host, &self.system.instance);
        let is_here = is_loopback(verdict.peer.address);
        let may_be = is_here
            && verdict.action == Action::Reject
            && verdict.sasl_username.is_none()
            && self.directory.has_another(host, instance);
        let Some(recipient) = verdict.recipient.filter(|_| may_be) else { return false };
        self.put_aside(self.relayed(recipient, verdict.text), STATUS_US)
    }

    /// A status line tells what the other instance refused in the same words.
    pub(crate) fn refused_here(&mut self, delivery: &Delivery<'_>) {
        let is_refused = delivery.status != Status::Sent && is_asked_here(delivery);
        if !is_refused || !self.asides.are_telling() {
            return;
        }
        let topic = self.relayed(delivery.recipient, response(delivery.text).reply);
        // One line tells one refusal.
        for other in self.asides.take(&topic).into_iter().skip(1) {
            self.asides.put(other);
        }
    }

    fn relayed(&self, recipient: &[u8], words: &[u8]) -> Topic {
        let name = [recipient, words].join(&0).to_ascii_lowercase();
        Topic::Relayed(self.system.host.as_slice().into(), name.into())
    }
}
