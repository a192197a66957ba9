//! What a milter knows of messages, until their log lines come.
//!
//! The log alone says that a message exists; facts only add to it. They are known before Postfix
//! logs that the message is in the queue, and are taken with that line, by queue ID. Short queue
//! IDs come again, so the times must fit, and the Message-IDs when both are known.
//!
//! Nothing here is stored: facts whose line was not read before a restart are forgotten.

use std::collections::{HashSet, VecDeque};

use mailherald_parsers::postfix::{Action, QueueId, Relay, Verdict};
use smol_str::{SmolStr, StrExt};

use super::{
    Correlator, Step,
    directory::message_key,
    emit::bounded,
    finding::Finding,
    message::{Class, Message, Origin},
    system::Map,
};
use crate::{event::Facts, limits};

/// The line may be stamped so much earlier than the facts: stamps without a fraction are, and
/// clocks step.
const EARLIER_US: i64 = 5 * 1_000_000;

/// And so much later: Postfix may be slow, but not that slow.
const LATER_US: i64 = 10 * 60 * 1_000_000;

/// Facts that wait for their line.
#[derive(Debug, Default)]
pub(crate) struct Known {
    by_queue_id: Map<Vec<Facts>>,
    /// Queue IDs in the order in which their facts came.
    order: VecDeque<(i64, SmolStr)>,
    bytes: usize,
}

impl Known {
    /// Keeps facts; the oldest give way when there are too many.
    pub(crate) fn put(&mut self, facts: Facts) {
        self.bytes += facts.weight();
        self.order.push_back((facts.at_us, facts.queue_id.clone()));
        self.by_queue_id.entry(facts.queue_id.clone()).or_default().push(facts);
        while self.bytes > limits::FACTS_BYTES {
            self.forget_oldest();
        }
    }

    /// Facts about the message of a line that was logged at that time.
    pub(crate) fn take(&mut self, queue_id: &str, at_us: i64, message: &Message) -> Option<Facts> {
        let all = self.by_queue_id.get_mut(queue_id)?;
        let fits = |facts: &Facts| is_time(facts, at_us) && is_same_message(facts, message);
        let place = all.iter().rposition(fits)?;
        let facts = all.swap_remove(place);
        if all.is_empty() {
            self.by_queue_id.remove(queue_id);
        }
        self.bytes = self.bytes.saturating_sub(facts.weight());
        Some(facts)
    }

    /// Drops facts that no line can be about any more.
    pub(crate) fn forget(&mut self, horizon_us: i64) {
        let is_over = |at_us: i64| at_us.saturating_add(LATER_US) < horizon_us;
        while self.order.front().is_some_and(|(at_us, _)| is_over(*at_us)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((at_us, queue_id)) = self.order.pop_front() else { return self.bytes = 0 };
        let Some(all) = self.by_queue_id.get_mut(&queue_id) else { return };
        // They may have been taken.
        if let Some(place) = all.iter().position(|facts| facts.at_us == at_us) {
            self.bytes = self.bytes.saturating_sub(all.swap_remove(place).weight());
        }
        if all.is_empty() {
            self.by_queue_id.remove(&queue_id);
        }
    }
}

fn is_time(facts: &Facts, at_us: i64) -> bool {
    let after_us = at_us.saturating_sub(facts.at_us);
    (-EARLIER_US..=LATER_US).contains(&after_us)
}

fn is_same_message(facts: &Facts, message: &Message) -> bool {
    let key = |id: &SmolStr| message_key(id.as_bytes()).into_owned();
    let both = facts.message_id.as_ref().zip(message.message_id.as_ref());
    both.is_none_or(|(seen, logged)| key(seen) == key(logged))
}

impl Correlator {
    /// Takes facts in. They must come before the line that puts their message into the queue.
    pub fn know(&mut self, facts: Facts) {
        self.known.put(facts);
    }
}

impl Step<'_> {
    /// What is known of a message that just came into the queue: it is added to what the log says,
    /// and its recipients are given.
    pub(crate) fn learn(&mut self, queue_id: QueueId<'_>, message: &mut Message) -> Vec<SmolStr> {
        let facts = self.known.take(queue_id.as_str(), self.line.at_us, message);
        let Some(mut facts) = facts else { return Vec::new() };
        let recipients = recipients(&mut facts, message);
        let headers = std::mem::take(&mut facts.headers);
        let (verdict, stays_here) = (facts.verdict.take(), facts.stays_here);
        add(facts, message);
        if let Some(verdict) = verdict.filter(|_| message.finding.is_none()) {
            message.finding = Some(Box::new(Finding::of_headers(verdict, self.line.into())));
        }
        settle_class(message, stays_here);
        if message.route.is_none() {
            message.route = self.route_with(message, message.sender.as_deref(), &headers);
        }
        recipients
    }

