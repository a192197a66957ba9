//! The traps of correlation, one by one: what lures a reader of Postfix's log into a wrong story.
//!
//! Numbered as in the parser reference (§13). Traps of the grammar are in the parsers' `traps.rs`
//! (12–15, 17, 18), rotation (11) is in `source/file/tests.rs`.

use super::*;

/// The lines of a story, `seconds` later each than the one before it.
fn log_every(seconds: usize, texts: &[&str]) -> Vec<String> {
    let at =
        |hour: usize, second: usize| format!("T{hour:02}:{:02}:{:02}.", second / 60, second % 60);
    let later =
        |(place, line): (usize, String)| line.replacen(&at(1, place), &at(2, place * seconds), 1);
    log(texts).into_iter().enumerate().map(later).collect()
}

fn kinds_and_recipients(events: &[Event]) -> Vec<(EventType, String)> {
    let of = |event: &Event| (event.kind, event.data.to.clone().unwrap_or_default().into());
    events.iter().map(of).collect()
}

fn sent(to: &str) -> String {
    status(to, "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)")
}

fn deferred(to: &str) -> String {
    status(
        to,
        "dsn=4.3.0, status=deferred (host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command))",
    )
}

fn bounced(to: &str) -> String {
    status(
        to,
        "dsn=5.1.1, status=bounced (host mx1.good.test[127.0.1.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))",
    )
}

const REMOVED: &str = "qmgr: 1B7F053E70F: removed";

/// The daemons write through sockets of their own.
#[test]
fn trap_13_1_lines_of_different_daemons_swap_places() {
    let gone =
        "smtpd: disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5";
    let sent = sent("b@good.test");
    let orders = [
        [BEGIN[0], BEGIN[1], BEGIN[2], gone],
        [BEGIN[0], BEGIN[1], gone, BEGIN[2]],
        [BEGIN[0], gone, BEGIN[1], BEGIN[2]],
        [BEGIN[0], BEGIN[2], BEGIN[1], gone],
        [BEGIN[1], BEGIN[0], BEGIN[2], gone],
    ];
    for order in orders {
        let events = events_of(&log_every(0, &[&order[..], &[&sent, REMOVED]].concat()));
        let expected = [EventType::OutboundQueued, EventType::OutboundDelivered]
            .map(|kind| (kind, "b@good.test".to_owned()));
        assert_eq!(kinds_and_recipients(&events), expected, "{order:?}");
        assert_eq!(events[0].data.uid, events[1].data.uid, "{order:?}");
        assert_eq!(events[1].data.message_id.as_deref(), Some("<1@gen.test>"), "{order:?}");
        assert!(!events[1].data.incomplete, "{order:?}");
    }
}

/// The client has not been told that its message was taken.
#[test]
fn trap_13_3_a_client_without_a_message_id_has_sent_nothing() {
    assert_eq!(told(&[BEGIN[0]]), [""; 0]);
    // Its queue ID is the next message's.
    let sent = sent("b@good.test");
    assert_eq!(
        told(&[&[BEGIN[0], BEGIN[0]], &BEGIN[1..], &[&sent]].concat()),
        ["outbound.queued b@good.test", "outbound.delivered b@good.test"]
    );
}

#[test]
fn trap_13_3_a_refusal_at_the_end_of_the_data_precedes_the_message_id() {
    let refused = "smtpd: 1B7F053E70F: reject: END-OF-MESSAGE from localhost[127.0.0.1]: 554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied; from=<a@sender.test> proto=ESMTP helo=<h>";
    assert_eq!(told(&[BEGIN[0], refused, BEGIN[1]]), ["outbound.dropped "]);
}

#[test]
fn trap_13_3_a_message_that_is_too_large_is_refused_by_a_warning_alone() {
    let too_large = "smtpd: warning: 1B7F053E70F: queue file size limit exceeded";
    assert_eq!(told(&[BEGIN[0], BEGIN[1], too_large]), ["outbound.dropped "]);
}

