//! The configuration is read again while the program runs.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    http::request_on,
    lines,
    program::{Host, Program, SECRET, output, text},
    receiver::Receiver,
    until,
    webhooks::{self, EGRESS},
};

/// Asks for a reload on the socket: status and answer.
fn reload(host: &Host) -> (u16, Value) {
    let answer = request_on(&host.path("state/api.sock"), "POST", "/v1/reload", None, "");
    (answer.status, answer.json())
}

/// Asks on the socket: the body of the answer.
fn get(host: &Host, path: &str) -> String {
    request_on(&host.path("state/api.sock"), "GET", path, None, "").body
}

/// Sends SIGHUP, and waits until so many reloads are over.
fn hang_up(program: &Program, words: &str, times: usize) {
    program.signal(Signal::HUP);
    until(words, || program.said().matches(words).count() == times);
}

const DONE: &str = "the configuration is reloaded";

fn edit(config: &str, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(config).unwrap();
    fs::write(config, change(&text)).unwrap();
}

fn second(receiver: &Receiver) -> String {
    let url = receiver.url();
    format!("[[webhook]]\nname = \"Second\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n")
}

#[test]
fn a_webhook_of_the_file_is_added_changed_removed_and_back_by_sighup() {
    let (host, first, new) = (Host::new(), Receiver::start(), Receiver::start());
    let elsewhere = Receiver::start();
    let config = host.configure(&host.log_source(), &first, "");
    let before = fs::read_to_string(&config).unwrap();
    let program = host.run(&config);
    host.append("mail.log", &lines(0..2));
    until("the first webhook", || first.count() == 2);

    edit(&config, |text| format!("{text}{}", second(&new)));
    hang_up(&program, DONE, 1);
    host.append("mail.log", &lines(2..4));
    until("both", || first.count() == 4 && new.count() == 2);
    assert!(new.requests().iter().all(|request| request.is_signed_with(SECRET)));

    edit(&config, |text| text.replace(&new.url(), &elsewhere.url()));
    hang_up(&program, DONE, 2);
    host.append("mail.log", &lines(4..6));
    until("the other place", || first.count() == 6 && elsewhere.count() == 2);

    fs::write(&config, &before).unwrap();
    hang_up(&program, DONE, 3);
    host.append("mail.log", &lines(6..8));
    until("the first one only", || first.count() == 8);
    let gone = output(&["webhooks", "show", "Second", "--config", &config]);
    assert_eq!(gone.status.code(), Some(66));

    // As over a restart: what came meanwhile was meant for it, too.
    edit(&config, |text| format!("{text}{}", second(&elsewhere)));
    hang_up(&program, DONE, 4);
    host.append("mail.log", &lines(8..9));
    until("all of it", || elsewhere.count() == 5);
    assert_eq!((new.count(), elsewhere.ids().len()), (2, 5));
    let said = program.said();
    for words in ["added=[\"Second\"]", "changed=[\"Second\"]", "removed=[\"Second\"]"] {
        assert!(said.contains(words), "{said}");
    }
    program.stop(Signal::TERM);
}

#[test]
fn a_file_with_an_error_changes_nothing_and_the_log_and_the_answer_say_all_of_it() {
    let (host, first, new) = (Host::new(), Receiver::start(), Receiver::start());
    let config = host.configure(&host.log_source(), &first, "");
    let program = host.run(&config);
    let wrong = |text: &str| {
        let text = text.replace("name = \"Shop\"", "name = \"Shop\"\ntimeout = \"3h\"");
        format!("{text}colour = 1\n{}", second(&new))
    };
    edit(&config, wrong);
    hang_up(&program, "the configuration is wrong: all is as it was", 1);
    let said = program.said();
    assert!(said.contains("must be from 1s to 60s") && said.contains("unknown key"), "{said}");
    let (status, refused) = reload(&host);
    assert_eq!(status, 400);
    let fields: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|it| it["field"].clone()).collect();
    assert_eq!(fields, ["webhook.timeout", "webhook.colour"]);
    assert!(refused["errors"][0]["message"].as_str().unwrap().starts_with("line "), "{refused}");
    host.append("mail.log", &lines(0..2));
    until("the webhook as it was", || first.count() == 2);
    assert_eq!(new.count(), 0);
    fs::remove_file(&config).unwrap();
    let (status, refused) = reload(&host);
    assert_eq!((status, &refused["code"]), (409, &json!("not_reloaded")), "{refused}");
}

