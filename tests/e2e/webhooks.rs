//! Webhooks that are made, changed and deleted while the program runs.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    lines,
    program::{Host, output, text},
    receiver::Receiver,
    until,
};

/// Webhooks that are not of the file may not reach this machine by themselves.
pub(crate) const EGRESS: &str = "[egress]\nallow_cidrs = [\"127.0.0.0/8\"]\n";

/// Runs `webhooks` with these arguments; gives what it printed.
fn webhooks(config: &str, args: &[&str]) -> Value {
    let asked = [&["webhooks"], args, &["--json", "--config", config]].concat();
    let done = output(&asked);
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Makes the webhook `New`; `more` are further options.
pub(crate) fn create(config: &str, receiver: &Receiver, more: &[&str]) -> Value {
    create_named("New", config, receiver, more)
}

fn create_named(name: &str, config: &str, receiver: &Receiver, more: &[&str]) -> Value {
    let url = receiver.url();
    webhooks(config, &[&["create", &url, "--events", "delivered", "--name", name], more].concat())
}

/// A host with one webhook of the file, whose receiver this is.
fn host() -> (Host, Receiver, String) {
    let (host, of_file) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &of_file, EGRESS);
    (host, of_file, config)
}

/// The whole life, with a restart behind each step.
#[test]
fn m14_m20_a_webhook_is_made_told_moved_disabled_enabled_and_deleted_over_restarts() {
    let ((host, of_file, config), receiver, elsewhere) =
        (host(), Receiver::start(), Receiver::start());
    let program = host.run(&config);
    host.append("mail.log", &lines(0..2));
    until("the webhook of the file", || of_file.count() == 2);
    let made = create(&config, &receiver, &[]);
    let secret = made["secret"].as_str().unwrap().to_owned();
    host.append("mail.log", &lines(2..5));
    until("what happened since", || receiver.count() == 3);
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(&secret)));
    program.stop(Signal::TERM);

    let program = host.run(&config);
    let moved = webhooks(&config, &["update", "New", "--url", &elsewhere.url()]);
    assert_eq!(moved["url"], elsewhere.url());
    host.append("mail.log", &lines(5..7));
    until("what comes at the other place", || elsewhere.count() == 2);
    assert!(elsewhere.requests().iter().all(|request| request.is_signed_with(&secret)));
    webhooks(&config, &["disable", "New"]);
    host.append("mail.log", &lines(7..9));
    until("it waits", || webhooks(&config, &["show", "New"])["backlog"] == 2);
    program.kill();

    let program = host.run(&config);
    assert_eq!(webhooks(&config, &["show", "New"])["state"], "disabled");
    webhooks(&config, &["enable", "New"]);
    until("what waited", || elsewhere.ids().len() == 4);
    webhooks(&config, &["disable", "New"]);
    host.append("mail.log", &lines(9..10));
    until("it waits", || webhooks(&config, &["show", "New"])["backlog"] == 1);
    let deleted =
        output(&["webhooks", "delete", moved["id"].as_str().unwrap(), "--config", &config]);
    assert!(deleted.status.success(), "{}", text(&deleted.stderr));
    host.append("mail.log", &lines(10..12));
    until("the webhook of the file", || of_file.ids().len() == 12);
    program.stop(Signal::TERM);

    let _program = host.run(&config);
    host.append("mail.log", &lines(12..13));
    until("the webhook of the file", || of_file.ids().len() == 13);
    assert_eq!((receiver.count(), elsewhere.ids().len()), (3, 4), "nothing more");
    let gone = output(&["webhooks", "show", "New", "--config", &config]);
    assert_eq!(gone.status.code(), Some(66));
}

/// What was answered is durable.
#[test]
fn a_webhook_is_there_after_a_kill_right_behind_its_answer() {
    let ((host, _of_file, config), receiver) = (host(), Receiver::start());
    for number in 0..5 {
        let name = format!("Hook {number}");
        let program = host.run(&config);
        let made = create_named(&name, &config, &receiver, &[]);
        program.kill();
        let program = host.run(&config);
        let shown = webhooks(&config, &["show", &name]);
        assert_eq!((&shown["id"], &shown["secret_hint"]), (&made["id"], &made["secret_hint"]));
        host.append("mail.log", &lines(number..number + 1));
        let secret = made["secret"].as_str().unwrap();
        let is_signed = || receiver.requests().iter().any(|it| it.is_signed_with(secret));
        until("an event that is signed with its secret", is_signed);
        program.kill();
    }
}

