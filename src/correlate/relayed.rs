//! Recipients that one instance hands to another on this host, which refuses them; and those that
//! a before-queue filter passes on to the smtpd behind it.
//!
//! Both log it: the one that has the message by its status line, which is the recipient's end there,
//! or that has the client by its `proxy-reject`; and before that the other by its refusal of a client.
//! That refusal waits a moment for a line with its words, and is told only when none comes. Of a
//! message that is held for the filter's answer, that answer is all that is told.

use mailherald_parsers::{
    Body,
    postfix::{Action, Delivery, Entry, ProxyAnswer, Status, Verdict, response},
};

use smol_str::SmolStr;

use super::{
    Step, aside::Topic, direction::is_loopback, finding::is_asked_here, message::KeptLine,
};

/// The status line follows the reply.
const STATUS_US: i64 = 2 * 1_000_000;

impl Step<'_> {
    /// A client was refused that may be another instance. True when that waits for its status line.
    pub(crate) fn awaits_relay(&mut self, verdict: &Verdict<'_>) -> bool {
        let (host, instance) = (&self.system.host, &self.system.instance);
        let is_relayed =
            || is_loopback(verdict.peer.address) && self.directory.has_another(host, instance);
        let may_be = verdict.action == Action::Reject
            && verdict.sasl_username.is_none()
            && (is_relayed() || self.asides.has_proxied(host));
        let Some(recipient) = verdict.recipient.filter(|_| may_be) else { return false };
        self.put_aside(self.relayed(recipient, verdict.text), STATUS_US)
    }

    /// A status line tells what the other instance refused in the same words.
    pub(crate) fn refused_here(&mut self, delivery: &Delivery<'_>) {
        let is_refused = delivery.status != Status::Sent && is_asked_here(delivery);
        if !is_refused || !self.asides.are_telling() {
            return;
        }
        self.forget_relayed(delivery.recipient, response(delivery.text).reply);
    }

    /// A before-queue filter's refusal tells what the smtpd behind it refused: a recipient, in the same
    /// words, or a message that waits for this answer.
    pub(crate) fn refused_behind(&mut self, answer: &ProxyAnswer<'_>) {
        let Some(recipient) = answer.recipient else { return };
        self.forget_relayed(recipient, answer.text);
        let is_it = |queue_id: &&SmolStr| {
            let message = self.system.messages.get(queue_id);
            let held = message.and_then(|message| message.held.as_ref());
            held.is_some_and(|held| held.lines.iter().any(|line| line.is_behind(answer)))
        };
        if let Some(queue_id) = self.system.passed_on.iter().find(is_it).cloned() {
            self.drop_held(&queue_id);
        }
    }

    /// A held message is over, and what its lines say is told already.
    fn drop_held(&mut self, queue_id: &str) {
        self.system.passed_on.remove(queue_id);
        if let Some(message) = self.system.messages.get_mut(queue_id) {
            self.directory.forget_held(&self.system.host, message);
            message.held = None;
        }
        self.system.close(queue_id);
    }

    fn forget_relayed(&mut self, recipient: &[u8], words: &[u8]) {
        let topic = self.relayed(recipient, words);
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

impl KeptLine {
    /// Does it refuse the message that the filter's answer is about? smtpd names the first recipient,
    /// and cleanup the last, so that with several the words tell.
    fn is_behind(&self, answer: &ProxyAnswer<'_>) -> bool {
        let mut found = false;
        self.read(|line| {
            let (action, from, to, words) = match &line.record.body {
                Body::Postfix(Entry::Verdict(it)) => {
                    (it.action, it.sender, it.recipient, Some(it.text))
                }
                Body::Postfix(Entry::ContentCheck(it)) => {
                    (it.action, it.sender, it.recipient, it.text)
                }
                _ => return,
            };
            let is_refusal = matches!(action, Action::Reject | Action::MilterReject);
            let words = words.filter(|words| !words.is_empty());
            let has_words = || words.is_some_and(|words| answer.text.ends_with(words));
            found = is_refusal && from == answer.sender && (to == answer.recipient || has_words());
        });
        found
    }
}
