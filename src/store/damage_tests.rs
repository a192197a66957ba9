//! Files that are not as they were left: whatever is wrong with them, the store is whole, or it is
//! said what was lost.
//!
//! Commit `n` sets `last = n`, appends a chunk of [`EVENTS`] events and a waiting retry, and removes
//! the retry of commit `n - KEPT`. So what must be there follows from the marker alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests and their child process")]

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{ChunkBuilder, Commit, DAMAGED, Key, Loss, Prefix, Store, chunk, key, open::DATABASE};
use crate::{
    config::checked::WebhookId,
    event::{Event, EventData, EventId, EventType, MessageUid, TimeQuality},
};

const EVENTS: u64 = 6;
pub(super) const COMMITS: u64 = 40;
const KEPT: u64 = 4;
/// Apart from each other, the bytes that are flipped.
const STEP: usize = 4096;
/// Tells the child where its store is.
const DIR: &str = "MAILHERALD_DAMAGE_TEST_DIR";
pub(super) const HOOK: WebhookId = WebhookId([3; 16]);

fn event(seq: u64) -> Event {
    let byte = u8::try_from(seq % 251).unwrap();
    // Text that no compression or alignment makes regular.
    let response = (0..500 + seq % 97).map(|i| char::from(33 + ((seq * 7 + i * 13) % 90) as u8));
    Event {
        id: EventId([byte; 16]),
        kind: EventType::OutboundBounced,
        at_us: 1_700_000_000_000_000,
        time_quality: TimeQuality::Exact,
        data: Box::new(EventData {
            uid: MessageUid([byte; 16]),
            response: Some(response.collect()),
            ..EventData::default()
        }),
    }
}

pub(super) fn commit(n: u64) -> Commit {
    let mut chunk = ChunkBuilder::new((n - 1) * EVENTS);
    (0..EVENTS).for_each(|i| assert!(chunk.push(&event((n - 1) * EVENTS + i))));
    let mut commit = Commit::new();
    commit.put(Key::meta("last"), n.to_be_bytes().to_vec());
    for (first_seq, value) in chunk.values() {
        commit.put(Key::chunk(first_seq), value);
    }
    commit.put(Key::retry(HOOK, n, n), vec![1, 2, 3]);
    if let Some(old) = n.checked_sub(KEPT) {
        commit.remove(Key::retry(HOOK, old, old));
    }
    commit
}

/// A store with [`COMMITS`] commits that was closed; opened twice, so that it has a snapshot.
pub(super) fn sound() -> TempDir {
    let dir = TempDir::new().unwrap();
    for half in [1..COMMITS / 2, COMMITS / 2..COMMITS + 1] {
        let store = Store::open(dir.path()).unwrap();
        half.for_each(|n| store.apply(commit(n)).unwrap());
    }
    dir
}

/// The number of the last commit, after a look at everything that must be there with it.
pub(super) fn whole(store: &Store) -> u64 {
    let last = store.get(&Key::meta("last")).unwrap();
    let last = last.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()));
    let mut seq = 0;
    for entry in store.scan(&Prefix::chunks()).unwrap() {
        let (key, value) = entry.unwrap();
        for (found, content) in chunk::decode(key::parse_chunk(&key).unwrap(), &value).unwrap() {
            assert_eq!((found, &content), (seq, &event(seq)));
            seq += 1;
        }
    }
    assert_eq!(seq, last * EVENTS, "events of {last} commits");
    let retries = store.scan(&Prefix::retries(HOOK)).unwrap();
    let found: Vec<_> =
        retries.map(|entry| key::parse_retry(&entry.unwrap().0).unwrap().2).collect();
    let expected: Vec<_> = (last.saturating_sub(KEPT - 1).max(1)..=last).collect();
    assert_eq!(found, expected, "retries of {last} commits");
    last
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(DATABASE)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join(DATABASE)).unwrap();
    for file in files(from) {
        fs::copy(&file, to.path().join(DATABASE).join(file.file_name().unwrap())).unwrap();
    }
    for name in ["CURRENT", "commits"] {
        fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    to
}

/// Recovers the store in another process and gives what that says, and whether it came to its end.
fn recover_in_child(dir: &Path) -> (String, bool) {
    let name = "store::damage_tests::child_that_recovers_a_store";
    let output = child(name, dir).stderr(Stdio::piped()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = out.split_once("damage-child ").map(|(_, said)| said.lines().next().unwrap());
    let error = String::from_utf8_lossy(&output.stderr);
    (said.map_or_else(|| error.into_owned(), str::to_owned), output.status.success())
}

fn say(text: &str) {
    writeln!(io::stdout().lock(), "damage-child {text}").unwrap();
}

/// Where a child finds its store.
pub(super) fn target_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

pub(super) fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).env(DIR, dir);
    command.stdin(Stdio::null());
    command
}

