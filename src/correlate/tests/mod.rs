//! Stories of messages, told by real lines (shortened), and the events they must give.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use jiff::tz::TimeZone;
use mailherald_parsers::Parser;
use proptest::prelude::*;

mod content;
mod filter;
mod haraka_plugin;
mod held;
mod interleaving;
mod known;
mod pipe;
mod route;
mod rows;
mod session;
mod stages;
mod traps;

use super::*;
use crate::{
    event::{BounceCategory, BounceType, EventType},
    parse::{Reader, State},
    source::{Batch, testing::batch_of},
};

fn direction() -> Direction {
    Direction {
        local_domains: vec!["lab.test".into()],
        mynetworks: vec!["127.0.0.1/32".parse().unwrap()],
        submission_services: vec!["submission".into()],
        instances: Vec::new(),
        metadata_headers: vec!["X-Order".into()],
        tag_header: "X-Mailherald-Tag".into(),
        ..Direction::default()
    }
}

fn batch(lines: &[String]) -> Batch {
    let anchor = "2026-11-21T12:00:00Z".parse().unwrap();
    Batch { anchor, first_of_generation: true, ..batch_of(lines) }
}

/// What `correlator` made of these lines. The log may go on.
fn follow(mut correlator: Correlator, lines: &[String]) -> (Correlator, Vec<Event>) {
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    let mut events = Vec::new();
    reader.read(&batch(lines), |line| correlator.step(line, &mut events));
    (correlator, events)
}

/// As [`follow`], from the beginning.
fn so_far(lines: &[String]) -> (Correlator, Vec<Event>) {
    follow(Correlator::new(direction(), false), lines)
}

/// The events of a log that ends there.
fn events_of(lines: &[String]) -> Vec<Event> {
    ended(so_far(lines))
}

fn ended((mut correlator, mut events): (Correlator, Vec<Event>)) -> Vec<Event> {
    correlator.release_all(&mut events);
    events
}

/// Lines of one host, one second apart; each is `daemon: text` or `daemon[pid]: text`.
fn log(texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .enumerate()
        .map(|(second, text)| {
            let (daemon, text) = text.split_once(": ").unwrap();
            let pid = if daemon.ends_with(']') { "" } else { "[9]" };
            let (minute, second) = (second / 60, second % 60);
            format!(
                "2026-11-21T01:{minute:02}:{second:02}.000000+00:00 mx postfix/{daemon}{pid}: {text}"
            )
        })
        .collect()
}

fn told(texts: &[&str]) -> Vec<String> {
    events_of(&log(texts))
        .into_iter()
        .map(|event| format!("{} {}", event.kind.name(), event.data.to.unwrap_or_default()))
        .collect()
}

const BEGIN: [&str; 3] = [
    "smtpd: 1B7F053E70F: client=localhost[127.0.0.1]",
    "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
    "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=1 (queue active)",
];

fn status(to: &str, extra: &str) -> String {
    format!(
        "smtp: 1B7F053E70F: to=<{to}>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, {extra}"
    )
}

fn after_begin(texts: &[&str]) -> Vec<String> {
    told(&[&BEGIN[..], texts].concat())
}

#[test]
fn a_delivered_message_is_queued_and_delivered() {
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)");
    let events = events_of(&log(&[&BEGIN[..], &[&sent, "qmgr: 1B7F053E70F: removed"]].concat()));
    let [queued, delivered] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (queued.kind, delivered.kind),
        (EventType::OutboundQueued, EventType::OutboundDelivered)
    );
    assert_eq!(queued.at().to_string(), "2026-11-21T01:00:02Z");
    assert_eq!(queued.data.uid, delivered.data.uid);
    assert_ne!(queued.id, delivered.id);
    let data = &delivered.data;
    assert_eq!(data.from.as_deref(), Some("a@sender.test"));
    assert_eq!(data.message_id.as_deref(), Some("<1@gen.test>"));
    assert_eq!(
        (data.mx.as_deref(), data.host.as_deref()),
        (Some("mx1.good.test"), Some("127.0.1.1"))
    );
    assert_eq!((data.port, data.smtp_code, data.attempt), (Some(25), Some(250), Some(1)));
    assert_eq!(data.delay_us, Some(200_000));
    assert!(!data.incomplete);
}

#[test]
fn a_deferral_counts_attempts_and_the_end_is_final_once() {
    let deferred = status(
        "b@good.test",
        "dsn=4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command))",
    );
    let bounced = status(
        "b@good.test",
        "dsn=5.1.1, status=bounced (host mx1.good.test[127.0.1.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))",
    );
    let lines =
        [&BEGIN[..], &[&deferred, BEGIN[2], &deferred, BEGIN[2], &bounced, &bounced]].concat();
    let events = events_of(&log(&lines));
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventType::OutboundQueued,
            EventType::OutboundDeferred,
            EventType::OutboundDeferred,
            EventType::OutboundBounced
        ]
    );
    let last = &events[3].data;
    assert_eq!((last.attempt, last.stage.as_deref()), (Some(3), Some("RCPT TO")));
    assert_eq!(last.bounce_type, Some(BounceType::Hard));
    assert_eq!(last.bounce_category, Some(BounceCategory::InvalidRecipient));
    assert_ne!(events[1].id, events[2].id);
}

#[test]
fn a_refusal_for_policy_is_rejected_and_a_full_mailbox_is_soft() {
    let policy = status(
        "b@good.test",
        "dsn=5.7.1, status=bounced (host mx1.good.test[127.0.1.1] said: 550 5.7.1 go away (in reply to RCPT TO command))",
    );
    assert_eq!(after_begin(&[&policy]).last().unwrap(), "outbound.rejected b@good.test");
    let full = status(
        "b@good.test",
        "dsn=5.2.2, status=bounced (host mx1.good.test[127.0.1.1] said: 552 5.2.2 full (in reply to RCPT TO command))",
    );
    let events = events_of(&log(&[&BEGIN[..], &[&full]].concat()));
    assert_eq!(events.last().unwrap().data.bounce_type, Some(BounceType::Soft));
}

