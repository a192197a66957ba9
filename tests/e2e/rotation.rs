//! Secrets that change while the program runs (webhooks.md §2.6, C4, M17).

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use rustix::process::Signal;

use crate::{
    lines,
    program::{Host, SECRET, output, text},
    receiver::Receiver,
    until,
};

/// Rotates, and gives what was printed.
fn rotate(config: &str, args: &[&str]) -> serde_json::Value {
    let command = ["webhooks", "rotate-secret", "Shop", "--json", "--config", config];
    let rotated = output(&[&command, args].concat());
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    serde_json::from_slice(&rotated.stdout).unwrap()
}

fn new_secret(config: &str, args: &[&str]) -> String {
    rotate(config, args)["secret"].as_str().unwrap().to_owned()
}

fn shown(config: &str) -> serde_json::Value {
    let shown = output(&["webhooks", "show", "Shop", "--json", "--config", config]);
    serde_json::from_slice(&shown.stdout).unwrap()
}

#[test]
fn m17_a_new_secret_is_shown_once_signs_at_once_and_holds_over_a_restart() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "profile = \"jetemail\"");
    let program = host.run(&config);
    host.append("mail.log", &lines(0..1));
    until("an event", || receiver.count() == 1);
    assert!(receiver.requests()[0].is_signed_with(SECRET));

    let asked = output(&["webhooks", "rotate-secret", "Shop", "--config", &config]);
    let printed = text(&asked.stdout);
    let new = printed.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap();
    assert!(text(&asked.stderr).contains("Give the receiver the new secret"));
    receiver.trust_only(new);
    host.append("mail.log", &lines(1..5));
    until("the others", || receiver.accepted() == 5);
    assert_eq!(receiver.count(), 5, "none was refused");

    // Never again.
    let show = output(&["webhooks", "show", "Shop", "--config", &config]);
    for place in [text(&show.stdout), program.said()] {
        assert!(!place.contains(new) && !place.contains(SECRET), "{place}");
    }
    assert_eq!(shown(&config)["secret_hint"], new[new.len() - 4..]);
    assert_eq!(shown(&config)["former_secrets"][0]["secret_hint"], "Hh8=");
    program.kill();

    let _program = host.run(&config);
    host.append("mail.log", &lines(5..9));
    until("those after the restart", || receiver.accepted() == 9);
    // What it had not written down when it was killed comes twice, and once more is no refusal.
    assert_eq!(receiver.ids().len(), 9);
    assert!(receiver.count() <= 9 + 4, "none was refused");
    assert_eq!(shown(&config)["former_secrets"][0]["secret_hint"], "Hh8=", "the overlap goes on");
}

/// Webhooks.md §3.1, 6: in `jetemail`, one 401 is the end of an event.
#[test]
fn a_strict_receiver_that_learns_the_new_secret_in_the_midst_of_events_discards_none() {
    let (host, receiver) = (Host::new(), Receiver::start());
    receiver.trust_only(SECRET);
    let config = host.configure(&host.log_source(), &receiver, "profile = \"jetemail\"");
    let program = host.run(&config);
    host.append("mail.log", &lines(0..100));
    until("some events", || receiver.accepted() > 20);
    let new = new_secret(&config, &[]);
    host.append("mail.log", &lines(100..200));
    until("events with the former secret", || receiver.accepted() > 150);
    // Over a restart in the midst of it.
    program.stop(Signal::TERM);
    host.append("mail.log", &lines(200..300));
    let _program = host.run(&config);
    until("more of them", || receiver.accepted() > 250);
    receiver.trust_only(&new);
    host.append("mail.log", &lines(300..400));
    until("all events", || receiver.accepted() == 400);
}

#[test]
fn c4_a_given_secret_is_taken_from_its_file_and_not_echoed() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "profile = \"jetemail\"");
    let _program = host.run(&config);
    fs::write(host.path("new.secret"), "a-secret-of-my-choice\n").unwrap();
    let file = host.text("new.secret");
    let rotated = rotate(&config, &["--secret-file", &file]);
    assert_eq!(rotated["secret"], serde_json::Value::Null);
    assert_eq!(rotated["secret_hint"], "oice");
    receiver.trust_only("a-secret-of-my-choice");
    host.append("mail.log", &lines(0..3));
    until("all events", || receiver.accepted() == 3);

    fs::write(host.path("new.secret"), "short\n").unwrap();
    let command =
        ["webhooks", "rotate-secret", "Shop", "--secret-file", &file, "--config", &config];
    let refused = output(&command);
    assert_eq!(refused.status.code(), Some(65));
    let said = text(&refused.stderr);
    assert_eq!(said, "error: the secret is refused: secret has 5 bytes, not 16 to 256\n");
}

