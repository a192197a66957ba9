//! What was refused, or thrown away, before it was in the queue for good: by smtpd, postscreen,
//! cleanup, a milter, a before-queue filter or a rate limit.

use mailherald_parsers::{
    filters::Engine,
    postfix::{
        Action, ContentCheck, Limit, Peer, QueueId, RateLimit, Refused, RefusedReason, Verdict,
    },
    status::{Dsn, ReplyCodes, reply_codes},
};
use smol_str::SmolStr;

use super::{
    Step,
    delivery::by_class,
    emit::{bounded, dsn_text, message_data, set_recipient},
    finding::{Fate, Finding, Policy},
    message::{Class, Message, Origin},
};
use crate::{
    event::{EventData, EventType, text},
    limits,
};

/// A refusal in the words of whichever line tells it.
#[derive(Default)]
pub(crate) struct Refusal<'a> {
    pub(crate) queue_id: Option<QueueId<'a>>,
    pub(crate) peer: Option<Peer<'a>>,
    pub(crate) sender: Option<&'a [u8]>,
    pub(crate) recipient: Option<&'a [u8]>,
    pub(crate) helo: Option<&'a [u8]>,
    pub(crate) user: Option<&'a [u8]>,
    pub(crate) stage: &'a [u8],
    pub(crate) text: &'a [u8],
    pub(crate) codes: ReplyCodes,
    /// The client was told `250 Ok`, and the message thrown away.
    pub(crate) discarded: bool,
    /// It was refused for what it is, in these words of this host, which may be none: a filter may be
    /// behind it.
    pub(crate) words: Option<&'a [u8]>,
    /// A policy server was behind it.
    pub(crate) policy: Option<Policy>,
}

