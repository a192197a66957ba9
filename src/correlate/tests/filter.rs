//! Verdicts of filters that name no queue ID, and those that do, joined to their message.
//!
//! The lines are real ones, shortened. Each story is told whole, with a restart before each of its
//! lines, and in between the lines of another message of the same kind.

use super::*;
use crate::event::EventData;

/// Programs that are none of Postfix.
const FILTERS: [&str; 10] = [
    "amavis",
    "rspamd",
    "spamd",
    "spampd",
    "clamav-milter",
    "clamd",
    "pmg-smtp-filter",
    "postgrey",
    "policyd-spf",
    "dovecot",
];

/// What tells two messages apart: of the first, and of another.
const NAMES: [(&str, &str); 13] = [
    ("1B7F053E70F", "20D4E53E714"),
    ("2C8A153E71B", "3D9B263E71C"),
    ("1@gen.test", "2@gen.test"),
    ("ann@", "eve@"),
    ("bob@", "dan@"),
    ("cat@", "fay@"),
    ("bob)", "dan)"),
    ("[573]", "[574]"),
    ("[12]", "[14]"),
    ("00098-04", "00099-04"),
    ("60BD15DF38E3A9B3C6", "60BD15DF38E3A9B3C7"),
    ("127.0.2.5", "127.0.2.6"),
    ("SESSION1", "SESSION2"),
];

/// Lines of one host, 50 ms apart.
fn stamped(texts: &[String]) -> Vec<String> {
    let line = |(place, text): (usize, &String)| {
        let (daemon, text) = text.split_once(": ").unwrap();
        let name = daemon.split('[').next().unwrap();
        let prefix = if FILTERS.contains(&name) { "" } else { "postfix/" };
        let pid = if daemon.ends_with(']') { "" } else { "[9]" };
        let millis = place * 50;
        format!(
            "2026-11-21T01:00:{:02}.{:03}000+00:00 mx {prefix}{daemon}{pid}: {text}",
            millis / 1000,
            millis % 1000
        )
    };
    texts.iter().enumerate().map(line).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The same about another message.
fn other(texts: &[String]) -> Vec<String> {
    let rename = |text: &String| {
        NAMES.iter().fold(text.clone(), |text, (this, that)| text.replace(this, that))
    };
    texts.iter().map(rename).collect()
}

/// What an event says of its message, apart from times and identity.
fn summary(event: &Event) -> String {
    let EventData { to, action, engine, score, rules, .. } = &*event.data;
    let words = [to, action, engine].into_iter().flatten().map(ToString::to_string);
    let words = words.chain(score.map(|score| score.to_string()));
    let words = words.chain(rules.as_ref().map(ToString::to_string));
    std::iter::once(event.kind.name().to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn summaries(lines: &[String]) -> Vec<String> {
    events_of(lines).iter().map(summary).collect()
}

/// Holds a story against what it must tell, apart from the queueing of the message.
fn tells(story: &[&str], expected: &[&str]) -> Vec<Event> {
    let texts = owned(story);
    let lines = stamped(&texts);
    let events = events_of(&lines);
    let told: Vec<_> = events.iter().map(summary).collect();
    let is_told = |line: &&String| !line.contains(".queued") && !line.contains(".received");
    assert_eq!(told.iter().filter(is_told).collect::<Vec<_>>(), expected);
    for cut in 0..=lines.len() {
        assert_eq!(events_with_restart(&lines, cut), events, "restart before line {cut}");
    }
    let others = other(&texts);
    let mixed: Vec<_> =
        texts.iter().zip(&others).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let mut alone = [told, summaries(&stamped(&others))].concat();
    let mut together = summaries(&stamped(&mixed));
    alone.sort();
    together.sort();
    assert_eq!(together, alone, "between the lines of another message");
    events
}

const CLIENT: &str = "smtpd[12]: 1B7F053E70F: client=mx.far.test[127.0.2.5]";
const MESSAGE_ID: &str = "cleanup: 1B7F053E70F: message-id=<1@gen.test>";
const ACTIVE: &str = "qmgr: 1B7F053E70F: from=<ann@far.test>, size=369, nrcpt=1 (queue active)";
const SENT: &str = "local: 1B7F053E70F: to=<bob@lab.test>, relay=local, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered to maildir)";
const SENT_TO_CAT: &str = "local: 1B7F053E70F: to=<cat@lab.test>, relay=local, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered to maildir)";
const REMOVED: &str = "qmgr: 1B7F053E70F: removed";
const MILTER_REJECT: &str = "cleanup: 1B7F053E70F: milter-reject: END-OF-MESSAGE from mx.far.test[127.0.2.5]: 5.7.1 Blocked by SpamAssassin; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";
const MILTER_DISCARD: &str = "cleanup: 1B7F053E70F: milter-discard: END-OF-MESSAGE from mx.far.test[127.0.2.5]: milter triggers DISCARD action; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";
const MILTER_HOLD: &str = "cleanup: 1B7F053E70F: milter-hold: END-OF-MESSAGE from mx.far.test[127.0.2.5]: milter triggers HOLD action; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";

const SPAMD: [&str; 2] = [
    "spamd[573]: spamd: identified spam (6.1/5.0) for root:65534 in 0.1 seconds, 498 bytes.",
    "spamd[573]: spamd: result: Y  6 - ALL_TRUSTED,LAB_SEVEN scantime=0.1,size=498,user=root,uid=65534,required_score=5.0,rhost=localhost,raddr=127.0.0.1,rport=54020,mid=<1@gen.test>,autolearn=disabled",
];
const SPAMD_REJECTED: &str =
    "inbound.spam bob@lab.test rejected spamassassin 6.1 ALL_TRUSTED,LAB_SEVEN";
const SPAMD_PASSED: &str =
    "inbound.spam bob@lab.test passed spamassassin 6.1 ALL_TRUSTED,LAB_SEVEN";
const DELIVERED: &str = "inbound.delivered bob@lab.test";

#[test]
fn spamd_tells_score_and_rules_of_what_a_milter_refuses() {
    tells(&[CLIENT, MESSAGE_ID, SPAMD[0], SPAMD[1], MILTER_REJECT], &[SPAMD_REJECTED]);
}

#[test]
fn a_refusal_waits_for_the_verdict_that_is_logged_after_it() {
    tells(&[CLIENT, MESSAGE_ID, MILTER_REJECT, SPAMD[0], SPAMD[1]], &[SPAMD_REJECTED]);
    tells(&[CLIENT, MESSAGE_ID, SPAMD[0], MILTER_REJECT, SPAMD[1]], &[SPAMD_REJECTED]);
}

#[test]
fn a_verdict_before_the_message_id_waits_for_it() {
    tells(&[CLIENT, SPAMD[0], SPAMD[1], MESSAGE_ID, MILTER_REJECT], &[SPAMD_REJECTED]);
    tells(&[SPAMD[0], SPAMD[1], CLIENT, MESSAGE_ID, ACTIVE, SENT], &[SPAMD_PASSED, DELIVERED]);
}

#[test]
fn spam_that_goes_on_is_told_once_for_each_recipient() {
    let events = tells(
        &[CLIENT, MESSAGE_ID, SPAMD[0], SPAMD[1], ACTIVE, SENT, SENT_TO_CAT, REMOVED],
        &[
            SPAMD_PASSED,
            DELIVERED,
            "inbound.spam cat@lab.test passed spamassassin 6.1 ALL_TRUSTED,LAB_SEVEN",
            "inbound.delivered cat@lab.test",
        ],
    );
    let spam: Vec<_> = events.iter().filter(|e| e.kind == EventType::InboundSpam).collect();
    assert_eq!(spam[0].at().to_string(), "2026-11-21T01:00:00.15Z", "the time of the verdict");
    assert_ne!(spam[0].id, spam[1].id);
}

#[test]
fn a_verdict_after_the_status_line_is_told_all_the_same() {
    let late = [CLIENT, MESSAGE_ID, ACTIVE, SENT, SPAMD[0], SPAMD[1], REMOVED];
    tells(&late, &[DELIVERED, SPAMD_PASSED]);
    let later = [CLIENT, MESSAGE_ID, ACTIVE, SENT, REMOVED, SPAMD[0], SPAMD[1]];
    let told = summaries(&stamped(&owned(&later)));
    assert_eq!(told[1..], [DELIVERED, SPAMD_PASSED]);
}

#[test]
fn a_message_that_is_scanned_for_each_recipient_is_told_once() {
    let again = SPAMD.map(|line| line.replace("[573]", "[575]").replace("6.1", "7.2"));
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, SPAMD[0], SPAMD[1], SENT, &again[0], &again[1], REMOVED],
        &[SPAMD_PASSED, DELIVERED],
    );
}

#[test]
fn a_clean_verdict_gives_no_event() {
    let clean = SPAMD.map(|line| {
        line.replace("identified spam", "clean message").replace("result: Y", "result: .")
    });
    tells(&[CLIENT, MESSAGE_ID, &clean[0], &clean[1], ACTIVE, SENT], &[DELIVERED]);
}

#[test]
fn a_command_that_refuses_spam_gives_one_event() {
    let refused = "pipe: 1B7F053E70F: to=<bob@lab.test>, relay=filter, delay=1, delays=0/0/0/1, dsn=5.3.0, status=bounced (service unavailable. Command output: Message content rejected )";
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, SPAMD[0], SPAMD[1], refused, REMOVED], &[SPAMD_REJECTED]);
    let unknown = refused.replace("5.3.0", "5.1.1").replace("service unavailable", "user unknown");
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, SPAMD[0], SPAMD[1], &unknown, REMOVED],
        &[SPAMD_PASSED, "inbound.bounced bob@lab.test"],
    );
}

