//! Whatever the logging system puts in front of a line or around it: the record is the one that
//! the plain line gives.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use mailherald_parsers::{
    Body, LogRecord, Parser, Reason,
    postfix::{Entry, Status},
    time::Stamp,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::json;

const RSYSLOG_JSON: &str =
    include_str!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.json.log");
const RSYSLOG_TEXT: &str =
    include_str!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.rfc3339.log");
const JOURNALD_JSON: &str =
    include_str!("../../fixtures/postfix/3.7.11/journald/02_delivered_multi.json.log");
const JOURNALD_TEXT: &str =
    include_str!("../../fixtures/postfix/3.7.11/journald/02_delivered_multi.short-iso-precise.log");
const JOURNALD_FULL: &str =
    include_str!("../../fixtures/postfix/3.7.11/journald/02_delivered_multi.short-full.log");
const JOURNALD_ISO: &str =
    include_str!("../../fixtures/postfix/3.7.11/journald/02_delivered_multi.short-iso.log");

/// As a runtime writes its time.
const RECEIVED: &str = "2026-11-21T01:28:22.988955123Z";

/// A line of `maillog_file = /dev/stdout`.
const PLAIN: &str = "Nov 21 01:28:22 vm postfix/smtp[339]: 4jWZN668XQzn0b1: to=<ok+s02a0@good.test>, \
    relay=mx1.good.test[127.0.1.1]:25, delay=0.13, delays=0.01/0.07/0.01/0.05, dsn=2.0.0, \
    status=sent (250 2.0.0 Ok: queued as Z56JRSCQR3ZC)";

/// Both lines give the same record, but for the stamp.
#[track_caller]
fn assert_same_but_for_the_stamp(line: &[u8], plain: &[u8]) {
    let (mut parser, mut other) = (Parser::new(), Parser::new());
    let (record, expected) = (parser.parse(line), other.parse(plain));
    let line = String::from_utf8_lossy(line);
    let LogRecord { line: known_by, stamp, .. } = expected;
    assert_eq!(LogRecord { line: known_by, stamp, ..record }, expected, "{line}");
}

/// Line by line, the same records.
fn assert_same(log: &str, expected: &str) {
    assert_eq!(log.lines().count(), expected.lines().count());
    let (mut parser, mut other) = (Parser::new(), Parser::new());
    for (line, expected) in log.lines().zip(expected.lines()) {
        let (record, expected) = (parser.parse(line.as_bytes()), other.parse(expected.as_bytes()));
        assert_eq!(LogRecord { line: expected.line, ..record }, expected, "{line}");
    }
}

fn stamp(line: &str) -> Stamp {
    Parser::new().parse(line.as_bytes()).stamp
}

fn exact(text: &str) -> Stamp {
    Stamp::Exact(text.parse().unwrap())
}

/// Why the line was not understood; none if it was.
fn reason(parser: &mut Parser, line: &str) -> Option<Reason> {
    match parser.parse(line.as_bytes()).body {
        Body::Unrecognised(reason) => Some(reason),
        _ => None,
    }
}

fn docker(line: &str) -> String {
    json!({ "log": format!("{line}\n"), "stream": "stdout", "time": RECEIVED }).to_string()
}

fn cri(line: &str) -> String {
    format!("{RECEIVED} stdout F {line}")
}

fn rsyslog(tag: &str, text: &str) -> String {
    let object = json!({ "ts": RECEIVED, "host": "vm", "tag": format!("{tag}:"), "msg": format!(" {text}") });
    object.to_string().replace('/', "\\/")
}

fn journald(identifier: &str, pid: &str, message: &serde_json::Value) -> String {
    json!({
        "_SOURCE_REALTIME_TIMESTAMP": "1795225632930869", "__CURSOR": "s=24d6;i=5", "_PID": pid,
        "SYSLOG_IDENTIFIER": identifier, "_HOSTNAME": "vm", "PRIORITY": "6", "MESSAGE": message,
    })
    .to_string()
}

