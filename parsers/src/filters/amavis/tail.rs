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

/// Places that may be the score and are looked at: a Message-ID or a subject may imitate many.
const MAX_SCORES: usize = 16;

/// Reads the end of `line`; `rest` is the end of it that follows the head, empty if no head was
/// understood.
///
/// The score is the one that only amavis' own words follow: up to the end of the line, which nothing
/// quoted reaches; or up to the quoted subject, which a Message-ID may imitate too, so that of two such
/// scores neither counts. Any other score counts only when it is the only one.
pub(super) fn tail<'a>(line: &'a [u8], rest: &'a [u8]) -> Tail<'a> {
    let whole = if rest.is_empty() { line } else { rest };
    let found = owned(whole).filter(|(before, _)| !quotes_words(before));
    let found = found.or_else(|| text::split_only(whole, HITS));
    let Some((before, scored)) = found else { return Tail::default() };
    let (hits, items) = split_comma(scored);
    let mut tail = Tail { score: points(hits), ..Tail::default() };
    if !rest.is_empty() {
        tail.message_id = message_id(before);
    }
    tail.read_items(items);
    tail
}

/// What stands around the one score that amavis' own words follow.
fn owned(whole: &[u8]) -> Option<(&[u8], &[u8])> {
    let last = text::split_last(whole, HITS)?;
    if behind_own_items(last.1).is_some_and(<[u8]>::is_empty) {
        return Some(last);
    }
    let places = || memmem::find_iter(whole, HITS).take(MAX_SCORES + 1);
    let parts = |at: usize| Some((whole.get(..at)?, whole.get(at + HITS.len()..)?));
    let own = |at: usize| parts(at).filter(|(_, scored)| behind_own_items(scored).is_some());
    let mut owned = places().filter_map(own);
    let first = owned.next()?;
    (owned.next().is_none() && places().count() <= MAX_SCORES).then_some(first)
}

/// In front of the score.
const HITS: &[u8] = b", Hits: ";

impl<'a> Tail<'a> {
    /// `size: 416, queued_as: QID, Subject: "…", …, Tests: [A=1,B=2], 289 ms`.
    fn read_items(&mut self, items: &'a [u8]) {
        let mut rest = items;
        while !rest.is_empty() {
            if let Some((subject, behind)) = subject(rest) {
                self.subject = Some(subject);
                self.rules = tests(behind);
                return;
            }
            let (item, next) = split_comma(rest);
            if let Some(ids) = item.strip_prefix(b"queued_as: ") {
                self.queued_as = QueuedAs::new(ids);
            }
            if !is_own_item(item) && !next.is_empty() {
                break;
            }
            rest = next;
        }
        self.rules = tests(items);
    }
}

/// The rules, where only one list can be they.
fn tests(text: &[u8]) -> Rules<'_> {
    let list = text::split_only(text, b"Tests: [");
    let list = list.and_then(|(_, list)| text::split_once(list, b"]"));
    list.map(|(list, _)| Rules::new(list)).unwrap_or_default()
}

/// What follows the score and amavis' own items, whose values no stranger can fill with spaces or
/// quotes: the quoted subject, whose end a stranger cannot write, or nothing. None if it is neither.
fn behind_own_items(scored: &[u8]) -> Option<&[u8]> {
    let (hits, mut rest) = split_comma(scored);
    if points(hits).is_none() && hits != b"-" {
        return None;
    }
    while !rest.is_empty() && subject(rest).is_none() {
        let (item, next) = split_comma(rest);
        let is_time = next.is_empty() && item.ends_with(b" ms");
        if !is_time && !is_own_item(item) {
            return None;
        }
        rest = next;
    }
    Some(rest)
}

/// `Subject: "…"`, and what follows.
fn subject(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (subject, rest) = quoted(text.strip_prefix(b"Subject: \"")?)?;
    (rest.is_empty() || rest.starts_with(b", ")).then_some((subject, rest))
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

/// Up to the closing quote, and behind it; quotes inside are doubled (`Amavis.pm`, macro `dquote`).
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        at += 2;
    }
}

fn split_comma(text: &[u8]) -> (&[u8], &[u8]) {
    text::split_once(text, b", ").unwrap_or((text, b""))
}
