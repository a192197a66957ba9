//! How a message comes into the queue: client, pickup, Message-ID, active queue, DSN links.

use mailherald_parsers::postfix::{Client, MessageId, Notification, Pickup, QueueActive, QueueId};
use smol_str::SmolStr;

use super::{
    Step,
    emit::{Trigger, bounded, message_data},
    hold::{HOLD_US, Held},
    lineage::Lineage,
    message::{Class, Message, Origin},
};
use crate::event::EventType;

/// Lines of different daemons may swap places within this time.
const SWAP_US: i64 = 2_000_000;

/// Local part of the address that Postfix sends probes and double bounces from
/// (`double_bounce_sender`).
const PROBE_SENDER: &str = "double-bounce@";

impl Step<'_> {
    /// smtpd opened a queue file, or the way to a before-queue filter.
    pub(crate) fn client(&mut self, client: &Client<'_>) {
        let Some(queue_id) = client.queue_id else {
            self.foretold(client.peer, None);
            return self.proxied();
        };
        // One that XFORWARD names the parent of may have been known for its stage before.
        let is_child = client.orig_queue_id.is_some();
        let mut message = self.begin(queue_id, Origin::Network, is_child);
        self.note_client(client, self.line.record.process.tag, &mut message);
        if let Some(parent) = client.orig_queue_id {
            self.inherit(queue_id, &mut message, parent);
        }
        // A filter whose message is not known by that ID still tells who the client was.
        message.over_loopback = message.has_local_client();
        let is_filter = message.over_loopback && message.origin == Origin::Network;
        if let Some(original) = client.orig_client.filter(|_| is_filter) {
            message.note_peer(original);
        }
        if client.orig_queue_id.is_some() && is_filter {
            // Made of one that is not known here: its beginning is missing.
            message.origin = Origin::Unknown;
        }
        if message.message_id.is_some() {
            // That line overtook this one.
            self.look_for_story(queue_id, &mut message);
            self.note_message_id(queue_id, &mut message);
        }
        self.put(queue_id, message);
        self.foretold(client.peer, Some(queue_id));
    }

    /// pickup took a local submission, or a requeued message under a new ID.
    pub(crate) fn pickup(&mut self, pickup: &Pickup<'_>) {
        let message = if let Some(old) = pickup.orig_id {
            self.requeued(pickup.queue_id, old)
        } else {
            let mut message = self.begin(pickup.queue_id, Origin::Local, false);
            let mut lossy = false;
            message.user = Some(bounded(pickup.uid, &mut lossy));
            message.sender = Some(bounded(pickup.sender, &mut lossy));
            message.lossy |= lossy;
            message
        };
        self.put(pickup.queue_id, message);
    }

    /// The message goes on as what it was; of one whose beginning is not in the log nobody knows more
    /// than that it had one.
    fn requeued(&mut self, new: QueueId<'_>, old: QueueId<'_>) -> Box<Message> {
        match self.take(old) {
            Some(message) => {
                let (host, instance) = (&self.system.host, &self.system.instance);
                self.directory.forget(host, instance, old.as_str(), &message);
                message
            }
            None => self.begin(new, Origin::Unknown, false),
        }
    }

    /// cleanup saw the Message-ID. The first one counts; `<>` stands for a message without one,
    /// and is nobody's identity. That of somebody who sent it again is logged beside the message's
    /// own, in the order of the headers (`cleanup_message.c`), and is no identity either.
    pub(crate) fn message_id(&mut self, header: &MessageId<'_>) {
        if header.resent {
            return;
        }
        // A message that was in the queue before, and was requeued, has the one that it had.
        let is_requeued = |known: &Message| {
            known.message_id.as_ref().is_some_and(|known| known.as_bytes() == header.value)
        };
        let mut message = self.take_if(header.queue_id, |known| {
            let is_new = known.queue_line.is_none() || known.message_id.is_none();
            !known.closed && (is_new || is_requeued(known))
        });
        let is_missing = matches!(header.value, b"" | b"<>");
        if message.message_id.is_none() && !is_missing {
            let mut lossy = false;
            message.message_id = Some(bounded(header.value, &mut lossy));
            message.lossy |= lossy;
        }
        let is_told = !message.announced.is_empty() || !message.recipients.is_empty();
        match message.origin {
            Origin::Network if !is_told => self.look_for_story(header.queue_id, &mut message),
            // Its queue line overtook this one, or it was requeued.
            _ if message.queue_line.is_some() => self.settle_origin(header.queue_id, &mut message),
            Origin::Local => self.look_for_pipe(header.queue_id, &mut message),
            Origin::Unknown if is_missing => self.wait_for_parent(header.queue_id, &mut message),
            _ => self.look_for_story(header.queue_id, &mut message),
        }
        self.heard_before(header.queue_id, &mut message);
        self.note_message_id(header.queue_id, &mut message);
        self.put(header.queue_id, message);
    }

    /// Other messages may turn out to be made of this one, by their Message-ID.
    pub(crate) fn note_message_id(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        let (host, instance) = (&self.system.host, &self.system.instance);
        self.directory.note(host, instance, queue_id.as_str(), message);
    }

    /// What comes over loopback, or from this network, with the Message-ID of an open message may be
    /// that message, back from a content filter: its lines wait for the one that tells. So may, of
    /// what comes over loopback, anything else while a message without a Message-ID is on its way.
    fn look_for_story(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if message.origin == Origin::Unknown && message.queue_line.is_none() {
            return self.wait_to_be_named(queue_id, message);
        }
        if message.origin != Origin::Network || !self.is_from_here(message) {
            return;
        }
        let Some(held) = self.held_as_stage(queue_id, message) else { return };
        self.hold_back(queue_id, message, held);
        self.directory.note_possible_stage(&self.system.host, queue_id.as_str(), message);
    }

    /// What makes a message wait that could be a stage of another one, or come from a before-queue
    /// filter. Where the lines of that other one wait, it waits for longer than they.
    fn held_as_stage(&mut self, queue_id: QueueId<'_>, message: &Message) -> Option<Held> {
        let (host, instance) = (&self.system.host, &self.system.instance);
        let (directory, id) = (&self.directory, queue_id.as_str());
        let message_id = message.message_id.as_deref();
        let named = message_id.and_then(|it| directory.story(host, instance, id, it).cloned());
        let other_waits = message_id.is_some_and(|it| directory.is_held(host, it));
        // Of which nameless one, or of which that waits, only an answer that names this queue ID tells.
        let may_be = || {
            other_waits
                || (message.is_of_loopback() && directory.is_nameless_away(host, instance, id))
        };
        let story = named.or_else(|| may_be().then(Lineage::default));
        let wait_us = if other_waits { 2 * HOLD_US } else { HOLD_US };
        if let Some(story) = story.as_ref().filter(|_| !other_waits) {
            return Some(self.may_belong_to(story.clone(), wait_us));
        }
        let proxied = self.hold_for_proxy(message, wait_us);
        proxied.or_else(|| story.map(|story| self.may_belong_to(story, wait_us)))
    }

    /// Could a filter, or another instance, have handed it over? Only an instance on this machine is
    /// asked to authenticate.
    fn is_from_here(&self, message: &Message) -> bool {
        let is_users = message.user.is_some() || message.submitted;
        let is_near = |address: &SmolStr| self.direction.is_near(address.as_bytes());
        message.over_loopback || (!is_users && message.client_address.as_ref().is_some_and(is_near))
    }

    /// What local(8) made has the Message-ID of what it was made of. Others may have that, too, or
    /// come with it a moment later, so it waits for the status line that names its queue ID.
    fn wait_to_be_named(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        let Some(message_id) = message.message_id.as_ref().filter(|_| !message.is_held()) else {
            return;
        };
        let (host, instance) = (&self.system.host, &self.system.instance);
        let parent_waits = self.directory.is_held(host, message_id);
        let story = self.directory.story(host, instance, queue_id.as_str(), message_id);
        let story = story.cloned().or_else(|| parent_waits.then(Lineage::default));
        let wait_us = if parent_waits { 2 * HOLD_US } else { HOLD_US };
        if let Some(held) = story.map(|story| self.may_belong_to(story, wait_us)) {
            self.hold_back(queue_id, message, held);
            self.directory.note_possible_stage(&self.system.host, queue_id.as_str(), message);
        }
    }

    /// What neither smtpd nor pickup brought is made of another message, by local(8). Without a
    /// Message-ID only that one's status line tells of which, and it may be the last of all.
    fn wait_for_parent(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if message.queue_line.is_none() && !message.is_held() {
            let held = self.may_belong_to(Lineage::default(), HOLD_US);
            self.hold_back(queue_id, message, held);
        }
    }

    /// qmgr opened the message: the first time it is queued, later it is another attempt.
    pub(crate) fn queue_active(&mut self, active: &QueueActive<'_>) {
        let mut message = self.take_if(active.queue_id, |known| !known.closed);
        let mut lossy = false;
        message.sender = Some(bounded(active.sender, &mut lossy));
        message.lossy |= lossy;
        message.size = Some(active.size);
        message.nrcpt = Some(active.nrcpt);
        if message.queue_line.is_none() {
            self.settle_origin(active.queue_id, &mut message);
            let recipients = self.learn(active.queue_id, &mut message);
            self.settle_route(&mut message);
            message.queue_line = Some(self.line.into());
            let (host, instance) = (&self.system.host, &self.system.instance);
            self.directory.note_own(host, instance, active.queue_id.as_str(), &mut message);
            self.sending(active.queue_id, &message);
            self.announce_known(active.queue_id, &mut message);
            self.announce_all(active.queue_id, &mut message, &recipients);
        } else {
            self.sending(active.queue_id, &message);
        }
        if message.message_id.is_none() {
            self.note_message_id(active.queue_id, &mut message);
        }
        self.put(active.queue_id, message);
    }

    /// The bounce daemon says which message carries its notification.
    pub(crate) fn notification(&mut self, notification: &Notification<'_>) {
        let mut child = self.take_if(notification.child, |known| !known.closed);
        child.origin = Origin::Internal;
        self.put(notification.child, child);
        // A submission that cleanup refused never reaches qmgr, whose line would end it.
        let is_refused = |parent: &Message| {
            parent.origin == Origin::Local
                && parent.queue_line.is_none()
                && parent.recipients.iter().any(|(_, recipient)| recipient.done)
        };
        if self.known(notification.parent).is_some_and(is_refused) {
            self.system.close(notification.parent.as_str());
        }
    }

    /// A message that neither smtpd nor pickup brought was made by our own MTA: of another message
    /// (the same Message-ID, as local(8) forwards it), or for itself (null sender). When not even
    /// its Message-ID was logged, its beginning is missing, and nothing is sure.
    fn settle_origin(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        if self.is_notice_of_this_host(message) {
            message.origin = Origin::Internal;
        }
        if message.origin != Origin::Unknown {
            return;
        }
        let sender = message.sender.as_deref().unwrap_or_default();
        if sender.starts_with(PROBE_SENDER) {
            message.origin = Origin::Internal;
            return;
        }
        let Some(message_id) = &message.message_id else { return };
        let (host, instance) = (&self.system.host, &self.system.instance);
        let story = self.directory.story(host, instance, queue_id.as_str(), message_id);
        if let Some(story) = story {
            story.adopt(message);
            self.directory.note_stage(&self.system.host, queue_id.as_str(), message.uid);
        } else if sender.is_empty() {
            message.origin = Origin::Internal;
        }
    }

    /// Announces recipients whose status line overtook the queue line.
    fn announce_known(&mut self, queue_id: QueueId<'_>, message: &mut Message) {
        let Some(class) = message.class else { return };
        let keys: Vec<_> = message.recipients.iter().map(|(key, _)| key.clone()).collect();
        for (to, original) in keys {
            self.announce(queue_id.as_str(), message, original.as_ref().unwrap_or(&to), class);
        }
    }

    /// Takes over what the message was before a content filter, when that is known.
    fn inherit(&mut self, queue_id: QueueId<'_>, message: &mut Message, parent: QueueId<'_>) {
        if let Some(known) = self.known(parent).filter(|_| parent != queue_id) {
            Lineage::of(known).adopt(message);
            self.directory.note_stage(&self.system.host, queue_id.as_str(), message.uid);
            self.directory.note_return(&self.system.host, parent.as_str(), queue_id.as_str());
        }
    }

    /// A content filter on this host tells a sender what it did with his message, or another
    /// instance has handed over a DSN of its own.
    fn is_notice_of_this_host(&self, message: &Message) -> bool {
        let may_be = message.has_local_client() && message.user.is_none();
        let Some(id) = message.message_id.as_deref().filter(|_| may_be) else { return false };
        let is_dsn = message.sender.as_deref() == Some("");
        is_of_filter(id) || (is_dsn && self.directory.is_own(&self.system.host, id))
    }

    /// `outbound.sending`: once for each time that the message enters the active queue. What may be
    /// an address check waits for the first status line, which tells.
    fn sending(&mut self, queue_id: QueueId<'_>, message: &Message) {
        let is_outbound = self.class_without_recipient(message) == Some(Class::Outbound);
        if is_outbound && !may_be_check(queue_id.as_str(), message) {
            self.tell_sending(queue_id.as_str(), message, self.trigger());
        }
    }

    /// It was no address check, when this is the first recipient of what might have been one.
    pub(crate) fn sending_after_all(&mut self, queue_id: &str, message: &Message) {
        if let Some(queue_line) = message.telling_queue_line()
            && may_be_check(queue_id, message)
        {
            self.tell_sending(queue_id, message, queue_line.into());
        }
    }

    fn tell_sending(&mut self, queue_id: &str, message: &Message, line: Trigger<'_>) {
        if self.sending {
            let mut data = message_data(message, queue_id, Class::Outbound);
            data.route = self.route(message, message.sender.as_deref());
            self.events.push(self.system.event(EventType::OutboundSending, line, "", data));
        }
    }

    /// The class, where it does not depend on a recipient.
    fn class_without_recipient(&self, message: &Message) -> Option<Class> {
        match message.origin {
            Origin::Internal => None,
            Origin::Unknown => message.class,
            _ => Some(message.class.unwrap_or_else(|| self.direction.class(message, "", false))),
        }
    }

    /// A new message, unless lines that swapped places with this one already began it.
    fn begin(&mut self, queue_id: QueueId<'_>, origin: Origin, is_child: bool) -> Box<Message> {
        let at_us = self.clock_us();
        let mut message = self.take_if(queue_id, |known| {
            (known.origin == Origin::Unknown || (is_child && known.origin == Origin::Child))
                && !known.closed
                && known.recipients.is_empty()
                && (at_us - known.seen_us).abs() <= SWAP_US
        });
        message.origin = origin;
        message
    }

    /// The known message if it `goes_on` with this line, else a new one: to be changed and
    /// [`Step::put`] back. An older one under the same queue ID is over then: short IDs are reused,
    /// and its last line was lost.
    fn take_if(
        &mut self,
        queue_id: QueueId<'_>,
        goes_on: impl Fn(&Message) -> bool,
    ) -> Box<Message> {
        let known = self.system.messages.take(queue_id.as_str());
        let (is_stored, changed) = match known {
            Some(known) if goes_on(&known) => return known,
            Some(before) => (before.is_stored, before.changed),
            None => (false, false),
        };
        let (uid, seen_us) = (self.system.uid(queue_id, self.line), self.clock_us());
        Box::new(Message { uid, seen_us, changed, is_stored, ..Message::default() })
    }

    pub(crate) fn known(&self, queue_id: QueueId<'_>) -> Option<&Message> {
        self.system.messages.get(queue_id.as_str())
    }

    /// The known message, to be changed and [`Step::put`] back; a new one if there is none.
    pub(crate) fn take_or_new(&mut self, queue_id: QueueId<'_>) -> Box<Message> {
        self.take_if(queue_id, |_| true)
    }

    /// Takes a message away from its queue ID, which ends there.
    fn take(&mut self, queue_id: QueueId<'_>) -> Option<Box<Message>> {
        let message = self.system.messages.get_mut(queue_id.as_str())?;
        let mut taken = std::mem::take(message);
        message.is_stored = std::mem::take(&mut taken.is_stored);
        message.changed = std::mem::take(&mut taken.changed);
        self.system.close(queue_id.as_str());
        Some(Box::new(taken))
    }

    pub(crate) fn put(&mut self, queue_id: QueueId<'_>, mut message: Box<Message>) {
        message.seen_us = message.seen_us.max(self.clock_us());
        let queue_id = queue_id.as_str();
        let was_changed = std::mem::replace(&mut message.changed, true);
        let before = self.system.messages.put(queue_id, message);
        // What is stored, or waits for it, is known by its queue ID, whichever message that is now.
        if let Some(before) = &before
            && before.is_stored
            && let Some(message) = self.system.messages.get_mut(queue_id)
        {
            message.is_stored = true;
        }
        let waits = was_changed || before.is_some_and(|before| before.changed);
        if !waits {
            self.system.changed.push(queue_id.into());
        }
    }
}

/// Beginnings of the Message-IDs of amavis' own notices (`Amavis.pm`, the notification templates);
/// its 12-character mail ID follows.
const NOTICES: [&str; 9] = ["<DSN", "<VS", "<VA", "<VR", "<SS", "<SA", "<QRA", "<ARF", "<ARE"];

fn is_of_filter(message_id: &str) -> bool {
    message_id.split_once('@').is_some_and(|(local, _)| {
        let mail_id = NOTICES.iter().find_map(|notice| local.strip_prefix(notice));
        mail_id.is_some_and(|mail_id| mail_id.len() == 12)
    })
}

/// `sendmail -bv` submits a message without a Message-ID, to which cleanup gives one with the queue
/// ID in it (Postfix `src/sendmail/sendmail.c`, `src/cleanup/cleanup_message.c`). Until its first
/// status line, nothing tells it from mail.
fn may_be_check(queue_id: &str, message: &Message) -> bool {
    let is_made_here = |id: &SmolStr| id.contains(queue_id);
    message.origin == Origin::Local
        && message.announced.is_empty()
        && message.message_id.as_ref().is_none_or(is_made_here)
}
