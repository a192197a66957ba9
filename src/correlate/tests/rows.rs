//! Faults of a log, by their rows in `contrib/docs/tailing.md`, up to the events that come of them.

use super::*;

/// The events of these lines, in each of which `~` stands for a byte that is no UTF-8.
fn events_of_latin_1(texts: &[&str]) -> Vec<Event> {
    let mut batch = batch(&log(texts));
    batch.bytes.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xe9);
    let mut correlator = Correlator::new(direction(), false);
    let mut events = Vec::new();
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    reader.read(&batch, |line| correlator.step(line, &mut events));
    correlator.release_all(&mut events);
    events
}

/// Lines at these seconds behind 01:00:00, which may be before it.
fn at(texts: &[(i64, &str)]) -> Vec<String> {
    let begin: jiff::Timestamp = "2026-11-21T01:00:00Z".parse().unwrap();
    let line = |(second, text): &(i64, &str)| {
        let at = begin + jiff::SignedDuration::from_secs(*second);
        let (daemon, text) = text.split_once(": ").unwrap();
        format!("{at} mx postfix/{daemon}[9]: {text}")
    };
    texts.iter().map(line).collect()
}

/// A line about another message.
const OTHER: &str = "smtpd: 5A6F053E70F: client=mx.else.test[192.0.2.8]";

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.name()).collect()
}

#[test]
fn row_18_an_event_of_a_line_with_invalid_utf_8_has_readable_text_and_says_lossy() {
    let answer = status("b@good.test", "dsn=2.0.0, status=sent (250 merci, re~u)");
    let events = events_of_latin_1(&[&BEGIN[..], &[&answer]].concat());
    let [queued, delivered] = &events[..] else { panic!("{events:?}") };
    assert_eq!(delivered.data.response.as_deref(), Some("250 merci, re\u{fffd}u"));
    assert!(delivered.data.lossy && !queued.data.lossy, "only what it was in");
    let json = serde_json::to_value(&*delivered.data).unwrap();
    assert_eq!(json["lossy"], true);

    let to = status("ren~@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let events = events_of_latin_1(&[&BEGIN[..], &[&to]].concat());
    assert_eq!(events[1].data.to.as_deref(), Some("ren\u{fffd}@good.test"));
    assert!(events[1].data.lossy);
}

#[test]
fn row_23_events_come_in_the_order_of_the_log_however_its_clock_steps() {
    let deferred = status("b@good.test", "dsn=4.3.0, status=deferred (451 later)");
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let hour = 3600;
    for steps in [[0, 0, 0], [-hour, -hour, -hour], [hour, 0, 2 * hour], [48 * hour, 1, -48 * hour]]
    {
        let events = events_of(&at(&[
            (0, BEGIN[0]),
            (0, BEGIN[1]),
            (1, BEGIN[2]),
            (2 + steps[0], &deferred),
            (3 + steps[1], BEGIN[2]),
            (4 + steps[1], &sent),
            (5 + steps[2], "qmgr: 1B7F053E70F: removed"),
        ]));
        let expected = ["outbound.queued", "outbound.deferred", "outbound.delivered"];
        assert_eq!(kinds(&events), expected, "{steps:?}");
        assert!(events.iter().all(|event| event.data.uid == events[0].data.uid), "{steps:?}");
        assert!(events.iter().all(|event| !event.data.incomplete), "{steps:?}");
        assert_eq!((events[1].data.attempt, events[2].data.attempt), (Some(1), Some(2)));
    }
}

/// While the clock was behind the latest time in the log, every wait had ended before it began: what
/// a filter handed back was told as a message of its own.
#[test]
fn row_23_a_clock_that_was_set_back_ends_no_wait_before_its_time() {
    let client = "smtpd: 1B7F053E70F: client=mx.far.test[192.0.2.7]";
    for back in [-3600, 0, 3600] {
        let events = events_of(&at(&[
            (0, OTHER),
            (back, client),
            (back, BEGIN[1]),
            (back, BEGIN[2]),
            (back + 1, BACK[0]),
            (back + 1, BACK[1]),
            (back + 1, BACK[2]),
            (back + 2, ARRIVED),
            (back + 2, HANDED_OVER),
        ]));
        assert_eq!(kinds(&events), ["inbound.received", "inbound.delivered"], "{back}");
        assert_eq!(events[1].data.ip.as_deref(), Some("192.0.2.7"), "{back}");
    }
}

/// A wait still has an end then: as much log time behind the latest.
#[test]
fn row_23_after_a_clock_was_set_forward_what_waited_is_told() {
    let copy = ["smtpd: 1B7F053E70F: client=mx.far.test[192.0.2.7]", BEGIN[1], BEGIN[2]];
    let mut lines: Vec<_> = copy.iter().chain(&BACK).chain([&ARRIVED]).map(|it| (0, *it)).collect();
    let (_, before) = so_far(&at(&lines));
    assert_eq!(kinds(&before), [""; 0], "it may be a stage of the other");
    lines.push((3600, OTHER));
    let (_, after) = so_far(&at(&lines));
    assert_eq!(kinds(&after), ["outbound.queued", "outbound.delivered"]);
}

#[test]
fn row_24_a_line_that_was_folded_is_one_event_that_says_how_often() {
    let words = "1B7F053E70F: to=<b@good.test>, relay=none, delay=9, delays=0/0/9/0, dsn=4.4.1, \
        status=deferred (connect to good.test[192.0.2.1]:25: Connection timed out)";
    let folded = format!("smtp: message repeated 3 times: [ {words}]");
    let once = format!("smtp: {words}");
    let events = events_of(&log(&[&BEGIN[..], &[&folded, &once]].concat()));
    assert_eq!(kinds(&events), ["outbound.queued", "outbound.deferred", "outbound.deferred"]);
    assert_eq!((events[1].data.repeated, events[2].data.repeated), (Some(3), None));
    assert_eq!((events[1].data.attempt, events[2].data.attempt), (Some(1), Some(2)));
    assert_eq!(events[1].data.to.as_deref(), Some("b@good.test"));
    assert_ne!(events[1].id, events[2].id);
}

#[test]
fn row_24_a_refusal_that_was_folded_is_one_event_and_a_fold_without_text_is_none() {
    let refused = "NOQUEUE: reject: RCPT from mx.far.test[192.0.2.7]: 550 5.1.1 <no@lab.test>: \
        Recipient address rejected: User unknown; from=<a@far.test> to=<no@lab.test> proto=ESMTP \
        helo=<h>";
    let folded = format!("smtpd: message repeated 2 times: [ {refused}]");
    let events = events_of(&log(&[&folded, "smtpd: last message repeated 5 times"]));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].data.repeated, Some(2));
}