#[test]
fn a_json_template_of_rsyslog_gives_the_records_of_its_text() {
    assert_same(RSYSLOG_JSON, RSYSLOG_TEXT);
}

/// As text it shows when an entry was sent, and in JSON we take when it was received.
#[test]
fn the_journal_gives_the_same_records_as_json_and_as_text() {
    assert_eq!(JOURNALD_JSON.lines().count(), JOURNALD_TEXT.lines().count());
    for (line, text) in JOURNALD_JSON.lines().zip(JOURNALD_TEXT.lines()) {
        assert_same_but_for_the_stamp(line.as_bytes(), text.as_bytes());
        let (Stamp::Exact(received), Stamp::Exact(sent)) = (stamp(line), stamp(text)) else {
            panic!("{line}")
        };
        assert!((0..10).contains(&received.duration_since(sent).as_millis()), "{line}");
    }
}

#[test]
fn the_journal_gives_the_same_records_with_either_stamp_of_whole_seconds() {
    assert_same(JOURNALD_FULL, JOURNALD_ISO);
}

#[test]
fn rsyslog_s_own_names_and_those_of_logstash_are_read() {
    let (tag, text) = ("postfix/qmgr[334]:", " 4jWZN668XQzn0b1: removed");
    let plain = "Nov 21 01:28:22 vm postfix/qmgr[334]: 4jWZN668XQzn0b1: removed";
    for object in [
        json!({ "msg": text, "hostname": "vm", "syslogtag": tag, "timereported": RECEIVED }),
        json!({ "@timestamp": RECEIVED, "host": "vm", "tag": tag, "message": text }),
        json!({ "host": "vm", "tag": tag, "message": text, "n": [{ "msg": 1 }], "x": null }),
    ] {
        assert_same_but_for_the_stamp(object.to_string().as_bytes(), plain.as_bytes());
    }
}

/// `</>&` as Docker's encoder writes them (`jsonlog/jsonlogbytes.go`).
#[test]
fn a_line_of_docker_is_the_line_inside() {
    let escaped = docker(PLAIN).replace('<', "\\u003c").replace('>', "\\u003e");
    for line in [docker(PLAIN), escaped] {
        assert_same_but_for_the_stamp(line.as_bytes(), PLAIN.as_bytes());
    }
}

#[test]
fn a_line_of_a_container_runtime_is_the_line_inside() {
    assert_same_but_for_the_stamp(cri(PLAIN).as_bytes(), PLAIN.as_bytes());
}

#[test]
fn the_wrapper_s_time_counts_only_where_the_line_s_own_lacks_year_and_zone() {
    assert_eq!(stamp(&docker(PLAIN)), exact(RECEIVED));
    assert_eq!(stamp(&cri(PLAIN)), exact(RECEIVED));
    let own = "2026-11-21T02:28:21.5+01:00 vm postfix/qmgr[334]: 4jWZN668XQzn0b1: removed";
    assert_eq!(stamp(&docker(own)), exact("2026-11-21T01:28:21.5Z"));
    assert_eq!(stamp(&cri(own)), exact("2026-11-21T01:28:21.5Z"));
}

/// A line of Kubernetes' or of podman's, or a part of one.
fn part(stream: &str, mark: &str, text: &str) -> String {
    format!("{RECEIVED} {stream} {mark} {text}")
}

/// conmon (CRI-O, podman) ends a part where one read of its pipe ends, so anywhere.
#[test]
fn a_line_that_a_runtime_split_is_joined_wherever_that_was() {
    let mut other = Parser::new();
    let whole = other.parse(PLAIN.as_bytes()).body;
    for at in 0..=PLAIN.len() {
        let (head, tail) = PLAIN.split_at(at);
        let (middle, tail) = tail.split_at(tail.len() / 2);
        let mut parser = Parser::new();
        assert_eq!(reason(&mut parser, &part("stdout", "P", head)), Some(Reason::Partial));
        assert_eq!(reason(&mut parser, &part("stderr", "F", PLAIN)), None, "another stream");
        assert_eq!(reason(&mut parser, &part("stdout", "P", middle)), Some(Reason::Partial));
        let last = part("stdout", "F", tail);
        let record = parser.parse(last.as_bytes());
        assert_eq!((&record.body, record.line), (&whole, cri(PLAIN).as_bytes()), "{at}");
        assert_eq!(reason(&mut parser, &part("stdout", "F", PLAIN)), None);
    }
}