#[test]
fn giving_up_bounces_every_recipient_that_waits_with_the_last_answer() {
    let later = |to| {
        status(
            to,
            "dsn=4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command))",
        )
    };
    let sent = status("ok@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let (first, second) = (later("a@good.test"), later("b@good.test"));
    let lines = [
        &BEGIN[..],
        &[&first, &sent, &second],
        &["qmgr: 1B7F053E70F: from=<a@sender.test>, status=expired, returned to sender"],
        &["qmgr: 1B7F053E70F: removed"],
    ]
    .concat();
    let events = events_of(&log(&lines));
    let finals: Vec<_> = events
        .iter()
        .filter(|event| event.kind == EventType::OutboundBounced)
        .map(|event| (event.data.to.as_deref().unwrap(), event.data.response.as_deref().unwrap()))
        .collect();
    assert_eq!(finals, [("a@good.test", "451 4.3.0 later"), ("b@good.test", "451 4.3.0 later")]);
}

#[test]
fn an_alias_is_queued_once_and_each_target_has_its_own_end() {
    let sent = |to| {
        status(to, "dsn=2.0.0, status=sent (250 Ok)")
            .replace(">, relay", ">, orig_to=<team@lab.test>, relay")
    };
    assert_eq!(
        after_begin(&[&sent("a@good.test"), &sent("b@good.test")]),
        [
            "outbound.queued team@lab.test",
            "outbound.delivered a@good.test",
            "outbound.delivered b@good.test"
        ]
    );
}

#[test]
fn what_local_forwards_goes_on_under_the_same_uid() {
    let lines = log(&[
        BEGIN[0],
        BEGIN[1],
        BEGIN[2],
        "cleanup: 8714953E570: message-id=<1@gen.test>",
        "qmgr: 8714953E570: from=<a@sender.test>, size=500, nrcpt=1 (queue active)",
        "local: 1B7F053E70F: to=<fwd@lab.test>, relay=local, delay=0.03, delays=0.01/0/0/0.02, dsn=2.0.0, status=sent (forwarded as 8714953E570)",
        "qmgr: 1B7F053E70F: removed",
        "smtp: 8714953E570: to=<x@good.test>, orig_to=<fwd@lab.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 Ok)",
    ]);
    let events = events_of(&lines);
    let told: Vec<_> =
        events.iter().map(|e| (e.kind.name(), e.data.to.as_deref().unwrap())).collect();
    assert_eq!(told, [("outbound.queued", "fwd@lab.test"), ("outbound.delivered", "x@good.test")]);
    assert_eq!(events[0].data.uid, events[1].data.uid);
}

const HANDED_OVER: &str = "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 20D4E53E714)";
const BACK: [&str; 3] = [
    "smtpd: 20D4E53E714: client=localhost[127.0.0.1]",
    "cleanup: 20D4E53E714: message-id=<1@gen.test>",
    "qmgr: 20D4E53E714: from=<a@sender.test>, size=900, nrcpt=1 (queue active)",
];
const ARRIVED: &str = "smtp: 20D4E53E714: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 Ok)";

#[test]
fn a_message_that_a_filter_hands_back_is_one_story() {
    let begin = ["smtpd: 1B7F053E70F: client=mx.far.test[192.0.2.7]", BEGIN[1], BEGIN[2]];
    for tail in [[HANDED_OVER, ARRIVED], [ARRIVED, HANDED_OVER]] {
        let events = events_of(&log(&[&begin[..], &BACK, &tail].concat()));
        let told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(told, ["inbound.received", "inbound.delivered"], "{tail:?}");
        assert_eq!(events[0].data.uid, events[1].data.uid);
        assert_eq!(events[1].data.ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(events[1].data.queue_id.as_deref(), Some("20D4E53E714"));
    }
}

/// amavisd-new splits a message whose recipients get different headers, and its answer names only
/// the first part.
#[test]
fn each_part_of_a_message_that_a_filter_split_goes_on_with_its_story() {
    let begin = ["smtpd: 1B7F053E70F: client=mx.far.test[192.0.2.7]", BEGIN[1], BEGIN[2]];
    let part = |line: &str| {
        line.replace("20D4E53E714", "28ED09A0489").replace("b@good.test", "c@good.test")
    };
    let (second, arrived) = (BACK.map(part), part(ARRIVED));
    let second: Vec<_> = second.iter().map(String::as_str).collect();
    let handed_over = HANDED_OVER.replace("b@good.test", "c@good.test");
    let tail = [HANDED_OVER, &handed_over, ARRIVED, &arrived];
    let events = events_of(&log(&[&begin[..], &BACK, &second, &tail].concat()));
    let told: Vec<_> =
        events.iter().map(|event| (event.kind.name(), event.data.to.as_deref().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("inbound.received", "b@good.test"),
            ("inbound.received", "c@good.test"),
            ("inbound.delivered", "b@good.test"),
            ("inbound.delivered", "c@good.test")
        ]
    );
    assert!(events.iter().all(|event| event.data.uid == events[0].data.uid));
}

#[test]
fn a_notice_of_a_content_filter_is_no_mail_of_anybody() {
    let notice = [
        "smtpd: 9E8FA9A043D: client=localhost[127.0.0.1]",
        "cleanup: 9E8FA9A043D: message-id=<VSbkaw94PoJ6q1@mx.lab.test>",
        "qmgr: 9E8FA9A043D: from=<>, size=4254, nrcpt=1 (queue active)",
        "smtp: 9E8FA9A043D: to=<ann@partner.test>, relay=mx.partner.test[127.0.1.3]:25, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
        "qmgr: 9E8FA9A043D: removed",
    ];
    assert_eq!(told(&notice), [""; 0]);
    let other = notice.map(|line| line.replace("<VSbkaw94PoJ6q1@", "<bkaw94PoJ6q1@"));
    let other: Vec<_> = other.iter().map(String::as_str).collect();
    assert_eq!(told(&other).len(), 2, "other mail with the null sender counts");
}

#[test]
fn a_filter_that_tells_the_queue_id_needs_no_waiting() {
    let back = [
        "smtpd: 20D4E53E714: client=localhost[127.0.0.1], orig_queue_id=1B7F053E70F, orig_client=mx.far.test[192.0.2.7]",
        BACK[1],
        BACK[2],
    ];
    let events = events_of(&log(&[&BEGIN[..], &back, &[ARRIVED, HANDED_OVER]].concat()));
    let told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(told, ["outbound.delivered", "outbound.queued"]);
    assert_eq!(events[0].data.uid, events[1].data.uid);
}

/// Two messages without a Message-ID were once taken for one, and what local(8) forwarded of the
/// second went the wrong way.
#[test]
fn messages_without_a_message_id_have_nothing_in_common() {
    let lines = log(&[
        "smtpd: 1B7F053E70F: client=localhost[127.0.0.1]",
        "cleanup: 1B7F053E70F: message-id=<>",
        "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=1 (queue active)",
        "smtpd: 20D4E53E714: client=unknown[127.0.0.9]",
        "cleanup: 20D4E53E714: message-id=<>",
        "qmgr: 20D4E53E714: from=<a@sender.test>, size=900, nrcpt=1 (queue active)",
        "cleanup: 8714953E570: message-id=<>",
        "local: 20D4E53E714: to=<fwd@lab.test>, relay=local, delay=0.03, delays=0.01/0/0/0.02, dsn=2.0.0, status=sent (forwarded as 8714953E570)",
        "qmgr: 8714953E570: from=<a@sender.test>, size=500, nrcpt=1 (queue active)",
        "smtp: 8714953E570: to=<x@good.test>, orig_to=<fwd@lab.test>, relay=mx1.good.test[192.0.2.9]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 Ok)",
    ]);
    let told: Vec<_> = events_of(&lines).iter().map(|event| event.kind.name()).collect();
    assert_eq!(told, ["inbound.received", "inbound.delivered"]);
}

const FORWARDED: [&str; 4] = [
    "cleanup: 8714953E570: message-id=<>",
    "qmgr: 8714953E570: from=<a@sender.test>, size=500, nrcpt=1 (queue active)",
    "smtp: 8714953E570: to=<x@good.test>, orig_to=<fwd@lab.test>, relay=mx1.good.test[192.0.2.9]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
    "qmgr: 8714953E570: removed",
];

/// On a busy host the forwarded copy was delivered before local(8) logged what it had made, and
/// became an outbound message of its own.
#[test]
fn a_forwarded_copy_without_a_message_id_may_be_over_before_its_parent_tells_of_it() {
    let begin = [
        "smtpd: 20D4E53E714: client=unknown[127.0.0.9]",
        "cleanup: 20D4E53E714: message-id=<>",
        "qmgr: 20D4E53E714: from=<a@sender.test>, size=369, nrcpt=1 (queue active)",
    ];
    let parent = "local: 20D4E53E714: to=<fwd@lab.test>, relay=local, delay=0.03, delays=0.01/0/0/0.02, dsn=2.0.0, status=sent (forwarded as 8714953E570)";
    for place in 1..=FORWARDED.len() {
        let (before, after) = FORWARDED.split_at(place);
        let lines = log(&[&begin[..], before, &[parent], after].concat());
        let events = events_of(&lines);
        let told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(told, ["inbound.received", "inbound.delivered"], "after {place} lines");
        assert_eq!(events[0].data.uid, events[1].data.uid);
    }
}

#[test]
fn a_copy_whose_parent_never_tells_of_it_is_told_all_the_same() {
    assert_eq!(told(&FORWARDED), ["outbound.delivered x@good.test"]);
}

#[test]
fn copies_with_one_message_id_stay_messages_of_their_own() {
    let first = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let mut lines = log(&[&BEGIN[..], &BACK, &[ARRIVED, &first]].concat());
    lines.push(
        "2026-11-21T01:05:00.000000+00:00 mx postfix/smtpd[9]: connect from x[192.0.2.1]".into(),
    );
    lines.push("2026-11-21T01:05:00.000000+00:00 mx postfix/qmgr[9]: 20D4E53E714: removed".into());
    let events = events_of(&lines);
    let mut told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["outbound.delivered", "outbound.delivered", "outbound.queued", "outbound.queued"]
    );
}

#[test]
fn a_remote_that_names_a_queue_id_of_ours_links_nothing() {
    let lie = status("b@good.test", "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 20D4E53E714)")
        .replace("127.0.1.1", "192.0.2.9");
    let events = events_of(&log(&[&BEGIN[..], &BACK, &[&lie]].concat()));
    assert_eq!(events.len(), 2, "queued and delivered of the first message: {events:?}");
}

#[test]
fn a_dsn_of_our_own_gives_no_events_even_before_the_line_that_links_it() {
    let bounced = status(
        "b@good.test",
        "dsn=5.1.1, status=bounced (host mx1.good.test[127.0.1.1] said: 550 5.1.1 no (in reply to RCPT TO command))",
    );
    assert_eq!(
        after_begin(&[
            &bounced,
            "cleanup: 3DBF552E14A: message-id=<20261121@mx.lab.test>",
            "qmgr: 3DBF552E14A: from=<>, size=2000, nrcpt=1 (queue active)",
            "smtp: 3DBF552E14A: to=<a@sender.test>, relay=mx.sender.test[127.0.1.3]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
            "qmgr: 3DBF552E14A: removed",
            "bounce: 1B7F053E70F: sender non-delivery notification: 3DBF552E14A",
            "qmgr: 1B7F053E70F: removed",
        ]),
        ["outbound.queued b@good.test", "outbound.bounced b@good.test"]
    );
}

#[test]
fn a_bounce_from_outside_is_ordinary_inbound_mail() {
    assert_eq!(
        told(&[
            "smtpd: 3DBF552E14A: client=mx.far.test[192.0.2.7]",
            "cleanup: 3DBF552E14A: message-id=<dsn@far.test>",
            "qmgr: 3DBF552E14A: from=<>, size=2000, nrcpt=1 (queue active)",
            "local: 3DBF552E14A: to=<a@lab.test>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)",
        ]),
        ["inbound.received a@lab.test", "inbound.delivered a@lab.test"]
    );
}

#[test]
fn probes_give_nothing() {
    assert_eq!(
        told(&[
            "cleanup: 3DBF552E14A: message-id=<p@mx.lab.test>",
            "qmgr: 3DBF552E14A: from=<double-bounce@mx.lab.test>, size=250, nrcpt=1 (queue active)",
            "smtp: 3DBF552E14A: to=<who@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0, delays=0/0/0/0, dsn=2.1.5, status=deliverable (250 2.1.5 Ok)",
            "qmgr: 3DBF552E14A: removed",
        ]),
        Vec::<String>::new()
    );
}

fn with_sending(lines: &[String]) -> Vec<Event> {
    ended(follow(Correlator::new(direction(), true), lines))
}

/// `sendmail -bv` was once told as `outbound.sending`.
#[test]
fn an_address_check_is_not_sending() {
    let local = [
        "pickup: 3DBF552E14A: uid=0 from=<root@lab.test>",
        "cleanup: 3DBF552E14A: message-id=<20261121010000.3DBF552E14A@mx.lab.test>",
        "qmgr: 3DBF552E14A: from=<root@lab.test>, size=270, nrcpt=1 (queue active)",
    ];
    let to = "smtp: 3DBF552E14A: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0, delays=0/0/0/0, dsn=";
    let check = format!("{to}2.1.5, status=deliverable (250 2.1.5 Ok)");
    let sent = format!("{to}2.0.0, status=sent (250 2.0.0 Ok)");
    let later = format!(
        "{to}4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 450 4.3.0 later (in reply to RCPT TO command))"
    );
    assert_eq!(with_sending(&log(&[&local[..], &[&check]].concat())).len(), 0);
    // Mail to which cleanup gave its Message-ID is told with its first status line, by its own.
    let events = with_sending(&log(&[&local[..], &[&later, local[2], &sent]].concat()));
    let told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(
        told,
        [
            "outbound.sending",
            "outbound.queued",
            "outbound.deferred",
            "outbound.sending",
            "outbound.delivered"
        ]
    );
    assert_eq!((events[0].at_us, events[3].at_us - events[0].at_us), (events[1].at_us, 2_000_000));
    // With a Message-ID of its own it is no check.
    let named = local.map(|text| text.replace("20261121010000.3DBF552E14A@mx.lab", "1@gen"));
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    assert_eq!(with_sending(&log(&named)).len(), 1);
}

/// A mailbox whose server is down, of a message whose client is not in the log, was once outbound.
#[test]
fn a_delivery_to_a_mailbox_is_inbound_although_no_server_was_reached() {
    for daemon in ["lmtp", "virtual"] {
        let line = format!(
            "{daemon}: 1B7F053E70F: to=<a@lab.test>, relay=none, delay=0.2, delays=0.1/0/0/0.1, dsn=4.4.1, status=deferred (connect to mx.lab.test[private/dovecot-lmtp]: No such file or directory)"
        );
        assert_eq!(told(&[&line]), ["inbound.deferred a@lab.test"]);
    }
}

/// What there was too much of tells at which stage the client was sent away.
#[test]
fn a_limit_names_its_stage() {
    for (limit, stage) in [
        ("Connection rate", "CONNECT"),
        ("Message delivery request rate", "MAIL"),
        ("Recipient address rate", "RCPT"),
        ("AUTH command rate", "AUTH"),
    ] {
        let line = format!(
            "smtpd: warning: {limit} limit exceeded: 5 from x.test[192.0.2.1] for service smtp"
        );
        let events = events_of(&log(&[&line]));
        assert_eq!(events[0].data.stage.as_deref(), Some(stage), "{limit}");
    }
}

/// An address that VRFY asked for was once told as blocked.
#[test]
fn an_address_that_is_only_verified_is_no_recipient() {
    let refused = "smtpd: NOQUEUE: reject: VRFY from mail7.client.test[127.0.2.7]: 504 5.5.2 <games>: Recipient address rejected: need fully-qualified address; to=<games> proto=ESMTP helo=<h>";
    assert_eq!(told(&[refused]), [""; 0]);
    assert_eq!(told(&[&refused.replace("VRFY", "RCPT")]), ["inbound.blocked games"]);
    let etrn = "smtpd: NOQUEUE: reject: ETRN from mail7.client.test[127.0.2.7]: 554 5.7.1 <lab.test>: Etrn command rejected: Access denied; proto=ESMTP helo=<h>";
    assert_eq!(told(&[etrn]), [""; 0]);
}

#[test]
fn a_short_queue_id_that_comes_again_is_another_message() {
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let once = [&BEGIN[..], &[&sent, "qmgr: 1B7F053E70F: removed"]].concat();
    let events = events_of(&log(&[once.clone(), once].concat()));
    assert_eq!(events.len(), 4);
    assert_ne!(events[0].data.uid, events[2].data.uid);
}

#[test]
fn a_lost_removed_line_does_not_join_two_messages() {
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let once = [&BEGIN[..], &[&sent]].concat();
    assert_eq!(events_of(&log(&[once.clone(), once].concat())).len(), 4);
}

#[test]
fn a_log_that_begins_in_the_middle_gives_no_queued_and_says_incomplete() {
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let events = events_of(&log(&[BEGIN[2], &sent]));
    let [delivered] = &events[..] else { panic!("{events:?}") };
    assert_eq!(delivered.kind, EventType::OutboundDelivered);
    assert!(delivered.data.incomplete);
}

#[test]
fn an_authenticated_client_is_outbound_wherever_it_is() {
    let lines = [
        "submission/smtpd: 1B7F053E70F: client=laptop.test[198.51.100.4], sasl_method=PLAIN, sasl_username=ann@lab.test",
        BEGIN[1],
        BEGIN[2],
        "local: 1B7F053E70F: to=<b@lab.test>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)",
    ];
    let events = events_of(&log(&lines));
    assert_eq!(events[1].kind, EventType::OutboundDelivered);
    assert_eq!(events[1].data.user.as_deref(), Some("ann@lab.test"));
}

#[test]
fn a_refused_client_is_blocked_or_dropped_by_where_it_comes_from() {
    let reject = |client: &str| {
        format!(
            "smtpd: NOQUEUE: reject: RCPT from {client}: 450 4.2.0 <b@lab.test>: Recipient address rejected: Greylisted; from=<x@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>"
        )
    };
    let (far, near) = (reject("mx.far.test[192.0.2.7]"), reject("localhost[127.0.0.1]"));
    let events = events_of(&log(&[&far, &near, &far]));
    assert_eq!(
        events.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [EventType::InboundBlocked, EventType::OutboundDropped, EventType::InboundBlocked]
    );
    let data = &events[0].data;
    assert!(data.temporary);
    assert_eq!(
        (data.ip.as_deref(), data.host.as_deref()),
        (Some("192.0.2.7"), Some("mx.far.test"))
    );
    assert_eq!((data.smtp_code, data.helo.as_deref()), (Some(450), Some("h")));
    assert_ne!(events[0].data.uid, events[2].data.uid);
}

#[test]
fn identical_lines_of_one_second_are_two_events_with_two_ids() {
    let line = "2026-11-21T01:00:00+00:00 mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from a[192.0.2.7]: 554 5.7.1 <b@c.test>: Relay access denied; from=<x@y.test> to=<b@c.test> proto=SMTP helo=<h>".to_owned();
    let events = events_of(&[line.clone(), line.clone()]);
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].id, events[1].id);
    assert_eq!(events, events_of(&[line.clone(), line]));
}

