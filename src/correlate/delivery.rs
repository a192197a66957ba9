//! What a delivery status line does: the fate of one recipient in one attempt.

use mailherald_parsers::{
    postfix::{Delivery, Peer, QueueId, Relay, Response, Status, response},
    status::Dsn,
};
use smol_str::SmolStr;

use super::{
    Link, Step,
    direction::{is_local_agent, is_loopback},
    emit::{bounded, dsn_text, message_data, set_recipient},
    finding::{Finding, FoundBefore, filter_outcome, is_asked_here, is_passed_on, is_socket},
    lineage::{Kin, Lineage},
    message::{Class, Deferral, Message, Origin, Recipient},
};
use crate::{
    event::{BounceType, EventData, EventType, bounce, text},
    limits,
};

impl Step<'_> {
    pub(crate) fn delivery(&mut self, delivery: &Delivery<'_>) {
        self.refused_here(delivery);
        let mut message = self.take_or_new(delivery.queue_id);
        if delivery.status == Status::Probe || is_own_notice(&message, delivery) {
            message.origin = Origin::Internal;
        }
        if message.origin == Origin::Internal {
            self.follow_notice(delivery);
        } else if !self.waits_for_pickup(&mut message, delivery)
            && !self.waits_for_stage(&mut message, delivery)
        {
            let general = self.take_own_finding(delivery, &mut message);
            self.fate(delivery, &mut message);
            if general.is_some() {
                message.finding = general;
            }
        }
        if message.noted_as.is_some() && message.message_id.is_none() {
            self.settle_nameless(delivery, &mut message);
        }
        self.put(delivery.queue_id, message);
    }

    /// A message without a Message-ID that was answered by no filter went to none, when each of its
    /// recipients was tried.
    fn settle_nameless(&mut self, delivery: &Delivery<'_>, message: &mut Message) {
        let is_near = is_socket(delivery)
            || matches!(delivery.relay, Relay::Host(relay) if self.direction.is_near(relay.address));
        let tried = u32::try_from(message.recipients.len()).unwrap_or(u32::MAX);
        if !is_near && message.nrcpt.is_none_or(|nrcpt| tried >= nrcpt) {
            let (host, instance) = (&self.system.host, &self.system.instance);
            self.directory.forget_nameless(host, instance, delivery.queue_id.as_str(), message);
        }
    }

    /// What local(8) makes of a notice of our own is one, too, whatever sender an `owner-` alias gave it.
    fn follow_notice(&mut self, delivery: &Delivery<'_>) {
        let child = forwarded_as(delivery, &response(delivery.text));
        if let Some(child) = child.filter(|child| self.known(*child).is_some_and(|it| !it.closed)) {
            let mut message = self.take_or_new(child);
            message.origin = Origin::Internal;
            self.put(child, message);
        }
    }

    fn fate(&mut self, delivery: &Delivery<'_>, message: &mut Message) {
        let mut lossy = false;
        let to = bounded(delivery.recipient, &mut lossy);
        let original = delivery.orig_recipient.map(|original| bounded(original, &mut lossy));
        message.lossy |= lossy;
        let class = self.class(message, &to, delivery.relay);
        let queue_id = delivery.queue_id.as_str();
        self.announce(queue_id, message, original.as_ref().unwrap_or(&to), class);

        let answer = response(delivery.text);
        let key = (to, original);
        let (done, deferrals) =
            message.recipients.get(&key).map_or((false, 0), |known| (known.done, known.deferrals));
        if done {
            // local(8) may keep a copy beside the one that it forwards.
            if let Some(child) = forwarded_as(delivery, &answer) {
                self.follow(message, child);
            }
            return;
        }
        self.hear_of_scan(delivery, message, &answer);
        let is_blocked = |finding: &Finding| finding.blocked(delivery, &answer).is_some();
        let is_blocked = message.finding.as_deref().is_some_and(is_blocked);
        if !is_blocked && self.lives_on(message, delivery, &answer) {
            self.warn(queue_id, message, &key);
            message.recipients.get_or_default(key).done = true;
            return;
        }
        let mut data = message_data(message, queue_id, class);
        set_recipient(&mut data, &key.0, key.1.as_ref());
        fill(&mut data, delivery, &answer, class);
        data.attempt = Some(deferrals + 1);
        data.repeated = Some(self.line.record.repeated).filter(|&times| times > 1);
        let service = self.line.record.process.service;
        let ended = filter_outcome(message, delivery, &answer, class, &mut data, service);
        let may_be_filter = is_asked_here(delivery) || service == b"pipe";
        if ended.is_none() && !(is_deferral(delivery.status) && may_be_filter) {
            self.reached_mailbox(delivery, message, &key);
            self.warn(queue_id, message, &key);
        }
        let kind = ended.unwrap_or_else(|| self.kind(delivery, &answer, class, &mut data));
        data.same_reason =
            is_deferral(delivery.status) && repeats(message, &key, delivery.dsn, &data);
        let event = self.system.event(kind, self.trigger(), &key.0, data);
        note_outcome(message.recipients.get_or_default(key), delivery.status, &event.data);
        self.events.push(event);
    }

    /// Is this a line of that daemon, as far as its tag tells? An RFC 5424 APP-NAME that rsyslog cut
    /// at the slash may be any daemon's.
    pub(crate) fn is_of(&self, daemon: &[u8]) -> bool {
        let service = self.line.record.process.service;
        service == daemon || service.is_empty()
    }

    /// The class of a message; decided now if it was not before, and then kept.
    pub(crate) fn class(&self, message: &mut Message, to: &str, relay: Relay<'_>) -> Class {
        let is_local = || is_local_agent(&self.line.record.process, relay);
        let class = message.class.unwrap_or_else(|| self.direction.class(message, to, is_local()));
        message.class = Some(class);
        self.settle_route(message);
        class
    }

    /// `queued` or `received`, with the first line that names the original recipient; its time and
    /// identity are those of the queue line. Not when the message's beginning was not in the log.
    pub(crate) fn announce(
        &mut self,
        queue_id: &str,
        message: &mut Message,
        original: &SmolStr,
        class: Class,
    ) {
        if !message.origin.is_from_outside() || message.announced.get(original).is_some() {
            return;
        }
        self.sending_after_all(queue_id, message);
        let Some(queue_line) = message.telling_queue_line() else { return };
        let kind = match class {
            Class::Outbound => EventType::OutboundQueued,
            Class::Inbound => EventType::InboundReceived,
        };
        let mut data = message_data(message, queue_id, class);
        set_recipient(&mut data, original, None);
        self.events.push(self.system.event(kind, queue_line.into(), original, data));
        message.announced.get_or_default(original.clone());
    }

    /// local(8) made a new message of this one: the recipient's story goes on there.
    fn follow(&mut self, parent: &Message, child: QueueId<'_>) {
        let waits = |child: &Message| child.is_held() && child.origin == Origin::Unknown;
        if self.known(child).is_some_and(waits) {
            let kin = Kin::OneStage(Lineage::of(parent));
            self.links.push(Link { queue_id: child.as_str().into(), kin });
            return;
        }
        let is_open = self.known(child).is_some_and(|child| !child.closed || child.is_incomplete());
        let mut message = if is_open { self.take_or_new(child) } else { return };
        if message.origin != Origin::Child {
            Lineage::of(parent).adopt(&mut message);
        }
        if message.message_id.is_none() {
            self.note_message_id(child, &mut message);
        }
        self.put(child, message);
    }

    /// Does the recipient's story go on under another queue ID?
    fn lives_on(
        &mut self,
        message: &mut Message,
        delivery: &Delivery<'_>,
        answer: &Response<'_>,
    ) -> bool {
        match forwarded_as(delivery, answer) {
            Some(child) => {
                self.follow(message, child);
                true
            }
            None => {
                self.is_handed_over(message, delivery, answer)
                    || self.is_filtered_by_pipe(message, delivery)
                    || self.has_returned(message, delivery, answer)
            }
        }
    }

    /// Did a content filter or another instance on this host take it, whose queue ID continues the
    /// story? Only an address of this machine or of its own network can be one (a filter in a
    /// container has a private one, another instance perhaps the host's own); any remote may say
    /// `queued as`.
    fn is_handed_over(
        &mut self,
        message: &Message,
        delivery: &Delivery<'_>,
        answer: &Response<'_>,
    ) -> bool {
        let (Status::Sent, Relay::Host(relay)) = (delivery.status, delivery.relay) else {
            return false;
        };
        let is_near = || is_socket(delivery) || self.direction.is_near(relay.address);
        let Some(next) = answer.queued_as.filter(|_| is_near()) else {
            return false;
        };
        // Without a beginning it has no end to tell, and what came back over loopback has.
        let came_back = message.is_incomplete()
            && (is_loopback(relay.address) || is_socket(delivery))
            && self.known(next).is_some_and(|next| {
                !next.is_held() && (next.is_of_loopback() || next.is_incomplete())
            });
        let is_stage = self.directory.is_stage(&self.system.host, next.as_str(), message);
        if came_back {
            self.forget_beginning(next);
        } else if is_stage {
            self.link(next, message);
            self.hand_on_finding(next, message);
        }
        is_stage || came_back
    }

    /// Has a filter that tells no new queue ID returned it, by SMTP? Then XFORWARD has told of it, or
    /// what waits has its Message-ID and its sender: a mailing list's copies have another.
    fn has_returned(
        &mut self,
        message: &Message,
        delivery: &Delivery<'_>,
        answer: &Response<'_>,
    ) -> bool {
        let (host, queue_id) = (&self.system.host, delivery.queue_id.as_str());
        let may_be = || {
            delivery.status == Status::Sent
                && answer.queued_as.is_none()
                && is_passed_on(answer)
                && self.may_filter(delivery)
        };
        let is_known = self.directory.has_returned(host, queue_id)
            || !self.directory.waiting(host, message.uid).is_empty();
        if !is_known || !may_be() {
            return false;
        }
        let waits = |id: &&SmolStr| {
            self.system.messages.get(id).is_some_and(|child| child.waits_for(message))
        };
        let waiting = self.directory.waiting(host, message.uid).iter().filter(waits);
        let is_sure = !self.directory.is_shared(host, message);
        let returned: Vec<_> = waiting.filter(|_| is_sure).cloned().collect();
        for child in returned {
            self.directory.note_return(host, queue_id, &child);
            let kin = Kin::OneStage(Lineage::of(message));
            self.links.push(Link { queue_id: child, kin });
        }
        self.directory.has_returned(host, queue_id)
    }

    /// Could a filter be behind that relay? Not at the port of mail servers.
    fn may_filter(&self, delivery: &Delivery<'_>) -> bool {
        match delivery.relay {
            Relay::Host(relay) => relay.port != Some(25) && self.direction.is_near(relay.address),
            _ => self.is_sent_by_pipe(delivery),
        }
    }

    /// Something was in front of what looked like the beginning of that message, and is not in the log.
    fn forget_beginning(&mut self, queue_id: QueueId<'_>) {
        let Some(message) = self.system.messages.get_mut(queue_id.as_str()) else { return };
        let is_told = !message.announced.is_empty() || !message.recipients.is_empty();
        if message.origin == Origin::Network && !is_told {
            message.origin = Origin::Unknown;
            (message.client_name, message.client_address) = (None, None);
            self.system.mark_changed(queue_id.as_str());
        }
    }

    /// The filter tells what it found when the next stage has begun.
    fn hand_on_finding(&mut self, next: QueueId<'_>, message: &Message) {
        let found = FoundBefore::of(message);
        if let Some(next) = self.system.messages.get_mut(next.as_str()).filter(|_| found.is_some())
        {
            next.found_before = found;
        }
    }

    /// That queue ID is the next stage of `message`.
    fn link(&mut self, next: QueueId<'_>, message: &Message) {
        let is_shared = self.directory.is_shared(&self.system.host, message);
        let kin = if is_shared { Kin::OneStage } else { Kin::Stage };
        let kin = kin(Lineage::of(message));
        self.links.push(Link { queue_id: next.as_str().into(), kin });
    }

    /// Was it sent nowhere? By discard(8), by qmgr when it goes to the sender of double bounces, or by
    /// local(8) for want of an alias that has to exist (`local/unknown.c`).
    fn is_thrown_away(&self, delivery: &Delivery<'_>) -> bool {
        match delivery.relay {
            Relay::None => self.is_of(b"discard") || self.is_of(b"qmgr"),
            Relay::Agent(_) => self.is_of(b"local") && delivery.text == b"discarded",
            Relay::Host(_) => false,
        }
    }

    fn kind(
        &self,
        delivery: &Delivery<'_>,
        answer: &Response<'_>,
        class: Class,
        data: &mut EventData,
    ) -> EventType {
        use EventType as T;
        match delivery.status {
            Status::Sent if self.is_thrown_away(delivery) => {
                by_class(class, T::OutboundDropped, T::InboundDropped)
            }
            Status::Sent | Status::Probe => {
                by_class(class, T::OutboundDelivered, T::InboundDelivered)
            }
            Status::Deferred | Status::SoftBounce => {
                explain_failure(data, delivery, BounceType::Soft);
                by_class(class, T::OutboundDeferred, T::InboundDeferred)
            }
            Status::Bounced => {
                let category = explain_failure(data, delivery, BounceType::Hard);
                let by_remote = answer.peer.is_some();
                if by_remote && bounce::is_policy(delivery.dsn, category) {
                    by_class(class, T::OutboundRejected, T::InboundBounced)
                } else {
                    by_class(class, T::OutboundBounced, T::InboundBounced)
                }
            }
        }
    }
}

