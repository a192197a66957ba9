//! Messages that go on under another queue ID: requeued, filtered, forwarded, handed to another
//! instance, also where lines are missing or swapped.

use super::*;

const IN: [&str; 3] = [
    "smtpd: 1A2B3C4D5E: client=mail.far.test[192.0.2.1]",
    "cleanup: 1A2B3C4D5E: message-id=<1@far.test>",
    "qmgr: 1A2B3C4D5E: from=<s@far.test>, size=369, nrcpt=1 (queue active)",
];

fn sent(queue_id: &str, daemon: &str, fields: &str, text: &str) -> String {
    format!(
        "{daemon}: {queue_id}: to=<{fields}, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent ({text})"
    )
}

fn deferred(queue_id: &str) -> String {
    format!(
        "lmtp: {queue_id}: to=<a@lab.test>, relay=none, delay=0.2, delays=0.1/0/0/0.1, dsn=4.4.1, \
        status=deferred (connect to mx.lab.test[private/lmtp]: Connection refused)"
    )
}

/// What a filter that listens there answers when the message goes on under that queue ID.
fn handed_over(queue_id: &str, address: &str, next: &str) -> String {
    let fields = format!("a@lab.test>, relay=filter[{address}]:10024");
    sent(queue_id, "smtp", &fields, &format!("250 2.0.0 Ok: queued as {next}"))
}

fn saved(queue_id: &str) -> String {
    let fields = "a@lab.test>, relay=mx.lab.test[private/lmtp]";
    sent(queue_id, "lmtp", fields, "250 2.0.0 Saved")
}

/// What local(8) forwarded leaves.
fn out(original: &str) -> String {
    let fields = format!("x@gm.test>, orig_to=<{original}>, relay=mx.gm.test[203.0.113.9]:25");
    sent("2A2B3C4D52", "smtp", &fields, "250 ok")
}

/// The lines of a message, as a daemon other than smtpd begins it under a new ID.
fn again(queue_id: &str, first: &str) -> Vec<String> {
    let [_, message_id, active] = IN.map(|line| line.replace("1A2B3C4D5E", queue_id));
    vec![format!("{first}"), message_id, active]
}

/// The same lines with other words in them.
fn with(lines: &[String], old: &str, new: &str) -> Vec<String> {
    lines.iter().map(|line| line.replace(old, new)).collect()
}

fn all(parts: &[&[String]]) -> Vec<String> {
    log(&parts.concat().iter().map(String::as_str).collect::<Vec<_>>())
}

fn begin() -> Vec<String> {
    IN.map(str::to_owned).to_vec()
}

/// Type and recipient of each event, which all must have one uid, at whatever line the reader was
/// started anew.
#[track_caller]
fn one_story(lines: &[String]) -> Vec<String> {
    let events = events_of(lines);
    assert!(events.iter().all(|event| event.data.uid == events[0].data.uid), "{events:#?}");
    for cut in 0..lines.len() {
        assert_eq!(events_with_restart(lines, cut), events, "restart before line {cut}");
    }
    let name = |event: &Event| {
        let incomplete = if event.data.incomplete { " incomplete" } else { "" };
        format!("{} {}{incomplete}", event.kind.name(), event.data.to.as_deref().unwrap_or("-"))
    };
    events.iter().map(name).collect()
}

const TOLD: [&str; 2] = ["inbound.received a@lab.test", "inbound.delivered a@lab.test"];

