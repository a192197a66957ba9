//! Commands that ask the running daemon.

use rustix::process::Signal;

use crate::{
    program::{Host, output, text},
    receiver::Receiver,
};

#[test]
fn webhooks_are_listed_and_shown_without_their_secret() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "filter_users = [\"ann\"]");
    let program = host.run(&config);

    let listed = output(&["webhooks", "list", "--config", &config]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let expected = format!("NAME  PROFILE   URL\nShop  standard  {}\n", receiver.url());
    assert_eq!(text(&listed.stdout), expected);

    let shown = output(&["webhooks", "show", "Shop", "--json", "--config", &config]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["filter_users"], serde_json::json!(["ann"]));
    let by_id = output(&["webhooks", "show", shown["id"].as_str().unwrap(), "--config", &config]);
    assert!(text(&by_id.stdout).starts_with("name     Shop\n"), "{}", text(&by_id.stdout));
    for answer in [&listed.stdout, &by_id.stdout] {
        assert!(!text(answer).contains("whsec_"));
    }
    program.stop(Signal::TERM);
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
