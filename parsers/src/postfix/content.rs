//! Header and body checks of cleanup, and errors in the structure of a message.
//!
//! Content is a stranger's and may imitate all that follows it, so the list of fields is found from
//! the right: the last ` from ORIGIN;` behind which everything reads to the end of the line, with an
//! optional text of the operator's table. More than one: the line is marked as ambiguous, and what
//! is known of the message by its queue ID is to be preferred.

use memchr::memmem;
use nom::{
    Parser as _,
    branch::alt,
    combinator::{all_consuming, opt, rest},
    sequence::preceded,
};

use super::{
    Action, Entry, Peer, QueueId,
    list::{List, envelope},
    peer::peer,
};
use crate::{
    Body, Reason,
    fields::{Parsed, tag},
};

/// Cleanup cuts content, with the error that a MIME error puts before it, at 200 bytes; a logger
/// that escapes writes up to four for one (`#303`). So there is no end of it further right, however
/// long the addresses are.
const CONTENT_BYTES: usize = 4 * 200;

/// Between the content and where it came from.
const FROM: &str = " from ";

/// `QID: reject: header Subject: x from name[addr]; from=<> to=<> proto= helo=<>: text`.
///
/// Also `QID: milter-header-reject: header …` (`cleanup_milter.c`, `cleanup_milter_hbc_log()`) and
/// `QID: reject: mime-error …` (`cleanup_message.c`, `cleanup_mime_error_callback()`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContentCheck<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// What was done. A refusal's reply code is not logged, at most its enhanced code at the head
    /// of `text`.
    pub action: Action,
    /// It is a check of what a milter added (`milter_header_checks`).
    pub by_milter: bool,
    /// What was looked at.
    pub part: Part,
    /// The line that matched, words of a stranger: cut at 200 bytes (a MIME error's at 100, a
    /// milter's at 60), undecoded, folds as `?`.
    pub content: &'a [u8],
    /// The client; none for a local submission.
    pub peer: Option<Peer<'a>>,
    /// Envelope sender.
    pub sender: Option<&'a [u8]>,
    /// The most recent envelope recipient. There may be others.
    pub recipient: Option<&'a [u8]>,
    /// `SMTP` or `ESMTP`.
    pub proto: Option<&'a [u8]>,
    /// HELO name.
    pub helo: Option<&'a [u8]>,
    /// The table's words behind the list: the reason, the new address or line, the filter. The
    /// error, for a MIME error.
    pub text: Option<&'a [u8]>,
    /// More than one way to split content from list fits: the content imitates the list. The
    /// right-most is taken.
    pub ambiguous: bool,
}

impl<'a> ContentCheck<'a> {
    /// Name and value of the header that matched: `Subject` and `hello`. None for a line without
    /// colon, and for the body.
    #[must_use]
    pub fn header(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.part != Part::Header {
            return None;
        }
        let (name, value) = self.content.split_at_checked(memchr::memchr(b':', self.content)?)?;
        Some((name, value.strip_prefix(b":")?.trim_ascii()))
    }
}

/// Part of a message that a check looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `header`.
    Header,
    /// `body`.
    Body,
    /// `mime-error`: the structure.
    Mime,
}

/// Reads what follows the queue ID; none when it is no check of content:
///
/// ```text
/// reject: body buy viagra now from localhost[127.0.0.1]; from=<gina@sender.test> to=<ok@good.test> proto=ESMTP helo=<gen.client.test>: 5.7.1 body spam
/// info: header From: <gina@sender.test> from local; from=<gina@sender.test> to=<ok@good.test>
/// reject: mime-error improper use of 8-bit data in message header: Subject: ? from local; from=<a@x.test> to=<unknown>
/// ```
pub(super) fn check<'a>(queue_id: QueueId<'a>, text: &'a [u8]) -> Option<Body<'a>> {
    let colon = memmem::find(text, b": ")?;
    let (word, details) = (text.get(..colon)?, text.get(colon + 2..)?);
    let (word, by_milter) = match milter_word(word) {
        Some(word) => (word, true),
        None => (word, false),
    };
    let action = Action::parse(word)?;
    let (part, details) = part(details)?;
    Some(match end(details) {
        Some(end) => {
            let check = assemble(queue_id, action, part, end);
            Body::Postfix(Entry::ContentCheck(ContentCheck { by_milter, ..check }))
        }
        None if action == Action::Reject => Body::Unrecognised(Reason::Reject),
        None => Body::Unrecognised(Reason::Text),
    })
}

/// `milter-header-reject`, `milter-body-reject`.
fn milter_word(word: &[u8]) -> Option<&[u8]> {
    let word = word.strip_prefix(b"milter-")?;
    word.strip_prefix(b"header-").or_else(|| word.strip_prefix(b"body-"))
}

fn part(details: &[u8]) -> Option<(Part, &[u8])> {
    let parts: [(&[u8], Part); 3] =
        [(b"header ", Part::Header), (b"body ", Part::Body), (b"mime-error ", Part::Mime)];
    parts.into_iter().find_map(|(word, part)| Some((part, details.strip_prefix(word)?)))
}

