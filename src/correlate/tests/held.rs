//! While lines of a message are held: what is made of it meanwhile, and what only looks like a part
//! of it. Scenes of real logs (Postfix 3.7), cut to the lines that matter.

use std::slice;

use super::*;

/// How two messages are told apart: the queue IDs and the recipients of the other one.
const OTHER: [[&str; 2]; 3] = [["A1", "D1"], ["A2", "D2"], ["1@good", "2@good"]];

fn changed(texts: &[String], changes: &[[&str; 2]]) -> Vec<String> {
    let change = |text: &String| {
        changes.iter().fold(text.clone(), |text, [old, new]| text.replace(old, new))
    };
    texts.iter().map(change).collect()
}

/// The lines that bring a message into the queue.
fn arrives(queue_id: &str, by: &str) -> Vec<String> {
    vec![
        by.replace("QID", queue_id),
        format!("cleanup: {queue_id}: message-id=<1@far.test>"),
        format!("qmgr: {queue_id}: from=<s@far.test>, size=369, nrcpt=1 (queue active)"),
    ]
}

const STRANGER: &str = "smtpd: QID: client=mail.far.test[192.0.2.1]";
const NEIGHBOUR: &str = "smtpd: QID: client=pc.lan.test[10.0.0.7]";
const LOOPBACK: &str = "smtpd: QID: client=localhost[127.0.0.1]";
const USER: &str =
    "submission/smtpd: QID: client=pc.lan.test[10.0.0.7], sasl_method=PLAIN, sasl_username=ivy";

/// local(8) gave it a new queue ID.
fn is_forwarded(queue_id: &str, next: &str) -> Vec<String> {
    vec![
        format!("cleanup: {next}: message-id=<1@far.test>"),
        format!(
            "local: {queue_id}: to=<team1@lab.test>, relay=local, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (forwarded as {next})"
        ),
        format!("qmgr: {next}: from=<s@far.test>, size=400, nrcpt=1 (queue active)"),
    ]
}

fn is_handed_to(queue_id: &str, port: u16, answer: &str) -> String {
    format!(
        "smtp: {queue_id}: to=<x1@good.test>, relay=127.0.0.1[127.0.0.1]:{port}, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent ({answer})"
    )
}

fn is_handed_over(queue_id: &str, next: &str) -> String {
    is_handed_to(queue_id, 2526, &format!("250 2.0.0 Ok: queued as {next}"))
}

fn is_delivered(queue_id: &str) -> String {
    format!(
        "smtp: {queue_id}: to=<x1@good.test>, relay=mx.good.test[203.0.113.9]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 ok)"
    )
}

/// Queue IDs, as they are called here.
const QUEUE_IDS: [[&str; 2]; 7] = [
    ["A1", "1A2B3C4D51"],
    ["A2", "1A2B3C4D52"],
    ["A3", "1A2B3C4D53"],
    ["D1", "4A2B3C4D51"],
    ["D2", "4A2B3C4D52"],
    ["E1", "5A2B3C4D51"],
    ["E3", "5A2B3C4D53"],
];

/// All lines within one second; those of queue IDs that end in 2 are of a second instance.
fn lines(parts: &[&[String]]) -> Vec<String> {
    let texts = parts.concat();
    let line = |text: &String| {
        let line = log(&[text]).remove(0);
        let of_second = ["A2: ", "D2: "].iter().any(|id| line.contains(id));
        if of_second { line.replace(" postfix/", " postfix-out/") } else { line }
    };
    let all: Vec<_> = texts.iter().map(line).collect();
    changed(&all, &QUEUE_IDS)
}

/// What is told of each message, as `type recipient`, wherever the reader was started anew.
#[track_caller]
fn stories(lines: &[String]) -> Vec<Vec<String>> {
    let events = events_of(lines);
    for cut in 0..lines.len() {
        assert_eq!(events_with_restart(lines, cut), events, "restart before line {cut}");
    }
    let mut uids: Vec<_> = Vec::new();
    for event in &events {
        if !uids.contains(&event.data.uid) {
            uids.push(event.data.uid);
        }
    }
    let of = |uid| events.iter().filter(move |event| event.data.uid == uid);
    let name = |event: &Event| {
        format!("{} {}", event.kind.name(), event.data.to.as_deref().unwrap_or("-"))
    };
    uids.into_iter().map(|uid| of(uid).map(name).collect()).collect()
}

const FORWARDED: [&str; 2] = ["outbound.queued team1@lab.test", "outbound.delivered x1@good.test"];
const SENT: [&str; 2] = ["outbound.queued x1@good.test", "outbound.delivered x1@good.test"];

