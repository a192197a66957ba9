//! Random lives of a log beside the running program, against a model of what was written.
//!
//! A seeded generator writes, writes halves, rotates by renaming or by copying and truncating,
//! packs, deletes, truncates, rests, kills the program and starts it again. Every line that stayed
//! on disk must come out exactly once, under the id that a later reading gives it. What was
//! deleted or truncated before it came out may be lost, and is never doubled.
//!
//! `MAILHERALD_LIVES` is the number of lives of each kind; the seeds count up from 1, or from
//! `MAILHERALD_SEED`.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::Signal;

use crate::{
    program::{Host, Program},
    receiver::Receiver,
    traffic::{Kills, check, check_ids, is_all_received, line, logs, numbers, received, unpacked},
    until,
};

/// Lives of each kind in an ordinary test run.
const LIVES: u64 = 2;
/// What happens in one life.
const ACTIONS: usize = 60;

/// How a log is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rotation {
    Rename,
    CopyTruncate,
}

struct Life {
    random: StdRng,
    host: Host,
    receiver: Receiver,
    config: String,
    program: Option<Program>,
    writer: File,
    /// The writer before the last rotation, which was not told of it yet.
    old_writer: Option<File>,
    written: BTreeSet<usize>,
    /// What left the disk before it came out.
    at_risk: BTreeSet<usize>,
    /// The rest of a line whose first half is written.
    half: Option<(usize, String)>,
    kills: Kills,
}

impl Life {
    fn new(seed: u64) -> Self {
        let (host, receiver) = (Host::new(), Receiver::start());
        let source = format!("include = [\"{}\"]\nstart = \"beginning\"", host.text("mail.log*"));
        let config = host.configure(&source, &receiver, "");
        let writer = open(&host.path("mail.log"));
        Self {
            random: StdRng::seed_from_u64(seed),
            program: Some(host.run(&config)),
            host,
            receiver,
            config,
            writer,
            old_writer: None,
            written: BTreeSet::new(),
            at_risk: BTreeSet::new(),
            half: None,
            kills: Kills::default(),
        }
    }

    fn live(&mut self, rotation: Rotation) {
        for _ in 0..ACTIONS {
            match self.random.random_range(0..60) {
                0..18 => self.write(),
                18..22 => self.write_half(),
                22..26 => self.write_late(),
                26..33 => self.rotate(rotation),
                33..36 => self.pack(),
                36..38 => self.delete_oldest(),
                38 => self.truncate(),
                39..42 => self.kill(),
                42..48 => self.start(),
                _ => self.rest(),
            }
        }
        self.end_half();
        self.start();
    }

    fn next(&mut self) -> (usize, String) {
        let number = self.written.last().map_or(0, |last| last + 1);
        self.written.insert(number);
        (number, line(number))
    }

    fn write(&mut self) {
        self.end_half();
        for _ in 0..self.random.random_range(1..40) {
            let (_, line) = self.next();
            self.writer.write_all(line.as_bytes()).unwrap();
        }
    }

    fn write_half(&mut self) {
        self.end_half();
        let (number, line) = self.next();
        let (first, rest) = line.split_at(self.random.random_range(1..line.len()));
        self.writer.write_all(first.as_bytes()).unwrap();
        self.half = Some((number, rest.to_owned()));
    }

    fn end_half(&mut self) {
        if let Some((_, rest)) = self.half.take() {
            self.writer.write_all(rest.as_bytes()).unwrap();
        }
    }

    fn write_late(&mut self) {
        let (_, line) = match &self.old_writer {
            Some(_) => self.next(),
            None => return,
        };
        self.old_writer.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn rotate(&mut self, rotation: Rotation) {
        self.old_writer = None;
        self.shift();
        let (log, first) = (self.host.path("mail.log"), self.host.path("mail.log.1"));
        match rotation {
            Rotation::Rename => {
                fs::rename(&log, first).unwrap();
                self.rest();
                self.end_half();
                self.old_writer = Some(std::mem::replace(&mut self.writer, open(&log)));
            }
            Rotation::CopyTruncate => {
                fs::copy(&log, first).unwrap();
                if self.random.random_bool(0.3) {
                    self.write_between();
                }
                self.lose_half();
                self.writer.set_len(0).unwrap();
            }
        }
    }

    /// Between copy and truncation: the window in which lines are lost for everybody.
    fn write_between(&mut self) {
        self.lose_half();
        self.end_half();
        let (number, line) = self.next();
        self.writer.write_all(line.as_bytes()).unwrap();
        self.at_risk.insert(number);
    }

    /// A line whose first half is truncated away is one no more.
    fn lose_half(&mut self) {
        self.at_risk.extend(self.half.as_ref().map(|(number, _)| *number));
    }

    /// Every rotated log becomes one older.
    fn shift(&mut self) {
        let mut rotated = self.rotated();
        rotated.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        for (number, path) in rotated {
            let name = path.file_name().unwrap().to_str().unwrap();
            let from = format!("mail.log.{number}");
            let to = name.replacen(&from, &format!("mail.log.{}", number + 1), 1);
            fs::rename(&path, path.with_file_name(to)).unwrap();
        }
    }

    fn rotated(&self) -> Vec<(usize, PathBuf)> {
        let number = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.strip_prefix("mail.log.")?;
            name.split('.').next()?.parse().ok()
        };
        logs(&self.host).into_iter().filter_map(|path| Some((number(&path)?, path))).collect()
    }

