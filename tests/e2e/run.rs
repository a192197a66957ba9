//! `run` and `demo`: from a line in a log to a signed request, over stops and restarts.

use std::{
    fs,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    free_address, line, lines,
    program::{Host, SECRET, only_file_in, output, text},
    receiver::Receiver,
    until,
};

#[test]
fn flags_alone_are_enough_and_the_secret_is_shown_once_and_kept() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let (log, state, url) = (host.text("mail.log"), host.text("state"), receiver.url());
    let args = ["run", "--log", &log, "--webhook", &url, "--state", &state];

    let first = host.start(&args, Stdio::null());
    first.until_it_says("mailherald is running");
    let said = first.said();
    let secret = fs::read_to_string(only_file_in(&host.path("state/secrets"))).unwrap();
    let secret = secret.trim();
    assert_eq!(said.matches(secret).count(), 1, "{said}");
    // The log did not exist when it was started: all of it is new.
    host.append("mail.log", &lines(0..3));
    until("three requests", || receiver.count() == 3);
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(secret)));
    first.stop(Signal::TERM);

    let second = host.start(&args, Stdio::null());
    second.until_it_says("mailherald is running");
    assert!(!second.said().contains("whsec_"), "{}", second.said());
    host.append("mail.log", &lines(3..5));
    until("two more requests", || receiver.count() == 5);
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(secret)));
    second.stop(Signal::TERM);
    assert_eq!(receiver.ids().len(), 5, "each once");
}

/// It once said so before it had looked at the log, and what was there and what came were one.
#[test]
fn what_is_logged_after_it_says_that_it_runs_is_told_even_if_it_is_killed_at_once() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("include = [\"{}\"]", host.text("mail.log"));
    let config = host.configure(&source, &receiver, "");
    host.append("mail.log", &lines(0..20));
    host.run(&config).kill();
    host.append("mail.log", &lines(20..25));
    let program = host.run(&config);
    until("the new events", || receiver.ids().len() == 5);
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), 5, "what was there before is passed over");
}

#[test]
fn a_stop_under_load_loses_and_doubles_nothing_over_restarts() {
    const EVENTS: usize = 600;
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    receiver.answer_after(Duration::from_millis(15));
    host.append("mail.log", &lines(0..EVENTS));
    for (signal, seen) in [(Signal::TERM, 60), (Signal::INT, 200), (Signal::TERM, 350)] {
        let program = host.run(&config);
        until("some requests", || receiver.count() >= seen);
        program.stop(signal);
    }
    let program = host.run(&config);
    until("all requests", || receiver.ids().len() == EVENTS);
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), EVENTS, "none twice");
}

/// The only line of which the webhook of the next test wants to know.
const REFUSAL: &str = "2026-03-01T11:00:00+00:00 mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from \
    c.test[192.0.2.9]: 554 5.7.1 <u@x.test>: Relay access denied; from=<a@c.test> to=<u@x.test> \
    proto=ESMTP helo=<c.test>\n";

/// More than the channel between source and writer holds; a replay tells what the store knows.
#[test]
fn a_stop_while_a_long_log_is_read_loses_and_doubles_nothing() {
    const EVENTS: usize = 40_000;
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "events = [\"inbound.blocked\"]");
    host.append("mail.log", &lines(0..EVENTS));
    for wait_ms in [0, 50, 150, 400] {
        let program = host.run(&config);
        std::thread::sleep(Duration::from_millis(wait_ms));
        program.stop(Signal::TERM);
    }
    host.append("mail.log", REFUSAL);
    let program = host.run(&config);
    until("the request for the last line", || receiver.count() == 1);
    program.stop(Signal::TERM);
    let replayed = output(&["replay", "--config", &config, &host.text("mail.log")]);
    let said = text(&replayed.stderr);
    assert!(said.contains(&format!("0 new events, {} known before", EVENTS + 1)), "{said}");
}

