//! The index of events as the writer makes it.

use tempfile::TempDir;

use super::{Bench, Mode, Store, delivered, lines};
use crate::{
    search::{Wanted, find},
    store::{Commit, Key, Prefix},
};

/// Twice as many events as a segment has in tests, and some.
const MANY: usize = 150;

fn segments(store: &Store) -> Vec<(u64, u64)> {
    let all = store.scan(&Prefix::segments()).unwrap();
    all.map(|entry| {
        let segment = crate::store::index::segment(&entry.unwrap().1).unwrap();
        (segment.first_seq, segment.end_seq)
    })
    .collect()
}

/// Each of the events is found by its recipient, and nothing else is.
fn check(store: &Store, from: usize, to: usize) {
    for number in 0..MANY {
        let wanted = Wanted { to: Some(recipient(number)), limit: 9, ..Wanted::default() };
        let found: Vec<_> =
            find(store, &wanted).unwrap().events.iter().map(|(seq, _)| *seq).collect();
        let expected: &[u64] = if (from..to).contains(&number) { &[number as u64] } else { &[] };
        assert_eq!(found, expected, "{number}");
    }
}

fn recipient(number: usize) -> String {
    let line = super::line(0, number);
    let (_, rest) = line.split_once("to=<").unwrap();
    rest.split_once('>').unwrap().0.to_owned()
}

/// As many events, over a restart in the middle.
fn written(dir: &TempDir) {
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(
        &lines(0, MANY).lines().take(100).map(|line| line.to_owned() + "\n").collect::<String>(),
    );
    bench.writer.commit().unwrap();
    drop(bench);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(
        &lines(0, MANY).lines().skip(100).map(|line| line.to_owned() + "\n").collect::<String>(),
    );
    bench.writer.commit().unwrap();
}

#[test]
fn events_get_their_index_over_a_restart_as_without_one() {
    let dir = TempDir::new().unwrap();
    written(&dir);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(segments(&store), [(0, 64), (64, 128)]);
    check(&store, 0, MANY);
}

/// An earlier version stored no index, and none may be missing for ever.
#[test]
fn events_of_an_earlier_version_are_found_at_once_and_get_their_index_by_and_by() {
    let dir = TempDir::new().unwrap();
    written(&dir);
    let store = Store::open(dir.path()).unwrap();
    let mut commit = Commit::new();
    for table in [Prefix::segments(), Prefix::terms(0), Prefix::terms(64)] {
        for entry in store.scan(&table).unwrap() {
            commit.remove(Key::from_stored(&entry.unwrap().0));
        }
    }
    store.apply(commit).unwrap();
    check(&store, 0, MANY);
    drop(store);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    while bench.writer.forget_some().unwrap() {
        bench.writer.commit().unwrap();
    }
    bench.writer.commit().unwrap();
    drop(bench);
    let store = Store::open(dir.path()).unwrap();
    // The newest first, and what is left at the beginning is shorter.
    assert_eq!(segments(&store), [(0, 22), (22, 86), (86, 150)]);
    check(&store, 0, MANY);
}

#[test]
fn the_index_of_deleted_events_goes_with_them() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, MANY));
    bench.writer.commit().unwrap();
    loop {
        let claims = bench.claim(MANY).claims;
        if claims.is_empty() {
            break;
        }
        for claim in &claims {
            bench.finish(claim, delivered());
        }
        bench.writer.commit().unwrap();
    }
    // Everything is a year old.
    bench.clock.set_ms(365 * 24 * 3_600_000);
    for _ in 0..20 {
        bench.writer.forget_some().unwrap();
        bench.writer.commit().unwrap();
    }
    drop(bench);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(segments(&store), []);
    assert_eq!(store.scan(&Prefix::terms(0)).unwrap().count(), 0);
}