#[test]
fn what_has_ended_is_kept_for_a_minute_and_then_forgotten_with_others() {
    let after = |seconds: i64| {
        let mut texts = Vec::new();
        for number in 0..3 {
            texts.push(format!("smtpd: 9E34153F5B{number}: client=a[192.0.2.1]"));
            texts.push(format!("qmgr: 9E34153F5B{number}: removed"));
        }
        let mut lines = log(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let later = |seconds: i64, text: &str| {
            let (minute, second) = (seconds / 60, seconds % 60);
            format!("2026-11-21T01:{minute:02}:{second:02}.000000+00:00 mx postfix/{text}")
        };
        lines.push(later(30, "smtpd[9]: 8E34153F5B0: client=a[192.0.2.1]"));
        lines.push(later(31, "qmgr[9]: 8E34153F5B0: removed"));
        lines.push(later(seconds, "smtpd[9]: 7E34153F5B0: client=a[192.0.2.1]"));
        so_far(&lines).0.len()
    };
    // Three ended in the seconds 1, 3 and 5, one long after them.
    assert_eq!([61, 66, 67].map(after), [5, 5, 2]);
}

/// Each line beyond the bound once ended a tenth of all messages, by a search through all of them.
#[test]
fn with_too_many_messages_only_the_most_silent_are_ended() {
    let begin = |number: usize| {
        let (second, rest) = (number / 200, number % 200);
        format!(
            "2026-03-01T10:00:{second:02}.{rest:06}+00:00 mx postfix/smtpd[1]: \
             3A{number:08X}: client=c.test[192.0.2.9]"
        )
    };
    let lines: Vec<_> = (0..super::MOST * 5).map(begin).collect();
    let mut correlator = Correlator::new(direction(), false);
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    let mut events = Vec::new();
    reader.read(&batch(&lines), |line| correlator.step(line, &mut events));
    let messages = &correlator.systems[0].messages;
    let open = messages.iter().filter(|(_, message)| !message.closed).count();
    assert!((super::MOST * 9 / 10..=super::MOST).contains(&open), "{open}");
    let newest = messages.get(&format!("3A{:08X}", super::MOST * 5 - 1));
    assert!(newest.is_some_and(|newest| !newest.closed), "the newest is kept");
}

/// An attempt for `b@good.test` that reached nobody.
fn unreachable() -> String {
    status(
        "b@good.test",
        "dsn=4.3.0, status=deferred (connect to mx1.good.test[127.0.1.1]:25: Connection refused)",
    )
}

#[test]
fn mail_deleted_by_an_operator_is_dropped() {
    let deferred = unreachable();
    assert_eq!(
        after_begin(&[&deferred, "postsuper: 1B7F053E70F: removed"]).last().unwrap(),
        "outbound.dropped b@good.test"
    );
    assert_eq!(after_begin(&["postsuper: 1B7F053E70F: removed"]), ["outbound.dropped "]);
}

#[test]
fn a_discarded_message_is_dropped_though_its_status_is_sent() {
    assert_eq!(
        after_begin(&[
            "discard: 1B7F053E70F: to=<b@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (gone)"
        ]),
        ["outbound.queued b@good.test", "outbound.dropped b@good.test"]
    );
}

/// qmgr(8), `qmgr_message.c`.
#[test]
fn what_goes_to_the_sender_of_double_bounces_is_dropped_though_its_status_is_sent() {
    assert_eq!(
        after_begin(&[
            "qmgr: 1B7F053E70F: to=<double-bounce@mx.lab.test>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (undeliverable postmaster notification discarded)"
        ]),
        ["outbound.queued double-bounce@mx.lab.test", "outbound.dropped double-bounce@mx.lab.test"]
    );
}

#[test]
fn a_message_that_was_sent_again_keeps_its_own_message_id() {
    let [own, again] = [
        "cleanup: 1B7F053E70F: message-id=<1@gen.test>",
        "cleanup: 1B7F053E70F: resent-message-id=<2@gen.test>",
    ];
    for [first, second] in [[own, again], [again, own]] {
        let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 ok)");
        let lines = log(&[BEGIN[0], first, second, BEGIN[2], &sent]);
        for event in events_of(&lines) {
            assert_eq!(event.data.message_id.as_deref(), Some("<1@gen.test>"), "{first}");
        }
    }
}

