//! clamav-milter (`clamav-milter/clamfi.c`, `LogInfected` and `LogClean`) and clamd
//! (`clamd/session.c`, `LogClean` off).
//!
//! What the milter did is its operator's choice (`OnInfected`), and the mail server logs it.

use super::{Action, Engine, Kind, Recipients, Verdict, text};
use crate::{Body, postfix::QueueId};

/// ```text
/// Message 97C0A53F4D6 from <a@x.test> to <b@lab.test> with subject 'Hello' message-id '<1@x.test>' date 'Sat, 21 Nov 2026 01:44:45 +0000' infected by Eicar-Test-Signature
/// Message from <a@x.test> to <b@lab.test> infected by Eicar-Test-Signature
/// Clean message from <a@x.test> to <b@lab.test>
/// ```
pub(super) fn milter(text: &[u8]) -> Body<'_> {
    if let Some(rest) = text.strip_prefix(b"Clean message ") {
        let verdict = Verdict::new(Engine::ClamavMilter, Kind::Clean, Action::Unknown);
        return text::verdict_or_ignored(envelope(verdict, rest));
    }
    text::verdict_or_ignored(text.strip_prefix(b"Message ").and_then(infected))
}

/// The name of the virus is the last thing said.
fn infected(text: &[u8]) -> Option<Verdict<'_>> {
    let (message, name) = text::split_last(text, b" infected by ")?;
    let mut verdict = Verdict::new(Engine::ClamavMilter, Kind::Virus, Action::Unknown);
    verdict.detail = Some(name);
    envelope(verdict, message)
}

/// `[QID ]from <S> to <R>[ with subject …]`.
fn envelope<'a>(mut verdict: Verdict<'a>, text: &'a [u8]) -> Option<Verdict<'a>> {
    let (id, rest) = match text.strip_prefix(b"from ") {
        Some(rest) => (None, rest),
        None => text::split_once(text, b" from ").map(|(id, rest)| (Some(id), rest))?,
    };
    if id.is_some_and(|id| id.contains(&b' ')) {
        return None;
    }
    verdict.queue_id = id.and_then(QueueId::parse);
    if let Some((sender, rest)) = text::address(rest, b" to ")
        && let Some((recipient, rest)) = text::address(rest, b"")
    {
        verdict.sender = Some(sender);
        verdict.recipients = Recipients::new(recipient);
        (verdict.subject, verdict.message_id) = headers(rest);
    }
    Some(verdict)
}

/// Subject and Message-ID. Quotes in them are not escaped, so text that imitates the words
/// between them leaves both out.
fn headers(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let found = text.strip_prefix(b" with subject '").and_then(|rest| {
        let (subject, rest) = text::split_only(rest, b"' message-id '")?;
        let (message_id, _) = text::split_only(rest, b"' date '")?;
        Some((subject, message_id))
    });
    found.unzip()
}

/// ```text
/// instream(127.0.0.1@34567): Eicar-Test-Signature FOUND
/// ```
pub(super) fn clamd(text: &[u8]) -> Body<'_> {
    let found = text.strip_suffix(b" FOUND").and_then(|text| text::split_last(text, b": "));
    let Some((_, name)) = found else { return Body::Ignored };
    let mut verdict = Verdict::new(Engine::Clamd, Kind::Virus, Action::Unknown);
    verdict.detail = Some(name);
    Body::Filter(verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(text: &str) -> Verdict<'_> {
        let Body::Filter(verdict) = milter(text.as_bytes()) else { panic!("{text}") };
        verdict
    }

    #[test]
    fn each_detail_of_logging_gives_what_it_has() {
        let full =
            of("Message 97C0A53F4D6 from <a@x.test> to <b@lab.test> with subject 'It's here' \
             message-id '<1@x.test>' date 'Sat, 21 Nov 2026' infected by Eicar-Test-Signature");
        assert_eq!((full.kind, full.detail), (Kind::Virus, Some(&b"Eicar-Test-Signature"[..])));
        assert_eq!(full.queue_id.unwrap().as_str(), "97C0A53F4D6");
        assert_eq!(full.subject, Some(&b"It's here"[..]));
        assert_eq!(full.message_id, Some(&b"<1@x.test>"[..]));
        let basic = of("Message from <a@x.test> to <b@lab.test> infected by Eicar");
        assert_eq!((basic.queue_id, basic.sender), (None, Some(&b"a@x.test"[..])));
        let clean = of("Clean message 97C0A53F4D6 from <a@x.test> to <b@lab.test>");
        assert_eq!((clean.kind, clean.recipients.raw()), (Kind::Clean, &b"b@lab.test"[..]));
    }

    #[test]
    fn a_subject_that_imitates_the_rest_changes_neither_virus_nor_queue_id() {
        let forged = of(
            "Message 97C0A53F4D6 from <a@x.test> to <b@lab.test> with subject 'x' message-id '<v@x>' \
             date 'y' infected by Nothing' message-id '<1@x.test>' date 'z' infected by Eicar",
        );
        assert_eq!(forged.detail, Some(&b"Eicar"[..]));
        assert_eq!(forged.queue_id.unwrap().as_str(), "97C0A53F4D6");
        assert_eq!((forged.subject, forged.message_id), (None, None));
    }

    #[test]
    fn clamd_names_the_virus_and_no_message() {
        let body = clamd(b"instream(127.0.0.1@34567): Eicar-Test-Signature FOUND");
        let Body::Filter(verdict) = body else { panic!("{body:?}") };
        assert_eq!(verdict.detail, Some(&b"Eicar-Test-Signature"[..]));
        assert_eq!(clamd(b"SelfCheck: Database status OK."), Body::Ignored);
    }
}
