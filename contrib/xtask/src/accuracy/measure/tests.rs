//! The measure itself: each way of being wrong is seen, and nothing right is called wrong.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests, which read best with one row as `&[row.clone()]`"
)]

use serde_json::{Value, json};

use super::{
    event::{self, same_address},
    judge::judge,
    report::{Tally, Verdict},
    truth,
};

/// Rows of one message to `b@good.test`, with further keys.
fn row(more: &Value) -> Value {
    let mut row = json!({
        "scenario": "99_test", "msg": 1, "mail_from": "a@sender.test", "rcpt_to": "b@good.test",
        "queue_id": "1B7F053E70F", "message_id": "<1@gen.test>", "outcome": "delivered",
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

/// An event of that message, with further data.
fn event(kind: &str, more: &Value) -> Value {
    let mut data = json!({
        "uid": "msg_1", "queue_id": "1B7F053E70F", "message_id": "<1@gen.test>",
        "from": "a@sender.test", "to": "b@good.test",
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "type": kind, "data": data })
}

fn refusal(kind: &str, more: &Value) -> Value {
    let mut data = json!({ "uid": "msg_2" });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "type": kind, "data": data })
}

fn judged(rows: &[Value], events: &[Value]) -> (Tally, Vec<Verdict>) {
    judged_by(rows, events, "")
}

fn judged_by(rows: &[Value], events: &[Value], log: &str) -> (Tally, Vec<Verdict>) {
    let lines = |values: &[Value]| {
        values.iter().map(Value::to_string).collect::<Vec<_>>().join(
            "
",
        )
    };
    let truth = truth::read(&lines(rows)).unwrap();
    let (tally, findings) = judge(&truth, &event::read(&lines(events)).unwrap(), log);
    (tally, findings.iter().map(|finding| finding.verdict).collect())
}

/// How often right, and everything else.
fn counted(rows: &[Value], events: &[Value]) -> (u64, Vec<Verdict>) {
    let (tally, verdicts) = judged(rows, events);
    (tally.right, verdicts)
}

#[test]
fn each_outcome_allows_its_types_and_no_other() {
    let none = json!({});
    let delivered = event("outbound.delivered", &none);
    let hard = event("outbound.bounced", &json!({ "bounce_type": "hard" }));
    let soft = event("outbound.bounced", &json!({ "bounce_type": "soft" }));
    let rejected = event("outbound.rejected", &none);
    let dropped = event("outbound.dropped", &none);
    let spam = event("outbound.spam", &json!({ "action": "discarded" }));
    let deferred = event("outbound.deferred", &none);
    let all = [&delivered, &hard, &soft, &rejected, &dropped, &spam, &deferred];
    let allowed: [(&str, &[usize]); 8] = [
        ("delivered", &[0]),
        ("delivered-local", &[0]),
        ("bounced", &[1, 2, 3]),
        ("deferred-then-expired", &[2]),
        ("discarded-by-filter", &[4, 5]),
        ("deleted-by-admin", &[4, 5]),
        ("deferred", &[6]),
        ("held", &[6]),
    ];
    for (outcome, right) in allowed {
        for (index, one) in all.iter().enumerate() {
            let (tally, _) = judged(&[row(&json!({ "outcome": outcome }))], &[(*one).clone()]);
            assert_eq!(tally.right == 1, right.contains(&index), "{outcome}: {one}");
            assert_eq!(tally.is_clean(), right.contains(&index), "{outcome}: {one}");
        }
    }
}

#[test]
fn what_is_not_told_is_missing() {
    let queued = event("outbound.queued", &json!({}));
    assert_eq!(counted(&[row(&json!({}))], &[]), (0, vec![Verdict::Missing]));
    assert_eq!(counted(&[row(&json!({}))], &[queued]), (0, vec![Verdict::Missing]));
    let rejected = row(&json!({ "outcome": "rejected", "stage": "RCPT", "smtp_code": 550 }));
    assert_eq!(counted(&[rejected], &[]), (0, vec![Verdict::Missing]));
}

#[test]
fn what_is_told_twice_or_of_nobody_is_invented() {
    let (queued, delivered) =
        (event("outbound.queued", &json!({})), event("outbound.delivered", &json!({})));
    let told = |events: &[&Value]| {
        counted(&[row(&json!({}))], &events.iter().copied().cloned().collect::<Vec<_>>())
    };
    assert_eq!(told(&[&queued, &delivered]), (1, vec![]));
    assert_eq!(told(&[&queued, &delivered, &delivered]), (1, vec![Verdict::Invented]));
    assert_eq!(told(&[&queued, &queued, &delivered]), (1, vec![Verdict::Invented]));
    // Another recipient, with two events about it, is one invention.
    let other = |kind| event(kind, &json!({ "to": "c@good.test" }));
    let (more, most) = (other("outbound.queued"), other("outbound.delivered"));
    assert_eq!(told(&[&delivered, &more, &most]), (1, vec![Verdict::Invented]));
    // A second stage of the same message is the same recipient.
    let hop = event("outbound.delivered", &json!({ "uid": "msg_9", "queue_id": "9A" }));
    assert_eq!(told(&[&delivered, &hop]), (1, vec![Verdict::Invented]));
}

#[test]
fn a_message_of_the_mail_system_itself_gives_no_event() {
    let notice = json!({
        "kind": "generated-message-seen-by-sink", "scenario": "99_test", "rcpts": ["a@sender.test"],
        "mail": "MAIL FROM:<> SIZE=1", "message_id": "<dsn@mx>", "reply": "250 2.0.0 Ok",
    });
    let data = json!({ "uid": "msg_2", "from": "", "message_id": "<dsn@mx>", "queue_id": "2A" });
    let mut told = data.clone();
    told["to"] = "a@sender.test".into();
    let delivered = json!({ "type": "outbound.delivered", "data": told });
    assert_eq!(counted(&[notice.clone()], &[delivered]), (0, vec![Verdict::Invented]));
    let sending = json!({ "type": "outbound.sending", "data": data });
    assert_eq!(counted(&[notice.clone()], &[sending]), (0, vec![Verdict::Invented]));
    assert_eq!(counted(&[notice.clone()], &[]), (0, vec![]));
    // Nor does an address check.
    let check = json!({ "kind": "sendmail -bv", "rcpt_to": "b@good.test" });
    let more = json!({ "uid": "msg_3", "user": "0", "to": null, "message_id": null });
    let sending = event("outbound.sending", &more);
    assert_eq!(counted(&[check], &[sending]), (0, vec![Verdict::Invented]));
}

#[test]
fn what_the_servers_got_for_others_than_the_client_named_is_known() {
    let copy = json!({
        "kind": "generated-message-seen-by-sink", "scenario": "99_test", "rcpts": ["bcc@good.test"],
        "mail": "MAIL FROM:<a@sender.test> SIZE=1", "message_id": "<1@gen.test>", "reply": "250 Ok",
    });
    let events = [
        event("outbound.delivered", &json!({})),
        event("outbound.delivered", &json!({ "to": "bcc@good.test" })),
    ];
    assert_eq!(counted(&[row(&json!({})), copy], &events), (2, vec![]));
}

#[test]
fn a_recipient_that_the_mail_system_added_or_merged_stays_open() {
    let end =
        |to: &str, nrcpt: u64| event("outbound.delivered", &json!({ "to": to, "nrcpt": nrcpt }));
    let named = row(&json!({}));
    let told = |nrcpt| {
        counted(&[named.clone()], &[end("b@good.test", nrcpt), end("bcc@good.test", nrcpt)])
    };
    assert_eq!(told(2), (1, vec![Verdict::Undecided]));
    assert_eq!(told(1), (1, vec![Verdict::Invented]));
    let rows = [named.clone(), row(&json!({ "rcpt_to": "alias@good.test" }))];
    assert_eq!(counted(&rows, &[end("b@good.test", 1)]), (1, vec![Verdict::Undecided]));
    assert_eq!(counted(&rows, &[end("b@good.test", 2)]), (1, vec![Verdict::Missing]));
}

#[test]
fn a_refusal_is_found_by_what_its_line_names() {
    let refused = |more: &Value| {
        let mut row =
            row(&json!({ "outcome": "rejected", "smtp_code": 550, "client_ip": "192.0.2.7" }));
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row.as_object_mut().unwrap().remove("queue_id");
        row
    };
    let rcpt = refused(&json!({ "stage": "RCPT" }));
    let named = json!({ "from": "a@sender.test", "to": "b@good.test", "smtp_code": 550 });
    let blocked = |data: &Value| refusal("inbound.blocked", data);
    assert_eq!(counted(&[rcpt.clone()], &[blocked(&named)]), (1, vec![]));
    // Two at once need two events.
    let second = refused(&json!({ "stage": "RCPT", "msg": 2 }));
    let told = counted(&[rcpt.clone(), second], &[blocked(&named)]);
    assert_eq!(told, (1, vec![Verdict::Missing]));
    // A refusal of MAIL names nobody, and stands for all recipients of the message.
    let mail = [
        refused(&json!({ "stage": "MAIL" })),
        refused(&json!({ "stage": "MAIL", "rcpt_to": "c@good.test" })),
    ];
    let sender = json!({ "from": "a@sender.test", "smtp_code": 550 });
    assert_eq!(counted(&mail, &[blocked(&sender)]), (2, vec![]));
    let client = json!({ "ip": "192.0.2.7", "smtp_code": 550 });
    assert_eq!(counted(&mail, &[blocked(&client)]), (2, vec![]));
    let stranger = json!({ "ip": "192.0.2.8", "smtp_code": 550 });
    assert_eq!(judged(&mail, &[blocked(&stranger)]).0.right, 0);
    // For now is not for good, and is told once as well.
    let mut later = named;
    later["temporary"] = true.into();
    let temporary = blocked(&later);
    assert_eq!(counted(&[rcpt], &[temporary.clone()]), (0, vec![Verdict::Wrong]));
    let put_off = refused(&json!({ "stage": "RCPT", "smtp_code": 450 }));
    let mut told = temporary;
    told["data"]["smtp_code"] = 450.into();
    let twice = [told.clone(), told];
    assert_eq!(counted(&[put_off], &twice), (1, vec![Verdict::Invented]));
}

#[test]
fn a_refusal_of_the_whole_message_names_one_recipient_and_is_about_all() {
    let rows: Vec<_> = ["b@good.test", "c@good.test"]
        .iter()
        .map(|address| {
            let more = json!({ "outcome": "rejected", "smtp_code": 554, "rcpt_to": address });
            row(&more)
        })
        .collect();
    let refused = |stage: &str| {
        let more = json!({ "stage": stage, "to": "c@good.test", "action": "rejected" });
        event("outbound.spam", &more)
    };
    assert_eq!(counted(&rows, &[refused("END-OF-MESSAGE")]), (2, vec![]));
    assert_eq!(counted(&rows, &[refused("RCPT")]), (1, vec![Verdict::Missing]));
    let mut stranger = refused("END-OF-MESSAGE");
    stranger["data"]["to"] = "z@good.test".into();
    let (missing, invented) = (Verdict::Missing, Verdict::Invented);
    assert_eq!(counted(&rows, &[stranger]), (0, vec![missing, missing, invented]));
}

#[test]
fn a_failed_login_is_no_event() {
    let login = row(&json!({ "outcome": "rejected", "stage": "AUTH", "smtp_code": 535 }));
    assert_eq!(counted(&[login.clone()], &[]), (1, vec![]));
    let told = event("outbound.dropped", &json!({}));
    assert_eq!(counted(&[login], &[told]), (0, vec![Verdict::Wrong]));
}

#[test]
fn a_notice_to_the_sender_decides_what_the_row_leaves_open() {
    let notice = |status: &str| {
        json!({
            "kind": "generated-message-seen-by-sink", "scenario": "99_test", "mail": "MAIL FROM:<>",
            "rcpts": ["a@sender.test"], "reply": "250 Ok", "dsn_report": [
                "Final-Recipient: rfc822; b@good.test\r", "Action: failed\r",
                format!("Status: {status}\r"),
            ],
        })
    };
    let soft = event("outbound.bounced", &json!({ "bounce_type": "soft" }));
    let deferred = row(&json!({ "outcome": "deferred" }));
    assert_eq!(counted(&[deferred.clone(), notice("4.4.1")], &[soft.clone()]), (1, vec![]));
    assert_eq!(counted(&[deferred.clone()], &[soft.clone()]), (0, vec![Verdict::Wrong]));
    let open = row(&json!({ "outcome": "see-log" }));
    let delivered = event("outbound.delivered", &json!({}));
    assert_eq!(counted(&[open.clone(), notice("5.1.1")], &[soft.clone()]), (1, vec![]));
    assert_eq!(counted(&[open.clone(), notice("5.1.1")], &[delivered]), (0, vec![Verdict::Wrong]));
    assert_eq!(counted(&[open], &[soft]), (0, vec![Verdict::Undecided]));
}

#[test]
fn an_alias_has_the_ends_of_those_it_stands_for() {
    let alias =
        row(&json!({ "outcome": "expanded", "expands_to": ["x@good.test", "y@good.test"] }));
    let end =
        |to: &str| event("outbound.delivered", &json!({ "to": to, "orig_to": "b@good.test" }));
    let both = [end("x@good.test"), end("y@good.test")];
    assert_eq!(counted(&[alias.clone()], &both), (1, vec![]));
    assert_eq!(counted(&[alias], &both[..1]), (0, vec![Verdict::Missing]));
}

#[test]
fn a_queue_id_that_comes_again_is_another_message() {
    let again = row(&json!({ "msg": 2, "message_id": "<2@gen.test>" }));
    let second =
        event("outbound.delivered", &json!({ "uid": "msg_2", "message_id": "<2@gen.test>" }));
    let first = event("outbound.delivered", &json!({}));
    assert_eq!(counted(&[row(&json!({})), again.clone()], &[first, second.clone()]), (2, vec![]));
    assert_eq!(counted(&[row(&json!({})), again], &[second]), (1, vec![Verdict::Missing]));
}

#[test]
fn a_refusal_in_a_session_without_a_message_is_explained_once() {
    let session = json!({
        "kind": "raw-session", "scenario": "99_test", "client_ip": "192.0.2.7",
        "sent": ["EHLO a.test\r\n", "RCPT TO:<x>\r\n"],
        "replies": [[250, "mx"], [504, "5.5.2 <x>: Recipient address rejected"], [450, "4.7.1 Error"]],
    });
    let told = refusal(
        "inbound.blocked",
        &json!({
            "to": "x", "smtp_code": 504, "response": "504 5.5.2 <x>: Recipient address rejected",
        }),
    );
    assert_eq!(counted(&[session.clone()], &[told.clone()]), (0, vec![]));
    let mut again = told.clone();
    again["data"]["uid"] = "msg_3".into();
    let twice = [told.clone(), again];
    assert_eq!(counted(&[session.clone()], &twice), (0, vec![Verdict::Invented]));
    let mut asked = told;
    asked["data"]["stage"] = "VRFY".into();
    assert_eq!(counted(&[session.clone()], &[asked]), (0, vec![Verdict::Invented]));
    // A rate limit's line has words of its own.
    let limited = |ip: &str| {
        let words = json!({ "ip": ip, "smtp_code": 450, "response": "AUTH command rate limit" });
        refusal("inbound.blocked", &words)
    };
    assert_eq!(counted(&[session.clone()], &[limited("192.0.2.7")]), (0, vec![]));
    assert_eq!(counted(&[session], &[limited("192.0.2.8")]), (0, vec![Verdict::Invented]));
}

#[test]
fn expectations_written_by_hand_hold_for_their_row_and_need_it() {
    let mut open = row(&json!({ "scenario": "40_amavis", "outcome": "see-log" }));
    open["rcpt_to"] = "ok+s40ban@good.test".into();
    let told = |kind: &str| event(kind, &json!({ "to": "ok+s40ban@good.test" }));
    assert_eq!(counted(&[open.clone()], &[told("outbound.dropped")]), (1, vec![]));
    assert_eq!(counted(&[open.clone()], &[told("outbound.bounced")]), (0, vec![Verdict::Wrong]));
    open["scenario"] = "99_test".into();
    assert_eq!(counted(&[open], &[told("outbound.bounced")]), (0, vec![Verdict::Undecided]));
}

#[test]
fn rows_of_an_unexpected_shape_stop_nothing() {
    let odd = json!({ "scenario": 7, "rcpt_to": null, "outcome": ["?"], "smtp_code": "x" });
    assert_eq!(counted(&[odd, json!({ "kind": "moon" })], &[]), (0, vec![Verdict::Undecided]));
    assert!(truth::read("{\"kind\":\"event\"}").is_ok_and(|truth| truth.recipients.is_empty()));
    assert!(truth::read("no JSON").is_err());
}

#[test]
fn spellings_of_one_mailbox_are_the_same() {
    assert!(same_address("\"unknown/../x\"@good.test", "unknown/../x@GOOD.test"));
    assert!(same_address("\"a\\\"b\"@good.test", "a\"b@good.test"));
    assert!(!same_address("a@good.test", "b@good.test"));
    assert!(!same_address("a@good.test", "a@other.test"));
}

#[test]
fn one_refusal_of_a_whole_message_stands_for_the_recipients_that_it_does_not_name() {
    let refused = |number: u64, to: &str| {
        row(&json!({
            "msg": number, "rcpt_to": to, "outcome": "rejected", "stage": "END-OF-MESSAGE",
            "smtp_code": 554, "queue_id": null, "message_id": null,
        }))
    };
    let told = |uid: &str, to: &str| {
        let named = json!({
            "uid": uid, "from": "a@sender.test", "to": to, "smtp_code": 554,
            "stage": "END-OF-MESSAGE",
        });
        refusal("inbound.blocked", &named)
    };
    let rows = [refused(1, "c@x.test"), refused(1, "b@x.test"), refused(2, "c@x.test")];
    let both = [told("msg_2", "b@x.test"), told("msg_3", "c@x.test")];
    assert_eq!(counted(&rows, &both), (3, vec![]));
    assert_eq!(counted(&rows, &both[..1]), (2, vec![Verdict::Missing]));
}

#[test]
fn whom_a_line_names_with_its_message_has_an_event_of_its_own() {
    let refused = |to: &str| {
        row(&json!({
            "rcpt_to": to, "outcome": "rejected", "stage": "END-OF-MESSAGE", "smtp_code": 554,
        }))
    };
    let rows = [refused("b@good.test"), refused("c@good.test")];
    let told = [event("inbound.blocked", &json!({ "stage": "END-OF-MESSAGE", "smtp_code": 554 }))];
    let right = |log: &str| judged_by(&rows, &told, log).0.right;
    assert_eq!(right("milter-reject: 1B7F053E70F to=<b@good.test>\nto=<c@good.test>"), 2);
    assert_eq!(right("rspamd: 1B7F053E70F rcpts: <b@good.test,c@good.test>"), 1);
    assert_eq!(right("amavis: 1@gen.test <b@good.test>,<c@good.test>"), 1);
}

#[test]
fn two_recipients_of_one_address_need_two_ends() {
    let end = |original: Option<&str>| {
        event("inbound.delivered", &json!({ "orig_to": original, "nrcpt": 2 }))
    };
    let rows = [row(&json!({})), row(&json!({}))];
    let both = [end(None), end(Some("alias@good.test"))];
    assert_eq!(counted(&rows, &both), (2, vec![]));
    assert_eq!(counted(&rows, &both[..1]), (1, vec![Verdict::Missing]));
    let only = event("inbound.delivered", &json!({ "nrcpt": 1 }));
    assert_eq!(counted(&rows, &[only]), (2, vec![]));
}

#[test]
fn who_is_discarded_with_another_needs_that_ones_event() {
    let thrown = |to: &str| row(&json!({ "rcpt_to": to, "outcome": "discarded" }));
    let rows = [thrown("b@good.test"), thrown("c@good.test")];
    let at_rcpt = event("inbound.dropped", &json!({ "stage": "RCPT" }));
    assert_eq!(counted(&rows, &[at_rcpt]), (2, vec![]));
    // A status line names each recipient, and a refusal throws nothing away.
    let missing = vec![Verdict::Missing];
    assert_eq!(counted(&rows, &[event("inbound.dropped", &json!({}))]), (1, missing));
    let data = json!({ "stage": "RCPT", "smtp_code": 554 });
    let (wrong, missing) = (Verdict::Wrong, Verdict::Missing);
    assert_eq!(counted(&rows, &[event("inbound.blocked", &data)]), (0, vec![wrong, missing]));
}

#[test]
fn an_operator_deletes_with_a_held_message_those_that_no_line_names() {
    let deleted = |to: &str| row(&json!({ "rcpt_to": to, "outcome": "deleted-by-admin" }));
    let rows = [deleted("b@good.test"), deleted("c@good.test")];
    let dropped = event("inbound.dropped", &json!({}));
    assert_eq!(counted(&rows, &[dropped.clone()]), (2, vec![]));
    let active = event("inbound.received", &json!({}));
    assert_eq!(counted(&rows, &[active, dropped]), (1, vec![Verdict::Missing]));
}

#[test]
fn who_is_taken_for_another_recipient_ends_with_that_one() {
    let end = |to: &str| event("inbound.delivered", &json!({ "to": to }));
    for word in ["merged", "redirected"] {
        let rows = [row(&json!({})), row(&json!({ "rcpt_to": "B@good.test", "outcome": word }))];
        assert_eq!(counted(&rows, &[end("b@good.test")]), (2, vec![]));
        let twice = [end("b@good.test"), end("B@good.test")];
        assert_eq!(counted(&rows, &twice), (2, vec![Verdict::Invented]));
        let missing = Verdict::Missing;
        assert_eq!(counted(&rows, &[]), (0, vec![missing, missing]));
        let stranger = [end("b@good.test"), end("z@good.test")];
        assert_eq!(counted(&rows, &stranger), (2, vec![Verdict::Invented]));
    }
}

#[test]
fn what_the_client_gave_up_gives_no_event() {
    let aborted = row(&json!({ "outcome": "aborted" }));
    assert_eq!(counted(&[aborted.clone()], &[]), (1, vec![]));
    let told = event("inbound.received", &json!({}));
    assert_eq!(counted(&[aborted], &[told]), (0, vec![Verdict::Wrong]));
}

#[test]
fn each_recipient_beyond_a_rate_has_a_line_that_names_nobody() {
    let refused = |to: &str| {
        row(&json!({
            "rcpt_to": to, "outcome": "rejected", "stage": "RCPT", "smtp_code": 450,
            "client_ip": "192.0.2.7", "queue_id": null, "message_id": null,
        }))
    };
    let told = |uid: &str| {
        let client = json!({ "uid": uid, "ip": "192.0.2.7", "smtp_code": 450, "temporary": true });
        refusal("inbound.blocked", &client)
    };
    let rows = [refused("b@good.test"), refused("c@good.test")];
    assert_eq!(counted(&rows, &[told("msg_2"), told("msg_3")]), (2, vec![]));
    assert_eq!(counted(&rows, &[told("msg_2")]), (1, vec![Verdict::Missing]));
    let thrice = [told("msg_2"), told("msg_3"), told("msg_4")];
    assert_eq!(counted(&rows, &thrice), (2, vec![Verdict::Invented]));
}

#[test]
fn a_reply_that_is_never_logged_needs_no_event() {
    let refused = |response: &str| {
        row(&json!({
            "outcome": "rejected", "stage": "RCPT", "smtp_code": 452, "queue_id": null,
            "message_id": null, "response": response,
        }))
    };
    assert_eq!(counted(&[refused("4.5.3 Error: too many recipients")], &[]), (1, vec![]));
    let other = refused("4.3.1 Insufficient system storage");
    assert_eq!(counted(&[other], &[]), (0, vec![Verdict::Missing]));
}

mod haraka {
    use super::*;

    fn session(more: &Value) -> Value {
        let mut row = json!({
            "kind": "client", "client_ip": "192.0.2.1", "mail_from": "a@sender.test",
            "rcpts": ["b@good.test"], "rcpt_replies": { "b@good.test": "250 OK" },
            "txn_uuid": "C.1", "final_stage": "dot", "final_reply": "250 Queued",
            "direction": "outbound", "message_id": "<1@gen.test>",
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    }

    fn told(kind: &str) -> Value {
        event(kind, &json!({ "queue_id": "C.1" }))
    }

    fn stated(kind: &str, more: &Value) -> Value {
        let mut row = json!({ "kind": "event", "event": kind, "to": "b@good.test" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    }

    #[test]
    fn a_message_has_its_arrival_and_its_end_and_goes_its_way() {
        let rows = [session(&json!({})), stated("outbound.delivered", &json!({}))];
        let verdict = |events: &[&str]| {
            let events: Vec<_> = events.iter().map(|kind| told(kind)).collect();
            counted(&rows, &events)
        };
        assert_eq!(verdict(&["outbound.queued", "outbound.delivered"]), (1, vec![]));
        assert_eq!(verdict(&["outbound.delivered"]), (0, vec![Verdict::Missing]));
        assert_eq!(verdict(&["outbound.queued"]), (0, vec![Verdict::Missing]));
        assert_eq!(
            verdict(&["outbound.queued", "outbound.deferred", "outbound.delivered"]),
            (0, vec![Verdict::Invented])
        );
        assert_eq!(verdict(&["inbound.received", "inbound.delivered"]), (0, vec![Verdict::Wrong]));
    }

    #[test]
    fn what_a_server_put_off_last_is_the_bounce_and_no_deferral() {
        let put_off = stated("outbound.deferred", &json!({ "mode": "SMTP" }));
        let given_up = stated("outbound.bounced", &json!({ "reason": "too many failures" }));
        let rows = [session(&json!({})), put_off.clone(), put_off, given_up];
        let bounced =
            event("outbound.bounced", &json!({ "queue_id": "C.1", "bounce_type": "soft" }));
        let (queued, deferred) = (told("outbound.queued"), told("outbound.deferred"));
        assert_eq!(
            counted(&rows, &[queued.clone(), deferred.clone(), bounced.clone()]),
            (1, vec![])
        );
        let twice = [queued, deferred.clone(), deferred, bounced];
        assert_eq!(counted(&rows, &twice), (0, vec![Verdict::Invented]));
    }

    #[test]
    fn a_filter_that_was_heard_has_to_be_told_of() {
        let rows = [session(&json!({})), stated("outbound.delivered", &json!({})), {
            json!({ "kind": "event", "event": "outbound.spam", "engine": "rspamd" })
        }];
        // The verdict stands behind its session.
        let rows = [rows[0].clone(), rows[2].clone(), rows[1].clone()];
        let events = [told("outbound.queued"), told("outbound.delivered")];
        let verdict = |log: &str| judged_by(&rows, &events, log).1;
        assert_eq!(verdict("[INFO] [C.1] [rspamd] action: add header"), [Verdict::Missing]);
        assert_eq!(verdict("[INFO] [C.1] [core] x"), []);
        assert_eq!(verdict("[NOTICE] [C.1] [core] x"), [Verdict::Undecided]);
    }

    #[test]
    fn a_bounce_that_no_line_tells_is_undecided_only_below_info() {
        let bounced = stated("outbound.bounced", &json!({ "stage": "dot" }));
        let rows = [session(&json!({})), bounced];
        let verdict = |log: &str| judged_by(&rows, &[told("outbound.queued")], log).1;
        assert_eq!(verdict("[NOTICE] [C.1] [core] x"), [Verdict::Undecided]);
        assert_eq!(verdict("[INFO] [C.1] [core] x"), [Verdict::Missing]);
    }
}
