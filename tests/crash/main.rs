//! The built program is killed again and again over a growing log, also while it opens its store;
//! what it left is held against an independent reading of the same log.
//!
//! `MAILHERALD_CRASH_CYCLES` says how often (`cargo xtask crash --cycles N`), and
//! `MAILHERALD_CRASH_SEED` repeats a run's moments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod herald;
mod receiver;
mod stored;
mod traffic;

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use herald::Herald;
use receiver::Receiver;
use stored::Stored;
use traffic::Traffic;

/// Kills of a plain `cargo test`.
const CYCLES: u64 = 200;
/// Cycles between two looks at what was left.
const CHECK_EVERY: u64 = 25;
/// How long a process lives on after it has started.
const LIFE: Duration = Duration::from_millis(150);
/// Between two deliveries of the last process.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn whenever_it_is_killed_every_event_is_stored_once_and_every_delivery_is_made() {
    let (cycles, seed) = (
        setting("MAILHERALD_CRASH_CYCLES", CYCLES),
        setting("MAILHERALD_CRASH_SEED", rand::random()),
    );
    eprintln!("{cycles} cycles; the moments follow from MAILHERALD_CRASH_SEED={seed}");
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start();
    let herald = Herald::new(dir.path(), receiver.port);
    let traffic = Traffic::start(&herald.log(), seed);
    let mut opening = time_to_recover(&herald);
    let mut random = StdRng::seed_from_u64(seed);
    let mut started = 0;
    for cycle in 1..=cycles {
        let life = moment(&mut random, opening);
        started += u64::from(herald.run_and_kill(life));
        if cycle % CHECK_EVERY == 0 {
            Stored::read(&herald).agrees_with(&herald, &receiver);
            opening = time_to_recover(&herald);
        }
    }
    eprintln!("{started} of {cycles} were killed at work, the others while they started");
    let both = started >= cycles / 50 && cycles - started >= cycles / 50;
    assert!(both, "one kind of moment is missing");
    finish(&herald, &receiver, traffic);
}

/// How long a start takes after a kill: the store is looked through then, and it grows.
fn time_to_recover(herald: &Herald) -> Duration {
    // What was closed in good order starts faster.
    herald.time_to_start();
    herald.time_to_start()
}

/// Half of the moments lie in the start, which is mostly the opening of the store.
fn moment(random: &mut StdRng, opening: Duration) -> Duration {
    if random.random_bool(0.5) {
        opening.mul_f64(random.random())
    } else {
        opening + LIFE.mul_f64(random.random())
    }
}

/// Lets the last process do all that is left.
fn finish(herald: &Herald, receiver: &Receiver, traffic: Traffic) {
    let ends = traffic.stop();
    let last = herald.start();
    let wanted = herald.events_of_the_log(u64::MAX);
    assert!(wanted.len() > 2 * ends && ends > 20, "{} events of {ends} ends", wanted.len());
    // A long loop leaves much to deliver: what counts is that it goes on.
    let mut before = 0;
    while receiver.answered() < wanted.len() {
        let more = || receiver.answered() > before;
        herald::until(PATIENCE, more, || {
            let is_open = |id: &&String| !receiver.has_answered(id);
            let open: Vec<_> = wanted.keys().filter(is_open).take(20).collect();
            format!("{before} of {} answered, not {open:#?}\n{}", wanted.len(), last.said())
        });
        before = receiver.answered();
    }
    last.stop();
    let stored = Stored::read(herald);
    stored.agrees_with(herald, receiver);
    assert_eq!(stored.events, wanted, "the whole log is stored");
    assert_eq!(stored.ends(), ends, "each recipient has one end");
    assert_eq!(stored.waiting, 0, "nothing waits for a retry");
    assert_eq!(stored.dead, receiver.refused_for_good(), "dead is what was refused for good");
    eprintln!("{} events, {} deliveries twice", stored.events.len(), receiver.repeats());
}

fn setting(name: &str, fallback: u64) -> u64 {
    std::env::var(name).map_or(fallback, |text| text.parse().expect("a number"))
}