#[test]
fn a_line_that_docker_split_is_joined() {
    let mut other = Parser::new();
    let whole = other.parse(PLAIN.as_bytes()).body;
    let (head, tail) = PLAIN.split_at(100);
    let mut parser = Parser::new();
    assert_eq!(reason(&mut parser, &docker(head).replace("\\n", "")), Some(Reason::Partial));
    let record = parser.parse(docker(tail).as_bytes()).line.to_vec();
    assert_eq!(record, cri(PLAIN).as_bytes(), "known by a line that reads the same");
    assert_eq!(parser.parse(&record).body, whole);
    assert_eq!(reason(&mut parser, &docker(PLAIN)), None);
}

#[test]
fn the_end_of_a_split_line_is_no_line_of_its_own() {
    let mut parser = Parser::new();
    for (line, expected) in [
        (part("stdout", "P", "{\"log\":\"x"), Some(Reason::Partial)),
        (part("stdout", "F", PLAIN), Some(Reason::Header)),
        (part("stdout", "F", PLAIN), None),
    ] {
        assert_eq!(reason(&mut parser, &line), expected, "{line}");
    }
}

#[test]
fn a_line_of_parts_without_end_is_not_kept() {
    let mut parser = Parser::new();
    let long = part("stdout", "P", &"x".repeat(60_000));
    for _ in 0..3 {
        assert_eq!(reason(&mut parser, &long), Some(Reason::Partial));
        assert!(parser.unfinished()[0].len() <= 64 * 1024 + 1);
    }
    assert_eq!(reason(&mut parser, &part("stdout", "F", PLAIN)), Some(Reason::Partial));
    assert_eq!(reason(&mut parser, &part("stdout", "F", PLAIN)), None);
}

#[test]
fn another_parser_can_end_a_split_line() {
    let (head, tail) = PLAIN.split_at(100);
    let mut parser = Parser::new();
    parser.parse(part("stderr", "P", head).as_bytes());
    assert_eq!(parser.unfinished(), [&b""[..], part("stderr", "F", head).as_bytes()]);
    let mut next = Parser::resume(parser.unfinished());
    assert_eq!(reason(&mut next, &part("stderr", "F", tail)), None);
    assert_eq!(next.unfinished(), [b"", b""]);
}

#[test]
fn a_line_of_another_file_is_not_the_end_of_a_split_one() {
    let mut parser = Parser::new();
    let part = cri(PLAIN).replace(" F ", " P ");
    assert_eq!(reason(&mut parser, &part), Some(Reason::Partial));
    parser.turn();
    assert_eq!(reason(&mut parser, &cri(PLAIN)), None);
}

#[test]
fn a_message_of_the_journal_may_be_bytes_or_several_or_too_large() {
    let text = "4jWZN668XQzn0b1: removed";
    let plain = format!("Nov 21 01:28:22 vm postfix/qmgr[334]: {text}");
    for message in
        [json!(text), json!(text.as_bytes()), json!([text, "x"]), json!([text.as_bytes(), "x"])]
    {
        let line = journald("postfix/qmgr", "334", &message);
        assert_same_but_for_the_stamp(line.as_bytes(), plain.as_bytes());
    }
    let mut parser = Parser::new();
    let too_large = journald("postfix/qmgr", "334", &json!(null));
    assert_eq!(reason(&mut parser, &too_large), Some(Reason::Text));
    let no_bytes = journald("postfix/qmgr", "334", &json!([99, 256]));
    assert_eq!(reason(&mut parser, &no_bytes), Some(Reason::Header));
}