#[test]
fn a_command_that_is_busy_has_not_let_the_message_pass() {
    let busy = "pipe: 1B7F053E70F: to=<bob@lab.test>, relay=filter, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (temporary failure)";
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, SPAMD[0], SPAMD[1], busy],
        &["inbound.deferred bob@lab.test"],
    );
}

/// The verdict is as much the victim's as its Message-ID is: but what was not heard of for a minute
/// is no message that a scan is about.
#[test]
fn a_stranger_with_the_same_message_id_reaches_no_old_message() {
    let mut lines = stamped(&owned(&[CLIENT, MESSAGE_ID, ACTIVE]));
    let mut later = stamped(&owned(&[SPAMD[0], SPAMD[1]]));
    for line in &mut later {
        *line = line.replace("T01:00:", "T01:05:");
    }
    lines.append(&mut later);
    lines.push(stamped(&owned(&[SENT]))[0].replace("T01:00:", "T01:07:"));
    assert_eq!(summaries(&lines)[1..], [DELIVERED]);
}

#[test]
fn a_refused_message_of_a_stranger_leaves_the_one_of_the_same_message_id_alone() {
    let stranger = [CLIENT, MESSAGE_ID, SPAMD[0], SPAMD[1], MILTER_REJECT]
        .map(|line| line.replace("1B7F053E70F", "2C8A153E71B").replace("bob@", "cat@"));
    let stranger: Vec<&str> = stranger.iter().map(String::as_str).collect();
    let story = [&[CLIENT, MESSAGE_ID, ACTIVE][..], &stranger, &[SENT, REMOVED]].concat();
    // From outside: what comes over loopback with a known Message-ID may be the same message.
    let story: Vec<_> = story.iter().map(|line| line.replace("127.0.2.5", "192.0.2.5")).collect();
    let story: Vec<_> = story.iter().map(String::as_str).collect();
    tells(
        &story,
        &["inbound.spam cat@lab.test rejected spamassassin 6.1 ALL_TRUSTED,LAB_SEVEN", DELIVERED],
    );
}

#[test]
fn message_ids_are_the_same_however_a_program_writes_them() {
    let odd = "cleanup: 1B7F053E70F: message-id=<1é x@gen.test>";
    let result = SPAMD[1].replace("<1@gen.test>", "<1???x@gen.test>");
    let told = summaries(&stamped(&owned(&[CLIENT, odd, SPAMD[0], &result, ACTIVE, SENT])));
    assert_eq!(told[1..], [SPAMD_PASSED, DELIVERED]);
}

const SPAMPD: [&str; 2] = [
    "spampd[67]: identified spam <1@gen.test> (6.00/5.00) from <ann@far.test> for <bob@lab.test> in 0.10s, 390 bytes.",
    "spampd[67]: rules hit for <1@gen.test>: ALL_TRUSTED,LAB_SEVEN",
];

