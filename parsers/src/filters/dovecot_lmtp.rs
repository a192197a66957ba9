//! Dovecot's LMTP service and its Sieve: in which mailbox a message was filed.
//!
//! Its reply to the mail server repeats the session (`250 2.0.0 <anna@x.test> SESSION Saved`).

use super::{Action, Engine, Kind, Verdict, text};
use crate::Body;

/// Under the tag `dovecot`:
///
/// ```text
/// lmtp(anna)<2345><75YxNGH0AGtCCQAAg+zDdQ>: msgid=<1@x.test>: saved mail to INBOX
/// lmtp(anna)<2345><75YxNGH0AGtCCQAAg+zDdQ>: sieve: msgid=<1@x.test>: stored mail into mailbox 'Junk'
/// lmtp(2345, anna@x.test): 75YxNGH0AGtCCQAAg+zDdQ: sieve: msgid=<1@x.test>: stored mail into mailbox 'Junk'
/// ```
///
/// The last is that of Dovecot 2.2.
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let stored = text::split_once(text, b": ").and_then(|(agent, rest)| stored(agent, rest));
    text::verdict_or_ignored(stored)
}

/// The same where the agent is the tag.
pub(super) fn tagged<'a>(agent: &'a [u8], text: &'a [u8]) -> Body<'a> {
    text::verdict_or_ignored(stored(agent, text))
}

fn stored<'a>(agent: &'a [u8], text: &'a [u8]) -> Option<Verdict<'a>> {
    let (user, session) = agent_names(agent)?;
    let (session, text) = match text::split_once(text, b": ") {
        Some((older, rest)) if session.is_none() && is_session(agent, older) => (Some(older), rest),
        _ => (session, text),
    };
    let text = text.strip_prefix(b"sieve: ").unwrap_or(text);
    let filed = text.strip_prefix(b"msgid=")?;
    let mut verdict = Verdict::new(Engine::DovecotLmtp, Kind::Stored, Action::Passed);
    let (message_id, mailbox) = by_sieve(filed).or_else(|| plainly(filed))?;
    verdict.detail = mailbox;
    verdict.message_id = message_id.filter(|id| *id != b"unspecified");
    verdict.user = Some(user);
    verdict.scan_id = session;
    Some(verdict)
}

/// Message-ID and mailbox.
type Filed<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Both names are left out when a stranger's Message-ID imitates the words between them.
///
/// The Pigeonhole of Dovecot 2.3.19 names what a script asked for in front:
/// `msgid=<1@x.test>: fileinto action: stored mail into mailbox 'Junk'`.
fn by_sieve(text: &[u8]) -> Option<Filed<'_>> {
    let (message_id, mailbox) = filed(text.strip_suffix(b"'")?, b": stored mail into mailbox '")?;
    let message_id = message_id.map(|id| id.strip_suffix(b": fileinto action").unwrap_or(id));
    Some((message_id, mailbox))
}

fn plainly(text: &[u8]) -> Option<Filed<'_>> {
    filed(text, b": saved mail to ")
}

fn filed<'a>(text: &'a [u8], words: &[u8]) -> Option<Filed<'a>> {
    text::split_once(text, words)?;
    Some(text::split_only(text, words).unzip())
}

/// User and session of `lmtp(anna)<2345><SESSION>`, or of the older `lmtp(2345, anna)`. The session
/// of `lda(anna)<2345><SESSION>` is in no reply.
fn agent_names(agent: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if let Some(rest) = agent.strip_prefix(b"lda(") {
        return names(rest).map(|(user, _)| (user, None));
    }
    names(agent.strip_prefix(b"lmtp(")?)
}

/// 22 letters of base64, of 128 bits (Dovecot's `guid_128_generate()`), or fewer.
fn is_session(agent: &[u8], word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    agent.starts_with(b"lmtp(") && (16..=32).contains(&word.len()) && word.iter().all(plain)
}

fn names(rest: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if let Some((user, rest)) = text::split_once(rest, b")<") {
        let (_, session) = text::split_once(rest, b"><")?;
        return Some((user, session.strip_suffix(b">")));
    }
    let user = rest.strip_suffix(b")")?;
    Some((text::split_last(user, b", ").map_or(user, |(_, user)| user), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Verdict<'_> {
        let Body::Filter(verdict) = read(text.as_bytes()) else { panic!("{text}") };
        verdict
    }

    #[test]
    fn the_mailbox_and_the_session_are_known() {
        let junk = verdict(
            "lmtp(anna)<2345><75YxNGH0AGtCCQAAg+zDdQ>: sieve: msgid=<1@x.test>: \
             stored mail into mailbox 'Junk'",
        );
        assert_eq!((junk.kind, junk.detail), (Kind::Stored, Some(&b"Junk"[..])));
        assert_eq!(junk.scan_id, Some(&b"75YxNGH0AGtCCQAAg+zDdQ"[..]));
        assert_eq!((junk.user, junk.message_id), (Some(&b"anna"[..]), Some(&b"<1@x.test>"[..])));
        let lda = verdict("lda(anna)<2345><75Yx>: msgid=<1@x.test>: saved mail to INBOX");
        assert_eq!((lda.user, lda.scan_id), (Some(&b"anna"[..]), None));
        let old =
            verdict("lmtp(1235, user@example.com): msgid=<m@example.com>: saved mail to INBOX");
        assert_eq!((old.user, old.detail), (Some(&b"user@example.com"[..]), Some(&b"INBOX"[..])));
    }

    #[test]
    fn the_action_of_a_script_is_no_part_of_the_message_id() {
        let junk = verdict(
            "lmtp(anna)<1><s>: sieve: msgid=<1@x.test>: fileinto action: \
             stored mail into mailbox 'Junk'",
        );
        assert_eq!((junk.message_id, junk.detail), (Some(&b"<1@x.test>"[..]), Some(&b"Junk"[..])));
    }

    #[test]
    fn a_message_id_that_imitates_a_mailbox_leaves_both_out() {
        let forged = verdict(
            "lmtp(anna)<1><s>: sieve: msgid=<x: stored mail into mailbox 'INBOX'>: \
             stored mail into mailbox 'Junk'",
        );
        assert_eq!((forged.detail, forged.message_id), (None, None));
    }

    #[test]
    fn other_services_are_ignored() {
        assert_eq!(read(b"imap-login: Login: user=<anna>, method=PLAIN"), Body::Ignored);
        assert_eq!(read(b"lmtp(2345): Connect from local"), Body::Ignored);
    }
}
