//! Decides what a text of Postfix is, by its first words, before any field is read.

use super::{
    Entry, QueueId, auth, bounce, cleanup, content, delivery, dnsblog, ignored, limit, master,
    pickup, postsuper, proxy, qmgr, queue_id, smtpd, trouble, verdict,
};
use crate::{Body, Reason, header::is_without_messages};

/// Longest text that Postfix can have written: it cuts at 2000 bytes (`msg_syslog.c`,
/// `MSG_SYSLOG_RECLEN`), and rsyslog may replace each byte by an escape of four.
///
/// A longer one is not read, so no peer decides how much work a line is.
const MAX_TEXT: usize = 8000;

/// Reads the text that `service` logged. An empty `service` is an unknown daemon.
pub(crate) fn read<'a>(service: &[u8], text: &'a [u8]) -> Body<'a> {
    if text.len() > MAX_TEXT {
        let known = ignored::without_id(text);
        return if known { Body::Ignored } else { Body::Unrecognised(Reason::Text) };
    }
    if let Some(body) = standalone(service, text) {
        return body;
    }
    if ignored::without_id(text) {
        return Body::Ignored;
    }
    if let Some(text) = text.strip_prefix(b"NOQUEUE: ") {
        return without_message(text);
    }
    match queue_id::leading(text) {
        Ok((text, queue_id)) if names_messages(service) => about_message(service, queue_id, text),
        Err(_) if ignored::of_peer(text) => Body::Ignored,
        _ => Body::Unrecognised(Reason::Text),
    }
}

/// A text that begins with words of its own, and tells something all the same.
///
/// Asked of every line, so it looks at the first letter before anything else.
fn standalone<'a>(service: &[u8], text: &'a [u8]) -> Option<Body<'a>> {
    let entry = match text.first()? {
        b'w' => warning(service, text.strip_prefix(b"warning: ")?),
        b'p' => return proxy::answer(text),
        b'a' => dnsblog::listed(text).map(Entry::DnsListed),
        b'r' if text.starts_with(b"reject: ") => verdict::without_room(text).map(Entry::Verdict),
        b'd' | b'r' => master::started(text).map(Entry::Started),
        b'D' | b'P' | b'R' | b'F' => postsuper::total(text).map(Entry::OperationTotal),
        _ => None,
    };
    entry.map(Body::Postfix)
}

/// A text behind `warning: `. Most warnings are for the operator; they quote strangers, so only
/// their first words count.
fn warning<'a>(service: &[u8], text: &'a [u8]) -> Option<Entry<'a>> {
    if let Ok((text, queue_id)) = queue_id::leading(text) {
        let refused = || trouble::refused(queue_id, text).map(Entry::Refused);
        return names_messages(service).then(refused).flatten();
    }
    let limit = || limit::exceeded(text).map(Entry::RateLimit);
    let corrupt = || trouble::corrupt(text).map(Entry::Corrupt);
    auth::failure(text).map(Entry::AuthFailure).or_else(limit).or_else(corrupt)
}

/// A text behind `NOQUEUE: `: there is no queue file yet.
fn without_message(text: &[u8]) -> Body<'_> {
    if text.starts_with(b"client=") {
        return entry(smtpd::client(None, text).map(Entry::Client), Reason::Text);
    }
    if ignored::with_id(text) {
        return Body::Ignored;
    }
    verdict::verdict(None, text)
        .or_else(|| proxy::answer(text))
        .unwrap_or(Body::Unrecognised(Reason::Text))
}

/// Can a text of `service` begin with a queue ID? The other programs never see a message: what looks
/// like one there is a table's key, or what somebody typed.
fn names_messages(service: &[u8]) -> bool {
    !is_without_messages(service)
}

/// A text behind a queue ID.
fn about_message<'a>(service: &[u8], queue_id: QueueId<'a>, text: &'a [u8]) -> Body<'a> {
    let key = text.iter().position(|byte| matches!(byte, b'=' | b' ' | b':'));
    let word = text.get(..key.map_or(text.len(), |at| at + 1)).unwrap_or(text);
    match word {
        b"to=" => {
            let delivery = delivery::read(queue_id, text).map(Entry::Delivery);
            entry(delivery, Reason::DeliveryStatus)
        }
        b"from=" => entry(qmgr::sender_line(queue_id, text), Reason::Text),
        b"removed" | b"removed " => {
            entry(qmgr::removed(service, queue_id, text).map(Entry::Removed), Reason::Text)
        }
        b"client=" => entry(smtpd::client(Some(queue_id), text).map(Entry::Client), Reason::Text),
        b"uid=" => entry(pickup::pickup(queue_id, text).map(Entry::Pickup), Reason::Text),
        b"message-id=" | b"resent-message-id=" => {
            entry(cleanup::message_id(queue_id, text).map(Entry::MessageId), Reason::Text)
        }
        b"sender " | b"postmaster " => {
            entry(bounce::notification(queue_id, text).map(Entry::Notification), Reason::Text)
        }
        _ => remark(service, queue_id, text),
    }
}

