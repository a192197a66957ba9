//! What holds for any line: every one becomes a record, and no stranger's words change what
//! Postfix says.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use mailherald_parsers::{
    Body, LogRecord, Parser,
    postfix::{self, Client, Delivery, Entry, MessageId, QueueActive, Status, Verdict},
};
use proptest::{collection::vec, prelude::*, sample::Index};

const LOGS: [&[u8]; 8] = [
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/05_hard_bounce_dsn.traditional.log"),
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/07_noqueue_rejects.rfc3339.log"),
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/02_delivered_multi.rfc5424.log"),
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/40_amavis.traditional.log"),
    include_bytes!(
        "../../fixtures/postfix/3.7.11/syslog/42_opendkim_opendmarc_postgrey_spamd.traditional.log"
    ),
    include_bytes!(
        "../../fixtures/postfix/3.7.11/syslog/26_multi_instance_syslog_names.rfc3339.log"
    ),
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/09_milter.rfc3339.log"),
    include_bytes!("../../fixtures/postfix/3.7.11/syslog/10_header_checks.rfc3339.log"),
];

/// Pieces of the grammar, as an attacker would use them.
const FRAGMENTS: [&str; 34] = [
    ">",
    "<",
    "]",
    "[",
    "@",
    ";",
    "\"",
    "\\",
    ")",
    "(",
    ", ",
    "x>, relay=evil[192.0.2.66]:25",
    "]>, relay=evil[192.0.2.66]:25",
    ">, orig_to=<victim@good.test",
    "]>, orig_to=<victim@good.test",
    ", relay=none",
    ", delay=1, delays=0/0/0/1",
    ", dsn=2.0.0",
    ", status=sent (250 2.0.0 Ok: queued as 5E1B753F4D8)",
    ", delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok",
    ">, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
    "]>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
    " (in reply to end of DATA command)",
    "; from=<evil@sender.test> to=<victim@good.test> proto=ESMTP helo=<evil>",
    "; from=<evil@sender.test>, to=<victim@good.test>, proto=ESMTP, helo=<evil>",
    "; proto=ESMTP sasl_method=PLAIN sasl_username=",
    " from evil[192.0.2.66]: 550 5.7.1 no",
    " from evil[192.0.2.66]; from=<evil@sender.test> to=<victim@good.test>",
    " from local; from=<evil@sender.test>: ",
    ": ",
    " queued as 5E1B753F4D8",
    ", size=1, nrcpt=1 (queue active)",
    "5E1B753F4D8: removed",
    ", orig_queue_id=5E1B753F4D8, orig_client=evil[192.0.2.66]",
];

/// Text as it reaches the log: printable, whatever it was before (`vbuf_print.c`, `printable()`).
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<Index>().prop_map(|index| index.get(&FRAGMENTS).to_string()),
        1 => "[ -~]{0,20}",
        1 => "\\PC{0,8}",
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// The way Postfix quotes a local part (`quote_822_local.c`).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn entry<T>(service: &str, text: &str, check: impl FnOnce(Body<'_>) -> T) -> T {
    let line = format!("2026-11-21T01:28:22.522880+00:00 vm postfix/{service}[337]: {text}");
    check(Parser::new().parse(line.as_bytes()).body)
}