fn trial(dir: &Path) -> Command {
    child("store::damage_tests::child_that_tries_a_store_out", dir)
}

#[test]
#[ignore = "a child of the damage tests"]
fn child_that_tries_a_store_out() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    if let Err(error) = Store::try_out(Path::new(&dir)) {
        say(&format!("{error:?}"));
        std::process::exit(i32::from(DAMAGED));
    }
}

#[test]
#[ignore = "a child of the damage tests"]
fn child_that_recovers_a_store() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    let recovered = Store::recover(dir, Timestamp::UNIX_EPOCH, || Ok(trial(dir))).unwrap();
    let last = whole(&recovered.store);
    let loss = match recovered.loss {
        None => "nothing".to_owned(),
        Some(Loss::Commits { count }) => format!("commits {count}"),
        Some(Loss::Everything { aside, .. }) => {
            assert!(aside.starts_with(dir));
            assert!(recovered.store.has_begun_anew().unwrap());
            "everything".to_owned()
        }
    };
    recovered.store.apply(commit(last + 1)).unwrap();
    say(&format!("last {last} lost {loss}"));
}

/// What a recovery of a store that was closed may say.
fn is_honest(said: &str) -> bool {
    let words: Vec<_> = said.split(' ').collect();
    match words[..] {
        ["last", last, "lost", "nothing"] => last == COMMITS.to_string(),
        ["last", last, "lost", "commits", count] => {
            last.parse::<u64>().unwrap() + count.parse::<u64>().unwrap() == COMMITS
        }
        ["last", "0", "lost", "everything"] => true,
        _ => false,
    }
}

fn flip_everywhere(offset: u64, step: usize) {
    let sound = sound();
    assert_eq!(
        recover_in_child(copy(sound.path()).path()).0,
        format!("last {COMMITS} lost nothing")
    );
    let (mut count, mut noticed) = (0, 0);
    for file in files(sound.path()) {
        for at in (offset..fs::metadata(&file).unwrap().len()).step_by(step) {
            let damaged = copy(sound.path());
            let path = damaged.path().join(DATABASE).join(file.file_name().unwrap());
            flip(&path, at);
            let (said, ended) = recover_in_child(damaged.path());
            assert!(ended && is_honest(&said), "byte {at} of {}: {said}", path.display());
            count += 1;
            noticed += u32::from(!said.ends_with("lost nothing"));
        }
    }
    assert!(count > 30 && noticed > 3, "{noticed} of {count} did harm");
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
}

#[test]
fn row_31_a_flipped_byte_every_4_kib_does_no_harm_that_is_not_said() {
    flip_everywhere(0, STEP);
}

#[test]
fn row_31_a_flipped_byte_inside_a_page_does_no_harm_that_is_not_said() {
    flip_everywhere(1777, 3 * STEP);
}

/// After a crash nobody knows how many commits there were, but how many at least: the last number
/// written down is that of a multiple of 32, of which the first is the store's own.
#[test]
fn damage_after_a_crash_is_said_as_far_as_it_goes_back_behind_what_was_written_down() {
    let sound = sound();
    let mut noticed = 0;
    let db = sound.path().join(DATABASE).join("db");
    for at in (0..fs::metadata(db).unwrap().len()).step_by(11 * 1024) {
        let damaged = copy(sound.path());
        fs::write(damaged.path().join("commits"), "32 open").unwrap();
        flip(&damaged.path().join(DATABASE).join("db"), at);
        let (said, ended) = recover_in_child(damaged.path());
        let words: Vec<_> = said.split(' ').collect();
        let is_honest = match words[..] {
            ["last", last, "lost", "nothing"] => last.parse::<u64>().unwrap() >= 31,
            ["last", last, "lost", "commits", count] => {
                last.parse::<u64>().unwrap() + count.parse::<u64>().unwrap() == 31
            }
            _ => said == "last 0 lost everything",
        };
        assert!(ended && is_honest, "byte {at}: {said}");
        noticed += u32::from(!said.ends_with("nothing"));
    }
    assert!(noticed > 0, "nothing did harm");
}