#[test]
fn a_webhook_of_the_file_is_changed_there_and_the_answer_says_so() {
    let (host, of_file, config) = host();
    let program = host.run(&config);
    for args in [&["delete", "Shop"][..], &["update", "Shop", "--set", "timeout=3s"]] {
        let refused = output(&[&["webhooks"], args, &["--config", &config]].concat());
        assert!(!refused.status.success());
        let said = text(&refused.stderr);
        assert!(said.contains("`Shop` is a webhook of the configuration file"), "{said}");
    }
    // These are for both.
    webhooks(&config, &["disable", "Shop"]);
    webhooks(&config, &["enable", "Shop"]);
    host.append("mail.log", &lines(0..1));
    until("an event", || of_file.count() == 1);
    let said = program.said();
    assert!(
        said.contains("action=\"DELETE /v1/webhooks/{id}\" target=\"Shop\" status=409"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_a_webhook_is_said_and_its_secret_is_shown_once_and_nowhere_else() {
    let ((host, _of_file, config), receiver) = (host(), Receiver::start());
    let program = host.run(&config);
    let wrong = [
        "webhooks",
        "create",
        "https://example.com/",
        "--events",
        "delivred",
        "--set",
        "timeout=3h",
        "--config",
        &config,
    ];
    let wrong = output(&wrong);
    assert_eq!(wrong.status.code(), Some(65));
    let said = text(&wrong.stderr);
    assert!(said.contains("events: unknown event type `delivred`"), "{said}");
    assert!(said.contains("timeout: must be from 1s to 60s"), "{said}");

    let url = receiver.url();
    let made = output(&["webhooks", "create", &url, "--events", "delivered", "--config", &config]);
    let (printed, noted) = (text(&made.stdout), text(&made.stderr));
    let secret = printed.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap();
    assert!(noted.contains("mailherald webhooks verify 127-0-0-1"), "{noted}");
    assert!(noted.contains("warning: url: http"), "{noted}");
    let shown = output(&["webhooks", "show", "127-0-0-1", "--config", &config]);
    for place in [text(&shown.stdout), program.said()] {
        assert!(!place.contains(secret), "{place}");
    }
}

#[test]
fn a_store_with_a_sealing_key_holds_nothing_of_a_made_webhook_in_the_clear() {
    let ((host, _of_file, config), receiver) = (host(), Receiver::start());
    let key = data_encoding::BASE64.encode(&[7; 32]);
    fs::write(host.path("seal.key"), key).unwrap();
    let text = fs::read_to_string(&config).unwrap();
    let sealed = format!("seal_key_file = \"{}\"\n{text}", host.text("seal.key"));
    fs::write(&config, sealed).unwrap();
    let program = host.run(&config);
    let header = "headers={\"x-token\":\"a-token-that-is-a-secret\"}";
    let made = create(&config, &receiver, &["--set", header]);
    host.append("mail.log", &lines(0..1));
    until("an event", || receiver.count() == 1);
    program.stop(Signal::TERM);
    let secret = made["secret"].as_str().unwrap();
    for hidden in [secret, "a-token-that-is-a-secret"] {
        assert!(!crate::rotation::is_below(&host.path("state"), hidden.as_bytes()));
    }
    let _program = host.run(&config);
    host.append("mail.log", &lines(1..2));
    until("an event", || receiver.count() == 2);
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(secret)));
}

/// Operational events tell of it, and the log.
#[test]
fn that_webhooks_come_change_and_go_is_told_to_those_who_want_to_know() {
    let (host, of_file, receiver) = (Host::new(), Receiver::start(), Receiver::start());
    let types = "events = [\"endpoint.created\", \"endpoint.updated\", \"endpoint.deleted\"]\n";
    let config = host.configure(&host.log_source(), &of_file, &format!("{types}{EGRESS}"));
    let program = host.run(&config);
    let made = create(&config, &receiver, &[]);
    webhooks(&config, &["update", "New", "--set", "concurrency=3"]);
    assert!(output(&["webhooks", "delete", "New", "--config", &config]).status.success());
    until("three events", || of_file.count() == 3);
    let mut told: Vec<_> = of_file
        .requests()
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .map(|body| format!("{} {}", body["type"], body["data"]["webhook"]).replace('"', ""))
        .collect();
    told.sort();
    assert_eq!(told, ["endpoint.created New", "endpoint.deleted New", "endpoint.updated New"]);
    let said = program.said();
    let id = format!("POST /v1/webhooks\" target=\"{}\" status=201", made["id"].as_str().unwrap());
    for change in [id.as_str(), "DELETE /v1/webhooks/{id}\" target=\"New\" status=204"] {
        assert!(said.contains(&format!("action=\"{change}")), "{said}");
    }
}

/// A replay knows them, too.
#[test]
fn history_is_replayed_to_a_webhook_that_was_made_at_run_time() {
    let ((host, of_file, config), receiver) = (host(), Receiver::start());
    let program = host.run(&config);
    host.append("mail.log", &lines(0..3));
    until("the webhook of the file", || of_file.count() == 3);
    create(&config, &receiver, &[]);
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), 0);
    let log = host.text("mail.log");
    let replayed = output(&["replay", &log, "--webhook", "New", "--config", &config]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    assert_eq!((receiver.ids().len(), of_file.count()), (3, 3));
}
