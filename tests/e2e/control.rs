//! Commands that ask the running daemon.

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    free_address, lines,
    program::{Host, SECRET, command, output, text},
    receiver::Receiver,
    until,
};

#[test]
fn webhooks_are_listed_and_shown_without_their_secret() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "filter_users = [\"ann\"]");
    let program = host.run(&config);

    let listed = output(&["webhooks", "list", "--config", &config]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let expected = format!(
        "NAME  STATE  WAITING  PROFILE   URL\nShop  ok     0        standard  {}\n",
        receiver.url()
    );
    assert_eq!(text(&listed.stdout), expected);

    let shown = output(&["webhooks", "show", "Shop", "--json", "--config", &config]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["filter_users"], serde_json::json!(["ann"]));
    let by_id = output(&["webhooks", "show", shown["id"].as_str().unwrap(), "--config", &config]);
    assert!(text(&by_id.stdout).starts_with("name            Shop\n"), "{}", text(&by_id.stdout));
    for answer in [&listed.stdout, &by_id.stdout] {
        assert!(!text(answer).contains("whsec_"));
    }
    program.stop(Signal::TERM);
}

/// Why a webhook is not told of something is no riddle.
#[test]
fn what_a_webhook_was_and_was_not_told_of_is_shown_with_the_key_that_decided() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(
        &host.log_source(),
        &receiver,
        "events = [\"outbound.delivered\", \"outbound.bounced\"]\nfilter_users = [\"ann\"]",
    );
    let program = host.run(&config);
    host.append("mail.log", &lines(0..3));
    let decisions = || {
        let shown = output(&["webhooks", "show", "Shop", "--json", "--config", &config]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        shown["decisions"].as_array().cloned().unwrap_or_default()
    };
    let count = |it: &serde_json::Value| it["count"].as_u64().unwrap();
    until("all are decided", || decisions().iter().map(count).sum::<u64>() == 3);
    let [decided] = &decisions()[..] else { panic!("{:?}", decisions()) };
    assert_eq!((&decided["is_told"], &decided["count"]), (&false.into(), &3.into()));
    assert_eq!(decided["reason"], "its user is not in `filter_users`");
    assert!(decided["latest_event_id"].as_str().unwrap().starts_with("evt_"));
    let shown = text(&output(&["webhooks", "show", "Shop", "--config", &config]).stdout);
    assert!(shown.contains("not told        3 events: its user is not in"), "{shown}");
    let before = decisions();
    program.stop(Signal::TERM);
    let _again = host.run(&config);
    assert_eq!(decisions(), before, "they are stored with the cursor");
}

#[test]
fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    let refused = output(&["webhooks", "show", "a/b", "--config", &config]);
    assert_eq!(refused.status.code(), Some(66));
    assert_eq!(text(&refused.stderr), "error: no webhook is named `a/b`; there are: Shop\n");
}

#[test]
fn without_a_daemon_the_command_says_where_it_looked_and_what_to_do() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let silent = output(&["webhooks", "list", "--config", &config]);
    assert_eq!(silent.status.code(), Some(69));
    let said = text(&silent.stderr);
    let place = host.text("state/api.sock");
    assert!(said.starts_with(&format!("error: the daemon does not answer on {place}\n")), "{said}");
    assert!(said.contains("systemctl status mailherald"), "{said}");
}

/// What a killed daemon leaves is no obstacle to the next.
#[test]
fn the_socket_of_a_killed_daemon_is_taken_over() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    host.run(&config).kill();
    let _program = host.run(&config);
    assert!(output(&["webhooks", "list", "--config", &config]).status.success());
}

#[test]
fn a_test_event_goes_out_at_once_and_the_answer_is_shown() {
    let (host, receiver) = (Host::new(), Receiver::start());
    // Whatever the webhook subscribed to.
    let config = host.configure(&host.log_source(), &receiver, "events = [\"outbound.bounced\"]");
    let _program = host.run(&config);
    let tested = output(&["webhooks", "test", "Shop", "--json", "--config", &config]);
    assert!(tested.status.success(), "{}", text(&tested.stderr));
    let tested: serde_json::Value = serde_json::from_slice(&tested.stdout).unwrap();
    assert_eq!(tested["answer"]["response_code"], 204);
    assert!(tested["answer"]["connect_ms"].is_number(), "{tested}");
    let requests = receiver.requests();
    assert!(requests[0].is_signed_with(SECRET));
    let body: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body["type"], "webhook.test");
    // For people.
    let shown = text(&output(&["webhooks", "test", "Shop", "--config", &config]).stdout);
    assert!(shown.contains("answer         HTTP 204\n"), "{shown}");
}

