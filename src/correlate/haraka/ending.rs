//! How an attempt ends, and the events of it.

use std::net::IpAddr;

use mailherald_parsers::{
    haraka::{Cause, Deferred, Delivered, Reason},
    status::Dsn,
};
use smol_str::{SmolStr, format_smolstr};

use super::super::{
    delivery::by_class,
    emit::bounded,
    message::{Class, Deferral, KeptLine},
};
use super::{
    Name,
    attempt::is_doubtful,
    scene::{Fact, Scene, known, message_data, set_reply, words},
    story::{Answer, Item, Recipient, Transaction},
};
use crate::event::{BounceCategory, BounceType, EventData, EventType as T, bounce};

/// How an attempt ended.
pub(super) enum Ending {
    /// The server took it.
    Delivered {
        host: Option<SmolStr>,
        ip: Option<SmolStr>,
        port: Option<u16>,
        response: SmolStr,
        delay_us: Option<u64>,
        accepted: u32,
        is_lmtp: bool,
        is_doubtful: bool,
    },
    /// It will be tried again.
    Deferred {
        /// What makes the attempt one of its kind.
        attempt: SmolStr,
        failure: Failure,
    },
    /// It is given up.
    Bounced { failure: Failure, is_exhausted: bool },
    /// A plugin ended it.
    Deleted,
}

/// Why an attempt failed, where no recipient's answer says it.
pub(super) struct Failure {
    text: SmolStr,
    cause: Cause,
}

impl Ending {
    pub(super) fn delivered(
        story: &mut Transaction,
        _item: u32,
        delivered: &Delivered<'_>,
    ) -> Self {
        let is_lossy = &mut story.is_lossy;
        Self::Delivered {
            host: known(delivered.host, is_lossy),
            ip: known(delivered.ip, is_lossy),
            port: delivered.port,
            response: words(delivered.response, is_lossy),
            delay_us: delivered.delay.and_then(|delay| u64::try_from(delay.as_micros()).ok()),
            accepted: delivered.recipients.accepted,
            is_lmtp: delivered.is_lmtp,
            is_doubtful: is_doubtful(delivered),
        }
    }

    pub(super) fn deferred(story: &mut Transaction, item: u32, deferred: &Deferred<'_>) -> Self {
        let file = deferred.file;
        let mut is_lossy = false;
        let [arrival, uniq] = [file.arrival, file.uniq].map(|part| bounded(part, &mut is_lossy));
        let attempt = format_smolstr!("deferred {arrival} {uniq} {}", file.attempts);
        Self::Deferred { attempt, failure: Failure::of(story, item, deferred.reason) }
    }

    pub(super) fn bounced(story: &mut Transaction, item: u32, reason: Reason<'_>) -> Self {
        let is_exhausted = reason.is_exhausted;
        Self::Bounced { failure: Failure::of(story, item, reason), is_exhausted }
    }

    pub(super) fn is_delivery(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }

    pub(super) fn is_deferral(&self) -> bool {
        matches!(self, Self::Deferred { .. })
    }

    /// Is it about recipients whom no line named?
    fn is_about_more_than(&self, known: usize) -> bool {
        match self {
            Self::Delivered { accepted, .. } => {
                usize::try_from(*accepted).is_ok_and(|all| all > known)
            }
            _ => known == 0,
        }
    }

    fn is_lmtp(&self) -> bool {
        matches!(self, Self::Delivered { is_lmtp: true, .. })
    }
}

impl Failure {
    /// The server's reply; what went wrong on the way to it; else the reason as it is.
    fn of(story: &mut Transaction, item: u32, reason: Reason<'_>) -> Self {
        let cause = reason.cause;
        let said =
            story.items.iter_mut().find(|it| it.number == item).and_then(|it| it.cause.take());
        let text = words(reason.reply().unwrap_or(reason.text), &mut story.is_lossy);
        let text = said.filter(|_| cause == Cause::Unreached).unwrap_or(text);
        Self { text, cause }
    }

    fn category(&self) -> Option<BounceCategory> {
        use BounceCategory as C;
        Some(match self.cause {
            Cause::NoServer | Cause::NullMx => C::NoMx,
            Cause::NoDomain => C::InvalidDomain,
            Cause::Lookup => C::Dns,
            Cause::Tls => C::Tls,
            Cause::Protocol => C::Protocol,
            Cause::Queue => C::MailSystem,
            Cause::Unreached if is_timeout(&self.text) => C::Timeout,
            Cause::Unreached => C::Connection,
            Cause::Recipients | Cause::Reply | Cause::Other => return None,
        })
    }
}