#[test]
fn what_is_applied_and_what_needs_a_restart_is_named() {
    let (host, first) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &first, "");
    let program = host.run(&config);
    let (status, nothing) = reload(&host);
    let none = json!([]);
    assert_eq!(status, 200);
    for key in ["added", "changed", "removed", "applied", "needs_restart", "warnings"] {
        assert_eq!(nothing[key], none, "{key}: {nothing}");
    }
    edit(&config, |text| {
        let text =
            text.replace("postconf = \"off\"", "postconf = \"off\"\nlocal_domains = [\"a.test\"]");
        let text = text.replace("start = \"beginning\"", "start = \"end\"");
        format!("concurrency = 9\n{text}{EGRESS}[[route]]\nname = \"news\"\n")
    });
    for _ in 0..2 {
        // It is so until the restart.
        let (_, reloaded) = reload(&host);
        assert_eq!(reloaded["needs_restart"], json!(["source", "concurrency"]));
    }
    assert!(program.said().contains("needs a restart"));
    // Where webhooks may be sent, and which routes there are, holds for those that are made now.
    let receiver = Receiver::start();
    webhooks::create(&config, &receiver, &["--set", "routes=[\"news\"]"]);
    program.stop(Signal::TERM);
}

/// The policy is held against connections that were made before it.
#[test]
fn a_policy_that_is_tightened_holds_at_once() {
    let (host, first, made) = (Host::new(), Receiver::start(), Receiver::start());
    let config = host.configure(&host.log_source(), &first, EGRESS);
    let _program = host.run(&config);
    webhooks::create(&config, &made, &[]);
    host.append("mail.log", &lines(0..2));
    until("both", || first.count() == 2 && made.count() == 2);
    edit(&config, |text| text.replace("127.0.0.0/8", "192.0.2.0/24"));
    assert_eq!(reload(&host).1["applied"], json!(["egress"]));
    host.append("mail.log", &lines(2..4));
    let dead = || {
        let listed = output(&["dead", "list", "--ended", "blocked", "--json", "--config", &config]);
        text(&listed.stdout).lines().count()
    };
    until("they are blocked", || dead() == 2 && first.count() == 4);
    assert_eq!(made.count(), 2);
}

/// A reload that is asked for before there is anything to reload is done once there is.
#[test]
fn a_hangup_during_the_start_ends_nothing_and_is_a_reload_afterwards() {
    let (host, receiver, new) = (Host::new(), Receiver::start(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    // It has the store, which the one under test waits for.
    let first = host.run(&config);
    let late = host.start(&["run", "--config", &config], std::process::Stdio::null());
    late.until_it_says("another process");
    edit(&config, |text| format!("{text}{}", second(&new)));
    for _ in 0..3 {
        late.signal(Signal::HUP);
    }
    first.stop(Signal::TERM);
    late.until_it_says("added=[\"Second\"]");
    late.until_it_says("mailherald is running");
    host.append("mail.log", &lines(0..2));
    until("both", || receiver.count() == 2 && new.count() == 2);
    late.stop(Signal::TERM);
}

/// The file gives a webhook the name of one that was made before.
#[test]
fn two_webhooks_of_one_name_are_warned_of_and_told_apart_in_the_metrics() {
    let (host, first, made) = (Host::new(), Receiver::start(), Receiver::start());
    let config = host.configure(&host.log_source(), &first, EGRESS);
    let program = host.run(&config);
    let url = made.url();
    let create = ["webhooks", "create", &url, "--events", "delivered", "--name", "Second"];
    let created = output(&[&create[..], &["--json", "--config", &config]].concat());
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    let id = created["id"].as_str().unwrap();
    let labels = || {
        let page = get(&host, "/metrics");
        let of = |line: &str| {
            let label = line.strip_prefix("mailherald_webhook_enabled{webhook=\"")?;
            Some(label.split('"').next()?.to_owned())
        };
        page.lines().filter_map(of).collect::<std::collections::BTreeSet<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(labels(), names(&["Second", "Shop"]));
    edit(&config, |text| format!("{text}{}", second(&first)));
    let (status, reloaded) = reload(&host);
    assert_eq!((status, &reloaded["added"]), (200, &json!(["Second"])));
    assert_eq!(reloaded["warnings"][0]["code"], "name_taken");
    assert!(reloaded["warnings"][0]["message"].as_str().unwrap().contains(id), "{reloaded}");
    let apart = names(&["Second", &format!("Second ({id})"), "Shop"]);
    assert_eq!(labels(), apart);
    assert!(program.said().contains("another webhook has this name"));
    // Nor can another be made with that name.
    let again = output(&[&create[..], &["--config", &config]].concat());
    assert_eq!(again.status.code(), Some(65), "{}", text(&again.stderr));
    program.stop(Signal::TERM);
    let _again = host.run(&config);
    assert_eq!(labels(), apart);
}

#[test]
fn without_a_file_there_is_nothing_to_reload_and_a_hangup_ends_nothing() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let (log, state) = (host.text("mail.log"), host.text("state"));
    let args = ["run", "--log", &log, "--webhook", &receiver.url(), "--state", &state];
    let program = host.start(&args, std::process::Stdio::null());
    program.until_it_says("mailherald is running");
    hang_up(&program, "was started without a configuration file", 1);
    assert_eq!(reload(&host).1["code"], "no_file");
    host.append("mail.log", &lines(0..1));
    until("an event", || receiver.count() == 1);
}