#[test]
fn the_sender_s_time_stands_in_where_the_journal_s_own_is_missing() {
    let line = journald("postfix/qmgr", "1", &json!("x"));
    assert_eq!(stamp(&line), exact("2026-11-21T01:47:12.930869Z"));
    let both = line.replacen('{', r#"{"__REALTIME_TIMESTAMP":1795225632934090,"#, 1);
    assert_eq!(stamp(&both), exact("2026-11-21T01:47:12.93409Z"));
    assert_eq!(stamp(&line.replace("_SOURCE_REALTIME", "_X")), Stamp::Missing);
}

#[test]
fn an_entry_of_the_journal_without_an_identifier_is_nobody_s() {
    let line = journald("postfix/qmgr", "1", &json!("4jWZN668XQzn0b1: removed"));
    let line = line.replace("SYSLOG_IDENTIFIER", "X");
    assert_eq!(Parser::new().parse(line.as_bytes()).body, Body::Ignored);
}

#[test]
fn a_member_that_comes_twice_makes_an_object_unreadable() {
    let line = rsyslog("postfix/qmgr[334]", "4jWZN668XQzn0b1: removed");
    let forged = line.replacen("\"msg\"", "\"msg\":\" \",\"tag\":\"x:\",\"msg\"", 1);
    let mut parser = Parser::new();
    assert_eq!(reason(&mut parser, &line), None);
    assert_eq!(reason(&mut parser, &forged), Some(Reason::Header));
}

/// An object ends where its line was cut; what was there is no line.
#[test]
fn an_object_that_breaks_off_is_not_read() {
    for line in [docker(PLAIN), rsyslog("postfix/qmgr[334]", "4jWZN668XQzn0b1: removed")] {
        for end in 1..line.len() {
            let part = line.get(..end).unwrap();
            assert_eq!(reason(&mut Parser::new(), part), Some(Reason::Header), "{part}");
        }
    }
}

#[test]
fn an_object_beyond_the_length_of_any_line_is_not_read() {
    let object = |text: usize| rsyslog("postfix/qmgr[334]", &"x".repeat(text));
    let frame = object(0).len();
    let mut parser = Parser::new();
    assert_eq!(reason(&mut parser, &object(64 * 1024 - frame)), Some(Reason::Text));
    assert_eq!(reason(&mut parser, &object(64 * 1024 - frame + 1)), Some(Reason::Header));
}

#[test]
fn a_line_that_only_counts_repetitions_is_nobody_s_and_counted() {
    let mut parser = Parser::new();
    let record = parser.parse(b"Nov 21 01:28:22 vm last message repeated 3 times");
    assert_eq!((record.repeated, record.body), (3, Body::Ignored));
}

#[test]
fn a_folded_repetition_is_found_in_every_wrapper() {
    let text = "message repeated 3 times: [ 4jWZN668XQzn0b1: removed]";
    let plain = format!("Nov 21 01:28:22 vm postfix/qmgr[334]: {text}");
    for line in [docker(&plain), rsyslog("postfix/qmgr[334]", text)] {
        let mut parser = Parser::new();
        let record = parser.parse(line.as_bytes());
        assert_eq!(record.repeated, 3);
        assert!(matches!(record.body, Body::Postfix(Entry::Removed(_))), "{line}");
    }
}

/// rsyslog cuts `mail/eu/postfix-sub/smtp` too.
#[test]
fn a_delivery_under_a_tag_cut_at_the_slash_is_a_delivery() {
    let text = PLAIN.split_once(": ").unwrap().1;
    let line = format!("<22>1 2026-11-21T01:28:22.988955+00:00 vm mail 339 - -  {text}");
    let mut parser = Parser::new();
    let record = parser.parse(line.as_bytes());
    assert_eq!((record.process.instance, record.process.service), (&b"mail"[..], &b""[..]));
    let Body::Postfix(Entry::Delivery(delivery)) = record.body else { panic!("{line}") };
    assert_eq!((delivery.recipient, delivery.status), (&b"ok+s02a0@good.test"[..], Status::Sent));
}

/// A JSON string with as many escapes as `choice` wants.
fn escaped(text: &str, mut choice: u64) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        choice = choice.rotate_left(1);
        if choice & 1 == 1 || character < ' ' || matches!(character, '"' | '\\') {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(json, "\\u{unit:04x}").unwrap();
            }
        } else {
            json.push(character);
        }
    }
    json.push('"');
    json
}