/// Words of Node's sockets.
fn is_timeout(text: &str) -> bool {
    text.contains("ETIMEDOUT") || text.to_ascii_lowercase().contains("timeout")
}

impl Scene<'_> {
    /// Tells how an attempt ended for these recipients. A recipient whose name no line told gives
    /// one event without it.
    pub(super) fn end_attempt(
        &mut self,
        name: Name,
        story: &mut Transaction,
        item: u32,
        ending: &Ending,
        about: &[usize],
        line: &KeptLine,
    ) {
        let class = self.class(story, ending.is_lmtp());
        for index in about {
            self.end_for(name, story, item, ending, *index, (class, line));
        }
        let is_told = story.recipients.iter().any(|it| it.is_told(line.at_us));
        if !story.is_begun && !is_told && ending.is_about_more_than(about.len()) {
            self.end_for_nobody(name, story, item, ending, (class, line), about.len());
        }
        if ending.is_delivery()
            && let Some(item) = story.items.iter_mut().find(|it| it.number == item)
        {
            item.cause = None;
        }
    }

    fn end_for(
        &mut self,
        name: Name,
        story: &mut Transaction,
        item: u32,
        ending: &Ending,
        index: usize,
        (class, line): (Class, &KeptLine),
    ) {
        let mut data = message_data(name, story, class);
        data.nrcpt = story.nrcpt();
        let is_deferral = ending.is_deferral();
        let is_news = |it: &&mut Recipient| it.is_open_to(line.at_us, is_deferral);
        let Some(recipient) = story.recipients.get_mut(index).filter(is_news) else {
            return;
        };
        let answer = recipient.answer.take();
        data.attempt = Some(recipient.deferrals + 1);
        let kind = ending.fill(answer.as_deref(), class, &mut data);
        let what = ending.fact(name, item);
        if let Ending::Deferred { .. } = ending {
            data.same_reason = repeats(recipient.last_deferral.as_deref(), &data);
            recipient.deferrals += 1;
            recipient.last_deferral = Some(Box::new(deferral(&data)));
        } else {
            recipient.is_done = true;
            recipient.last_deferral = None;
        }
        let to = recipient.address.clone();
        self.tell(&Fact { what: &what, occurrence: 0, line }, kind, &to, data);
    }

    /// The beginning of the message is missing, and with it its recipients.
    fn end_for_nobody(
        &mut self,
        name: Name,
        story: &Transaction,
        item: u32,
        ending: &Ending,
        (class, line): (Class, &KeptLine),
        named: usize,
    ) {
        let mut data = message_data(name, story, class);
        if let Ending::Delivered { accepted, .. } = ending {
            let named = u32::try_from(named).unwrap_or(u32::MAX);
            data.nrcpt = Some(accepted.saturating_sub(named));
        }
        let kind = ending.fill(None, class, &mut data);
        let known = story.items.iter().find(|it| it.number == item);
        data.domain = known.and_then(|item: &Item| item.domain.clone());
        let what = ending.fact(name, item);
        let nobody = SmolStr::default();
        self.tell(&Fact { what: &what, occurrence: 0, line }, kind, &nobody, data);
    }

    /// An answer that no outcome followed.
    pub(super) fn end_unconcluded(&mut self, name: Name, story: &mut Transaction, index: usize) {
        let Some(recipient) = story.recipients.get(index) else { return };
        let Some(answer) = recipient.answer.clone() else { return };
        let failure = Failure { text: answer.reply.clone(), cause: Cause::Recipients };
        let ending = if answer.is_final {
            Ending::Bounced { failure, is_exhausted: false }
        } else {
            let attempt = format_smolstr!("deferred {}", recipient.deferrals + 1);
            Ending::Deferred { attempt, failure }
        };
        self.end_attempt(name, story, answer.item, &ending, &[index], &answer.line);
    }
}

impl Ending {
    /// What happened, so that each recipient has one end, and each attempt one deferral.
    fn fact(&self, name: Name, item: u32) -> SmolStr {
        if let Self::Deferred { attempt, .. } = self {
            format_smolstr!("{name}.{item} {attempt}")
        } else {
            format_smolstr!("{name}.{item} end")
        }
    }

