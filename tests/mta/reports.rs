//! Complaints and late bounces that come back by mail, through a real Postfix: by our milter, and by an
//! alias that pipes into `mailherald ingest`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Client,
    milter::{
        LIMIT, LINES, OURS, STRANGER, World, mail_flows_however_it_is_killed,
        mail_flows_through_every_trouble, patient_lines,
    },
    namespace::isolated,
    needs,
    opendkim::{self, OpenDkim},
    receiver::Request,
    sink::Answer,
    spam_milter,
    spamassassin::{self, SpamAssassin},
    wait,
};

/// Sends a message of ours to that address, and gives it as it arrived there.
fn sent(world: &World, to: &str) -> String {
    let text = format!(
        "From: <news@sender.test>\r\nTo: <{to}>\r\nSubject: Offers\r\nX-Order: 17\r\n\r\nHello.\r\n"
    );
    let arrived = arrived(world, to, &text);
    world.events_of(to, "outbound.delivered");
    arrived
}

/// Sends any mail from this host, and gives it as it arrived.
fn arrived(world: &World, to: &str, mail: &str) -> String {
    say(&mut Client::connect(OURS, world.postfix.smtp()), "news@sender.test", to, mail);
    let is_there = || world.sink.mail_to(to).is_some();
    assert!(wait::until(LIMIT, is_there), "{}", world.postfix.log_text());
    world.sink.mail_to(to).expect("it is there")
}

/// One mail, dots doubled (RFC 5321 §4.5.2).
pub(crate) fn say(client: &mut Client, from: &str, to: &str, mail: &str) {
    client.step(&format!("MAIL FROM:<{from}>"), 250);
    client.step(&format!("RCPT TO:<{to}>"), 250);
    client.step("DATA", 354);
    let mail = mail.replace("\r\n.", "\r\n..");
    client.step(&format!("{}\r\n.", mail.trim_end()), 250);
}

/// A feedback report about a message.
fn complaint(id: &str, about: &str, to: &str) -> String {
    format!(
        "From: <abuse@good.test>\r\nTo: <inbox@here.test>\r\nSubject: abuse\r\n\
         Message-ID: <{id}@good.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
         User-Agent: Test/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <{to}>\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{about}\r\n--b--\r\n"
    )
}

/// A late bounce of a message.
fn bounce(id: &str, about: &str, to: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.good.test\r\nTo: <news@here.test>\r\nSubject: Undelivered\r\n\
         Message-ID: <{id}@mx.good.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.good.test\r\n\r\n\
         Final-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: 5.2.1\r\n\
         Diagnostic-Code: smtp; 550 5.2.1 The account is disabled\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{about}\r\n--b--\r\n"
    )
}

/// Sends a mail from elsewhere.
pub(crate) fn bring(world: &World, from: &str, to: &str, mail: &str) {
    say(&mut Client::connect(STRANGER, world.postfix.smtp()), from, to, mail);
}

/// The only event of that type for a recipient, and that of its arrival here. They are posted at the
/// same time when both are new, and come in either order.
pub(crate) fn told(world: &World, to: &str, kind: &str) -> (Value, Value) {
    let only = |kind: &str| {
        let all = world.events_of(to, kind);
        let of_kind: Vec<_> = all.iter().filter(|request| request.body["type"] == kind).collect();
        let [only] = &of_kind[..] else { panic!("{of_kind:?}") };
        only.body["data"].clone()
    };
    (only(kind), only("outbound.queued"))
}

