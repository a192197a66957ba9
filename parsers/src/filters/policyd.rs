//! The policy servers policyd-weight and policyd v2 (cluebringer), before there is a queue file.
//!
//! HELO name, sender and recipient are a stranger's: a field that stands there twice is left out.

use super::{Action, Engine, Kind, Recipients, Verdict, text};
use crate::Body;

/// policyd-weight, `weighted_check()`'s caller; the answer to Postfix stands first, and older versions
/// have the client's address alone:
///
/// ```text
/// decided action=550 Mail appeared to be SPAM or forged.; <client=out5.client.test[192.0.2.1]> <helo=x> <from=una@partner.test> <to=games@lab.test>; delay: 1s
/// ```
pub(super) fn weight(text: &[u8]) -> Body<'_> {
    let Some(text) = text.strip_prefix(b"decided action=") else { return Body::Ignored };
    let (kind, action) = match text.first() {
        Some(b'5') => (Kind::Policy, Action::Rejected),
        Some(b'4') => (Kind::Policy, Action::TempFailed),
        _ => (Kind::Clean, Action::Passed),
    };
    let mut verdict = Verdict::new(Engine::PolicydWeight, kind, action);
    let fields = text::split_once(text, b"; <client=");
    verdict.detail = Some(fields.map_or(text, |(answer, _)| answer));
    let client = fields.and_then(|(_, fields)| fields.split(|byte| *byte == b'>').next());
    verdict.client = client.and_then(|client| {
        let address = client.split(|byte| *byte == b'[').next_back()?;
        text::ip(address.strip_suffix(b"]").unwrap_or(address))
    });
    let rest = fields.map_or(&b""[..], |(_, fields)| fields);
    // Sender and recipient may hold a `>`; what follows each of them is the program's own.
    if let Some((_, envelope)) = text::split_only(rest, b" <from=")
        && let Some((sender, rest)) = text::split_only(envelope, b"> <to=")
        && let Some((recipient, _)) = text::split_only(rest, b">; delay: ")
    {
        verdict.sender = Some(sender);
        verdict.recipients = Recipients::new(recipient);
    }
    Body::Filter(verdict)
}

/// policyd v2, `cbp/modules/*.pm`:
///
/// ```text
/// module=Greylisting, action=defer, host=192.0.2.1, helo=x, from=una@partner.test, to=games@lab.test, reason=greylisted
/// ```
pub(super) fn cluebringer(text: &[u8]) -> Body<'_> {
    text::verdict_or_ignored(clue(text))
}

fn clue(text: &[u8]) -> Option<Verdict<'_>> {
    let (module, rest) = text::split_once(text.strip_prefix(b"module=")?, b", action=")?;
    let (action, rest) = text::split_once(rest, b", ")?;
    let action = match action {
        b"defer" | b"greylist" => Action::TempFailed,
        b"reject" => Action::Rejected,
        b"discard" => Action::Discarded,
        b"hold" => Action::Quarantined,
        _ => Action::Passed,
    };
    let kind = match action {
        Action::Passed => Kind::Clean,
        Action::TempFailed if module == b"Greylisting" => Kind::Greylisted,
        _ => Kind::Policy,
    };
    let mut verdict = Verdict::new(Engine::Cluebringer, kind, action);
    let host = rest.strip_prefix(b"host=").and_then(|rest| text::split_once(rest, b", "));
    verdict.client = host.and_then(|(host, _)| text::ip(host));
    verdict.detail = text::split_only(rest, b", reason=").map(|(_, reason)| reason);
    let ends = text::split_only(rest, b", from=").and_then(|(_, rest)| {
        let (sender, rest) = text::split_only(rest, b", to=")?;
        Some((sender, text::split_only(rest, b", reason=").map_or(rest, |(to, _)| to)))
    });
    if let Some((sender, recipient)) = ends {
        verdict.sender = Some(sender);
        verdict.recipients = Recipients::new(recipient);
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter<'a>(body: &Body<'a>) -> Verdict<'a> {
        let Body::Filter(verdict) = body else { panic!("{body:?}") };
        *verdict
    }

    #[test]
    fn a_refusal_of_policyd_weight_names_the_transaction() {
        let verdict = filter(&weight(
            b"decided action=550 Mail appeared to be SPAM or forged.; \
              <client=out5.client.test[192.0.2.1]> <helo=x> <from=una@partner.test> \
              <to=games@lab.test>; delay: 1s",
        ));
        assert_eq!((verdict.kind, verdict.action), (Kind::Policy, Action::Rejected));
        assert_eq!(verdict.client, Some(&b"192.0.2.1"[..]));
        let older = filter(&weight(b"decided action=550 no; <client=192.0.2.1> <helo=x>"));
        assert_eq!(older.client, verdict.client);
        assert_eq!(verdict.sender, Some(&b"una@partner.test"[..]));
        assert_eq!(verdict.recipients.raw(), b"games@lab.test");
        let passed = filter(&weight(b"decided action=DUNNO; <client=a[192.0.2.1]> x"));
        assert_eq!((passed.kind, passed.action), (Kind::Clean, Action::Passed));
    }

    #[test]
    fn a_greylisting_of_cluebringer_names_the_transaction() {
        let verdict = filter(&cluebringer(
            b"module=Greylisting, action=defer, host=192.0.2.1, helo=x, from=una@partner.test, \
              to=games@lab.test, reason=greylisted",
        ));
        assert_eq!((verdict.kind, verdict.action), (Kind::Greylisted, Action::TempFailed));
        assert_eq!(verdict.detail, Some(&b"greylisted"[..]));
        assert_eq!(verdict.client, Some(&b"192.0.2.1"[..]));
        assert_eq!(verdict.recipients.raw(), b"games@lab.test");
    }

    #[test]
    fn a_sender_that_imitates_fields_leaves_them_out() {
        let verdict = filter(&cluebringer(
            b"module=Quotas, action=reject, host=192.0.2.1, helo=x, from=a, to=v@x, reason=no@b, \
              to=games@lab.test, reason=quota",
        ));
        assert_eq!((verdict.kind, verdict.action), (Kind::Policy, Action::Rejected));
        assert_eq!((verdict.sender, verdict.detail), (None, None));
        let verdict = filter(&weight(
            b"decided action=550 no; <client=a[192.0.2.1]> <helo=x> <from=a> <to=v@x>; delay: 1s> \
              <to=games@lab.test>; delay: 1s",
        ));
        assert_eq!((verdict.sender, verdict.recipients.raw()), (None, &b""[..]));
    }
}