/// A check of the content, a verdict, an operator's act, or a remark that decides nothing.
fn remark<'a>(service: &[u8], queue_id: QueueId<'a>, text: &'a [u8]) -> Body<'a> {
    if let Some(operation) = postsuper::operation(queue_id, text) {
        return Body::Postfix(Entry::Operation(operation));
    }
    // Of `masquerade_exceptions` it is no warning (`cleanup_masquerade.c`).
    if let Some(refused) = trouble::refused(queue_id, text) {
        return Body::Postfix(Entry::Refused(refused));
    }
    let is_note = ignored::with_id(text) || ignored::is_attempt_note(service);
    if is_note || ignored::of_peer(text) {
        return Body::Ignored;
    }
    content::check(queue_id, text)
        .or_else(|| verdict::verdict(Some(queue_id), text))
        .or_else(|| proxy::answer(text))
        .unwrap_or(Body::Unrecognised(Reason::Text))
}

fn entry(entry: Option<Entry<'_>>, otherwise: Reason) -> Body<'_> {
    entry.map_or(Body::Unrecognised(otherwise), Body::Postfix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postfix::NotificationKind;

    /// Beside `NOQUEUE: reject: CONNECT from …`, which has other words.
    #[test]
    fn a_client_that_postscreen_has_no_room_for_is_refused() {
        let line = "reject: connect from [203.0.113.5]:1005: all screening ports busy";
        let Entry::Verdict(verdict) = entry_of(line) else { panic!("{line}") };
        assert_eq!((verdict.stage, verdict.peer.address), (&b"CONNECT"[..], &b"203.0.113.5"[..]));
        assert_eq!(verdict.text, b"all screening ports busy");
    }

    fn text(text: &str) -> Body<'_> {
        read(b"", text.as_bytes())
    }

    fn entry_of(line: &str) -> Entry<'_> {
        match text(line) {
            Body::Postfix(entry) => entry,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// qmgr(8), cleanup(8), pickup(8) and bounce(8) of Postfix 3.7.11.
    #[test]
    fn lines_about_a_message_are_known_by_their_text_alone() {
        let Entry::QueueActive(active) =
            entry_of("97C0A53F4D6: from=<a@x.test>, size=369, nrcpt=2 (queue active)")
        else {
            panic!("queue active")
        };
        assert_eq!((active.sender, active.size, active.nrcpt), (&b"a@x.test"[..], 369, 2));
        let Entry::Expired(expired) =
            entry_of("97C0A53F4D6: from=<>, status=force-expired, returned to sender")
        else {
            panic!("expired")
        };
        assert_eq!((expired.sender, expired.forced), (&b""[..], true));
        let Entry::Pickup(pickup) =
            entry_of("97C0A53F4D6: uid=102 from=<root> orig_id=5E1B753F4D8")
        else {
            panic!("pickup")
        };
        assert_eq!((pickup.uid, pickup.sender), (&b"102"[..], &b"root"[..]));
        assert_eq!(pickup.orig_id.map(QueueId::as_str), Some("5E1B753F4D8"));
        let Entry::MessageId(id) = entry_of("97C0A53F4D6: resent-message-id=<1@x> (no)") else {
            panic!("message id")
        };
        assert_eq!((id.value, id.resent), (&b"<1@x> (no)"[..], true));
    }

    #[test]
    fn a_null_message_id_is_a_value() {
        let Entry::MessageId(id) = entry_of("97C0A53F4D6: message-id=") else {
            panic!("message id")
        };
        assert_eq!((id.value, id.resent), (&b""[..], false));
    }

    #[test]
    fn notifications_link_parent_and_child() {
        for (words, expected) in [
            ("sender non-delivery notification", NotificationKind::NonDelivery),
            ("sender delay notification", NotificationKind::Delay),
            ("sender delivery status notification", NotificationKind::Success),
            ("postmaster non-delivery notification", NotificationKind::Postmaster),
            ("postmaster delay notification", NotificationKind::Postmaster),
        ] {
            let line = format!("97C0A53F4D6: {words}: 5E1B753F4D8");
            let Entry::Notification(notification) = entry_of(&line) else { panic!("{line}") };
            assert_eq!(notification.kind, expected);
            assert_eq!(notification.child.as_str(), "5E1B753F4D8");
        }
    }

    #[test]
    fn only_postsuper_removes_as_an_operator() {
        for (service, text, by_operator) in [
            (&b"postsuper"[..], "97C0A53F4D6: removed", true),
            (b"qmgr", "97C0A53F4D6: removed", false),
            (b"cleanup", "97C0A53F4D6: removed (canceled)", false),
        ] {
            let Body::Postfix(Entry::Removed(removed)) = read(service, text.as_bytes()) else {
                panic!("{text}")
            };
            assert_eq!(removed.by_operator, by_operator);
        }
    }

    #[test]
    fn known_remarks_are_ignored() {
        for line in [
            "connect from localhost[127.0.0.1]",
            "disconnect from localhost[127.0.0.1] ehlo=1 quit=1 commands=2",
            "warning: 97C0A53F4D6: something else",
            "97C0A53F4D6: host mx1.good.test[127.0.1.1] said: 451 4.7.1 later (in reply to RCPT TO)",
            "97C0A53F4D6: status=deferred (bounce failed)",
            "97C0A53F4D6: skipped, still being delivered",
            "97C0A53F4D6: passing <b@lab.test> to transport=lmtp",
            "97C0A53F4D6: enabling PIX workarounds: disable_esmtp for mx.test[192.0.2.1]:25",
            "warning: 97C0A53F4D6: sender notification failed to a@x.test: bad address",
            "warning: 97C0A53F4D6: postmaster notification failed",
            "PREGREET 14 after 0.06 from [192.0.2.1]:45678: EHLO x\\r\\n",
            "NOQUEUE: lost connection after CONNECT from localhost[127.0.0.1]",
            "Renamed to match inode number: 1 message",
        ] {
            assert_eq!(text(line), Body::Ignored, "{line}");
        }
    }

    /// cleanup(8), `cleanup_masquerade.c`: the one such problem that is no warning.
    #[test]
    fn a_lookup_problem_refuses_a_message_with_or_without_a_warning() {
        let problem = "97C0A53F4D6: masquerade_exceptions map lookup problem -- message not \
            accepted, try again later";
        for line in [problem.to_owned(), format!("warning: {problem}")] {
            assert!(matches!(entry_of(&line), Entry::Refused(_)), "{line}");
        }
    }

    /// smtpd(8) since 3.9, `smtpd.c`: it logs no code, whatever it answers.
    #[test]
    fn a_bare_line_feed_is_a_refusal_without_a_code() {
        let line = "97C0A53F4D6: reject: END-OF-MESSAGE from a.test[192.0.2.1]: bare <LF> received; \
            from=<a@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>";
        let Entry::Verdict(verdict) = entry_of(line) else { panic!("{line}") };
        assert_eq!((verdict.text, verdict.codes.code), (&b"bare <LF> received"[..], None));
        assert_eq!(verdict.recipient, Some(&b"b@lab.test"[..]));
    }

    /// `smtp_trouble.c` names any reason behind the queue ID, and only the SMTP client does.
    #[test]
    fn the_reason_of_a_failed_attempt_is_a_remark_of_the_smtp_client() {
        let line = b"97C0A53F4D6: unable to do what was asked";
        assert_eq!(read(b"smtp", line), Body::Ignored);
        assert_eq!(read(b"qmgr", line), Body::Unrecognised(Reason::Text));
    }

    #[test]
    fn a_program_that_sees_no_message_names_none() {
        let status = "97C0A53F4D6: to=<a@x>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, \
            status=sent (ok)";
        for service in [&b"postlog"[..], b"postmap", b"anvil", b"postfix-script"] {
            let body = read(service, status.as_bytes());
            assert_eq!(body, Body::Unrecognised(Reason::Text));
        }
        let refused = b"warning: 97C0A53F4D6: queue file size limit exceeded";
        assert_eq!(read(b"postlog", refused), Body::Ignored);
        assert!(matches!(read(b"smtpd", refused), Body::Postfix(Entry::Refused(_))));
    }

    #[test]
    fn what_breaks_is_named_by_what_it_began_as() {
        for (line, reason) in [
            ("something new", Reason::Text),
            ("97C0A53F4D6: something new", Reason::Text),
            ("97C0A53F4D6: from=<a@x.test>, size=369", Reason::Text),
            ("97C0A53F4D6: to=<a@x.test>, relay=none", Reason::DeliveryStatus),
            ("NOQUEUE: reject: RCPT from", Reason::Reject),
        ] {
            assert_eq!(text(line), Body::Unrecognised(reason), "{line}");
        }
    }

    #[test]
    fn a_status_line_counts_only_right_behind_the_queue_id() {
        let status = "97C0A53F4D6: to=<a@x>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, \
            status=sent (ok)";
        assert!(matches!(text(status), Body::Postfix(Entry::Delivery(_))));
        let echoed = format!("warning: valid_ipv4_hostaddr: invalid character: x>, {status}");
        assert_eq!(text(&echoed), Body::Ignored);
        let quoted = format!("fancy {status}");
        assert_eq!(text(&quoted), Body::Unrecognised(Reason::Text));
    }

    #[test]
    fn a_text_longer_than_postfix_writes_is_not_read() {
        let line = format!("97C0A53F4D6: message-id={}", "x".repeat(MAX_TEXT));
        assert_eq!(text(&line), Body::Unrecognised(Reason::Text));
    }
}
