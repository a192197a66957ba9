//! opendkim (`opendkim/opendkim.c`): what became of signatures, ours and those of others.
//!
//! Every remark follows the queue ID. Those that decide nothing are ignored; OpenSSL's reasons
//! accompany `bad signature data`.

use super::{Action, Engine, Kind, Outcome, Verdict, text};
use crate::Body;

/// ```text
/// 4jWZcd54Q7znR1N: DKIM-Signature field added (s=lab, d=sender.test)
/// 4jWZcl7462znQvh: key retrieval failed (s=lab, d=sender.test): 'lab._domainkey.sender.test' record not found
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    text::verdict_or_ignored(verdict(text))
}

fn verdict(text: &[u8]) -> Option<Verdict<'_>> {
    const REMARKS: [(&[u8], Outcome); 6] = [
        (b"DKIM-Signature field added", Outcome::Signed),
        (b"DKIM verification successful", Outcome::Pass),
        (b"bad signature data", Outcome::Fail),
        (b"no signature data", Outcome::None),
        (b"key retrieval failed", Outcome::Error),
        (b"syntax error: ", Outcome::Error),
    ];
    let (queue_id, remark) = text::leading_queue_id(text)?;
    let (_, outcome) = REMARKS.into_iter().find(|(begin, _)| remark.starts_with(begin))?;
    let kind = Kind::Authentication(outcome);
    let mut verdict = Verdict::new(Engine::OpenDkim, kind, Action::Unknown);
    verdict.queue_id = Some(queue_id);
    verdict.detail = Some(remark);
    Some(verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// opendkim 2.11, scenario 42, and `opendkim.c`.
    #[test]
    fn each_outcome_of_a_signature_is_known() {
        for (remark, outcome) in [
            ("DKIM-Signature field added (s=lab, d=sender.test)", Outcome::Signed),
            ("DKIM verification successful", Outcome::Pass),
            ("bad signature data", Outcome::Fail),
            ("no signature data", Outcome::None),
            ("key retrieval failed (s=lab, d=sender.test): not found", Outcome::Error),
        ] {
            let line = format!("4jWZcd54Q7znR1N: {remark}");
            let verdict = verdict(line.as_bytes()).unwrap();
            assert_eq!(verdict.kind, Kind::Authentication(outcome), "{line}");
            assert_eq!(verdict.queue_id.unwrap().as_str(), "4jWZcd54Q7znR1N");
            assert_eq!(verdict.detail, Some(remark.as_bytes()));
        }
    }

    #[test]
    fn a_host_or_domain_that_imitates_a_remark_decides_nothing() {
        for line in [
            "4jWZcl7462znQvh: DKIM verification successful.test [127.0.2.7] not internal",
            "4jWZcl7462znQvh: external host a attempted to send as DKIM verification successful",
            "4jWZcl7462znQvh: not authenticated",
            "OpenDKIM Filter v2.11.0 starting (args: -f)",
        ] {
            let read = read(line.as_bytes());
            let imitates = line.contains("successful.test");
            assert!(imitates || read == Body::Ignored, "{line}");
        }
    }
}