/// A message without a known beginning that goes out with the null sender is a DSN of our own; so is
/// one that nobody is left to be told of (`qmgr_message.c`, `qmgr_message_resolve()`).
fn is_own_notice(message: &Message, delivery: &Delivery<'_>) -> bool {
    let has_null_sender = message.sender.as_deref() == Some("");
    let goes_out = matches!(delivery.relay, Relay::Host(_) | Relay::None);
    let has_no_reader = delivery.relay == Relay::None
        && delivery.text == b"undeliverable postmaster notification discarded";
    message.is_incomplete() && (has_no_reader || (has_null_sender && goes_out))
}

/// The message that local(8) made of it.
fn forwarded_as<'a>(delivery: &Delivery<'_>, answer: &Response<'a>) -> Option<QueueId<'a>> {
    answer.forwarded_as.filter(|_| delivery.status == Status::Sent)
}

/// What an attempt leaves behind for its recipient.
fn note_outcome(recipient: &mut Recipient, status: Status, data: &EventData) {
    if is_deferral(status) {
        recipient.deferrals += 1;
        recipient.last_deferral = Some(Box::new(deferral(data)));
    } else {
        recipient.done = true;
        recipient.last_deferral = None;
    }
}

/// Does a deferral repeat the last one of its recipient? Servers put times and numbers into their
/// words, so code and category are compared.
fn repeats(
    message: &Message,
    key: &(SmolStr, Option<SmolStr>),
    dsn: Dsn,
    data: &EventData,
) -> bool {
    let last = message.recipients.get(key).and_then(|recipient| recipient.last_deferral.as_ref());
    let Some(last) = last.filter(|last| data.dsn.as_ref() == Some(&last.dsn)) else {
        return false;
    };
    data.response.as_ref() == Some(&last.response)
        || data.bounce_category
            == Some(bounce::category(dsn, &last.response, last.stage.as_deref()))
}