/// rsyslog cuts an RFC 5424 APP-NAME at the first slash: no daemon, but the same text.
#[test]
fn discarded_mail_is_dropped_though_the_tag_lost_the_daemon() {
    let sent = "postfix: 1B7F053E70F: to=<b@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (gone)";
    let lines: Vec<_> = log(&[&BEGIN[..], &[sent]].concat())
        .iter()
        .map(|line| line.replace("postfix/postfix[9]", "postfix[9]"))
        .collect();
    let kinds: Vec<_> = events_of(&lines).iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventType::OutboundQueued, EventType::OutboundDropped]);
}

#[test]
fn what_was_stored_and_restored_goes_on_as_if_nothing_had_happened() {
    let deferred = unreachable();
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let lines =
        log(&[&BEGIN[..], &[&deferred, BEGIN[2], &sent, "qmgr: 1B7F053E70F: removed"]].concat());
    for cut in 0..lines.len() {
        assert_eq!(
            events_with_restart(&lines, cut),
            events_of(&lines),
            "restart before line {cut}"
        );
    }
}

#[test]
fn what_came_and_went_before_it_was_stored_leaves_the_memory_at_once() {
    let (mut correlator, _) =
        so_far(&[story("1B7F053E70F", "b@good.test"), vec![much_later()]].concat());
    assert_eq!(correlator.len(), 1, "only the new message");
    correlator.drain_changes(|_, _, queue_id, _, _| assert_eq!(queue_id, "20D4E53E714"));
}

