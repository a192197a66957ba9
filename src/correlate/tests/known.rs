//! What a milter knows of a message, joined to what the log says of it.

use super::*;
use crate::event::{Facts, Given, HeaderVerdict, Route, RouteHeader};

const CLIENT: &str = "smtpd: 1B7F053E70F: client=c.test[192.0.2.9]";
const MESSAGE_ID: &str = "cleanup: 1B7F053E70F: message-id=<1@gen.test>";
const ACTIVE: &str = "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=2 (queue active)";

/// Of the message of these lines, complete half a second before the last of them.
fn facts(recipients: &[&str]) -> Facts {
    let given =
        Given { metadata: vec![("X-Order".into(), "17".into())], tag: Some("receipt".into()) };
    Facts {
        queue_id: "1B7F053E70F".into(),
        at_us: at_us("2026-11-21T01:00:01.5Z"),
        client_name: Some("other.test".into()),
        client_address: Some("192.0.2.200".into()),
        helo: Some("c.test".into()),
        recipients: recipients.iter().map(|to| (*to).into()).collect(),
        message_id: Some("<1@gen.test>".into()),
        subject: Some("Grüße".into()),
        given,
        headers: vec![("x-stream".into(), "news".into())],
        ..Facts::default()
    }
}

fn at_us(stamp: &str) -> i64 {
    stamp.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

/// The events of these lines, of which a milter knows that much.
fn told_with(known: impl IntoIterator<Item = Facts>, texts: &[&str]) -> Vec<Event> {
    let mut correlator = Correlator::new(direction(), false);
    for facts in known {
        correlator.know(facts);
    }
    ended(follow(correlator, &log(texts)))
}

fn sent(to: &str) -> String {
    status(to, "dsn=2.0.0, status=sent (250 2.0.0 Ok)")
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| {
        format!("{} {}", event.kind.name(), event.data.to.as_deref().unwrap_or_default())
    };
    events.iter().map(name).collect()
}

#[test]
fn every_event_of_the_message_carries_what_only_the_milter_saw() {
    let sent = sent("b@good.test");
    let events = told_with([facts(&["b@good.test"])], &[CLIENT, MESSAGE_ID, ACTIVE, &sent]);
    assert_eq!(names(&events), ["inbound.received b@good.test", "inbound.delivered b@good.test"]);
    for event in &events {
        let data = &event.data;
        assert_eq!(data.subject.as_deref(), Some("Grüße"));
        assert_eq!(data.helo.as_deref(), Some("c.test"));
        assert_eq!(data.ip.as_deref(), Some("192.0.2.9"), "the log is the authority");
        let given = data.given.as_deref().unwrap();
        assert_eq!(given.tag.as_deref(), Some("receipt"));
        assert_eq!(given.metadata, [("X-Order".into(), "17".into())]);
    }
}

#[test]
fn recipients_are_told_at_once_and_with_the_same_ids() {
    let to = ["b@good.test", "c@good.test"];
    let texts = [CLIENT, MESSAGE_ID, ACTIVE];
    let at_once = told_with([facts(&to)], &texts);
    assert_eq!(names(&at_once), to.map(|to| format!("inbound.received {to}")));

    let (b, c) = (sent(to[0]), sent(to[1]));
    let all = [&texts[..], &[&b, &c]].concat();
    let ids = |events: Vec<Event>| {
        let mut ids: Vec<_> = events.into_iter().map(|event| event.id.to_string()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(told_with([facts(&to)], &all)), ids(told_with([], &all)));
}

/// `always_bcc`, and a milter behind us that adds one.
#[test]
fn a_recipient_that_was_added_is_told_with_its_line() {
    let (b, c) = (sent("b@good.test"), sent("archive@good.test"));
    let events = told_with([facts(&["b@good.test"])], &[CLIENT, MESSAGE_ID, ACTIVE, &b, &c]);
    assert_eq!(
        names(&events),
        [
            "inbound.received b@good.test",
            "inbound.delivered b@good.test",
            "inbound.received archive@good.test",
            "inbound.delivered archive@good.test"
        ]
    );
}

#[test]
fn what_postfix_would_write_otherwise_waits_for_its_line() {
    let active = ACTIVE.replace("nrcpt=2", "nrcpt=9");
    let texts = [CLIENT, MESSAGE_ID, &active];
    for to in ["postmaster", "\"odd one\"@out.test", "b@good.test.", "b@[192.0.2.1]", "ü@good.test"]
    {
        assert!(told_with([facts(&[to])], &texts).is_empty(), "{to}");
    }
    let twice = told_with([facts(&["b@good.test", "B@GOOD.test"])], &texts);
    assert_eq!(names(&twice), ["inbound.received b@good.test"]);
}

/// A milter behind us may refuse a recipient, or take one away, and nobody tells which.
#[test]
fn where_recipients_are_missing_each_waits_for_its_line() {
    let to = ["b@good.test", "c@good.test", "d@good.test"];
    assert!(told_with([facts(&to)], &[CLIENT, MESSAGE_ID, ACTIVE]).is_empty());
    let more = Facts { more_recipients: true, ..facts(&to[..1]) };
    assert!(told_with([more], &[CLIENT, MESSAGE_ID, ACTIVE]).is_empty());
}

#[test]
fn a_recipient_that_a_later_milter_refused_is_not_told_as_received() {
    let reject = "smtpd: 1B7F053E70F: milter-reject: RCPT from c.test[192.0.2.9]: 550 5.7.1 no; from=<a@sender.test> to=<c@good.test> proto=ESMTP helo=<c.test>";
    let known = facts(&["b@good.test", "c@good.test", "d@good.test"]);
    let events = told_with([known], &[CLIENT, reject, MESSAGE_ID, ACTIVE]);
    assert_eq!(
        names(&events),
        [
            "inbound.blocked c@good.test",
            "inbound.received b@good.test",
            "inbound.received d@good.test"
        ]
    );
}

/// cleanup gives a milter `root@here.test` where the log will say `orig_to=<root>`.
#[test]
fn recipients_of_a_local_submission_wait_for_their_lines() {
    let texts = ["pickup: 1B7F053E70F: uid=0 from=<root>", MESSAGE_ID, ACTIVE];
    let events = told_with([facts(&["root@here.test"])], &texts);
    assert!(events.is_empty());
    let sent = sent("b@good.test");
    let events = told_with([facts(&["b@good.test"])], &[&texts[..], &[&sent]].concat());
    assert_eq!(events[0].data.user.as_deref(), Some("0"));
    assert_eq!((&events[0].data.helo, &events[0].data.client_name), (&None, &None));
    assert_eq!(events[0].data.subject.as_deref(), Some("Grüße"));
}

#[test]
fn facts_of_another_time_or_of_another_message_are_not_taken() {
    let sent = sent("b@good.test");
    let texts = [CLIENT, MESSAGE_ID, ACTIVE, &sent];
    let others = [
        Facts { at_us: at_us("2026-11-21T00:50:01Z"), ..facts(&["b@good.test"]) },
        Facts { at_us: at_us("2026-11-21T01:00:08Z"), ..facts(&["b@good.test"]) },
        Facts { message_id: Some("<2@gen.test>".into()), ..facts(&["b@good.test"]) },
        Facts { queue_id: "1B7F053E70A".into(), ..facts(&["b@good.test"]) },
    ];
    for other in others.clone() {
        let events = told_with([other], &texts);
        assert!(events.iter().all(|event| event.data.subject.is_none()), "{events:?}");
    }
    let right = Facts { subject: Some("right".into()), ..facts(&["b@good.test"]) };
    let [a, b, c, d] = others;
    let events = told_with([a, right, b, c, d], &texts);
    assert!(events.iter().all(|event| event.data.subject.as_deref() == Some("right")));
}

#[test]
fn who_authenticated_makes_it_outbound_where_the_log_does_not_say() {
    let known = Facts { user: Some("alice".into()), ..facts(&["b@good.test"]) };
    let events = told_with([known], &[CLIENT, MESSAGE_ID, ACTIVE]);
    assert_eq!(names(&events), ["outbound.queued b@good.test"]);
    assert_eq!(events[0].data.user.as_deref(), Some("alice"));
}

#[test]
fn a_header_leads_to_a_stream() {
    let header = RouteHeader { name: "x-stream".into(), value: Some("news".into()) };
    let route = Route { name: "news".into(), header: Some(header), ..Route::default() };
    let direction = Direction { routes: vec![route], ..direction() };
    let sent = sent("b@good.test");
    for (known, expected) in [(Some(facts(&[])), Some("news")), (None, None)] {
        let mut correlator = Correlator::new(direction.clone(), false);
        if let Some(facts) = known {
            correlator.know(facts);
        }
        let events = ended(follow(correlator, &log(&[CLIENT, MESSAGE_ID, ACTIVE, &sent])));
        assert!(events.iter().all(|event| event.data.route.as_deref() == expected), "{events:?}");
    }
}

/// What comes back from a content filter is the same message.
#[test]
fn a_later_stage_still_has_what_the_sender_gave() {
    let events = told_with(
        [facts(&["b@good.test"])],
        &[
            CLIENT,
            MESSAGE_ID,
            ACTIVE,
            "smtpd: 2B7F053E70F: client=localhost[127.0.0.1], orig_queue_id=1B7F053E70F, orig_client=c.test[192.0.2.9]",
            "cleanup: 2B7F053E70F: message-id=<1@gen.test>",
            "qmgr: 2B7F053E70F: from=<a@sender.test>, size=400, nrcpt=1 (queue active)",
            "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2B7F053E70F)",
            "smtp: 2B7F053E70F: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
        ],
    );
    assert_eq!(names(&events), ["inbound.received b@good.test", "inbound.delivered b@good.test"]);
    for event in &events {
        assert_eq!(event.data.subject.as_deref(), Some("Grüße"));
        assert!(event.data.given.is_some());
    }
}

#[test]
fn a_refusal_by_a_later_milter_carries_it_too() {
    let reject = "cleanup: 1B7F053E70F: milter-reject: END-OF-MESSAGE from c.test[192.0.2.9]: 5.7.1 no; from=<a@sender.test> to=<b@good.test> proto=ESMTP helo=<c.test>";
    let events = told_with([facts(&["b@good.test"])], &[CLIENT, MESSAGE_ID, reject]);
    assert_eq!(names(&events), ["inbound.blocked b@good.test"]);
    assert_eq!(events[0].data.subject.as_deref(), Some("Grüße"));
}

#[test]
fn facts_that_no_line_comes_for_do_not_pile_up() {
    let mut known = known::Known::default();
    let heavy = |number: usize| Facts {
        queue_id: number.to_string().into(),
        at_us: i64::try_from(number).unwrap(),
        recipients: vec!["x".repeat(1 << 20).into()],
        ..Facts::default()
    };
    for number in 0..100 {
        known.put(heavy(number));
    }
    let message = Message::default();
    let is_there = |known: &mut known::Known, number: usize| {
        known.take(&number.to_string(), i64::try_from(number).unwrap(), &message).is_some()
    };
    assert!(!is_there(&mut known, 0) && is_there(&mut known, 99));
    known.forget(3_600 * 1_000_000);
    assert!(!is_there(&mut known, 98));
}

#[test]
fn what_a_filter_wrote_into_the_headers_is_told_once_for_each_recipient() {
    let verdict = HeaderVerdict { is_virus: false, score: Some(7.1), rules: Some("A,B".into()) };
    let known = Facts { verdict: Some(verdict), ..facts(&["b@good.test", "c@good.test"]) };
    let (b, c) = (sent("b@good.test"), sent("c@good.test"));
    let events = told_with([known], &[CLIENT, MESSAGE_ID, ACTIVE, &b, &c, &b]);
    let spam: Vec<_> = events.iter().filter(|e| e.kind == EventType::InboundSpam).collect();
    assert_eq!(spam.len(), 2, "{:?}", names(&events));
    assert_eq!(spam[0].data.score, Some(7.1));
    assert_eq!(spam[0].data.rules.as_deref(), Some("A,B"));
    assert_eq!(spam[0].data.action.as_deref(), Some("tagged"));
    assert_ne!(spam[0].id, spam[1].id);
}

#[test]
fn where_no_client_is_known_the_mailer_tells_the_class() {
    for (stays_here, class) in [(Some(true), "inbound"), (Some(false), "outbound")] {
        let known = Facts {
            stays_here,
            client_address: None,
            client_name: None,
            ..facts(&["b@elsewhere.test"])
        };
        let sent = sent("b@elsewhere.test");
        let unknown = "smtpd: 1B7F053E70F: client=unknown[unknown]";
        let events = told_with([known], &[unknown, MESSAGE_ID, ACTIVE, &sent]);
        let prefix = format!("{class}.");
        assert!(events.iter().all(|e| e.kind.name().starts_with(&prefix)), "{:?}", names(&events));
        assert!(!events.is_empty());
    }
}

#[test]
fn the_envelope_id_that_the_sender_gave_is_in_every_event() {
    let known = Facts { envelope_id: Some("batch-17".into()), ..facts(&["b@good.test"]) };
    let sent = sent("b@good.test");
    let events = told_with([known], &[CLIENT, MESSAGE_ID, ACTIVE, &sent]);
    assert!(events.iter().all(|event| event.data.envelope_id.as_deref() == Some("batch-17")));
}