#[test]
fn three_secrets_are_live_at_most_and_without_grace_one_is() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let _program = host.run(&config);
    rotate(&config, &[]);
    assert_eq!(rotate(&config, &["--grace", "7d"])["former_secrets"].as_array().unwrap().len(), 2);
    let refused = output(&["webhooks", "rotate-secret", "Shop", "--config", &config]);
    assert_eq!(refused.status.code(), Some(75));
    let said = text(&refused.stderr);
    assert!(said.starts_with("error: three secrets are good already"), "{said}");
    assert!(said.contains("or end all former ones with a grace of 0"), "{said}");
    assert_eq!(rotate(&config, &["--grace", "0s"])["former_secrets"], serde_json::json!([]));
    let long = ["webhooks", "rotate-secret", "Shop", "--grace", "8d", "--config", &config];
    assert_eq!(output(&long).status.code(), Some(65));
}

#[test]
fn a_former_secret_is_not_tried_any_more_when_its_time_is_over() {
    let (host, receiver) = (Host::new(), Receiver::start());
    receiver.trust_only(SECRET);
    let config = host.configure(&host.log_source(), &receiver, "profile = \"jetemail\"");
    let _program = host.run(&config);
    rotate(&config, &["--grace", "1s"]);
    until("the end of the overlap", || shown(&config)["former_secrets"] == serde_json::json!([]));
    host.append("mail.log", &lines(0..1));
    until("one request", || receiver.count() == 1);
    host.append("mail.log", &lines(1..2));
    until("the next one, and none in between", || receiver.count() == 2);
    assert_eq!(receiver.accepted(), 0);
}

fn key_file(host: &Host, name: &str, letter: &str) -> String {
    // 32 bytes that are all the same, in base64.
    let key = data_encoding::BASE64.encode(&[letter.as_bytes()[0]; 32]);
    fs::write(host.path(name), key).unwrap();
    fs::set_permissions(host.path(name), Permissions::from_mode(0o600)).unwrap();
    host.text(name)
}

fn with_first_line(config: &str, line: &str) {
    let rest = fs::read_to_string(config).unwrap();
    let rest = rest.lines().filter(|line| !line.contains("seal_key_file"));
    let text = std::iter::once(line).chain(rest).collect::<Vec<_>>().join("\n");
    fs::write(config, text).unwrap();
}

#[test]
fn sealed_secrets_are_not_in_the_store_and_need_their_key_until_they_are_sealed_anew() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "profile = \"jetemail\"");
    let (first, second) = (key_file(&host, "first.key", "a"), key_file(&host, "second.key", "b"));
    with_first_line(&config, &format!("seal_key_file = \"{first}\""));
    let program = host.run(&config);
    let new = new_secret(&config, &[]);
    program.kill();
    for secret in [SECRET, &new] {
        assert!(!is_below(&host.path("state"), secret.as_bytes()));
    }

    with_first_line(&config, &format!("seal_key_file = \"{second}\""));
    let mut refused = host.start(&["run", "--config", &config], Stdio::null());
    assert_eq!(refused.exit_code(), Some(78));
    let said = refused.said();
    assert!(said.contains("error: open the stored secret of webhook `Shop`"), "{said}");
    assert!(said.contains("former_seal_key_file"), "{said}");

    let both = format!("seal_key_file = \"{second}\"\nformer_seal_key_file = \"{first}\"");
    with_first_line(&config, &both);
    host.run(&config).stop(Signal::TERM);
    with_first_line(&config, &format!("seal_key_file = \"{second}\""));
    let _program = host.run(&config);
    receiver.trust_only(&new);
    host.append("mail.log", &lines(0..3));
    until("all events", || receiver.accepted() == 3);
}

pub(crate) fn is_below(dir: &Path, what: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, what);
        }
        // Sockets cannot be read.
        fs::read(&path).is_ok_and(|bytes| bytes.windows(what.len()).any(|part| part == what))
    })
}
