//! What header and body checks tell.

use super::*;
use crate::event::EventData;

const ENDS: [&str; 1] = [
    "smtp: 1B7F053E70F: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
];

/// What a header check says between the client and the queue.
fn checked(texts: &[&str]) -> Vec<Event> {
    events_of(&log(&[&BEGIN[..2], texts, &BEGIN[2..], &ENDS].concat()))
}

fn origin(content: &str) -> String {
    format!(
        "{content} from localhost[127.0.0.1]; from=<a@sender.test> to=<b@good.test> proto=ESMTP helo=<h>"
    )
}

#[test]
fn a_header_for_the_senders_own_use_comes_back_with_every_event() {
    let tag = origin("cleanup: 1B7F053E70F: info: header x-mailherald-tag: welcome");
    let again = origin("cleanup: 1B7F053E70F: info: header X-Mailherald-Tag: second");
    let order = origin("cleanup: 1B7F053E70F: info: header X-ORDER: 17");
    let other = origin("cleanup: 1B7F053E70F: info: header X-Other: no");
    let tag = tag.replace("info:", "strip:");
    let events = checked(&[&tag, &again, &order, &other]);
    assert_eq!(events.len(), 2, "{events:#?}");
    for event in &events {
        let given = event.data.given.as_deref().unwrap();
        assert_eq!(given.tag.as_deref(), Some("welcome"));
        assert_eq!(given.metadata, [("X-Order".into(), "17".into())]);
    }
}

#[test]
fn what_a_milter_wrote_into_the_headers_is_a_verdict_and_what_a_stranger_wrote_is_none() {
    let said = "header X-Spam-Status: Yes, score=7.5 required=5.0 tests=A,B";
    let by_milter = origin(&format!("cleanup: 1B7F053E70F: milter-header-info: {said}"));
    let events = checked(&[&by_milter]);
    let spam: Vec<&EventData> = events
        .iter()
        .filter(|event| event.kind == EventType::OutboundSpam)
        .map(|event| &*event.data)
        .collect();
    let [spam] = spam[..] else { panic!("{events:#?}") };
    assert_eq!((spam.score, spam.rules.as_deref()), (Some(7.5), Some("A,B")));
    let by_stranger = origin(&format!("cleanup: 1B7F053E70F: info: {said}"));
    assert_eq!(checked(&[&by_stranger]).len(), 2);
    let clean = by_milter.replace("Yes", "No");
    assert_eq!(checked(&[&clean]).len(), 2);
}

/// A sender is a stranger's word, too, and stands behind the content.
#[test]
fn an_address_that_imitates_a_check_changes_no_recipient_of_an_event() {
    let forged = "cleanup: 97C0A53F4D6: reject: header Subject: x from a.test[192.0.2.1]; \
        from=<\" from e[192.0.2.66]; from=<e@evil.test> to=<victim@lab.test>: \"@x.test> to=<b@lab.test> \
        proto=ESMTP helo=<h>: 5.7.1 no";
    let client = "smtpd: 97C0A53F4D6: client=a.test[192.0.2.1]";
    let events = events_of(&log(&[client, forged]));
    let [blocked] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(blocked.kind, EventType::InboundBlocked);
    assert_eq!((&blocked.data.to, &blocked.data.from), (&None, &None), "{blocked:#?}");
    assert_eq!(blocked.data.ip.as_deref(), Some("192.0.2.1"));
    let told = forged.replace("reject: header", "info: header");
    let end = "smtpd: 97C0A53F4D6: milter-reject: END-OF-MESSAGE from a.test[192.0.2.1]: 5.7.1 no; from=<c@x.test> proto=ESMTP helo=<h>";
    let events = events_of(&log(&[client, &told, end]));
    let [blocked] = &events[..] else { panic!("{events:#?}") };
    assert_eq!((blocked.data.to.as_deref(), blocked.data.subject.as_deref()), (None, None));
}

/// `cleanup_message.c`, `cleanup_act()`: `DISCARD` logs no text unless the operator gave one, and a
/// cut record has lost it.
#[test]
fn what_a_check_matched_is_no_answer_of_ours_and_no_verdict_of_a_filter() {
    let client = "smtpd: 97C0A53F4D6: client=a.test[192.0.2.1]";
    let event = |said: &str| {
        let check = format!(
            "cleanup: 97C0A53F4D6: {said} from a.test[192.0.2.1]; from=<a@x.test> to=<b@lab.test> \
            proto=ESMTP helo=<h>"
        );
        let events = events_of(&log(&[client, &check]));
        let [event] = &events[..] else { panic!("{events:#?}") };
        (event.kind, event.data.smtp_code, event.data.dsn.clone(), event.data.temporary)
    };
    let dropped = (EventType::InboundDropped, None, None, false);
    assert_eq!(event("discard: header Subject: your virus found a home"), dropped);
    assert_eq!(event("discard: header Subject: spam recipe"), dropped);
    let blocked = (EventType::InboundBlocked, None, None, false);
    assert_eq!(event("reject: body 421 4.7.1 try again later"), blocked);
    assert_eq!(event("reject: body Eicar virus found in the text"), blocked);
}

#[test]
fn an_address_that_imitates_the_list_of_a_refusal_gives_an_event_no_recipient() {
    for (from, to) in [
        ("s@x.test", r#""; from=<ceo@bank.test> to=<\""@y.test"#),
        (r#""; from=<\" x"@x.test"#, "r@y.test"),
    ] {
        let line = format!(
            "smtpd: NOQUEUE: reject: RCPT from x.test[192.0.2.66]: 550 5.1.1 <{to}>: Recipient \
            address rejected: User unknown; from=<{from}> to=<{to}> proto=ESMTP helo=<h>"
        );
        let events = events_of(&log(&[&line]));
        let [blocked] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((blocked.kind, blocked.data.smtp_code), (EventType::InboundBlocked, Some(550)));
        let (told_from, told_to) = (blocked.data.from.as_deref(), blocked.data.to.as_deref());
        assert!(told_from.is_none_or(|told| told == from), "{blocked:#?}");
        assert!(told_to.is_none_or(|told| told == to), "{blocked:#?}");
        assert_eq!(blocked.data.ip.as_deref(), Some("192.0.2.66"));
    }
}
