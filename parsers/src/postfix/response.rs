//! The free text of a delivery status line: a server's answer, or Postfix's own words.
//!
//! Shapes: `smtp_trouble.c`, `smtp_connect.c`, `smtp_proto.c`, `local/*.c`. The text never decides
//! what became of a message, the status word does; this only tells whose words it holds. A dead
//! destination's `delivery temporarily suspended: …` quotes the failure of an earlier recipient,
//! so its server and codes are not this one's, and are left unread.

use std::sync::LazyLock;

use memchr::{
    memmem::{Finder, FinderRev},
    memrchr_iter,
};
use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::take_while1,
    combinator::{value, verify},
    sequence::{delimited, preceded, terminated},
};

use super::{Peer, QueueId, peer::peer, queue_id::queue_id};
use crate::{
    fields::{Parsed, tag},
    filters::is_pmg_id,
    status::{ReplyCodes, reply_codes},
};

/// The free text of a delivery status line, taken apart where its shape is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response<'a> {
    /// What the server answered, without Postfix's words around it; the whole text when it is not
    /// a server's answer.
    pub reply: &'a [u8],
    /// Codes at the head of the reply.
    pub codes: ReplyCodes,
    /// The command it answered: `RCPT TO`, `end of DATA command` gives `end of DATA`.
    pub stage: Option<&'a [u8]>,
    /// The server named in the text.
    pub peer: Option<Peer<'a>>,
    /// The queue ID in local(8)'s `forwarded as QID`.
    pub forwarded_as: Option<QueueId<'a>>,
    /// The last `queued as QID` of the reply: the message's queue ID at the next hop, if that is a
    /// Postfix. It names a message of ours only where the next hop is on this host: a content
    /// filter, another instance.
    pub queued_as: Option<QueueId<'a>>,
    /// The answer of a content filter that ended the message itself, or names its own ID. Any
    /// server can say the same: it is to be believed of a next hop on this host alone.
    pub filter: Option<FilterReply<'a>>,
    /// What a command printed: pipe(8)'s `delivered via SVC service (OUTPUT)` and `… Command
    /// output: OUTPUT`.
    pub output: Option<&'a [u8]>,
}

/// What a content filter says about a message: amavis (`amavisd`, `do_log_id`) `250 2.7.0 Ok, discarded,
/// id=00182-03 - spam`, Proxmox Mail Gateway (`PMG/SMTP.pm`) `250 2.7.0 BLOCKED (2C225C6817C7EEE1481)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterReply<'a> {
    /// Its ID for the message, which its own log lines begin with: `00182-03`, `00182-03-2`,
    /// `2C225C6817C7EEE1481`.
    pub id: &'a [u8],
    /// What became of the message there.
    pub outcome: FilterOutcome,
    /// Why: `spam`, `INFECTED: Eicar-Test-Signature`.
    pub reason: Option<&'a [u8]>,
}

/// What a content filter did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOutcome {
    /// Took it, or handed it on.
    Accepted,
    /// Threw it away: `Ok, discarded`.
    Discarded,
    /// Refused it towards the sender by itself, with a notification: `BOUNCE`.
    Bounced,
    /// Refused it towards Postfix: `Reject`.
    Rejected,
}

// Made once, because making one takes longer than most searches.
static IN_REPLY_TO: LazyLock<FinderRev<'_>> = LazyLock::new(|| FinderRev::new(" (in reply to "));
static SERVICE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(" service ("));
static COMMAND_OUTPUT: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(" Command output: "));

/// Takes the text of a delivery status line apart.
#[must_use]
pub fn response(text: &[u8]) -> Response<'_> {
    if let Ok((said, (peer, quoted))) = quoted_reply(text) {
        let (reply, stage) = match quoted {
            Quoted::Said => split_stage(said),
            Quoted::Refused => (said, None),
        };
        return Response { stage, peer: Some(peer), ..Response::of(reply) };
    }
    Response {
        peer: named_peer(text).ok().map(|(_, peer)| peer),
        forwarded_as: forwarded(text).ok().map(|(_, id)| id),
        output: output(text),
        ..Response::of(text)
    }
}

impl<'a> Response<'a> {
    /// What the reply alone tells.
    fn of(reply: &'a [u8]) -> Self {
        Self {
            reply,
            codes: reply_codes(reply),
            stage: None,
            peer: None,
            forwarded_as: None,
            queued_as: queued_as(reply),
            filter: filter_reply(reply).ok().map(|(_, filter)| filter).or_else(|| pmg_reply(reply)),
            output: None,
        }
    }
}

/// How Postfix introduces a reply.
enum Quoted {
    /// To a command.
    Said,
    /// To the connection.
    Refused,
}