#[test]
fn reports_in_the_mail_become_events_of_the_messages_that_they_are_about() {
    isolated(|| {
        let mut world = World::of_patience();
        world.herald.add("reports = true\n");
        world.start();
        let (eve, bob) = ("ok-eve@out.test", "ok-bob@out.test");
        let about = [sent(&world, eve), sent(&world, bob)];

        let mail = complaint("arf-1", &about[0], eve);
        bring(&world, "abuse@good.test", "inbox@here.test", &mail);
        let (data, queued) = told(&world, eve, "outbound.complaint");
        assert_eq!((&data["uid"], &data["queue_id"]), (&queued["uid"], &queued["queue_id"]));
        assert_eq!(data["correlation"], json!({"method": "queue_id", "confidence": "high"}));
        assert_eq!(data["trusted"], false, "nobody showed who wrote it");
        assert_eq!(
            (&data["feedback_type"], &data["provider"]),
            (&json!("abuse"), &json!("Test/1"))
        );
        assert_eq!(
            (&data["subject"], &data["metadata"]["X-Order"]),
            (&json!("Offers"), &json!("17"))
        );

        // A server that lies somewhere else writes with the null sender; a long message comes back.
        let long = format!("{}{}", about[1], "All work and no play.\r\n".repeat(50_000));
        bring(&world, "", "inbox@here.test", &bounce("dsn-1", &long, bob));
        let (data, queued) = told(&world, bob, "outbound.bounced");
        assert_eq!(data["uid"], queued["uid"]);
        assert_eq!((&data["async"], &data["trusted"]), (&json!(true), &json!(false)));
        assert_eq!(
            (&data["dsn"], &data["bounce_category"]),
            (&json!("5.2.1"), &json!("inactive_mailbox"))
        );
        assert_eq!(data["response"], "550 5.2.1 The account is disabled");

        // Each report is mail as well, and it is in its mailbox.
        world.postfix.wait_until_idle(LIMIT);
        assert_eq!(world.postfix.mailbox().len(), 2);
        let delivered = || {
            let all = world.events_of("games@here.test", "inbound.delivered");
            all.iter().filter(|event| event.body["type"] == "inbound.delivered").count()
        };
        assert!(wait::until(LIMIT, || delivered() == 2), "{}", world.postfix.log_text());
        // The same report by another way is the same event.
        let (code, answer) = world.herald.ingest(&mail);
        assert_eq!((code, &answer["events"][0]["is_new"]), (Some(0), &json!(false)), "{answer}");
        // Mail that is none is let alone.
        let (code, answer) = world.herald.ingest("Subject: hello\r\n\r\nHello.\r\n");
        assert_eq!((code, &answer["passed_over"][0]["reason"]), (Some(0), &json!("no_report")));
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

/// A world whose Postfix has an alias that pipes into the program, with `lines` besides; and the keys of
/// `[reports]` for what it brings, which others may follow.
pub(crate) fn with_alias(lines: &str) -> World {
    let (dir, aliases) = alias();
    let socket = dir.path().join("reports.sock").display().to_string();
    let world = World::in_directory(dir, &(aliases + lines));
    world.herald.add(&format!("[reports]\nsocket = {socket:?}\nsocket_mode = \"0666\"\n"));
    world
}

/// A directory that everybody may look into, with the program and an alias that pipes into it; and the
/// lines that have Postfix know the alias.
fn alias() -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let everybody = Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), everybody).expect("the directory is ours");
    let (built, program) = (env!("CARGO_BIN_EXE_mailherald"), dir.path().join("mailherald"));
    if fs::hard_link(built, &program).is_err() {
        fs::copy(built, &program).expect("there is room");
    }
    let (socket, aliases) = (dir.path().join("reports.sock"), dir.path().join("aliases"));
    let alias = format!("fbl \"|{} ingest --socket {}\"\n", program.display(), socket.display());
    fs::write(&aliases, alias).expect("the directory is ours");
    let lines = format!("alias_maps = texthash:{}\n", aliases.display());
    (dir, lines)
}