#[test]
fn spampd_before_the_queue_is_joined_behind_it() {
    let client = CLIENT.replace("1B7F053E70F", "NOQUEUE");
    let behind = "reinject/smtpd[13]: 1B7F053E70F: client=localhost[127.0.0.1], orig_client=mx.far.test[127.0.2.5]";
    let accept = "smtpd[12]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 1B7F053E70F; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";
    tells(
        &[&client, behind, SPAMPD[0], SPAMPD[1], MESSAGE_ID, ACTIVE, accept, SENT, REMOVED],
        &["inbound.spam bob@lab.test passed spampd 6 ALL_TRUSTED,LAB_SEVEN", DELIVERED],
    );
}

const RSPAMD: &str = "rspamd[74]: <bd064d>; proxy; rspamd_task_write_log: id: <1@gen.test>, qid: <1B7F053E70F>, ip: 127.0.2.5, from: <ann@far.test>, (default: T (add header): [6.90/15.00] [LAB_SEVEN(7.00){},MIME_GOOD(-0.10){text/plain;}]), len: 235, time: 10.267ms, dns req: 0, digest: <c1b2>, rcpts: <bob+tag@lab.test,cat@lab.test,bob@lab.test>, mime_rcpts: <bob@lab.test>";

fn rspamd(action: &str) -> String {
    RSPAMD.replace("add header", action)
}

#[test]
fn rspamd_tags_the_recipients_that_postfix_names_and_no_aliases() {
    let sent = SENT.replace("bob@", "bob+tag@");
    tells(
        &[CLIENT, MESSAGE_ID, RSPAMD, ACTIVE, &sent, SENT_TO_CAT, REMOVED],
        &[
            "inbound.spam bob+tag@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.delivered bob+tag@lab.test",
            "inbound.spam cat@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.delivered cat@lab.test",
        ],
    );
}

#[test]
fn rspamd_names_the_recipients_that_a_refusal_does_not() {
    let reject = MILTER_REJECT.replace("bob@", "cat@");
    let expected = [
        "inbound.spam bob+tag@lab.test rejected rspamd 6.9 LAB_SEVEN,MIME_GOOD",
        "inbound.spam cat@lab.test rejected rspamd 6.9 LAB_SEVEN,MIME_GOOD",
    ];
    tells(&[CLIENT, MESSAGE_ID, &rspamd("reject"), &reject], &expected);
    tells(&[CLIENT, MESSAGE_ID, &reject, &rspamd("reject")], &expected);
}

/// A log format without recipients, and a symbol's option that imitates them.
#[test]
fn a_list_without_the_refused_recipient_invents_none() {
    let forged =
        rspamd("reject").replace("<bob+tag@lab.test,cat@lab.test,bob@lab.test>", "<v@x.test>");
    tells(
        &[CLIENT, MESSAGE_ID, &forged, MILTER_REJECT],
        &["inbound.spam bob@lab.test rejected rspamd 6.9 LAB_SEVEN,MIME_GOOD"],
    );
}

/// The verdict overtook the first line of its message.
#[test]
fn an_old_message_of_the_same_queue_id_gets_no_verdict() {
    let mut lines = stamped(&owned(&[CLIENT, MESSAGE_ID, ACTIVE, SENT, REMOVED]));
    for text in [RSPAMD, CLIENT, MESSAGE_ID, ACTIVE, SENT_TO_CAT] {
        let text = text.replace("1@gen", "3@gen");
        lines.push(stamped(&[text])[0].replace("T01:00:00", "T01:00:20"));
    }
    let told = summaries(&lines);
    assert_eq!(
        told.iter().filter(|line| line.contains("spam")).collect::<Vec<_>>(),
        ["inbound.spam cat@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD"]
    );
}

#[test]
fn rspamd_without_a_queue_id_is_joined_by_message_id() {
    let scan =
        RSPAMD.replace("id: <1@gen.test>, qid: <1B7F053E70F>", "id: <1@gen.test>, qid: <undef>");
    tells(
        &[CLIENT, MESSAGE_ID, &scan, ACTIVE, SENT],
        &["inbound.spam bob@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD", DELIVERED],
    );
}

#[test]
fn what_a_milter_holds_is_quarantined_and_may_still_be_delivered() {
    for verdict in [rspamd("quarantine"), rspamd("reject")] {
        let story = [CLIENT, MESSAGE_ID, &verdict, MILTER_HOLD];
        let expected = [
            "inbound.spam bob+tag@lab.test quarantined rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.spam cat@lab.test quarantined rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.spam bob@lab.test quarantined rspamd 6.9 LAB_SEVEN,MIME_GOOD",
        ];
        tells(&story, &expected);
        let late = [CLIENT, MESSAGE_ID, MILTER_HOLD, &verdict];
        tells(&late, &expected);
        let released = [&story[..], &[ACTIVE, SENT_TO_CAT, REMOVED]].concat();
        tells(&released, &[&expected[..], &["inbound.delivered cat@lab.test"]].concat());
    }
}

#[test]
fn what_an_operator_deletes_of_held_mail_is_dropped_for_each_recipient_that_a_filter_named() {
    let (verdict, hold) = (rspamd("quarantine"), MILTER_HOLD.replace("bob@", "cat@"));
    tells(
        &[CLIENT, MESSAGE_ID, &verdict, &hold, "postsuper: 1B7F053E70F: removed"],
        &[
            "inbound.spam bob+tag@lab.test quarantined rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.spam cat@lab.test quarantined rspamd 6.9 LAB_SEVEN,MIME_GOOD",
            "inbound.dropped bob+tag@lab.test",
            "inbound.dropped cat@lab.test",
        ],
    );
}

#[test]
fn spamd_beside_a_filter_that_knows_more_changes_nothing() {
    tells(
        &[CLIENT, MESSAGE_ID, SPAMD[0], SPAMD[1], RSPAMD, ACTIVE, SENT],
        &["inbound.spam bob@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD", DELIVERED],
    );
    tells(
        &[CLIENT, MESSAGE_ID, RSPAMD, SPAMD[0], SPAMD[1], ACTIVE, SENT],
        &["inbound.spam bob@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD", DELIVERED],
    );
}

#[test]
fn a_refusal_for_another_reason_is_not_spam_because_a_filter_had_tagged_it() {
    let dmarc =
        MILTER_REJECT.replace("Blocked by SpamAssassin", "rejected by DMARC policy for far.test");
    let events =
        tells(&[CLIENT, MESSAGE_ID, RSPAMD, &dmarc], &["inbound.blocked bob@lab.test opendmarc"]);
    assert_eq!(events[0].data.score, None);
    tells(&[CLIENT, MESSAGE_ID, &dmarc], &["inbound.blocked bob@lab.test opendmarc"]);
}

