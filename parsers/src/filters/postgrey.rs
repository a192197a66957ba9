//! postgrey (`postgrey`, `smtpd_access_policy()`): greylisting before there is a queue file.

use super::{Action, Engine, Kind, Recipients, Verdict, text};
use crate::Body;

/// The sender is empty for the null reverse-path, or left out; the address may end with the network's
/// size:
///
/// ```text
/// action=greylist, reason=new, client_name=out5.client.test, client_address=127.0.2.5, sender=una@partner.test, recipient=games@lab.test
/// action=pass, reason=triplet found, delay=3, client_name=out5.client.test, client_address=127.0.2.5, sender=una@partner.test, recipient=games@lab.test
/// ```
pub(super) fn read(text: &[u8]) -> Body<'_> {
    let (queue_id, text) = match text::leading_queue_id(text) {
        Some((queue_id, text)) => (Some(queue_id), text),
        None => (None, text),
    };
    let Some(text) = text.strip_prefix(b"action=") else { return Body::Ignored };
    let verdict = verdict(text).map(|verdict| Verdict { queue_id, ..verdict });
    text::verdict_or_broken(verdict)
}

fn verdict(text: &[u8]) -> Option<Verdict<'_>> {
    let (action, rest) = text::split_once(text, b", reason=")?;
    let (kind, action) = match action {
        b"greylist" | b"delay" => (Kind::Greylisted, Action::TempFailed),
        b"pass" => (Kind::Clean, Action::Passed),
        _ => return None,
    };
    let (reason, rest) = text::split_once(rest, b", ")?;
    let mut verdict = Verdict::new(Engine::Postgrey, kind, action);
    verdict.detail = Some(reason);
    // Up to here nobody else had a say, and a verified host name holds no comma.
    let address = text::split_once(rest, b"client_address=");
    let Some((address, envelope)) = address.and_then(|(_, rest)| text::split_once(rest, b", "))
    else {
        return Some(verdict);
    };
    verdict.client = text::ip(address.split(|byte| *byte == b'/').next()?);
    let envelope = match envelope.strip_prefix(b"sender=") {
        Some(envelope) => text::split_only(envelope, b", recipient="),
        None => envelope.strip_prefix(b"recipient=").map(|recipient| (&b""[..], recipient)),
    };
    if let Some((sender, recipient)) = envelope {
        verdict.sender = Some(sender);
        verdict.recipients = Recipients::new(recipient);
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CLIENT: &str = "client_name=out5.client.test, client_address=127.0.2.5";

    /// postgrey 1.37, scenario 42.
    #[test]
    fn a_triplet_is_held_back_once_and_then_let_through() {
        let line = format!(
            "action=greylist, reason=new, {CLIENT}, sender=una@partner.test, recipient=games@lab.test"
        );
        let Body::Filter(held) = read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!((held.kind, held.action), (Kind::Greylisted, Action::TempFailed));
        assert_eq!((held.detail, held.client), (Some(&b"new"[..]), Some(&b"127.0.2.5"[..])));
        assert_eq!(held.sender, Some(&b"una@partner.test"[..]));
        assert!(held.recipients.iter().eq([b"games@lab.test"]));
        let line = format!(
            "action=pass, reason=triplet found, delay=3, {CLIENT}, sender=, recipient=games@lab.test"
        );
        let Body::Filter(passed) = read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!((passed.kind, passed.action), (Kind::Clean, Action::Passed));
        assert_eq!(passed.sender, Some(&b""[..]));
    }

    /// As mail hosts have logged them.
    #[test]
    fn a_null_sender_may_be_left_out_and_the_network_be_named() {
        let line = "action=greylist, reason=new, client_name=x, client_address=192.0.2.7/32, recipient=b@lab.test";
        let Body::Filter(held) = read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!((held.client, held.sender), (Some(&b"192.0.2.7"[..]), Some(&b""[..])));
        assert!(held.recipients.iter().eq([b"b@lab.test"]));
    }

    #[test]
    fn a_sender_that_imitates_a_recipient_leaves_both_out() {
        let line = format!(
            "action=greylist, reason=new, {CLIENT}, sender=\"a, recipient=v@x\"@b, recipient=c@d"
        );
        let Body::Filter(verdict) = read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!((verdict.sender, verdict.recipients.raw()), (None, &b""[..]));
        assert_eq!(verdict.client, Some(&b"127.0.2.5"[..]));
    }

    #[test]
    fn what_postgrey_says_about_itself_is_ignored() {
        assert_eq!(read(b"Setting uid to \"108\""), Body::Ignored);
    }
}
