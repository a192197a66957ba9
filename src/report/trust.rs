//! Whether it is shown who wrote a report.
//!
//! A verifier on this host wrote down which domains are behind the mail ([`Head::authentication`]);
//! one of them must be the writer's own. That says who the writer is, and not that the writer is
//! right: whoever had the message may say something about it.
//!
//! Or the envelope sender was signed, of a message that only one recipient had: then it is one of those
//! through whose hands it went.

use mailherald_parsers::report::Head;

use super::story::Found;
use crate::{config::Reports, event::Method};

/// Is one of the domains that a verifier of ours vouches for the domain of who wrote it?
pub(super) fn is_proven(head: &Head, settings: &Reports) -> bool {
    let from = head.from.as_deref().and_then(|from| from.rsplit_once('@'));
    let Some((_, writer)) = from else { return false };
    let writer = writer.to_ascii_lowercase();
    let ours = |server: &String| settings.authserv_ids.contains(server);
    // A verifier puts its header above all others. One further down, below another server's, is not
    // from here, whatever it says.
    let results = head.authentication.iter().take_while(|result| ours(&result.server));
    results.flat_map(|result| &result.passed).any(|domain| is_same_family(domain, &writer))
}

/// The same domain, or one is below the other.
fn is_same_family(one: &str, other: &str) -> bool {
    let is_below = |long: &str, short: &str| {
        // A top-level domain vouches for nobody.
        short.contains('.')
            && long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below(one, other) || is_below(other, one)
}

/// May an event be believed, whose writer may be proven, and whose bringer may be trusted? What led to the
/// message must show that the writer had it. That is enough where its sender signed it and only one
/// recipient had it: nobody else has anything to say of it.
pub(super) fn is_trusted(found: &Found, is_proven: bool, may_be_trusted: bool) -> bool {
    let is_shown = match found.correlation.method {
        Method::Verp => is_proven || (may_be_trusted && found.is_to_one),
        Method::QueueId | Method::EnvelopeId | Method::MessageId => is_proven,
        Method::Header | Method::Recipient => false,
    };
    is_shown && found.is_recipient_known
}

#[cfg(test)]
mod tests {
    use mailherald_parsers::report::Authentication;

    use super::*;

    fn head(from: &str, results: &[(&str, &str)]) -> Head {
        let result = |(server, domain): &(&str, &str)| Authentication {
            server: (*server).to_owned(),
            passed: vec![(*domain).to_owned()],
        };
        let authentication = results.iter().map(result).collect();
        Head { from: Some(from.to_owned()), authentication, ..Head::default() }
    }

    fn is_proven_by(results: &[(&str, &str)], from: &str) -> bool {
        let authserv_ids = vec!["mx.sender.test".to_owned()];
        let settings = Reports { authserv_ids, ..Reports::default() };
        is_proven(&head(from, results), &settings)
    }

    #[test]
    fn a_pass_of_the_writers_own_domain_by_our_own_verifier_is_a_proof() {
        let ours = "mx.sender.test";
        for (results, from, expected) in [
            (&[(ours, "good.test")][..], "fbl@good.test", true),
            (&[(ours, "good.test")], "fbl@mail.Good.test", true),
            (&[(ours, "mail.good.test")], "fbl@good.test", true),
            (&[(ours, "other.test"), (ours, "good.test")], "fbl@good.test", true),
            (&[(ours, "evil.test")], "fbl@good.test", false),
            (&[(ours, "notgood.test")], "fbl@good.test", false),
            (&[(ours, "test")], "fbl@good.test", false),
            (&[("other.test", "good.test")], "fbl@good.test", false),
            (&[("other.test", "x.test"), (ours, "good.test")], "fbl@good.test", false),
            (&[], "fbl@good.test", false),
            (&[(ours, "good.test")], "nobody", false),
        ] {
            assert_eq!(is_proven_by(results, from), expected, "{results:?} {from}");
        }
    }

    #[test]
    fn without_a_verifier_nothing_is_proven() {
        let head = head("fbl@good.test", &[("mx.sender.test", "good.test")]);
        assert!(!is_proven(&head, &Reports::default()));
    }
}
