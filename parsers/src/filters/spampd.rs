//! spampd (`spampd`, `process_message()`), which asks `SpamAssassin` in front of the mail server.
//!
//! Message-ID, sender and recipients are strangers' words; the score stands behind the first of
//! them. Where they imitate it, it is left out.

use super::{Action, Engine, Kind, Part, Rules, Verdict, text};
use crate::Body;

/// The second line is there with `--rules-hit`:
///
/// ```text
/// identified spam <56_spampd_before_queue.4@gen.lab.test> (6.00/5.00) from <ann@partner.test> for <alice@lab.test> in 0.07s, 397 bytes.
/// rules hit for <56_spampd_before_queue.4@gen.lab.test>: ALL_TRUSTED,LAB_SEVEN
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let verdict = if let Some(rest) = text.strip_prefix(b"identified spam ") {
        scored(Kind::Spam, rest)
    } else if let Some(rest) = text.strip_prefix(b"clean message ") {
        scored(Kind::Clean, rest)
    } else if let Some(rest) = text.strip_prefix(b"rules hit for ") {
        rules(rest)
    } else {
        return Body::Ignored;
    };
    text::verdict_or_broken(verdict)
}

fn scored(kind: Kind, text: &[u8]) -> Option<Verdict<'_>> {
    let mut verdict = Verdict::new(Engine::Spampd, kind, Action::Unknown);
    if let Some((message_id, rest)) = text::split_only(text, b" (")
        && let Some((score, rest)) = text::split_once(rest, b"/")
        && let Some((required, _)) = text::split_once(rest, b") from ")
    {
        verdict.message_id = known(message_id);
        verdict.score = Some(text::score(score)?);
        verdict.required = Some(text::score(required)?);
    }
    Some(verdict)
}

/// Of clean mail, too. Names of rules hold neither colon nor space, so the last colon is spampd's own.
fn rules(text: &[u8]) -> Option<Verdict<'_>> {
    let (message_id, rules) = text::split_last(text, b": ")?;
    let mut verdict = Verdict::new(Engine::Spampd, Kind::Unchecked, Action::Unknown);
    verdict.part = Part::Details;
    verdict.message_id = known(message_id);
    verdict.rules = Rules::new(rules);
    Some(verdict)
}

fn known(message_id: &[u8]) -> Option<&[u8]> {
    (message_id != b"(unknown)").then_some(message_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Verdict<'_> {
        let Body::Filter(verdict) = read(text.as_bytes()) else { panic!("{text}") };
        verdict
    }

    /// spampd 2.61.
    #[test]
    fn score_and_rules_name_the_message_by_its_message_id() {
        let spam = verdict(
            "identified spam <4@gen.lab.test> (6.00/5.00) from <ann@partner.test> for \
             <alice@lab.test>,<bob@lab.test> in 0.07s, 397 bytes.",
        );
        assert_eq!((spam.kind, spam.score, spam.required), (Kind::Spam, Some(6.0), Some(5.0)));
        assert_eq!(spam.message_id, Some(&b"<4@gen.lab.test>"[..]));
        let clean =
            verdict("clean message <1@x> (-1.00/5.00) from <a@x> for <b@y> in 0.1s, 7 bytes.");
        assert_eq!((clean.kind, clean.score), (Kind::Clean, Some(-1.0)));
        let rules = verdict("rules hit for <4@gen.lab.test>: ALL_TRUSTED,LAB_SEVEN");
        assert_eq!((rules.part, rules.message_id), (Part::Details, spam.message_id));
        assert_eq!(rules.rules.raw(), b"ALL_TRUSTED,LAB_SEVEN");
        assert_eq!(read(b"processing message <1@x> for <b@y>"), Body::Ignored);
    }

    #[test]
    fn a_message_id_that_imitates_a_score_leaves_both_out() {
        let forged = verdict(
            "identified spam <x> (0.10/5.00) from <a> (6.00/5.00) from <ann@partner.test> for \
             <alice@lab.test> in 0.07s, 397 bytes.",
        );
        assert_eq!((forged.kind, forged.score, forged.message_id), (Kind::Spam, None, None));
    }
}
