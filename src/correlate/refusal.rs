//! What was refused, or thrown away, before it was in the queue for good: by smtpd, postscreen,
//! cleanup, a milter, a before-queue filter or a rate limit.

use mailherald_parsers::{
    postfix::{
        Action, ContentCheck, Limit, Peer, QueueId, RateLimit, Refused, RefusedReason, Verdict,
    },
    status::{Dsn, ReplyCodes, reply_codes},
};

use super::{
    Step,
    delivery::by_class,
    emit::{bounded, message_data, set_recipient},
    finding::{Fate, Finding},
    message::{Class, Message, Origin},
};
use crate::{
    event::{EventType, text},
    limits,
};

/// A refusal in the words of whichever line tells it.
#[derive(Default)]
struct Refusal<'a> {
    queue_id: Option<QueueId<'a>>,
    peer: Option<Peer<'a>>,
    sender: Option<&'a [u8]>,
    recipient: Option<&'a [u8]>,
    helo: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    stage: &'a [u8],
    text: &'a [u8],
    codes: ReplyCodes,
    /// The client was told `250 Ok`, and the message thrown away.
    discarded: bool,
}

impl Step<'_> {
    /// An access verdict of smtpd or postscreen, or a milter's.
    pub(crate) fn verdict(&mut self, verdict: &Verdict<'_>) {
        let discarded = match verdict.action {
            Action::Reject | Action::MilterReject | Action::Hangup => false,
            Action::Discard => true,
            // Before there is a queue ID, smtpd logs what cleanup logs again with it.
            Action::MilterDiscard if verdict.queue_id.is_some() => true,
            _ => return,
        };
        self.refuse(&Refusal {
            queue_id: verdict.queue_id,
            peer: Some(verdict.peer),
            sender: verdict.sender,
            recipient: verdict.recipient,
            helo: verdict.helo,
            user: verdict.sasl_username,
            stage: verdict.stage,
            text: verdict.text,
            codes: verdict.codes,
            discarded,
        });
        let is_whole = matches!(verdict.stage, b"DATA" | b"BDAT" | b"END-OF-MESSAGE")
            || self.line.record.process.service == b"cleanup"
            || discarded;
        if let Some(queue_id) = verdict.queue_id.filter(|_| is_whole) {
            self.system.close(queue_id.as_str());
        }
    }

    /// A header or body check of cleanup: the one line that tells a subject, or an end.
    pub(crate) fn content_check(&mut self, check: &ContentCheck<'_>) {
        self.keep_facts(check);
        let discarded = match check.action {
            Action::Reject => false,
            Action::Discard => true,
            _ => return,
        };
        // A refused local submission bounces, and its status lines tell.
        if check.peer.is_some() || discarded {
            let text = check.text.unwrap_or(check.content);
            self.refuse(&Refusal {
                queue_id: Some(check.queue_id),
                peer: check.peer,
                sender: check.sender,
                recipient: check.recipient,
                helo: check.helo,
                user: None,
                stage: b"END-OF-MESSAGE",
                text,
                codes: reply_codes(text),
                discarded,
            });
            self.system.close(check.queue_id.as_str());
        }
    }

    /// Any check tells a recipient, and one of the Subject header the subject.
    fn keep_facts(&mut self, check: &ContentCheck<'_>) {
        let subject = check
            .header()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"subject"))
            .map(|(_, value)| value);
        if subject.is_none() && check.recipient.is_none() {
            return;
        }
        let mut message = self.take_or_new(check.queue_id);
        let mut lossy = false;
        if let Some(subject) = subject {
            message.subject = Some(bounded(subject, &mut lossy));
        }
        if let Some(recipient) = check.recipient {
            message.last_recipient = Some(bounded(recipient, &mut lossy));
        }
        message.lossy |= lossy;
        self.put(check.queue_id, message);
    }

    /// cleanup refused a whole message for what it is.
    pub(crate) fn refused(&mut self, refused: &Refused<'_>) {
        let from_client = self
            .known(refused.queue_id)
            .is_some_and(|message| message.origin == Origin::Network && !message.closed);
        // A local submission bounces, and its status lines tell.
        if !from_client {
            return;
        }
        let (text, code, dsn): (&[u8], _, _) = match refused.reason {
            RefusedReason::Hopcount => (b"554 5.4.0 Error: too many hops", 554, (5, 4, 0)),
            RefusedReason::Size => (b"552 5.3.4 Error: message file too big", 552, (5, 3, 4)),
            RefusedReason::Lookup => (b"451 4.3.0 Error: queue file write error", 451, (4, 3, 0)),
        };
        let (class, subject, detail) = dsn;
        let dsn = Some(Dsn { class, subject, detail });
        self.refuse(&Refusal {
            queue_id: Some(refused.queue_id),
            stage: b"END-OF-MESSAGE",
            text,
            codes: ReplyCodes { code: Some(code), dsn },
            ..Refusal::default()
        });
        self.system.close(refused.queue_id.as_str());
    }

    /// A client did too much and was sent away for now.
    pub(crate) fn rate_limit(&mut self, limit: &RateLimit<'_>) {
        let (text, code): (&[u8], _) = match limit.limit {
            Limit::ConnectionConcurrency => (b"connection concurrency limit exceeded", 421),
            Limit::ConnectionRate => (b"connection rate limit exceeded", 421),
            Limit::TlsSessionRate => (b"new TLS session rate limit exceeded", 421),
            Limit::MessageRate => (b"message delivery request rate limit exceeded", 450),
            Limit::RecipientRate => (b"recipient address rate limit exceeded", 450),
            Limit::AuthRate => (b"AUTH command rate limit exceeded", 450),
        };
        let dsn = Some(Dsn { class: 4, subject: 7, detail: u16::from(code == 450) });
        self.refuse(&Refusal {
            peer: Some(limit.peer),
            stage: b"CONNECT",
            text,
            codes: ReplyCodes { code: Some(code), dsn },
            ..Refusal::default()
        });
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) {
        let known = refusal.queue_id.and_then(|queue_id| self.known(queue_id));
        let known = known.filter(|message| !message.closed);
        let temporary = is_temporary(refusal);
        // A local submission that is refused for now stays in the maildrop and is tried again.
        let is_silent = known.is_some_and(|message| {
            message.origin == Origin::Internal || (message.origin == Origin::Local && temporary)
        });
        if is_silent {
            return;
        }
        // With a queue ID it is one recipient of a message that others of its recipients are in.
        let message = match known {
            Some(message) => message.clone(),
            None => self.refused_message(refusal),
        };
        let class = message.class.unwrap_or_else(|| self.class_of_refused(refusal, &message));
        let queue_id = refusal.queue_id.map(QueueId::as_str);
        let mut data = message_data(&message, queue_id.unwrap_or_default(), class);
        data.queue_id = queue_id.map(str::to_owned);
        data.incomplete = false;
        let mut lossy = false;
        if let Some(sender) = refusal.sender {
            data.from = Some(bounded(sender, &mut lossy));
        }
        let named = refusal.recipient.map(|to| bounded(to, &mut lossy));
        let to = named.or_else(|| message.last_recipient.clone()).unwrap_or_default();
        if !to.is_empty() {
            set_recipient(&mut data, &to, None);
        }
        data.helo = refusal.helo.map(|helo| bounded(helo, &mut lossy));
        data.stage = Some(bounded(refusal.stage, &mut lossy));
        let response = text::bounded(refusal.text, limits::RESPONSE_BYTES);
        data.lossy |= lossy || response.lossy;
        data.response = Some(response.value);
        data.smtp_code = refusal.codes.code;
        data.dsn = refusal.codes.dsn.map(|dsn| dsn.to_string());
        data.temporary = temporary;
        data.repeated = Some(self.line.record.repeated).filter(|&times| times > 1);
        let known = message.finding.map(|finding| *finding);
        let finding = known.or_else(|| Finding::of_words(refusal.text));
        let kind = match (finding.filter(|_| !temporary), refusal.discarded) {
            (Some(finding), true) => finding.event(class, Fate::Discarded, &mut data),
            (Some(finding), false) => finding.event(class, Fate::Rejected, &mut data),
            (None, true) => by_class(class, EventType::OutboundDropped, EventType::InboundDropped),
            (None, false) => by_class(class, EventType::OutboundDropped, EventType::InboundBlocked),
        };
        let event = self.system.event(kind, self.line.into(), &to, data);
        self.events.push(event);
    }

    /// The message that the client tried to send, as far as the refusal tells.
    fn refused_message(&self, refusal: &Refusal<'_>) -> Message {
        let mut lossy = false;
        let uid = match refusal.queue_id {
            Some(queue_id) => self.system.uid(queue_id, self.line),
            None => self.system.uid_of_refusal(self.line),
        };
        let name = refusal.peer.map(|peer| bounded(peer.name, &mut lossy));
        let address = refusal.peer.map(|peer| bounded(peer.address, &mut lossy));
        Message {
            uid,
            origin: Origin::Network,
            user: refusal.user.map(|user| bounded(user, &mut lossy)),
            client_name: name.filter(|name| !name.is_empty()),
            client_address: address.filter(|address| address != "unknown"),
            lossy,
            ..Message::default()
        }
    }

    fn class_of_refused(&self, refusal: &Refusal<'_>, message: &Message) -> Class {
        let tag = self.line.record.process.tag;
        let is_submission = refusal.user.is_some()
            || message.user.is_some()
            || message.submitted
            || message.origin == Origin::Local
            || self.direction.is_submission(tag);
        if is_submission {
            return Class::Outbound;
        }
        self.direction.class_of_client(message.client_address.as_deref().unwrap_or_default())
    }
}

fn is_temporary(refusal: &Refusal<'_>) -> bool {
    match refusal.codes.code {
        Some(code) => code / 100 == 4,
        None => refusal.codes.dsn.is_some_and(|dsn| dsn.class == 4),
    }
}
