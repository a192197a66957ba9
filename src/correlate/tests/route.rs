//! The stream of a message, and which of its deferrals repeat.

use super::*;
use crate::event::Route;

fn route(name: &str, change: impl FnOnce(&mut Route)) -> Route {
    let mut route = Route { name: name.into(), ..Route::default() };
    change(&mut route);
    route
}

fn streams() -> Direction {
    let routes = vec![
        route("shop", |it| it.users = vec!["shop".into()]),
        route("submitted", |it| it.services = vec!["submission".into()]),
        route("news", |it| it.sender_domains = vec!["news.test".into()]),
    ];
    Direction { routes, ..direction() }
}

/// Type and stream of every event.
fn routed(direction: Direction, sending: bool, texts: &[&str]) -> Vec<(EventType, Option<String>)> {
    let events = ended(follow(Correlator::new(direction, sending), &log(texts)));
    events.into_iter().map(|event| (event.kind, event.data.route.map(Into::into))).collect()
}

fn streams_of(texts: &[&str]) -> Vec<Option<String>> {
    routed(streams(), false, texts).into_iter().map(|(_, route)| route).collect()
}

const REST: [&str; 3] = [
    "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
    "qmgr: 1B7F053E70F: from=<a@news.test>, size=369, nrcpt=1 (queue active)",
    "smtp: 1B7F053E70F: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
];

#[test]
fn the_first_route_that_leads_is_on_every_event_of_the_message() {
    let some = |name: &str| Some(name.to_owned());
    for (client, expected) in [
        (
            "smtpd: 1B7F053E70F: client=c.test[127.0.0.1], sasl_method=PLAIN, sasl_username=shop",
            "shop",
        ),
        (
            "submission/smtpd: 1B7F053E70F: client=c.test[127.0.0.1], sasl_method=PLAIN, sasl_username=eve",
            "submitted",
        ),
        ("smtpd: 1B7F053E70F: client=c.test[127.0.0.1]", "news"),
    ] {
        let texts = [&[client][..], &REST].concat();
        let told = routed(streams(), true, &texts);
        let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
        let all =
            [EventType::OutboundSending, EventType::OutboundQueued, EventType::OutboundDelivered];
        assert_eq!(kinds, all);
        assert!(told.iter().all(|(_, route)| *route == some(expected)), "{told:?}");
    }
}

#[test]
fn a_message_that_fits_no_route_has_none() {
    let rest = REST.map(|text| text.replace("news.test", "else.test"));
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let texts = [&["smtpd: 1B7F053E70F: client=c.test[127.0.0.1]"][..], &rest].concat();
    assert_eq!(streams_of(&texts), [None, None]);
}

#[test]
fn a_stream_stays_when_a_content_filter_hands_the_message_back() {
    let texts = [
        "submission/smtpd: 1B7F053E70F: client=c.test[192.0.2.1], sasl_method=PLAIN, sasl_username=eve",
        "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
        "qmgr: 1B7F053E70F: from=<a@x.test>, size=369, nrcpt=1 (queue active)",
        "smtpd: 2C8A153E71B: client=localhost[127.0.0.1], orig_queue_id=1B7F053E70F, orig_client=c.test[192.0.2.1]",
        "cleanup: 2C8A153E71B: message-id=<1@gen.test>",
        "qmgr: 2C8A153E71B: from=<a@x.test>, size=400, nrcpt=1 (queue active)",
        "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B)",
        "smtp: 2C8A153E71B: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    ];
    let told = routed(streams(), false, &texts);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(_, route)| route.as_deref() == Some("submitted")), "{told:?}");
}