/// What a stranger may get into a text, at its worst.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\",\"tag\":\"postfix/smtp[1]:\",\"msg\":\" ".to_owned()),
        Just("\\\",\\u0022}".to_owned()),
        Just("\\ud83d\\".to_owned()),
        Just("\0\u{1}\u{7f}\t😀\u{fffd}".to_owned()),
        Just(">, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (".to_owned()),
        "\\PC{0,8}",
        "[ -~]{0,20}",
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_wrapped_line_gives_the_record_of_the_plain_line(
        text in hostile_text(), start in any::<Index>(), choice in any::<u64>(),
    ) {
        let starts = ["", "4jWZN668XQzn0b1: ", "4jWZN668XQzn0b1: message-id=",
            "4jWZN668XQzn0b1: to=<a@good.test>, relay=none, delay=0, delays=0/0/0/0, dsn=5.0.0, \
            status=bounced ("];
        let text = format!("{}{text}", start.get(&starts));
        let plain = format!("2026-11-21T01:28:22Z vm postfix/smtp[339]: {text}");
        let log = escaped(&format!("{plain}\n"), choice);
        let msg = escaped(&format!(" {text}"), choice);
        let message = escaped(&text, choice);
        let bytes = json!(text.as_bytes());
        for line in [
            cri(&plain),
            format!(r#"{{"log":{log},"stream":"stdout","time":"{RECEIVED}"}}"#),
            format!(r#"{{"msg":{msg}, "host":"vm","tag":"postfix\/smtp[339]:"}}"#),
        ] {
            assert_same_but_for_the_stamp(line.as_bytes(), plain.as_bytes());
        }
        // The line that stands for an entry of the journal has no control characters.
        let plain = plain.replace(|character: char| character.is_ascii_control(), "?");
        for line in [
            format!(r#"{{"_HOSTNAME":"vm","MESSAGE":{message},"_PID":"339","SYSLOG_IDENTIFIER":"postfix/smtp"}}"#),
            format!(r#"{{"_HOSTNAME":"vm","MESSAGE":{bytes},"_PID":339,"SYSLOG_IDENTIFIER":"postfix/smtp"}}"#),
        ] {
            assert_same_but_for_the_stamp(line.as_bytes(), plain.as_bytes());
        }
    }

    #[test]
    fn any_mutation_of_a_wrapped_line_becomes_a_record(
        log in any::<Index>(), line in any::<Index>(),
        changes in vec((any::<Index>(), any::<Index>(), 0_u8..4), 1..8),
    ) {
        const BYTES: &[u8] = b"\"\\/{}[],:u0d8-n \n\x00\xff\xd8";
        let log = log.get(&[RSYSLOG_JSON, JOURNALD_JSON, JOURNALD_FULL]);
        let lines: Vec<_> = log.lines().collect();
        let mut line = line.get(&lines).as_bytes().to_vec();
        for (at, byte, kind) in changes {
            let (at, byte) = (at.index(line.len() + 1), *byte.get(BYTES));
            match kind {
                0 => line.truncate(at),
                1 => line.insert(at, byte),
                2 if at < line.len() => drop(line.remove(at)),
                _ => if let Some(old) = line.get_mut(at) { *old = byte },
            }
        }
        std::hint::black_box(Parser::new().parse(&line));
    }

    #[test]
    fn any_object_becomes_a_record(inside in r#"([{}\[\]",:\\ 0-9]|"MESSAGE":|"log":|"msg":|\\u[0-9a-f]{4}){0,40}"#) {
        std::hint::black_box(Parser::new().parse(format!("{{{inside}}}").as_bytes()));
    }
}