/// Through a relay of syslog, the lines of two daemons may come in any order.
#[test]
fn trap_13_4_removed_may_overtake_the_last_status() {
    let sent = sent("b@good.test");
    let events = events_of(&log_every(20, &[&BEGIN[..], &[REMOVED, &sent]].concat()));
    assert_eq!(kinds_and_recipients(&events).len(), 2, "{events:?}");
    assert_eq!(events[1].kind, EventType::OutboundDelivered);
    assert_eq!(events[0].data.uid, events[1].data.uid);
    assert_eq!(events[1].data.from.as_deref(), Some("a@sender.test"));
}

#[test]
fn trap_13_4_the_lines_of_a_notification_lie_before_removed() {
    let bounced = bounced("b@good.test");
    assert_eq!(
        after_begin(&[
            &bounced,
            "cleanup: 3DBF552E14A: message-id=<20261121@mx.lab.test>",
            "bounce: 1B7F053E70F: sender non-delivery notification: 3DBF552E14A",
            "qmgr: 3DBF552E14A: from=<>, size=2000, nrcpt=1 (queue active)",
            REMOVED,
            "smtp: 3DBF552E14A: to=<a@sender.test>, relay=mx.sender.test[127.0.1.3]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
            "qmgr: 3DBF552E14A: removed",
        ]),
        ["outbound.queued b@good.test", "outbound.bounced b@good.test"]
    );
}

#[test]
fn trap_13_5_every_way_to_begin_begins_another_message_under_an_old_queue_id() {
    let (first, second) = (sent("b@good.test"), sent("c@good.test"));
    let once = [&BEGIN[..], &[&first, REMOVED]].concat();
    let ways: [&[&str]; 3] = [
        &BEGIN,
        &["pickup: 1B7F053E70F: uid=1000 from=<a@sender.test>", BEGIN[1], BEGIN[2]],
        &["cleanup: 1B7F053E70F: message-id=<2@gen.test>", BEGIN[2]],
    ];
    for way in ways {
        let events = events_of(&log(&[&once[..], way, &[&*second]].concat()));
        let [_, first, .., second] = &events[..] else { panic!("{way:?}: {events:?}") };
        assert_eq!(
            (first.data.to.as_deref(), second.data.to.as_deref()),
            (Some("b@good.test"), Some("c@good.test"))
        );
        assert_ne!(first.data.uid, second.data.uid, "{way:?}");
    }
}

#[test]
fn trap_13_5_a_second_client_is_another_message_when_removed_was_lost() {
    let (first, second) = (sent("b@good.test"), sent("c@good.test"));
    let events = events_of(&log(&[&BEGIN[..], &[&first], &BEGIN, &[&second]].concat()));
    let [_, first, _, second] = &events[..] else { panic!("{events:?}") };
    assert_ne!(first.data.uid, second.data.uid);
}

/// `nrcpt` stays what it was when a message is tried again.
#[test]
fn trap_13_6_each_recipient_has_a_story_of_its_own() {
    let begin = [
        BEGIN[0],
        BEGIN[1],
        "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=3 (queue active)",
    ];
    let (a, b, c) = (sent("a@good.test"), deferred("b@good.test"), deferred("c@good.test"));
    let (b_end, c_end) = (bounced("b@good.test"), sent("c@good.test"));
    assert_eq!(
        told(
            &[&begin[..], &[&a, &b, &c, begin[2], &c, &b_end, begin[2], &c_end, REMOVED]].concat()
        ),
        [
            "outbound.queued a@good.test",
            "outbound.delivered a@good.test",
            "outbound.queued b@good.test",
            "outbound.deferred b@good.test",
            "outbound.queued c@good.test",
            "outbound.deferred c@good.test",
            "outbound.deferred c@good.test",
            "outbound.bounced b@good.test",
            "outbound.delivered c@good.test",
        ]
    );
}

/// cleanup drops duplicates, so `nrcpt` may be smaller than what the client named.
#[test]
fn trap_13_7_recipients_of_one_transaction_share_one_answer_in_any_order() {
    let begin = [
        BEGIN[0],
        BEGIN[1],
        "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=2 (queue active)",
    ];
    let (a, b) = (sent("a@good.test"), sent("b@good.test"));
    for order in [[&*a, &*b], [&*b, &*a]] {
        let events = events_of(&log(&[&begin[..], &order, &[REMOVED]].concat()));
        let ids: std::collections::HashSet<_> = events.iter().map(|event| event.id).collect();
        assert_eq!((events.len(), ids.len()), (4, 4), "{events:?}");
    }
}

