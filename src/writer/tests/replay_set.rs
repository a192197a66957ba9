//! A replay that is stopped at any moment, by a crash or in good order, and started again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{HOUR_S, Mode, REPLAY, bench::Bench, lines, values_under};
use crate::{
    event::Event,
    store::{Prefix, Store, chunk, key},
    writer::{ReplaySet, positions, replay_positions},
};

const ID: [u8; 16] = [7; 16];

/// Real logs in which messages wait for lines of others, for a filter, and for a reuse of their ID.
const LOGS: [&str; 6] = [
    "lab/52_amavis_content_filter_no_xforward.rfc3339.log",
    "lab/51_proxy_filter_plain.traditional.log",
    "lab/62_rspamd_milter.rfc3339.log",
    "lab/76_burst_short_ids.rfc3339.log",
    "lab/73_alias_canonical_bcc_forward.rfc3339.log",
    "syslog/06_network_failures.traditional.log",
];

/// One that was not brought to its end, or is gone on with.
pub(super) fn stopped(is_resumed: bool) -> Mode {
    mode(ID, is_resumed)
}

fn mode(id: [u8; 16], is_resumed: bool) -> Mode {
    let set = Some(ReplaySet { id, is_resumed });
    Mode::Replay { since_us: i64::MIN, until_us: i64::MAX, only: None, resend: false, set }
}

/// A replay that is killed has its mark in the store from its first commit on.
fn go_on(dir: &Path) -> Bench {
    let is_resumed = replay_positions(&Store::open(dir).unwrap(), ID, "test").unwrap().is_some();
    Bench::open(dir, mode(ID, is_resumed))
}

fn log(name: &str) -> String {
    fs::read_to_string(format!("fixtures/postfix/3.7.11/{name}")).unwrap()
}

/// Every stored event, by its id.
fn events(dir: &Path) -> BTreeMap<String, Event> {
    let store = Store::open(dir).unwrap();
    let chunks = store.scan(&Prefix::chunks()).unwrap().map(|entry| entry.unwrap());
    let events = chunks
        .flat_map(|(key, value)| chunk::decode(key::parse_chunk(&key).unwrap(), &value).unwrap());
    let mut all = BTreeMap::new();
    for (_, event) in events {
        assert!(all.insert(event.id.to_string(), event).is_none(), "stored twice");
    }
    all
}

fn uninterrupted(log: &str) -> BTreeMap<String, Event> {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), mode(ID, false));
    bench.ingest(log);
    bench.end_replay();
    drop(bench);
    events(dir.path())
}

/// Reads on by some lines at a time; commits, crashes and stops come as they like.
fn interrupted(log: &str, seed: u64) -> BTreeMap<String, Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let lines: Vec<_> = log.split_inclusive('\n').collect();
    let dir = TempDir::new().unwrap();
    let mut bench = go_on(dir.path());
    loop {
        let at = usize::try_from(bench.durable_lines()).unwrap();
        let end = (at + random.random_range(0..40)).min(lines.len());
        bench.ingest(&lines[at..end].concat());
        match random.random_range(0..10) {
            0..2 => bench.writer.commit().unwrap(),
            2..4 => bench.writer.commit_staged(false).unwrap(),
            4..7 => {
                drop(bench);
                bench = go_on(dir.path());
            }
            7..9 => {
                bench.stop();
                bench = go_on(dir.path());
            }
            _ if end == lines.len() => break,
            _ => {}
        }
    }
    bench.end_replay();
    drop(bench);
    assert!(values_under(dir.path(), &Prefix::replay()).is_empty(), "its state is cleaned up");
    events(dir.path())
}

#[test]
fn row_28_a_replay_that_is_killed_and_stopped_at_random_gives_what_an_uninterrupted_one_gives() {
    for name in LOGS {
        let log = log(name);
        let expected = uninterrupted(&log);
        assert!(expected.len() > 10, "{name}");
        for seed in 0..2 {
            let found = interrupted(&log, seed);
            for (id, event) in &expected {
                let mut found = found.get(id).cloned();
                // With which line an event comes that waits is not the same after a restart.
                if let Some(found) = &mut found {
                    found.data.place = event.data.place;
                }
                assert_eq!(found.as_ref(), Some(event), "{name}, seed {seed}");
            }
            assert_eq!(found.len(), expected.len(), "{name}, seed {seed}: invented");
        }
    }
}

