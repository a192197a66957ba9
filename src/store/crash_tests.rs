//! A process that commits is killed at random, and what it left is checked from the data alone.
//!
//! Commit `n` sets `last = n`, writes [`width`] chunks of its own and removes those of commit
//! `n - KEPT`. So a store whose marker says `n` holds exactly the chunks of the commits
//! `n - KEPT + 1 ..= n`, whatever happened. The child reports a number only after its commit
//! returned; a reported commit must be found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests measure real time"
)]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{Commit, Key, Prefix, Store, key};
use crate::limits::REMOVES_PER_COMMIT;

/// Chunks of the widest commits: their removal overflows one batch.
const WIDTH: u64 = REMOVES_PER_COMMIT as u64 + 60;

/// Commits whose chunks are kept.
const KEPT: u64 = 3;

/// For one step of a child on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells the child where its store is.
const DIR: &str = "MAILHERALD_CRASH_TEST_DIR";

#[test]
fn killed_while_committing_no_commit_is_half_there_and_no_reported_one_is_lost() {
    kill_and_check(1, 24, |_| 0.02..2.0);
}

#[test]
fn killed_while_opening_the_store_opens_again_and_is_whole() {
    // Every other run gets time to commit, so that there is something to open.
    kill_and_check(2, 24, |cycle| if cycle % 2 == 0 { 1.0..2.0 } else { 0.0..0.3 });
}

#[test]
#[ignore = "the child of the crash tests"]
fn child_that_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    say("opening");
    let store = Store::open(&PathBuf::from(dir)).unwrap();
    for n in marker(&store) + 1.. {
        store.apply(numbered(n)).unwrap();
        say(&n.to_string());
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "crash-child {text}").and_then(|()| out.flush()).unwrap();
}

/// Chunks of commit `n`. Most are small: sled writes a large one out by itself, so only small ones
/// show a missing flush.
fn width(n: u64) -> u64 {
    if n.is_multiple_of(8) { WIDTH } else { 3 }
}

fn numbered(n: u64) -> Commit {
    let mut commit = Commit::new();
    commit.put(Key::meta("last"), n.to_be_bytes().to_vec());
    for i in 0..width(n) {
        commit.put(Key::chunk(n * WIDTH + i), content(n, i));
    }
    if let Some(old) = n.checked_sub(KEPT) {
        (0..width(old)).for_each(|i| commit.remove(Key::chunk(old * WIDTH + i)));
    }
    commit
}

fn content(n: u64, i: u64) -> Vec<u8> {
    let length = usize::try_from(1 + (n * 31 + i * 7) % 700).unwrap();
    vec![u8::try_from((n + i) % 251).unwrap(); length]
}

fn marker(store: &Store) -> u64 {
    let value = store.get(&Key::meta("last")).unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

/// Kills at moments that are parts of the time that a child takes for its first commits: what is
/// long on one machine is short on another.
fn kill_and_check(seed: u64, cycles: usize, moments: fn(usize) -> std::ops::Range<f64>) {
    let dir = TempDir::new().unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let warm_up = time_of_first_commits(dir.path());
    let first = marker(&Store::open(dir.path()).unwrap());
    for cycle in 0..cycles {
        let life = warm_up.mul_f64(random.random_range(moments(cycle)));
        let reported = run_and_kill(dir.path(), life);
        let store = Store::open(dir.path()).unwrap_or_else(|e| panic!("cycle {cycle}: {e:?}"));
        check(&store, reported);
    }
    assert!(marker(&Store::open(dir.path()).unwrap()) > first, "nothing was tested");
}

/// From the moment at which a child begins to open its store.
fn time_of_first_commits(dir: &Path) -> Duration {
    let (mut child, lines) = spawn_child(dir);
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "opening");
    let begin = std::time::Instant::now();
    while lines.recv_timeout(PATIENCE).unwrap().parse::<u64>().unwrap() <= KEPT + 2 {}
    child.kill().unwrap();
    child.wait().unwrap();
    begin.elapsed()
}

/// Runs the child, kills it when it has lived for `after` since it began to open, and returns its
/// last report.
fn run_and_kill(dir: &Path, after: Duration) -> u64 {
    let (mut child, lines) = spawn_child(dir);
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "opening");
    // Not a wait for something to happen: the moment of the kill is the input of this test.
    let deadline = std::time::Instant::now() + after;
    let mut reported = 0;
    while let Some(left) = deadline.checked_duration_since(std::time::Instant::now()) {
        match lines.recv_timeout(left) {
            Ok(line) => reported = line.parse().unwrap(),
            Err(_) => break,
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.iter().last().map_or(reported, |line| line.parse().unwrap())
}

fn spawn_child(dir: &Path) -> (Child, mpsc::Receiver<String>) {
    let name = "store::crash_tests::child_that_commits_until_it_is_killed";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (send, lines) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        let complete = out.lines().map_while(Result::ok);
        // The harness prints to the same pipe, once without a line end.
        for line in complete {
            if let Some((_, text)) = line.split_once("crash-child ") {
                drop(send.send(text.to_owned()));
            }
        }
    });
    (child, lines)
}

fn check(store: &Store, reported: u64) {
    let last = marker(store);
    assert!(last >= reported, "commit {reported} was reported, but {last} is the last");
    let commits = last.saturating_sub(KEPT - 1).max(1)..=last;
    let expected: BTreeSet<u64> =
        commits.flat_map(|n| (0..width(n)).map(move |i| n * WIDTH + i)).collect();
    let mut found = BTreeSet::new();
    for entry in store.scan(&Prefix::chunks()).unwrap() {
        let (key, value) = entry.unwrap();
        let seq = key::parse_chunk(&key).unwrap();
        assert_eq!(value, content(seq / WIDTH, seq % WIDTH));
        found.insert(seq);
    }
    assert!(found == expected, "commit {last} is not whole");
    assert!(store.db.iter().values().all(|value| !value.unwrap().is_empty()), "a tombstone stayed");
}
