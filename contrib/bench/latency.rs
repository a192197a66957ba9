//! From a line in a log to its receiver: how long, for `cargo xtask bench ingest`.
//!
//! `latency PROGRAM DIR LINES ROUNDS`: a log in `DIR` gets 200 lines a second, each of which gives
//! one event, and is followed, in turns, by
//!
//! * `PROGRAM`, which is mailherald: it commits and syncs before it sends,
//! * the same source, parser, correlator and sender in this process, with nothing between them: no
//!   queue, no store, and so nothing that survives a crash.
//!
//! The last line of standard output is `p50 p99 p50 p99` in microseconds, first of the program,
//! then without a store; of each the round with the lowest p99.

#![allow(clippy::print_stdout, reason = "a tool talks to its caller")]

mod sink;
mod webhook;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc::Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use jiff::tz::TimeZone;
use mailherald::{
    clock,
    config::Start,
    correlate::{Correlator, Direction},
    deliver::{self, Client},
    egress::Policy,
    limits::BATCHES_WAITING,
    parse::{Reader, State},
    source::{
        Batch, Health,
        file::{self, FileTail},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use sink::{Received, now};

/// Between two lines: 200 in a second.
const EVERY: Duration = Duration::from_millis(5);
/// Lines of a round that do not count: connections are made meanwhile.
const WARM_UP: usize = 40;
/// Nobody checks what is signed with it.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, dir, lines, rounds] = arguments.as_slice() else {
        bail!("`PROGRAM DIR LINES ROUNDS`");
    };
    let (url, received) = sink::start()?;
    let mut bench = Bench { dir: dir.into(), url, received, lines: lines.parse()? };
    let (mut durable, mut volatile) = (Quantiles::WORST, Quantiles::WORST);
    for _ in 0..rounds.parse()? {
        durable = durable.min(bench.durable(program)?);
        volatile = volatile.min(bench.volatile()?);
    }
    println!("{} {} {} {}", durable.p50_us, durable.p99_us, volatile.p50_us, volatile.p99_us);
    Ok(())
}

/// Ordered by the rarer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Quantiles {
    p99_us: u128,
    p50_us: u128,
}

impl Quantiles {
    const WORST: Self = Self { p99_us: u128::MAX, p50_us: u128::MAX };

    fn of(mut times: Vec<Duration>) -> Result<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = times.len() * percent / 100;
            times.get(place).map(Duration::as_micros).context("too few lines")
        };
        Ok(Self { p99_us: at(99)?, p50_us: at(50)? })
    }
}

struct Bench {
    dir: PathBuf,
    url: String,
    received: Receiver<Received>,
    lines: usize,
}

impl Bench {
    fn log(&self) -> PathBuf {
        self.dir.join("mail.log")
    }

    fn clear(&self) -> Result<()> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).context("remove the last round")?;
        }
        fs::create_dir_all(&self.dir).context("make a place for this round")
    }

    fn durable(&mut self, program: &str) -> Result<Quantiles> {
        self.clear()?;
        let (said, config) = (self.dir.join("said"), self.dir.join("mailherald.toml"));
        fs::write(&config, self.config()).context("write the configuration")?;
        // It holds a secret.
        fs::set_permissions(&config, Permissions::from_mode(0o600))?;
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let program = Running(command.spawn().context("start the program")?);
        until_it_runs(&said)?;
        let times = self.round();
        drop(program);
        Quantiles::of(times?)
    }

    /// Of a log that may be there before the program looks for it the first time.
    fn config(&self) -> String {
        format!(
            "state_dir = \"{}\"\n[api]\nlisten = \"none\"\n[mail]\npostconf = \"off\"\n[[source]]\ninclude = [\"{}\"]\n\
             start = \"beginning\"\n[[webhook]]\nname = \"bench\"\nurl = {:?}\n\
             secret = {SECRET:?}\n",
            self.dir.join("state").display(),
            self.log().display(),
            self.url
        )
    }

    fn volatile(&mut self) -> Result<Quantiles> {
        self.clear()?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let stop = CancellationToken::new();
        let (out, batches) = mpsc::channel(BATCHES_WAITING);
        let tail = FileTail {
            index: 0,
            name: "bench".into(),
            include: vec![self.log().to_string_lossy().into_owned()],
            start: Start::Beginning,
            partial_line_timeout: None,
            positions: Vec::new(),
        };
        let (health, _told) = watch::channel(Health::default());
        let source = file::spawn(tail, out, clock::system(), health, stop.clone())?;
        let sending = send_at_once(&self.url, batches, runtime)?;
        let times = self.round();
        stop.cancel();
        ensure!(source.join().is_ok() && sending.join().is_ok(), "a thread panicked");
        Quantiles::of(times?)
    }

    /// Appends the lines in their time; how long each took.
    fn round(&mut self) -> Result<Vec<Duration>> {
        let mut log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let start = now();
        let mut appended = Vec::new();
        for number in 0..self.lines + WARM_UP {
            thread_until(start + EVERY * u32::try_from(number)?);
            let line = line(number);
            appended.push(now());
            log.write_all(line.as_bytes()).context("append to the log")?;
        }
        let mut times = Vec::new();
        for _ in 0..appended.len() {
            let received = self.received.recv_timeout(PATIENCE).context("wait for a request")?;
            let sent = appended.get(received.number).context("a request for no line")?;
            if received.number >= WARM_UP {
                times.push(received.at.duration_since(*sent));
            }
        }
        Ok(times)
    }
}

/// Parses, correlates and sends what comes, until the source ends.
fn send_at_once(
    url: &str,
    mut batches: mpsc::Receiver<Batch>,
    runtime: Runtime,
) -> Result<JoinHandle<()>> {
    let (client, webhook) = (Client::new(Policy::default())?, Arc::new(webhook::webhook(url)?));
    Ok(thread::spawn(move || {
        let mut reader = Reader::new(TimeZone::UTC, State::default());
        let mut correlator = Correlator::new(Direction::default(), true);
        let mut events = Vec::new();
        while let Some(batch) = batches.blocking_recv() {
            reader.read(&batch, |line| correlator.step(line, &mut events));
            for event in events.drain(..) {
                let (client, webhook) = (client.clone(), Arc::clone(&webhook));
                runtime.spawn(async move {
                    deliver::attempt(&client, &webhook, &event, 1, &*clock::system()).await
                });
            }
        }
    }))
}

/// A failed attempt for a recipient of that number, now; its message began before the log.
fn line(number: usize) -> String {
    let at = clock::system().now();
    format!(
        "{at:.6} mx postfix/smtp[1]: 3F0B2C8{number:05X}: to=<user{number}@d.test>, relay=none, \
         delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (connect to d.test[192.0.2.1]:25: \
         Connection timed out)\n"
    )
}

/// A program that ends with its measure.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then the requests that it owes are missed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until_it_runs(said: &Path) -> Result<()> {
    let start = now();
    while !fs::read_to_string(said)?.contains("mailherald is running") {
        ensure!(start.elapsed() < PATIENCE, "it says: {}", fs::read_to_string(said)?);
        thread_until(now() + EVERY);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "lines come in their time")]
fn thread_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(now()));
}