#[test]
fn what_is_over_leaves_the_memory_at_once_and_the_store_with_the_next_changes() {
    let lines = story("1B7F053E70F", "b@good.test");
    let (last, before) = lines.split_last().unwrap();
    let (mut correlator, _) = so_far(before);
    correlator.drain_changes(|_, _, _, _, is_stored| *is_stored = true);
    let (mut correlator, _) = follow(correlator, &[last.clone(), much_later()]);
    assert_eq!(correlator.len(), 1, "only the new message");
    let changes = |correlator: &mut Correlator| {
        let mut changes = Vec::new();
        correlator.drain_changes(|_, _, queue_id, message, is_stored| {
            changes.push((queue_id.to_owned(), message.is_some(), *is_stored));
            *is_stored = message.is_some();
        });
        changes
    };
    let (over, new) = ("1B7F053E70F".to_owned(), "20D4E53E714".to_owned());
    assert_eq!(changes(&mut correlator), [(over, false, true), (new, true, false)]);
    assert_eq!(changes(&mut correlator), []);
}

/// Its key in the store is that of the new one, which must not go with the old one.
#[test]
fn what_is_over_leaves_the_store_before_what_has_its_queue_id_now_comes_there() {
    let lines = story("1B7F053E70F", "b@good.test");
    let (last, before) = lines.split_last().unwrap();
    let (mut correlator, _) = so_far(before);
    correlator.drain_changes(|_, _, _, _, is_stored| *is_stored = true);
    let same = much_later().replace("20D4E53E714", "1B7F053E70F").replace("T02:", "T03:");
    let (mut correlator, _) = follow(correlator, &[last.clone(), much_later(), same]);
    let mut changes = Vec::new();
    correlator.drain_changes(|_, _, queue_id, message, is_stored| {
        if queue_id == "1B7F053E70F" {
            changes.push((message.is_some(), *is_stored));
        }
    });
    assert_eq!(changes, [(false, true), (true, false)]);
}