/// The second queue ID is held until the first one's status line tells what it is; in the second
/// story that never comes, and it is a message of its own.
#[test]
fn a_restart_at_any_line_leaves_each_message_in_its_stream() {
    let begin = [
        "submission/smtpd: 1B7F053E70F: client=c.test[192.0.2.1], sasl_method=PLAIN, sasl_username=eve",
        "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
        "qmgr: 1B7F053E70F: from=<a@x.test>, size=369, nrcpt=1 (queue active)",
        "smtpd: 2C8A153E71B: client=localhost[127.0.0.1]",
        "cleanup: 2C8A153E71B: message-id=<1@gen.test>",
        "qmgr: 2C8A153E71B: from=<a@news.test>, size=400, nrcpt=1 (queue active)",
    ];
    let handed_over = "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B)";
    let sent = "smtp: 2C8A153E71B: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)";
    let removed = "qmgr: 1B7F053E70F: removed";
    for (end, route) in [(&[handed_over, removed, sent][..], "submitted"), (&[sent], "news")] {
        let lines = log(&[&begin[..], end].concat());
        for cut in 0..=lines.len() {
            let events = events_restarted(&streams(), &lines, cut);
            let routes: Vec<_> = events.iter().map(|event| event.data.route.as_deref()).collect();
            assert_eq!(routes, [Some(route); 2], "restart before line {cut}");
        }
    }
}

#[test]
fn a_refused_message_has_a_stream_too() {
    let refused = "submission/smtpd: NOQUEUE: reject: RCPT from c.test[192.0.2.9]: 554 5.7.1 <b@d.test>: Recipient address rejected: no; from=<a@else.test> to=<b@d.test> proto=ESMTP helo=<h>";
    assert_eq!(streams_of(&[refused]), [Some("submitted".to_owned())]);
    let by_sender = refused.replace("submission/", "").replace("else.test", "news.test");
    assert_eq!(streams_of(&[&by_sender]), [Some("news".to_owned())]);
}

/// Refusals, bounces and deferrals come from the same replies: code, category and who said it
/// decide, once and for all (webhooks.md §1.7).
#[test]
fn c14_one_reply_is_a_deferral_a_bounce_hard_or_soft_or_a_rejection() {
    let told = |answer: &str| {
        let line = status("b@good.test", answer);
        let event = events_of(&log(&[&BEGIN[..], &[&line]].concat())).pop().unwrap();
        (event.kind, event.data.bounce_type)
    };
    let said = |status: &str, code: &str, words: &str| {
        let peer = "host mx1.good.test[127.0.1.1]";
        told(&format!(
            "dsn={code}, status={status} ({peer} said: {words} (in reply to RCPT TO command))"
        ))
    };
    let (soft, hard) = (Some(BounceType::Soft), Some(BounceType::Hard));
    for (answer, expected) in [
        (said("deferred", "4.7.1", "451 4.7.1 later"), (EventType::OutboundDeferred, soft)),
        (said("bounced", "5.1.1", "550 5.1.1 no such user"), (EventType::OutboundBounced, hard)),
        (said("bounced", "5.2.2", "552 5.2.2 mailbox full"), (EventType::OutboundBounced, soft)),
        (said("bounced", "5.7.1", "550 5.7.1 by policy"), (EventType::OutboundRejected, hard)),
        (told("dsn=5.7.1, status=bounced (by our policy)"), (EventType::OutboundBounced, hard)),
    ] {
        assert_eq!(answer, expected);
    }
}

/// How each deferral of `b@good.test` compares with the one before it.
fn repeated(answers: &[&str]) -> Vec<bool> {
    let lines: Vec<_> = answers.iter().map(|answer| status("b@good.test", answer)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let events = events_of(&log(&[&BEGIN[..], &lines].concat()));
    let deferred = |event: &&Event| event.kind == EventType::OutboundDeferred;
    events.iter().filter(deferred).map(|event| event.data.same_reason).collect()
}

#[test]
fn a_deferral_repeats_the_one_before_when_code_and_category_are_the_same() {
    let greylisted = "dsn=4.2.0, status=deferred (host mx1.good.test[127.0.1.1] said: 450 4.2.0 Greylisted, try again in 290 seconds (in reply to RCPT TO command))";
    let sooner = greylisted.replace("290", "10");
    let refused =
        "dsn=4.4.1, status=deferred (connect to mx1.good.test[127.0.1.1]:25: Connection refused)";
    let timeout = refused.replace("refused", "timed out");
    assert_eq!(
        repeated(&[greylisted, &sooner, refused, refused, &timeout, greylisted]),
        [false, true, false, true, false, false]
    );
}
