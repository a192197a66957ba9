//! Postfix with our milter, by the lines of `contrib/postfix`: what it adds to events, and that mail
//! flows whatever becomes of it.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixListener,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::{
    client::Client,
    herald::Herald,
    namespace::isolated,
    needs,
    postfix::Postfix,
    receiver::{PROFILES, Receiver, Request},
    sink::{Answer, Sink},
    wait,
};

/// The shipped lines.
pub(crate) const LINES: &str = include_str!("../../contrib/postfix/milter.cf");

const SOURCE: &str = r#"
[[source]]
kind = "milter"
listen = "unix:@SOCKET@"
socket_group = "postfix"
"#;

const KEYS: &str = "metadata_headers = [\"X-Order\"]\n";

/// Postfix is idle, or a webhook is there, long before.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
pub(crate) const OURS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The shipped lines, and Postfix waits for the milter however busy the machine is.
pub(crate) fn patient_lines() -> String {
    let waits = ["connect_timeout=1s", "command_timeout=2s", "content_timeout=3s"];
    waits.iter().fold(LINES.to_owned(), |lines, wait| {
        assert!(lines.contains(wait), "the shipped lines have {wait}");
        let (name, _) = wait.split_once('=').expect("it has a value");
        lines.replace(wait, &format!("{name}=60s"))
    })
}

/// Everything that a test has around it.
pub(crate) struct World {
    _dir: tempfile::TempDir,
    pub(crate) sink: Sink,
    pub(crate) postfix: Postfix,
    receiver: Receiver,
    pub(crate) herald: Herald,
    socket: PathBuf,
}

impl World {
    /// Postfix runs and mailherald does not.
    fn new() -> Self {
        Self::with_lines(LINES)
    }

    /// The same, and Postfix waits for the milter however busy the machine is.
    pub(crate) fn of_patience() -> Self {
        Self::with_lines(&patient_lines())
    }

    pub(crate) fn with_lines(lines: &str) -> Self {
        Self::in_directory(tempfile::tempdir().expect("a temporary directory can be made"), lines)
    }

    /// The same with mailherald in that directory.
    pub(crate) fn in_directory(dir: tempfile::TempDir, lines: &str) -> Self {
        let sink = Sink::start();
        let postfix = Postfix::start_with(sink.address(), lines);
        let receiver = Receiver::start(dir.path(), 0);
        let herald = Herald::new(dir.path(), &postfix.log(), &receiver, &PROFILES[..1]);
        let socket = postfix.directory_for_group("mailherald").join("milter.sock");
        let place = socket.to_str().expect("temporary paths are UTF-8");
        herald.add_to_mail_section(KEYS);
        herald.add(&SOURCE.replace("@SOCKET@", place));
        Self { _dir: dir, sink, postfix, receiver, herald, socket }
    }

    /// Starts mailherald, and waits until its milter listens.
    pub(crate) fn start(&mut self) {
        let before = self.times_listening();
        self.herald.start();
        let listens = wait::until(LIMIT, || self.times_listening() > before);
        assert!(listens, "{}", self.herald.said());
    }

    fn times_listening(&self) -> usize {
        self.herald.said().matches("the milter listens").count()
    }

    /// The events of a recipient, oldest first, once there is one of that type.
    pub(crate) fn events_of(&self, to: &str, last: &str) -> Vec<Request> {
        let about = || -> Vec<Request> {
            let all = self.receiver.accepted("standard").into_iter();
            all.filter(|request| request.body["data"]["to"] == to).collect()
        };
        let is_there = || about().iter().any(|request| request.body["type"] == last);
        assert!(wait::until(LIMIT, is_there), "no {last} for {to}: {:?}", about());
        about()
    }

    /// Postfix has delivered to that address, once.
    fn assert_delivered(&self, to: &str) {
        self.postfix.wait_until_idle(LIMIT);
        assert_eq!(self.sink.answers_to(to), [Answer::Accepted], "{}", self.postfix.log_text());
    }
}

/// A message with all that is looked for.
fn send(client: &mut Client, to: &[&str]) {
    client.step("MAIL FROM:<bob@sender.test>", 250);
    for to in to {
        client.step(&format!("RCPT TO:<{to}>"), 250);
    }
    client.step("DATA", 354);
    client.step(BODY, 250);
}

const BODY: &str = "From: <bob@sender.test>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
     X-Order: 17\r\nX-Mailherald-Tag: receipt\r\n\r\nHello.\r\n.";

/// When an event happened, in a form that sorts by time.
fn happened(request: &Request) -> &str {
    request.body["timestamp"].as_str().expect("every event has its time")
}