/// Nobody would have removed it, and each start would have brought it back.
#[test]
fn what_is_stored_is_known_to_be_when_a_requeued_message_takes_its_place() {
    let other = log(&[BEGIN[0]])[0].replace("1B7F053E70F", "3A6B2C80000");
    let (mut correlator, _) = so_far(&[log(&[BEGIN[0]])[0].clone(), other]);
    correlator.drain_changes(|_, _, _, _, is_stored| *is_stored = true);
    let ends = log(&[
        "pickup: 1B7F053E70F: uid=0 from=<a@sender.test> orig_id=3A6B2C80000",
        "qmgr: 1B7F053E70F: removed",
    ]);
    let (mut correlator, _) = follow(correlator, &[ends, vec![much_later()]].concat());
    let mut gone = Vec::new();
    correlator.drain_changes(|_, _, queue_id, message, is_stored| {
        if message.is_none() && *is_stored {
            gone.push(queue_id.to_owned());
        }
    });
    gone.sort();
    assert_eq!(gone, ["1B7F053E70F", "3A6B2C80000"]);
}

/// The first line of another message.
fn much_later() -> String {
    log(&[BEGIN[0]])[0].replace("1B7F053E70F", "20D4E53E714").replace("T01:00:", "T02:00:")
}

/// As [`events_of`], with the state stored, dropped and restored before line `cut`.
fn events_with_restart(lines: &[String], cut: usize) -> Vec<Event> {
    events_restarted(&direction(), lines, cut)
}

/// The same, directions and streams being told so.
fn events_restarted(direction: &Direction, lines: &[String], cut: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let mut first = Correlator::new(direction.clone(), false);
    let mut reader = Reader::new(TimeZone::UTC, State::default());
    reader.read(&batch(&lines[..cut]), |line| first.step(line, &mut events));
    let mut second = Correlator::new(direction.clone(), false);
    first.drain_changes(|host, instance, queue_id, message, _| {
        if let Some(message) = message {
            let stored = postcard::to_allocvec(message).unwrap();
            second.restore(host, instance, queue_id, postcard::from_bytes(&stored).unwrap());
        }
    });
    first.drain_asides(|number, aside| {
        if let Some(aside) = aside {
            let stored = postcard::to_allocvec(aside).unwrap();
            second.restore_aside(number, postcard::from_bytes(&stored).unwrap());
        }
    });
    reader.read(&batch(&lines[cut..]), |line| second.step(line, &mut events));
    second.release_all(&mut events);
    events
}

/// A message's whole story under its own queue ID, shifted by `at` lines when interleaved.
fn story(queue_id: &str, to: &str) -> Vec<String> {
    let deferred = status(
        to,
        "dsn=4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command))",
    );
    let sent = status(to, "dsn=2.0.0, status=sent (250 Ok)");
    log(&[&BEGIN[..], &[&deferred, BEGIN[2], &sent, "qmgr: 1B7F053E70F: removed"]].concat())
        .into_iter()
        .map(|line| {
            line.replace("1B7F053E70F", queue_id)
                .replace("<1@gen.test>", &format!("<{queue_id}@gen.test>"))
        })
        .collect()
}

