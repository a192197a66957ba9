//! Messages with a signed envelope sender, and late bounces of them that say nothing else.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde_json::json;

use crate::{
    client::Client,
    milter::{OURS, World, patient_lines},
    namespace::isolated,
    reports::{bring, say, told, with_alias},
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

/// As some write it who know what is personal.
const REDACTED: &str = "From: MAILER-DAEMON@mx.good.test\r\nSubject: Undelivered\r\n\
     Message-ID: <dsn-1@mx.good.test>\r\nMIME-Version: 1.0\r\n\
     Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
     --b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n\
     --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.good.test\r\n\r\n\
     Final-Recipient: rfc822; redacted@redacted.invalid\r\nAction: failed\r\nStatus: 5.2.1\r\n\r\n\
     --b--\r\n";

/// Writes the key into that directory, and gives the line that names it.
fn key_in(directory: &Path) -> String {
    let file = directory.join("verp.key");
    fs::write(&file, KEY).expect("the directory is ours");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("the file is ours");
    format!("verp_key_files = [\"{}\"]\n", file.display())
}

/// An application sends a message from a signed address of that mailbox, and a server that had taken it
/// gives up on it.
fn bounced(world: &World, mailbox: &str, to: &str) {
    let sender = world.herald.sign(mailbox);
    let mail = format!("From: <{mailbox}>\r\nTo: <{to}>\r\nSubject: Offers\r\n\r\nHello.\r\n");
    say(&mut Client::connect(OURS, world.postfix.smtp()), &sender, to, &mail);
    world.events_of(to, "outbound.delivered");
    bring(world, "", &sender, REDACTED);
}

#[test]
fn a_late_bounce_that_says_only_to_whom_it_is_sent_leads_to_its_message_and_is_trusted() {
    isolated(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let key = key_in(dir.path());
        let lines = patient_lines() + "recipient_delimiter = +\n";
        let mut world = World::in_directory(dir, &lines);
        world.herald.add(&format!("reports = true\n[reports]\n{key}"));
        world.start();
        let eve = "ok-eve@out.test";
        bounced(&world, "inbox@here.test", eve);
        let (data, queued) = told(&world, eve, "outbound.bounced");
        assert_eq!((&data["uid"], &data["async"]), (&queued["uid"], &json!(true)));
        assert_eq!(data["correlation"], json!({"method": "verp", "confidence": "high"}));
        assert_eq!(
            (&data["trusted"], &data["subject"]),
            (&json!(true), &json!("Offers")),
            "{data}"
        );
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn an_alias_that_pipes_tells_to_whom_the_bounce_was_sent() {
    isolated(|| {
        let mut world = with_alias("recipient_delimiter = +\n");
        let keys = tempfile::tempdir().expect("a temporary directory can be made");
        world.herald.add(&key_in(keys.path()));
        world.start();
        let eve = "ok-eve@out.test";
        bounced(&world, "fbl@here.test", eve);
        let (data, queued) = told(&world, eve, "outbound.bounced");
        assert_eq!(data["uid"], queued["uid"]);
        assert_eq!(data["correlation"]["method"], "verp");
        assert_eq!(data["trusted"], false, "a pipe of another user brings what it likes");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}
