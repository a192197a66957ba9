#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::{Body, LogRecord, Parser, haraka::Cause, time::Stamp};

const C: &str = "7E95EF92-AEB0-4401-A63A-DD574DBCD564";

fn line(event: &str, members: &str) -> String {
    format!(
        r#"{{"v":1,"ev":"{event}","ts":1795290342708,"seq":2,"pid":25772,"host":"vm",{members}}}"#
    )
}

fn parsed(line: &str, check: impl FnOnce(&LogRecord<'_>)) {
    check(&Parser::new().parse(line.as_bytes()));
}

fn members(line: &str, check: impl FnOnce(&Members<'_>)) {
    parsed(line, |record| match &record.body {
        Body::HarakaPlugin(record) => check(&record.members()),
        other => panic!("{other:?}"),
    });
}

fn texts(list: List<'_>) -> Vec<String> {
    let mut all = Vec::new();
    list.each(|text| all.push(String::from_utf8(text.bytes().into_owned()).unwrap()));
    all
}

#[test]
fn a_queued_message_is_told_whole() {
    let line = line(
        "queued",
        &format!(
            r#""c":"{C}","dir":"out","user":"api-user","ip":"192.0.2.1","rdns":"c.lab.test","helo":"c","tls":true,"t":"{C}.1","from":"bob@sender.test","to":["a@b.test","\"x,]\"@b.test"],"subject":"H\u00e9\"llo","mid":"<1@b>","meta":{{"X-Order":"7"}},"tag":"t","size":170,"scan":{{"rspamd":{{"action":"add header","score":-1.5,"required":15,"rules":["A","B"]}},"clamd":{{"found":["Eicar"]}}}},"via":"outbound","response":"Message Queued""#
        ),
    );
    parsed(&line, |record| {
        assert_eq!(record.host, b"vm");
        assert!(
            matches!(record.stamp, Stamp::Exact(at) if at.as_millisecond() == 1_795_290_342_708)
        );
    });
    members(&line, |members| {
        assert_eq!(members.uuid.unwrap().as_str(), format!("{C}.1"));
        assert_eq!((members.is_outbound, members.via), (Some(true), Some(Via::Outbound)));
        assert_eq!(&*members.subject.unwrap().bytes(), "Hé\"llo".as_bytes());
        assert_eq!(texts(members.to), ["a@b.test", "\"x,]\"@b.test"]);
        assert_eq!(members.size, Some(170));
        let rspamd = members.scan.rspamd.unwrap();
        assert_eq!((rspamd.score, rspamd.required), (Some(-1.5), Some(15.0)));
        assert_eq!(texts(rspamd.rules), ["A", "B"]);
        assert_eq!(texts(members.scan.viruses), ["Eicar"]);
        let mut pairs = Vec::new();
        members.metadata.each(|name, value| pairs.push((name.bytes(), value.bytes())));
        assert_eq!(pairs, [(b"X-Order"[..].into(), b"7"[..].into())]);
    });
}

#[test]
fn a_failed_attempt_knows_its_file_and_reason() {
    let line = line(
        "deferred",
        &format!(
            r#""t":"{C}.1","q":"{C}.1.2","dir":"out","file":"1795290342809_1795290342809_3_25772_ujadf0_2_vm","reason":"Some recipients temp failed: <flaky@far.test>","attempt":4,"wait":5,"response":"451 4.3.0 later","to":["flaky@far.test"],"mode":"LMTP","noted":true"#
        ),
    );
    members(&line, |members| {
        assert_eq!(members.uuid.unwrap().item, Some(2));
        let file = members.file.unwrap();
        assert_eq!((file.attempts, file.uniq), (3, &b"ujadf0"[..]));
        assert_eq!(members.reason.unwrap().cause, Cause::Recipients);
        assert!(members.is_lmtp && members.is_noted);
        assert_eq!(members.attempt, Some(4));
    });
}

#[test]
fn what_the_plugin_says_of_itself_is_no_mail() {
    for (event, kind) in [("hello", Kind::Hello), ("alive", Kind::Alive), ("lost", Kind::Lost)] {
        let line = line(event, r#""n":3"#);
        parsed(&line, |record| {
            assert!(matches!(record.body, Body::HarakaPlugin(record) if record.kind == kind));
        });
    }
}

#[test]
fn a_line_that_is_not_whole_or_of_nothing_is_not_understood() {
    let whole = line("queued", &format!(r#""t":"{C}.1","to":[]"#));
    for end in 1..whole.len() {
        parsed(whole.get(..end).unwrap(), |record| {
            assert!(matches!(record.body, Body::Unrecognised(_)), "{record:?}");
        });
    }
    for line in [line("queued", r#""to":[]"#), line("queued", r#""t":"x","to":[]"#)] {
        parsed(&line, |record| assert!(matches!(record.body, Body::Unrecognised(_)), "{line}"));
    }
    parsed(&line("opened", r#""t":"x""#), |record| assert_eq!(record.body, Body::Ignored));
}

proptest! {
    #[test]
    fn any_members_are_read_without_panic(rest in "[ -~]{0,60}", event in "[a-z]{0,9}") {
        parsed(&format!(r#"{{"v":1,"ev":"{event}",{rest}"#), |_| ());
    }

    #[test]
    fn no_text_can_pretend_to_be_another_member(subject in any::<String>()) {
        let subject = serde_json::to_string(&subject).unwrap();
        let line = line("queued", &format!(r#""t":"{C}.1","subject":{subject},"to":["a@b"]"#));
        members(&line, |members| {
            assert_eq!(texts(members.to), ["a@b"]);
            assert_eq!(members.user, None);
        });
    }
}
