//! What a service manager is told, over a socket of ours.

use std::{
    os::unix::net::UnixDatagram,
    process::Stdio,
    sync::{Arc, Mutex},
};

use rustix::process::Signal;

use crate::{
    http::request,
    lines,
    program::{Host, Program, command},
    receiver::Receiver,
    until,
};

/// A service manager that only listens.
#[derive(Debug)]
struct Manager {
    path: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    fn start(host: &Host) -> Self {
        let path = host.text("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let told = Arc::<Mutex<Vec<String>>>::default();
        let telling = Arc::clone(&told);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(size) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..size]).into_owned();
                telling.lock().unwrap().push(text);
            }
        });
        Self { path, told }
    }

    fn run(&self, host: &Host, config: &str) -> Program {
        let mut command = command(&["run", "--config", config]);
        command.env("NOTIFY_SOCKET", &self.path);
        host.start_command(command, Stdio::null())
    }

    fn times(&self, words: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.contains(words)).count()
    }
}

#[test]
fn ready_comes_when_what_is_logged_from_then_on_is_told_and_stopping_at_the_end() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let manager = Manager::start(&host);
    // What was there is passed over, what comes behind it is not.
    host.append("mail.log", &lines(0..20));
    let source = format!("include = [\"{}\"]", host.text("mail.log"));
    let config = host.configure(&source, &receiver, "");
    let program = manager.run(&host, &config);
    until("it is ready", || manager.times("READY=1") == 1);
    assert_eq!(manager.times("EXTEND_TIMEOUT_USEC=12"), 1, "it has two minutes, and more for more");
    host.append("mail.log", &lines(20..25));
    until("the new events", || receiver.ids().len() == 5);
    assert_eq!(manager.times("STATUS=running: 1 sources, 1 webhooks"), 1);
    assert!(manager.times("WATCHDOG=1") > 0);
    assert_eq!(manager.times("STOPPING=1"), 0);
    program.stop(Signal::TERM);
    assert_eq!(manager.times("STOPPING=1"), 1);
    assert_eq!((manager.times("READY=1"), receiver.ids().len()), (1, 5));
}

#[test]
fn a_reload_is_said_when_it_begins_and_when_it_is_over() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let manager = Manager::start(&host);
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = manager.run(&host, &config);
    until("it is ready", || manager.times("READY=1") == 1);
    program.signal(Signal::HUP);
    until("it is ready again", || manager.times("READY=1") == 2);
    assert_eq!((manager.times("RELOADING=1"), manager.times("MONOTONIC_USEC=")), (1, 1));
    program.stop(Signal::TERM);
}

/// The store of another process is waited for: until then nothing is read.
#[test]
fn it_is_not_ready_before_its_sources_are_open() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let manager = Manager::start(&host);
    let config = host.configure(&host.log_source(), &receiver, "");
    let first = host.run(&config);
    let second = manager.run(&host, &config);
    second.until_it_says("another process");
    assert_eq!(manager.times("READY=1"), 0);
    first.stop(Signal::TERM);
    until("it is ready", || manager.times("READY=1") == 1);
    second.stop(Signal::TERM);
}

/// A pause is no hang: systemd must not end what waits for room.
#[test]
fn while_nothing_is_read_for_want_of_room_it_is_not_ready_and_the_watchdog_is_fed() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let manager = Manager::start(&host);
    let address = crate::free_address();
    let more = format!("[api]\nlisten = \"{address}\"\n[store]\nmin_free = \"1000000GiB\"");
    let config = host.configure(&host.log_source(), &receiver, &more);
    let program = manager.run(&host, &config);
    program.until_it_says("reading pauses");
    let fed = manager.times("WATCHDOG=1");
    until("it is fed twice more", || manager.times("WATCHDOG=1") > fed + 1);
    let ready = request(address, "GET", "/readyz", None, "");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"not_ready".into()));
    assert_eq!(ready.json()["reasons"][0]["code"], "disk_low");
    assert_eq!(request(address, "GET", "/healthz", None, "").status, 200);
    program.stop(Signal::TERM);
}
