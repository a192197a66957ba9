//! What happens, told while it does: the stream, and the command that shows it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    http::{Api, Stream, request},
    lines,
    program::{Host, SECRET, command},
    receiver::Receiver,
    until,
};

#[test]
fn events_and_attempts_are_told_while_they_happen_and_only_those_that_are_asked_for() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "events = [\"outbound.*\"]");
    let mut all = Stream::open(&api, "/v1/stream", "");
    let mut bounces = Stream::open(&api, "/v1/stream?type=outbound.bounced", "");
    let mut attempts = Stream::open(&api, "/v1/stream?only=attempts&webhook=Shop", "");
    let mut letters = Stream::open(&api, "/v1/stream?only=events&profile=lettermint", "");
    let bounce = crate::line(1).replace("status=sent (250 2.0.0", "status=bounced (550 5.1.1");
    host.append("mail.log", &lines(0..1));
    host.append("mail.log", &bounce.replace("dsn=2.0.0", "dsn=5.1.1"));
    let (id, event) = all.next_of("event");
    assert_eq!(
        (&event["type"], &event["data"]["to"]),
        (&"outbound.delivered".into(), &"user0@good.test".into())
    );
    let (next, _) = all.next_of("event");
    assert_eq!(next, id.map(|id| id + 1));
    assert_eq!(bounces.next_of("event").1["type"], "outbound.bounced");
    let (_, attempt) = attempts.next_of("attempt");
    assert_eq!((&attempt["webhook"], &attempt["status"]), (&"Shop".into(), &"delivered".into()));
    assert_eq!(attempt["response_code"], 204);
    let (_, letter) = letters.next_of("letter");
    assert_eq!(letter["type"], "message.delivered");
    let body: Value = serde_json::from_str(letter["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["event"], "message.delivered");
    // It ends with the daemon, and holds up no stop.
    api.program.stop(Signal::TERM);
    while all.next().is_some() {}
}

#[test]
fn who_comes_again_is_told_what_it_missed_also_after_a_restart() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let mut first = Stream::open(&api, "/v1/stream?only=events", "");
    host.append("mail.log", &lines(0..2));
    let (id, event) = first.next_of("event");
    drop(first);
    until("both are sent", || receiver.count() == 2);
    host.append("mail.log", &lines(2..5));
    until("all are sent", || receiver.count() == 5);
    let last = format!("Last-Event-ID: {}\r\n", id.unwrap());
    let mut again = Stream::open(&api, "/v1/stream?only=events", &last);
    let mut told: Vec<_> = (0..4).map(|_| again.next_of("event")).collect();
    host.append("mail.log", &lines(5..6));
    told.push(again.next_of("event"));
    let ids: Vec<_> = told.iter().map(|(id, _)| id.unwrap()).collect();
    assert_eq!(ids, (id.unwrap() + 1..id.unwrap() + 6).collect::<Vec<_>>());
    assert!(told.iter().all(|(_, other)| other["id"] != event["id"]));
    let Api { address, config, program, reader, admin } = api;
    program.stop(Signal::TERM);
    let program = host.run(&config);
    until("the API listens", || std::net::TcpStream::connect(address).is_ok());
    let api = Api { address, config, program, reader, admin };
    let mut third = Stream::open(&api, "/v1/stream?only=events", &last);
    assert_eq!(third.next_of("event").0, Some(ids[0]));
}

#[test]
fn a_stream_ends_with_the_key_that_let_it_in_and_so_many_are_open_at_once() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let mut streams: Vec<_> = (0..32).map(|_| Stream::open(&api, "/v1/stream", "")).collect();
    let refused = api.get("/v1/stream");
    assert_eq!((refused.status, &refused.json()["code"]), (429, &"too_many_requests".into()));
    assert!(api.get("/metrics").body.contains("mailherald_stream_clients 32\n"));
    drop(streams.split_off(1));
    until("a place is free", || api.get("/metrics").body.contains("mailherald_stream_clients 1\n"));
    let revoked = request(api.address, "DELETE", "/v1/keys/Reader", Some(&api.admin), "");
    assert_eq!(revoked.status, 204);
    // At once, and not with the next event.
    while streams[0].next().is_some() {}
    assert!(api.post("/v1/webhooks/Shop/test", "").status == 200);
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    for (query, status) in [
        ("type=outbound.bouncd", 400),
        ("only=both", 400),
        ("profile=other", 400),
        ("what=ever", 400),
        ("webhook=Nobody", 404),
    ] {
        assert_eq!(api.get(&format!("/v1/stream?{query}")).status, status, "{query}");
    }
}

/// `listen`, running.
struct Listening {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Listening {
    fn start(host: &Host, config: &str, more: &[&str]) -> Self {
        let mut command = command(&[&["listen", "--config", config], more].concat());
        let said = std::fs::File::create(host.path("listen-said")).unwrap();
        let child = command.env("TZ", "UTC").stdout(Stdio::piped()).stderr(said).spawn();
        let mut child = child.unwrap();
        let said = host.path("listen-said");
        until("it listens", || std::fs::read_to_string(&said).unwrap().contains("listening"));
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn listen_shows_a_line_for_each_event_and_goes_on_when_the_daemon_comes_again() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let mut shown = Listening::start(&host, &api.config, &[]);
    host.append("mail.log", &lines(0..1));
    let line = shown.line();
    assert!(
        line.contains("  outbound.delivered    user0@good.test               250 2.0.0 Ok"),
        "{line}"
    );
    let Api { config, program, .. } = api;
    program.stop(Signal::TERM);
    host.append("mail.log", &lines(1..3));
    let _program = host.run(&config);
    assert!(shown.line().contains("user1@good.test"));
    assert!(shown.line().contains("user2@good.test"));
}

#[test]
fn listen_forwards_to_a_receiver_under_development_signed_for_its_profile() {
    let (host, receiver, mine) = (Host::new(), Receiver::start(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    std::fs::write(host.path("secret"), SECRET).unwrap();
    std::fs::set_permissions(
        host.path("secret"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let (url, secret) = (mine.url(), host.text("secret"));
    let forward = ["--forward-to", &url, "--secret-file", &secret];
    let mut shown = Listening::start(&host, &api.config, &forward);
    host.append("mail.log", &lines(0..1));
    let line = shown.line();
    assert!(line.contains("  outbound.delivered    HTTP 204 in "), "{line}");
    until("both are told", || (mine.count(), receiver.count()) == (1, 1));
    assert!(mine.requests()[0].is_signed_with(SECRET));
    assert_eq!(mine.requests()[0].body, receiver.requests()[0].body);
    // One that refuses is shown, and not told again.
    mine.refuse();
    host.append("mail.log", &lines(1..2));
    assert!(shown.line().contains("HTTP 500"));
}

#[test]
fn listen_prints_json_when_it_is_asked_to() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let mut shown = Listening::start(&host, &api.config, &["--json", "--attempts"]);
    host.append("mail.log", &lines(0..1));
    let objects: Vec<Value> =
        (0..2).map(|_| serde_json::from_str(&shown.line()).unwrap()).collect();
    assert_eq!(objects[0]["data"]["to"], "user0@good.test");
    assert_eq!(
        (&objects[1]["webhook"], &objects[1]["status"]),
        (&"Shop".into(), &"delivered".into())
    );
}
