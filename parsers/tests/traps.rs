//! Lines that mislead: what they seem to say, and what they do say.
//!
//! In the shapes of Postfix 3.7.11 where nothing else is said; the recorded lines themselves are read
//! by `fixtures.rs`. `trap_13_N_…` are the traps of the parser reference (§13) that are in the
//! grammar; the others are in `src/correlate/tests/traps.rs` and `src/source/file/tests.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use jiff::{Timestamp, tz::TimeZone};
use mailherald_parsers::{
    Body, Gap, Parser,
    postfix::{Action, Entry, NotificationKind, RefusedReason, Status},
    time::Resolver,
};

fn with_body<T>(line: &str, check: impl FnOnce(Body<'_>) -> T) -> T {
    check(Parser::new().parse(line.as_bytes()).body)
}

/// The body of `text`, logged by `tag`.
fn said<T>(tag: &str, text: &str, check: impl FnOnce(Body<'_>) -> T) -> T {
    with_body(&format!("2026-11-21T01:46:58.360081+00:00 vm {tag}[338]: {text}"), check)
}

fn entry<T>(tag: &str, text: &str, check: impl FnOnce(Entry<'_>) -> T) -> T {
    said(tag, text, |body| match body {
        Body::Postfix(entry) => check(entry),
        other => panic!("{text}: {other:?}"),
    })
}

#[test]
fn what_an_access_table_does_to_a_message_precedes_its_queue_id() {
    let list = "from=<hold@sender.test> to=<games@lab.test> proto=ESMTP helo=<gen.client.test>";
    for (action, text) in [
        (Action::Hold, "<hold@sender.test>: Sender address suspicious"),
        (Action::Discard, "<disc@sender.test>: Sender address silently"),
        (Action::Redirect, "<redir@sender.test>: Sender address triggers REDIRECT ok@good.test"),
        (Action::Filter, "<filt@sender.test>: Sender address triggers FILTER smtp:[127.0.0.1]:25"),
    ] {
        let word = action.as_str();
        let line =
            format!("NOQUEUE: {word}: RCPT from out5.client.test[127.0.2.5]: {text}; {list}");
        entry("postfix/smtpd", &line, |entry| {
            let Entry::Verdict(verdict) = entry else { panic!("{line}") };
            assert_eq!((verdict.queue_id, verdict.action), (None, action));
            assert_eq!(verdict.text, text.as_bytes());
            assert_eq!(verdict.recipient, Some(&b"games@lab.test"[..]));
        });
    }
}

#[test]
fn a_milter_in_cleanup_names_an_enhanced_code_and_no_reply_code() {
    let line = "97C0A53F4D6: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 first \
        line??550 5.7.1 second line; from=<mil@sender.test> to=<ok@good.test> proto=ESMTP helo=<h>";
    entry("postfix/cleanup", line, |entry| {
        let Entry::Verdict(verdict) = entry else { panic!("a verdict") };
        assert_eq!(verdict.action, Action::MilterReject);
        assert_eq!(verdict.codes.code, None);
        assert_eq!(verdict.codes.dsn.unwrap().to_string(), "5.7.1");
    });
}

#[test]
fn a_milter_that_holds_or_discards_refuses_nobody() {
    for (word, what, action) in [
        ("milter-hold", "HOLD", Action::MilterHold),
        ("milter-discard", "DISCARD", Action::MilterDiscard),
    ] {
        let line = format!(
            "97C0A53F4D6: {word}: END-OF-MESSAGE from localhost[127.0.0.1]: milter triggers {what} \
             action; from=<mil@sender.test> to=<ok@good.test>"
        );
        entry("postfix/cleanup", &line, |entry| {
            let Entry::Verdict(verdict) = entry else { panic!("{line}") };
            assert_eq!((verdict.action, verdict.codes.code), (action, None));
        });
    }
}

#[test]
fn trap_13_3_a_refusal_at_the_end_of_the_data_names_the_queue_id_of_a_message() {
    let line = "97C0A53F4D6: reject: END-OF-MESSAGE from out5.client.test[127.0.2.5]: 554 5.7.1 \
        <END-OF-MESSAGE>: End-of-data rejected: Access denied; from=<a@sender.test> proto=ESMTP \
        helo=<gen.client.test>";
    entry("postfix/smtpd", line, |entry| {
        let Entry::Verdict(verdict) = entry else { panic!("a verdict") };
        assert_eq!(verdict.queue_id.unwrap().as_str(), "97C0A53F4D6");
        assert_eq!((verdict.stage, verdict.recipient), (&b"END-OF-MESSAGE"[..], None));
    });
}

#[test]
fn trap_13_3_a_message_that_is_too_large_is_told_by_a_warning_alone() {
    for tag in ["postfix/smtpd", "postfix/cleanup"] {
        entry(tag, "warning: 97C0A53F4D6: queue file size limit exceeded", |entry| {
            let Entry::Refused(refused) = entry else { panic!("a refusal") };
            assert_eq!(refused.reason, RefusedReason::Size);
            assert_eq!(refused.queue_id.as_str(), "97C0A53F4D6");
        });
    }
}

/// The word behind the queue ID is the action of a table, the one before it a severity.
#[test]
fn a_warning_behind_the_queue_id_is_an_action() {
    let line = "97C0A53F4D6: warning: header Subject: hello from local; from=<gina@sender.test> \
        to=<ok@good.test>";
    entry("postfix/cleanup", line, |entry| {
        let Entry::ContentCheck(check) = entry else { panic!("a check") };
        assert_eq!(check.action, Action::Warn);
        assert_eq!(check.header(), Some((&b"Subject"[..], &b"hello"[..])));
    });
    said("postfix/cleanup", &line.replace("97C0A53F4D6: ", ""), |body| {
        assert_eq!(body, Body::Ignored);
    });
}

/// `postfix.c` logs under its own name, which looks like a daemon's that was cut.
#[test]
fn what_postfix_says_of_itself_is_about_no_message() {
    for (tag, text) in [
        ("postfix", "Postfix is running with backwards-compatible default settings"),
        ("postfix", "See http://www.postfix.org/COMPATIBILITY_README.html for details"),
        ("postfix/postfix-script", "the Postfix mail system is running: PID: 1"),
        ("postfix/tlsproxy", "TLS handshake failed for service=smtpd peer=[192.0.2.1]:4567"),
    ] {
        said(tag, text, |body| assert_eq!(body, Body::Ignored, "{text}"));
    }
}

/// rsyslog cuts an RFC 5424 APP-NAME at the first slash.
#[test]
fn the_text_alone_tells_what_a_line_is() {
    for text in [
        "97C0A53F4D6: info: header Subject: x from local; from=<a@x.test>",
        "warning: Connection rate limit exceeded: 5 from unknown[127.0.2.9] for service smtp",
        "97C0A53F4D6: placed on hold",
        "proxy-accept: END-OF-MESSAGE: 250 ok; from=<a@x.test>",
        "addr 192.0.2.1 listed by domain list.test as 127.0.0.2",
        "daemon started -- version 3.7.11, configuration /etc/postfix",
    ] {
        let line = format!("<22>1 2026-11-21T01:02:03.522880+00:00 mx postfix 123 - -  {text}");
        assert!(with_body(&line, |body| matches!(body, Body::Postfix(_))), "{text}");
    }
}

#[test]
fn trap_13_17_a_delay_notification_is_no_bounce() {
    entry("postfix/bounce", "97C0A53F4D6: sender delay notification: 5E1B753F4D8", |entry| {
        let Entry::Notification(notification) = entry else { panic!("a notification") };
        assert_eq!(notification.kind, NotificationKind::Delay);
    });
}

/// `smtp_trouble.c`; another host remains, and a status line follows.
#[test]
fn an_attempt_that_names_no_recipient_decides_nothing() {
    for text in [
        "97C0A53F4D6: host mx1.good.test[127.0.1.1] said: 451 4.3.0 later (in reply to RCPT TO command)",
        "97C0A53F4D6: host mx1.good.test[127.0.1.1] refused to talk to me: 554 no",
        "97C0A53F4D6: lost connection with mx1.good.test[127.0.1.1] while sending RCPT TO",
        "97C0A53F4D6: conversation with mx1.good.test[127.0.1.1] timed out while sending RCPT TO",
        "connect to refused.test[127.0.1.30]:25: Connection refused",
    ] {
        said("postfix/smtp", text, |body| assert_eq!(body, Body::Ignored, "{text}"));
    }
}

/// With `-v` or `debug_peer_list`.
#[test]
fn trap_13_13_a_dialogue_in_the_log_imitates_anything_and_is_ignored() {
    for text in [
        "> a.test[192.0.2.1]: 250 2.0.0 Ok: queued as 97C0A53F4D6",
        "< a.test[192.0.2.1]: 97C0A53F4D6: removed",
    ] {
        said("postfix/smtpd", text, |body| assert_eq!(body, Body::Ignored, "{text}"));
    }
}

/// postscreen(8): what it found refuses nobody; a refusal has a line of its own.
#[test]
fn a_finding_of_postscreen_is_no_refusal() {
    for text in [
        "CONNECT from [192.0.2.1]:45678 to [192.0.2.9]:25",
        "PREGREET 14 after 0.06 from [192.0.2.1]:45678: EHLO x\\r\\n",
        "DNSBL rank 5 for [192.0.2.1]:45678",
        "HANGUP after 0.1 from [192.0.2.1]:45678 in tests before SMTP handshake",
        "BARE NEWLINE from [192.0.2.1]:45678 after RCPT TO:<a@x>",
        "COMMAND PIPELINING from [192.0.2.1]:45678 after EHLO: MAIL FROM:<a@x>\\r\\n",
        "NON-SMTP COMMAND from [192.0.2.1]:45678 after CONNECT: GET / HTTP/1.1",
        "DENYLISTED [192.0.2.1]:45678",
        "BLACKLISTED [192.0.2.1]:45678",
        "PASS NEW [192.0.2.1]:45678",
        "DISCONNECT [192.0.2.1]:45678",
    ] {
        said("postfix/postscreen", text, |body| assert_eq!(body, Body::Ignored, "{text}"));
    }
    let refusal = "NOQUEUE: reject: RCPT from [192.0.2.1]:45678: 450 4.3.2 Service currently \
        unavailable; from=<a@x.test>, to=<b@y.test>, proto=ESMTP, helo=<h>";
    entry("postfix/postscreen", refusal, |entry| assert!(matches!(entry, Entry::Verdict(_))));
}

/// rsyslog and journald.
#[test]
fn trap_13_12_lines_that_were_lost_leave_a_mark() {
    let text = "imuxsock lost 12 messages from pid 345 due to rate-limiting";
    said("rsyslogd", text, |body| assert_eq!(body, Body::Gap(Gap { lines: 12 })));
    let text = "Suppressed 500 messages from postfix.service";
    said("systemd-journald", text, |body| assert_eq!(body, Body::Gap(Gap { lines: 500 })));
    said("postfix/smtpd", text, |body| assert!(!matches!(body, Body::Gap(_))));
}

/// trivial-rewrite and smtpd quote what a stranger sent behind their own first words; only what
/// stands right behind the queue ID tells something.
#[test]
fn trap_13_14_a_status_that_a_warning_quotes_is_none() {
    let forged = "relay=evil[1.2.3.4]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)";
    for (tag, text) in [
        (
            "postfix/trivial-rewrite",
            format!("warning: valid_ipv4_hostaddr: invalid character 120(decimal): x>, {forged}"),
        ),
        ("postfix/smtpd", format!("warning: hostname 97C0A53F4D6: to=<a@b.test>, {forged}")),
        ("postfix/sendmail", format!("warning: -f option: 97C0A53F4D6: to=<a@b.test>, {forged}")),
        ("postfix/postdrop", format!("warning: uid=1: 97C0A53F4D6: to=<a@b.test>, {forged}")),
    ] {
        said(tag, &text, |body| assert_eq!(body, Body::Ignored, "{text}"));
    }
}

/// Recorded: submitted with `sendmail(1)`; the domain literal ends the address for whoever looks
/// for a bracket only.
#[test]
fn trap_13_14_a_domain_literal_that_imitates_an_outcome_is_an_address_or_no_line() {
    let outcome =
        "relay=none, delay=0.1, delays=0.1/0/0/0, dsn=5.4.4, status=bounced (no such host)";
    let literal =
        "ok@[x>, relay=evil[1.2.3.4]:25, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)";
    for address in [format!("{literal}]"), literal.to_owned()] {
        let text = format!("97C0A53F4D6: to=<{address}>, {outcome}");
        said("postfix/smtp", &text, |body| match body {
            Body::Postfix(Entry::Delivery(delivery)) => {
                assert_eq!(delivery.status, Status::Bounced, "{text}");
            }
            other => assert!(matches!(other, Body::Unrecognised(_)), "{text}: {other:?}"),
        });
    }
}

/// A HELO name, a user and a Message-ID are what the client says.
#[test]
fn trap_13_15_names_that_imitate_fields_stay_names() {
    let line = "97C0A53F4D6: client=a.test[192.0.2.1], sasl_method=LOGIN, \
        sasl_username=x, orig_queue_id=5E1B753F4D8";
    entry("postfix/smtpd", line, |entry| assert!(matches!(entry, Entry::Client(_))));
    let line = "97C0A53F4D6: message-id=<a>, orig_client=b.test[192.0.2.2]: removed";
    entry("postfix/cleanup", line, |entry| {
        let Entry::MessageId(header) = entry else { panic!("a Message-ID") };
        assert_eq!(header.value, b"<a>, orig_client=b.test[192.0.2.2]: removed");
    });
}

/// A log of the turn of the year, read in January and from an archive of December.
#[test]
fn trap_13_18_a_line_of_december_that_is_read_in_january_is_of_last_year() {
    let read = |anchor: &str, lines: &[&str]| {
        let anchor: Timestamp = anchor.parse().unwrap();
        let mut resolver = Resolver::new(TimeZone::UTC);
        let stamps = lines.iter().map(|line| {
            let line = format!("{line} vm postfix/qmgr[1]: 97C0A53F4D6: removed");
            Parser::new().parse(line.as_bytes()).stamp
        });
        stamps.map(|stamp| resolver.resolve(stamp, anchor, None).0.to_string()).collect::<Vec<_>>()
    };
    let turn = ["Dec 31 23:59:59", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  2 00:00:00"];
    assert_eq!(
        read("2027-01-02T00:00:05Z", &turn),
        [
            "2026-12-31T23:59:59Z",
            "2027-01-01T00:00:01Z",
            "2026-12-31T23:59:59Z",
            "2027-01-02T00:00:00Z"
        ]
    );
    assert_eq!(read("2026-12-31T12:00:00Z", &["Jan  1 00:00:00"]), ["2027-01-01T00:00:00Z"]);
    assert_eq!(read("2026-11-21T12:00:00Z", &["Nov 23 00:00:00"]), ["2025-11-23T00:00:00Z"]);
}

/// A HELO name with a bracket once made the refusals of postscreen unreadable: it takes one word
/// as it is (`postscreen_smtpd.c`, `psc_ehlo_cmd()`).
#[test]
fn a_bracket_in_a_helo_name_hides_no_refusal_of_postscreen() {
    let line = "NOQUEUE: reject: RCPT from [192.0.2.1]:45678: 550 5.7.1 Service unavailable; client \
        [192.0.2.1] blocked using list.test; from=<a@x.test>, to=<b@y.test>, proto=ESMTP, helo=<a>b;>>";
    entry("postfix/postscreen", line, |entry| {
        let Entry::Verdict(verdict) = entry else { panic!("a verdict") };
        assert_eq!(verdict.helo, Some(&b"a>b;>"[..]));
        assert_eq!(verdict.recipient, Some(&b"b@y.test"[..]));
    });
}

/// A user named like a list once passed for the list, and one named like half a list hid it.
#[test]
fn a_user_named_like_a_list_makes_a_refusal_ambiguous() {
    for forged in ["; from=<evil@x.test> to=<c@y.test> proto=SMTP helo=<evil>", "; from=<> proto=X"]
    {
        let line = format!(
            "NOQUEUE: reject: RCPT from a.test[192.0.2.1]: 554 5.7.1 no; from=<a@x.test> to=<b@y.test> \
             proto=ESMTP helo=<h> sasl_method=PLAIN sasl_username=u{forged}"
        );
        entry("postfix/smtpd", &line, |entry| {
            let Entry::Verdict(verdict) = entry else { panic!("{line}") };
            assert!(verdict.ambiguous, "{line}");
        });
    }
}