#[test]
fn what_local_makes_of_a_message_that_waits_for_its_client_has_its_story() {
    let proxied = ["smtpd[12]: NOQUEUE: client=mail.far.test[192.0.2.1]".to_owned()];
    let accepted = ["smtpd[12]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as A1; from=<s@far.test> to=<team1@lab.test> proto=ESMTP helo=<h>".to_owned()];
    let received = arrives("A1", LOOPBACK);
    let made = is_forwarded("A1", "A3");
    let told = ["inbound.received team1@lab.test", "inbound.delivered x1@good.test"];
    let direct = [&proxied[..], &received, &made, &[is_delivered("A3")], &accepted];
    assert_eq!(stories(&lines(&direct)), [told], "before the filter's answer is logged");
    // It goes on through a second instance.
    let on =
        [arrives("A2", LOOPBACK), vec![is_handed_over("A3", "A2"), is_delivered("A2")]].concat();
    let through = [&proxied[..], &received, &made, &on, &accepted];
    assert_eq!(stories(&lines(&through)), [told], "through a second instance");
    let never = [&proxied[..], &received, &made, &on];
    assert_eq!(stories(&lines(&never)), [FORWARDED], "the answer is lost");
}

#[test]
fn of_what_local_makes_the_status_line_tells_the_parent() {
    let one = [arrives("A1", USER), is_forwarded("A1", "A3")].concat();
    let other = changed(&arrives("A1", USER), &OTHER);
    let [message_id, status, active] = &one[3..] else { panic!("{one:?}") };
    // The other message gets its Message-ID between those of parent and child, and before the line
    // of qmgr.
    let mixed = [
        one[..3].to_vec(),
        vec![message_id.clone()],
        other,
        vec![active.clone(), status.clone(), is_delivered("A3")],
        changed(&[is_delivered("A1")], &OTHER),
    ]
    .concat();
    let second = ["outbound.queued x2@good.test", "outbound.delivered x2@good.test"];
    assert_eq!(stories(&lines(&[&mixed])), [FORWARDED, second]);
}

/// local(8) keeps a copy and forwards one: two lines of one recipient.
#[test]
fn what_local_forwards_beside_a_copy_that_it_keeps_goes_on_with_the_story() {
    let made = is_forwarded("A1", "A3");
    let [message_id, forwarded, active] = &made[..] else { panic!("{made:?}") };
    let kept = forwarded.replace("forwarded as A3", "delivered to maildir");
    let rest = [forwarded.clone(), "qmgr: A1: removed".to_owned(), is_delivered("A3")];
    let all = [arrives("A1", STRANGER), vec![kept, message_id.clone(), active.clone()]].concat();
    let told = [
        "inbound.received team1@lab.test",
        "inbound.delivered team1@lab.test",
        "inbound.delivered x1@good.test",
    ];
    assert_eq!(stories(&lines(&[&all, &rest])), [told]);
}

#[test]
fn who_authenticates_from_this_network_hands_over_no_other_message() {
    let one = [arrives("A1", STRANGER), is_forwarded("A1", "A3")].concat();
    let other = changed(&[arrives("A1", USER), vec![is_delivered("A1")]].concat(), &OTHER);
    let all = lines(&[&one[..3], &other[..3], &one[3..], &[is_delivered("A3")], &other[3..]]);
    let told = stories(&all);
    assert_eq!(told[0], ["inbound.received team1@lab.test", "inbound.delivered x1@good.test"]);
    assert_eq!(told[1], ["outbound.queued x2@good.test", "outbound.delivered x2@good.test"]);
}

#[test]
fn a_copy_from_this_network_is_no_part_of_what_goes_on_elsewhere() {
    let one = arrives("A1", STRANGER);
    let copy = changed(&[arrives("A1", NEIGHBOUR), vec![is_delivered("A1")]].concat(), &OTHER);
    let second = ["inbound.received x2@good.test", "inbound.delivered x2@good.test"];
    let forwarded = [is_forwarded("A1", "A3"), vec![is_delivered("A3")]].concat();
    let told = stories(&lines(&[&one, &copy[..3], &forwarded, &copy[3..]]));
    assert_eq!(told[1], second, "local(8) names each message that it makes");

    let named = format!("{LOOPBACK}, orig_queue_id=A1, orig_client=mail.far.test[192.0.2.1]");
    let ends = vec![is_handed_over("A1", "A3"), is_delivered("A3")];
    for (client, forwards) in [(&*named, "XFORWARD"), (LOOPBACK, "another address")] {
        let returned = arrives("A3", client);
        let told = stories(&lines(&[&one, &copy[..3], &returned, &ends, &copy[3..]]));
        assert_eq!(told[0], ["inbound.received x1@good.test", "inbound.delivered x1@good.test"]);
        assert_eq!(told[1], second, "{forwards}");
    }
}