#[test]
fn an_alias_pipes_reports_in_and_mail_waits_while_nobody_takes_them() {
    isolated(|| {
        let mut world = with_alias("");
        world.start();
        let (eve, bob) = ("ok-eve@out.test", "ok-bob@out.test");
        let about = [sent(&world, eve), sent(&world, bob)];
        bring(&world, "abuse@good.test", "fbl@here.test", &complaint("arf-1", &about[0], eve));
        let (data, queued) = told(&world, eve, "outbound.complaint");
        assert_eq!(data["uid"], queued["uid"]);
        assert_eq!(data["trusted"], false, "a pipe of another user brings what it likes");

        assert!(world.herald.stop().success(), "{}", world.herald.said());
        bring(&world, "", "fbl@here.test", &bounce("dsn-1", &about[1], bob));
        let is_deferred =
            || world.postfix.log_text().contains("status=deferred (temporary failure");
        assert!(wait::until(LIMIT, is_deferred), "{}", world.postfix.log_text());
        world.start();
        world.postfix.flush();
        let (data, queued) = told(&world, bob, "outbound.bounced");
        assert_eq!((&data["uid"], &data["async"]), (&queued["uid"], &json!(true)));
        world.postfix.wait_until_idle(LIMIT);
        assert_eq!(world.sink.answers_to(bob), [Answer::Accepted], "nothing was bounced");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn a_bounce_of_our_own_postfix_that_an_alias_pipes_in_is_told_once() {
    isolated(|| {
        let mut world = with_alias("");
        world.start();
        let (from, to) = ("fbl@here.test", "nouser-a@out.test");
        let mail = "From: <fbl@here.test>\r\nSubject: hello\r\n\r\nHello.\r\n";
        say(&mut Client::connect(OURS, world.postfix.smtp()), from, to, mail);
        let is_read = || world.herald.said().contains("why=\"own\"");
        assert!(wait::until(LIMIT, is_read), "{}", world.herald.said());
        let (data, _) = told(&world, to, "outbound.bounced");
        assert_eq!(data["async"], Value::Null, "{data}");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

/// These lines, with milters on these sockets before ours.
fn behind(sockets: &[PathBuf], lines: &str) -> String {
    let before = sockets.iter().map(|path| format!("unix:{}, ", path.display()));
    let before = before.collect::<Vec<_>>().concat();
    assert!(lines.contains("smtpd_milters =\n"), "the shipped lines begin a list so");
    lines.replacen("smtpd_milters =\n", &format!("smtpd_milters = {before}\n"), 1)
}

/// Milters before ours: a spam filter, and opendkim.
struct Filters {
    _opendkim: OpenDkim,
    world: World,
}

impl Filters {
    /// With these lines for ours.
    fn before(lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let everybody = Permissions::from_mode(0o755);
        fs::set_permissions(dir.path(), everybody).expect("the directory is ours");
        let spam = dir.path().join("spam.sock");
        spam_milter::serve(&spam);
        let opendkim = OpenDkim::start(dir.path());
        let lines = behind(&[spam, opendkim::socket(dir.path())], lines);
        let world = World::in_directory(dir, &lines);
        world.herald.add(
            "reports = true\nverdict_headers = [\"X-Spam-Status\"]\n\
             [reports]\nauthserv_ids = [\"mx.here.test\"]\n",
        );
        Self { _opendkim: opendkim, world }
    }
}

#[test]
fn a_report_is_trusted_when_opendkim_vouches_for_its_writer_and_never_by_its_own_words() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&opendkim::PROGRAMS) {
            return needs::skip(&missing);
        }
        let mut filters = Filters::before(&patient_lines());
        let world = &mut filters.world;
        // While nobody listens: what leaves this host is no report to it.
        let (eve, bob, carol) = ("ok-eve@out.test", "ok-bob@out.test", "ok-carol@out.test");
        let text = |to: &str| format!("From: <news@sender.test>\r\nTo: <{to}>\r\n\r\nHello.\r\n");
        let about = [eve, bob, carol].map(|to| arrived(world, to, &text(to)));
        let signed = arrived(world, "ok-provider@out.test", &complaint("arf-1", &about[0], eve));
        assert!(signed.contains("DKIM-Signature:"), "opendkim signs for good.test: {signed}");
        world.start();

        bring(world, "abuse@good.test", "inbox@here.test", &signed);
        let (data, _) = told(world, eve, "outbound.complaint");
        assert_eq!(data["trusted"], true, "{data}\n{:?}", world.postfix.mailbox());
        assert_eq!(data["correlation"]["method"], "queue_id");

        // Neither what it says of itself, nor another's signature, nor one that does not fit.
        let forged = complaint("arf-2", &about[1], bob);
        let results = "Authentication-Results: mx.here.test; dkim=pass header.d=good.test\r\n";
        bring(world, "evil@evil.test", "inbox@here.test", &format!("{results}{forged}"));
        let (data, _) = told(world, bob, "outbound.complaint");
        assert_eq!(data["trusted"], false, "{data}\n{:?}", world.postfix.mailbox());
        let (signature, _) = signed.split_once("From: <abuse@").expect("it has its own headers");
        let changed = format!("{signature}{}", complaint("arf-3", &about[2], carol));
        bring(world, "evil@evil.test", "inbox@here.test", &format!("{results}{changed}"));
        let (data, _) = told(world, carol, "outbound.complaint");
        assert_eq!(data["trusted"], false, "{data}\n{:?}", world.postfix.mailbox());
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn the_word_of_an_earlier_spam_filter_counts_and_that_of_a_stranger_does_not() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&opendkim::PROGRAMS) {
            return needs::skip(&missing);
        }
        let mut filters = Filters::before(&patient_lines());
        let world = &mut filters.world;
        world.start();
        let from = "From: <eve@good.test>\r\n";
        let forged = "X-Spam-Status: Yes, score=99 tests=FORGED\r\n";
        let clean = format!("{forged}{from}Subject: hello\r\n{forged}\r\nHello.\r\n");
        bring(world, "eve@good.test", "games@here.test", &clean);
        world.postfix.wait_until_idle(LIMIT);
        world.events_of("games@here.test", "inbound.delivered");
        let spam = format!("{forged}{from}Subject: cheap pills\r\n\r\nBuy.\r\n");
        bring(world, "eve@good.test", "inbox@here.test", &spam);
        let all = world.events_of("inbox@here.test", "inbound.spam");
        let found: Vec<_> =
            all.iter().filter(|event| event.body["type"] == "inbound.spam").collect();
        let [found] = &found[..] else { panic!("{found:?}") };
        let data = &found.body["data"];
        assert_eq!((&data["score"], &data["rules"]), (&json!(9.9), &json!("PILLS,CHEAP")));
        assert_eq!(data["action"], "tagged");
        let told = world.events_of("games@here.test", "inbound.delivered");
        assert!(told.iter().all(|event| event.body["type"] != "inbound.spam"), "{told:?}");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn what_a_real_spamassassin_says_of_a_message_is_told_and_what_a_stranger_says_is_not() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&spamassassin::PROGRAMS) {
            return needs::skip(&missing);
        }
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let everybody = Permissions::from_mode(0o755);
        fs::set_permissions(dir.path(), everybody).expect("the directory is ours");
        let _filter = SpamAssassin::start(dir.path());
        let lines = behind(&[spamassassin::socket(dir.path())], &patient_lines());
        let mut world = World::in_directory(dir, &lines);
        world.herald.add("verdict_headers = [\"X-Spam-Status\"]\n");
        world.start();
        let forged = "X-Spam-Status: Yes, score=99 required=5 tests=FORGED\r\n";
        let mail = |text: &str| {
            format!("{forged}From: <eve@good.test>\r\nSubject: hello\r\n\r\n{text}\r\n")
        };
        bring(&world, "eve@good.test", "games@here.test", &mail("Hello."));
        let told = world.events_of("games@here.test", "inbound.delivered");
        bring(&world, "eve@good.test", "inbox@here.test", &mail("Buy cheap pills."));
        let all = world.events_of("inbox@here.test", "inbound.spam");
        let found = all.iter().find(|event| event.body["type"] == "inbound.spam");
        let data = &found.expect("it was waited for").body["data"];
        assert_eq!((&data["score"], &data["rules"]), (&json!(9.9), &json!("PILLS")), "{data}");
        let is_spam = |event: &Request| event.body["type"] == "inbound.spam";
        assert!(!told.iter().any(is_spam), "{told:?}");
        assert!(!world.events_of("games@here.test", "inbound.delivered").iter().any(is_spam));
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn beside_other_milters_and_with_reports_mail_flows_through_every_trouble() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&opendkim::PROGRAMS) {
            return needs::skip(&missing);
        }
        mail_flows_through_every_trouble(&mut Filters::before(LINES).world);
    });
}

#[test]
fn beside_other_milters_and_with_reports_mail_flows_however_ours_is_killed() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&opendkim::PROGRAMS) {
            return needs::skip(&missing);
        }
        mail_flows_however_it_is_killed(&mut Filters::before(LINES).world);
    });
}
