//! The lines of one scan: the verdict, the same for each recipient, and the rules.

use super::{
    head::{self, Head},
    tail,
};
use crate::{
    Body,
    filters::{Action, Direction, Engine, Kind, Part, Recipients, Rules, Verdict, text},
};

/// At `log_level` 0, from 1 on for each recipient, and from 2 on the rules:
///
/// ```text
/// (00182-03) Blocked SPAM {DiscardedOpenRelay,Quarantined}, [127.0.0.1]:60667 <amy@sender.test> -> <ok+s40spam@good.test>, quarantine: spam-dt5Ofj7vnGUG, Queue-ID: 4jWZl048w4znR78, Message-ID: <40_amavis.sy.3@gen.lab.test>, mail_id: dt5Ofj7vnGUG, Hits: 999, size: 416, 289 ms
/// (00182-03) Blocked SPAM, <amy@sender.test> -> , Hits: 999, tag=-999, tag2=5, kill=6.9, 0/Y/Y/Y
/// (00182-03) spam-tag, <amy@sender.test> -> <games@lab.test>, Yes, score=999 tag=-999 tag2=5 kill=6.9 tests=[GTUBE=1000, NO_RELAYS=-0.001] autolearn=no
/// ```
pub(in crate::filters) fn read(text: &[u8]) -> Body<'_> {
    let Some((scan_id, text)) = scan_id(text) else { return Body::Ignored };
    let is_verdict = [&b"Passed "[..], b"Blocked ", b"spam-tag, "];
    let is_verdict = is_verdict.iter().any(|word| text.starts_with(word));
    if text.starts_with(CUT) || (is_verdict && text.ends_with(CUT)) {
        let piece = Verdict::new(Engine::Amavis, Kind::Clean, Action::Unknown);
        return Body::Filter(Verdict { part: Part::Piece, scan_id: Some(scan_id), ..piece });
    }
    let verdict = if let Some(rest) = text.strip_prefix(b"Passed ") {
        verdict(rest, true)
    } else if let Some(rest) = text.strip_prefix(b"Blocked ") {
        verdict(rest, false)
    } else if let Some(rest) = text.strip_prefix(b"spam-tag, ") {
        spam_tag(rest)
    } else {
        return Body::Ignored;
    };
    text::verdict_or_broken(verdict.map(|verdict| Verdict { scan_id: Some(scan_id), ..verdict }))
}

/// What ends a piece of a line, and begins the next one (`Amavis/Log.pm`, `write_log()`).
const CUT: &[u8] = b"...";

/// A line that amavis split over several, put together: `before` ends with the first pieces, and `line`
/// is the next one. None when it is not.
#[must_use]
pub fn join_pieces(before: &[u8], line: &[u8], scan_id: &[u8]) -> Option<Vec<u8>> {
    let begin = [b"(", scan_id, b") ", CUT].concat();
    let at = memchr::memmem::find(line, &begin)?;
    let rest = line.get(at + begin.len()..)?;
    Some([before.strip_suffix(CUT)?, rest].concat())
}

/// `(00182-03-2) `: process, message, and which one of those on the same connection.
fn scan_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, rest) = text::split_once(text.strip_prefix(b"(")?, b") ")?;
    let plain = id.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    (plain && id.contains(&b'-') && id.len() <= 32).then_some((id, rest))
}

/// Everything behind `Passed ` or `Blocked `.
fn verdict(text: &[u8], passed: bool) -> Option<Verdict<'_>> {
    let (kind, rest) = kind(text)?;
    let (detail, head) = match rest.strip_prefix(b" (") {
        Some(rest) => head::behind_detail(rest),
        None => (None, Some(head::head(rest)?)),
    };
    let head = head.unwrap_or_default();
    let (action, direction) = done(head.actions, passed);
    let tail = tail::tail(rest, head.rest);
    let mut verdict = Verdict::new(Engine::Amavis, kind, action);
    verdict.part = if is_repeat(&head) { Part::Repeat } else { Part::Verdict };
    verdict.detail = detail;
    verdict.quarantined = head.quarantined;
    verdict.direction = direction;
    verdict.client = head.client;
    verdict.sender = head.sender;
    verdict.recipients = head.recipients;
    verdict.queue_id = head.queue_id;
    verdict.message_id = tail.message_id;
    verdict.score = tail.score;
    verdict.queued_as = tail.queued_as;
    verdict.subject = tail.subject;
    verdict.rules = tail.rules;
    Some(verdict)
}

