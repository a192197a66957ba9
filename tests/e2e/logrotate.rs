//! logrotate(8) itself beside the running program, while lines are written.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    program::Host,
    receiver::Receiver,
    skip,
    traffic::{Kills, check, check_ids, is_all_received, line, on_disk},
    until,
};

/// Rotations of one run. Names with dates differ by the second.
const ROTATIONS: usize = 4;
/// Between two rotations.
const PAUSE: Duration = Duration::from_millis(1_100);
/// Between two lines.
const LINE: Duration = Duration::from_millis(8);

/// Writes lines until it is stopped, and opens its log anew when the file `reopen` asks for it.
struct Writer {
    running: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Writer {
    fn start(host: &Host) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let (go_on, log, reopen) =
            (Arc::clone(&running), host.path("mail.log"), host.path("reopen"));
        let thread = std::thread::spawn(move || {
            let mut file = open(&log);
            let mut count = 0;
            while go_on.load(Ordering::Relaxed) {
                if fs::remove_file(&reopen).is_ok() {
                    file = open(&log);
                }
                file.write_all(line(count).as_bytes()).unwrap();
                count += 1;
                std::thread::sleep(LINE);
            }
            count
        });
        Self { running, thread }
    }

    /// The numbers that were written.
    fn stop(self) -> BTreeSet<usize> {
        self.running.store(false, Ordering::Relaxed);
        (0..self.thread.join().unwrap()).collect()
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Writes the configuration of logrotate and gives its path.
fn configuration(host: &Host, options: &str) -> PathBuf {
    let text = format!(
        "\"{}\" {{\nrotate 99\nmissingok\n{options}\npostrotate\n touch \"{}\"\nendscript\n}}\n",
        host.text("mail.log"),
        host.text("reopen")
    );
    fs::write(host.path("logrotate.conf"), text).unwrap();
    host.path("logrotate.conf")
}

fn rotate(host: &Host, configuration: &Path) {
    let state = host.path("logrotate.state");
    let done = Command::new("logrotate")
        .args(["--force", "--state"])
        .args([&state, configuration])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn is_missing() -> bool {
    let is_there = Command::new("logrotate").arg("--version").output().is_ok();
    if !is_there {
        skip("logrotate");
    }
    !is_there
}

/// Runs with these options. Every line that is on disk in the end must have come out, and all
/// that was written when `is_whole`.
fn run(options: &str, is_whole: bool, is_killed: bool) {
    if is_missing() {
        return;
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = format!("include = [\"{}\"]\nstart = \"beginning\"", host.text("mail.log*"));
    let config = host.configure(&source, &receiver, "");
    let logrotate = configuration(&host, options);
    let (mut program, mut kills) = (host.run(&config), Kills::default());
    let writer = Writer::start(&host);
    for _ in 0..ROTATIONS {
        std::thread::sleep(PAUSE);
        if is_killed {
            program.kill();
            kills.note(&receiver);
            rotate(&host, &logrotate);
            program = host.run(&config);
        } else {
            rotate(&host, &logrotate);
        }
    }
    std::thread::sleep(PAUSE);
    let written = writer.stop();
    let must = if is_whole { written.clone() } else { on_disk(&host) };
    until(&format!("everything, with {options}"), || {
        std::thread::sleep(Duration::from_millis(90));
        is_all_received(&receiver, &must)
    });
    program.stop(Signal::TERM);
    check(&receiver, &must, &written, &kills, options);
    check_ids(&host, &receiver, &must, options);
    let rotated = fs::read_dir(host.path(""))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with("mail.log"));
    assert_eq!(rotated.count(), ROTATIONS + 1, "it did rotate");
    assert!(written.len() > 300, "{} lines prove little", written.len());
    assert!(must.len() * 10 > written.len() * 9, "{} of {}", must.len(), written.len());
}

#[test]
fn row_01_rename_and_create_by_logrotate_loses_and_doubles_nothing() {
    run("create 0600", true, false);
}

#[test]
fn row_03_rotation_by_logrotate_while_stopped_loses_and_doubles_nothing() {
    run("create 0600\ncompress\ndelaycompress\ndateext\ndateformat -%Y%m%d-%H%M%S", true, true);
}

#[test]
fn row_05_compression_in_progress_by_logrotate_loses_and_doubles_nothing() {
    run("create 0600\ncompress", true, false);
}

#[test]
fn row_05_delayed_compression_and_dates_by_logrotate_lose_and_double_nothing() {
    run("create 0600\ncompress\ndelaycompress\ndateext\ndateformat -%Y%m%d-%H%M%S", true, false);
}

#[test]
fn row_06_copytruncate_by_logrotate_loses_only_what_left_the_disk() {
    run("copytruncate", false, false);
}

#[test]
fn row_06_copytruncate_and_compression_by_logrotate_lose_only_what_left_the_disk() {
    run("copytruncate\ncompress\ndateext\ndateformat -%Y%m%d-%H%M%S", false, false);
}