/// The words of an address once made the refusal of a recipient a finding of spam.
#[test]
fn the_name_of_a_recipient_is_no_finding() {
    let unknown = "smtpd[12]: NOQUEUE: reject: RCPT from mx.far.test[127.0.2.5]: 550 5.1.1 <spam@lab.test>: Recipient address rejected: User unknown in local recipient table; from=<ann@far.test> to=<spam@lab.test> proto=ESMTP helo=<h>";
    assert_eq!(summaries(&stamped(&owned(&[unknown]))), ["inbound.blocked spam@lab.test"]);
}

#[test]
fn a_refused_local_submission_is_told_by_its_bounce_alone() {
    let story = [
        "pickup: 1B7F053E70F: uid=1002 from=<ann@lab.test>",
        MESSAGE_ID,
        "rspamd[74]: <63a75b>; proxy; rspamd_task_write_log: id: <1@gen.test>, qid: <1B7F053E70F>, ip: 127.0.0.1, from: <ann@lab.test>, (default: T (reject): [19.90/15.00] [LAB_TWENTY(20.00){}]), len: 1, time: 1ms, dns req: 0, digest: <c1b2>, rcpts: <bob@good.test>",
        "cleanup: 1B7F053E70F: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 Spam message rejected; from=<ann@lab.test> to=<bob@good.test>",
        "cleanup: 1B7F053E70F: to=<bob@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=5.7.1, status=bounced (Spam message rejected)",
        "bounce: 1B7F053E70F: sender non-delivery notification: 2C8A153E71B",
    ];
    let spam = "outbound.spam bob@good.test rejected rspamd 19.9 LAB_TWENTY";
    tells(&story, &[spam]);
    let unexplained = [&story[..2], &story[3..]].concat();
    tells(&unexplained, &["outbound.bounced bob@good.test"]);
}

/// A header check's words are not a filter's.
#[test]
fn a_local_submission_that_a_header_check_refuses_has_bounced() {
    let story = [
        "pickup: 1B7F053E70F: uid=1002 from=<ann@lab.test>",
        MESSAGE_ID,
        "cleanup: 1B7F053E70F: reject: header Subject: spam from local; from=<ann@lab.test> to=<bob@good.test>: spam subject (5.7.1 default)",
        "cleanup: 1B7F053E70F: to=<bob@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=5.7.1, status=bounced (spam subject (5.7.1 default))",
    ];
    tells(&story, &["outbound.bounced bob@good.test"]);
}

const AMAVIS_BLOCKED: &str = "amavis[98]: (00098-04) Blocked SPAM {RejectedInbound,Quarantined}, [127.0.2.5]:33707 <ann@far.test> -> <bob@lab.test>,<cat@lab.test>, Message-ID: <1@gen.test>, mail_id: dt5Ofj7vnGUG, Hits: 999.001, size: 416, 289 ms";
const NOQUEUE: &str = "smtpd[12]: NOQUEUE: client=mx.far.test[127.0.2.5]";
const PROXY_REJECT: &str = "smtpd[12]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=00098-04 - spam; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";

#[test]
fn amavis_before_the_queue_tells_the_score_of_what_it_refuses() {
    let expected = [
        "inbound.spam cat@lab.test rejected amavis 999.001",
        "inbound.spam bob@lab.test rejected amavis 999.001",
    ];
    let events = tells(&[NOQUEUE, AMAVIS_BLOCKED, PROXY_REJECT], &expected);
    assert_eq!(events[0].data.ip.as_deref(), Some("127.0.2.5"));
    let late = tells(&[NOQUEUE, PROXY_REJECT, AMAVIS_BLOCKED], &expected);
    assert_eq!(late[0].data.ip.as_deref(), Some("127.0.2.5"));
}

#[test]
fn the_answer_of_a_scan_without_verdict_is_told_by_its_words() {
    let next = "smtpd[12]: NOQUEUE: client=mx.far.test[127.0.2.5]";
    let events = tells(&[NOQUEUE, PROXY_REJECT, next], &["inbound.spam bob@lab.test rejected"]);
    assert_eq!(events[0].data.ip.as_deref(), Some("127.0.2.5"));
}

#[test]
fn amavis_before_the_queue_is_joined_by_the_queue_id_behind_it() {
    let behind = "reinject/smtpd[13]: 1B7F053E70F: client=localhost[127.0.0.1], orig_client=mx.far.test[127.0.2.5]";
    let passed = "amavis[98]: (00098-04) Passed SPAMMY {RelayedTaggedInbound}, [127.0.2.5]:55039 <ann@far.test> -> <bob@lab.test>, Message-ID: <1@gen.test>, mail_id: I6VRoRgOZi1F, Hits: 6, size: 370, queued_as: 1B7F053E70F, 398 ms";
    let accept = "smtpd[12]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 1B7F053E70F; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";
    let spam = "inbound.spam bob@lab.test tagged amavis 6";
    tells(
        &[NOQUEUE, behind, MESSAGE_ID, ACTIVE, passed, accept, SENT, REMOVED],
        &[spam, DELIVERED],
    );
    tells(
        &[NOQUEUE, behind, passed, MESSAGE_ID, ACTIVE, accept, SENT, REMOVED],
        &[spam, DELIVERED],
    );
    tells(
        &[NOQUEUE, behind, MESSAGE_ID, ACTIVE, SENT, accept, passed, REMOVED],
        &[DELIVERED, spam],
    );
}

#[test]
fn amavis_that_passes_and_blocks_one_scan_tells_each_recipient_once() {
    let line = |verdict: &str, to: &str| {
        format!(
            "amavis[98]: (00098-04) {verdict}, [127.0.2.5]:33707 <ann@far.test> -> <{to}@lab.test>, Queue-ID: 1B7F053E70F, Message-ID: <1@gen.test>, mail_id: x, Hits: 7, size: 416, 289 ms"
        )
    };
    let rules = "amavis[98]: (00098-04) spam-tag, <ann@far.test> -> <bob@lab.test>, Yes, score=7 tag=-999 tag2=5 kill=6.9 tests=[LAB_SEVEN=7, NO_RELAYS=-0.001] autolearn=no";
    let repeat = "amavis[98]: (00098-04) Passed SPAMMY, <ann@far.test> -> <bob@lab.test>, Hits: 7, tag=-999, tag2=5, kill=6.9, L/Y/0/0";
    let status = |to: &str, text: &str| {
        format!(
            "smtp: 1B7F053E70F: to=<{to}@lab.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.7.0, status=sent ({text})"
        )
    };
    let passed = line("Passed SPAMMY {RelayedTaggedInbound,DiscardedInbound}", "bob");
    let blocked = line("Blocked SPAM {RelayedTaggedInbound,DiscardedInbound}", "cat");
    let on = status("bob", "250 2.0.0 Ok");
    let gone = status("cat", "250 2.7.0 Ok, discarded, id=00098-04 - spam");
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, rules, &passed, repeat, &on, rules, &blocked, &gone, REMOVED],
        &[
            "inbound.spam bob@lab.test tagged amavis 7 LAB_SEVEN,NO_RELAYS",
            DELIVERED,
            "inbound.spam cat@lab.test discarded amavis 7 LAB_SEVEN,NO_RELAYS",
        ],
    );
}

