//! What holds for the verdicts of filters: any text becomes a record, and no stranger's words
//! change engine, verdict, queue ID or score. What can be read in two ways may be left out.

#![allow(clippy::unwrap_used, reason = "tests")]

use mailherald_parsers::{
    Body, Parser,
    filters::{Action, Engine, Kind, Verdict},
    postfix::QueueId,
};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Pieces of every grammar, as an attacker would use them.
const FRAGMENTS: [&str; 32] = [
    ">",
    "<",
    "]",
    "[",
    "@",
    "\"",
    "\\",
    ")",
    "(",
    "}",
    "{",
    ", ",
    "'",
    "> -> <v@x>",
    "]> -> <v@x>",
    ") {RelayedInbound}, [192.0.2.66]:25 <v@x> -> <w@x>",
    ", Queue-ID: 5E1B753F4D8",
    ", Message-ID: <v@x>",
    ", mail_id: Forged",
    ", Hits: -99",
    ", size: 1, 1 ms",
    ", queued_as: 5E1B753F4D8",
    ", Subject: \"",
    ", From: ",
    ", helo=x",
    ", tag=1, tag2=2, kill=3, 0/0/0/0",
    ">, qid: <5E1B753F4D8>, ip: 192.0.2.66, from: <v@x>, ",
    "(default: F (no action): [-99.00/15.00] [B(-9.00){}]), len: 1",
    "},CLAM_VIRUS(0.00){Forged;",
    ",mid=<v@x>,autolearn=no",
    " infected by Forged",
    "' message-id '<v@x>' date 'x",
];

fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => any::<Index>().prop_map(|index| index.get(&FRAGMENTS).to_string()),
        1 => "[ -~]{0,20}",
        1 => "\\PC{0,8}",
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// A local part quoted as a whole, the way mail servers log it.
fn quoted(text: &str) -> String {
    format!("\"{}\"@x.test", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn check(tag: &str, text: &str, check: impl FnOnce(&Verdict<'_>)) {
    let line = format!("Nov 21 01:44:45 vm {tag}[182]: {text}");
    match Parser::new().parse(line.as_bytes()).body {
        Body::Filter(verdict) => check(&verdict),
        other => panic!("{line}: {other:?}"),
    }
}

fn id<'a>(verdict: &Verdict<'a>) -> Option<&'a str> {
    verdict.queue_id.map(QueueId::as_str)
}

fn is_or_missing<T: Copy + PartialEq + std::fmt::Debug>(value: Option<T>, expected: T) {
    assert!(value.is_none() || value == Some(expected), "{value:?}");
}

const BLOCKED: &str = "(00182-03) Blocked SPAM {DiscardedInbound}, [192.0.2.7]:1 ";
const OWN_END: &str = ", mail_id: dt5Ofj7vnGUG, Hits: 9.5, size: 3";

proptest! {
    #[test]
    fn any_text_of_any_filter_becomes_a_record(
        text in hostile_text(), tag in any::<Index>(), start in any::<Index>(),
    ) {
        let tags = ["amavis", "rspamd", "spamd", "clamav-milter", "clamd", "opendkim", "opendmarc",
            "pmg-smtp-filter", "postgrey", "policyd-spf", "postfix/policyd-weight", "cbpolicyd", "dovecot",
            "lmtp(a)<1><s>"];
        let starts = ["", "(1-1) Passed CLEAN", "(1-1) Blocked BANNED (", "(1-1) spam-tag, <",
            "<1>; task; rspamd_task_write_log: id: <", "spamd: result: Y 1 - ", "spamd: clean message (",
            "Message 97C0A53F4D6 from <", "97C0A53F4D6: ", "action=greylist, reason=",
            "550 5.7.23 ", "2C225C6817C7EEE1481: SA score=8/", "2C225C6817C7EEE1481: moved mail for <",
            "decided action=550 ", "module=a, action=b, ", "lmtp(a)<1><s>: msgid="];
        let line = format!("Nov 21 01:44:45 vm {}[1]: {}{text}", tag.get(&tags), start.get(&starts));
        let mut parser = Parser::new();
        if let Body::Filter(verdict) = parser.parse(line.as_bytes()).body {
            let lists = (verdict.recipients.iter().count(), verdict.rules.iter().count());
            std::hint::black_box((lists, verdict.queued_as.iter().count()));
        }
        let own = format!("2026-11-21 01:35:40 #1(proxy) {}{text}", start.get(&starts));
        std::hint::black_box(parser.parse(own.as_bytes()));
    }

    #[test]
    fn amavis_envelope_and_message_id_change_nothing(
        sender in hostile_text(), recipient in hostile_text(), message_id in hostile_text(),
    ) {
        let (sender, recipient) = (quoted(&sender), quoted(&recipient));
        let text = format!("{BLOCKED}<{sender}> -> <{recipient}>,<b@lab.test>, \
            Queue-ID: 97C0A53F4D6, Message-ID: {message_id}{OWN_END}, 12 ms");
        check("amavis", &text, |verdict| {
            assert_eq!((verdict.engine, verdict.kind), (Engine::Amavis, Kind::Spam));
            assert_eq!((verdict.action, id(verdict)), (Action::Discarded, Some("97C0A53F4D6")));
            assert_eq!(verdict.sender, Some(sender.as_bytes()));
            assert!(verdict.recipients.iter().eq([recipient.as_bytes(), b"b@lab.test"]));
            is_or_missing(verdict.score, 9.5);
            let quotes_words = [", helo=", ", b.", ", From: "].iter().any(|key| message_id.contains(key));
            assert!(verdict.score.is_some() || quotes_words, "{text}");
        });
    }

    #[test]
    fn amavis_subject_and_helo_change_nothing(
        message_id in hostile_text(), subject in hostile_text(), helo in hostile_text(),
    ) {
        let subject = subject.replace('"', "\"\"");
        let text = format!("{BLOCKED}<a@x.test> -> <b@lab.test>, Queue-ID: 97C0A53F4D6, \
            Message-ID: {message_id}{OWN_END}, Subject: \"{subject}\", From: a, helo={helo}, 12 ms");
        check("amavis", &text, |verdict| {
            assert_eq!((verdict.kind, verdict.action), (Kind::Spam, Action::Discarded));
            assert_eq!(id(verdict), Some("97C0A53F4D6"));
            is_or_missing(verdict.score, 9.5);
        });
    }

    #[test]
    fn amavis_file_and_virus_names_change_nothing(
        name in hostile_text(), message_id in hostile_text(),
    ) {
        let text = format!("(00182-03) Blocked INFECTED ({name}) {{DiscardedInbound}}, \
            [192.0.2.7]:1 <a@x.test> -> <b@lab.test>, Queue-ID: 97C0A53F4D6, \
            Message-ID: {message_id}{OWN_END}, 12 ms");
        check("amavis", &text, |verdict| {
            assert_eq!((verdict.engine, verdict.kind), (Engine::Amavis, Kind::Virus));
            assert!(matches!(verdict.action, Action::Discarded | Action::Unknown));
            is_or_missing(id(verdict), "97C0A53F4D6");
            is_or_missing(verdict.score, 9.5);
        });
    }

    /// rspamd writes a question mark for every space in a Message-ID.
    #[test]
    fn rspamd_strangers_words_change_nothing(
        message_id in hostile_text(), sender in hostile_text(), option in hostile_text(),
        recipient in hostile_text(),
    ) {
        let message_id: String =
            message_id.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
        let text = format!("<8ae27d>; proxy; rspamd_task_write_log: id: <{message_id}>, \
            qid: <97C0A53F4D6>, ip: 192.0.2.7, from: <{}>, (default: F (no action): [1.50/15.00] \
            [A(1.50){{{option};}}]), len: 3, digest: <00>, rcpts: <{recipient}>", quoted(&sender));
        check("rspamd", &text, |verdict| {
            assert_eq!((verdict.engine, verdict.kind), (Engine::Rspamd, Kind::Clean));
            assert_eq!((verdict.action, id(verdict)), (Action::Passed, Some("97C0A53F4D6")));
            assert_eq!((verdict.score, verdict.required), (Some(1.5), Some(15.0)));
            assert_eq!(verdict.client, Some(&b"192.0.2.7"[..]));
        });
    }

    #[test]
    fn spamd_user_and_message_id_change_nothing(user in hostile_text(), message_id in hostile_text()) {
        let text = format!("spamd: identified spam (7.5/5.0) for {user}:1 in 0.2 seconds, 1 bytes.");
        check("spamd", &text, |verdict| {
            assert_eq!((verdict.kind, verdict.score, verdict.required), (Kind::Spam, Some(7.5), Some(5.0)));
        });
        let text = format!("spamd: result: .  3 - A,B scantime=0.1,size=7,user={user},uid=1,\
            required_score=5.0,rhost=localhost,raddr=127.0.0.1,rport=3,mid={message_id},autolearn=no");
        check("spamd", &text, |verdict| {
            assert_eq!((verdict.kind, verdict.score), (Kind::Clean, None));
            assert_eq!(verdict.rules.raw(), b"A,B");
        });
    }

    #[test]
    fn clamav_envelope_and_headers_change_nothing(
        sender in hostile_text(), subject in hostile_text(), message_id in hostile_text(),
    ) {
        let text = format!("Message 97C0A53F4D6 from <{}> to <b@lab.test> with subject '{subject}' \
            message-id '{message_id}' date 'x' infected by Eicar", quoted(&sender));
        check("clamav-milter", &text, |verdict| {
            assert_eq!((verdict.kind, id(verdict)), (Kind::Virus, Some("97C0A53F4D6")));
            assert_eq!(verdict.detail, Some(&b"Eicar"[..]));
        });
    }

    #[test]
    fn postgrey_sender_and_recipient_change_nothing(text in hostile_text(), other in hostile_text()) {
        let text = format!("action=greylist, reason=new, client_name=a.test, \
            client_address=192.0.2.7, sender={text}, recipient={other}");
        check("postgrey", &text, |verdict| {
            assert_eq!((verdict.kind, verdict.action), (Kind::Greylisted, Action::TempFailed));
            assert_eq!((verdict.client, verdict.queue_id), (Some(&b"192.0.2.7"[..]), None));
        });
    }
}
