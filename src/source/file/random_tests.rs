//! Random lives of a log, against what was written: nothing missing, nothing twice.
//!
//! A model writer appends numbered lines (some in two halves), rotates by rename, with or without
//! compression, writes late into the renamed file, and is watched by a tailer that runs, rests and
//! restarts from what is durable in between. With `copytruncate` no reader can be whole; there the
//! test bounds the loss by what was written between two looks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, fs::File, io::Write, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{closing::LINGER, testing::Bench};
use crate::source::archive::testing::ALL;

/// The writing side.
struct Model {
    random: StdRng,
    writer: File,
    /// The writer before the last rotation, which was not told yet.
    old_writer: Option<File>,
    /// Lines written whole.
    written: Vec<String>,
    /// The rest of a line whose first half is in the file.
    half: Option<(String, String)>,
    next: u32,
    rotations: u32,
}

impl Model {
    fn new(seed: u64, bench: &Bench) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            writer: bench.writer("mail.log"),
            old_writer: None,
            written: Vec::new(),
            half: None,
            next: 0,
            rotations: 0,
        }
    }

    fn text(&mut self) -> String {
        self.next += 1;
        let filler = "y".repeat(self.random.random_range(0..200));
        format!("Nov 21 04:00:00 mx postfix/qmgr[1]: {:06} {filler}", self.next)
    }

    fn write(&mut self) {
        self.end_half();
        for _ in 0..self.random.random_range(1..30) {
            let line = self.text();
            writeln!(self.writer, "{line}").unwrap();
            self.written.push(line);
        }
    }

    fn write_half(&mut self) {
        self.end_half();
        let line = self.text();
        let (first, rest) = line.split_at(self.random.random_range(1..line.len()));
        self.writer.write_all(first.as_bytes()).unwrap();
        self.half = Some((line.clone(), rest.to_owned()));
    }

    fn end_half(&mut self) {
        if let Some((line, rest)) = self.half.take() {
            writeln!(self.writer, "{rest}").unwrap();
            self.written.push(line);
        }
    }

    fn write_late(&mut self) {
        let Some(mut old) = self.old_writer.take() else { return };
        let line = self.text();
        writeln!(old, "{line}").unwrap();
        self.written.push(line);
        self.old_writer = Some(old);
    }

    /// `logrotate` with `create`, and `postrotate` at some later time.
    fn rotate(&mut self, bench: &Bench) {
        self.end_half();
        self.shift(bench);
        bench.rename("mail.log", "mail.log.1");
        self.old_writer = Some(std::mem::replace(&mut self.writer, bench.writer("mail.log")));
        self.rotations += 1;
    }

    /// Moves every generation up by one number, and compresses `.1`.
    fn shift(&mut self, bench: &Bench) {
        for number in (2..=self.rotations + 1).rev() {
            let from = format!("mail.log.{number}.packed");
            if bench.path(&from).exists() {
                bench.rename(&from, &format!("mail.log.{}.packed", number + 1));
            }
        }
        self.compress(bench);
    }

    fn compress(&mut self, bench: &Bench) {
        self.old_writer = None;
        if bench.path("mail.log.1").exists() {
            let form = ALL[self.random.random_range(0..ALL.len())];
            bench.pack("mail.log.1", "mail.log.2.packed", form);
            bench.remove("mail.log.1");
        }
    }

    fn copytruncate(&mut self, bench: &Bench) {
        self.end_half();
        copy(bench);
        bench.truncate("mail.log");
    }
}

fn copy(bench: &Bench) {
    if bench.path("mail.log.1").exists() {
        bench.remove("mail.log.1");
    }
    std::fs::copy(bench.path("mail.log"), bench.path("mail.log.1")).unwrap();
}

#[test]
fn random_lives_of_a_log_with_renames_and_archives_lose_nothing_and_double_nothing() {
    for seed in 0..60 {
        let mut bench = Bench::from_beginning();
        let mut model = Model::new(seed, &bench);
        for _ in 0..60 {
            match model.random.random_range(0..20) {
                0..6 => model.write(),
                6..8 => model.write_half(),
                8..10 => model.write_late(),
                10 => model.rotate(&bench),
                11 => bench.pass_time(LINGER),
                12 | 13 => bench.restart(),
                14..17 => drop(bench.poll()),
                _ => drop(bench.round()),
            }
        }
        model.end_half();
        bench.round();
        assert_same(seed, &model.written, &bench.lines);
    }
}

#[test]
fn random_lives_with_copytruncate_lose_nothing_when_nothing_is_written_meanwhile() {
    for seed in 100..140 {
        let mut bench = Bench::from_beginning();
        let mut model = Model::new(seed, &bench);
        for _ in 0..60 {
            match model.random.random_range(0..20) {
                0..8 => model.write(),
                8..10 => model.write_half(),
                10 => {
                    model.copytruncate(&bench);
                    // The copy is removed by the next rotation: it must be seen before.
                    bench.round();
                }
                11 => bench.pass_time(Duration::from_secs(1)),
                12 => bench.restart(),
                13..17 => drop(bench.poll()),
                _ => drop(bench.round()),
            }
        }
        model.end_half();
        bench.round();
        assert_same(seed, &model.written, &bench.lines);
    }
}

/// What is lost between copy and truncation is lost for everyone; all else is there, once.
#[test]
fn copytruncate_loses_at_most_what_was_written_between_the_copy_and_the_truncation() {
    for seed in 200..220 {
        let mut bench = Bench::from_beginning();
        let mut model = Model::new(seed, &bench);
        let mut at_risk = Vec::new();
        for _ in 0..20 {
            model.write();
            bench.poll();
            model.write();
            copy(&bench);
            let before = model.written.len();
            model.write();
            at_risk.extend_from_slice(&model.written[before..]);
            bench.truncate("mail.log");
            bench.round();
        }
        let mut safe = model.written.clone();
        safe.retain(|line| !at_risk.contains(line));
        let mut read = bench.lines.clone();
        read.retain(|line| !at_risk.contains(line));
        assert_same(seed, &safe, &read);
        assert_eq!(bench.tally().truncations, 20, "seed {seed}");
    }
}

fn assert_same(seed: u64, written: &[String], read: &[String]) {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for line in written {
        *counts.entry(line).or_default() += 1;
    }
    for line in read {
        *counts.entry(line).or_default() -= 1;
    }
    counts.retain(|_, count| *count != 0);
    assert!(counts.is_empty(), "seed {seed}: missing are the positive ones: {counts:?}");
}