/// The word in front (`setting_by_contents_category`). A detail or `{` follows, or a comma.
fn kind(text: &[u8]) -> Option<(Kind, &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b','))?;
    let (word, rest) = text.split_at_checked(end)?;
    let kind = match word {
        b"CLEAN" | b"OTHER" => Kind::Clean,
        b"SPAM" | b"SPAMMY" => Kind::Spam,
        b"INFECTED" => Kind::Virus,
        b"BANNED" => Kind::Banned,
        b"OVERSIZED" | b"TEMPFAIL" | b"MTA-BLOCKED" => Kind::Unchecked,
        _ if word.starts_with(b"BAD-HEADER") => Kind::BadHeader,
        _ if word.starts_with(b"UNCHECKED") => Kind::Unchecked,
        _ => return None,
    };
    Some((kind, rest))
}

/// What was done with the recipients of this line, and which way. The list of actions is about
/// all recipients, so only those count that fit the first word of the line.
fn done(actions: &[u8], passed: bool) -> (Action, Option<Direction>) {
    for word in actions.split(|byte| *byte == b',') {
        let Some((action, direction)) = action_word(word) else { continue };
        if matches!(action, Action::Passed | Action::Tagged) == passed {
            return (action, direction);
        }
    }
    (if passed { Action::Passed } else { Action::Unknown }, None)
}

/// `RelayedTaggedInbound`, `DiscardedOpenRelay` (`Amavis.pm`, `$which` and its direction).
fn action_word(word: &[u8]) -> Option<(Action, Option<Direction>)> {
    const ACTIONS: [(&[u8], Action); 9] = [
        (b"RelayedTagged", Action::Tagged),
        (b"Relayed", Action::Passed),
        (b"AcceptedTagged", Action::Tagged),
        (b"Accepted", Action::Passed),
        (b"Discarded", Action::Discarded),
        (b"NoBounce", Action::Discarded),
        (b"Bounced", Action::Bounced),
        (b"Rejected", Action::Rejected),
        (b"TempFailed", Action::TempFailed),
    ];
    let found = ACTIONS.into_iter().find(|(begin, _)| word.starts_with(begin));
    let (begin, action) = found?;
    let direction = match word.strip_prefix(begin)? {
        b"Inbound" => Some(Direction::Inbound),
        b"Outbound" => Some(Direction::Outbound),
        b"Internal" => Some(Direction::Internal),
        b"OpenRelay" => Some(Direction::OpenRelay),
        _ => None,
    };
    Some((action, direction))
}

/// The template for each recipient has the score right behind the recipients, then the levels.
fn is_repeat(head: &Head<'_>) -> bool {
    let levels = head.rest.strip_prefix(b", Hits: ").and_then(|rest| text::split_once(rest, b", "));
    levels.is_some_and(|(_, rest)| rest.starts_with(b"tag="))
}

/// `<S> -> <R>, Yes, score=… tests=[…] autolearn=…`.
fn spam_tag(text: &[u8]) -> Option<Verdict<'_>> {
    let (sender, rest) = text::address(text, b" -> ")?;
    let (recipients, rest) = head::recipients(rest)?;
    let (answer, rest) = text::split_once(rest.strip_prefix(b", ")?, b", score=")?;
    let kind = if answer == b"Yes" { Kind::Spam } else { Kind::Clean };
    let mut verdict = Verdict::new(Engine::Amavis, kind, Action::Unknown);
    verdict.part = Part::Details;
    let word = |key: &[u8]| {
        let (_, value) = text::split_once(rest, key)?;
        text::score(value.split(|byte| *byte == b' ').next()?)
    };
    verdict.score = rest.split(|byte| *byte == b' ').next().and_then(text::score);
    verdict.required = word(b" tag2=");
    let tests = text::split_once(rest, b" tests=[");
    let tests = tests.and_then(|(_, tests)| text::split_once(tests, b"]"));
    verdict.rules = tests.map(|(tests, _)| Rules::new(tests)).unwrap_or_default();
    verdict.sender = Some(sender);
    verdict.recipients = Recipients::new(recipients);
    Some(verdict)
}