    /// Packs a rotated log as gzip(1) does: in place, in steps, and then the plain file goes.
    fn pack(&mut self) {
        self.old_writer = None;
        let is_packed = |end: &std::ffi::OsStr| PACKED.iter().any(|packed| end == *packed);
        let plain = self
            .rotated()
            .into_iter()
            .find(|(_, path)| path.extension().is_some_and(|end| !is_packed(end)));
        let Some((_, path)) = plain else { return };
        let (text, modified) = (fs::read(&path).unwrap(), path.metadata().unwrap().modified());
        let end = PACKED[self.random.random_range(0..PACKED.len())];
        let packed = packed(&text, end);
        let mut name = path.clone().into_os_string();
        name.push(format!(".{end}"));
        let mut file = File::create(name).unwrap();
        let (first, rest) = packed.split_at(packed.len() / 2);
        file.write_all(first).unwrap();
        self.rest();
        file.write_all(rest).unwrap();
        file.set_modified(modified.unwrap()).unwrap();
        fs::remove_file(path).unwrap();
    }

    fn delete_oldest(&mut self) {
        let old = self.rotated().into_iter().filter(|(number, _)| *number > 2);
        let Some((_, path)) = old.max() else { return };
        self.old_writer = None;
        self.risk(&path);
        fs::remove_file(path).unwrap();
    }

    fn truncate(&mut self) {
        self.risk(&self.host.path("mail.log"));
        self.lose_half();
        self.writer.set_len(0).unwrap();
    }

    /// What is in this file and did not come out yet may be lost from now on.
    fn risk(&mut self, path: &Path) {
        let received = received(&self.receiver);
        let unseen = numbers(&unpacked(path)).into_iter();
        self.at_risk.extend(unseen.filter(|number| !received.contains_key(number)));
    }

    fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
            self.kills.note(&self.receiver);
        }
    }

    fn start(&mut self) {
        if self.program.is_none() {
            self.program = Some(self.host.run(&self.config));
        }
    }

    /// Time is what the program needs to come in between.
    fn rest(&mut self) {
        let wait = self.random.random_range(0..300);
        std::thread::sleep(Duration::from_millis(wait));
    }

    /// How many lines were written, and how many of them had to come out.
    fn end(mut self, what: &str) -> (usize, usize) {
        let must: BTreeSet<usize> = self.written.difference(&self.at_risk).copied().collect();
        let waits = format!("{what}: everything that stayed on disk");
        until_or(&waits, || is_all_received(&self.receiver, &must));
        self.program.take().unwrap().stop(Signal::TERM);
        check(&self.receiver, &must, &self.written, &self.kills, what);
        check_ids(&self.host, &self.receiver, &must, what);
        (self.written.len(), must.len())
    }
}

/// As [`until`], but the end of patience is told by the check that follows.
fn until_or(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut looks = 0;
    until(what, || {
        looks += 1;
        std::thread::sleep(Duration::from_millis(90));
        is_so() || looks > 80
    });
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn number_of(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

fn live_all(rotation: Rotation) {
    let (mut written, mut proven) = (0, 0);
    let first = number_of("MAILHERALD_SEED", 1);
    for seed in first..first + number_of("MAILHERALD_LIVES", LIVES) {
        let mut life = Life::new(seed);
        life.live(rotation);
        let counts = life.end(&format!("{rotation:?}, seed {seed}"));
        (written, proven) = (written + counts.0, proven + counts.1);
    }
    assert!(proven * 2 > written, "{proven} of {written} lines prove little");
}

#[test]
fn row_28_random_lives_with_renames_and_kills_lose_and_double_nothing() {
    live_all(Rotation::Rename);
}

#[test]
fn row_28_random_lives_with_copytruncate_and_kills_lose_no_more_than_the_window() {
    live_all(Rotation::CopyTruncate);
}

/// Names of what can be packed.
const PACKED: [&str; 4] = ["gz", "zst", "xz", "bz2"];

fn packed(text: &[u8], end: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut packer: Box<dyn Read> = match end {
        "gz" => Box::new(flate2::read::GzEncoder::new(text, flate2::Compression::fast())),
        "zst" => Box::new(zstd::stream::read::Encoder::new(text, 3).unwrap()),
        "xz" => Box::new(liblzma::read::XzEncoder::new(text, 1)),
        _ => Box::new(bzip2::read::BzEncoder::new(text, bzip2::Compression::fast())),
    };
    packer.read_to_end(&mut bytes).unwrap();
    bytes
}
