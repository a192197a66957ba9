//! The part of a verdict behind the headers that it quotes, from the right.

use memchr::memmem;

use crate::filters::{QueuedAs, Rules, text};

/// From the Message-ID to the end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tail<'a> {
    /// The raw header value.
    pub(super) message_id: Option<&'a [u8]>,
    /// None for `-`: not scored.
    pub(super) score: Option<f64>,
    /// Names of the message behind the filter.
    pub(super) queued_as: QueuedAs<'a>,
    /// Decoded header.
    pub(super) subject: Option<&'a [u8]>,
    /// `NAME=score` each.
    pub(super) rules: Rules<'a>,
}

/// Reads the end of `line`; `rest` is the end of it that follows the head, empty if no head was
/// understood.
///
/// The last score counts when only amavis' own words follow it: a Message-ID stands further left,
/// and whoever imitates a score in a subject cannot get rid of the quote behind it. Otherwise a
/// score counts when it is the only one.
pub(super) fn tail<'a>(line: &'a [u8], rest: &'a [u8]) -> Tail<'a> {
    let whole = if rest.is_empty() { line } else { rest };
    let Some((before, scored)) = text::split_last(whole, HITS) else { return Tail::default() };
    let is_own = is_own(scored) && !quotes_words(before);
    if !is_own && text::split_only(whole, HITS).is_none() {
        return Tail::default();
    }
    let (hits, items) = split_comma(scored);
    let mut tail = Tail { score: points(hits), ..Tail::default() };
    if !rest.is_empty() {
        tail.message_id = message_id(before);
    }
    tail.read_items(items);
    tail
}

/// In front of the score.
const HITS: &[u8] = b", Hits: ";

impl<'a> Tail<'a> {
    /// `size: 416, queued_as: QID, Subject: "…", …, Tests: [A=1,B=2], 289 ms`.
    fn read_items(&mut self, items: &'a [u8]) {
        let tests = text::split_only(items, b"Tests: [");
        let tests = tests.and_then(|(_, tests)| text::split_once(tests, b"]"));
        self.rules = tests.map(|(tests, _)| Rules::new(tests)).unwrap_or_default();
        let mut rest = items;
        while !rest.is_empty() {
            if let Some(subject) = rest.strip_prefix(b"Subject: \"") {
                self.subject = quoted(subject);
                return;
            }
            let (item, next) = split_comma(rest);
            if let Some(ids) = item.strip_prefix(b"queued_as: ") {
                self.queued_as = QueuedAs::new(ids);
            }
            if !is_own_item(item) && !next.is_empty() {
                return;
            }
            rest = next;
        }
    }
}

/// Only items of amavis' own follow the score, whose values no stranger can fill with spaces or
/// quotes.
fn is_own(scored: &[u8]) -> bool {
    let (hits, mut rest) = split_comma(scored);
    if points(hits).is_none() && hits != b"-" {
        return false;
    }
    while !rest.is_empty() {
        let (item, next) = split_comma(rest);
        let is_time = next.is_empty() && item.ends_with(b" ms");
        if !is_time && !is_own_item(item) {
            return false;
        }
        rest = next;
    }
    true
}

fn is_own_item(item: &[u8]) -> bool {
    const KEYS: [&[u8]; 11] = [
        b"size: ",
        b"pt: ",
        b"queued_as: ",
        b"fwd: ",
        b"Tests: [",
        b"dkim_sd=",
        b"dkim_new=",
        b"tag=",
        b"tag2=",
        b"kill=",
        b"rss=",
    ];
    let value = KEYS.into_iter().find_map(|key| item.strip_prefix(key)).or_else(|| flags(item));
    value.is_some_and(|value| !value.iter().any(|byte| matches!(byte, b' ' | b'"' | b'<' | b'>')))
}

/// `L/Y/0/0`: local, and above which levels.
fn flags(item: &[u8]) -> Option<&[u8]> {
    let plain = |byte: &u8| matches!(byte, b'0' | b'Y' | b'L' | b'/' | b'1' | b'x' | b'N');
    (item.contains(&b'/') && item.iter().all(plain)).then_some(item)
}

/// The verbose template quotes HELO names and files, which may hold spaces and no quote ends.
fn quotes_words(text: &[u8]) -> bool {
    [&b", helo="[..], b", b.", b", From: "].iter().any(|key| memmem::find(text, key).is_some())
}

/// `5.2`, or `5.2..7.1` where recipients differ: the highest counts.
fn points(hits: &[u8]) -> Option<f64> {
    text::score(text::split_once(hits, b"..").map_or(hits, |(_, highest)| highest))
}

/// The value between `Message-ID: ` and amavis' own name for the mail.
fn message_id(before: &[u8]) -> Option<&[u8]> {
    let value = before.strip_prefix(b", Message-ID: ")?;
    let value = text::split_last(value, b", mail_id: ").map_or(value, |(value, _)| value);
    Some(text::split_last(value, b", Resent-Message-ID: ").map_or(value, |(value, _)| value))
}

/// Up to the closing quote; quotes inside are doubled (`Amavis.pm`, macro `dquote`).
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return text.get(..at);
        }
        at += 2;
    }
}

fn split_comma(text: &[u8]) -> (&[u8], &[u8]) {
    text::split_once(text, b", ").unwrap_or((text, b""))
}