#[test]
fn a_forwarded_copy_of_a_shared_message_id_is_followed_into_another_instance() {
    let one = [arrives("A1", STRANGER), is_forwarded("A1", "A3")].concat();
    let copy = changed(&[arrives("A1", STRANGER), vec![is_delivered("A1")]].concat(), &OTHER);
    let on =
        [arrives("A2", LOOPBACK), vec![is_handed_over("A3", "A2"), is_delivered("A2")]].concat();
    let told = stories(&lines(&[&one, &copy[..3], &on, &copy[3..]]));
    assert_eq!(told[0], ["inbound.received team1@lab.test", "inbound.delivered x1@good.test"]);
    assert_eq!(told[1], ["inbound.received x2@good.test", "inbound.delivered x2@good.test"]);
}

const NAMELESS: [[&str; 2]; 1] = [["message-id=<1@far.test>", "message-id=<>"]];

#[test]
fn what_has_no_message_id_and_is_forwarded_is_followed_into_another_instance() {
    let one = [arrives("A1", USER), is_forwarded("A1", "A3")].concat();
    let on =
        [arrives("A2", LOOPBACK), vec![is_handed_over("A3", "A2"), is_delivered("A2")]].concat();
    let on = changed(&on, &[["<1@far.test>", "<made@here.test>"]]);
    assert_eq!(stories(&lines(&[&changed(&one, &NAMELESS), &on])), [FORWARDED]);
}

#[test]
fn what_has_no_message_id_may_be_in_a_filter_until_all_recipients_were_tried() {
    let one = changed(&arrives("A1", USER), &NAMELESS);
    let one = changed(&one, &[["nrcpt=1", "nrcpt=2"]]);
    let first = is_delivered("A1").replace("x1@", "y1@");
    let on =
        [arrives("A2", LOOPBACK), vec![is_handed_over("A1", "A2"), is_delivered("A2")]].concat();
    let told = stories(&lines(&[&one, &[first], &on]));
    let both = ["outbound.queued y1@good.test", "outbound.delivered y1@good.test"];
    assert_eq!(told, [[&both[..], &SENT].concat()]);
    // A pipe filters the mail of the first instance: what it sends to the second has another way.
    let piped = [
        "smtpd: E1: client=pc.lan.test[10.0.0.7]",
        "cleanup: E1: message-id=<2@far.test>",
        "qmgr: E1: from=<t@far.test>, size=369, nrcpt=1 (queue active)",
        "pipe: E1: to=<e@good.test>, relay=scan, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered via scan service)",
        "pickup: E3: uid=65534 from=<t@far.test>",
        "cleanup: E3: message-id=<2@far.test>",
    ]
    .map(str::to_owned);
    let told = stories(&lines(&[&piped, &one, &on]));
    assert_eq!(told.last().map(Vec::as_slice), Some(&SENT.map(str::to_owned)[..]));
}

/// Where its parent is held, what local(8) makes of mail with the null sender is no notice of our own,
/// and neither is the parent then.
#[test]
fn what_is_made_of_held_mail_with_the_null_sender_is_told() {
    let null = [["s@far.test", ""]];
    let nameless = changed(&arrives("D1", USER), &NAMELESS);
    let one =
        [arrives("A1", LOOPBACK), is_forwarded("A1", "A3"), vec![is_delivered("A3")]].concat();
    let told = stories(&lines(&[&nameless, &changed(&one, &null)]));
    assert_eq!(told, [FORWARDED]);
}

/// Two instances with a log file of their own making, each written by a postlogd(8) of its own.
#[test]
fn an_answer_that_comes_before_the_stage_it_names_waits_for_it() {
    let one = arrives("A1", USER);
    let next = [arrives("A2", LOOPBACK), vec![is_delivered("A2")]].concat();
    let answer = [is_handed_over("A1", "A2")];
    assert_eq!(stories(&lines(&[&one, &answer, &next])), [SENT]);
    let child = [one.clone(), is_forwarded("A1", "A3"), vec![is_handed_over("A3", "A2")]].concat();
    assert_eq!(stories(&lines(&[&child, &next])), [FORWARDED], "of what local(8) made");
    assert_eq!(stories(&lines(&[&one, &answer])), [SENT], "its server's log is not here");
}

