//! The state directory on a small disk of its own, which fills up and is emptied again. Needs to be
//! root to mount one.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use mailherald::store::{Prefix, Space, Store, chunk, key};
use rustix::process::Signal;

use crate::{
    journald, lines,
    program::{Host, Program},
    receiver::Receiver,
    skip, until,
};

/// A host whose state directory is a file system of 24 MiB.
struct SmallDisk {
    host: Host,
}

impl SmallDisk {
    /// None, and said, where mounting is not allowed.
    fn mount() -> Option<Self> {
        let host = Host::new();
        fs::create_dir(host.path("state")).unwrap();
        let state = host.text("state");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", &state]);
        let mounted = mount.stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { host });
        }
        skip("the right to mount a small disk");
        None
    }

    fn free(&self) -> u64 {
        Space::of(&self.host.path("state")).unwrap().free
    }

    /// Takes all room but this.
    fn fill(&self, left: u64) {
        let mut filler = File::create(self.host.path("state/filler")).unwrap();
        let piece = vec![7; 4096];
        while self.free() > left && filler.write_all(&piece).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.host.path("state/filler")).unwrap();
    }

    fn configure(&self, receiver: &Receiver, min_free: &str) -> String {
        self.configure_source(&self.host.log_source(), receiver, min_free)
    }

    fn configure_source(&self, source: &str, receiver: &Receiver, min_free: &str) -> String {
        let store = format!("[store]\nmin_free = \"{min_free}\"");
        self.host.configure(source, receiver, &store)
    }

    /// Each event lies in the store, once.
    fn holds(&self, count: usize) {
        let store = Store::open(&self.host.path("state")).unwrap();
        let mut ids = BTreeSet::new();
        for entry in store.scan(&Prefix::chunks()).unwrap() {
            let (key, value) = entry.unwrap();
            let events = chunk::decode(key::parse_chunk(&key).unwrap(), &value).unwrap();
            for (_, event) in events {
                assert!(ids.insert(event.id), "{event:?} twice");
            }
        }
        assert_eq!(ids.len(), count);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is still ending may look into it.
        Command::new("umount").args(["-l", &self.host.text("state")]).status().ok();
    }
}

fn times(program: &Program, words: &str) -> usize {
    program.said().matches(words).count()
}

#[test]
fn row_30_while_little_is_free_nothing_is_read_and_what_was_read_is_delivered() {
    let Some(disk) = SmallDisk::mount() else { return };
    let receiver = Receiver::start();
    let config = disk.configure(&receiver, "4MiB");
    let program = disk.host.run(&config);
    disk.host.append("mail.log", &lines(0..50));
    until("the first requests", || receiver.count() == 50);
    for round in 1..3 {
        disk.fill(2 << 20);
        until("the pause", || times(&program, "reading pauses") == round);
        let before = receiver.count();
        disk.host.append("mail.log", &lines(round * 50..round * 50 + 50));
        // For something that must not happen there is nothing to wait for.
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(receiver.count(), before);
        disk.empty();
        until("the rest", || receiver.count() == before + 50);
        assert_eq!(times(&program, "reading goes on"), round, "{}", program.said());
    }
    assert_eq!(times(&program, "reading pauses"), 2, "said once each time: {}", program.said());
    program.stop(Signal::TERM);
    assert_eq!((receiver.ids().len(), receiver.count()), (150, 150), "each once");
    disk.holds(150);
}

#[test]
fn row_30_a_stop_while_the_disk_is_nearly_full_is_as_orderly_as_any() {
    let Some(disk) = SmallDisk::mount() else { return };
    let receiver = Receiver::start();
    let config = disk.configure(&receiver, "4MiB");
    disk.fill(2 << 20);
    disk.host.append("mail.log", &lines(0..40_000));
    let program = disk.host.run(&config);
    until("the pause", || times(&program, "reading pauses") == 1);
    let before = disk.free();
    program.stop(Signal::TERM);
    assert!(disk.free() > before / 2, "what the sources still had is left in the log");
}

#[test]
fn row_30_a_disk_that_others_fill_to_the_last_byte_stops_everything_until_there_is_room() {
    const EVENTS: usize = 4000;
    let Some(disk) = SmallDisk::mount() else { return };
    let receiver = Receiver::start();
    let config = disk.configure(&receiver, "0B");
    let program = disk.host.run(&config);
    disk.host.append("mail.log", &lines(0..100));
    until("the first requests", || receiver.count() == 100);
    disk.fill(0);
    disk.host.append("mail.log", &lines(100..EVENTS));
    program.until_it_says("disk full");
    assert_eq!(times(&program, "disk full"), 1, "{}", program.said());
    disk.empty();
    until("all events", || receiver.ids().len() == EVENTS);
    assert_eq!(times(&program, "there is room again"), 1, "{}", program.said());
    program.stop(Signal::TERM);
    disk.holds(EVENTS);
}

/// As many times the recorded messages, each time as others.
fn many_entries(times: std::ops::Range<usize>) -> String {
    let entries = journald::entries_of(&journald::this_boot()).concat();
    let of_time =
        |time| entries.replace(";b=", &format!("{time:03};b=")).replace('@', &format!("{time}@"));
    times.map(of_time).collect()
}

/// Its cursor is in the commit, as the position in a log file is.
#[test]
fn row_30_a_journal_waits_for_a_full_disk_as_a_log_file_does() {
    let Some(disk) = SmallDisk::mount() else { return };
    let receiver = Receiver::start();
    journald::script(&disk.host);
    let config = disk.configure_source(journald::FROM_BEGINNING, &receiver, "0B");
    let program = journald::run_scripted(&disk.host, &config);
    disk.host.append("bin/journal", &many_entries(0..1));
    until("the first requests", || receiver.count() > 3);
    disk.fill(0);
    disk.host.append("bin/journal", &many_entries(1..40));
    program.until_it_says("disk full");
    let before = receiver.ids().len();
    disk.empty();
    program.until_it_says("there is room again");
    until("the rest", || receiver.ids().len() > before + 100);
    program.stop(Signal::TERM);
}

#[test]
fn row_30_a_disk_that_is_full_at_the_start_is_waited_for_by_run_and_refused_by_replay() {
    let Some(disk) = SmallDisk::mount() else { return };
    let receiver = Receiver::start();
    let config = disk.configure(&receiver, "1MiB");
    disk.fill(0);
    disk.host.append("mail.log", &lines(0..10));
    let log = disk.host.text("mail.log");
    let replay = crate::program::output(&["replay", "--config", &config, &log]);
    let said = crate::program::text(&replay.stderr);
    assert_eq!(replay.status.code(), Some(74), "{said}");
    assert!(
        said.contains("No space left on device") && said.contains("hint: nothing is lost"),
        "{said}"
    );
    let program = disk.host.start(&["run", "--config", &config], Stdio::null());
    program.until_it_says("disk full");
    disk.empty();
    until("all events", || receiver.ids().len() == 10);
    program.stop(Signal::TERM);
}