#[test]
fn trap_13_8_the_delay_of_a_later_attempt_counts_from_the_arrival() {
    let late = sent("b@good.test")
        .replace("delay=0.2, delays=0.1/0/0/0.1", "delay=301, delays=300/0.1/0.4/0.5");
    let first = deferred("b@good.test");
    let events = events_of(&log(&[&BEGIN[..], &[&first, BEGIN[2], &late]].concat()));
    let last = &events.last().unwrap().data;
    assert_eq!((last.attempt, last.delay_us), (Some(2), Some(301_000_000)));
}

/// A delivery that a restart interrupted logs nothing; it may be made twice.
#[test]
fn trap_13_9_a_restart_queues_nothing_anew_and_a_second_delivery_ends_nothing_twice() {
    let sent = sent("b@good.test");
    let restart = "master: terminating on signal 15";
    let started = "master: daemon started -- version 3.7.11, configuration /etc/postfix";
    assert_eq!(
        after_begin(&[
            restart, started, BEGIN[2], &sent, restart, started, BEGIN[2], &sent, REMOVED
        ]),
        ["outbound.queued b@good.test", "outbound.delivered b@good.test"]
    );
}

/// Every line of these stories has the same PID.
#[test]
fn trap_13_10_one_process_serves_many_messages() {
    let (mine, other) =
        (sent("b@good.test"), sent("c@good.test").replace("1B7F053E70F", "20D4E53E714"));
    let begin = BEGIN.map(|line| line.replace("1B7F053E70F", "20D4E53E714").replace("<1@", "<2@"));
    let lines = [BEGIN[0], &begin[0], BEGIN[1], &begin[1], BEGIN[2], &begin[2], &other, &mine];
    let events = events_of(&log(&lines));
    let of_b: Vec<_> =
        events.iter().filter(|e| e.data.to.as_deref() == Some("b@good.test")).collect();
    assert_eq!((events.len(), of_b.len()), (4, 2));
    assert!(of_b.iter().all(|event| event.data.queue_id.as_deref() == Some("1B7F053E70F")));
    assert!(of_b.iter().all(|event| event.data.message_id.as_deref() == Some("<1@gen.test>")));
}

/// What was lost gives no event, and what comes behind it is told, as far as it is known.
#[test]
fn trap_13_12_a_gap_invents_nothing_and_ends_nothing() {
    let sent = sent("b@good.test");
    let lines = log(&[BEGIN[0], BEGIN[1], "x: y", &sent, REMOVED]);
    let gap = |line: String| {
        line.replace(
            "postfix/x[9]: y",
            "rsyslogd: imuxsock lost 12 messages from pid 9 due to rate-limiting",
        )
    };
    let lines: Vec<_> = lines.into_iter().map(gap).collect();
    let events = events_of(&lines);
    assert_eq!(
        kinds_and_recipients(&events),
        [(EventType::OutboundDelivered, "b@good.test".to_owned())]
    );
}