#[test]
fn a_test_that_nobody_takes_shows_why_and_fails() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "profile = \"generic\"");
    let text_of_config = std::fs::read_to_string(&config).unwrap();
    let free = free_address();
    let elsewhere = text_of_config.replace(&receiver.url(), &format!("http://{free}/webhook"));
    std::fs::write(&config, elsewhere).unwrap();
    let _program = host.run(&config);
    let tested = output(&["webhooks", "test", "Shop", "--config", &config]);
    assert_eq!(tested.status.code(), Some(1));
    assert!(text(&tested.stdout).contains("connect:"), "{}", text(&tested.stdout));
}

#[test]
fn a_careless_receiver_is_told_from_a_careful_one() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    let verify = || {
        let output = output(&["webhooks", "verify", "Shop", "--json", "--config", &config]);
        let verdicts: Vec<_> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|probe| format!("{} {}", probe["name"], probe["verdict"]).replace('"', ""))
            .collect();
        (output.status.code(), verdicts)
    };
    let careless = ["good good", "tampered bad", "stale bad", "duplicate good"];
    assert_eq!(verify(), (Some(1), careless.map(str::to_owned).to_vec()));
    receiver.be_careful();
    let careful = ["good good", "tampered good", "stale good", "duplicate good"];
    assert_eq!(verify(), (Some(0), careful.map(str::to_owned).to_vec()));
}

#[test]
fn sources_are_shown_as_they_are() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    let state = || {
        let shown = output(&["sources", "--json", "--config", &config]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        (shown["state"].as_str().unwrap().to_owned(), shown["lag_bytes"].as_u64().unwrap())
    };
    assert_eq!(state(), ("waiting".to_owned(), 0));
    host.append("mail.log", &lines(0..3));
    until("all is read", || state() == ("current".to_owned(), 0));
}

/// The objects that a command printed, one a line.
fn objects(args: &[&str]) -> Vec<serde_json::Value> {
    let printed = output(args);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    text(&printed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_waits_for_a_disabled_webhook_is_sent_once_it_is_enabled() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&config);
    let ask = |what: &str| objects(&["webhooks", what, "Shop", "--json", "--config", &config]);
    assert_eq!(ask("disable")[0]["disabled_reason"], "operator");
    host.append("mail.log", &lines(0..3));
    until("they wait", || ask("show")[0]["backlog"] == 3);
    assert_eq!(receiver.count(), 0);
    // It stays so over a restart.
    program.stop(Signal::TERM);
    let _program = host.run(&config);
    assert_eq!(ask("show")[0]["state"], "disabled");
    assert_eq!(ask("enable")[0]["active"], true);
    until("all are sent", || receiver.count() == 3);
    assert_eq!(receiver.ids().len(), 3);
}

#[test]
fn dead_letters_are_listed_sent_again_and_cleared_away() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "schedule = []");
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..3));
    let dead =
        |more: &[&str]| objects(&[&["dead", "list", "--json", "--config", &config], more].concat());
    until("three dead letters", || dead(&[]).len() == 3);
    assert_eq!(dead(&["--limit", "2"]).len(), 2);
    assert_eq!(dead(&["--ended", "blocked"]).len(), 0);
    let letter = &dead(&[])[0];
    assert_eq!((&letter["to"], &letter["attempts"]), (&"user0@good.test".into(), &1.into()));
    assert_eq!(letter["last_error"], "HTTP 500");

    receiver.accept();
    let retried = objects(&["dead", "retry", "--webhook", "Shop", "--json", "--config", &config]);
    assert_eq!(retried[0]["count"], 3);
    until("each came twice", || receiver.count() == 6);
    assert_eq!((receiver.ids().len(), dead(&[]).len()), (3, 0));

    receiver.refuse();
    host.append("mail.log", &lines(3..4));
    until("a dead letter", || dead(&[]).len() == 1);
    let purged = objects(&["dead", "purge", "--all", "--json", "--config", &config]);
    assert_eq!((&purged[0]["count"], dead(&[]).len()), (&1.into(), 0));
    // Nothing is done to all of them by leaving the rest out.
    assert_eq!(output(&["dead", "purge", "--config", &config]).status.code(), Some(64));
}

