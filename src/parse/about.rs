//! What a single line is about, for who shows it: without what comes before and behind.

use mailherald_parsers::{
    Body, Parser,
    postfix::{Delivery, Entry, NotificationKind, QueueId, Relay, response},
};

/// What a line says about queue IDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The one that it is about, if it is Postfix's.
    pub queue_id: Option<String>,
    /// It leads to another one: from, to, and how.
    pub hop: Option<(String, String, Hop)>,
    /// It tells something about a message, a client, or the log itself.
    pub is_recognised: bool,
}

/// How one queue ID leads to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// Handed over, to a content filter or another instance: `queued as`, `orig_queue_id=`.
    HandedOver,
    /// `forwarded as`: an alias or a `.forward` file.
    Forwarded,
    /// Queued again by the operator: `orig_id=`.
    Requeued,
    /// A notification about it.
    Notification,
}

impl Hop {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::HandedOver => "handed over",
            Self::Forwarded => "forwarded",
            Self::Requeued => "queued again",
            Self::Notification => "notification",
        }
    }
}

/// What that line is about.
#[must_use]
pub fn about(line: &[u8]) -> About {
    let mut parser = Parser::new();
    let record = parser.parse(line);
    let is_recognised = !matches!(record.body, Body::Ignored | Body::Unrecognised(_));
    let Body::Postfix(entry) = &record.body else {
        return About { is_recognised, ..About::default() };
    };
    let text = |queue_id: QueueId<'_>| queue_id.as_str().to_owned();
    let hop = hop(entry).map(|(from, to, how)| (text(from), text(to), how));
    About { queue_id: queue_id(entry).map(text), hop, is_recognised }
}

/// The message that a line of Postfix is about.
pub(super) fn queue_id<'a>(entry: &Entry<'a>) -> Option<QueueId<'a>> {
    match entry {
        Entry::Client(client) => client.queue_id,
        Entry::Pickup(pickup) => Some(pickup.queue_id),
        Entry::MessageId(message_id) => Some(message_id.queue_id),
        Entry::QueueActive(active) => Some(active.queue_id),
        Entry::Expired(expired) => Some(expired.queue_id),
        Entry::Removed(removed) => Some(removed.queue_id),
        Entry::Delivery(delivery) => Some(delivery.queue_id),
        Entry::Notification(notification) => Some(notification.parent),
        Entry::Verdict(verdict) => verdict.queue_id,
        Entry::ContentCheck(check) => Some(check.queue_id),
        Entry::Refused(refused) => Some(refused.queue_id),
        Entry::Corrupt(corrupt) => Some(corrupt.queue_id),
        Entry::Operation(operation) => Some(operation.queue_id),
        _ => None,
    }
}

fn hop<'a>(entry: &Entry<'a>) -> Option<(QueueId<'a>, QueueId<'a>, Hop)> {
    match entry {
        Entry::Client(client) => Some((client.orig_queue_id?, client.queue_id?, Hop::HandedOver)),
        Entry::Pickup(pickup) => Some((pickup.orig_id?, pickup.queue_id, Hop::Requeued)),
        Entry::Notification(it) if it.kind != NotificationKind::Postmaster => {
            Some((it.parent, it.child, Hop::Notification))
        }
        Entry::Delivery(delivery) => delivered_as(delivery),
        _ => None,
    }
}

/// What a server elsewhere calls it is none of our queue IDs.
fn delivered_as<'a>(delivery: &Delivery<'a>) -> Option<(QueueId<'a>, QueueId<'a>, Hop)> {
    let answer = response(delivery.text);
    if let Some(next) = answer.forwarded_as {
        return Some((delivery.queue_id, next, Hop::Forwarded));
    }
    let Relay::Host(relay) = delivery.relay else { return None };
    let is_here = relay.address.starts_with(b"127.")
        || relay.address == b"::1"
        || relay.address.starts_with(b"private/");
    let next = answer.queued_as.filter(|_| is_here)?;
    Some((delivery.queue_id, next, Hop::HandedOver))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-03-01T10:00:00+00:00 mx postfix";

    fn hop_of(text: &str) -> Option<(String, String, Hop)> {
        about(format!("{STAMP}/{text}").as_bytes()).hop
    }

    #[test]
    fn lines_lead_from_one_queue_id_to_another() {
        let hop = |how| Some(("3A6B2C8000".to_owned(), "3A6B2C8001".to_owned(), how));
        let tail = "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent";
        for (text, expected) in [
            (
                format!(
                    "smtp[1]: 3A6B2C8000: to=<a@x.test>, relay=127.0.0.1[127.0.0.1]:10024, {tail} (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 3A6B2C8001)"
                ),
                hop(Hop::HandedOver),
            ),
            (
                format!(
                    "smtp[1]: 3A6B2C8000: to=<a@x.test>, relay=x.test[192.0.2.1]:25, {tail} (250 2.0.0 Ok: queued as 3A6B2C8001)"
                ),
                None,
            ),
            (
                format!(
                    "local[1]: 3A6B2C8000: to=<a@x.test>, relay=local, {tail} (forwarded as 3A6B2C8001)"
                ),
                hop(Hop::Forwarded),
            ),
            (
                "bounce[1]: 3A6B2C8000: sender non-delivery notification: 3A6B2C8001".to_owned(),
                hop(Hop::Notification),
            ),
        ] {
            assert_eq!(hop_of(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_is_about_its_own_queue_id() {
        let line = format!("{STAMP}/qmgr[1]: 3A6B2C8000: removed");
        let expected = Some("3A6B2C8000".to_owned());
        assert_eq!(about(line.as_bytes()).queue_id, expected);
        assert_eq!(about(b"nonsense"), About::default());
    }
}