/// `host mx.test[192.0.2.1] said: REPLY`, `… refused to talk to me: REPLY`, and
/// `SASL authentication failed; server mx.test[192.0.2.1] said: REPLY` (`smtp_sasl_glue.c`).
fn quoted_reply(text: &[u8]) -> Parsed<'_, (Peer<'_>, Quoted)> {
    let host = alt((tag("host "), tag("SASL authentication failed; server ")));
    let said = tag(" said: ").map(|_| Quoted::Said);
    let refused = tag(" refused to talk to me: ").map(|_| Quoted::Refused);
    (preceded(host, peer), alt((said, refused))).parse(text)
}

/// Splits ` (in reply to RCPT TO command)` off the right end, which the remote cannot reach.
///
/// Where the record was cut, the suffix is missing or breaks off.
fn split_stage(reply: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(at) = IN_REPLY_TO.rfind(reply) else {
        return (reply, None);
    };
    let (head, tail) = reply.split_at(at);
    match stage(tail) {
        Ok(([], stage)) => (head, Some(stage)),
        _ => match cut_stage(tail) {
            Some(stage) => (head, Some(stage)),
            None => (reply, None),
        },
    }
}

/// ` (in reply to end of DATA command)` gives `end of DATA`.
fn stage(input: &[u8]) -> Parsed<'_, &[u8]> {
    let words =
        take_while1(|byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'/' | b'-'));
    let (rest, words) = delimited(tag(" (in reply to "), words, tag(")")).parse(input)?;
    Ok((rest, words.strip_suffix(b" command").unwrap_or(words)))
}

/// What a recipient can fail at (`smtp_proto.c`, `xfer_request`).
const STAGES: [&[u8]; 4] = [b"MAIL FROM", b"RCPT TO", b"DATA", b"end of DATA"];

/// ` (in reply to end of DA` gives `end of DATA`: each stage is known by its first letter.
fn cut_stage(tail: &[u8]) -> Option<&'static [u8]> {
    let words = tail.strip_prefix(b" (in reply to ").filter(|words| !words.is_empty())?;
    let begins = |stage: &&[u8]| match words.strip_prefix(*stage) {
        Some(rest) => b" command".starts_with(rest),
        None => stage.starts_with(words),
    };
    STAGES.into_iter().find(begins)
}

/// `lost connection with mx.test[192.0.2.1] while …`, `connect to mx.test[192.0.2.1]:25: …`.
fn named_peer(text: &[u8]) -> Parsed<'_, Peer<'_>> {
    let with = alt((tag("lost connection with "), tag("conversation with ")));
    let without = alt((
        tag("TLS is required, but was not offered by host "),
        tag("SMTPUTF8 is required, but was not offered by host "),
    ));
    alt((
        terminated(preceded(with, peer), tag(" ")),
        delimited(tag("connect to "), peer, tag(": ")),
        preceded(without, peer),
    ))
    .parse(text)
}

/// `forwarded as 5E1B753F4D8`: the new message of an alias or .forward (`local/forward.c`).
fn forwarded(text: &[u8]) -> Parsed<'_, QueueId<'_>> {
    let (after, id) = preceded(tag("forwarded as "), queue_id).parse(text)?;
    let (after, _) = nom::combinator::eof(after)?;
    Ok((after, id))
}

/// The last `queued as 5E1B753F4D8` of a reply; the last, because a filter quotes the answer that
/// it got itself (`smtpd.c`, `data_cmd()`).
pub(super) fn queued_as(reply: &[u8]) -> Option<QueueId<'_>> {
    // Nearly every answer is searched, and hardly any has another `q`.
    let mut behind = memrchr_iter(b'q', reply).filter_map(|at| {
        let (before, words) = reply.split_at_checked(at)?;
        before.ends_with(b" ").then(|| words.strip_prefix(b"queued as ")).flatten()
    });
    queue_id(behind.next()?).ok().map(|(_, id)| id)
}

/// `250 2.7.0 Ok, discarded, id=00182-03 - spam`, `250 2.5.0 Ok, id=00183-02-3, BOUNCE`,
/// `554 5.7.0 Reject, id=00182-04 - INFECTED: Eicar-Test-Signature`.
fn filter_reply(reply: &[u8]) -> Parsed<'_, FilterReply<'_>> {
    let codes = take_while1(|byte: u8| byte.is_ascii_digit() || b". ".contains(&byte));
    let outcome = alt((
        value(FilterOutcome::Discarded, tag("Ok, discarded, id=")),
        value(FilterOutcome::Accepted, tag("Ok, id=")),
        value(FilterOutcome::Rejected, tag("Reject, id=")),
    ));
    // Digits with amavis; what imitates its answers has IDs of its own.
    let id = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'-');
    let id = verify(id, |id: &[u8]| id.contains(&b'-'));
    let (rest, (_, outcome, id)) = (codes, outcome, id).parse(reply)?;
    let outcome = if rest == b", BOUNCE" { FilterOutcome::Bounced } else { outcome };
    Ok((b"", FilterReply { id, outcome, reason: rest.strip_prefix(b" - ") }))
}