#[test]
fn what_was_requeued_behind_a_filter_goes_on_with_its_story() {
    let filtered = again(
        "2A2B3C4D52",
        "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1], orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]",
    );
    let requeued =
        again("3A2B3C4D52", "pickup: 3A2B3C4D52: uid=106 from=<s@far.test> orig_id=2A2B3C4D52");
    let lines = all(&[
        &begin(),
        &filtered,
        &[handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52"), deferred("2A2B3C4D52")],
        &requeued,
        &[saved("3A2B3C4D52")],
    ]);
    let [received, delivered] = TOLD;
    assert_eq!(one_story(&lines), [received, "inbound.deferred a@lab.test", delivered]);
    assert_eq!(events_of(&lines)[2].data.attempt, Some(2));
}

#[test]
fn a_requeued_message_keeps_its_uid_among_others_with_its_message_id() {
    let rival = with(&begin(), "1A2B3C4D5E", "1A2B3C4D5F");
    let requeued =
        again("3A2B3C4D52", "pickup: 3A2B3C4D52: uid=106 from=<s@far.test> orig_id=1A2B3C4D5E");
    let lines = all(&[
        &begin(),
        &[deferred("1A2B3C4D5E")],
        &rival,
        &[deferred("1A2B3C4D5F")],
        &requeued,
        &[saved("3A2B3C4D52")],
    ]);
    let events = events_of(&lines);
    let delivered = events.last().unwrap();
    assert_eq!(delivered.kind, EventType::InboundDelivered);
    assert_eq!(delivered.data.uid, events[0].data.uid, "{events:#?}");
}

#[test]
fn a_recipient_is_not_forgotten_when_its_message_is_requeued() {
    let requeued = [
        "pickup: 3A2B3C4D52: uid=106 from=<s@far.test> orig_id=1A2B3C4D5E".to_owned(),
        "cleanup: 3A2B3C4D52: message-id=<1@far.test>".to_owned(),
        "postsuper: 3A2B3C4D52: removed".to_owned(),
    ];
    let lines = all(&[&begin(), &[deferred("1A2B3C4D5E")], &requeued]);
    let dropped = "inbound.dropped a@lab.test";
    assert_eq!(one_story(&lines)[1..], ["inbound.deferred a@lab.test", dropped]);
}

#[test]
fn a_requeued_message_whose_beginning_is_missing_is_no_new_submission() {
    let requeued =
        again("3A2B3C4D52", "pickup: 3A2B3C4D52: uid=106 from=<s@far.test> orig_id=2A2B3C4D52");
    let lines = all(&[&requeued, &[saved("3A2B3C4D52")]]);
    assert_eq!(one_story(&lines), ["inbound.delivered a@lab.test incomplete"]);
    assert_eq!(events_of(&lines)[0].data.user, None);
    let notice = with(&requeued, "s@far.test", "");
    assert_eq!(one_story(&all(&[&notice, &[saved("3A2B3C4D52")]])).len(), 0, "a DSN of our own");
}

#[test]
fn another_instance_over_loopback_is_a_stage_wherever_the_reader_was_stopped() {
    let client = "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1], orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]";
    let out = again("2A2B3C4D52", client);
    let answer = handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52");
    let mut lines = all(&[&begin(), &out, &[answer, saved("2A2B3C4D52")]]);
    for line in lines.iter_mut().filter(|line| line.contains("]: 2A2B3C4D52: ")) {
        *line = line.replace(" postfix/", " postfix-out/");
    }
    assert_eq!(one_story(&lines), TOLD);
}

#[test]
fn a_filter_or_an_instance_on_a_private_address_is_a_stage() {
    for client in [
        "filter[172.18.0.5]",
        "mx[10.0.0.5], orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]",
    ] {
        let filtered = again("2A2B3C4D52", &format!("smtpd: 2A2B3C4D52: client={client}"));
        let answer = handed_over("1A2B3C4D5E", "172.18.0.5", "2A2B3C4D52");
        let lines = all(&[&begin(), &filtered, &[answer, saved("2A2B3C4D52")]]);
        assert_eq!(one_story(&lines), TOLD, "{client}");
    }
}

const NAMELESS: [&str; 2] = ["message-id=<1@far.test>", "message-id=<>"];

#[test]
fn mail_without_a_message_id_that_a_filter_returns_is_one_message() {
    let began = with(&begin(), NAMELESS[0], NAMELESS[1]);
    let returned = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let end = [handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52"), saved("2A2B3C4D52")];
    for message_id in
        ["message-id=<>", "message-id=<2A2B3C4D52@mx.lab.test>", "message-id=<made-by@filter.test>"]
    {
        let returned = with(&returned, NAMELESS[0], message_id);
        assert_eq!(one_story(&all(&[&began, &returned, &end])), TOLD, "{message_id}");
    }
}

#[test]
fn two_messages_without_a_message_id_in_a_filter_keep_apart() {
    let one = with(&begin(), NAMELESS[0], NAMELESS[1]);
    let returned = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let returned = with(&returned, NAMELESS[0], NAMELESS[1]);
    let end = [handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52"), saved("2A2B3C4D52")];
    let other = |lines: &[String]| {
        let lines = with(&with(lines, "1A2B3C4D5E", "1A2B3C4D5F"), "2A2B3C4D52", "2A2B3C4D53");
        with(&lines, "a@lab", "b@lab")
    };
    let lines = all(&[
        &one,
        &other(&one),
        &other(&returned),
        &returned,
        &end[..1],
        &other(&end),
        &end[1..],
    ]);
    let events = events_of(&lines);
    let of = |to: &str| {
        events.iter().filter(|event| event.data.to.as_deref() == Some(to)).collect::<Vec<_>>()
    };
    for to in ["a@lab.test", "b@lab.test"] {
        let kinds: Vec<_> = of(to).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventType::InboundReceived, EventType::InboundDelivered], "{to}");
        assert_eq!(of(to)[0].data.uid, of(to)[1].data.uid);
    }
    assert_eq!(events.len(), 4);
}

/// What has been answered elsewhere is on its way to no filter, so nothing has to wait for it.
#[test]
fn mail_of_this_host_waits_for_none_without_a_message_id_that_was_delivered() {
    let began = with(&begin(), NAMELESS[0], NAMELESS[1]);
    let local = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let local = with(&local, "1@far.test", "2@lab.test");
    let lines = all(&[&began, &[deferred("1A2B3C4D5E")], &local, &[saved("2A2B3C4D52")]]);
    let told = so_far(&lines).1;
    assert_eq!(told.len(), 4, "{told:#?}");
}

/// A filter's answer without the new queue ID, and what may bring the message back.
const ANSWER: &str = "250 2.5.0 OK (60BD15DF38E3A9B3C6)";

/// Proxmox Mail Gateway behind the queue told each message twice.
#[test]
fn a_filter_that_tells_no_queue_id_returns_one_message() {
    let answer =
        sent("1A2B3C4D5E", "smtp", "a@lab.test>, relay=127.0.0.1[127.0.0.1]:10024", ANSWER);
    let zeyple =
        sent("1A2B3C4D5E", "pipe", "a@lab.test>, relay=zeyple", "delivered via zeyple service");
    for client in [
        "localhost[127.0.0.1]",
        "localhost[127.0.0.1], orig_client=mail.far.test[192.0.2.1]",
        "localhost[127.0.0.1], orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]",
    ] {
        let returned = again("2A2B3C4D52", &format!("smtpd: 2A2B3C4D52: client={client}"));
        for answer in [&answer, &zeyple] {
            let end = [answer.clone(), saved("2A2B3C4D52")];
            let lines = all(&[&begin(), &returned, &end]);
            if client.contains("orig_") {
                // A restart forgets who handed it over.
                assert_eq!(events_of(&lines).len(), 2, "{answer}");
            } else {
                assert_eq!(one_story(&lines), TOLD, "{client} {answer}");
            }
        }
    }
}

/// Mailing list software keeps the Message-ID and has a sender of its own; a mailbox behind LMTP returns
/// nothing, although another recipient's copy was forwarded.
#[test]
fn copies_over_loopback_do_not_end_what_was_delivered() {
    let taken =
        sent("1A2B3C4D5E", "lmtp", "a@lab.test>, relay=127.0.0.1[127.0.0.1]:8024", "250 Ok");
    let copy = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let copy = with(&copy, "s@far.test", "list-bounces@lab.test");
    let events = events_of(&all(&[&begin(), &copy, &[taken, saved("2A2B3C4D52")]]));
    assert_eq!(events.len(), 4, "{events:#?}");
    let forwarded =
        sent("1A2B3C4D5E", "local", "b@lab.test>, relay=local", "forwarded as 2A2B3C4D52");
    let child = &again("2A2B3C4D52", "")[1..];
    let saved =
        sent("1A2B3C4D5E", "lmtp", "a@lab.test>, relay=127.0.0.1[127.0.0.1]:24", "250 2.0.0 Saved");
    let events = events_of(&all(&[&begin(), child, &[forwarded, out("b@lab.test"), saved]]));
    let ends = events.iter().filter(|event| event.kind == EventType::InboundDelivered).count();
    assert_eq!(ends, 2, "{events:#?}");
}

/// `mynetworks_style = host` has the host's own addresses.
#[test]
fn an_instance_on_the_host_s_own_public_address_is_a_stage_where_mynetworks_has_it() {
    let filtered = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=mx[192.0.2.50]");
    let answer = handed_over("1A2B3C4D5E", "192.0.2.50", "2A2B3C4D52");
    let lines = all(&[&begin(), &filtered, &[answer, saved("2A2B3C4D52")]]);
    let mut direction = direction();
    direction.mynetworks.push("192.0.2.50/32".parse().unwrap());
    let events = ended(follow(Correlator::new(direction, false), &lines));
    assert!(events.iter().all(|event| event.data.uid == events[0].data.uid), "{events:#?}");
    assert_eq!(events.len(), 2);
    assert_eq!(events_of(&lines).len(), 4, "a remote may say anything");
}

#[test]
fn the_lines_of_what_a_filter_returns_may_swap_places() {
    let answer = handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52");
    let end = [answer, saved("2A2B3C4D52")];
    let client = "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]";
    let mut returned = again("2A2B3C4D52", client);
    returned.swap(1, 2);
    assert_eq!(one_story(&all(&[&begin(), &returned, &end])), TOLD);
    let parent =
        format!("{client}, orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]");
    let mut returned = again("2A2B3C4D52", &parent);
    returned.rotate_left(1);
    let lines = all(&[&begin(), &returned, &end]);
    assert_eq!(one_story(&lines), TOLD);
    assert_eq!(events_of(&lines)[1].data.from.as_deref(), Some("s@far.test"));
}

#[test]
fn a_log_that_begins_while_a_filter_works_tells_of_each_recipient_once() {
    let client = "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1], orig_queue_id=1A2B3C4D5E, orig_client=mail.far.test[192.0.2.1]";
    let end = [saved("2A2B3C4D52"), handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52")];
    let lines = all(&[&again("2A2B3C4D52", client), &end]);
    assert_eq!(one_story(&lines), ["inbound.delivered a@lab.test incomplete"]);
    assert_eq!(one_story(&all(&[&end])), ["inbound.delivered a@lab.test incomplete"]);
    let unnamed = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let [saved, answer] = end;
    let lines = all(&[&unnamed, &[answer, saved]]);
    assert_eq!(one_story(&lines), ["inbound.delivered a@lab.test incomplete"]);
}

#[test]
fn an_answer_that_comes_after_the_hold_ends_its_own_message() {
    let filtered = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    let mut lines = all(&[&begin(), &filtered, &[saved("2A2B3C4D52")]]);
    let late = all(&[&[handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52")]]);
    lines.push(late[0].replace("T01:00:00", "T01:00:40"));
    let events = events_of(&lines);
    let ends = events.iter().filter(|event| event.kind == EventType::InboundDelivered);
    assert_eq!(ends.count(), 1, "{events:#?}");
    assert_eq!(events.iter().filter(|event| event.kind == EventType::InboundReceived).count(), 1);
}

#[test]
fn a_message_id_that_overtook_its_client_is_looked_for_all_the_same() {
    let mut filtered = again("2A2B3C4D52", "smtpd: 2A2B3C4D52: client=localhost[127.0.0.1]");
    filtered.swap(0, 1);
    let answer = handed_over("1A2B3C4D5E", "127.0.0.1", "2A2B3C4D52");
    let lines = all(&[&begin(), &filtered, &[answer, saved("2A2B3C4D52")]]);
    assert_eq!(one_story(&lines), TOLD);
}

#[test]
fn what_local_forwards_is_a_stage_also_when_its_queue_line_comes_first() {
    let mut child = again("2A2B3C4D52", "")[1..].to_vec();
    child.swap(0, 1);
    let forwarded =
        sent("1A2B3C4D5E", "local", "a@lab.test>, relay=local", "forwarded as 2A2B3C4D52");
    let out = out("a@lab.test");
    let lines = all(&[&begin(), &child, &[forwarded, out]]);
    assert_eq!(one_story(&lines), ["inbound.received a@lab.test", "inbound.delivered x@gm.test"]);
}

#[test]
fn recipients_that_no_line_named_end_with_those_that_one_did() {
    let three = with(&begin(), "nrcpt=1", "nrcpt=3");
    let deleted = "postsuper: 1A2B3C4D5E: removed".to_owned();
    let lines = all(&[&three, &[deferred("1A2B3C4D5E"), saved("1A2B3C4D5E"), deleted]]);
    let [received, delivered] = TOLD;
    let told = one_story(&lines);
    assert_eq!(told, [received, "inbound.deferred a@lab.test", delivered, "inbound.dropped -"]);
}

#[test]
fn mail_on_hold_that_is_deleted_tells_whose_it_was() {
    let [client, message_id, _] = IN;
    for held in [
        "cleanup: 1A2B3C4D5E: hold: header Subject: x from mail.far.test[192.0.2.1]; from=<s@far.test> to=<a@lab.test> proto=ESMTP helo=<h>",
        "cleanup: 1A2B3C4D5E: milter-hold: END-OF-MESSAGE from mail.far.test[192.0.2.1]: milter triggers HOLD action; from=<s@far.test> to=<a@lab.test> proto=ESMTP helo=<h>",
    ] {
        let events = events_of(&log(&[client, message_id, held, "postsuper: 1A2B3C4D5E: removed"]));
        let [dropped] = &events[..] else { panic!("{events:#?}") };
        assert_eq!(dropped.kind, EventType::InboundDropped);
        let names = (dropped.data.from.as_deref(), dropped.data.to.as_deref());
        assert_eq!(names, (Some("s@far.test"), Some("a@lab.test")), "{held}");
    }
    let by_access = "smtpd: NOQUEUE: hold: RCPT from mail.far.test[192.0.2.1]: <a@lab.test>: Recipient address triggers HOLD action; from=<s@far.test> to=<a@lab.test> proto=ESMTP helo=<h>";
    let lines = [by_access, client, message_id, "postsuper: 1A2B3C4D5E: removed"];
    assert_eq!(one_story(&log(&lines)), ["inbound.dropped a@lab.test"]);
}

/// `postscreen.c`, `psc_service()` answers with 421 and does not log that.
#[test]
fn a_client_that_postscreen_has_no_room_for_may_come_again() {
    for text in ["too many connections", "all server ports busy"] {
        let line = format!("postscreen: NOQUEUE: reject: CONNECT from [192.0.2.9]:4567: {text}");
        let events = events_of(&log(&[&line]));
        let [blocked] = &events[..] else { panic!("{events:#?}") };
        assert_eq!((blocked.data.temporary, blocked.data.smtp_code), (true, Some(421)), "{text}");
        assert_eq!(blocked.data.host, None);
    }
}

#[test]
fn a_notice_of_our_own_that_an_alias_forwards_is_no_event() {
    let child = again("2A2B3C4D52", "")[1..].to_vec();
    let child = with(&child, "s@far.test", "owner-root@lab.test");
    let notice = again("6A2B3C4D5E", "")[1..].to_vec();
    let notice = with(&notice, "s@far.test", "");
    let forwarded =
        sent("6A2B3C4D5E", "local", "root@lab.test>, relay=local", "forwarded as 2A2B3C4D52");
    let out = out("root@lab.test");
    assert_eq!(one_story(&all(&[&notice, &child, &[forwarded, out]])).len(), 0);
}
