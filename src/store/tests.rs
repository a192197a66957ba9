//! The store on a real disk: commits, scans, poison, repairs at opening.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    Commit, Key, Prefix, Store, StoreErrorKind,
    open::DATABASE,
    testing::{TestDisk, open_on},
};
use crate::{config::checked::WebhookId, limits::REMOVES_PER_COMMIT};

fn put(key: Key, value: &[u8]) -> Commit {
    let mut commit = Commit::new();
    commit.put(key, value.to_vec());
    commit
}

fn keys(store: &Store, prefix: &Prefix) -> Vec<Vec<u8>> {
    store.scan(prefix).unwrap().map(|entry| entry.unwrap().0).collect()
}

/// A store with `chunks` chunks, each holding one byte.
fn filled(dir: &Path, chunks: u64) -> Store {
    let store = Store::open(dir).unwrap();
    let mut commit = Commit::new();
    (0..chunks).for_each(|seq| commit.put(Key::chunk(seq), vec![1]));
    store.apply(commit).unwrap();
    store
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.apply(put(Key::meta("a"), b"one")).unwrap();
    let mut commit = put(Key::meta("b"), b"two");
    commit.remove(Key::meta("a"));
    store.apply(commit).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.get(&Key::meta("a")).unwrap(), None);
    assert_eq!(store.get(&Key::meta("b")).unwrap().as_deref(), Some(b"two".as_slice()));
}

#[test]
fn scans_are_ordered_and_stay_inside_their_prefix_or_range() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (one, two) = (WebhookId([1; 16]), WebhookId([2; 16]));
    let mut commit = Commit::new();
    for (hook, due) in [(one, 300), (one, 20), (one, 256), (two, 1)] {
        commit.put(Key::retry(hook, due, 7), vec![9]);
    }
    store.apply(commit).unwrap();
    let due = |due| Key::retry(one, due, 7).as_bytes().to_vec();
    assert_eq!(keys(&store, &Prefix::retries(one)), [due(20), due(256), due(300)]);
    let range = store.scan_range(&Key::retry(one, 0, 0), &Key::retry(one, 256, 8)).unwrap();
    let range: Vec<_> = range.map(|entry| entry.unwrap().0).collect();
    assert_eq!(range, [due(20), due(256)]);
    let all = Prefix::retries(one);
    let behind = store.scan_behind(&all, &due(20)).unwrap();
    assert_eq!(behind.map(|entry| entry.unwrap().0).collect::<Vec<_>>(), [due(256), due(300)]);
    assert_eq!(store.scan_behind(&all, &[]).unwrap().count(), 3);
    assert_eq!(store.last(&Prefix::retries(one)).unwrap().unwrap().0, due(300));
    assert_eq!(store.last(&Prefix::chunks()).unwrap(), None);
}

#[test]
fn more_removes_than_one_batch_takes_all_happen_and_leave_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let many = REMOVES_PER_COMMIT as u64 * 3 + 17;
    let store = filled(dir.path(), many + 1);
    let mut commit = put(Key::meta("after"), b"x");
    (0..many).for_each(|seq| commit.remove(Key::chunk(seq)));
    store.apply(commit).unwrap();
    assert_eq!(keys(&store, &Prefix::chunks()), [Key::chunk(many).as_bytes()]);
    let raw: Vec<_> = store.db.iter().map(|entry| entry.unwrap()).collect();
    assert_eq!(raw.len(), 4, "format, commits, after and one chunk: {raw:?}");
}

#[test]
fn tombstones_of_an_interrupted_commit_read_as_absent_and_are_swept_at_opening() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path(), 4);
    // What is on disk after a crash behind the first batch of a commit with many removes.
    store.db.insert(Key::meta("sweep").as_bytes(), &[1]).unwrap();
    store.db.insert(Key::chunk(1).as_bytes(), &[]).unwrap();
    store.db.insert(Key::chunk(3).as_bytes(), &[]).unwrap();
    let left = [Key::chunk(0), Key::chunk(2)].map(|key| key.as_bytes().to_vec());
    assert_eq!(keys(&store, &Prefix::chunks()), left);
    assert_eq!(store.get(&Key::chunk(1)).unwrap(), None);
    assert_eq!(store.last(&Prefix::chunks()).unwrap().unwrap().0, left[1]);
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(keys(&store, &Prefix::chunks()), left);
    assert_eq!(store.db.len(), 4, "format, commits and two chunks");
}

