//! What a webhook did not get of a time range is sent again.

use serde_json::{Value, json};

use crate::{
    line, lines,
    program::{Host, output, text},
    receiver::Receiver,
    until,
    webhooks::EGRESS,
};

/// What a command printed, with these arguments behind it.
fn asked(args: &[&str]) -> Value {
    let printed = output(args);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let text = text(&printed.stdout);
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
}

fn recover(config: &str, name: &str, more: &[&str]) -> Value {
    let args = ["webhooks", "recover", name, "--json", "--config", config];
    asked(&[&args[..], more].concat())[0].take()
}

fn dead(config: &str) -> usize {
    let listed = asked(&["dead", "list", "--limit", "5000", "--json", "--config", config]);
    listed.as_array().unwrap().len()
}

/// When the `number`th of these events happened: one a second.
fn at(number: usize) -> String {
    format!("2026-03-01T10:00:{number:02}Z")
}

/// One event a second.
fn an_event_a_second(count: usize) -> String {
    (0..count).map(|second| line(second * 100_000)).collect()
}

#[test]
fn what_failed_in_a_time_range_is_counted_and_then_sent_again() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "schedule = []");
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &an_event_a_second(4));
    until("dead letters", || dead(&config) == 4);

    let recovered = |more: &[&str]| recover(&config, "Shop", more);
    let (first, second, third) = (at(0), at(1), at(3));
    let range = ["--since", &second, "--until", &third];
    let none = json!({"count": 0, "states": {}, "dry_run": false});
    let counted = recovered(&[&range[..], &["--dry-run"]].concat());
    assert_eq!(counted, json!({"count": 2, "states": {"dead": 2}, "dry_run": true}));
    for nothing in [
        &["--since", &at(4)][..],
        &["--since", &first, "--type", "inbound.*"],
        &["--since", &first, "--in-state", "cancelled,expired"],
    ] {
        assert_eq!(recovered(nothing), none, "{nothing:?}");
    }
    assert_eq!((dead(&config), receiver.count()), (4, 4), "so far nothing has changed");

    receiver.accept();
    let sent = json!({"count": 2, "states": {"dead": 2}, "dry_run": false});
    assert_eq!(recovered(&range), sent);
    until("both came again", || receiver.count() == 6);
    assert_eq!((dead(&config), receiver.ids().len()), (2, 4));
    assert_eq!(recovered(&range), none, "once is enough");

    // What a receiver has lost, it can be given again.
    let delivered = || {
        let listed =
            ["deliveries", "list", "--in-state", "delivered", "--json", "--config", &config];
        asked(&listed).as_array().unwrap().len()
    };
    until("both are on record", || delivered() == 2);
    let again = recovered(&["--since", &first, "--in-state", "delivered,dead"]);
    assert_eq!(again["states"], json!({"dead": 2, "delivered": 2}));
    until("all four", || receiver.count() == 10);
    assert_eq!(dead(&config), 0);
}

#[test]
fn what_was_there_before_a_webhook_is_offered_to_it_when_that_is_asked_for() {
    let (host, receiver, new) = (Host::new(), Receiver::start(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, EGRESS);
    let _program = host.run(&config);
    host.append("mail.log", &an_event_a_second(3));
    until("the first webhook", || receiver.count() == 3);
    let url = new.url();
    let create = ["webhooks", "create", &url, "--events", "delivered", "--name", "New"];
    asked(&[&create[..], &["--json", "--config", &config]].concat());
    let since = at(1);
    assert_eq!(recover(&config, "New", &["--since", &since])["count"], 0);
    let missing = ["--since", &since, "--in-state", "not_offered"];
    assert_eq!(recover(&config, "New", &missing)["states"], json!({"not_offered": 2}));
    until("what it did not know", || new.count() == 2);
    assert_eq!((new.ids().len(), receiver.count()), (2, 3));
}

/// They go out in pieces, each with a commit of its own.
#[test]
fn more_than_fit_in_one_piece_are_all_sent_again_and_none_twice() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "schedule = []\ncircuit = false");
    receiver.refuse();
    let _program = host.run(&config);
    host.append("mail.log", &lines(0..2300));
    until("dead letters", || dead(&config) == 2300);
    receiver.accept();
    let since = at(0);
    assert_eq!(recover(&config, "Shop", &["--since", &since])["count"], 2300);
    until("all of them again", || receiver.count() == 4600);
    assert_eq!((dead(&config), receiver.ids().len()), (0, 2300));
}

#[test]
fn what_cannot_be_asked_for_is_refused_and_what_was_is_in_the_audit_log() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    let since = at(1);
    for (args, code, words) in [
        (&["Shop"][..], 64, "--since"),
        (&["Nobody", "--since", &since], 66, "no webhook is named `Nobody`"),
        (&["Shop", "--since", &since, "--until", &since], 65, "until: must be later"),
        (&["Shop", "--since", &since, "--in-state", "pending"], 65, "`pending` is none of dead"),
        (&["Shop", "--since", &since, "--type", "x"], 65, "types: "),
    ] {
        let refused = output(&[&["webhooks", "recover", "--config", &config], args].concat());
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let shown = output(&["webhooks", "recover", "Shop", "--since", &since, "--config", &config]);
    assert_eq!(text(&shown.stdout), "to be sent again  0\n");
    let audit = asked(&["audit", "--limit", "1", "--json", "--config", &config]);
    let row = &audit[0];
    assert_eq!(
        (&row["action"], &row["target"], &row["status"]),
        (&json!("POST /v1/webhooks/{id}/recover"), &json!("Shop"), &json!(200))
    );
}
