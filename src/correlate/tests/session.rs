//! Before there is a queue ID: access actions, and before-queue filters.

use super::*;

/// A message that smtpd passes on to a before-queue filter, which hands it back.
const PROXIED: [&str; 6] = [
    "smtpd[12]: NOQUEUE: client=mail7.client.test[127.0.2.7]",
    "smtpd[13]: 2C8A153E71B: client=localhost[127.0.0.1]",
    "cleanup: 2C8A153E71B: message-id=<p1@gen.test>",
    "qmgr: 2C8A153E71B: from=<a@sender.test>, size=400, nrcpt=1 (queue active)",
    "smtpd[12]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 2C8A153E71B; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>",
    "lmtp: 2C8A153E71B: to=<b@lab.test>, relay=mx.lab.test[private/lmtp], delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
];

fn one(events: &[Event], kind: EventType) -> &EventData {
    let found: Vec<_> = events.iter().filter(|event| event.kind == kind).collect();
    assert_eq!(found.len(), 1, "{events:#?}");
    &found[0].data
}

use crate::event::EventData;

#[test]
fn mail_through_a_before_queue_filter_has_its_real_client() {
    let events = events_of(&log(&PROXIED));
    assert_eq!(events.len(), 2, "{events:#?}");
    let received = one(&events, EventType::InboundReceived);
    assert_eq!(received.ip.as_deref(), Some("127.0.2.7"));
    assert_eq!(received.host.as_deref(), Some("mail7.client.test"));
    assert_eq!(received.uid, one(&events, EventType::InboundDelivered).uid);
}

#[test]
fn mail_through_a_before_queue_filter_has_its_user() {
    let client = format!("{}, sasl_method=PLAIN, sasl_username=ivy", PROXIED[0]);
    let events = events_of(&log(&[&[&*client], &PROXIED[1..]].concat()));
    assert_eq!(one(&events, EventType::OutboundQueued).user.as_deref(), Some("ivy"));
    assert_eq!(one(&events, EventType::OutboundDelivered).user.as_deref(), Some("ivy"));
}

/// The filter passes on who the client was, and the line of the process that knew it is lost.
#[test]
fn the_client_that_a_filter_names_is_the_client() {
    let client = format!("{}, orig_client=mail7.client.test[127.0.2.7]", PROXIED[1]);
    let events = events_of(&log(&[&[&*client], &PROXIED[2..]].concat()));
    assert_eq!(one(&events, EventType::InboundReceived).ip.as_deref(), Some("127.0.2.7"));
}

#[test]
fn local_mail_during_a_proxied_session_is_its_own_after_a_while() {
    let lines = [
        PROXIED[0],
        "smtpd[13]: 3D8A153E71B: client=localhost[127.0.0.1]",
        "cleanup: 3D8A153E71B: message-id=<p2@gen.test>",
        "qmgr: 3D8A153E71B: from=<a@sender.test>, size=400, nrcpt=1 (queue active)",
        "smtp: 3D8A153E71B: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
        "qmgr: 3D8A153E71B: removed",
    ];
    let (mut correlator, mut events) = so_far(&log(&lines));
    assert!(events.is_empty() && correlator.patience().is_some());
    correlator.release_all(&mut events);
    one(&events, EventType::OutboundQueued);
    one(&events, EventType::OutboundDelivered);
}

#[test]
fn what_a_before_queue_filter_refuses_is_blocked_with_its_client() {
    let answer = "smtpd[12]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 no; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>";
    let events = events_of(&log(&[PROXIED[0], answer]));
    assert_eq!(events.len(), 1, "{events:#?}");
    let blocked = one(&events, EventType::InboundBlocked);
    assert_eq!(blocked.ip.as_deref(), Some("127.0.2.7"));
    assert_eq!((blocked.to.as_deref(), blocked.smtp_code), (Some("b@lab.test"), Some(554)));
    let later = answer.replace("554 5.7.0", "451 4.5.0");
    let events = events_of(&log(&[PROXIED[0], &later]));
    assert!(one(&events, EventType::InboundBlocked).temporary);
}

#[test]
fn what_a_before_queue_filter_swallows_is_spam_that_was_discarded() {
    let answer = "smtpd[12]: proxy-accept: END-OF-MESSAGE: 250 2.7.0 Ok, discarded, id=proxy-17 - spam; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>";
    let events = events_of(&log(&[PROXIED[0], answer]));
    assert_eq!(events.len(), 1, "{events:#?}");
    let spam = one(&events, EventType::InboundSpam);
    assert_eq!(
        (spam.action.as_deref(), spam.ip.as_deref()),
        (Some("discarded"), Some("127.0.2.7"))
    );
}

