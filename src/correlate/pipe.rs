//! Content filters behind pipe(8), which resubmit what they pass on with sendmail(1)
//! (Postfix `FILTER_README`, "Simple content filter"; spamc with `-e`).
//!
//! The old queue ID ends with `status=sent (delivered via SERVICE service)`, as if that were
//! delivery; the new one begins at pickup, with the same Message-ID and sender. Either may be logged
//! first. What has no Message-ID is joined by the sender alone, and only while just one message of
//! that sender (not the null sender, which is everybody's) waits: cleanup gives every local submission a Message-ID but those of `sendmail -G`,
//! which is for filters (Postfix `src/cleanup/cleanup_message.c`).

use mailherald_parsers::postfix::{Delivery, QueueId, Relay, Status};
use memchr::memmem;
use smol_str::SmolStr;

use super::{
    Link, Step,
    hold::{HOLD_US, Held, PIPE_US},
    lineage::{Kin, Lineage},
    message::{KeptLine, Message},
};

/// Programs that are the end of a delivery, in the names of services that run them (`dovecot-lda`,
/// `spamass-dovecot`, `old-cyrus`): nobody should wait for these, and what their Sieve scripts redirect
/// is a message of its own.
const FINAL: [&[u8]; 12] = [
    b"dovecot",
    b"lda",
    b"deliver",
    b"maildrop",
    b"cyrus",
    b"procmail",
    b"mailman",
    b"sympa",
    b"uucp",
    b"ifmail",
    b"bsmtp",
    b"scalemail",
];

/// Submissions that may be one message once more, and messages without a Message-ID that wait. A
/// local user chooses how many there could be.
const MOST: usize = 256;

/// Agents that are no pipe, where the logging system lost the daemon's name.
const MAILBOXES: [&[u8]; 2] = [b"local", b"virtual"];