/// Content, and what was found behind it.
struct End<'a> {
    content: &'a [u8],
    tail: Tail<'a>,
    ambiguous: bool,
}

/// Behind the content.
struct Tail<'a> {
    peer: Option<Peer<'a>>,
    list: List<'a>,
    text: Option<&'a [u8]>,
}

/// The right-most end of the content that everything behind it fits.
fn end(details: &[u8]) -> Option<End<'_>> {
    let mut found: Option<End<'_>> = None;
    let content_at_most = details.get(..CONTENT_BYTES + FROM.len()).unwrap_or(details);
    for at in memmem::rfind_iter(content_at_most, FROM.as_bytes()) {
        let (content, rest) = details.split_at_checked(at)?;
        let Ok((_, tail)) = all_consuming(tail).parse(rest) else {
            continue;
        };
        if let Some(found) = &mut found {
            found.ambiguous = true;
            break;
        }
        found = Some(End { content, tail, ambiguous: false });
    }
    found
}

/// ` from localhost[127.0.0.1]; from=<a@x.test> to=<b@y.test> proto=ESMTP helo=<h>: text`.
fn tail(input: &[u8]) -> Parsed<'_, Tail<'_>> {
    let nobody = alt((tag("local"), tag("unknown")));
    let origin = alt((peer.map(Some), nobody.map(|_| None)));
    (preceded(tag(FROM), origin), envelope, opt(preceded(tag(": "), rest)))
        .map(|(peer, list, text)| Tail { peer, list, text })
        .parse(input)
}

fn assemble<'a>(
    queue_id: QueueId<'a>,
    action: Action,
    part: Part,
    end: End<'a>,
) -> ContentCheck<'a> {
    let End { content, tail: Tail { peer, list, text }, ambiguous } = end;
    let (content, text, recipient) = match part {
        Part::Header | Part::Body => (content, text, list.recipient),
        Part::Mime => {
            let (error, content) = mime_error(content);
            (content, Some(error), list.recipient.filter(|to| to != b"unknown"))
        }
    };
    ContentCheck {
        queue_id,
        action,
        by_milter: false,
        part,
        content,
        peer,
        sender: list.sender,
        recipient,
        proto: list.proto,
        helo: list.helo,
        text,
        ambiguous,
    }
}

