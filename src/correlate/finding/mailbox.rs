//! Mail that a mailbox's own rules file as junk (Dovecot's LMTP and LDA with Sieve).
//!
//! The line stands beside the status line of the same delivery: before it, because it is filed first,
//! or after it, because Dovecot's lines go through a process of their own. It gives an event
//! unless a filter has found something before, whose mark the rules mostly go by.

use mailherald_parsers::{
    filters::{Kind, Verdict},
    postfix::{Delivery, QueueId, Relay, Status},
};
use smol_str::SmolStr;

use super::{Fate, Finding, Found, FoundBefore};
use crate::{
    correlate::{
        Correlator, Step,
        aside::{Aside, Topic},
        directory::message_key,
        message::{KeptLine, Message},
    },
    event::Event,
    parse::Line,
};

/// The status line is a moment away.
const DELIVERY_US: i64 = 10 * 1_000_000;

/// Names of mailboxes for spam, as mail programs make them.
const JUNK: [&[u8]; 6] =
    [b"junk", b"spam", b"junk e-mail", b"junk email", b"junk mail", b"bulk mail"];

/// Recipient, and original recipient where it differs.
type Key = (SmolStr, Option<SmolStr>);

impl Correlator {
    /// Dovecot filed a message.
    pub(super) fn filed(
        &mut self,
        verdict: &Verdict<'_>,
        line: &Line<'_>,
        events: &mut Vec<Event>,
    ) {
        if verdict.kind != Kind::Stored || !verdict.detail.is_some_and(is_junk) {
            return;
        }
        let key = verdict.message_id.map(message_key);
        let message = key.and_then(|key| self.newest(line.record.host, &key, self.clock_us(line)));
        if let (Some((index, queue_id)), Some(user)) = (message, verdict.user)
            && let Some(delivered) = self.delivered_to(index, &queue_id, user)
        {
            return self.with_step(index, line, events, |step| {
                step.filed_late(&queue_id, &delivered);
            });
        }
        if let Some(name) = verdict.scan_id.map(Box::from).or_else(|| by_message_id(verdict)) {
            let topic = Topic::Filed(line.record.host.into(), name);
            let until_us = self.wait_from(line, DELIVERY_US);
            self.asides.put(Aside::new(topic, line, until_us));
        }
    }

    /// The recipient that this user is, if the message was delivered to it before.
    fn delivered_to(&self, index: usize, queue_id: &str, user: &[u8]) -> Option<Key> {
        let message = self.systems.get(index)?.messages.get(queue_id)?;
        let mut delivered = message.recipients.iter().filter(|(_, recipient)| recipient.done);
        delivered.find(|(key, _)| is_user(key, user)).map(|(key, _)| key.clone())
    }
}