/// `250 2.5.0 OK (2C225C6817C7EEE1481)`, `250 2.7.0 BLOCKED (2C225C6817C7EEE1481)`.
fn pmg_reply(reply: &[u8]) -> Option<FilterReply<'_>> {
    let (outcome, rest) = match reply.strip_prefix(b"250 2.5.0 OK (") {
        Some(rest) => (FilterOutcome::Accepted, rest),
        None => (FilterOutcome::Discarded, reply.strip_prefix(b"250 2.7.0 BLOCKED (")?),
    };
    let id = rest.strip_suffix(b")").filter(|id| is_pmg_id(id))?;
    Some(FilterReply { id, outcome, reason: None })
}

/// `delivered via mypipe service (hello)` (`pipe.c`), `Command died with status 1: "x". Command
/// output: hello` (`pipe_command.c`).
fn output(text: &[u8]) -> Option<&[u8]> {
    let (opening, closing): (&Finder<'_>, &[u8]) = match text.strip_prefix(b"delivered via ") {
        Some(_) => (&SERVICE, b")"),
        None => (&COMMAND_OUTPUT, b""),
    };
    let at = opening.find(text)?;
    let output = text.get(at + opening.needle().len()..)?;
    // Where the record was cut, the parenthesis is missing.
    Some(output.strip_suffix(closing).unwrap_or(output))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn reply(text: &str) -> (&str, Option<&str>) {
        let response = response(text.as_bytes());
        let string = |bytes| std::str::from_utf8(bytes).unwrap();
        (string(response.reply), response.stage.map(string))
    }

    #[test]
    fn a_quoted_reply_loses_the_words_around_it() {
        let text = "host mx1.good.test[127.0.1.1] said: 550 5.1.1 <a@x>: unknown (table) (in reply \
            to RCPT TO command)";
        assert_eq!(reply(text), ("550 5.1.1 <a@x>: unknown (table)", Some("RCPT TO")));
        let response = response(text.as_bytes());
        assert_eq!(response.codes.code, Some(550));
        assert_eq!(response.peer.unwrap().address, b"127.0.1.1");
    }

    #[test]
    fn the_stage_is_taken_from_the_right() {
        let text = "host mx[1.2.3.4] said: 550 no (in reply to DATA command) (in reply to end of \
            DATA command)";
        assert_eq!(reply(text), ("550 no (in reply to DATA command)", Some("end of DATA")));
    }

    #[test]
    fn a_cut_reply_is_taken_whole() {
        let text = "host mx[1.2.3.4] said: 550 a very long";
        assert_eq!(reply(text), ("550 a very long", None));
    }

    #[test]
    fn a_stage_that_was_cut_is_completed() {
        for (cut, stage) in [
            ("RCPT TO command", "RCPT TO"),
            ("end of DATA comm", "end of DATA"),
            ("end of DA", "end of DATA"),
            ("DATA", "DATA"),
            ("M", "MAIL FROM"),
        ] {
            let text = format!("host mx[1.2.3.4] said: 550 no (in reply to {cut}");
            assert_eq!(reply(&text), ("550 no", Some(stage)), "{cut}");
        }
        for cut in ["", "RCPT TO comrade", "DATABASE", "life"] {
            let text = format!("host mx[1.2.3.4] said: 550 no (in reply to {cut}");
            assert_eq!(
                reply(&text),
                (format!("550 no (in reply to {cut}").as_str(), None),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_reply_whose_parentheses_do_not_end_it_names_no_stage() {
        let text = "host mx[1.2.3.4] said: 550 no (in reply to DATA command) sorry";
        assert_eq!(reply(text), ("550 no (in reply to DATA command) sorry", None));
    }

    #[test]
    fn a_refused_connection_quotes_the_greeting() {
        let text = "host banner5.test[127.0.1.31] refused to talk to me: 554 5.3.2 no (blocked)";
        assert_eq!(reply(text), ("554 5.3.2 no (blocked)", None));
        assert_eq!(response(text.as_bytes()).codes.code, Some(554));
    }

    #[test]
    fn network_failures_name_their_server() {
        for text in [
            "connect to mx.test[127.0.1.30]:25: Connection refused",
            "lost connection with mx.test[127.0.1.30] while sending RCPT TO",
            "conversation with mx.test[127.0.1.30] timed out while sending RCPT TO",
            "SMTPUTF8 is required, but was not offered by host mx.test[127.0.1.30]",
        ] {
            let response = response(text.as_bytes());
            assert_eq!(response.reply, text.as_bytes());
            assert_eq!(response.peer.unwrap().name, b"mx.test", "{text}");
            assert_eq!(response.codes, ReplyCodes::default());
        }
    }

    #[test]
    fn the_failure_of_an_earlier_recipient_is_not_attributed() {
        let text = "delivery temporarily suspended: host mx[1.2.3.4] said: 450 4.1.1 <other@x> no (in \
            reply to RCPT TO command)";
        let response = response(text.as_bytes());
        assert_eq!(response.reply, text.as_bytes());
        assert_eq!((response.peer, response.stage), (None, None));
        assert_eq!(response.codes, ReplyCodes::default());
    }

    #[test]
    fn a_plain_reply_is_the_whole_text() {
        let text = "250-2.6.0 <a@x> [InternalId=1] 250 2.6.0 Queued mail for delivery";
        assert_eq!(reply(text), (text, None));
        assert_eq!(response(text.as_bytes()).codes.code, Some(250));
        assert_eq!(reply("delivered to maildir"), ("delivered to maildir", None));
    }

    /// local(8), Postfix 3.7.11.
    #[test]
    fn an_alias_is_followed_to_its_new_message() {
        let id = response(b"forwarded as 5E1B753F4D8").forwarded_as;
        assert_eq!(id.map(QueueId::as_str), Some("5E1B753F4D8"));
        assert_eq!(response(b"forwarded as 5E1B753F4D8 x").forwarded_as, None);
        assert_eq!(response(b"250 forwarded as 5E1B753F4D8").forwarded_as, None);
    }

    /// amavisd-new 2.13 between two Postfix; the last ID is the one behind the filter.
    #[test]
    fn a_filter_quotes_the_queue_id_that_it_got_last() {
        let id = |text: &'static str| response(text.as_bytes()).queued_as.map(QueueId::as_str);
        let text = "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as \
            4jWZl10wjGznR7Q";
        assert_eq!(id(text), Some("4jWZl10wjGznR7Q"));
        let text = "250 2.0.0 Ok: queued as 97C0A53F4D6: 250 2.0.0 Ok: queued as 5E1B753F4D8";
        assert_eq!(id(text), Some("5E1B753F4D8"));
        assert_eq!(id("250 2.0.0 Ok: queued as FH3JZ"), None);
        assert_eq!(id("250 Ok: requeued as 97C0A53F4D6"), None);
        assert_eq!(id("250 Ok: queued as 97C0A53F4D6 qq"), Some("97C0A53F4D6"));
        assert_eq!(id("250 2.0.0 Ok"), None);
    }

    /// amavisd-new 2.13.
    #[test]
    fn a_filter_that_ends_a_message_says_how_and_why() {
        for (text, id, outcome, reason) in [
            (
                "250 2.7.0 Ok, discarded, id=00182-03 - spam",
                "00182-03",
                FilterOutcome::Discarded,
                Some("spam"),
            ),
            (
                "250 2.7.0 Ok, discarded, id=00183-02-2 - INFECTED: Eicar-Test-Signature",
                "00183-02-2",
                FilterOutcome::Discarded,
                Some("INFECTED: Eicar-Test-Signature"),
            ),
            ("250 2.5.0 Ok, id=00183-02-3, BOUNCE", "00183-02-3", FilterOutcome::Bounced, None),
            (
                "host 127.0.0.1[127.0.0.1] said: 554 5.7.0 Reject, id=00182-04 - spam (in reply to end \
                 of DATA command)",
                "00182-04",
                FilterOutcome::Rejected,
                Some("spam"),
            ),
            (
                "250 2.6.0 Ok, id=00182-05, from MTA([127.0.0.1]:10025): 250 2.0.0 Ok: queued as \
                 97C0A53F4D6",
                "00182-05",
                FilterOutcome::Accepted,
                None,
            ),
        ] {
            let (id, reason) = (id.as_bytes(), reason.map(str::as_bytes));
            let expected = FilterReply { id, outcome, reason };
            assert_eq!(response(text.as_bytes()).filter, Some(expected), "{text}");
        }
        for text in ["250 2.0.0 Ok: queued as X", "250 Ok, id=abc", "250 x Ok, discarded, id=1-2"] {
            assert_eq!(response(text.as_bytes()).filter, None, "{text}");
        }
    }

    /// pipe(8), Postfix 3.7.11.
    #[test]
    fn the_output_of_a_command_is_told_apart() {
        for (text, output) in [
            ("delivered via mypipe service", None),
            ("delivered via mypipe service (hello (you))", Some("hello (you)")),
            ("delivered via mypipe service (hel", Some("hel")),
            (
                "service unavailable. Command output: 5.7.1 refused (output \"quoted\") ",
                Some("5.7.1 refused (output \"quoted\") "),
            ),
        ] {
            assert_eq!(response(text.as_bytes()).output, output.map(str::as_bytes), "{text}");
        }
    }
}