impl Step<'_> {
    /// An access verdict of smtpd or postscreen, or a milter's.
    pub(crate) fn verdict(&mut self, verdict: &Verdict<'_>) {
        let verdict = &unimitated(*verdict);
        // What VRFY asks for is an address, and no recipient of a message; ETRN asks for no mail of its own.
        let is_of_mail = !matches!(verdict.stage, b"VRFY" | b"ETRN");
        if !is_of_mail || self.foretells(verdict) || self.awaits_relay(verdict) {
            return;
        }
        self.ask_clamav(verdict);
        if verdict.action == Action::MilterHold {
            self.quarantine(verdict);
        } else if !self.awaits_verdict(verdict) {
            self.judged(verdict);
        }
    }

    /// Notes whose a message is that waits for a person to decide.
    fn note_envelope(&mut self, verdict: &Verdict<'_>) {
        if let Some(queue_id) = verdict.queue_id {
            let mut message = self.take_or_new(queue_id);
            let recipient = verdict.recipient.map(|to| bounded(to, &mut message.lossy));
            message.last_recipient = recipient.or(message.last_recipient.take());
            message.note_sender(verdict.sender);
            self.put(queue_id, message);
        }
    }

    /// A milter has the message kept for a person to decide.
    fn quarantine(&mut self, verdict: &Verdict<'_>) {
        let Some(queue_id) = verdict.queue_id.filter(|queue_id| self.known(*queue_id).is_some())
        else {
            return;
        };
        let mut message = self.take_or_new(queue_id);
        let mut lossy = false;
        message.on_hold = true;
        message.last_recipient = verdict.recipient.map(|to| bounded(to, &mut lossy));
        message.note_sender(verdict.sender);
        message.lossy |= lossy;
        if message.origin != Origin::Internal {
            self.warn_known(queue_id.as_str(), &mut message);
        }
        self.put(queue_id, message);
    }

    /// A milter's decision may have a verdict that knows sender and recipient alone.
    fn ask_clamav(&mut self, verdict: &Verdict<'_>) {
        let (Some(queue_id), Some(sender), Some(recipient)) =
            (verdict.queue_id, verdict.sender, verdict.recipient)
        else {
            return;
        };
        let is_milter = is_milter(verdict.action);
        if is_milter && self.known(queue_id).is_some_and(|message| message.finding.is_none()) {
            let mut message = self.take_or_new(queue_id);
            self.heard_of_envelope(&mut message, sender, recipient, self.line.at_us);
            self.put(queue_id, message);
        }
    }

    /// A verdict about a message that has its queue ID, or never gets one.
    pub(crate) fn judged(&mut self, verdict: &Verdict<'_>) {
        let discarded = match verdict.action {
            Action::MilterReject if is_put_off(verdict) => return,
            Action::Reject | Action::MilterReject | Action::Hangup => false,
            Action::Discard => true,
            // Before there is a queue ID, smtpd logs what cleanup logs again with it.
            Action::MilterDiscard if verdict.queue_id.is_some() => true,
            Action::Hold => return self.note_envelope(verdict),
            _ => return,
        };
        // A local submission that a milter refuses bounces, and its status lines tell.
        if !discarded && self.is_local(verdict.queue_id) {
            return;
        }
        self.lost_recipient(verdict);
        let codes = codes_of(verdict);
        let policy = self.policy_behind(verdict, is_temporary(codes));
        let policy = policy.or_else(|| self.lists_behind(verdict));
        let is_of_content = is_milter(verdict.action) || verdict.stage == b"END-OF-MESSAGE";
        self.refuse(&Refusal {
            words: is_of_content.then_some(verdict.text),
            policy,
            queue_id: verdict.queue_id,
            peer: Some(verdict.peer),
            sender: verdict.sender,
            recipient: verdict.recipient,
            helo: verdict.helo,
            user: verdict.sasl_username,
            stage: verdict.stage,
            text: verdict.text,
            codes,
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
        let check = &unforged(*check);
        self.keep_facts(check);
        let discarded = match check.action {
            Action::Reject => false,
            Action::Discard => true,
            _ => return,
        };
        // A refused local submission bounces, and its status lines tell.
        if check.peer.is_some() || discarded {
            // What matched are words of a stranger: shown where no others are, and not interpreted.
            self.refuse(&Refusal {
                queue_id: Some(check.queue_id),
                peer: check.peer.filter(|_| !check.ambiguous),
                sender: check.sender,
                recipient: check.recipient,
                helo: check.helo,
                user: None,
                stage: b"END-OF-MESSAGE",
                text: check.text.unwrap_or(check.content),
                codes: check.text.map(reply_codes).unwrap_or_default(),
                discarded,
                words: Some(check.text.unwrap_or_default()),
                policy: None,
            });
            self.system.close(check.queue_id.as_str());
        }
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
        let (stage, text, code): (&[u8], &[u8], _) = match limit.limit {
            Limit::ConnectionConcurrency => {
                (b"CONNECT", b"connection concurrency limit exceeded", 421)
            }
            Limit::ConnectionRate => (b"CONNECT", b"connection rate limit exceeded", 421),
            Limit::TlsSessionRate => (b"STARTTLS", b"new TLS session rate limit exceeded", 421),
            Limit::MessageRate => (b"MAIL", b"message delivery request rate limit exceeded", 450),
            Limit::RecipientRate => (b"RCPT", b"recipient address rate limit exceeded", 450),
            Limit::AuthRate => (b"AUTH", b"AUTH command rate limit exceeded", 450),
        };
        let dsn = Some(Dsn { class: 4, subject: 7, detail: u16::from(code == 450) });
        self.refuse(&Refusal {
            peer: Some(limit.peer),
            stage,
            text,
            codes: ReplyCodes { code: Some(code), dsn },
            ..Refusal::default()
        });
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) {
        let known = refusal.queue_id.and_then(|queue_id| self.known(queue_id));
        let known = known.filter(|message| !message.closed);
        // A local submission that is refused for now stays in the maildrop and is tried again; one
        // that is refused for good bounces, and its status lines tell.
        let is_silent = known.is_some_and(|message| {
            let is_local = message.origin == Origin::Local && !refusal.discarded;
            message.origin == Origin::Internal || is_local
        });
        if is_silent {
            return;
        }
        // With a queue ID it is one recipient of a message that others of its recipients are in.
        let mut message = match known {
            Some(message) => message.clone(),
            None => self.refused_message(refusal),
        };
        if let Some(queue_id) = refusal.queue_id.filter(|_| refusal.stage == b"END-OF-MESSAGE") {
            self.learn(queue_id, &mut message);
        }
        self.refuse_as(&message, refusal);
    }

    /// The events of a refusal, for a recipient of `message` and for those that only a filter named.
    pub(crate) fn refuse_as(&mut self, message: &Message, refusal: &Refusal<'_>) {
        let words = refusal.words.filter(|_| !is_temporary(refusal.codes));
        let known = message.finding.as_deref();
        let finding = words.and_then(|words| Finding::behind(known, words));
        let mut lossy = message.lossy;
        let named = refusal.recipient.map(|to| bounded(to, &mut lossy));
        let named = named.or_else(|| message.last_recipient.clone());
        let others = finding.as_ref().map(|finding| finding.others(named.as_deref()));
        let mut recipients = others.unwrap_or_default();
        recipients.extend(named);
        if recipients.is_empty() {
            recipients.push(SmolStr::default());
        }
        for to in recipients {
            self.refuse_one(message, refusal, finding.as_ref(), &to);
        }
    }

    fn refuse_one(
        &mut self,
        message: &Message,
        refusal: &Refusal<'_>,
        finding: Option<&Finding>,
        to: &SmolStr,
    ) {
        let class = message.class.unwrap_or_else(|| self.class_of_refused(refusal, message));
        let mut data = self.refusal_data(message, refusal, class);
        if !to.is_empty() {
            set_recipient(&mut data, to, None);
        }
        let kind = match (finding, refusal.discarded) {
            (Some(finding), true) => finding.event(class, Fate::Discarded, &mut data),
            (Some(finding), false) => finding.event(class, Fate::Rejected, &mut data),
            (None, true) => by_class(class, EventType::OutboundDropped, EventType::InboundDropped),
            (None, false) => by_class(class, EventType::OutboundDropped, EventType::InboundBlocked),
        };
        if finding.is_none() {
            let words = refusal.words.and_then(engine_of_words);
            let policy = refusal.policy.as_ref();
            data.engine = policy.map(|policy| policy.engine.into()).or(words);
            data.rules = policy.and_then(|policy| policy.reason.clone());
        }
        self.events.push(self.system.event(kind, self.trigger(), to, data));
    }

    /// What every event of a refusal carries.
    fn refusal_data(
        &self,
        message: &Message,
        refusal: &Refusal<'_>,
        class: Class,
    ) -> Box<EventData> {
        let queue_id = refusal.queue_id.map(QueueId::as_str);
        let mut data = message_data(message, queue_id.unwrap_or_default(), class);
        data.queue_id = queue_id.map(SmolStr::new);
        data.incomplete = false;
        let mut lossy = false;
        if let Some(sender) = refusal.sender {
            data.from = Some(bounded(sender, &mut lossy));
        }
        data.route = self.route(message, data.from.as_deref());
        if let Some(helo) = refusal.helo {
            data.helo = Some(bounded(helo, &mut lossy));
        }
        data.stage = Some(bounded(refusal.stage, &mut lossy));
        let response = text::bounded(refusal.text, limits::RESPONSE_BYTES);
        data.lossy |= lossy || response.lossy;
        data.response = Some(response.value).filter(|text| !text.is_empty());
        data.smtp_code = refusal.codes.code;
        data.dsn = refusal.codes.dsn.map(dsn_text);
        data.temporary = is_temporary(refusal.codes);
        data.repeated = Some(self.line.record.repeated).filter(|&times| times > 1);
        data
    }

    fn is_local(&self, queue_id: Option<QueueId<'_>>) -> bool {
        let message = queue_id.and_then(|queue_id| self.known(queue_id));
        message.is_some_and(|message| message.origin == Origin::Local)
    }

    /// The message that the client tried to send, as far as the refusal tells.
    fn refused_message(&self, refusal: &Refusal<'_>) -> Message {
        let mut lossy = false;
        let uid = match refusal.queue_id {
            Some(queue_id) => self.system.uid(queue_id, self.line),
            None => self.system.uid_of_refusal(self.line),
        };
        let user = refusal.user.map(|user| bounded(user, &mut lossy));
        let service = self.service_in(self.line.record.process.tag);
        let origin = Origin::Network;
        let mut message = Message { uid, origin, user, lossy, service, ..Message::default() };
        if let Some(peer) = refusal.peer {
            message.note_peer(peer);
        }
        message
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

/// A milter refused HELO or EHLO. The client is told 250 all the same, unless the code is 421, and
/// the refusal again with MAIL, which is logged again: "the reply persists so it will apply to MAIL
/// FROM" (Postfix `src/smtpd/smtpd.c`, `ehlo_cmd()`).
fn is_put_off(verdict: &Verdict<'_>) -> bool {
    matches!(verdict.stage, b"HELO" | b"EHLO") && verdict.codes.code != Some(421)
}

/// Content may imitate what follows it, and an address may imitate both: where a line reads in more
/// than one way, only its action and its queue ID are sure.
fn unforged(check: ContentCheck<'_>) -> ContentCheck<'_> {
    if !check.ambiguous {
        return check;
    }
    ContentCheck { content: b"", text: None, sender: None, recipient: None, helo: None, ..check }
}

/// The same of a verdict: a text may imitate the list behind it, and an address in the list a list.
fn unimitated(verdict: Verdict<'_>) -> Verdict<'_> {
    if !verdict.ambiguous {
        return verdict;
    }
    Verdict {
        sender: None,
        recipient: None,
        proto: None,
        helo: None,
        sasl_username: None,
        ..verdict
    }
}

/// The codes of the answer. postscreen does not log those for a client that it has no room for
/// (`postscreen.c`, `psc_service()`).
fn codes_of(verdict: &Verdict<'_>) -> ReplyCodes {
    let (subject, detail) = match verdict.text {
        b"too many connections" => (7, 0),
        b"all server ports busy" | b"all screening ports busy" => (3, 2),
        _ => return verdict.codes,
    };
    let is_of_postscreen = verdict.peer.name.is_empty() && verdict.stage == b"CONNECT";
    let dsn = Some(Dsn { class: 4, subject, detail });
    if is_of_postscreen { ReplyCodes { code: Some(421), dsn } } else { verdict.codes }
}

/// Only for now. The words of cleanup may have no code.
pub(crate) fn is_temporary(codes: ReplyCodes) -> bool {
    match codes.code {
        Some(code) => code / 100 == 4,
        None => codes.dsn.is_some_and(|dsn| dsn.class == 4),
    }
}

fn is_milter(action: Action) -> bool {
    matches!(action, Action::MilterReject | Action::MilterDiscard | Action::MilterHold)
}

/// The program whose words a milter's refusal is in.
fn engine_of_words(text: &[u8]) -> Option<SmolStr> {
    let is_dmarc = text.starts_with(b"5.7.1 rejected by DMARC policy for ");
    is_dmarc.then(|| Engine::OpenDmarc.name().into())
}