fn is_deferral(status: Status) -> bool {
    matches!(status, Status::Deferred | Status::SoftBounce)
}

pub(crate) fn by_class(class: Class, outbound: EventType, inbound: EventType) -> EventType {
    match class {
        Class::Outbound => outbound,
        Class::Inbound => inbound,
    }
}

/// Says why it failed; a failure for good has `bounce_type`.
fn explain_failure(
    data: &mut EventData,
    delivery: &Delivery<'_>,
    worst: BounceType,
) -> crate::event::BounceCategory {
    let words = data.response.as_deref().unwrap_or_default();
    let category = bounce::category(delivery.dsn, words, data.stage.as_deref());
    data.bounce_category = Some(category);
    data.bounce_type = match worst {
        BounceType::Hard => Some(bounce::bounce_type(delivery.dsn, category)),
        BounceType::Soft => Some(BounceType::Soft),
    };
    category
}

/// What the status line itself tells.
fn fill(data: &mut EventData, delivery: &Delivery<'_>, answer: &Response<'_>, class: Class) {
    let reply = text::bounded(answer.reply, limits::RESPONSE_BYTES);
    data.lossy |= reply.lossy;
    data.response = Some(reply.value);
    data.smtp_code = answer.codes.code;
    data.dsn = Some(dsn_text(delivery.dsn));
    data.stage = answer.stage.map(|stage| text::bounded(stage, limits::TEXT_BYTES).value);
    data.delay_us = micros(delivery.delay);
    let delays = delivery.delays.map(|delay| micros(delay).unwrap_or(u64::MAX));
    data.delays_us = Some(delays);
    if let (Class::Outbound, Some(peer)) = (class, server(delivery, answer)) {
        let known = |bytes: &[u8]| {
            Some(text::bounded(bytes, limits::TEXT_BYTES).value).filter(|text| !text.is_empty())
        };
        data.mx = known(peer.name);
        data.host = known(peer.address).or_else(|| data.mx.clone());
        data.port = peer.port;
    }
}

/// The server that answered: the relay, or when none took the mail, the one that the text names.
/// `delivery temporarily suspended: …` repeats what another recipient met, so it names nobody.
fn server<'a>(delivery: &Delivery<'a>, answer: &Response<'a>) -> Option<Peer<'a>> {
    match delivery.relay {
        Relay::Host(peer) => Some(peer),
        Relay::None => answer.peer,
        Relay::Agent(_) => None,
    }
}

fn micros(duration: std::time::Duration) -> Option<u64> {
    u64::try_from(duration.as_micros()).ok()
}

fn deferral(data: &EventData) -> Deferral {
    Deferral {
        response: data.response.clone().unwrap_or_default(),
        smtp_code: data.smtp_code,
        dsn: data.dsn.clone().unwrap_or_default(),
        stage: data.stage.clone(),
        mx: data.mx.clone(),
        host: data.host.clone(),
        port: data.port,
    }
}