#[test]
fn a_commit_returns_only_after_a_sync_and_an_empty_one_needs_none() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let store = open_on(dir.path(), &disk);
    let before = disk.syncs.load(Ordering::SeqCst);
    store.apply(Commit::new()).unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), before);
    store.apply(put(Key::meta("a"), b"x")).unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_failed_sync_poisons_the_store_even_when_the_disk_recovers() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let store = open_on(dir.path(), &disk);
    disk.failing.store(true, Ordering::SeqCst);
    let error = store.apply(put(Key::meta("a"), b"x")).unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::Io(_)));
    disk.failing.store(false, Ordering::SeqCst);
    let poisoned = |error: &super::StoreError| matches!(error.kind(), StoreErrorKind::Poisoned);
    assert!(poisoned(&store.apply(put(Key::meta("b"), b"x")).unwrap_err()));
    assert!(poisoned(&store.get(&Key::meta("a")).unwrap_err()));
    assert!(poisoned(&store.scan(&Prefix::chunks()).err().unwrap()));
    drop(store);
    let store = open_on(dir.path(), &disk);
    assert_eq!(store.get(&Key::meta("b")).unwrap(), None);
}

#[test]
fn row_32_a_second_opener_is_refused_with_the_path_of_the_lock() {
    let dir = TempDir::new().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    let second = Store::open_within(dir.path(), Duration::from_millis(30), |_| unreachable!());
    let error = second.unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::Locked(path) if path.starts_with(dir.path())));
}

#[test]
fn row_32_an_opener_waits_for_a_predecessor_that_is_still_ending() {
    let dir = TempDir::new().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let (started, wait) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            started.send(()).unwrap();
            Store::open(dir.path())
        });
        wait.recv().unwrap();
        drop(first);
        assert!(second.join().unwrap().is_ok());
    });
}

#[test]
fn an_unfinished_snapshot_of_a_killed_process_does_not_stop_the_next_opening() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path(), 300));
    drop(Store::open(dir.path()).unwrap());
    let name = "snap.00000000000FFFFF.generating";
    fs::write(dir.path().join(DATABASE).join(name), b"half").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(keys(&store, &Prefix::chunks()).len(), 300);
    assert!(!dir.path().join(DATABASE).join(name).exists());
}

#[test]
fn a_truncated_snapshot_is_rebuilt_from_the_log() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path(), 300));
    drop(Store::open(dir.path()).unwrap());
    let entries = fs::read_dir(dir.path().join(DATABASE)).unwrap();
    let snapshots = entries.map(|entry| entry.unwrap().path());
    let snapshots: Vec<_> =
        snapshots.filter(|path| path.to_string_lossy().contains("snap.")).collect();
    assert!(!snapshots.is_empty());
    for path in snapshots {
        let half = fs::metadata(&path).unwrap().len() / 2;
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(half).unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(keys(&store, &Prefix::chunks()).len(), 300);
}

#[test]
fn a_store_of_a_later_version_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.apply(put(Key::meta("format"), &[200])).unwrap();
    drop(store);
    let error = Store::open(dir.path()).unwrap_err();
    let found = StoreErrorKind::FormatTooNew { found: 200, supported: 1 };
    assert_eq!(format!("{:?}", error.kind()), format!("{found:?}"));
}

#[test]
fn a_store_without_a_format_marker_is_called_corrupt() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path(), 2);
    let mut commit = Commit::new();
    commit.remove(Key::meta("format"));
    store.apply(commit).unwrap();
    drop(store);
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::Corrupt(_)), "{error:?}");
}

#[test]
fn garbage_in_the_database_is_an_error_and_never_a_panic() {
    let dir = TempDir::new().unwrap();
    drop(filled(dir.path(), 300));
    let path = dir.path().join(DATABASE).join("db");
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().take(4096).for_each(|byte| *byte = 0xa5);
    fs::write(&path, bytes).unwrap();
    if let Ok(store) = Store::open(dir.path()) {
        // sled may find what is left of the log; then it must not claim to hold what it lost.
        assert!(keys(&store, &Prefix::chunks()).len() <= 300);
    }
}