/// The verdict that a line is.
fn verdict(service: &str, line: &str, check: impl FnOnce(&Verdict<'_>)) {
    entry(service, line, |body| match body {
        Body::Postfix(Entry::Verdict(verdict)) => check(&verdict),
        other => panic!("{line}: {other:?}"),
    });
}

/// As [`verdict`]; the client, sender and recipient are those of every refusal here.
fn refusal(service: &str, line: &str, check: impl FnOnce(&Verdict<'_>)) {
    verdict(service, line, |verdict| {
        assert_eq!(verdict.peer.address, b"192.0.2.1", "{line}");
        if !verdict.ambiguous {
            assert_eq!(verdict.sender, Some(&b"a@x.test"[..]), "{line}");
            assert_eq!(verdict.recipient, Some(&b"b@lab.test"[..]), "{line}");
        }
        check(verdict);
    });
}

const BOUNCED: &str = "relay=mx1.good.test[127.0.1.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, \
    status=bounced";

/// Queue ID, recipient and status of a delivery.
fn essence(delivery: &Delivery<'_>) -> (String, String, Status) {
    let recipient = std::str::from_utf8(delivery.recipient).unwrap().to_owned();
    (delivery.queue_id.as_str().to_owned(), recipient, delivery.status)
}

fn recorded_line(index: Index) -> &'static [u8] {
    static LINES: LazyLock<Vec<&[u8]>> =
        LazyLock::new(|| LOGS.iter().flat_map(|log| log.split(|byte| *byte == b'\n')).collect());
    LINES.get(index.index(LINES.len())).copied().unwrap_or_default()
}

/// Takes everything apart that a record gives, to see that nothing panics.
fn use_up(record: &LogRecord<'_>) {
    if let Body::Postfix(Entry::Delivery(delivery)) = &record.body {
        let response = postfix::response(delivery.text);
        let domain = mailherald_parsers::address::domain(delivery.recipient);
        std::hint::black_box((response, domain, delivery.queue_id.arrival()));
    }
    if let Body::Filter(verdict) = &record.body {
        let lists = (verdict.recipients.iter().count(), verdict.rules.iter().count());
        std::hint::black_box((lists, verdict.queued_as.iter().count()));
    }
}

proptest! {
    #[test]
    fn any_bytes_become_a_record(line in vec(any::<u8>(), 0..300)) {
        use_up(&Parser::new().parse(&line));
    }

    #[test]
    fn any_text_of_any_daemon_becomes_a_record(text in hostile_text(), start in any::<Index>()) {
        let starts = ["", "97C0A53F4D6: ", "NOQUEUE: ", "97C0A53F4D6: to=", "97C0A53F4D6: from=",
            "97C0A53F4D6: client=", "NOQUEUE: reject: ", "97C0A53F4D6: uid=1 from=",
            "message repeated 2 times: [ 97C0A53F4D6: to=<", "97C0A53F4D6: info: header ", "warning: ",
            "97C0A53F4D6: reject: mime-error ", "proxy-accept: END-OF-MESSAGE: ",
            "warning: 97C0A53F4D6: ", "warning: a[192.0.2.1]: SASL "];
        let line = format!("Nov 21 01:28:22 vm postfix/smtp[1]: {}{text}", start.get(&starts));
        use_up(&Parser::new().parse(line.as_bytes()));
    }

    #[test]
    fn any_mutation_of_a_recorded_line_becomes_a_record(
        line in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..8),
    ) {
        let recorded = recorded_line(line);
        let mut line = recorded.to_vec();
        for (at, byte, kind) in changes {
            let at = at.index(line.len() + 1);
            match kind {
                0 => line.truncate(at),
                1 => line.insert(at, byte),
                2 if at < line.len() => drop(line.remove(at)),
                _ => if let Some(old) = line.get_mut(at) { *old = byte },
            }
        }
        let mut fresh = Parser::new();
        let record = fresh.parse(&line);
        use_up(&record);
        // It mostly has the stamp of the line before, of which it is no part.
        let mut warm = Parser::new();
        warm.parse(recorded);
        warm.turn();
        prop_assert_eq!(warm.parse(&line), record);
    }

    #[test]
    fn what_was_parsed_before_changes_nothing(lines in vec(any::<Index>(), 1..20)) {
        let mut parser = Parser::new();
        for line in lines.into_iter().map(recorded_line) {
            let mut fresh = Parser::new();
            let record = fresh.parse(line);
            prop_assert_eq!(&parser.parse(line), &record);
            parser.turn();
            prop_assert_eq!(parser.parse(line), record, "with the stamp of the line before");
        }
    }

    #[test]
    fn a_remote_reply_never_changes_the_outcome(reply in hostile_text()) {
        let line = format!("97C0A53F4D6: to=<a@good.test>, {BOUNCED} (host mx1.good.test[127.0.1.1] \
            said: 550 {reply} (in reply to RCPT TO command))");
        entry("smtp", &line, |body| {
            let Body::Postfix(Entry::Delivery(delivery)) = body else { panic!("{line}") };
            let expected = ("97C0A53F4D6".to_owned(), "a@good.test".to_owned(), Status::Bounced);
            assert_eq!(essence(&delivery), expected);
            let response = postfix::response(delivery.text);
            assert_eq!(response.stage, Some(&b"RCPT TO"[..]));
            assert_eq!(response.reply, format!("550 {reply}").as_bytes());
        });
    }

    #[test]
    fn a_quoted_local_part_never_changes_the_outcome(text in hostile_text(), orig in hostile_text()) {
        let (to, orig_to) = (quoted(&text), quoted(&orig));
        let line = format!("97C0A53F4D6: to=<{to}@good.test>, orig_to=<{orig_to}@lab.test>, {BOUNCED} (no)");
        entry("smtp", &line, |body| {
            let Body::Postfix(Entry::Delivery(delivery)) = body else { panic!("{line}") };
            let expected = ("97C0A53F4D6".to_owned(), format!("{to}@good.test"), Status::Bounced);
            assert_eq!(essence(&delivery), expected);
            assert_eq!(delivery.orig_recipient, Some(format!("{orig_to}@lab.test").as_bytes()));
        });
    }

    /// A literal without a bracket of its own reads right; with one, at worst not at all.
    #[test]
    fn a_domain_literal_never_changes_the_outcome(text in hostile_text()) {
        let line = format!("97C0A53F4D6: to=<a@[{text}]>, {BOUNCED} (bad address)");
        entry("smtp", &line, |body| match body {
            Body::Postfix(Entry::Delivery(delivery)) => {
                let expected = ("97C0A53F4D6".to_owned(), format!("a@[{text}]"), Status::Bounced);
                assert_eq!(essence(&delivery), expected);
            }
            Body::Unrecognised(_) => assert!(text.contains(']'), "{line}"),
            other => panic!("{line}: {other:?}"),
        });
    }

    #[test]
    fn a_sender_never_changes_size_or_count(text in hostile_text()) {
        let sender = quoted(&text);
        let line = format!("97C0A53F4D6: from=<{sender}@x.test>, size=369, nrcpt=2 (queue active)");
        entry("qmgr", &line, |body| {
            let Body::Postfix(Entry::QueueActive(QueueActive { queue_id, sender: read, size, nrcpt })) = body
            else { panic!("{line}") };
            assert_eq!((queue_id.as_str(), size, nrcpt), ("97C0A53F4D6", 369, 2));
            assert_eq!(read, format!("{sender}@x.test").as_bytes());
        });
    }

    #[test]
    fn a_message_id_is_only_a_message_id(text in hostile_text()) {
        let line = format!("97C0A53F4D6: message-id={text}");
        entry("cleanup", &line, |body| {
            let Body::Postfix(Entry::MessageId(MessageId { queue_id, value, resent })) = body
            else { panic!("{line}") };
            assert_eq!((queue_id.as_str(), value, resent), ("97C0A53F4D6", text.as_bytes(), false));
        });
    }

    #[test]
    fn a_user_name_never_changes_the_client(text in hostile_text()) {
        let line = format!("97C0A53F4D6: client=a.test[192.0.2.1], sasl_method=PLAIN, \
            sasl_username={text}, orig_queue_id=97C0A53F4D7, orig_client=b.test[192.0.2.2]");
        entry("smtpd", &line, |body| {
            let Body::Postfix(Entry::Client(Client {
                queue_id, peer, sasl_username, orig_queue_id, orig_client, ..
            })) = body else { panic!("{line}") };
            assert_eq!(queue_id.unwrap().as_str(), "97C0A53F4D6");
            assert_eq!(peer.address, b"192.0.2.1");
            assert_eq!(sasl_username, Some(text.as_bytes()));
            assert_eq!(orig_queue_id.unwrap().as_str(), "97C0A53F4D7");
            assert_eq!(orig_client.unwrap().address, b"192.0.2.2");
        });
    }

    #[test]
    fn a_refusal_keeps_its_fields_whatever_its_text_and_sender(
        text in hostile_text(), sender in hostile_text(),
    ) {
        let sender = quoted(&sender);
        let line = format!("NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 450 4.1.7 no: {text}; \
            from=<{sender}@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>");
        entry("smtpd", &line, |body| {
            let Body::Postfix(Entry::Verdict(Verdict {
                queue_id, peer, sender: read, recipient, helo, sasl_username, ..
            })) = body else { panic!("{line}") };
            assert_eq!((queue_id, sasl_username), (None, None));
            assert_eq!(peer.address, b"192.0.2.1");
            assert_eq!(read, Some(format!("{sender}@x.test").as_bytes()));
            assert_eq!((recipient, helo), (Some(&b"b@lab.test"[..]), Some(&b"gen"[..])));
        });
    }

    /// With every field that the client cannot choose freely, and a text of the operator's table.
    #[test]
    fn content_never_changes_who_sent_what_to_whom(
        content in hostile_text(), action in any::<Index>(), text in any::<bool>(),
    ) {
        let action = action.get(&["info", "warning", "reject", "discard", "milter-header-hold"]);
        let text = if text { ": 5.7.1 no" } else { "" };
        let line = format!("97C0A53F4D6: {action}: header {content} from a.test[192.0.2.1]; \
            from=<a@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>{text}");
        entry("cleanup", &line, |body| {
            let Body::Postfix(Entry::ContentCheck(check)) = body else { panic!("{line}") };
            assert_eq!(check.content, content.as_bytes());
            assert_eq!(check.peer.unwrap().address, b"192.0.2.1");
            assert_eq!(check.sender, Some(&b"a@x.test"[..]));
            assert_eq!(check.recipient, Some(&b"b@lab.test"[..]));
            assert_eq!(check.text, text.strip_prefix(": ").map(str::as_bytes));
        });
    }

    /// An address may imitate the list, and is marked where it could be taken for it.
    #[test]
    fn a_sender_never_changes_a_check_of_content_unnoticed(sender in hostile_text()) {
        let sender = quoted(&sender);
        let line = format!("97C0A53F4D6: info: header Subject: x from a.test[192.0.2.1]; \
            from=<{sender}@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>");
        entry("cleanup", &line, |body| {
            let Body::Postfix(Entry::ContentCheck(check)) = body else { panic!("{line}") };
            if !check.ambiguous {
                assert_eq!(check.content, b"Subject: x");
                assert_eq!(check.sender, Some(format!("{sender}@x.test").as_bytes()));
                assert_eq!(check.recipient, Some(&b"b@lab.test"[..]));
            }
        });
    }

    #[test]
    fn a_filters_answer_keeps_its_fields_whatever_it_says(text in hostile_text()) {
        let line = format!("proxy-accept: END-OF-MESSAGE: 250 {text} queued as 97C0A53F4D6; \
            from=<a@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>");
        entry("smtpd", &line, |body| {
            let Body::Postfix(Entry::ProxyAnswer(answer)) = body else { panic!("{line}") };
            assert_eq!(answer.queued_as.map(postfix::QueueId::as_str), Some("97C0A53F4D6"));
            assert_eq!(answer.sender, Some(&b"a@x.test"[..]));
            assert!(answer.accepted);
        });
    }

    /// Warnings quote strangers behind Postfix's first words.
    #[test]
    fn a_stranger_quoted_in_a_warning_tells_nothing(text in hostile_text(), start in any::<Index>()) {
        let start = start.get(&["warning: valid_ipv4_hostaddr: invalid character: ",
            "warning: 97C0A53F4D6: non-ESMTP response from mx1.good.test[127.0.1.1]:25: ",
            "warning: Illegal address syntax from a.test[192.0.2.1] in RCPT command: ",
            "warning: non-SMTP command from a.test[192.0.2.1]: "]);
        entry("smtpd", &format!("{start}{text}"), |body| assert_eq!(body, Body::Ignored));
    }

    /// What a client may say at HELO: smtpd replaces what could end the name (`smtpd.c`,
    /// `helo_cmd()`, `neuter()`).
    #[test]
    fn a_helo_name_never_changes_a_refusal(text in hostile_text()) {
        let helo = text.replace(['<', '>', '(', ')', '\\', '"', ';', ':', '@'], "?");
        refusal("smtpd", &format!("NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 450 4.1.7 no; \
            from=<a@x.test> to=<b@lab.test> proto=ESMTP helo=<{helo}>"), |verdict| {
            assert!(!verdict.ambiguous);
            assert_eq!(verdict.helo, Some(helo.as_bytes()));
        });
    }

    /// postscreen takes one word and replaces nothing (`postscreen_smtpd.c`, `psc_helo_cmd()`).
    #[test]
    fn a_helo_name_never_changes_a_refusal_of_postscreen(text in hostile_text()) {
        let helo = text.replace(' ', "");
        refusal("postscreen", &format!("NOQUEUE: reject: RCPT from [192.0.2.1]:4567: 450 4.3.2 Service \
            currently unavailable; from=<a@x.test>, to=<b@lab.test>, proto=ESMTP, helo=<{helo}>"), |verdict| {
            assert!(!verdict.ambiguous, "{helo}");
            assert_eq!(verdict.helo, Some(helo.as_bytes()));
        });
    }

    #[test]
    fn no_address_changes_a_refusal_of_postscreen(from in hostile_text(), to in hostile_text()) {
        let (from, to) = (format!("{}@x.test", quoted(&from)), format!("{}@lab.test", quoted(&to)));
        let line = format!("NOQUEUE: reject: RCPT from [192.0.2.1]:4567: 450 4.3.2 Service currently \
            unavailable; from=<{from}>, to=<{to}>, proto=ESMTP, helo=<gen>");
        verdict("postscreen", &line, |verdict| {
            assert_eq!(verdict.peer.address, b"192.0.2.1");
            assert_eq!(verdict.text, b"450 4.3.2 Service currently unavailable");
            assert_eq!(verdict.sender, Some(from.as_bytes()));
            assert_eq!(verdict.recipient, Some(to.as_bytes()));
            assert_eq!((verdict.helo, verdict.ambiguous), (Some(&b"gen"[..]), false));
        });
    }

    /// Before 3.5: read right, or marked and left out.
    #[test]
    fn no_unquoted_address_changes_a_refusal_of_postscreen(from in hostile_text(), to in hostile_text()) {
        let line = format!("NOQUEUE: reject: RCPT from [192.0.2.1]:4567: 450 4.3.2 Service currently \
            unavailable; from=<{from}@x.test>, to=<{to}@lab.test>, proto=ESMTP, helo=<gen>");
        verdict("postscreen", &line, |verdict| {
            assert_eq!(verdict.text, b"450 4.3.2 Service currently unavailable");
            if verdict.ambiguous {
                assert_eq!((verdict.sender, verdict.recipient), (None, None));
            } else {
                let both = format!("{from}@x.test>, to=<{to}@lab.test");
                let read = [verdict.sender.unwrap(), verdict.recipient.unwrap()].join(&b">, to=<"[..]);
                assert_eq!(read, both.as_bytes());
            }
        });
    }

    /// Named twice: in the reply, and in the list.
    #[test]
    fn a_recipient_never_changes_a_refusal_unnoticed(text in hostile_text()) {
        let to = format!("{}@lab.test", quoted(&text));
        let line = format!("NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 550 5.1.1 <{to}>: Recipient \
            address rejected: User unknown; from=<a@x.test> to=<{to}> proto=ESMTP helo=<gen>");
        verdict("smtpd", &line, |verdict| {
            assert_eq!(verdict.peer.address, b"192.0.2.1");
            if !verdict.ambiguous {
                assert_eq!(verdict.sender, Some(&b"a@x.test"[..]));
                assert_eq!(verdict.recipient, Some(to.as_bytes()));
                assert_eq!(verdict.helo, Some(&b"gen"[..]));
            }
        });
    }

    /// Since 3.10 an authenticated client is named behind the list.
    #[test]
    fn a_user_name_never_changes_a_refusal_unnoticed(text in hostile_text()) {
        let line = format!("NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 450 4.1.7 no; from=<a@x.test> \
            to=<b@lab.test> proto=ESMTP helo=<gen> sasl_method=PLAIN sasl_username=u{text}");
        verdict("smtpd", &line, |verdict| {
            assert_eq!(verdict.peer.address, b"192.0.2.1");
            if !verdict.ambiguous {
                assert_eq!(verdict.sender, Some(&b"a@x.test"[..]));
                assert_eq!(verdict.recipient, Some(&b"b@lab.test"[..]));
            }
        });
    }

    #[test]
    fn what_a_milter_says_never_changes_whom_it_refuses(text in hostile_text()) {
        refusal("cleanup", &format!("97C0A53F4D6: milter-reject: END-OF-MESSAGE from a.test[192.0.2.1]: \
            5.7.1 {text}; from=<a@x.test> to=<b@lab.test> proto=ESMTP helo=<gen>"), |verdict| {
            assert_eq!(verdict.helo, Some(&b"gen"[..]));
        });
    }

    /// A name of the DNS, which Postfix has checked (`valid_hostname.c`).
    #[test]
    fn a_client_s_name_is_only_a_name(name in "[A-Za-z0-9_.-]{1,80}") {
        let line = format!("97C0A53F4D6: client={name}[192.0.2.1]");
        entry("smtpd", &line, |body| {
            let Body::Postfix(Entry::Client(client)) = body else { panic!("{line}") };
            assert_eq!((client.peer.name, client.peer.address), (name.as_bytes(), &b"192.0.2.1"[..]));
        });
        let line = format!("NOQUEUE: reject: RCPT from {name}[192.0.2.1]: 450 4.1.7 no; from=<a@x.test> \
            to=<b@lab.test> proto=ESMTP helo=<gen>");
        verdict("smtpd", &line, |verdict| {
            assert_eq!((verdict.peer.name, verdict.peer.address), (name.as_bytes(), &b"192.0.2.1"[..]));
        });
    }

    #[test]
    fn a_sender_never_changes_who_submitted_or_what_expired(text in hostile_text()) {
        let sender = format!("{}@x.test", quoted(&text));
        let line = format!("97C0A53F4D6: uid=1000 from=<{sender}>");
        entry("pickup", &line, |body| {
            let Body::Postfix(Entry::Pickup(pickup)) = body else { panic!("{line}") };
            assert_eq!((pickup.uid, pickup.sender), (&b"1000"[..], sender.as_bytes()));
            assert_eq!(pickup.orig_id, None);
        });
        let line = format!("97C0A53F4D6: from=<{sender}>, status=expired, returned to sender");
        entry("qmgr", &line, |body| {
            let Body::Postfix(Entry::Expired(expired)) = body else { panic!("{line}") };
            assert_eq!((expired.sender, expired.forced), (sender.as_bytes(), false));
        });
    }

    /// Before 3.5: read right, or not at all.
    #[test]
    fn an_unquoted_sender_never_changes_what_is_said_of_its_message(text in hostile_text()) {
        let sender = format!("{text}@x.test");
        for (service, line) in [
            ("qmgr", format!("97C0A53F4D6: from=<{sender}>, size=369, nrcpt=2 (queue active)")),
            ("qmgr", format!("97C0A53F4D6: from=<{sender}>, status=expired, returned to sender")),
            ("pickup", format!("97C0A53F4D6: uid=1000 from=<{sender}>")),
        ] {
            entry(service, &line, |body| match body {
                Body::Postfix(Entry::QueueActive(active)) => {
                    assert_eq!((active.sender, active.size, active.nrcpt), (sender.as_bytes(), 369, 2));
                }
                Body::Postfix(Entry::Expired(expired)) => assert_eq!(expired.sender, sender.as_bytes()),
                Body::Postfix(Entry::Pickup(pickup)) => {
                    assert_eq!((pickup.sender, pickup.orig_id), (sender.as_bytes(), None));
                }
                other => assert!(matches!(other, Body::Unrecognised(_)), "{line}: {other:?}"),
            });
        }
    }

    /// Before 3.5: a bracket in it, which only a quoted local part of the client can have, ends it.
    #[test]
    fn an_unquoted_recipient_without_a_bracket_never_changes_the_outcome(text in hostile_text()) {
        let recipient = format!("{}@good.test", text.replace('>', "?"));
        entry("smtp", &format!("97C0A53F4D6: to=<{recipient}>, {BOUNCED} (no)"), |body| match body {
            Body::Postfix(Entry::Delivery(delivery)) => {
                let expected = ("97C0A53F4D6".to_owned(), recipient.clone(), Status::Bounced);
                assert_eq!(essence(&delivery), expected);
            }
            other => assert!(matches!(other, Body::Unrecognised(_)), "{recipient}: {other:?}"),
        });
    }

    /// What a command, a mailbox or a table of the operator says stands where a reply stands.
    #[test]
    fn no_agent_s_words_change_its_outcome(text in hostile_text(), agent in any::<Index>()) {
        let (service, relay) = *agent.get(&[("local", "local"), ("virtual", "virtual"), ("pipe", "mypipe"),
            ("error", "none"), ("discard", "none"), ("lmtp", "mx.test[private/lmtp]")]);
        let line = format!("97C0A53F4D6: to=<a@good.test>, relay={relay}, delay=1, delays=0/0/0/1, \
            dsn=5.3.0, status=bounced ({text})");
        entry(service, &line, |body| {
            let Body::Postfix(Entry::Delivery(delivery)) = body else { panic!("{line}") };
            let expected = ("97C0A53F4D6".to_owned(), "a@good.test".to_owned(), Status::Bounced);
            assert_eq!(essence(&delivery), expected);
            assert_eq!(delivery.text, text.as_bytes());
        });
    }

    #[test]
    fn a_user_name_that_fails_never_changes_the_client(text in hostile_text()) {
        let line = format!("warning: a.test[192.0.2.1]: SASL PLAIN authentication failed: no, \
            sasl_username={text}");
        entry("smtpd", &line, |body| {
            let Body::Postfix(Entry::AuthFailure(failure)) = body else { panic!("{line}") };
            assert_eq!((failure.peer.address, failure.mechanism), (&b"192.0.2.1"[..], &b"PLAIN"[..]));
        });
    }
}
