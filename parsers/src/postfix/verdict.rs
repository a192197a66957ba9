//! Refusals and other access verdicts of smtpd, postscreen and milters.
//!
//! `smtpd_check.c`, `log_whatsup()`; `postscreen_smtpd.c`, which knows no name of its client;
//! `smtpd.c` and `cleanup_milter.c` for milters. What was matched in a message's content:
//! [`super::content`].

use nom::{Parser as _, bytes::complete::take_while1, combinator::map_opt, sequence::terminated};

use super::{
    Action, Entry, Peer, QueueId, Verdict,
    list::{Found, find_list},
    peer::peer,
    postscreen,
};
use crate::{
    Body, Reason,
    fields::{Parsed, tag},
    status::reply_codes,
};

/// Reads what follows `QID: ` or `NOQUEUE: `; none when it is no verdict at all:
///
/// ```text
/// reject: RCPT from out5.client.test[127.0.2.5]: 554 5.7.1 <relay@good.test>: Relay access denied; from=<x@sender.test> to=<relay@good.test> proto=ESMTP helo=<gen.client.test>
/// ```
pub(super) fn verdict<'a>(queue_id: Option<QueueId<'a>>, text: &'a [u8]) -> Option<Body<'a>> {
    let (details, action) = action(text).ok()?;
    let refusal = matches!(
        action,
        Action::Reject | Action::RejectWarning | Action::MilterReject | Action::Hangup
    );
    Some(match transaction(queue_id, action, details) {
        Some(verdict) => Body::Postfix(Entry::Verdict(verdict)),
        None if refusal => Body::Unrecognised(Reason::Reject),
        None => Body::Unrecognised(Reason::Text),
    })
}

/// postscreen has no room for a client (`postscreen.c`, `psc_service()`), in words that differ a little
/// from those of other refusals: `reject: connect from [192.0.2.1]:4567: all screening ports busy`.
pub(super) fn without_room(text: &[u8]) -> Option<Verdict<'_>> {
    let details = text.strip_prefix(b"reject: connect from ")?;
    let (text, peer) = terminated(peer, tag(": ")).parse(details).ok()?;
    Some(Verdict {
        queue_id: None,
        action: Action::Reject,
        stage: b"CONNECT",
        peer,
        text,
        codes: reply_codes(text),
        sender: None,
        recipient: None,
        proto: None,
        helo: None,
        sasl_username: None,
        ambiguous: false,
    })
}

/// The word in front, with its colon.
pub(super) fn action(input: &[u8]) -> Parsed<'_, Action> {
    let word = take_while1(|byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-');
    terminated(map_opt(word, Action::parse), tag(": ")).parse(input)
}

fn transaction<'a>(
    queue_id: Option<QueueId<'a>>,
    action: Action,
    details: &'a [u8],
) -> Option<Verdict<'a>> {
    let (said, (stage, peer)) = stage_and_peer(details).ok()?;
    let by_postscreen = peer.name.is_empty();
    let Found { text, list, ambiguous } =
        if by_postscreen { postscreen::find_list(said) } else { find_list(said) };
    Some(Verdict {
        queue_id,
        action,
        stage,
        peer,
        text,
        codes: reply_codes(text),
        sender: list.sender,
        recipient: list.recipient,
        proto: list.proto,
        helo: list.helo,
        sasl_username: list.sasl_username,
        ambiguous,
    })
}

