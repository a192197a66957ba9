//! Answers of the filter behind a before-queue proxy (`smtpd.c`).

use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::take_while1,
    sequence::{delimited, terminated},
};

use super::{
    Entry, QueueId,
    list::{Found, find_list},
    response::queued_as,
};
use crate::{
    Body,
    fields::{Parsed, tag},
    status::{ReplyCodes, reply_codes},
};

/// `proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as QID2; from=<> to=<> proto= helo=<>`.
///
/// It names no client: the `NOQUEUE: client=` line of the same process does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProxyAnswer<'a> {
    /// The message went on. Otherwise the filter refused it.
    pub accepted: bool,
    /// SMTP stage, mostly `END-OF-MESSAGE`.
    pub stage: &'a [u8],
    /// The filter's reply; releases before 3.x may log an empty one.
    pub text: &'a [u8],
    /// Codes at the head of `text`.
    pub codes: ReplyCodes,
    /// The queue ID behind the filter.
    pub queued_as: Option<QueueId<'a>>,
    /// Envelope sender.
    pub sender: Option<&'a [u8]>,
    /// Envelope recipient, when there is exactly one.
    pub recipient: Option<&'a [u8]>,
    /// `SMTP` or `ESMTP`.
    pub proto: Option<&'a [u8]>,
    /// HELO name.
    pub helo: Option<&'a [u8]>,
    /// Authenticated user.
    pub sasl_username: Option<&'a [u8]>,
    /// More than one way to split text from list fits, because the text imitates the list; or
    /// none does, because the record was cut there.
    pub ambiguous: bool,
}

/// Reads a text that begins with `proxy-`, with or without `NOQUEUE: ` before it:
///
/// ```text
/// proxy-accept: END-OF-MESSAGE: 250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4A1B2C3D4E; from=<a@x.test> to=<b@y.test> proto=ESMTP helo=<h>
/// ```
pub(super) fn answer(text: &[u8]) -> Option<Body<'_>> {
    let (said, (accepted, stage)) = stage(text).ok()?;
    let Found { text, list, ambiguous } = find_list(said);
    Some(Body::Postfix(Entry::ProxyAnswer(ProxyAnswer {
        accepted,
        stage,
        text,
        codes: reply_codes(text),
        queued_as: queued_as(text),
        sender: list.sender,
        recipient: list.recipient,
        proto: list.proto,
        helo: list.helo,
        sasl_username: list.sasl_username,
        ambiguous,
    })))
}

/// `proxy-accept: END-OF-MESSAGE: `.
fn stage(input: &[u8]) -> Parsed<'_, (bool, &[u8])> {
    let accepted = alt((tag("accept").map(|_| true), tag("reject").map(|_| false)));
    let stage = take_while1(|byte: u8| byte.is_ascii_uppercase() || byte == b'-');
    (delimited(tag("proxy-"), accepted, tag(": ")), terminated(stage, tag(": "))).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ProxyAnswer<'_> {
        match answer(text.as_bytes()) {
            Some(Body::Postfix(Entry::ProxyAnswer(answer))) => answer,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// smtpd(8) before amavisd-new.
    #[test]
    fn an_accepted_message_names_its_new_queue_id() {
        let answer = parsed(
            "proxy-accept: END-OF-MESSAGE: 250 2.0.0 from MTA(smtp:[127.0.0.1]:10013): 250 2.0.0 \
             Ok: queued as DF66E940333; from=<user1@test.example> to=<user2@example.test> \
             proto=ESMTP helo=<?127.0.0.1?> sasl_username=<ivy>",
        );
        assert!(answer.accepted && !answer.ambiguous);
        assert_eq!(answer.stage, b"END-OF-MESSAGE");
        assert_eq!(answer.queued_as.map(QueueId::as_str), Some("DF66E940333"));
        assert_eq!(answer.codes.code, Some(250));
        assert_eq!(answer.recipient, Some(&b"user2@example.test"[..]));
        assert_eq!(answer.sasl_username, Some(&b"ivy"[..]));
    }

    #[test]
    fn a_refused_message_has_the_filters_words() {
        let answer = parsed(
            "proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=00182-04 - spam; from=<a@x> \
             to=<b@y> proto=ESMTP helo=<h>",
        );
        assert!(!answer.accepted);
        assert_eq!(answer.text, b"554 5.7.0 Reject, id=00182-04 - spam");
        assert_eq!((answer.codes.code, answer.queued_as), (Some(554), None));
    }

    #[test]
    fn an_empty_answer_is_one() {
        let answer = parsed("proxy-accept: END-OF-MESSAGE: ; from=<a@x> proto=SMTP");
        assert_eq!((answer.text, answer.sender), (&b""[..], Some(&b"a@x"[..])));
    }

    #[test]
    fn an_answer_that_was_cut_in_its_list_keeps_what_stands_before_it() {
        let answer = parsed("proxy-accept: END-OF-MESSAGE: 250 queued as 97C0A53F4D6; from=<a@x");
        assert_eq!(answer.queued_as.map(QueueId::as_str), Some("97C0A53F4D6"));
        assert_eq!((answer.sender, answer.ambiguous), (None, true));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(answer(b"proxy-other: END-OF-MESSAGE: 554 no;"), None);
    }
}
