//! Postfix with our milter, by the lines of `contrib/postfix`: what it adds to events, and that mail
//! flows whatever becomes of it.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixListener,
    path::PathBuf,
    time::Duration,
};

use crate::{
    client::Client,
    herald::Herald,
    namespace::isolated,
    postfix::Postfix,
    receiver::{PROFILES, Receiver, Request},
    sink::{Answer, Sink},
    wait,
};

/// The shipped lines.
const LINES: &str = include_str!("../../contrib/postfix/milter.cf");

const SOURCE: &str = r#"
[[source]]
kind = "milter"
listen = "unix:@SOCKET@"
socket_group = "postfix"
"#;

const KEYS: &str = "metadata_headers = [\"X-Order\"]\n";

/// Postfix is idle, or a webhook is there, long before.
const LIMIT: Duration = Duration::from_mins(1);

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Everything that a test has around it.
struct World {
    _dir: tempfile::TempDir,
    sink: Sink,
    postfix: Postfix,
    receiver: Receiver,
    herald: Herald,
    socket: PathBuf,
}

impl World {
    /// Postfix runs and mailherald does not.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let sink = Sink::start();
        let postfix = Postfix::start_with(sink.address(), LINES);
        let receiver = Receiver::start(dir.path(), 0);
        let herald = Herald::new(dir.path(), &postfix.log(), &receiver, &PROFILES[..1]);
        let socket = postfix.directory_for_group("mailherald").join("milter.sock");
        let place = socket.to_str().expect("temporary paths are UTF-8");
        herald.add_to_mail_section(KEYS);
        herald.add(&SOURCE.replace("@SOCKET@", place));
        Self { _dir: dir, sink, postfix, receiver, herald, socket }
    }

    /// Starts mailherald, and waits until its milter listens.
    fn start(&mut self) {
        let before = self.times_listening();
        self.herald.start();
        let listens = wait::until(LIMIT, || self.times_listening() > before);
        assert!(listens, "{}", self.herald.said());
    }

    fn times_listening(&self) -> usize {
        self.herald.said().matches("the milter listens").count()
    }

    /// The events of a recipient, oldest first, once there is one of that type.
    fn events_of(&self, to: &str, last: &str) -> Vec<Request> {
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

#[test]
fn events_carry_what_only_the_milter_sees() {
    isolated(|| {
        let mut world = World::new();
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
        let queued = world.events_of("flaky-b@out.test", "outbound.queued");
        assert_eq!(queued[0].body["type"], "outbound.queued", "told before the first attempt");
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}

#[test]
fn mail_flows_when_the_milter_is_down_stale_or_hangs() {
    isolated(|| {
        let mut world = World::new();
        let mut number = 0;
        let mut mail_flows = |world: &World| {
            number += 1;
            let to = format!("ok-{number}@out.test");
            // Each reply within the client's patience, and none of them a refusal.
            send(&mut Client::connect(OURS, world.postfix.smtp()), &[&to]);
            world.assert_delivered(&to);
        };
        assert!(!world.socket.exists());
        mail_flows(&world);

        drop(UnixListener::bind(&world.socket).expect("the directory is ours"));
        mail_flows(&world);
        std::fs::remove_file(&world.socket).expect("it is there");

        // Nobody takes connections: the kernel does, up to a number.
        let deaf = UnixListener::bind(&world.socket).expect("the directory is ours");
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&world.socket, everybody).expect("the file is ours");
        mail_flows(&world);
        drop(deaf);

        // What a dead program left is replaced.
        world.start();
        mail_flows(&world);
        world.herald.freeze();
        mail_flows(&world);
        world.herald.thaw();
        mail_flows(&world);
        assert!(world.herald.stop().success(), "{}", world.herald.said());
        assert!(!world.socket.exists(), "nothing is left behind");
        mail_flows(&world);
    });
}

/// What has been said to Postfix when mailherald is killed.
const STAGES: [&str; 5] = ["", "MAIL", "RCPT", "DATA", "message"];

#[test]
fn mail_flows_when_the_milter_is_killed_at_each_stage() {
    isolated(|| {
        let mut world = World::new();
        for stage in STAGES {
            world.start();
            let mut client = Client::connect(OURS, world.postfix.smtp());
            let to = format!("ok-{stage}@out.test");
            let at = |world: &mut World, name: &str| {
                if name == stage {
                    world.herald.kill();
                }
            };
            at(&mut world, "");
            client.step("MAIL FROM:<bob@sender.test>", 250);
            at(&mut world, "MAIL");
            client.step(&format!("RCPT TO:<{to}>"), 250);
            at(&mut world, "RCPT");
            client.step("DATA", 354);
            at(&mut world, "DATA");
            client.step(BODY, 250);
            at(&mut world, "message");
            world.assert_delivered(&to);
        }
        // And nothing is lost of what was told: the log has it all.
        world.start();
        for stage in STAGES {
            world.events_of(&format!("ok-{stage}@out.test"), "outbound.delivered");
        }
        assert!(world.herald.stop().success(), "{}", world.herald.said());
    });
}