/// `improper use of 8-bit data in message header: Subject: ?`: error (`mime_state.c`,
/// `mime_state_error()`) and content.
fn mime_error(content: &[u8]) -> (&[u8], &[u8]) {
    let split = memmem::find(content, b": ").and_then(|at| content.split_at_checked(at));
    split.map_or((content, b""), |(error, content)| {
        (error, content.strip_prefix(b": ").unwrap_or(content))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parsed(text: &str) -> ContentCheck<'_> {
        let queue_id = QueueId::parse(b"97C0A53F4D6").unwrap();
        match check(queue_id, text.as_bytes()) {
            Some(Body::Postfix(Entry::ContentCheck(check))) => check,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// cleanup(8), `body_checks`, Postfix 3.7.11.
    #[test]
    fn a_check_gives_all_its_fields() {
        let check = parsed(
            "reject: body buy viagra now from localhost[127.0.0.1]; from=<gina@sender.test> \
             to=<ok@good.test> proto=ESMTP helo=<gen.client.test>: 5.7.1 body spam",
        );
        assert_eq!(
            (check.action, check.part, check.by_milter),
            (Action::Reject, Part::Body, false)
        );
        assert_eq!(check.content, b"buy viagra now");
        assert_eq!(check.header(), None);
        assert_eq!(check.peer.unwrap().address, b"127.0.0.1");
        assert_eq!(check.sender, Some(&b"gina@sender.test"[..]));
        assert_eq!(check.recipient, Some(&b"ok@good.test"[..]));
        assert_eq!(check.proto, Some(&b"ESMTP"[..]));
        assert_eq!(check.helo, Some(&b"gen.client.test"[..]));
        assert_eq!(check.text, Some(&b"5.7.1 body spam"[..]));
        assert!(!check.ambiguous);
    }

    /// cleanup(8), `header_checks` of a local submission, Postfix 3.7.11.
    #[test]
    fn a_local_submission_has_no_client() {
        let check = parsed(
            "reject: header Subject: drop-reject local from local; from=<gina@sender.test> \
             to=<ok+s10locrej@good.test>: 5.7.1 spam subject (5.0.0 default)",
        );
        assert_eq!((check.peer, check.proto, check.helo), (None, None, None));
        assert_eq!(check.header(), Some((&b"Subject"[..], &b"drop-reject local"[..])));
        assert_eq!(check.text, Some(&b"5.7.1 spam subject (5.0.0 default)"[..]));
    }

    #[test]
    fn a_header_is_its_name_and_its_value() {
        for (content, expected) in [
            (
                "X-Spam-Status: Yes, score=7.5 required=5.0",
                Some("X-Spam-Status|Yes, score=7.5 required=5.0"),
            ),
            ("X-Mailherald-Tag:welcome", Some("X-Mailherald-Tag|welcome")),
            ("Subject: ", Some("Subject|")),
            ("Subject:", Some("Subject|")),
            ("no colon", None),
        ] {
            let line = format!("info: header {content} from local; from=<a@x>");
            let check = parsed(&line);
            assert_eq!(check.content, content.as_bytes());
            let header = check.header().map(|(name, value)| [name, b"|", value].concat());
            assert_eq!(header, expected.map(|header| header.as_bytes().to_vec()), "{content}");
        }
    }

    #[test]
    fn every_action_of_a_table_is_known() {
        for (word, action) in [
            ("warning", Action::Warn),
            ("info", Action::Info),
            ("reject", Action::Reject),
            ("discard", Action::Discard),
            ("hold", Action::Hold),
            ("filter", Action::Filter),
            ("redirect", Action::Redirect),
            ("prepend", Action::Prepend),
            ("replace", Action::Replace),
            ("strip", Action::Strip),
            ("bcc", Action::Bcc),
            ("pass", Action::Pass),
            ("delay", Action::Delay),
        ] {
            let line = format!("{word}: header Subject: x from a[::1]; from=<> proto=SMTP: text");
            let check = parsed(&line);
            assert_eq!((check.action, check.by_milter), (action, false), "{word}");
            assert_eq!((check.sender, check.proto), (Some(&b""[..]), Some(&b"SMTP"[..])));
            let line = format!("milter-header-{line}");
            let check = parsed(&line);
            assert_eq!((check.action, check.by_milter), (action, true), "{word}");
        }
    }

    /// cleanup(8), Postfix 3.7.11: a subject that imitates what follows it.
    #[test]
    fn content_that_imitates_the_list_is_content() {
        let check = parsed(
            "warning: header Subject: tricky from attacker[1.2.3.4]; from=<evil@x.test> \
             to=<evil2@x.test> proto=ESMTP helo=<evil>: injected from localhost[127.0.0.1]; \
             from=<gina@sender.test> to=<ok+s10inj@good.test> proto=ESMTP helo=<gen.client.test>",
        );
        assert_eq!(check.peer.unwrap().address, b"127.0.0.1");
        assert_eq!(check.sender, Some(&b"gina@sender.test"[..]));
        assert_eq!(check.recipient, Some(&b"ok+s10inj@good.test"[..]));
        assert!(check.content.ends_with(b"helo=<evil>: injected"));
        assert!(check.ambiguous);
    }

    #[test]
    fn an_address_that_imitates_the_list_makes_the_line_ambiguous() {
        let check = parsed(
            "info: header Subject: x from a[::1]; from=<\" from e[::2]; from=<e> to=<e>: \"@x.test> \
             to=<b@y> proto=ESMTP helo=<h>",
        );
        assert!(check.ambiguous);
    }

    /// Each was once a candidate, and read to the end of the line.
    #[test]
    fn an_address_full_of_origins_is_not_searched() {
        let origins = " from e[::2]; from=<e> to=<e>: ".repeat(250);
        let line = format!(
            "info: header Subject: x from a[::1]; from=<\"{origins}\"@x.test> to=<b@y> \
             proto=ESMTP helo=<h>"
        );
        let check = parsed(&line);
        assert!(check.content.len() <= CONTENT_BYTES && check.ambiguous);
    }

    #[test]
    fn an_error_in_the_structure_is_a_text_and_the_content_it_is_about() {
        let check = parsed(
            "reject: mime-error improper use of 8-bit data in message header: Subject: ? from \
             a[::1]; from=<a@x> to=<unknown>",
        );
        assert_eq!((check.action, check.part), (Action::Reject, Part::Mime));
        assert_eq!(check.text, Some(&b"improper use of 8-bit data in message header"[..]));
        assert_eq!((check.content, check.recipient), (&b"Subject: ?"[..], None));
    }

    #[test]
    fn what_breaks_off_says_so_and_verdicts_on_transactions_are_none_of_these() {
        let queue_id = QueueId::parse(b"97C0A53F4D6").unwrap();
        for line in [
            "reject: header Subject: x",
            "reject: header Subject: x from a[::1]",
            "reject: header Subject: x from a[::1]; from=<a@x> to=<b",
            "reject: header Subject: x from a[::1]; from=<a@x> other=1",
        ] {
            let expected = Some(Body::Unrecognised(Reason::Reject));
            assert_eq!(check(queue_id, line.as_bytes()), expected, "{line}");
        }
        let cut = check(queue_id, b"info: header Subject: x");
        assert_eq!(cut, Some(Body::Unrecognised(Reason::Text)));
        for line in ["reject: RCPT from a[::1]: 550 no;", "header Subject: x", "rejected: header x"]
        {
            assert_eq!(check(queue_id, line.as_bytes()), None, "{line}");
        }
    }
}