#[test]
fn events_carry_what_only_the_milter_sees() {
    isolated(|| {
        let mut world = World::of_patience();
        world.start();
        let mut client = Client::connect(STRANGER, world.postfix.submission());
        client.authenticate();
        send(&mut client, &["ok-a@out.test", "flaky-b@out.test"]);
        drop(client);
        world.postfix.sendmail(
            &["-f", "bob@sender.test", "ok-local@out.test"],
            "Subject: by hand\nX-Order: 18\n\nHello.\n",
        );
        for to in ["ok-a@out.test", "flaky-b@out.test"] {
            for request in world.events_of(to, "outbound.delivered") {
                let data = &request.body["data"];
                assert_eq!(data["subject"], "Grüße", "{request:?}");
                assert_eq!(data["helo"], "client.test");
                assert_eq!(data["metadata"]["X-Order"], "17");
                assert_eq!(data["tag"], "receipt");
            }
        }
        for request in world.events_of("ok-local@out.test", "outbound.delivered") {
            assert_eq!(request.body["data"]["subject"], "by hand", "{request:?}");
            assert_eq!(request.body["data"]["metadata"]["X-Order"], "18");
        }
        // Requests may overtake one another, and times are whole seconds.
        let told = world.events_of("flaky-b@out.test", "outbound.queued");
        let at = |kind| told.iter().find(|request| request.body["type"] == kind).map(happened);
        assert!(at("outbound.queued") <= at("outbound.deferred"), "{told:?}");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn mail_flows_when_the_milter_is_down_stale_or_hangs() {
    isolated(|| mail_flows_through_every_trouble(&mut World::new()));
}

/// While it is down, behind a stale socket, deaf, frozen, and when it has gone.
pub(crate) fn mail_flows_through_every_trouble(world: &mut World) {
    let mut number = 0;
    let mut mail_flows = |world: &World| {
        number += 1;
        let to = format!("ok-{number}@out.test");
        // Each reply within the client's patience, and none of them a refusal.
        send(&mut Client::connect(OURS, world.postfix.smtp()), &[&to]);
        world.assert_delivered(&to);
    };
    assert!(!world.socket.exists());
    mail_flows(world);

    drop(UnixListener::bind(&world.socket).expect("the directory is ours"));
    mail_flows(world);
    std::fs::remove_file(&world.socket).expect("it is there");

    // Nobody takes connections: the kernel does, up to a number.
    let deaf = UnixListener::bind(&world.socket).expect("the directory is ours");
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&world.socket, everybody).expect("the file is ours");
    mail_flows(world);
    drop(deaf);

    // What a dead program left is replaced.
    world.start();
    mail_flows(world);
    world.herald.freeze();
    mail_flows(world);
    world.herald.thaw();
    mail_flows(world);
    assert!(world.herald.stop().success(), "{}", world.herald.said());
    assert!(!world.socket.exists(), "nothing is left behind");
    mail_flows(world);
}

/// A script of opendkim's `miltertest(8)`.
#[test]
fn miltertest_has_everything_answered_and_nothing_refused() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&["miltertest"]) {
            return needs::skip(&missing);
        }
        let mut world = World::new();
        world.start();
        run_miltertest(&world, "milter.lua");
    });
}

fn run_miltertest(world: &World, script: &str) {
    let script = format!("{}/tests/mta/{script}", env!("CARGO_MANIFEST_DIR"));
    let socket = format!("socket={}", world.socket.display());
    let run = Command::new("miltertest").args(["-s", &script, "-D", &socket]).output();
    let run = run.expect("it is on the search path");
    let said = [&run.stdout[..], &run.stderr].concat();
    assert!(run.status.success(), "{}: {}", run.status, String::from_utf8_lossy(&said));
}

/// The same of a milter that takes reports, and what becomes of those.
#[test]
fn miltertest_has_reports_taken_however_they_come_and_nothing_refused() {
    isolated(|| {
        if let Some(missing) = needs::missing_program(&["miltertest"]) {
            return needs::skip(&missing);
        }
        let mut world = World::new();
        world.herald.add("reports = true\n");
        world.start();
        run_miltertest(&world, "milter_reports.lua");
        for server in ["old", "new"] {
            for report in ["pieces", "folded", "long", "behind"] {
                let to = format!("{server}-{report}@out.test");
                let told = world.events_of(&to, "outbound.complaint");
                let data = &told[0].body["data"];
                let id = format!("{server}-{report}@good.test");
                assert_eq!((told.len(), &data["report_message_id"]), (1, &id.into()), "{data}");
            }
        }
        assert!(world.herald.stop().success(), "{}", world.herald.said());
        let all = world.receiver.accepted("standard");
        assert_eq!(all.len(), 8, "one that was never complete is told: {all:?}");
    });
}

/// What has been said to Postfix when mailherald is killed.
const STAGES: [&str; 5] = ["", "MAIL", "RCPT", "DATA", "message"];

#[test]
fn mail_flows_when_the_milter_is_killed_at_each_stage() {
    isolated(|| mail_flows_however_it_is_killed(&mut World::new()));
}

/// At each stage of a message.
pub(crate) fn mail_flows_however_it_is_killed(world: &mut World) {
    for stage in STAGES {
        world.start();
        let mut client = Client::connect(OURS, world.postfix.smtp());
        let to = format!("ok-{stage}@out.test");
        let at = |world: &mut World, name: &str| {
            if name == stage {
                world.herald.kill();
            }
        };
        at(world, "");
        client.step("MAIL FROM:<bob@sender.test>", 250);
        at(world, "MAIL");
        client.step(&format!("RCPT TO:<{to}>"), 250);
        at(world, "RCPT");
        client.step("DATA", 354);
        at(world, "DATA");
        client.step(BODY, 250);
        at(world, "message");
        world.assert_delivered(&to);
    }
    // And nothing is lost of what was told: the log has it all.
    world.start();
    for stage in STAGES {
        world.events_of(&format!("ok-{stage}@out.test"), "outbound.delivered");
    }
    assert!(world.herald.stop().success(), "{}", world.herald.said());
}