    /// A milter behind ours refused a recipient of a message that others of its recipients are in: ours
    /// knows of it, and the message will not have it.
    pub(crate) fn lost_recipient(&mut self, verdict: &Verdict<'_>) {
        let is_one = verdict.action == Action::MilterReject && verdict.stage == b"RCPT";
        let known = verdict.queue_id.filter(|queue_id| is_one && self.known(*queue_id).is_some());
        let Some((queue_id, to)) = known.zip(verdict.recipient) else { return };
        let mut message = self.take_or_new(queue_id);
        let to = bounded(to, &mut message.lossy);
        message.announced.get_or_default(to);
        self.put(queue_id, message);
    }

    /// `queued` or `received` at once, for all recipients that are known.
    pub(crate) fn announce_all(
        &mut self,
        queue_id: QueueId<'_>,
        message: &mut Message,
        recipients: &[SmolStr],
    ) {
        for to in recipients {
            let class = self.class(message, to, Relay::None);
            self.announce(queue_id.as_str(), message, to, class);
        }
    }
}

/// Adds to a message what the log has not said. The subject of a header check is not decoded.
fn add(facts: Facts, message: &mut Message) {
    let keep = |known: &mut Option<SmolStr>, seen| *known = known.take().or(seen);
    let knows_client = message.client_address.is_some() || message.origin == Origin::Local;
    keep(&mut message.user, facts.user);
    keep(&mut message.message_id, facts.message_id);
    message.helo = facts.helo.filter(|_| message.origin != Origin::Local);
    message.subject = facts.subject.or(message.subject.take());
    message.lossy |= facts.lossy;
    message.envelope_id = facts.envelope_id;
    if !knows_client {
        message.client_name = facts.client_name;
        message.client_address = facts.client_address;
    }
    if !facts.given.is_empty() {
        message.given = Some(Box::new(facts.given));
    }
}

/// Of a message whose client nobody knows, where it goes tells what it is (events.md §4, the last rule).
fn settle_class(message: &mut Message, stays_here: Option<bool>) {
    let is_open = message.class.is_none()
        && message.client_address.is_none()
        && message.user.is_none()
        && !message.submitted
        && !matches!(message.origin, Origin::Local | Origin::Internal | Origin::Child);
    if let Some(stays_here) = stays_here.filter(|_| is_open) {
        message.class = Some(if stays_here { Class::Inbound } else { Class::Outbound });
    }
}

/// The recipients that Postfix will name in the same words: those of an SMTP client that are written
/// in the plain form. Others wait for the line that names them, and so do all of a message that has
/// fewer recipients than it was given: some were taken away, and nobody knows which. What
/// `sendmail` was given, cleanup has rewritten before a milter sees it.
fn recipients(facts: &mut Facts, message: &Message) -> Vec<SmolStr> {
    let mut all = std::mem::take(&mut facts.recipients);
    all.retain(|to| message.announced.get(to).is_none());
    // Postfix delivers once to what only differs in case (`cleanup_out_recipient.c`).
    let mut seen = HashSet::new();
    all.retain(|to| seen.insert(to.to_ascii_lowercase_smolstr()));
    let most = message.nrcpt.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    if message.origin != Origin::Network || facts.more_recipients || all.len() > most {
        return Vec::new();
    }
    all.retain(|to| is_plain(to));
    all
}

/// Would Postfix log it as it is? A name without a domain gets one, quotes go, and dots at the end.
fn is_plain(address: &str) -> bool {
    let is_of_local = |c: char| c.is_ascii_alphanumeric() || "!#$&'*+-/=?^_`{|}~.".contains(c);
    let is_of_domain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_dotted = |name: &str| !name.is_empty() && name.split('.').all(|part| !part.is_empty());
    is_dotted(local)
        && is_dotted(domain)
        && local.chars().all(is_of_local)
        && domain.chars().all(is_of_domain)
}