/// An ended message is known for a while, in the store too: the answer that names it may come last.
#[test]
fn what_a_filter_returned_and_has_ended_is_known_after_a_restart() {
    let client = format!("{LOOPBACK}, orig_queue_id=A1, orig_client=mail.far.test[192.0.2.1]");
    let returned = [
        arrives("A3", &client),
        vec![is_delivered("A3"), "qmgr: A3: removed".to_owned(), is_handed_over("A1", "A3")],
    ];
    // What names the recipient first is the line of its end.
    let told = ["inbound.delivered x1@good.test", "inbound.received x1@good.test"];
    assert_eq!(stories(&lines(&[&arrives("A1", STRANGER), &returned.concat()])), [told]);
}

#[test]
fn what_was_made_of_a_message_knows_the_story_when_that_is_long_forgotten() {
    let made =
        [arrives("A1", USER), is_forwarded("A1", "A3"), vec!["qmgr: A1: removed".to_owned()]];
    let on =
        [arrives("A2", LOOPBACK), vec![is_handed_over("A3", "A2"), is_delivered("A2")]].concat();
    let early = lines(&[&made.concat()]);
    let late = changed(&lines(&[&on]), &[["T01:00:00", "T01:20:00"]]);
    assert_eq!(stories(&[early, late].concat()), [FORWARDED]);
}

#[test]
fn of_messages_with_one_message_id_a_pipe_returns_the_one_of_that_sender() {
    let pipe = "pipe: A1: to=<x1@good.test>, relay=scan, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered via scan service)";
    let one = [arrives("A1", USER), vec![pipe.to_owned()]].concat();
    let other = changed(&[arrives("A1", USER), vec![is_delivered("A1")]].concat(), &OTHER);
    let other = changed(&other, &[["s@far.test", "t@far.test"]]);
    let again = arrives("A3", "pickup: QID: uid=65534 from=<s@far.test>");
    let told = stories(&lines(&[&one, &other, &again, &[is_delivered("A3")]]));
    let second = ["outbound.queued x2@good.test", "outbound.delivered x2@good.test"];
    assert_eq!(told, [second, SENT]);
}

#[test]
fn what_is_requeued_while_its_lines_are_held_is_told() {
    let pipe = "pipe: A1: to=<x1@good.test>, relay=scan, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered via scan service)";
    let one = [arrives("A1", USER), vec![pipe.to_owned()]].concat();
    let again = arrives("A3", "pickup: QID: uid=65534 from=<s@far.test> orig_id=A1");
    let second = is_delivered("A3").replace("x1@", "y1@");
    let both = ["outbound.queued y1@good.test", "outbound.delivered y1@good.test"];
    let told = stories(&lines(&[&one, &again, &[second]]));
    assert_eq!(told, [[&SENT[..], &both].concat()]);
}

#[test]
fn what_the_smtpd_behind_a_filter_refuses_is_told_once() {
    let client = "smtpd[12]: NOQUEUE: client=mail.far.test[192.0.2.1]".to_owned();
    let list = "from=<s@far.test> to=<b1@lab.test> proto=ESMTP helo=<h>";
    let answer = |stage: &str, words: &str| {
        vec![format!("smtpd[12]: proxy-reject: {stage}: {words}; {list}")]
    };
    let told = [["inbound.blocked b1@lab.test"]];
    for by in ["localhost[127.0.0.1]", "mail.far.test[192.0.2.1]"] {
        let header = format!("cleanup: A1: reject: header X: y from {by}; {list}: 5.7.1 no");
        let milter =
            format!("cleanup: A1: milter-reject: END-OF-MESSAGE from {by}: 5.7.1 no; {list}");
        for refusal in [header, milter] {
            let returned = [arrives("A1", LOOPBACK)[..2].to_vec(), vec![refusal]].concat();
            let end = answer("END-OF-MESSAGE", "550 5.7.1 no");
            assert_eq!(stories(&lines(&[slice::from_ref(&client), &returned, &end])), told, "{by}");
            let others = changed(&returned, &[["b1@", "b2@"]]);
            assert_eq!(
                stories(&lines(&[slice::from_ref(&client), &others, &end])),
                told,
                "two recipients"
            );
        }
        let words = "550 5.1.1 <b1@lab.test>: Recipient address rejected: unknown";
        let refusal = vec![format!("smtpd[13]: NOQUEUE: reject: RCPT from {by}: {words}; {list}")];
        let end = answer("RCPT", words);
        assert_eq!(stories(&lines(&[slice::from_ref(&client), &refusal, &end])), told, "{by}");
        assert_eq!(
            stories(&lines(&[slice::from_ref(&client), &refusal])).len(),
            1,
            "its own, {by}"
        );
    }
}