#[test]
fn two_refusals_of_one_session_are_two_messages() {
    let answer = |to: &str| {
        format!(
            "smtpd[12]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 no; from=<a@sender.test> to=<{to}> proto=ESMTP helo=<h>"
        )
    };
    let lines = [PROXIED[0], &answer("b@lab.test"), PROXIED[0], &answer("c@lab.test")];
    let events = events_of(&log(&lines));
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].data.uid, events[1].data.uid);
}

/// §13.2: the action stands before the queue ID of its message, under the same process ID.
#[test]
fn trap_13_2_an_access_action_belongs_to_the_next_message_of_its_process() {
    let action = "smtpd[12]: NOQUEUE: discard: RCPT from mail7.client.test[127.0.2.7]: <b@lab.test>: Recipient address triggers DISCARD action; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>";
    let other = "smtpd[13]: 3D8A153E71B: client=mail8.client.test[127.0.2.8]";
    let client = "smtpd[12]: 2C8A153E71B: client=mail7.client.test[127.0.2.7]";
    let events = events_of(&log(&[action, other, client]));
    assert_eq!(events.len(), 1, "{events:#?}");
    let dropped = one(&events, EventType::InboundDropped);
    assert_eq!(dropped.queue_id.as_deref(), Some("2C8A153E71B"));
    assert_eq!(
        (dropped.to.as_deref(), dropped.ip.as_deref()),
        (Some("b@lab.test"), Some("127.0.2.7"))
    );
}

#[test]
fn an_access_action_without_a_message_is_told_all_the_same() {
    let action = "smtpd[12]: NOQUEUE: discard: RCPT from mail7.client.test[127.0.2.7]: <b@lab.test>: gone; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>";
    let (mut correlator, mut events) = so_far(&log(&[action]));
    assert!(events.is_empty() && correlator.patience().is_some());
    correlator.release_all(&mut events);
    assert_eq!(one(&events, EventType::InboundDropped).queue_id, None);
    assert_eq!(correlator.patience(), None);
}

#[test]
fn a_restart_at_any_line_changes_nothing_for_proxied_and_discarded_mail() {
    let action = "smtpd[22]: NOQUEUE: discard: RCPT from mail7.client.test[127.0.2.7]: <c@lab.test>: gone; from=<a@sender.test> to=<c@lab.test> proto=ESMTP helo=<h>";
    let client = "smtpd[22]: 4E8A153E71B: client=mail7.client.test[127.0.2.7]";
    let lines = log(&[&PROXIED[..4], &[action], &PROXIED[4..5], &[client], &PROXIED[5..]].concat());
    let expected = events_of(&lines);
    assert_eq!(expected.len(), 3);
    for cut in 0..lines.len() {
        assert_eq!(events_with_restart(&lines, cut), expected, "restart before line {cut}");
    }
}

/// The peer of the message is the client already, and who that is to us only the first process knows.
#[test]
fn a_filter_that_names_the_client_does_not_hide_the_user() {
    let user = format!("{}, sasl_method=PLAIN, sasl_username=ivy", PROXIED[0]);
    let named = format!("{}, orig_client=mail7.client.test[127.0.2.7]", PROXIED[1]);
    let events = events_of(&log(&[&[&*user, &*named], &PROXIED[2..]].concat()));
    assert_eq!(one(&events, EventType::OutboundQueued).user.as_deref(), Some("ivy"));
    assert_eq!(events.len(), 2, "{events:#?}");
}

#[test]
fn an_access_action_is_not_for_the_next_client_of_the_same_process() {
    let discard = "smtpd[12]: NOQUEUE: discard: RCPT from a.test[192.0.2.1]: <b@lab.test>: Recipient address triggers DISCARD action; from=<s@a.test> to=<b@lab.test> proto=ESMTP helo=<a>";
    let mut lines = vec![discard, "smtpd[12]: 1B7F053E70F: client=c.test[192.0.2.9]"];
    lines.extend(&BEGIN[1..]);
    let sent = status("c@lab.test", "dsn=2.0.0, status=sent (250 2.0.0 Ok)");
    let told = told(&[&lines[..], &[&sent]].concat());
    let expected = [
        "inbound.dropped b@lab.test",
        "inbound.received c@lab.test",
        "inbound.delivered c@lab.test",
    ];
    assert_eq!(told, expected);
}
