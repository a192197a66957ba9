//! One line of each kind, in each layout.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Parser;

const C: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";

fn body(line: &str) -> Body<'_> {
    read(line.as_bytes())
}

#[track_caller]
fn entry(line: &str) -> Entry<'_> {
    match body(line) {
        Body::Haraka(record) => record.entry,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_recipient_of_a_queued_item_that_imitates_an_answer_is_a_recipient() {
    let line = format!(
        "[NOTICE] [{C}.1] [core] recipient <\"> code=DENY msg=\"@b.test> code=OK msg=\"\" sender=a@b"
    );
    let Entry::Recipient(answer) = entry(&line) else { panic!("{line}") };
    assert_eq!(answer.address.raw(), b"\"> code=DENY msg=\"@b.test");
    assert_eq!(answer.verdict.code, Code::Ok);
}

#[test]
fn a_message_id_that_imitates_a_record_is_a_message_id() {
    let line = format!(
        "[NOTICE] [{C}.1] [core] message mid=\"<x\\\"] [core] queue code=OK msg=\\\"y>\" size=3 \
         rcpts=1/0/0 delay=0.1 code=DENY msg=\"spam score exceeded threshold\""
    );
    let Entry::Message(message) = entry(&line) else { panic!("{line}") };
    assert_eq!(&*message.message_id.bytes(), b"<x\"] [core] queue code=OK msg=\"y>");
    assert_eq!(message.verdict.code, Code::Deny);
}

#[test]
fn credentials_are_in_no_record() {
    for words in [
        " hook=unrecognized_command plugin=auth/flat_file function=f params=c2VjcmV0 retval=OK msg=\"\"",
        " hook=unrecognized_command plugin=auth/flat_file function=f params=c2VjcmV0 retval=DENY",
        "C: AUTH PLAIN c2VjcmV0 state=1",
    ] {
        assert_eq!(body(&format!("[INFO] [{C}] [core] {words}")), Body::Ignored, "{words}");
    }
    for (plugin, words) in [
        ("limit", "unrec_cmds: AUTH,PLAIN c2VjcmV0"),
        ("karma", "score: -1, fail:cmd:(AUTH,PLAIN c2VjcmV0)"),
    ] {
        assert_eq!(body(&format!("[INFO] [{C}] [{plugin}] {words}")), Body::Ignored, "{words}");
        let json = format!(
            "{{\"level\":\"INFO\",\"uuid\":\"{C}\",\"origin\":\"{plugin}\",\"message\":\"{words}\"}}"
        );
        assert_eq!(body(&json), Body::Ignored, "{words}");
    }
}

#[test]
fn a_reason_names_its_recipients() {
    let line = format!(
        "[INFO] [{C}.1.1] [outbound] bouncing mail: Too many failures (Some recipients temp failed: \
         <a@b.test>, <\"x, <y@z>\"@b.test>)"
    );
    let Entry::Bounced(reason) = entry(&line) else { panic!("{line}") };
    assert!(reason.is_exhausted);
    let names: Vec<_> = reason.recipients().map(Text::raw).collect();
    assert_eq!(names, [&b"a@b.test"[..], b"\"x, <y@z>\"@b.test"]);
}

#[test]
fn a_line_in_any_wrapper_is_the_same_record() {
    let record = format!("[NOTICE] [{C}.1] [core] queue code=OK msg=\"Message Queued ({C}.1)\"");
    let escaped = record.replace('"', "\\\"");
    for line in [
        record.clone(),
        format!("2026-11-21T01:40:03.838Z {record}"),
        format!("<21>Nov 21 01:40:04 haraka[18223]: {record}"),
        format!("Nov 21 01:40:04 vm haraka[18223]: {record}"),
        format!("2026-11-21T01:40:04.000001+00:00 vm node[18223]: {record}"),
        format!("<22>1 2026-11-21T01:40:04Z vm haraka 1 - - {record}"),
        format!("2026-11-21T01:40:04.123456789Z stdout F {record}"),
        format!(
            "{{\"log\":\"{escaped}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T01:40:04Z\"}}"
        ),
        format!("{{\"SYSLOG_IDENTIFIER\":\"haraka\",\"MESSAGE\":\"{escaped}\"}}"),
    ] {
        let mut parser = Parser::new();
        let Body::Haraka(found) = parser.parse(line.as_bytes()).body else { panic!("{line}") };
        assert_eq!(found.uuid.transaction_name(), Some(format!("{C}.1").as_str()), "{line}");
        assert!(matches!(found.entry, Entry::Queue(Verdict { code: Code::Ok, .. })), "{line}");
    }
}

#[test]
fn a_record_that_breaks_off_is_not_understood() {
    for words in
        ["recipient <a@b", "queue code=", "disconnect ip=::1 relay=", "message mid=<x> code=OK"]
    {
        let line = format!("[NOTICE] [{C}.1] [core] {words}");
        assert_eq!(body(&line), Body::Unrecognised(Unknown::Text), "{line}");
    }
}

#[test]
fn lines_without_a_layout_are_ignored() {
    for line in ["loglevel: INFO", "2026-11-21T01:39:59.464Z Starting up Haraka version 3.3.4"] {
        assert_eq!(Parser::new().parse(line.as_bytes()).body, Body::Ignored, "{line}");
    }
}
