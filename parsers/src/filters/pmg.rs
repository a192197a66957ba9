//! pmg-smtp-filter, the content filter of Proxmox Mail Gateway: what it scored, and whose mail it put
//! into quarantine (`PMG/RuleDB/Spam.pm`, `PMG/RuleDB/Quarantine.pm`).
//!
//! It names no queue ID: its answer to Postfix (`250 2.5.0 OK (2C225C6817C7EEE1481)`) has the ID that
//! its lines begin with. What it blocks, that answer says by itself.

use super::{Action, Engine, Kind, Part, Recipients, Rules, Verdict, text};
use crate::Body;

/// ```text
/// 2C225C6817C7EEE1481: SA score=8/5 time=2.975 bayes=undefined autolearn=no hits=DKIM_INVALID(0.1),HTML_MESSAGE(0.001)
/// 2C225C6817C7EEE1481: moved mail for <games@lab.test> to spam quarantine - 2C225D68 (rule: Quarantine/Mark Spam (Level 3))
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let Some((scan_id, text)) = text::split_once(text, b": ").filter(|(id, _)| is_id(id)) else {
        return Body::Ignored;
    };
    let verdict = if let Some(rest) = text.strip_prefix(b"SA score=") {
        scored(rest)
    } else if let Some(rest) = text.strip_prefix(b"moved mail for ") {
        quarantined(rest)
    } else {
        return Body::Ignored;
    };
    text::verdict_or_broken(verdict.map(|verdict| Verdict { scan_id: Some(scan_id), ..verdict }))
}

/// The process, the time and the part of a second, in hexadecimal digits.
pub(crate) fn is_id(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F');
    (12..=32).contains(&id.len()) && id.iter().all(plain)
}

/// `8/5 time=… hits=A(0.1),B(0.2)`: whole points, none below zero.
fn scored(text: &[u8]) -> Option<Verdict<'_>> {
    let (points, rest) = text::split_once(text, b" time=")?;
    let (score, required) = text::split_once(points, b"/")?;
    let (score, required) = (text::score(score)?, text::score(required)?);
    let kind = if score >= required { Kind::Spam } else { Kind::Clean };
    let mut verdict = Verdict::new(Engine::Pmg, kind, Action::Unknown);
    verdict.part = Part::Details;
    (verdict.score, verdict.required) = (Some(score), Some(required));
    verdict.rules =
        text::split_once(rest, b" hits=").map(|(_, hits)| Rules::new(hits)).unwrap_or_default();
    Some(verdict)
}

/// `<games@lab.test> to spam quarantine - ID (rule: NAME)`: a line for each recipient. What is
/// released later is another message.
fn quarantined(text: &[u8]) -> Option<Verdict<'_>> {
    let (_, rest) = text::address(text, b" to ")?;
    let kind = if rest.starts_with(b"spam quarantine - ") {
        Kind::Spam
    } else {
        rest.starts_with(b"virus quarantine - ").then_some(Kind::Virus)?
    };
    let mut verdict = Verdict::new(Engine::Pmg, kind, Action::Discarded);
    verdict.quarantined = true;
    verdict.recipients = Recipients::new(text.get(..text.len() - rest.len() - b" to ".len())?);
    Some(verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn verdict(text: &str) -> Verdict<'_> {
        match read(text.as_bytes()) {
            Body::Filter(verdict) => verdict,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_score_stands_in_front_of_what_was_done() {
        let scored = verdict(
            "2C225C6817C7EEE1481: SA score=8/5 time=2.975 bayes=undefined autolearn=no \
             autolearn_force=no hits=AWL(0.323),DKIM_INVALID(0.1)",
        );
        assert_eq!((scored.kind, scored.part), (Kind::Spam, Part::Details));
        assert_eq!((scored.score, scored.required), (Some(8.0), Some(5.0)));
        assert_eq!(scored.scan_id, Some(&b"2C225C6817C7EEE1481"[..]));
        assert_eq!(scored.rules.iter().count(), 2);
        let clean = verdict("2C225C6817C7EEE1481: SA score=0/5 time=0.1 bayes=0 hits=none");
        assert_eq!(clean.kind, Kind::Clean);
    }

    #[test]
    fn mail_is_moved_for_one_recipient() {
        for (word, kind) in [("spam", Kind::Spam), ("virus", Kind::Virus)] {
            let line = format!(
                "2C225C6817C7EEE1481: moved mail for <games@lab.test> to {word} quarantine - \
                 2C225D68 (rule: Quarantine/Mark Spam (Level 3))"
            );
            let moved = verdict(&line);
            assert_eq!((moved.kind, moved.action), (kind, Action::Discarded));
            assert!(moved.quarantined && moved.recipients.iter().eq([b"games@lab.test"]));
        }
    }

    /// The rule is the operator's words, the recipient a stranger's.
    #[test]
    fn a_recipient_that_imitates_the_rest_of_the_line_names_himself() {
        let moved = verdict(
            "2C225C6817C7EEE1481: moved mail for <\"a> to virus quarantine - 1\"@lab.test> to \
             spam quarantine - 2C225D68 (rule: x)",
        );
        assert_eq!(moved.kind, Kind::Spam);
        assert!(moved.recipients.iter().eq([b"\"a> to virus quarantine - 1\"@lab.test"]));
    }

    #[test]
    fn other_lines_say_nothing_of_a_message() {
        for text in [
            "2C225C6817C7EEE1481: new mail message-id=<1@x.test>",
            "2C225C6817C7EEE1481: accept mail to <a@lab.test> (032F62C229B) (rule: default-accept)",
            "2C225C6817C7EEE1481: block mail to <a@lab.test> (rule: Blocklist)",
            "2C225C6817C7EEE1481: processing time: 3.2 seconds (2.9, 0.1, 0)",
            "starting database maintenance",
            "SA score: moved mail for <a@lab.test> to spam quarantine - 1",
        ] {
            assert!(matches!(read(text.as_bytes()), Body::Ignored), "{text}");
        }
    }
}