impl Step<'_> {
    /// A status line says that a message reached a mailbox.
    pub(crate) fn reached_mailbox(
        &mut self,
        delivery: &Delivery<'_>,
        message: &mut Message,
        key: &Key,
    ) {
        if delivery.status != Status::Sent || self.asides.is_empty() {
            return;
        }
        let by_session = session(delivery.text).map(Box::from);
        let users = [Some(key.0.as_str()), key.1.as_deref()].into_iter().flatten();
        let users = users.flat_map(|address| [address, local_part(address)]);
        let by_message_id = message.message_id.as_deref().filter(|_| is_mailbox(delivery));
        let by_message_id = by_message_id.map(|id| message_key(id.as_bytes()));
        let names: Vec<Box<[u8]>> = by_session
            .into_iter()
            .chain(
                by_message_id
                    .iter()
                    .flat_map(|id| users.clone().map(move |user| named(id, user.as_bytes()))),
            )
            .collect();
        for name in names {
            let topic = Topic::Filed(self.system.host.as_slice().into(), name);
            for aside in self.asides.take(&topic) {
                self.filed(delivery.queue_id.as_str(), message, key, &aside.line);
            }
        }
    }

    /// Dovecot's line came after the status line.
    fn filed_late(&mut self, queue_id: &str, key: &Key) {
        let Some(parsed) = QueueId::parse(queue_id.as_bytes()) else {
            return;
        };
        let mut message = self.take_or_new(parsed);
        let line = KeptLine::from(self.line);
        self.filed(queue_id, &mut message, key, &line);
        self.put(parsed, message);
    }

    fn filed(&mut self, queue_id: &str, message: &mut Message, key: &Key, line: &KeptLine) {
        if self.is_judged(queue_id, message, key) {
            return;
        }
        let told = message.finding.take().map(|finding| finding.told).unwrap_or_default();
        message.finding = Some(Box::new(Finding {
            found: Found::Spam,
            score: None,
            rules: None,
            engine: Some(ENGINE.into()),
            fate: Some(Fate::Tagged),
            recipients: [key.0.clone()].into(),
            only_these: true,
            line: Some(line.clone()),
            told,
        }));
        self.warn(queue_id, message, key);
    }

    /// A filter has found something in the message, or in what it was before another filter.
    fn is_judged(&self, queue_id: &str, message: &Message, key: &Key) -> bool {
        let by_filter = |message: &Message| {
            let finding = message.finding.as_deref();
            finding.is_some_and(|finding| finding.engine.as_deref() != Some(ENGINE))
        };
        let before = message.message_id.as_deref().and_then(|id| {
            let key = message_key(id.as_bytes());
            let (_, first) = self.directory.newest(&self.system.host, &key)?;
            self.system.messages.get(first).filter(|_| first != queue_id)
        });
        let before = before.filter(|before| before.uid == message.uid);
        let is_told = |found: &FoundBefore| found.covers(Found::Spam, key);
        by_filter(message)
            || before.is_some_and(by_filter)
            || message.found_before.as_deref().is_some_and(is_told)
    }
}

/// The name that events have for Dovecot's services.
const ENGINE: &str = "dovecot";

/// The last part of a mailbox's name, whichever separator it has.
fn is_junk(mailbox: &[u8]) -> bool {
    let name = mailbox.rsplit(|byte| matches!(byte, b'/' | b'.')).next().unwrap_or(mailbox);
    JUNK.iter().any(|junk| name.eq_ignore_ascii_case(junk))
}

/// The session in `250 2.0.0 <anna@x.test> SESSION Saved`.
fn session(text: &[u8]) -> Option<&[u8]> {
    let session = text.strip_suffix(b" Saved")?.rsplit(|byte| *byte == b' ').next()?;
    (!session.is_empty()).then_some(session)
}

/// Was it handed to a program that may be Dovecot's?
fn is_mailbox(delivery: &Delivery<'_>) -> bool {
    match delivery.relay {
        Relay::Agent(_) => true,
        Relay::Host(_) => session(delivery.text).is_some(),
        Relay::None => false,
    }
}

fn by_message_id(verdict: &Verdict<'_>) -> Option<Box<[u8]>> {
    Some(named(&message_key(verdict.message_id?), verdict.user?))
}

fn named(message_key: &str, user: &[u8]) -> Box<[u8]> {
    [message_key.as_bytes(), user].join(&0).to_ascii_lowercase().into()
}

fn is_user((to, original): &Key, user: &[u8]) -> bool {
    let mut addresses = [Some(to.as_str()), original.as_deref()].into_iter().flatten();
    addresses.any(|address| {
        let (address, local) = (address.as_bytes(), local_part(address).as_bytes());
        address.eq_ignore_ascii_case(user) || local.eq_ignore_ascii_case(user)
    })
}

fn local_part(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_known_by_the_last_part_of_its_name() {
        for name in ["Junk", "INBOX.Spam", "Mail/junk e-mail"] {
            assert!(is_junk(name.as_bytes()), "{name}");
        }
        for name in ["INBOX", "Junkyard", "Spam/Reports", ""] {
            assert!(!is_junk(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn the_session_stands_before_the_last_word() {
        assert_eq!(session(b"250 2.0.0 <a@x.test> 75Yx+zDdQ Saved"), Some(&b"75Yx+zDdQ"[..]));
        assert_eq!(session(b"250 2.0.0 Ok"), None);
    }
}