#[test]
fn amavis_without_a_queue_id_is_joined_by_its_scan() {
    let blocked = AMAVIS_BLOCKED.replace("Rejected", "Discarded");
    let gone = "smtp: 1B7F053E70F: to=<bob@lab.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=00098-04 - spam)";
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, &blocked, gone, REMOVED],
        &["inbound.spam bob@lab.test discarded amavis 999.001"],
    );
    let lie = gone.replace("127.0.0.1[127.0.0.1]", "mx.evil.test[192.0.2.66]");
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &blocked, &lie], &["inbound.delivered bob@lab.test"]);
}

/// What it keeps, and what it throws away, was told as delivered.
#[test]
fn proxmox_mail_gateway_keeps_mail_behind_the_answer_that_it_took_it() {
    let score = "pmg-smtp-filter[98]: 60BD15DF38E3A9B3C6: SA score=8/5 time=2.9 bayes=undefined hits=GTUBE(1000),NO_RELAYS(-0.001)";
    let moved = |to: &str| {
        format!(
            "pmg-smtp-filter[98]: 60BD15DF38E3A9B3C6: moved mail for <{to}> to spam quarantine - 60BD16 (rule: Spam)"
        )
    };
    let answer = |to: &str, text: &str| {
        format!(
            "lmtp: 1B7F053E70F: to=<{to}>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.5.0, status=sent (250 {text} (60BD15DF38E3A9B3C6))"
        )
    };
    let (bob, cat) = (moved("bob@lab.test"), moved("cat@lab.test"));
    let kept = answer("bob@lab.test", "2.5.0 OK");
    let all = [CLIENT, MESSAGE_ID, ACTIVE, score, &bob, &cat, &kept];
    let spam = "inbound.spam bob@lab.test discarded pmg-smtp-filter 8 GTUBE,NO_RELAYS";
    let other = answer("cat@lab.test", "2.5.0 OK");
    let both = [spam, "inbound.spam cat@lab.test discarded pmg-smtp-filter 8 GTUBE,NO_RELAYS"];
    tells(&[&all[..], &[&other, REMOVED]].concat(), &both);
    let blocked = answer("cat@lab.test", "2.7.0 BLOCKED");
    let all = [CLIENT, MESSAGE_ID, ACTIVE, score, &bob, &kept, &blocked, REMOVED];
    tells(&all, &[spam, "inbound.dropped cat@lab.test"]);
    let taken = [CLIENT, MESSAGE_ID, ACTIVE, score, &bob, &kept, &other, REMOVED];
    tells(&taken, &[spam, "inbound.delivered cat@lab.test"]);
    let lie = kept.replace("127.0.0.1[127.0.0.1]", "mx.evil.test[192.0.2.66]");
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &bob, &lie], &["inbound.delivered bob@lab.test"]);
}

const CLAMAV_FULL: &str = "clamav-milter[65]: Message 1B7F053E70F from <ann@far.test> to <bob@lab.test> with subject 'x' message-id '<1@gen.test>' date 'Sat' infected by Eicar-Test-Signature";
const CLAMAV_BASIC: &str = "clamav-milter[65]: Message from <ann@far.test> to <bob@lab.test> infected by Eicar-Test-Signature";

#[test]
fn clamav_milter_names_the_virus_of_what_it_refuses_throws_away_or_holds() {
    let reject = MILTER_REJECT.replace("Blocked by SpamAssassin", "Command rejected");
    for found in [CLAMAV_FULL, CLAMAV_BASIC] {
        for (end, action) in
            [(&*reject, "rejected"), (MILTER_DISCARD, "discarded"), (MILTER_HOLD, "quarantined")]
        {
            let virus =
                format!("inbound.virus bob@lab.test {action} clamav-milter Eicar-Test-Signature");
            tells(&[CLIENT, MESSAGE_ID, found, end], &[&virus]);
        }
    }
    let late = [CLIENT, MESSAGE_ID, &reject, CLAMAV_FULL];
    tells(&late, &["inbound.virus bob@lab.test rejected clamav-milter Eicar-Test-Signature"]);
}

#[test]
fn clamav_milter_names_the_virus_of_what_goes_on() {
    let virus = "inbound.virus bob@lab.test passed clamav-milter Eicar-Test-Signature";
    for found in [CLAMAV_FULL, CLAMAV_BASIC] {
        tells(&[CLIENT, MESSAGE_ID, found, ACTIVE, SENT], &[virus, DELIVERED]);
    }
    // A message of the same sender and recipient, long before.
    let mut lines = stamped(&owned(&[CLIENT, MESSAGE_ID, ACTIVE]));
    for text in [CLAMAV_BASIC, SENT] {
        lines.push(stamped(&owned(&[text]))[0].replace("T01:00:00", "T01:00:20"));
    }
    assert_eq!(summaries(&lines)[1..], [DELIVERED]);
}

#[test]
fn clamd_names_no_message_and_is_joined_to_none() {
    let clamd = "clamd[60]: instream(127.0.0.1@34567): Eicar-Test-Signature FOUND";
    tells(&[CLIENT, MESSAGE_ID, clamd, ACTIVE, SENT], &[DELIVERED]);
}

