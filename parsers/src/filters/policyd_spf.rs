//! policyd-spf in its Python and Perl versions: SPF before there is a queue file.
//!
//! The order of its fields differs by version, and a HELO name may imitate any of them: a field
//! that stands there twice is left out.

use super::{Action, Engine, Kind, Outcome, Recipients, Verdict, text};
use crate::Body;

/// ```text
/// prepend Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=mx.sender.test; envelope-from=una@sender.test; receiver=games@lab.test
/// 550 5.7.23 Message rejected due to: SPF fail - not authorized. Please see http://www.openspf.net/Why?s=mfrom;id=una@sender.test;ip=192.0.2.1;r=games@lab.test
/// Policy action=PREPEND Received-SPF: pass (sender.test: …) receiver=mx.lab.test; identity=mailfrom; envelope-from="una@sender.test"; helo=mx.sender.test; client-ip=192.0.2.1
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    text::verdict_or_ignored(verdict(text))
}

fn verdict(text: &[u8]) -> Option<Verdict<'_>> {
    let text = text.strip_prefix(b": ").unwrap_or(text);
    let text = text.strip_prefix(b"Policy action=").unwrap_or(text);
    let (outcome, action) = decision(text)?;
    let mut verdict = Verdict::new(Engine::PolicydSpf, Kind::Authentication(outcome), action);
    verdict.detail = Some(text);
    let value = |long: &[u8], short: &[u8]| {
        let long = text::only_value(text, long, b"; ");
        long.or_else(|| text::only_value(text, short, b";"))
    };
    verdict.client = value(b"client-ip=", b";ip=").and_then(text::ip);
    verdict.sender = value(b"; envelope-from=", b";id=").map(unquoted);
    let receiver = value(b"; receiver=", b";r=").filter(|receiver| receiver.contains(&b'@'));
    verdict.recipients = receiver.map(Recipients::new).unwrap_or_default();
    Some(verdict)
}

/// The answer to Postfix stands first, and the result first in it.
fn decision(text: &[u8]) -> Option<(Outcome, Action)> {
    let (word, rest) = text::split_once(text, b" ")?;
    match word.trim_ascii_end() {
        [b'5', b'0'..=b'9', b'0'..=b'9'] => Some((Outcome::Fail, Action::Rejected)),
        [b'4', b'0'..=b'9', b'0'..=b'9'] => Some((Outcome::Error, Action::TempFailed)),
        word if word.eq_ignore_ascii_case(b"prepend") => {
            let (result, _) = text::split_once(rest.strip_prefix(b"Received-SPF: ")?, b" ")?;
            Some((outcome(result)?, Action::Passed))
        }
        word => Some((outcome(word.strip_suffix(b";")?)?, Action::Passed)),
    }
}

/// The result names of RFC 7208 §2.6, in any case.
fn outcome(result: &[u8]) -> Option<Outcome> {
    const RESULTS: [(&[u8], Outcome); 7] = [
        (b"pass", Outcome::Pass),
        (b"fail", Outcome::Fail),
        (b"softfail", Outcome::Fail),
        (b"none", Outcome::None),
        (b"neutral", Outcome::None),
        (b"temperror", Outcome::Error),
        (b"permerror", Outcome::Error),
    ];
    let same = |(name, _): &(&[u8], Outcome)| result.eq_ignore_ascii_case(name);
    RESULTS.into_iter().find(same).map(|(_, outcome)| outcome)
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Keys<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

    fn decided(text: &str) -> (Kind, Action, Keys<'_>) {
        let Body::Filter(verdict) = read(text.as_bytes()) else { panic!("{text}") };
        let keys = (verdict.client, verdict.sender, verdict.recipients.raw());
        (verdict.kind, verdict.action, keys)
    }

    const KEYS: Keys<'static> = (Some(b"192.0.2.1"), Some(b"una@sender.test"), b"games@lab.test");

    #[test]
    fn results_and_refusals_of_each_version_are_known() {
        let pass = Kind::Authentication(Outcome::Pass);
        let line = "prepend Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; \
            helo=mx.sender.test; envelope-from=una@sender.test; receiver=games@lab.test";
        assert_eq!(decided(line), (pass, Action::Passed, KEYS));
        let line = "550 5.7.23 Message rejected due to: SPF fail - not authorized. Please see \
            http://www.openspf.net/Why?s=mfrom;id=una@sender.test;ip=192.0.2.1;r=games@lab.test";
        let fail = Kind::Authentication(Outcome::Fail);
        assert_eq!(decided(line), (fail, Action::Rejected, KEYS));
        let line = "Policy action=PREPEND Received-SPF: pass (sender.test: yes) \
            receiver=mx.lab.test; identity=mailfrom; envelope-from=\"una@sender.test\"; \
            helo=mx.sender.test; client-ip=192.0.2.1";
        assert_eq!(decided(line), (pass, Action::Passed, (KEYS.0, KEYS.1, &b""[..])));
        let line = "None; identity=helo; client-ip=192.0.2.1; helo=x; envelope-from=una@sender.test; \
            receiver=games@lab.test";
        assert_eq!(decided(line), (Kind::Authentication(Outcome::None), Action::Passed, KEYS));
    }

    #[test]
    fn a_helo_that_imitates_a_field_leaves_that_field_out() {
        let line = "prepend Received-SPF: Softfail (mailfrom) identity=mailfrom; \
            client-ip=192.0.2.1; helo=x; envelope-from=v@x; client-ip=192.0.2.66; \
            envelope-from=una@sender.test; receiver=games@lab.test";
        let fail = Kind::Authentication(Outcome::Fail);
        assert_eq!(decided(line), (fail, Action::Passed, (None, None, KEYS.2)));
    }
}
