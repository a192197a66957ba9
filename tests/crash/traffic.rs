//! A mail log that grows all the time: many messages at once, their lines mixed, now and then a
//! line that is written in two pieces.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use jiff::{Timestamp, ToSpan};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Between two looks at the clock.
const PAUSE: Duration = Duration::from_millis(20);
/// Messages open at once.
const OPEN: usize = 24;

/// The writer of a log.
pub(crate) struct Traffic {
    running: Arc<AtomicBool>,
    writer: JoinHandle<usize>,
}

impl Traffic {
    pub(crate) fn start(log: &Path, seed: u64) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let go_on = Arc::clone(&running);
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut host = Host::new(file, seed);
        let writer = std::thread::spawn(move || {
            while go_on.load(Ordering::Relaxed) {
                host.write_some();
                std::thread::sleep(PAUSE);
            }
            host.write_the_rest();
            host.ends
        });
        Self { running, writer }
    }

    /// Lets every message come to its end; gives how many recipients had one.
    pub(crate) fn stop(self) -> usize {
        self.running.store(false, Ordering::Relaxed);
        self.writer.join().unwrap()
    }
}

/// A mail host.
struct Host {
    log: File,
    random: StdRng,
    /// The stamp of the last line.
    at: Timestamp,
    count: u32,
    /// The lines to come of each open message, without stamps.
    open: Vec<VecDeque<String>>,
    ends: usize,
}

impl Host {
    fn new(log: File, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { log, random, at: Timestamp::UNIX_EPOCH, count: 0, open: Vec::new(), ends: 0 }
    }

    /// A few lines, the last of them perhaps in two pieces.
    fn write_some(&mut self) {
        while self.open.len() < OPEN {
            let message = self.message();
            self.open.push(message);
        }
        let mut text = String::new();
        for _ in 0..self.random.random_range(1..8) {
            let place = self.random.random_range(0..self.open.len());
            text += &self.next_line(place);
            if self.open.is_empty() {
                break;
            }
        }
        let cut = self.random.random_range(0..text.len());
        let (begin, rest) = text.split_at(cut);
        for piece in [begin, rest] {
            self.log.write_all(piece.as_bytes()).unwrap();
        }
    }

    fn write_the_rest(&mut self) {
        while !self.open.is_empty() {
            let line = self.next_line(0);
            self.log.write_all(line.as_bytes()).unwrap();
        }
    }

    /// The next line of an open message, stamped with a time that never falls back; the same
    /// stamp twice is possible.
    fn next_line(&mut self, place: usize) -> String {
        let step = self.random.random_range(0..300).microseconds();
        self.at = Timestamp::now().max(self.at.checked_add(step).unwrap());
        let body = self.open[place].pop_front().unwrap();
        if self.open[place].is_empty() {
            self.open.swap_remove(place);
        }
        format!("{:.6} mx postfix/{body}\n", self.at)
    }

    /// All lines of one message.
    fn message(&mut self) -> VecDeque<String> {
        self.count += 1;
        let number = self.count;
        let (id, process) = (format!("{:06X}9A{:04X}", 0x3A_0000 + number, number % 0xFFFF), 900);
        let user = if self.random.random_bool(0.5) { ", sasl_username=bob" } else { "" };
        let recipients = self.random.random_range(1..4);
        let mut lines = VecDeque::from([
            format!("smtpd[{process}]: {id}: client=c.test[192.0.2.9]{user}"),
            format!("cleanup[{process}]: {id}: message-id=<{number}@c.test>"),
            format!("qmgr[7]: {id}: from=<a@c.test>, size=999, nrcpt={recipients} (queue active)"),
        ]);
        for recipient in 0..recipients {
            self.recipient(&id, recipient, &mut lines);
        }
        lines.push_back(format!("qmgr[7]: {id}: removed"));
        lines
    }

    fn recipient(&mut self, id: &str, recipient: u32, lines: &mut VecDeque<String>) {
        let attempt = |dsn: &str, status: &str| {
            format!(
                "smtp[31]: {id}: to=<u{recipient}@d.test>, relay=mx.d.test[192.0.2.1]:25, \
                 delay=1, delays=0.1/0.1/0.3/0.5, dsn={dsn}, status={status}"
            )
        };
        for _ in 0..self.random.random_range(0..3) {
            lines.push_back(attempt("4.7.1", "deferred (host mx.d.test said: 451 4.7.1 Later)"));
        }
        lines.push_back(if self.random.random_bool(0.9) {
            attempt("2.0.0", "sent (250 2.0.0 Ok: queued as 1F2E3D)")
        } else {
            attempt("5.1.1", "bounced (host mx.d.test said: 550 5.1.1 User unknown)")
        });
        self.ends += 1;
    }
}