proptest! {
    #[test]
    fn interleaving_two_messages_changes_no_event_of_either(order in prop::collection::vec(any::<bool>(), 16)) {
        let (a, b) = (story("1B7F053E70F", "a@good.test"), story("20D4E53E714", "b@good.test"));
        let (mut left, mut right) = (a.iter(), b.iter());
        let mut mixed = Vec::new();
        for pick_left in order {
            mixed.extend(if pick_left { left.next() } else { right.next() }.cloned());
        }
        mixed.extend(left.chain(right).cloned());
        let events = events_of(&mixed);
        for lines in [&a, &b] {
            let alone = events_of(lines);
            let of_this: Vec<_> = events.iter().filter(|e| e.data.uid == alone[0].data.uid).cloned().collect();
            prop_assert_eq!(of_this, alone);
        }
    }

    #[test]
    fn no_sequence_of_real_lines_gives_a_recipient_two_finals(picks in prop::collection::vec(0usize..9, 0..40)) {
        let pool = story("1B7F053E70F", "a@good.test");
        let mut second = 0;
        let lines: Vec<String> = picks.iter().filter_map(|&pick| pool.get(pick)).map(|line| {
            second += 1;
            line.replacen("01:00:0", &format!("01:{second:02}:0"), 1)
        }).collect();
        let mut finals = std::collections::HashMap::new();
        for event in events_of(&lines) {
            if matches!(event.kind, EventType::OutboundDelivered | EventType::OutboundBounced) {
                *finals.entry((event.data.uid, event.data.to)).or_insert(0) += 1;
            }
        }
        prop_assert!(finals.values().all(|&count| count == 1));
    }
}

#[test]
fn the_parser_understands_every_line_of_these_tests() {
    for line in story("1B7F053E70F", "a@good.test") {
        assert!(matches!(Parser::new().parse(line.as_bytes()).body, Body::Postfix(_)), "{line}");
    }
}

#[test]
fn a_header_check_tells_the_subject_of_every_event() {
    let sent = status("b@good.test", "dsn=2.0.0, status=sent (250 Ok)");
    let check = "cleanup: 1B7F053E70F: info: header Subject: Hello you from localhost[127.0.0.1]; from=<a@sender.test> to=<b@good.test> proto=ESMTP helo=<h>";
    let events = events_of(&log(&[BEGIN[0], BEGIN[1], check, BEGIN[2], &sent]));
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.data.subject.as_deref(), Some("Hello you"));
    }
}

#[test]
fn a_milter_that_refuses_spam_gives_one_event_which_is_the_end() {
    let refused = "cleanup: 1B7F053E70F: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Spam message rejected; from=<a@sender.test> to=<b@good.test> proto=ESMTP helo=<h>";
    let events = events_of(&log(&[BEGIN[0], BEGIN[1], refused]));
    let [spam] = &events[..] else { panic!("{events:?}") };
    assert_eq!(spam.kind, EventType::OutboundSpam);
    assert_eq!(spam.data.action.as_deref(), Some("rejected"));
    assert_eq!(spam.data.to.as_deref(), Some("b@good.test"));
    let later = refused.replace("5.7.1 Spam message rejected", "4.7.1 Try again later");
    let events = events_of(&log(&[BEGIN[0], BEGIN[1], &later]));
    assert_eq!((events[0].kind, events[0].data.temporary), (EventType::OutboundDropped, true));
}

#[test]
fn a_header_that_is_refused_or_discarded_ends_the_message() {
    let check = |action: &str| {
        format!(
            "cleanup: 1B7F053E70F: {action}: header Subject: x from mx.far.test[192.0.2.7]; from=<a@sender.test> to=<b@lab.test> proto=ESMTP helo=<h>: 5.7.1 no"
        )
    };
    let client = "smtpd: 1B7F053E70F: client=mx.far.test[192.0.2.7]";
    assert_eq!(told(&[client, BEGIN[1], &check("reject")]), ["inbound.blocked b@lab.test"]);
    assert_eq!(told(&[client, BEGIN[1], &check("discard")]), ["inbound.dropped b@lab.test"]);
    assert_eq!(told(&[client, BEGIN[1], &check("warning")]), Vec::<String>::new());
}

#[test]
fn a_local_submission_that_a_check_refuses_is_told_by_its_bounce_alone() {
    assert_eq!(
        told(&[
            "pickup: 1B7F053E70F: uid=1000 from=<a@sender.test>",
            BEGIN[1],
            "cleanup: 1B7F053E70F: reject: header Subject: x from local; from=<a@sender.test> to=<b@good.test>: 5.7.1 no",
            "cleanup: 1B7F053E70F: to=<b@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=5.7.1, status=bounced (5.7.1 no)",
        ]),
        ["outbound.bounced b@good.test"]
    );
}

#[test]
fn a_local_submission_that_a_milter_refuses_is_told_by_its_bounce_alone() {
    let told_after = |refused: &str, next: &str| {
        told(&["pickup: 1B7F053E70F: uid=0 from=<a@sender.test>", BEGIN[1], refused, next])
    };
    let refused = "cleanup: 1B7F053E70F: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Spam message rejected; from=<a@sender.test> to=<b@good.test>";
    let bounced = "cleanup: 1B7F053E70F: to=<b@good.test>, relay=none, delay=0.07, delays=0.07/0/0/0, dsn=5.7.1, status=bounced (Spam message rejected)";
    assert_eq!(told_after(refused, bounced), ["outbound.bounced b@good.test"]);
    let discarded = refused
        .replace("milter-reject", "milter-discard")
        .replace("5.7.1 Spam message rejected", "milter triggers DISCARD action");
    assert_eq!(
        told_after(&discarded, "smtpd: disconnect from x[192.0.2.7]"),
        ["outbound.dropped b@good.test"]
    );
}

#[test]
fn a_milter_that_refuses_ehlo_is_told_once_with_mail() {
    let ehlo = "smtpd: NOQUEUE: milter-reject: EHLO from localhost[127.0.0.1]: 550 5.7.1 Command rejected; proto=SMTP helo=<h>";
    let mail = "smtpd: NOQUEUE: milter-reject: MAIL from localhost[127.0.0.1]: 550 5.7.1 Command rejected; from=<a@sender.test> proto=ESMTP helo=<h>";
    assert_eq!(told(&[ehlo, mail]), ["outbound.dropped "]);
    // With 421 the client is sent away at once.
    let away = ehlo.replace("550 5.7.1", "421 4.7.0");
    assert_eq!(told(&[&away]), ["outbound.dropped "]);
}

#[test]
fn a_message_with_too_many_hops_is_refused_with_the_recipient_that_is_known() {
    assert_eq!(
        told(&[
            BEGIN[0],
            "cleanup: 1B7F053E70F: info: header From: a from localhost[127.0.0.1]; from=<a@sender.test> to=<b@good.test> proto=ESMTP",
            "cleanup: warning: 1B7F053E70F: message rejected: hopcount exceeded",
        ]),
        ["outbound.dropped b@good.test"]
    );
}