#[test]
fn a_milter_that_no_filter_explains_is_told_after_a_moment() {
    let reject = MILTER_REJECT.replace("Blocked by SpamAssassin", "Command rejected");
    tells(&[CLIENT, MESSAGE_ID, &reject], &["inbound.blocked bob@lab.test"]);
    tells(&[CLIENT, MESSAGE_ID, MILTER_DISCARD], &["inbound.dropped bob@lab.test"]);
    tells(&[CLIENT, MESSAGE_ID, MILTER_HOLD], &[]);
    let later = reject.replace("5.7.1", "4.7.1");
    let lines = stamped(&owned(&[CLIENT, MESSAGE_ID, &later]));
    let (correlator, events) = so_far(&lines);
    assert_eq!(events.len(), 1, "what is tried again waits for nothing");
    assert!(events[0].data.temporary && !correlator.asides.are_telling());
}

#[test]
fn a_queue_id_that_comes_again_does_not_take_a_refusal_that_waits() {
    let reject = MILTER_REJECT.replace("Blocked by SpamAssassin", "Command rejected");
    let story = [CLIENT, MESSAGE_ID, &reject, CLIENT, MESSAGE_ID, ACTIVE, SENT];
    let events = events_of(&stamped(&owned(&story)));
    let told: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(told, ["inbound.blocked", "inbound.received", "inbound.delivered"]);
}

const GREYLISTED: &str = "smtpd[12]: NOQUEUE: reject: RCPT from mx.far.test[127.0.2.5]: 450 4.2.0 <bob@lab.test>: Recipient address rejected: Greylisted; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<h>";
const POSTGREY: &str = "postgrey[535]: action=greylist, reason=new, client_name=mx.far.test, client_address=127.0.2.5, sender=ann@far.test, recipient=bob@lab.test";

#[test]
fn a_policy_server_says_who_refused_and_gives_no_event_of_its_own() {
    tells(&[POSTGREY, GREYLISTED], &["inbound.blocked bob@lab.test postgrey new"]);
    tells(&[POSTGREY], &[]);
    let weight = "postgrey[535]: action=pass, reason=triplet found, delay=3, client_name=mx.far.test, client_address=127.0.2.5, sender=ann@far.test, recipient=bob@lab.test";
    tells(&[weight, GREYLISTED], &["inbound.blocked bob@lab.test"]);
}

#[test]
fn a_policy_servers_answer_is_for_one_transaction_and_one_moment() {
    let other = GREYLISTED.replace("bob@", "cat@");
    tells(&[POSTGREY, &other], &["inbound.blocked cat@lab.test"]);
    let final_ = GREYLISTED.replace("450 4.2.0", "550 5.1.1");
    tells(&[POSTGREY, &final_], &["inbound.blocked bob@lab.test"]);
    let mut lines = stamped(&owned(&[POSTGREY, GREYLISTED]));
    lines[1] = lines[1].replace("T01:00:00", "T01:00:03");
    assert_eq!(summaries(&lines), ["inbound.blocked bob@lab.test"]);
}

/// postgrey answers `DEFER_IF_PERMIT`, so that what Postfix itself has against the mail comes first.
#[test]
fn a_greylist_is_not_behind_what_postfix_itself_refuses_for_now() {
    for own in [
        "4.1.8 <ann@far.test>: Sender address rejected: Domain not found",
        "4.7.1 Client host rejected: cannot find your reverse hostname, [127.0.2.5]",
    ] {
        let own =
            GREYLISTED.replace("4.2.0 <bob@lab.test>: Recipient address rejected: Greylisted", own);
        tells(&[POSTGREY, &own], &["inbound.blocked bob@lab.test"]);
    }
    let older = GREYLISTED.replace("4.2.0", "4.7.1");
    tells(&[POSTGREY, &older], &["inbound.blocked bob@lab.test postgrey new"]);
}

#[test]
fn an_answer_after_the_refusal_comes_too_late() {
    tells(&[GREYLISTED, POSTGREY], &["inbound.blocked bob@lab.test"]);
}

#[test]
fn spf_refuses_by_sender_or_by_the_name_of_helo() {
    let spf = "policyd-spf[157]: : 550 5.7.23 Message rejected due to: SPF fail - not authorized. Please see http://www.openspf.net/Why?s=mfrom;id=ann@far.test;ip=127.0.2.5;r=lab.test";
    let reject = "smtpd[12]: NOQUEUE: reject: RCPT from mx.far.test[127.0.2.5]: 550 5.7.23 <bob@lab.test>: Recipient address rejected: Message rejected due to: SPF fail; from=<ann@far.test> to=<bob@lab.test> proto=ESMTP helo=<far.test>";
    let expected = ["inbound.blocked bob@lab.test policyd-spf authentication_fail"];
    tells(&[spf, reject], &expected);
    let (by_helo, null) =
        (spf.replace("id=ann@far.test", "id=far.test"), reject.replace("<ann@far.test>", "<>"));
    tells(&[&by_helo, &null], &expected);
    // The Perl version.
    let escaped = spf.replace("id=ann@far.test", "id=ann%40far.test");
    tells(&[&escaped, reject], &expected);
}

const AMAVIS: &str = "amavis[98]: (00098-04) Passed SPAMMY {DiscardedInbound,RelayedTaggedInbound}, [127.0.2.5]:33707 <ann@far.test> -> <bob@lab.test>, Queue-ID: 1B7F053E70F, Message-ID: <1@gen.test>, mail_id: dt5Ofj7vnGUG, Hits: 12, size: 416, queued_as: 2C8A153E71B, 289 ms";
const AMAVIS_CAT: &str = "amavis[98]: (00098-04) Blocked SPAM {DiscardedInbound,RelayedTaggedInbound}, [127.0.2.5]:33707 <ann@far.test> -> <cat@lab.test>, Queue-ID: 1B7F053E70F, Message-ID: <1@gen.test>, mail_id: dt5Ofj7vnGUG, Hits: 13, size: 416, 289 ms";
/// What comes back from the filter, and goes to a mailbox.
const BACK: [&str; 5] = [
    "smtpd[13]: 2C8A153E71B: client=localhost[127.0.0.1], orig_queue_id=1B7F053E70F, orig_client=mx.far.test[127.0.2.5]",
    "cleanup: 2C8A153E71B: message-id=<1@gen.test>",
    "qmgr: 2C8A153E71B: from=<ann@far.test>, size=400, nrcpt=1 (queue active)",
    "lmtp: 2C8A153E71B: to=<bob@lab.test>, relay=mx.lab.test[private/dovecot-lmtp], delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 <bob@lab.test> SESSION1 Saved)",
    "qmgr: 2C8A153E71B: removed",
];

fn mixed(to: &str) -> String {
    format!(
        "smtp: 1B7F053E70F: to=<{to}@lab.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B, but 1 DISCARD)"
    )
}