#[test]
fn the_number_of_commits_is_written_down_while_they_are_made() {
    let dir = sound();
    assert_eq!(fs::read_to_string(dir.path().join("commits")).unwrap(), "41 closed");
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("commits")).unwrap(), "41 open");
    (41..65).for_each(|n| store.apply(commit(n)).unwrap());
    assert_eq!(fs::read_to_string(dir.path().join("commits")).unwrap(), "64 open");
}

#[test]
fn row_31_a_store_that_was_emptied_or_taken_away_is_lost_and_not_new() {
    for what in ["empty", "gone"] {
        let dir = sound();
        let database = dir.path().join(DATABASE);
        match what {
            "empty" => fs::write(database.join("db"), b"").unwrap(),
            _ => fs::remove_dir_all(&database).unwrap(),
        }
        let (said, ended) = recover_in_child(dir.path());
        assert!(ended, "{what}: {said}");
        assert_eq!(said, "last 0 lost everything", "{what}");
    }
}

fn no_trial() -> io::Result<Command> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[test]
fn a_store_remembers_that_it_was_begun_anew_until_it_is_told_to_forget() {
    let dir = sound();
    fs::write(dir.path().join(DATABASE).join("db"), b"").unwrap();
    let recovered = Store::recover(dir.path(), Timestamp::UNIX_EPOCH, no_trial).unwrap();
    assert!(matches!(recovered.loss, Some(Loss::Everything { .. })));
    drop(recovered);
    let again = Store::recover(dir.path(), Timestamp::UNIX_EPOCH, no_trial).unwrap();
    assert_eq!(again.loss, None);
    assert!(again.store.has_begun_anew().unwrap());
    again.store.settle().unwrap();
    assert!(!again.store.has_begun_anew().unwrap());
}

/// The trial after a crash once called it damage.
#[test]
fn a_store_of_a_later_version_is_never_put_aside() {
    for noted in ["42 closed", "42 open"] {
        let dir = sound();
        let store = Store::open(dir.path()).unwrap();
        let mut later = Commit::new();
        later.put(Key::meta("format"), vec![200]);
        store.apply(later).unwrap();
        drop(store);
        fs::write(dir.path().join("commits"), noted).unwrap();
        let recovered = Store::recover(dir.path(), Timestamp::UNIX_EPOCH, || Ok(trial(dir.path())));
        let error = recovered.unwrap_err();
        assert!(matches!(error.kind(), super::StoreErrorKind::FormatTooNew { .. }), "{error:?}");
        assert!(dir.path().join(DATABASE).join("db").exists());
    }
}

#[test]
fn chunks_of_a_later_version_are_no_damage() {
    let dir = sound();
    let store = Store::open(dir.path()).unwrap();
    let mut value = store.get(&Key::chunk(0)).unwrap().unwrap();
    value[0] = u8::MAX;
    let mut later = Commit::new();
    later.put(Key::chunk(0), value);
    store.apply(later).unwrap();
    store.verify().unwrap();
}

#[test]
fn a_chunk_that_is_missing_between_two_others_is_damage() {
    let dir = sound();
    let store = Store::open(dir.path()).unwrap();
    store.verify().unwrap();
    let mut commit = Commit::new();
    commit.remove(Key::chunk(5 * EVENTS));
    store.apply(commit).unwrap();
    assert!(matches!(store.verify(), Err(super::StoreErrorKind::Corrupt(_))));
}

#[test]
fn only_the_latest_damaged_stores_are_kept() {
    let dir = sound();
    for second in 1..7 {
        fs::write(dir.path().join(DATABASE).join("db"), b"").unwrap();
        let now = Timestamp::from_second(second).unwrap();
        drop(Store::recover(dir.path(), now, no_trial).unwrap());
    }
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut aside: Vec<_> = names.filter(|name| name.contains("corrupt")).collect();
    aside.sort();
    let expected = [4, 5, 6].map(|second| format!("store.corrupt-19700101T00000{second}.000000Z"));
    assert_eq!(aside, expected);
}

#[test]
fn a_panic_in_any_thread_ends_the_process_and_leaves_the_store_unclosed() {
    let dir = sound();
    let name = "store::damage_tests::child_whose_thread_panics";
    let output = child(name, dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(super::PANIC_EXIT)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a thread of the store"));
    let noted = fs::read_to_string(dir.path().join("commits")).unwrap();
    assert!(noted.ends_with("open"), "{noted}");
}

#[test]
#[ignore = "a child of the damage tests"]
fn child_whose_thread_panics() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let _store = Store::open(Path::new(&dir)).unwrap();
    super::end_process_on_panic();
    std::thread::spawn(|| panic!("a thread of the store")).join().unwrap_err();
    say("went on");
}