    /// Fills in what it says, and gives the type of the event.
    fn fill(&self, answer: Option<&Answer>, class: Class, data: &mut EventData) -> T {
        match self {
            Self::Delivered { .. } => {
                self.fill_delivery(class, data);
                by_class(class, T::OutboundDelivered, T::InboundDelivered)
            }
            Self::Deferred { failure, .. } => {
                data.unreliable_rcpt = answer.is_some_and(|answer| answer.is_doubtful);
                failure.fill(answer, data);
                data.bounce_type = Some(BounceType::Soft);
                by_class(class, T::OutboundDeferred, T::InboundDeferred)
            }
            Self::Bounced { failure, is_exhausted } => {
                data.unreliable_rcpt = answer.is_some_and(|answer| answer.is_doubtful);
                let dsn = failure.fill(answer, data);
                if *is_exhausted {
                    data.bounce_type = Some(BounceType::Soft);
                    data.bounce_category = Some(BounceCategory::Expired);
                }
                let by_remote = data.smtp_code.is_some() && !is_exhausted;
                let is_policy = data.bounce_category.is_some_and(|it| bounce::is_policy(dsn, it));
                if by_remote && is_policy {
                    by_class(class, T::OutboundRejected, T::InboundBounced)
                } else {
                    by_class(class, T::OutboundBounced, T::InboundBounced)
                }
            }
            Self::Deleted => by_class(class, T::OutboundDropped, T::InboundDropped),
        }
    }

    fn fill_delivery(&self, class: Class, data: &mut EventData) {
        let Self::Delivered { host, ip, port, response, delay_us, is_doubtful, .. } = self else {
            return;
        };
        data.response = Some(response.clone()).filter(|response| !response.is_empty());
        data.delay_us = *delay_us;
        data.unreliable_rcpt = *is_doubtful;
        if class == Class::Outbound {
            data.mx.clone_from(host);
            data.host = ip.clone().or_else(|| host.clone());
            data.port = *port;
        }
    }
}

impl Failure {
    /// Says why it failed, in the words of the recipient's answer if there is one.
    fn fill(&self, answer: Option<&Answer>, data: &mut EventData) -> Dsn {
        let reply = answer.map_or(&self.text, |answer| &answer.reply);
        let dsn = set_reply(data, reply);
        let by_cause = self.category().filter(|_| answer.is_none());
        let (dsn, category) = match (dsn, by_cause) {
            (Some(dsn), None) => (dsn, bounce::category(dsn, reply, None)),
            (dsn, by_cause) => {
                let class = if self.is_permanent() { 5 } else { 4 };
                let unknown = Dsn { class, subject: 0, detail: 0 };
                (dsn.unwrap_or(unknown), by_cause.unwrap_or(BounceCategory::Other))
            }
        };
        data.bounce_category = Some(category);
        data.bounce_type = Some(bounce::bounce_type(dsn, category));
        if self.cause == Cause::Unreached
            && let Some((ip, port)) = socket(&self.text)
        {
            (data.host, data.port) = (Some(ip), Some(port));
        }
        dsn
    }

    /// It says something against the address.
    fn is_permanent(&self) -> bool {
        matches!(self.cause, Cause::NoServer | Cause::NullMx | Cause::NoDomain)
    }
}

/// The address at the end of `connect ECONNREFUSED 127.0.0.9:1`.
fn socket(text: &str) -> Option<(SmolStr, u16)> {
    let (ip, port) = text.rsplit(' ').next()?.rsplit_once(':')?;
    let ip: IpAddr = ip.trim_matches(['[', ']']).parse().ok()?;
    Some((format_smolstr!("{ip}"), port.parse().ok()?))
}

/// Does a deferral repeat the one before?
fn repeats(last: Option<&Deferral>, data: &EventData) -> bool {
    let Some(last) = last else { return false };
    let code = data.dsn.clone().unwrap_or_default();
    let is_alike = last.dsn == code && last.smtp_code == data.smtp_code && !code.is_empty();
    is_alike || data.response.as_ref() == Some(&last.response)
}

fn deferral(data: &EventData) -> Deferral {
    Deferral {
        response: data.response.clone().unwrap_or_default(),
        smtp_code: data.smtp_code,
        dsn: data.dsn.clone().unwrap_or_default(),
        stage: None,
        mx: data.mx.clone(),
        host: data.host.clone(),
        port: data.port,
    }
}