#[test]
fn trap_13_15_texts_of_strangers_are_bounded_and_printable() {
    let long = "x".repeat(1500);
    // cleanup prints at most 200 bytes of what it checked.
    let cut = "x".repeat(190);
    let lines = [
        &*format!(
            "smtpd: 1B7F053E70F: client=localhost[127.0.0.1], sasl_method=PLAIN, sasl_username=u\u{7f}{long}"
        ),
        &*format!("cleanup: 1B7F053E70F: message-id=<\u{1b}[31m{long}@gen.test>"),
        &*format!(
            "cleanup: 1B7F053E70F: info: header Subject: \t{cut} from localhost[127.0.0.1]; from=<a@sender.test> to=<b@good.test> proto=ESMTP helo=<h\u{1}>"
        ),
        BEGIN[2],
        &*sent("b@good.test"),
    ];
    for event in events_of(&log(&lines)) {
        let data = &event.data;
        for text in [&data.user, &data.message_id, &data.subject] {
            let text = text.as_deref().unwrap();
            assert!((100..=998).contains(&text.len()), "{}", text.len());
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}

/// Each failure of an expanded alias is told to the sender by a notification of its own.
#[test]
fn trap_13_16_recipients_that_fail_at_different_times_have_notifications_of_their_own() {
    let begin = [
        BEGIN[0],
        BEGIN[1],
        "qmgr: 1B7F053E70F: from=<a@sender.test>, size=369, nrcpt=2 (queue active)",
    ];
    let alias = |line: String| line.replace(">, relay", ">, orig_to=<team@lab.test>, relay");
    let (first, later, last) = (
        alias(bounced("a@good.test")),
        alias(deferred("b@good.test")),
        alias(bounced("b@good.test")),
    );
    let notified = |child: &str| {
        [
            format!("cleanup: {child}: message-id=<{child}@mx.lab.test>"),
            format!("qmgr: {child}: from=<>, size=2000, nrcpt=1 (queue active)"),
            format!("bounce: 1B7F053E70F: sender non-delivery notification: {child}"),
            format!(
                "smtp: {child}: to=<a@sender.test>, relay=mx.sender.test[127.0.1.3]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)"
            ),
            format!("qmgr: {child}: removed"),
        ]
    };
    let (one, two) = (notified("3DBF552E14A"), notified("4DBF552E14B"));
    let mut lines: Vec<&str> = begin.to_vec();
    lines.extend([&*first, &*later]);
    lines.extend(one.iter().map(String::as_str));
    lines.extend([begin[2], &*last]);
    lines.extend(two.iter().map(String::as_str));
    lines.push(REMOVED);
    assert_eq!(
        told(&lines),
        [
            "outbound.queued team@lab.test",
            "outbound.bounced a@good.test",
            "outbound.deferred b@good.test",
            "outbound.bounced b@good.test",
        ]
    );
}

#[test]
fn trap_13_17_a_notification_of_delay_is_no_bounce() {
    let deferred = deferred("b@good.test");
    assert_eq!(
        after_begin(&[
            &deferred,
            "cleanup: 3DBF552E14A: message-id=<20261121@mx.lab.test>",
            "qmgr: 3DBF552E14A: from=<>, size=2000, nrcpt=1 (queue active)",
            "bounce: 1B7F053E70F: sender delay notification: 3DBF552E14A",
            "smtp: 3DBF552E14A: to=<a@sender.test>, relay=mx.sender.test[127.0.1.3]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Ok)",
            "qmgr: 3DBF552E14A: removed",
        ]),
        ["outbound.queued b@good.test", "outbound.deferred b@good.test"]
    );
}

/// A list server sends each subscriber's copy by itself, and the filter names no original queue ID.
#[test]
fn copies_with_one_message_id_go_through_a_filter_each_with_its_own_story() {
    let begin = |queue_id: &str, client: &str| {
        [
            format!("smtpd[{}]: {queue_id}: client={client}", queue_id.len() + client.len()),
            format!("cleanup: {queue_id}: message-id=<1@list.test>"),
            format!("qmgr: {queue_id}: from=<a@list.test>, size=369, nrcpt=1 (queue active)"),
        ]
    };
    let handed = |queue_id: &str, to: &str, next: &str| {
        format!(
            "smtp: {queue_id}: to=<{to}>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {next})"
        )
    };
    let end = |queue_id: &str, to: &str| {
        format!(
            "smtp: {queue_id}: to=<{to}>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)"
        )
    };
    let (list, here) = ("lists.test[192.0.2.7]", "localhost[127.0.0.1]");
    let (a, b) = ("1AAAA53E70F", "1BBBB53E70F");
    let (next_a, next_b) = ("2AAAA53E70F", "2BBBB53E70F");
    let ends = [
        handed(a, "a@good.test", next_a),
        end(next_a, "a@good.test"),
        handed(b, "b@good.test", next_b),
        end(next_b, "b@good.test"),
    ];
    for first in [0, 2] {
        let mut lines =
            [begin(a, list), begin(b, list), begin(next_a, here), begin(next_b, here)].concat();
        lines.extend_from_slice(&ends[first..]);
        lines.extend_from_slice(&ends[..first]);
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let events = events_of(&log_every(0, &lines));
        let mut told = kinds_and_recipients(&events);
        told.sort_by_key(|(kind, to)| (kind.name(), to.clone()));
        let expected = [
            (EventType::InboundDelivered, "a@good.test".to_owned()),
            (EventType::InboundDelivered, "b@good.test".to_owned()),
            (EventType::InboundReceived, "a@good.test".to_owned()),
            (EventType::InboundReceived, "b@good.test".to_owned()),
        ];
        assert_eq!(told, expected, "{events:#?}");
        let uid = |kind, to: &str| {
            let is_it = |event: &&Event| event.kind == kind && event.data.to.as_deref() == Some(to);
            events.iter().find(is_it).map(|event| event.data.uid)
        };
        for to in ["a@good.test", "b@good.test"] {
            let both = [EventType::InboundReceived, EventType::InboundDelivered];
            assert_eq!(uid(both[0], to), uid(both[1], to), "{to}");
        }
    }
}

/// `XFORWARD`, and the parent is in the queue of the other instance.
#[test]
fn a_second_instance_that_is_told_the_client_goes_on_with_the_story() {
    let lines = [
        "postfix/smtpd[1]: 97C0A53F4D6: client=far.test[192.0.2.7]",
        "postfix/cleanup[2]: 97C0A53F4D6: message-id=<1@far.test>",
        "postfix/qmgr[3]: 97C0A53F4D6: from=<a@far.test>, size=369, nrcpt=1 (queue active)",
        "postfix-out/smtpd[4]: 4jWZW111YNznRCZ: client=localhost[127.0.0.1], orig_queue_id=97C0A53F4D6, orig_client=far.test[192.0.2.7]",
        "postfix-out/cleanup[5]: 4jWZW111YNznRCZ: message-id=<1@far.test>",
        "postfix-out/qmgr[6]: 4jWZW111YNznRCZ: from=<a@far.test>, size=400, nrcpt=1 (queue active)",
        "postfix/smtp[7]: 97C0A53F4D6: to=<b@lab.test>, relay=127.0.0.1[127.0.0.1]:10026, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4jWZW111YNznRCZ)",
        "postfix-out/lmtp[8]: 4jWZW111YNznRCZ: to=<b@lab.test>, relay=mx.lab.test[private/lmtp], delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    ]
    .map(|line| format!("2026-11-21T01:00:00.000000+00:00 mx {line}"));
    let events = events_of(&lines);
    let expected = [
        (EventType::InboundReceived, "b@lab.test".to_owned()),
        (EventType::InboundDelivered, "b@lab.test".to_owned()),
    ];
    assert_eq!(kinds_and_recipients(&events), expected);
    assert_eq!(events[0].data.uid, events[1].data.uid);
}

#[test]
fn a_filter_in_a_container_that_tells_the_queue_id_goes_on_with_the_story() {
    let lines = [
        &BEGIN[..],
        &[
            "smtpd: 20D4E53E714: client=filter[172.18.0.3], orig_queue_id=1B7F053E70F, orig_client=localhost[127.0.0.1]",
            "cleanup: 20D4E53E714: message-id=<1@gen.test>",
            "qmgr: 20D4E53E714: from=<a@sender.test>, size=369, nrcpt=1 (queue active)",
            "smtp: 1B7F053E70F: to=<b@good.test>, relay=172.18.0.3[172.18.0.3]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 20D4E53E714)",
            "smtp: 20D4E53E714: to=<b@good.test>, relay=mx1.good.test[127.0.1.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
        ],
    ]
    .concat();
    assert_eq!(told(&lines), ["outbound.queued b@good.test", "outbound.delivered b@good.test"]);
}

/// rsyslog cuts the name of the daemon away, so that postsuper's lines look like qmgr's.
#[test]
fn a_deletion_by_a_process_without_a_name_is_no_other_messages_end() {
    let line = |pid: u32, text: &str| {
        format!("<22>1 2026-11-21T01:00:00.000000+00:00 mx postfix {pid} - -  {text}")
    };
    let begin = |queue_id: &str| {
        [
            line(1, &format!("{queue_id}: client=localhost[127.0.0.1]")),
            line(2, &format!("{queue_id}: message-id=<{queue_id}@gen.test>")),
            line(3, &format!("{queue_id}: from=<a@sender.test>, size=369, nrcpt=1 (queue active)")),
        ]
    };
    let mut lines = [begin("97C0A53F4D6"), begin("1B7F053E70F")].concat();
    lines.push(line(9, "97C0A53F4D6: removed"));
    lines.push(line(9, "Deleted: 1 message"));
    assert!(events_of(&lines).is_empty(), "{:#?}", events_of(&lines));
    lines.truncate(6);
    lines.push(line(9, "Deleted: 2 messages"));
    assert_eq!(events_of(&lines).len(), 2, "all there are");
}

#[test]
fn a_client_that_hung_up_does_not_hide_that_an_operator_deleted_all() {
    let ghost = "smtpd: 20D4E53E714: client=far.test[192.0.2.7]";
    let lines = [&[ghost], &BEGIN[..], &["postsuper: Deleted: 1 message"]].concat();
    assert_eq!(told(&lines), ["outbound.dropped "]);
}

/// Postfix names the socket without a slash at its head (`src/smtp/smtp_connect.c`).
#[test]
fn a_message_without_a_beginning_that_goes_to_a_mailbox_here_is_inbound() {
    for (daemon, relay) in
        [("lmtp", "mx.lab.test[private/dovecot-lmtp]"), ("lmtp", "10.0.0.3[10.0.0.3]:24")]
    {
        let line = format!(
            "{daemon}: 97C0A53F4D6: to=<b@vbox.test>, relay={relay}, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 <b@vbox.test> S Saved)"
        );
        assert_eq!(told(&[&line]), ["inbound.delivered b@vbox.test"], "{relay}");
    }
}

#[test]
fn a_refusal_of_postscreen_names_the_lists_behind_it() {
    let listed =
        |domain: &str| format!("dnsblog: addr 192.0.2.1 listed by domain {domain} as 127.0.0.2");
    let refused = "postscreen: NOQUEUE: reject: RCPT from [192.0.2.1]:4567: 550 5.7.1 Service unavailable; client [192.0.2.1] blocked using b.test; from=<s@a.test>, to=<b@lab.test>, proto=ESMTP, helo=<a>";
    let (secret, plain) = (listed("abcdefghij0123456789klmnop.a.test"), listed("b.test"));
    let lines = [&*secret, &*plain, &*plain, refused, refused];
    let events = events_of(&log(&lines));
    assert_eq!(events.len(), 2, "{events:#?}");
    for event in &events {
        let data = &event.data;
        assert_eq!(data.rules.as_deref(), Some("a.test,b.test"), "and no key of the operator's");
        assert_eq!(data.engine.as_deref(), Some("dnsblog"));
    }
    let other = refused.replace("blocked using b.test", "Protocol error");
    assert_eq!(events_of(&log(&[&plain, &other]))[0].data.rules, None);
}

/// `local/unknown.c`; `qmgr_message.c`.
#[test]
fn mail_that_is_sent_nowhere_is_dropped_and_a_notice_that_nobody_reads_is_no_event() {
    let sent = |daemon: &str, fields: &str, text: &str| {
        format!(
            "{daemon}: 4E2D1A0C64: {fields}, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent ({text})"
        )
    };
    let discarded = sent("local", "to=<postmaster@mx.test>, relay=local", "discarded");
    let events = events_of(&log(&[&discarded]));
    assert_eq!(events.last().map(|event| event.kind), Some(EventType::InboundDropped));
    let said = "undeliverable postmaster notification discarded";
    let sunk = sent("qmgr", "to=<double-bounce@mx.test>, relay=none", said);
    assert_eq!(events_of(&log(&[&sunk])).len(), 0);
}

/// Such a host would end all messages of the others as silent, and all waiting for good.
#[test]
fn a_host_whose_clock_is_years_ahead_ends_no_story_of_others() {
    let story = log_every(1, &[BEGIN[0], BEGIN[1], BEGIN[2], &sent("b@good.test"), REMOVED]);
    let ahead = "2036-02-07T06:28:16.000000+00:00 far postfix/qmgr[7]: 4A5B6C7D8E: removed";
    let expected = events_of(&story);
    assert_eq!(expected.len(), 2);
    for place in 0..=story.len() {
        let mut lines = story.clone();
        lines.insert(place, ahead.to_owned());
        let (correlator, mut events) = so_far(&lines);
        assert_eq!(events.len(), 2, "told at once");
        assert_eq!(
            correlator.horizon_us,
            "2026-11-22T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond()
        );
        events.extend(ended((correlator, Vec::new())));
        assert_eq!(events, expected, "{place}");
    }
}
