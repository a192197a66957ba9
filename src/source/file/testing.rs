//! A log directory with a tailer on it, driven round by round on a clock of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Batch, FileTail, Position, Tally, tailer::Tailer, work::Work};
use crate::{
    clock::Clock,
    config::{FileSource, Start},
    source::{Compression, Fingerprint, Health, HealthSender, archive::testing::compress},
};

/// Time that only moves when it is told to.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A directory, a tailer, and what it handed out, which counts as durable at once.
pub(super) struct Bench {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) tailer: Tailer,
    pub(super) durable: HashMap<Fingerprint, Position>,
    pub(super) lines: Vec<String>,
    /// Those from before the start.
    pub(super) past: Vec<String>,
    pub(super) batches: Vec<Batch>,
    patterns: Vec<String>,
    start: Start,
    partial_line_timeout: Option<Duration>,
}

impl Bench {
    /// A tailer on `mail.log*` that has not run yet.
    pub(super) fn new(start: Start) -> Self {
        Self::on(TempDir::new().unwrap(), start)
    }

    pub(super) fn on(dir: TempDir, start: Start) -> Self {
        Self::with(dir, start, "mail.log*")
    }

    /// A tailer on another pattern below `dir`.
    pub(super) fn with(dir: TempDir, start: Start, pattern: &str) -> Self {
        let clock = Arc::new(TestClock(Mutex::new(Timestamp::now())));
        let patterns = vec![dir.path().join(pattern).to_str().unwrap().to_owned()];
        let partial_line_timeout = FileSource::default().partial_line_timeout;
        let source = source(&patterns, start, partial_line_timeout, Vec::new());
        let tailer = Tailer::new(source, clock.clone(), HealthSender::default()).unwrap();
        let (durable, batches) = (HashMap::new(), Vec::new());
        let (lines, past) = (Vec::new(), Vec::new());
        Self {
            dir,
            clock,
            tailer,
            durable,
            lines,
            past,
            batches,
            patterns,
            start,
            partial_line_timeout,
        }
    }

    /// The same, waiting for so long on the other half of a line.
    pub(super) fn waiting_on_halves(mut self, timeout: Option<Duration>) -> Self {
        self.partial_line_timeout = timeout;
        self.restart();
        self
    }

    /// One that begins with the oldest line.
    pub(super) fn from_beginning() -> Self {
        Self::new(Start::Beginning)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        self.writer(name).write_all(text.as_bytes()).unwrap();
    }

    /// A writer that goes on writing to its file wherever that is renamed.
    pub(super) fn writer(&self, name: &str) -> File {
        OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap()
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(super) fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// Writes the compressed twin of `name` with its time, as `gzip` does, and leaves the plain
    /// file.
    pub(super) fn pack(&self, name: &str, packed: &str, form: Compression) {
        let text = fs::read(self.path(name)).unwrap();
        self.write_dated(packed, &compress(&text, form), name);
    }

    /// Writes `bytes` to a file with the modification time of `like`.
    pub(super) fn write_dated(&self, name: &str, bytes: &[u8], like: &str) {
        let modified = fs::metadata(self.path(like)).unwrap().modified().unwrap();
        fs::write(self.path(name), bytes).unwrap();
        File::options().write(true).open(self.path(name)).unwrap().set_modified(modified).unwrap();
    }

    /// Makes a file old.
    pub(super) fn age(&self, name: &str, by: Duration) {
        let file = File::options().write(true).open(self.path(name)).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap() - by;
        file.set_modified(modified).unwrap();
    }

    pub(super) fn pass_time(&self, by: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += by;
    }

    /// The clock is set back.
    pub(super) fn step_back(&mut self, by: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now -= by;
    }

    /// From now on the system refuses to read what is open. A directory has a size and cannot be
    /// read.
    pub(super) fn break_open_files(&mut self) {
        let path = self.dir.path().to_owned();
        for work in &mut self.tailer.work {
            if let Work::Tail(tail) = work {
                tail.file = File::open(&path).unwrap();
            }
        }
    }

    /// What is open becomes readable again, through this path.
    pub(super) fn mend_open_files(&mut self, name: &str) {
        let path = self.path(name);
        for work in &mut self.tailer.work {
            if let Work::Tail(tail) = work {
                tail.file = File::open(&path).unwrap();
            }
        }
    }

    /// One round with a fresh listing; returns the lines it gave.
    pub(super) fn round(&mut self) -> Vec<String> {
        self.tailer.rescan();
        self.poll()
    }

    /// One round as a wake-up gives: no listing unless the tailer wants one.
    pub(super) fn poll(&mut self) -> Vec<String> {
        let mut new = Vec::new();
        let flow = self.tailer.round(&mut |batch| {
            new.push(batch);
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        let before = self.lines.len();
        for batch in new {
            let text = |line: &crate::source::LineSpan| {
                batch.bytes[line.start as usize..line.end as usize].to_vec()
            };
            let texts = batch.lines.iter().map(|line| String::from_utf8_lossy(&text(line)).into());
            let lines = if batch.is_past { &mut self.past } else { &mut self.lines };
            lines.extend(texts);
            self.durable.insert(batch.position.fingerprint, batch.position.clone());
            self.batches.push(batch);
        }
        self.lines[before..].to_vec()
    }

    /// The process ends and starts again from what is durable.
    pub(super) fn restart(&mut self) {
        let stored = self.durable.values().cloned().collect();
        let source = source(&self.patterns, self.start, self.partial_line_timeout, stored);
        let (clock, health) = (self.clock.clone(), HealthSender::default());
        self.tailer = Tailer::new(source, clock, health).unwrap();
    }

    pub(super) fn health(&self) -> Health {
        self.tailer.health()
    }

    pub(super) fn tally(&self) -> Tally {
        self.tailer.tally()
    }
}

fn source(
    patterns: &[String],
    start: Start,
    partial_line_timeout: Option<Duration>,
    positions: Vec<Position>,
) -> FileTail {
    let (name, include) = ("test".to_owned(), patterns.to_vec());
    FileTail { index: 0, name, include, start, partial_line_timeout, positions }
}
