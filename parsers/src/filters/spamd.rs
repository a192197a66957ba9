//! spamd of `SpamAssassin` (`spamd/spamd.raw`, `check()`): two lines of one child process.
//!
//! The first has the exact score, the second the rules and the Message-ID; neither names the
//! message in the queue. `checking message` says nothing that the second does not repeat.

use super::{Action, Engine, Kind, Part, Rules, Verdict, text};
use crate::Body;

/// ```text
/// spamd: identified spam (1003.7/5.0) for root:65534 in 0.2 seconds, 135 bytes.
/// spamd: result: Y 1003 - GTUBE,NO_RELAYS scantime=0.2,size=135,user=root,uid=65534,required_score=5.0,rhost=localhost,raddr=127.0.0.1,rport=37434,mid=<spamd.spam@gen.lab.test>,autolearn=no autolearn_force=no
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let text = text.strip_prefix(b"spamd: ").unwrap_or(text);
    if let Some(rest) = text.strip_prefix(b"identified spam (") {
        return text::verdict_or_broken(scored(Kind::Spam, rest));
    }
    if let Some(rest) = text.strip_prefix(b"clean message (") {
        return text::verdict_or_broken(scored(Kind::Clean, rest));
    }
    match text.strip_prefix(b"result: ") {
        Some(rest) => text::verdict_or_broken(result(rest)),
        None => Body::Ignored,
    }
}

/// `1003.7/5.0) for …`; what follows is the user, whom the client names.
fn scored(kind: Kind, text: &[u8]) -> Option<Verdict<'_>> {
    let (score, rest) = text::split_once(text, b"/")?;
    let (required, _) = text::split_once(rest, b") for ")?;
    let mut verdict = Verdict::new(Engine::SpamAssassin, kind, Action::Unknown);
    verdict.score = Some(text::score(score)?);
    verdict.required = Some(text::score(required)?);
    Some(verdict)
}

/// `Y 1003 - RULES scantime=…`. The score is cut to an integer here, so it is left to the other
/// line.
fn result(text: &[u8]) -> Option<Verdict<'_>> {
    let kind = match text.first()? {
        b'Y' => Kind::Spam,
        b'.' => Kind::Clean,
        _ => return None,
    };
    let (score, rest) = text::split_once(text.get(1..)?, b" - ")?;
    text::score(score.trim_ascii())?;
    let (rules, fields) = text::split_once(rest, b" ")?;
    let mut verdict = Verdict::new(Engine::SpamAssassin, kind, Action::Unknown);
    verdict.part = Part::Details;
    verdict.rules = Rules::new(rules);
    verdict.message_id = message_id(fields);
    Some(verdict)
}

/// The value of `mid=`, behind eight fields that must be there in this order: the user may be an
/// address that imitates them.
fn message_id(mut text: &[u8]) -> Option<&[u8]> {
    const BEFORE: [&[u8]; 8] = [
        b"scantime=",
        b"size=",
        b"user=",
        b"uid=",
        b"required_score=",
        b"rhost=",
        b"raddr=",
        b"rport=",
    ];
    for key in BEFORE {
        let (field, rest) = text::split_once(text, b",")?;
        field.strip_prefix(key)?;
        text = rest;
    }
    // What follows the Message-ID is spamd's own, so its last occurrence is the right one.
    let (value, _) = text::split_last(text.strip_prefix(b"mid=")?, b",autolearn=")?;
    let value = without_bayes(value);
    let value = text::split_last(value, b",rmid=<").map_or(value, |(value, _)| value);
    (value != b"(unknown)").then_some(value)
}

fn without_bayes(value: &[u8]) -> &[u8] {
    match text::split_last(value, b",bayes=") {
        Some((before, number)) if text::score(number).is_some() => before,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn verdict(text: &str) -> Verdict<'_> {
        match read(text.as_bytes()) {
            Body::Filter(verdict) => verdict,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// `SpamAssassin` 4.0.1, scenario 42.
    #[test]
    fn the_exact_score_stands_on_the_first_line() {
        let spam = verdict(
            "spamd: identified spam (1003.7/5.0) for root:65534 in 0.2 seconds, 135 bytes.",
        );
        assert_eq!((spam.kind, spam.score, spam.required), (Kind::Spam, Some(1003.7), Some(5.0)));
        assert_eq!((spam.part, spam.action), (Part::Verdict, Action::Unknown));
        let clean =
            verdict("spamd: clean message (-3.7/5.0) for root:65534 in 0.1 seconds, 70 bytes.");
        assert_eq!((clean.kind, clean.score), (Kind::Clean, Some(-3.7)));
    }

    /// `SpamAssassin` 4.0.1, scenario 42.
    #[test]
    fn rules_and_message_id_stand_on_the_second_line() {
        let details = verdict(
            "spamd: result: Y 1003 - GTUBE,MISSING_DATE,NO_RELAYS scantime=0.2,size=135,user=root,\
             uid=65534,required_score=5.0,rhost=localhost,raddr=127.0.0.1,rport=37434,\
             mid=<spamd.spam@gen.lab.test>,autolearn=no autolearn_force=no",
        );
        assert_eq!((details.part, details.kind, details.score), (Part::Details, Kind::Spam, None));
        let names: Vec<_> = details.rules.iter().map(|rule| rule.name).collect();
        assert_eq!(names, [&b"GTUBE"[..], b"MISSING_DATE", b"NO_RELAYS"]);
        assert_eq!(details.message_id, Some(&b"<spamd.spam@gen.lab.test>"[..]));
    }

    #[test]
    fn a_message_id_that_imitates_fields_is_only_a_message_id() {
        let fields = "result: .  3 - A scantime=0.1,size=7,user=u,uid=1,required_score=5.0,\
            rhost=localhost,raddr=127.0.0.1,rport=3,mid=";
        for (tail, expected) in [
            ("<a,autolearn=no,mid=<b>,autolearn=no", Some("<a,autolearn=no,mid=<b>")),
            ("<a>,rmid=<b>,bayes=0.5000,autolearn=ham autolearn_force=no", Some("<a>")),
            ("(unknown),autolearn=no autolearn_force=no", None),
        ] {
            let line = format!("{fields}{tail}");
            assert_eq!(verdict(&line).message_id, expected.map(str::as_bytes), "{tail}");
        }
    }

    #[test]
    fn a_user_that_imitates_fields_gives_no_message_id() {
        let line = "result: .  3 - A scantime=0.1,size=7,user=u,mid=<x>,uid=1,required_score=5.0,\
            rhost=localhost,raddr=127.0.0.1,rport=3,mid=<y>,autolearn=no";
        assert_eq!(verdict(line).message_id, None);
    }

    #[test]
    fn a_verdict_that_breaks_off_is_not_understood() {
        for line in ["spamd: identified spam (x/5.0) for a", "spamd: clean message (1", "result: Y"]
        {
            assert!(matches!(read(line.as_bytes()), Body::Unrecognised(_)), "{line}");
        }
        assert_eq!(read(b"prefork: child states: II"), Body::Ignored);
    }
}