#[test]
fn a_replay_may_lag_behind_its_events_only_where_they_are_known_again() {
    let dir = TempDir::new().unwrap();
    let may_lag = |mode, kept| {
        let mut bench = Bench::open(dir.path(), mode);
        bench.writer.retention.events.age = kept;
        let now = Instant::now();
        [now + Duration::from_mins(1), now].map(|place_at| {
            bench.writer.place_at = place_at;
            !bench.writer.is_place_due()
        })
    };
    let resent = match mode(ID, false) {
        Mode::Replay { since_us, until_us, only, set, .. } => {
            Mode::Replay { since_us, until_us, only, resend: true, set }
        }
        Mode::Live => Mode::Live,
    };
    let day = Duration::from_hours(24);
    assert_eq!(may_lag(mode(ID, false), day), [true, false]);
    assert_eq!(may_lag(mode(ID, false), Duration::ZERO), [false; 2], "nothing is kept");
    assert_eq!(may_lag(resent, day), [false; 2], "all is sent again");
    assert_eq!(may_lag(Mode::Live, day), [false; 2]);
}

const OPEN: &str =
    "2026-03-01T10:00:00+00:00 mx postfix/smtpd[1]: 3A6B2C8000: client=c.test[192.0.2.9]\n";

#[test]
fn what_a_replay_keeps_is_apart_from_the_present_and_gone_when_it_is_over() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), mode(ID, false));
    bench.ingest(OPEN);
    bench.writer.commit().unwrap();
    drop(bench);
    assert!(values_under(dir.path(), &Prefix::ledger()).is_empty());
    assert!(positions(&Store::open(dir.path()).unwrap(), "test").unwrap().is_empty());
    assert_eq!(values_under(dir.path(), &Prefix::ledger().of_replay()).len(), 1);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!((bench.durable_lines(), bench.writer.intake().unwrap().correlator.len()), (0, 0));
    bench.ingest(OPEN);
    bench.writer.commit().unwrap();
    drop(bench);
    let mut bench = go_on(dir.path());
    assert_eq!((bench.durable_lines(), bench.writer.intake().unwrap().correlator.len()), (1, 1));
    bench.end_replay();
    drop(bench);
    assert!(values_under(dir.path(), &Prefix::replay()).is_empty());
    assert_eq!(values_under(dir.path(), &Prefix::ledger()).len(), 1, "the present stays");
}

#[test]
fn another_replay_takes_the_place_of_the_one_that_was_stopped() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), mode(ID, false));
    bench.ingest(OPEN);
    bench.writer.commit().unwrap();
    drop(bench);
    let other = [8; 16];
    let positions = |id| replay_positions(&Store::open(dir.path()).unwrap(), id, "test").unwrap();
    assert_eq!((positions(ID).map(|all| all.len()), positions(other)), (Some(1), None));
    drop(Bench::open(dir.path(), mode(other, false)));
    assert_eq!((positions(ID), positions(other)), (None, Some(Vec::new())));
    assert!(values_under(dir.path(), &Prefix::ledger().of_replay()).is_empty());
}

#[test]
fn a_replay_of_a_stream_leaves_the_one_that_was_stopped_alone() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), mode(ID, false));
    bench.ingest(OPEN);
    bench.writer.commit().unwrap();
    drop(bench);
    Bench::open(dir.path(), REPLAY).end_replay();
    assert_eq!(go_on(dir.path()).durable_lines(), 1);
}

#[test]
fn a_replay_that_nobody_goes_on_with_is_forgotten_after_a_month() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), mode(ID, false));
    bench.ingest(&format!("{OPEN}{}", lines(0, 40)));
    bench.writer.commit().unwrap();
    drop(bench);
    for (hours, is_left) in [(2, true), (31 * 24, false)] {
        let mut bench = Bench::open(dir.path(), Mode::Live);
        for hour in [hours, hours + 2, hours + 4] {
            bench.clock.set_ms(hour * HOUR_S * 1000);
            bench.forget();
        }
        drop(bench);
        assert_eq!(!values_under(dir.path(), &Prefix::replay()).is_empty(), is_left, "{hours}");
    }
}