/// amavis has one answer and two verdicts then (`one_response_for_all()`); one recipient was forgotten.
#[test]
fn a_filter_that_blocks_the_copy_of_one_recipient_tells_of_both() {
    let (bob, cat) = (mixed("bob"), mixed("cat"));
    let expected = [
        "inbound.spam bob@lab.test tagged amavis 12",
        "inbound.spam cat@lab.test discarded amavis 13",
        "inbound.delivered bob@lab.test",
    ];
    for verdicts in [[AMAVIS, AMAVIS_CAT], [AMAVIS_CAT, AMAVIS]] {
        let before = [CLIENT, MESSAGE_ID, ACTIVE, BACK[0], BACK[1], BACK[2]];
        let after = [&*bob, &*cat, REMOVED, BACK[3], BACK[4]];
        tells(&[&before[..], &verdicts, &after].concat(), &expected);
    }
    let clean = AMAVIS.replace("SPAMMY", "CLEAN").replace("RelayedTagged", "Relayed");
    let story = [CLIENT, MESSAGE_ID, ACTIVE, BACK[0], BACK[1], BACK[2], &clean, AMAVIS_CAT];
    tells(&[&story[..], &[&bob, &cat, REMOVED, BACK[3], BACK[4]]].concat(), &expected[1..]);
}

/// `..._destination_recipient_limit = 1`.
#[test]
fn two_scans_of_one_queue_id_keep_to_their_recipients() {
    let other = AMAVIS_CAT.replace("00098-04", "00098-05");
    let gone = |to: &str, scan: &str| {
        let words = format!("250 2.7.0 Ok, discarded, id={scan} - spam");
        mixed(to).replace("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B, but 1 DISCARD", &words)
    };
    let first = AMAVIS_CAT.replace("cat@", "bob@").replace("Hits: 13", "Hits: 12");
    let (bob, cat) = (gone("bob", "00098-04"), gone("cat", "00098-05"));
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, &first, &other, &bob, &cat, REMOVED],
        &[
            "inbound.spam bob@lab.test discarded amavis 12",
            "inbound.spam cat@lab.test discarded amavis 13",
        ],
    );
}

/// A restart forgets it, so this is told without one.
#[test]
fn what_is_found_again_behind_a_filter_is_told_once() {
    let answer = mixed("bob").replace(", but 1 DISCARD", "");
    let expected =
        ["inbound.received bob@lab.test", "inbound.spam bob@lab.test tagged amavis 12", DELIVERED];
    let filed = FILED.replace("SESSION0", "SESSION1");
    let rspamd = rspamd("add header").replace("1B7F053E70F", "2C8A153E71B");
    let story = |again: &str| {
        let begin = [CLIENT, MESSAGE_ID, ACTIVE, BACK[0], BACK[1], BACK[2], AMAVIS];
        let end = [&*answer, REMOVED, again, BACK[3], BACK[4]];
        summaries(&stamped(&owned(&[&begin[..], &end].concat())))
    };
    assert_eq!(story(&filed), expected);
    assert_eq!(story(&rspamd), expected);
}

#[test]
fn a_filter_behind_a_socket_is_one_as_well() {
    let behind = |text: &str| {
        mixed("bob")
            .replace("127.0.0.1[127.0.0.1]:10024", "mx.lab.test[/run/amavis/amavisd.sock]")
            .replace(", but 1 DISCARD", "")
            .replace(
                "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B",
                text,
            )
    };
    let handed =
        behind("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B");
    let plain = BACK[0].split(", orig").next().unwrap();
    for client in [BACK[0], plain] {
        let story = [CLIENT, MESSAGE_ID, ACTIVE, client, BACK[1], BACK[2], &handed, REMOVED];
        tells(&[&story[..], &BACK[3..]].concat(), &[DELIVERED]);
    }
    let gone = behind("250 2.7.0 Ok, discarded, id=00098-04 - spam");
    let blocked = AMAVIS_CAT.replace("cat@", "bob@");
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, &blocked, &gone, REMOVED],
        &["inbound.spam bob@lab.test discarded amavis 13"],
    );
}

/// amavis splits what syslog would cut: the verdict on mail to many had no queue ID, or no score.
#[test]
fn a_verdict_in_pieces_is_one_verdict() {
    let (head, text) = AMAVIS.split_once(") ").unwrap();
    let pieces = |at: usize, text: &str| {
        let (first, second) = text.split_at(at);
        (format!("{head}) {first}..."), format!("{head}) ...{second}"))
    };
    let gone = mixed("bob").replace(", but 1 DISCARD", "");
    for at in [20, 100, 130, 180] {
        let (first, second) = pieces(at, text);
        let story = [CLIENT, MESSAGE_ID, ACTIVE, BACK[0], BACK[1], BACK[2], &first, &second];
        tells(
            &[&story[..], &[&gone, REMOVED, BACK[3], BACK[4]]].concat(),
            &["inbound.spam bob@lab.test tagged amavis 12", DELIVERED],
        );
    }
}

/// The words of clamsmtpd and proxsmtpd.
#[test]
fn a_virus_that_clamsmtp_throws_away_is_no_delivery() {
    let thrown = mixed("bob").replace("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 2C8A153E71B, but 1 DISCARD", "250 Virus Detected; Discarded Email");
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, &thrown, REMOVED],
        &["inbound.virus bob@lab.test discarded"],
    );
    let refused = thrown.replace("dsn=2.0.0, status=sent (250 Virus Detected; Discarded Email)", "dsn=5.0.0, status=bounced (host 127.0.0.1[127.0.0.1] said: 550 Virus Detected; Content Rejected (in reply to end of DATA command))");
    tells(
        &[CLIENT, MESSAGE_ID, ACTIVE, &refused, REMOVED],
        &["inbound.virus bob@lab.test rejected"],
    );
}

/// procmail asks spamd for each recipient.
#[test]
fn what_spamd_finds_for_one_recipient_is_not_the_next_ones() {
    let clean = [
        "spamd[573]: spamd: clean message (1.3/5.0) for cat:1001 in 0.1 seconds, 498 bytes."
            .to_owned(),
        SPAMD[1].replace("Y  6", ".  1"),
    ];
    let bob = SENT.replace("delivered to maildir", "delivered to command: procmail");
    let cat = SENT_TO_CAT.replace("delivered to maildir", "delivered to command: procmail");
    tells(
        &[
            CLIENT, MESSAGE_ID, ACTIVE, SPAMD[0], SPAMD[1], &bob, &clean[0], &clean[1], &cat,
            REMOVED,
        ],
        &[SPAMD_PASSED, DELIVERED, "inbound.delivered cat@lab.test"],
    );
}