#[test]
fn a_receiver_that_hangs_holds_up_a_stop_for_its_timeout_at_most_and_gets_the_event_again() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "timeout = \"2s\"");
    receiver.answer_after(Duration::from_mins(1));
    host.append("mail.log", &lines(0..1));
    let program = host.run(&config);
    until("a request", || receiver.count() == 1);
    let asked = Instant::now();
    program.stop(Signal::TERM);
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn a_second_signal_ends_at_once() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "timeout = \"60s\"");
    receiver.answer_after(Duration::from_mins(1));
    host.append("mail.log", &lines(0..1));
    let mut program = host.run(&config);
    until("a request", || receiver.count() == 1);
    program.signal(Signal::TERM);
    program.until_it_says("stopping");
    program.signal(Signal::TERM);
    let asked = Instant::now();
    assert_eq!(program.exit_code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(5));

    receiver.answer_after(Duration::ZERO);
    let program = host.run(&config);
    until("the same event again", || receiver.count() == 2);
    assert_eq!(receiver.ids().len(), 1);
    program.stop(Signal::TERM);
}

#[test]
fn standard_input_is_read_to_its_end_and_everything_is_sent_before_the_program_ends() {
    const EVENTS: usize = 300;
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    receiver.answer_after(Duration::from_millis(5));
    let mut program = host.start(&["run", "--config", &config], Stdio::piped());
    let mut stdin = program.child.stdin.take().unwrap();
    stdin.write_all(lines(0..EVENTS).as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(program.exit_code(), Some(0), "{}", program.said());
    assert_eq!((receiver.count(), receiver.ids().len()), (EVENTS, EVENTS));
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(SECRET)));
    assert!(program.said().contains("all is read and sent"), "{}", program.said());
}

#[test]
fn a_silent_standard_input_does_not_hold_up_a_stop() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure("kind = \"stdin\"", &receiver, "");
    let mut program = host.start(&["run", "--config", &config], Stdio::piped());
    let mut stdin = program.child.stdin.take().unwrap();
    stdin.write_all(lines(0..2).as_bytes()).unwrap();
    until("two requests", || receiver.count() == 2);
    program.stop(Signal::INT);
    drop(stdin);
}

#[test]
fn an_unreachable_receiver_is_named_and_gets_everything_when_it_appears() {
    let host = Host::new();
    let port = free_address().port();
    let url = format!("http://127.0.0.1:{port}/webhook");
    let nobody = Receiver::start();
    let schedule = "schedule = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]";
    let config = host.configure(&host.log_source(), &nobody, schedule);
    let text = fs::read_to_string(&config).unwrap().replace(&nobody.url(), &url);
    fs::write(&config, text).unwrap();
    host.append("mail.log", &lines(0..3));
    let program = host.run(&config);
    program.until_it_says("delivery failed for now");
    assert!(program.said().contains("Shop"), "{}", program.said());
    let receiver = Receiver::on(port);
    until("all requests", || receiver.ids().len() == 3);
    program.stop(Signal::TERM);
    assert_eq!(receiver.count(), 3);
}

#[test]
fn the_demo_shows_each_payload_as_json_and_ends_by_itself() {
    let output = output(&["demo", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let payloads: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(payloads.len() >= 10);
    assert!(payloads.iter().all(|payload| payload["id"].as_str().unwrap().starts_with("evt_")));
    assert!(text(&output.stderr).contains(" 0 refused"), "{}", text(&output.stderr));
}

/// Its sender stood in the log before it was started.
#[test]
fn a_message_under_way_at_the_very_first_start_is_told_with_its_sender_and_nothing_before_is() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("include = [\"{}\"]", host.text("mail.log*"));
    let config = host.configure(&source, &receiver, "");
    let stamp = "2026-03-01T10:00:00.000001+00:00 mx postfix";
    host.append(
        "mail.log",
        &format!(
            "{}{stamp}/smtpd[1]: 3F0B2C800007: client=c.test[192.0.2.9], sasl_username=bob\n\
             {stamp}/cleanup[1]: 3F0B2C800007: message-id=<m@c.test>\n\
             {stamp}/qmgr[1]: 3F0B2C800007: from=<a@c.test>, size=9, nrcpt=1 (queue active)\n",
            lines(0..3)
        ),
    );
    let program = host.run(&config);
    host.append("mail.log", &line(7));
    until("a request", || receiver.count() > 0);
    program.stop(Signal::TERM);
    let requests = receiver.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "outbound.delivered");
    assert_eq!((&body["data"]["from"], &body["data"]["user"]), (&"a@c.test".into(), &"bob".into()));
    assert_eq!(body["data"].get("incomplete"), None);
}
