//! The copy of a database that takes its place, and what a crash leaves at each step of that.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use super::{
    Commit, Key, Store,
    damage_tests::{COMMITS, child, commit, sound, target_dir, whole},
    rebuild::{Sparse, Step},
};

const STEP: &str = "MAILHERALD_REBUILD_TEST_STEP";

const STEPS: [Step; 6] =
    [Step::Begun, Step::HalfCopied, Step::Copied, Step::Synced, Step::Pointed, Step::Removed];

fn databases(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let directories = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        directories.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_sparse_store_is_copied_and_goes_on_and_a_dense_one_stays() {
    let dir = sound();
    let mut store = Store::open(dir.path()).unwrap();
    let size = store.size_on_disk().unwrap();
    for sparse in [Sparse { times: 1, bytes: size * 2 }, Sparse { times: 1000, bytes: 0 }] {
        assert!(!store.rebuild_if_sparse(sparse, &mut || {}).unwrap());
    }
    assert_eq!(databases(dir.path()), ["store"]);
    // What makes it sparse: much that came and went.
    for round in 0..30 {
        let mut filling = Commit::new();
        (0..200)
            .for_each(|i| filling.put(Key::dead(super::damage_tests::HOOK, i), vec![round; 4000]));
        store.apply(filling).unwrap();
    }
    let mut emptying = Commit::new();
    (0..200).for_each(|i| emptying.remove(Key::dead(super::damage_tests::HOOK, i)));
    store.apply(emptying).unwrap();
    let before = store.size_on_disk().unwrap();
    for name in ["store-2", "store-3"] {
        assert!(store.rebuild_if_sparse(Sparse { times: 1, bytes: 1 }, &mut || {}).unwrap());
        assert_eq!(databases(dir.path()), [name]);
        assert_eq!(whole(&store), COMMITS);
    }
    assert!(store.size_on_disk().unwrap() < before, "of {before}");
    store.apply(commit(COMMITS + 1)).unwrap();
    drop(store);
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(whole(&again), COMMITS + 1, "commits to the copy are durable");
}

/// A watchdog waits for five minutes, and a large store takes longer.
#[test]
fn while_it_gets_somewhere_it_says_so() {
    let dir = sound();
    let mut store = Store::open(dir.path()).unwrap();
    let mut many = Commit::new();
    (0..5000).for_each(|i| many.put(Key::aside(i), vec![1; 10]));
    store.apply(many).unwrap();
    let mut said = 0;
    store.rebuild_if_sparse(Sparse { times: u64::MAX, bytes: 0 }, &mut || said += 1).unwrap();
    assert!(said >= 5, "{said} times while all was read");
    said = 0;
    store.rebuild(&mut |_| said += 1).unwrap();
    assert!(said >= 10, "{said} times while it was copied");
}

#[test]
fn a_crash_at_any_step_leaves_one_whole_store() {
    for (number, step) in STEPS.iter().enumerate() {
        let dir = sound();
        let name = "store::rebuild_tests::child_that_dies_at_a_step";
        let status = child(name, dir.path()).env(STEP, number.to_string()).status().unwrap();
        assert_eq!(status.code(), None, "{step:?}: it was not killed, {status}");
        let store = Store::open(dir.path()).unwrap_or_else(|error| panic!("{step:?}: {error:?}"));
        assert_eq!(whole(&store), COMMITS, "{step:?}");
        let is_done = matches!(step, Step::Pointed | Step::Removed);
        let expected = if is_done { "store-2" } else { "store" };
        assert_eq!(databases(dir.path()), [expected], "{step:?}");
        store.apply(commit(COMMITS + 1)).unwrap();
        drop(store);
        // And a second try works.
        let mut store = Store::open(dir.path()).unwrap();
        assert!(store.rebuild_if_sparse(Sparse { times: 1, bytes: 1 }, &mut || {}).unwrap());
        assert_eq!(whole(&store), COMMITS + 1, "{step:?}");
    }
}

#[test]
#[ignore = "the child of the rebuild tests"]
fn child_that_dies_at_a_step() {
    let (Some(dir), Ok(number)) = (target_dir(), std::env::var(STEP)) else { return };
    let fatal = STEPS.get(number.parse::<usize>().unwrap()).copied().unwrap();
    let mut store = Store::open(&dir).unwrap();
    // Enough keys for more than one batch of the copy.
    let mut many = Commit::new();
    (0..1500).for_each(|i| many.put(Key::aside(i), vec![1; 10]));
    store.apply(many).unwrap();
    store
        .rebuild(&mut |step| {
            if step == fatal {
                std::process::abort();
            }
        })
        .unwrap();
}