/// rspamd's own file has no host, amavis' own file the whole name.
#[test]
fn a_verdict_in_a_filters_own_log_is_of_the_only_mail_server() {
    let mut lines = stamped(&owned(&[CLIENT, MESSAGE_ID, ACTIVE, RSPAMD, SENT]));
    let (_, text) = RSPAMD.split_once(": ").unwrap();
    lines[3] = format!("2026-11-21 01:00:00 #74(proxy) {text}");
    let told = summaries(&lines);
    assert_eq!(told[1], "inbound.spam bob@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD");
    lines[3] = stamped(&owned(&[RSPAMD])).remove(0).replace(" mx ", " mx.lab.test ");
    assert_eq!(summaries(&lines), told);
    let other = lines[0].replace(" mx ", " mx.far.test ").replace("1B7F", "2B7F");
    lines.insert(0, other);
    assert_eq!(summaries(&lines).len(), told.len() - 1, "nobody knows which");
}

/// Filters alone, without a line of Postfix that would let time pass.
#[test]
fn verdicts_that_nobody_takes_are_bounded() {
    let greylisted = |number: usize| {
        let line = stamped(&owned(&[POSTGREY])).remove(0);
        line.replace("bob@", &format!("bob{number}@"))
    };
    let lines: Vec<_> = (0..6000).map(greylisted).collect();
    let (mut correlator, events) = so_far(&lines);
    let mut kept = 0;
    correlator.drain_asides(|_, aside| kept += usize::from(aside.is_some()));
    assert_eq!((kept, events.len()), (4096, 0));
}

const FILED: &str = "dovecot: lmtp(bob)<2345><SESSION1>: sieve: msgid=<1@gen.test>: stored mail into mailbox 'Junk'";
const SAVED: &str = "lmtp: 1B7F053E70F: to=<bob@lab.test>, relay=mx.lab.test[private/dovecot-lmtp], delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 <bob@lab.test> SESSION1 Saved)";
const JUNK: &str = "inbound.spam bob@lab.test tagged dovecot";

#[test]
fn what_a_mailbox_files_as_junk_is_tagged() {
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, FILED, SAVED, REMOVED], &[JUNK, DELIVERED]);
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, SAVED, FILED, REMOVED], &[DELIVERED, JUNK]);
    let inbox = FILED.replace("Junk", "INBOX");
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &inbox, SAVED, REMOVED], &[DELIVERED]);
}

#[test]
fn a_mailbox_behind_a_command_is_known_by_message_id_and_user() {
    let filed = FILED.replace("lmtp(bob)", "lda(bob)");
    let piped = "pipe: 1B7F053E70F: to=<bob@lab.test>, relay=dovecot, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (delivered via dovecot service)";
    let by_message_id = filed.replace("<2345><SESSION1>", "");
    let by_message_id = by_message_id.replace("lda(bob)", "lda(2345, bob)");
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &by_message_id, piped, REMOVED], &[JUNK, DELIVERED]);
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &filed, piped, REMOVED], &[JUNK, DELIVERED]);
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, piped, &filed, REMOVED], &[DELIVERED, JUNK]);
    let cat = piped.replace("bob@", "cat@");
    tells(&[CLIENT, MESSAGE_ID, ACTIVE, &filed, &cat], &["inbound.delivered cat@lab.test"]);
}

#[test]
fn junk_that_a_filter_has_found_before_is_told_once() {
    tells(
        &[CLIENT, MESSAGE_ID, RSPAMD, ACTIVE, FILED, SAVED, REMOVED],
        &["inbound.spam bob@lab.test tagged rspamd 6.9 LAB_SEVEN,MIME_GOOD", DELIVERED],
    );
}

fn is_final(event: &Event) -> bool {
    let ended = matches!(event.data.action.as_deref(), Some("rejected" | "discarded"));
    ended
        || matches!(
            event.kind,
            EventType::InboundDelivered | EventType::InboundBlocked | EventType::InboundDropped
        )
}

proptest! {
    /// Whatever filters say, however often and wherever in the story: it ends once.
    #[test]
    fn no_verdict_makes_a_second_end(
        end in 0usize..5,
        verdicts in prop::collection::vec((0usize..10, 0usize..8), 0..12),
    ) {
        let ends: [&[&str]; 5] = [
            &[MILTER_REJECT],
            &[MILTER_DISCARD],
            &[ACTIVE, SENT, REMOVED],
            &[MILTER_HOLD, ACTIVE, SENT, REMOVED],
            &[ACTIVE, SAVED, REMOVED],
        ];
        let tagged = RSPAMD.replace("bob+tag@lab.test,cat@lab.test,", "");
        let rejected = tagged.replace("add header", "reject");
        let blocked = AMAVIS_BLOCKED.replace(",<cat@lab.test>", "");
        let pool = [
            SPAMD[0], SPAMD[1], SPAMPD[0], SPAMPD[1], &tagged, &rejected, &blocked, CLAMAV_FULL,
            CLAMAV_BASIC, FILED,
        ];
        let mut story = [&[CLIENT, MESSAGE_ID], ends[end]].concat();
        for (pick, place) in verdicts {
            story.insert(place.min(story.len()), pool[pick]);
        }
        let events = events_of(&stamped(&owned(&story)));
        prop_assert_eq!(events.iter().filter(|event| is_final(event)).count(), 1, "{:#?}", events);
        let mut told: Vec<_> = events.iter().map(|event| (event.kind, &event.data.to)).collect();
        told.sort_by_key(|(kind, to)| (kind.name(), (*to).clone()));
        let count = told.len();
        told.dedup();
        prop_assert_eq!(told.len(), count, "twice the same: {:#?}", events);
    }
}

#[test]
fn the_parser_understands_every_filter_of_these_tests() {
    for line in stamped(&owned(&[
        SPAMD[0],
        SPAMD[1],
        SPAMPD[0],
        SPAMPD[1],
        RSPAMD,
        AMAVIS_BLOCKED,
        CLAMAV_FULL,
        CLAMAV_BASIC,
        POSTGREY,
        FILED,
    ])) {
        assert!(matches!(Parser::new().parse(line.as_bytes()).body, Body::Filter(_)), "{line}");
    }
}