impl Step<'_> {
    /// A local submission with the Message-ID and the sender of an open message may be that
    /// message, back from its filter.
    pub(crate) fn look_for_pipe(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if message.message_id.is_none() {
            return self.look_for_nameless_pipe(queue_id, message);
        }
        let Some(parent_id) = self.resubmitted_from(queue_id, message) else { return };
        let Some(parent) = self.system.messages.get_mut(&parent_id) else { return };
        let lineage = Lineage::of(parent);
        match parent.filtered_by_pipe {
            Some(true) => lineage.adopt(message),
            Some(false) => {}
            None if parent.is_held() => {
                lineage.adopt(message);
                self.links.push(Link { queue_id: parent_id, kin: Kin::Filtered });
            }
            None if parent.resubmitted.len() >= MOST => {}
            None => {
                parent.resubmitted.push(queue_id.as_str().into());
                self.system.mark_changed(&parent_id);
                let held = self.may_belong_to(lineage, HOLD_US);
                self.hold_back(queue_id, message, held);
            }
        }
    }

    /// The same for a submission without a Message-ID: it waits for the pipe's line, if that has not
    /// come before.
    fn look_for_nameless_pipe(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if message.queue_line.is_some() || message.is_held() || !has_sender(message) {
            return;
        }
        if let Some(parent_id) = self.nameless_held(message, true)
            && let Some(parent) = self.system.messages.get(&parent_id)
        {
            Lineage::of(parent).adopt(message);
            self.links.push(Link { queue_id: parent_id, kin: Kin::Filtered });
            return;
        }
        if self.system.nameless.len() < MOST {
            let held = self.may_belong_to(Lineage::of(message), HOLD_US);
            self.hold_nameless(queue_id, message, held);
        }
    }

    fn hold_nameless(&mut self, queue_id: QueueId<'_>, message: &mut Message, held: Held) {
        self.system.nameless.insert(queue_id.as_str().into());
        self.hold_back(queue_id, message, held);
    }

    /// The one message without a Message-ID that is held and has the sender of `message`: for a
    /// pickup, or because a pickup brought it. None when there are more.
    fn nameless_held(&mut self, message: &Message, for_pickup: bool) -> Option<SmolStr> {
        let (messages, nameless) = (&self.system.messages, &mut self.system.nameless);
        let held = |id: &str| messages.get(id).and_then(|held| held.held.as_deref());
        nameless.retain(|id| held(id).is_some());
        let mut alike = nameless.iter().filter(|id| {
            held(id).is_some_and(|held| held.for_pickup == for_pickup)
                && messages.get(id).is_some_and(|held| held.sender == message.sender)
        });
        let found = alike.next()?;
        alike.next().is_none().then(|| found.clone())
    }

    /// Did a pipe take the message only to filter it, so that its story goes on elsewhere?
    pub(crate) fn is_filtered_by_pipe(
        &mut self,
        message: &mut Message,
        delivery: &Delivery<'_>,
    ) -> bool {
        if !self.is_sent_by_pipe(delivery) {
            return false;
        }
        for queue_id in std::mem::take(&mut message.resubmitted) {
            message.filtered_by_pipe = Some(true);
            self.links.push(Link { queue_id, kin: Kin::OneStage(Lineage::of(message)) });
        }
        let is_filtered = message.filtered_by_pipe == Some(true);
        if is_filtered {
            self.directory.note_pipe(&self.system.host);
        }
        is_filtered
    }

    /// Holds a message that a pipe took, until it is known whether to filter it. True when this
    /// line waits.
    pub(crate) fn waits_for_pickup(
        &mut self,
        message: &mut Message,
        delivery: &Delivery<'_>,
    ) -> bool {
        let may_be = message.filtered_by_pipe.is_none()
            && message.resubmitted.is_empty()
            && message.origin.is_from_outside()
            && (message.message_id.is_some() || has_sender(message))
            && self.is_sent_by_pipe(delivery);
        if may_be && message.message_id.is_none() {
            message.resubmitted.extend(self.nameless_held(message, false));
        }
        let waits = may_be && message.resubmitted.is_empty();
        if waits {
            self.hold_for_next(message, delivery.queue_id);
        }
        waits
    }

    /// Holds a message, with this line, until its next stage should have begun.
    pub(crate) fn hold_for_next(&mut self, message: &mut Message, queue_id: QueueId<'_>) {
        let mut held = self.may_belong_to(Lineage::of(message), PIPE_US);
        held.for_pickup = true;
        held.push(KeptLine::from(self.line));
        if message.message_id.is_none() {
            return self.hold_nameless(queue_id, message, held);
        }
        self.hold_back(queue_id, message, held);
    }

    pub(crate) fn is_sent_by_pipe(&self, delivery: &Delivery<'_>) -> bool {
        let Relay::Agent(service) = delivery.relay else { return false };
        delivery.status == Status::Sent
            && self.is_of(b"pipe")
            && !MAILBOXES.contains(&service)
            && !FINAL.iter().any(|program| memmem::find(service, program).is_some())
    }

    /// The open message that `message` could be once more: the first of those that wait for that, or
    /// the newest.
    fn resubmitted_from(&self, queue_id: QueueId<'_>, message: &Message) -> Option<SmolStr> {
        let message_id = message.message_id.as_deref().filter(|_| message.queue_line.is_none())?;
        let (host, instance) = (&self.system.host, &self.system.instance);
        let parent = |id: &&str| {
            self.system.messages.get(id).filter(|parent| {
                *id != queue_id.as_str()
                    && parent.queue_line.is_some()
                    && parent.sender == message.sender
            })
        };
        let waits = |id: &&str| parent(id).is_some_and(Message::is_held);
        let tellers = || self.directory.tellers(host, instance, message_id);
        let oldest = tellers().filter(waits).last();
        let found = oldest.or_else(|| tellers().find(|id| parent(id).is_some()));
        found.map(SmolStr::from)
    }
}

fn has_sender(message: &Message) -> bool {
    message.sender.as_ref().is_some_and(|sender| !sender.is_empty())
}