/// `RCPT from out5.client.test[127.0.2.5]: `.
fn stage_and_peer(input: &[u8]) -> Parsed<'_, (&[u8], Peer<'_>)> {
    let stage = take_while1(|byte: u8| byte.is_ascii_uppercase() || byte == b'-');
    (terminated(stage, tag(" from ")), terminated(peer, tag(": "))).parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parsed(text: &str) -> Verdict<'_> {
        match verdict(None, text.as_bytes()) {
            Some(Body::Postfix(Entry::Verdict(verdict))) => verdict,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// smtpd(8), Postfix 3.7.11.
    #[test]
    fn a_refusal_gives_all_its_fields() {
        let verdict = parsed(
            "reject: RCPT from out5.client.test[127.0.2.5]: 554 5.7.1 <relay@good.test>: Relay \
            access denied; from=<x@sender.test> to=<relay@good.test> proto=ESMTP helo=<gen.test>",
        );
        assert_eq!(verdict.action, Action::Reject);
        assert_eq!(verdict.stage, b"RCPT");
        assert_eq!(verdict.peer.name, b"out5.client.test");
        assert_eq!(verdict.text, b"554 5.7.1 <relay@good.test>: Relay access denied");
        assert_eq!(verdict.codes.code, Some(554));
        assert_eq!(verdict.sender, Some(&b"x@sender.test"[..]));
        assert_eq!(verdict.recipient, Some(&b"relay@good.test"[..]));
        assert_eq!(verdict.proto, Some(&b"ESMTP"[..]));
        assert_eq!(verdict.helo, Some(&b"gen.test"[..]));
        assert!(!verdict.ambiguous);
    }

    /// postscreen(8) puts commas between the fields and knows no name.
    #[test]
    fn postscreen_refuses_with_commas() {
        let verdict = parsed(
            "reject: RCPT from [192.0.2.1]:45678: 550 5.7.1 Service unavailable; client [192.0.2.1] \
            blocked using zen.test; from=<a@x>, to=<b@y>, proto=ESMTP, helo=<h>",
        );
        assert_eq!((verdict.peer.name, verdict.peer.port), (&b""[..], Some(45678)));
        assert_eq!(verdict.recipient, Some(&b"b@y"[..]));
        assert!(verdict.text.ends_with(b"blocked using zen.test"));
        assert!(!verdict.ambiguous);
    }

    #[test]
    fn a_sender_that_postscreen_quotes_may_imitate_either_list() {
        for comma in ["", ","] {
            let sender = format!(
                "\"; from=<e@x.test>{comma} to=<victim@y.test>{comma} proto=ESMTP{comma} helo=<\"@x.test"
            );
            let line = format!(
                "reject: RCPT from [192.0.2.1]:4567: 450 4.3.2 Service currently unavailable; \
                 from=<{sender}>, to=<b@lab.test>, proto=ESMTP, helo=<gen>"
            );
            let verdict = parsed(&line);
            assert_eq!(verdict.text, b"450 4.3.2 Service currently unavailable");
            assert_eq!(verdict.sender, Some(sender.as_bytes()));
            assert_eq!(verdict.recipient, Some(&b"b@lab.test"[..]));
            assert_eq!((verdict.helo, verdict.ambiguous), (Some(&b"gen"[..]), false));
        }
    }

    /// Before 3.5.
    #[test]
    fn an_unquoted_sender_of_postscreen_that_imitates_the_list_leaves_no_field() {
        let verdict = parsed(
            "reject: RCPT from [192.0.2.1]:4567: 450 4.3.2 Service currently unavailable; \
             from=<e@x.test>, to=<victim@y.test>, proto=ESMTP, helo=<@x.test>, to=<b@lab.test>, \
             proto=ESMTP, helo=<gen>",
        );
        assert_eq!((verdict.sender, verdict.recipient, verdict.helo), (None, None, None));
        assert!(verdict.ambiguous);
    }

    #[test]
    fn a_refusal_without_any_list_is_whole() {
        let verdict = parsed("reject: CONNECT from [192.0.2.1]:45678: all server ports busy");
        assert_eq!(verdict.text, b"all server ports busy");
        assert_eq!((verdict.sender, verdict.recipient), (None, None));
    }

    #[test]
    fn fields_may_be_missing_and_the_sender_may_be_null() {
        let verdict =
            parsed("reject: VRFY from a[::1]: 504 5.5.2 <x>: no; to=<x> proto=ESMTP helo=<h>");
        assert_eq!((verdict.sender, verdict.recipient), (None, Some(&b"x"[..])));
        let verdict =
            parsed("reject: RCPT from a[::1]: 550 no; from=<> to=<x@y> proto=ESMTP helo=<v6>");
        assert_eq!(verdict.sender, Some(&b""[..]));
        let verdict = parsed("milter-reject: CONNECT from a[::1]: 550 5.7.1 no; proto=SMTP");
        assert_eq!((verdict.action, verdict.helo), (Action::MilterReject, None));
        let verdict = parsed("reject: CONNECT from a[::1]: 554 no;");
        assert_eq!(verdict.text, b"554 no");
    }

    /// Since 3.10.
    #[test]
    fn the_user_may_be_named_at_the_end() {
        let list = "; from=<a@x> to=<b@y> proto=ESMTP helo=<h>";
        for (sasl, user) in [
            (" sasl_method=PLAIN sasl_username=ivy", "ivy"),
            (" sasl_method=PLAIN sasl_username=ivy pop sasl_sender=a@x", "ivy pop"),
            (" sasl_username=<ivy>", "ivy"),
        ] {
            let line = format!("reject: RCPT from a[::1]: 550 no{list}{sasl}");
            assert_eq!(parsed(&line).sasl_username, Some(user.as_bytes()), "{sasl}");
        }
    }

    #[test]
    fn a_text_that_imitates_the_list_is_ambiguous_and_the_last_list_counts() {
        let forged = "; from=<evil@x> sasl_username=u";
        let real = "; from=<a@x> to=<b@y>";
        let line = format!("reject: RCPT from a[::1]: 550 no{forged}{real}");
        let verdict = parsed(&line);
        assert!(verdict.ambiguous);
        assert_eq!(verdict.recipient, Some(&b"b@y"[..]));
    }

    #[test]
    fn an_address_that_imitates_the_list_stays_one() {
        let line = "reject: RCPT from a[::1]: 550 no; from=<\"x; from=<e> to=<e>\"@x> to=<b@y> \
            proto=ESMTP helo=<h>";
        let verdict = parsed(line);
        assert_eq!(verdict.sender, Some(&b"\"x; from=<e> to=<e>\"@x"[..]));
        assert_eq!(verdict.text, b"550 no");
    }

    #[test]
    fn an_address_cannot_forge_a_user() {
        let line = "reject: RCPT from a[::1]: 550 no; from=<\"; proto=A sasl_username=\"@x> to=<b@y> \
            proto=ESMTP helo=<h>";
        let verdict = parsed(line);
        assert_eq!((verdict.sasl_username, verdict.ambiguous), (None, false));
        assert_eq!(verdict.recipient, Some(&b"b@y"[..]));
    }

    #[test]
    fn a_warning_is_no_refusal_and_neither_is_any_other_verdict() {
        let action =
            |word: &str| parsed(&format!("{word}: RCPT from a[::1]: x; proto=SMTP")).action;
        assert_eq!(action("reject_warning"), Action::RejectWarning);
        for word in ["warn", "hold", "redirect", "filter", "bcc", "discard", "milter-hold"] {
            assert_eq!(action(word).as_str(), word);
        }
    }

    /// What is left of the list may be what the client wrote into the text.
    #[test]
    fn a_refusal_that_was_cut_in_its_list_keeps_what_stands_before_it() {
        for client in ["a.test[192.0.2.1]", "[192.0.2.1]:4567"] {
            for tail in ["<a@x", "<a@x>, to=<b", "<a@x> to=<b@y> proto=ESMTP helo=<gen"] {
                let line = format!("reject: RCPT from {client}: 550 5.7.1 no; from={tail}");
                let verdict = parsed(&line);
                assert_eq!(
                    (verdict.peer.address, verdict.stage),
                    (&b"192.0.2.1"[..], &b"RCPT"[..])
                );
                assert_eq!((verdict.text, verdict.codes.code), (&b"550 5.7.1 no"[..], Some(550)));
                assert_eq!((verdict.sender, verdict.recipient, verdict.helo), (None, None, None));
                assert!(verdict.ambiguous, "{line}");
            }
        }
    }

    #[test]
    fn a_refusal_that_breaks_off_says_so() {
        for line in ["reject: RCPT from", "reject: RCPT from a", "reject: rcpt from a[::1]: x"] {
            let expected = Some(Body::Unrecognised(Reason::Reject));
            assert_eq!(verdict(None, line.as_bytes()), expected, "{line}");
        }
        assert_eq!(verdict(None, b"rejected: x"), None);
    }
}
