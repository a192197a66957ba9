//! opendmarc (`opendmarc/opendmarc.c`, `mlfi_eom()`): results of DMARC and SPF.
//!
//! A message that it refuses is refused by the mail server in a line of its own.

use super::{Action, Engine, Kind, Outcome, Verdict, text};
use crate::Body;

/// ```text
/// 4jWZcd54Q7znR1N: SPF(mailfrom): sender.test pass
/// 4jWZcd54Q7znR1N: sender.test none
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    text::verdict_or_ignored(verdict(text))
}

fn verdict(text: &[u8]) -> Option<Verdict<'_>> {
    let (queue_id, remark) = text::leading_queue_id(text)?;
    let of_domain = match remark.strip_prefix(b"SPF(") {
        Some(rest) => text::split_once(rest, b"): ")?.1,
        None => remark,
    };
    // Exactly two words: other remarks quote strangers, who may write a result last.
    let (domain, result) = text::split_only(of_domain, b" ")?;
    let kind = Kind::Authentication(outcome(result)?);
    let mut verdict = Verdict::new(Engine::OpenDmarc, kind, Action::Unknown);
    verdict.queue_id = Some(queue_id);
    verdict.detail = (!domain.is_empty()).then_some(remark);
    Some(verdict)
}

/// The words of `opendmarc.c` for either check.
fn outcome(result: &[u8]) -> Option<Outcome> {
    Some(match result {
        b"pass" => Outcome::Pass,
        b"fail" | b"softfail" | b"hardfail" | b"policy" => Outcome::Fail,
        b"none" | b"neutral" => Outcome::None,
        b"temperror" | b"permerror" => Outcome::Error,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// opendmarc 1.4, scenario 42.
    #[test]
    fn results_of_dmarc_and_spf_are_known() {
        for (remark, outcome) in [
            ("sender.test pass", Outcome::Pass),
            ("sender.test fail", Outcome::Fail),
            ("sender.test none", Outcome::None),
            ("SPF(mailfrom): sender.test softfail", Outcome::Fail),
            ("SPF(helo): sender.test temperror", Outcome::Error),
        ] {
            let line = format!("4jWZcd54Q7znR1N: {remark}");
            let Body::Filter(verdict) = read(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(verdict.kind, Kind::Authentication(outcome), "{line}");
            assert_eq!(verdict.detail, Some(remark.as_bytes()));
        }
    }

    #[test]
    fn a_stranger_who_writes_a_result_last_decides_nothing() {
        for line in [
            "4jWZcd54Q7znR1N: ignoring Authentication-Results at 1 from evil.test pass",
            "4jWZcd54Q7znR1N: SPF(mailfrom): evil.test fail pass",
            "additional trusted authentication services: mx.lab.test",
        ] {
            assert_eq!(read(line.as_bytes()), Body::Ignored, "{line}");
        }
    }
}
