//! The part of a verdict that amavis writes before any header of the message, from the left.

use crate::{
    filters::{Recipients, text},
    postfix::QueueId,
};

/// From the actions to the queue ID.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head<'a> {
    /// The words between the braces.
    pub(super) actions: &'a [u8],
    /// One of them says that a copy is kept.
    pub(super) quarantined: bool,
    /// Network address of the client.
    pub(super) client: Option<&'a [u8]>,
    /// Envelope sender.
    pub(super) sender: Option<&'a [u8]>,
    /// Envelope recipients.
    pub(super) recipients: Recipients<'a>,
    /// Name of the message in front of the filter.
    pub(super) queue_id: Option<QueueId<'a>>,
    /// What follows the queue ID, or the recipients where there is none.
    pub(super) rest: &'a [u8],
}

/// Places where a detail may end that are looked at, so that a name full of parentheses does not
/// make the line long work.
const MAX_ENDS: usize = 16;

/// Words between the actions and the sender: policy banks, `LOCAL`, addresses, protocols.
const MAX_WORDS: usize = 8;

/// The detail behind `(`, and the head behind the detail. The name of a file may imitate all that
/// follows it: when there are two ends, nothing behind the parenthesis is trusted.
pub(super) fn behind_detail(text: &[u8]) -> (Option<&[u8]>, Option<Head<'_>>) {
    let mut found = None;
    for (tried, at) in memchr::memchr_iter(b')', text).enumerate() {
        let Some(rest) = text.get(at + 1..).filter(|rest| starts_head(rest)) else { continue };
        if tried >= MAX_ENDS {
            return (None, None);
        }
        if let Some(head) = head(rest) {
            if found.is_some() {
                return (None, None);
            }
            found = Some((text.get(..at), head));
        }
    }
    found.map_or((None, None), |(detail, head)| (detail, Some(head)))
}

fn starts_head(text: &[u8]) -> bool {
    text.starts_with(b" {") || text.starts_with(b", ")
}

/// ` {RelayedInbound}, [127.0.2.5]:33707 <S> -> <R>,<R>, quarantine: X, Queue-ID: QID`. Only
/// amavis' main template has the braces.
pub(super) fn head(text: &[u8]) -> Option<Head<'_>> {
    let mut head = Head::default();
    let text = match text.strip_prefix(b" {") {
        Some(rest) => {
            let (actions, rest) = text::split_once(rest, b"}")?;
            let plain = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b',';
            head.actions = actions.iter().all(plain).then_some(actions)?;
            rest
        }
        None => text,
    };
    head.quarantined = head.actions.split(|byte| *byte == b',').any(|word| word == b"Quarantined");
    let (client, rest) = client(text.strip_prefix(b", ")?)?;
    head.client = client;
    head.rest = rest;
    if let Some((sender, recipients, rest)) = envelope(rest) {
        head.sender = Some(sender);
        head.recipients = Recipients::new(recipients);
        (head.queue_id, head.rest) = queue_id(rest);
    }
    Some(head)
}

/// The first address in brackets, and the text from the sender on.
fn client(mut text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut client = None;
    for _ in 0..MAX_WORDS {
        if text.starts_with(b"<") {
            return Some((client, text));
        }
        let (word, rest) = text::split_once(text, b" ")?;
        let address = word.strip_prefix(b"[").and_then(|word| text::split_once(word, b"]"));
        client = client.or(address.and_then(|(address, _)| text::ip(address)));
        text = rest;
    }
    None
}

/// `<S> -> <R>,<R>`.
fn envelope(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (sender, rest) = text::address(text, b" -> ")?;
    let (recipients, rest) = recipients(rest)?;
    (rest.is_empty() || rest.starts_with(b", ")).then_some((sender, recipients, rest))
}

/// The list in front of `text`, which may be empty, and what follows it.
pub(super) fn recipients(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = text;
    while rest.starts_with(b"<") {
        rest = text::address(rest, b"")?.1;
        match rest.strip_prefix(b",") {
            Some(next) if next.starts_with(b"<") => rest = next,
            _ => break,
        }
    }
    text.split_at_checked(text.len() - rest.len())
}

/// The queue ID, behind items of amavis' own.
fn queue_id(text: &[u8]) -> (Option<QueueId<'_>>, &[u8]) {
    let mut text = behind_trace(text);
    for key in [&b", tls: "[..], b", quarantine: "] {
        if let Some(value) = text.strip_prefix(key) {
            text = from_comma(value);
        }
    }
    let Some(value) = text.strip_prefix(b", Queue-ID: ") else { return (None, text) };
    let rest = from_comma(value);
    let id = value.get(..value.len() - rest.len()).and_then(QueueId::parse);
    (id, rest)
}

/// Behind `, (ESMTP://192.0.2.1 < 192.0.2.2)`, the servers that the message came through, which may be
/// none; only the verbose template has it.
fn behind_trace(text: &[u8]) -> &[u8] {
    let trace = text.strip_prefix(b", (").and_then(|text| text::split_once(text, b")"));
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b' ' | b'<' | b'.' | b':' | b'/' | b'[' | b']' | b'_' | b'-')
    };
    match trace {
        Some((trace, rest)) if trace.iter().all(plain) && rest.starts_with(b", ") => rest,
        _ => text,
    }
}

/// From the next `, ` on.
fn from_comma(text: &[u8]) -> &[u8] {
    memchr::memmem::find(text, b", ").and_then(|at| text.get(at..)).unwrap_or_default()
}