#[test]
fn m15_the_log_of_a_webhook_tells_each_attempt_and_what_came_of_it() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "schedule = [\"1s\"]");
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..1));
    until("an attempt", || receiver.count() == 1);
    receiver.accept();
    let logs = || objects(&["webhooks", "logs", "Shop", "--json", "--config", &config]);
    until("two attempts on record", || logs().len() == 2);
    let (last, first) = (&logs()[0], &logs()[1]);
    assert_eq!((&first["status"], &last["status"]), (&"retry".into(), &"delivered".into()));
    assert!(first["next_retry_at"].is_string() && last["next_retry_at"].is_null());
    // The promised members, each with what it is promised to hold.
    assert_eq!((&first["response_code"], &last["response_code"]), (&500.into(), &204.into()));
    assert_eq!((&first["attempt"], &last["attempt"]), (&1.into(), &2.into()));
    assert_eq!((&first["error"], &last["error"]), (&"HTTP 500".into(), &Value::Null));
    assert!(last["duration_ms"].is_number() && last["created_at"].is_string());
    assert!(last["response_body"].is_string() && last["type"] == "outbound.delivered");
    assert!(last["id"].as_str().unwrap().starts_with(last["event_id"].as_str().unwrap()));
    assert_eq!(first["event_id"], last["event_id"]);
    let shown = text(&output(&["webhooks", "logs", "Shop", "--config", &config]).stdout);
    assert!(shown.starts_with("WHEN") && shown.contains("HTTP 500"), "{shown}");
}

#[test]
fn what_a_source_passed_over_or_may_have_lost_is_shown_when_there_is_any() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = host.log_source().replace("mail.log", "mail.log*");
    let config = host.configure(&source, &receiver, "");
    let _program = host.run(&config);
    let shown = |option: &str| {
        let mut asked = vec!["sources", "--config", &config];
        asked.extend(Some(option).filter(|option| !option.is_empty()));
        text(&output(&asked).stdout)
    };
    host.append("mail.log", &lines(0..3));
    until("requests", || receiver.count() == 3);
    assert!(!shown("--json").contains("duplicate_files"), "{}", shown("--json"));
    assert!(shown("").lines().next().unwrap().ends_with("NOTES"), "{}", shown(""));
    host.append("mail.log-copy", &lines(0..3));
    until("the copy is seen", || shown("").contains("duplicate files: 1"));
    std::fs::remove_file(host.path("mail.log-copy")).unwrap();
    std::fs::write(host.path("mail.log"), lines(3..4)).unwrap();
    until("the new line", || receiver.count() == 4);
    let all = "duplicate files: 1, truncations without a copy: 1";
    until("the truncation is seen", || shown("").contains(all));
    let told: serde_json::Value = serde_json::from_str(&shown("--json")).unwrap();
    assert_eq!(
        (&told["duplicate_files"], &told["truncations_without_copy"]),
        (&1.into(), &1.into())
    );
    assert_eq!(told.get("bytes_lost"), None, "it was read to its end");
}

#[test]
fn over_the_network_a_key_lets_in_until_it_is_revoked() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let address = free_address();
    let api = format!("[api]\nlisten = \"{address}\"");
    let config = host.configure(&host.log_source(), &receiver, &api);
    let program = host.run(&config);
    let base = format!("http://{address}");
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());

    let refused = output(&["webhooks", "list", "--api", &base]);
    assert_eq!(refused.status.code(), Some(77), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("mailherald keys create NAME"));

    let made = output(&["keys", "create", "Graphs", "--json", "--config", &config]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = made["key"].as_str().unwrap();
    let ask = |args: &[&str]| {
        let mut command = command(args);
        command.env("MAILHERALD_API_KEY", key).args(["--api", &base]);
        command.output().unwrap()
    };
    assert!(ask(&["webhooks", "list"]).status.success());
    let denied = ask(&["webhooks", "disable", "Shop"]);
    assert_eq!(denied.status.code(), Some(77), "it may see and not change");
    let listed = output(&["keys", "list", "--config", &config]);
    assert!(text(&listed.stdout).contains("Graphs") && !text(&listed.stdout).contains(key));

    // The key outlives a restart, and what was revoked does not.
    program.stop(Signal::TERM);
    let program = host.run(&config);
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());
    assert!(ask(&["webhooks", "list"]).status.success());
    assert!(output(&["keys", "revoke", "Graphs", "--config", &config]).status.success());
    assert_eq!(ask(&["webhooks", "list"]).status.code(), Some(77));
    let said = program.said();
    let revoked = "action=\"DELETE /v1/keys/{id}\" target=\"Graphs\" status=204";
    assert!(said.contains(revoked), "{said}");
    assert!(!said.contains(key));
}