#[test]
fn a_client_beyond_its_rate_is_blocked_for_now() {
    let events = events_of(&log(&[
        "smtpd: warning: Connection rate limit exceeded: 5 from x.test[192.0.2.1] for service smtp",
    ]));
    let [blocked] = &events[..] else { panic!("{events:?}") };
    assert_eq!((blocked.kind, blocked.data.temporary), (EventType::InboundBlocked, true));
    assert_eq!(blocked.data.smtp_code, Some(421));
}

#[test]
fn postsuper_that_deletes_all_names_nothing_and_drops_everything() {
    let deferred = unreachable();
    assert_eq!(
        after_begin(&[&deferred, "postsuper: Deleted: 1 message"]).last().unwrap(),
        "outbound.dropped b@good.test"
    );
    assert_eq!(after_begin(&[&deferred, "postsuper: Deleted: 5 messages"]).len(), 2);
    assert_eq!(
        after_begin(&[
            &deferred,
            "postsuper: 1B7F053E70F: removed",
            "postsuper: Deleted: 1 message"
        ])
        .len(),
        3
    );
}

#[test]
fn what_a_filter_swallows_behind_a_250_is_spam_or_a_virus() {
    let swallowed = |words: &str| {
        format!(
            "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=1-2 - {words})"
        )
    };
    assert_eq!(after_begin(&[&swallowed("spam")])[1], "outbound.spam b@good.test");
    assert_eq!(after_begin(&[&swallowed("INFECTED: Eicar")])[1], "outbound.virus b@good.test");
    assert_eq!(after_begin(&[&swallowed("BANNED: x.exe")])[1], "outbound.dropped b@good.test");
    let refused = "smtp: 1B7F053E70F: to=<b@good.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=5.7.0, status=bounced (host 127.0.0.1[127.0.0.1] said: 554 5.7.0 Reject, id=1-2 - spam (in reply to end of DATA command))";
    assert_eq!(after_begin(&[refused])[1], "outbound.spam b@good.test");
}

/// The lines of one host, of which those that begin with `null/` are another instance's.
fn two_instances(texts: &[&str]) -> Vec<String> {
    let plain: Vec<_> = texts.iter().map(|text| text.trim_start_matches("null/")).collect();
    let lines = log(&plain).into_iter().zip(texts);
    lines
        .map(|(line, text)| match text.strip_prefix("null/") {
            Some(_) => line.replacen("postfix/", "postfix-null/", 1),
            None => line,
        })
        .collect()
}

/// A DSN that a null client hands to the instance that delivers was once mail of its own.
#[test]
fn what_another_instance_wrote_itself_gives_no_event() {
    let lines = two_instances(&[
        "null/cleanup: 4jWvTQ0N5Bz1TBqM: message-id=<4jWvTQ0N5Bz1TBqM@null.lab.test>",
        "null/bounce: 4jWvTQ0HSqz1TBq4: sender non-delivery notification: 4jWvTQ0N5Bz1TBqM",
        "null/qmgr: 4jWvTQ0N5Bz1TBqM: from=<>, size=2310, nrcpt=1 (queue active)",
        "smtpd: 0E5D69A42F3: client=unknown[127.0.0.5]",
        "cleanup: 0E5D69A42F3: message-id=<4jWvTQ0N5Bz1TBqM@null.lab.test>",
        "null/smtp: 4jWvTQ0N5Bz1TBqM: to=<bob@lab.test>, relay=127.0.0.1[127.0.0.1]:25, delay=0.01, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 0E5D69A42F3)",
        "qmgr: 0E5D69A42F3: from=<>, size=2475, nrcpt=1 (queue active)",
        "local: 0E5D69A42F3: to=<bob@lab.test>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
    ]);
    assert_eq!(events_of(&lines), []);
    for cut in 0..lines.len() {
        assert_eq!(events_with_restart(&lines, cut), [], "restart before line {cut}");
    }
    // The null sender alone is no proof.
    let stranger = [&lines[3..5], &lines[6..]].concat();
    assert_eq!(events_of(&stranger).len(), 2);
}

/// What one instance refused of another was once an end beside the other's.
#[test]
fn a_recipient_that_another_instance_refuses_ends_once() {
    let lines = two_instances(&[
        "null/pickup: 4jWvTQ0HSqz1TBq4: uid=0 from=<bob@lab.test>",
        "null/cleanup: 4jWvTQ0HSqz1TBq4: message-id=<8@gen.test>",
        "null/qmgr: 4jWvTQ0HSqz1TBq4: from=<bob@lab.test>, size=329, nrcpt=1 (queue active)",
        "smtpd: NOQUEUE: reject: RCPT from unknown[127.0.0.5]: 550 5.1.1 <nosuch@lab.test>: Recipient address rejected: User unknown in local recipient table; from=<bob@lab.test> to=<nosuch@lab.test> proto=ESMTP helo=<null.lab.test>",
        "null/smtp: 4jWvTQ0HSqz1TBq4: to=<nosuch@lab.test>, relay=127.0.0.1[127.0.0.1]:25, delay=0.02, delays=0.01/0/0/0.01, dsn=5.1.1, status=bounced (host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <nosuch@lab.test>: Recipient address rejected: User unknown in local recipient table (in reply to RCPT TO command))",
    ]);
    let named = |lines: &[String]| -> Vec<&'static str> {
        events_of(lines).iter().map(|event| event.kind.name()).collect()
    };
    assert_eq!(named(&lines), ["outbound.queued", "outbound.bounced"]);
    // Each status line tells of one refusal, and what has none is told by itself.
    assert_eq!(named(&lines[..4]), ["inbound.blocked"]);
    let again = lines[3].replace("01:00:03.0", "01:00:03.1");
    let twice = [&lines[..4], &[again], &lines[4..]].concat();
    assert_eq!(named(&twice), ["outbound.queued", "outbound.bounced", "inbound.blocked"]);
    let another = lines[3].replace("nosuch@", "other@");
    let both = [&lines[..4], &[another], &lines[4..]].concat();
    assert_eq!(named(&both), ["outbound.queued", "outbound.bounced", "inbound.blocked"]);
    for cut in 0..lines.len() {
        assert_eq!(events_with_restart(&lines, cut), events_of(&lines), "restart before {cut}");
    }
}
