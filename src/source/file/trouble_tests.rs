//! The rows of the fault matrix in which the system refuses, is silent or hands out rubbish.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, symlink},
    time::Duration,
};

use jiff::Timestamp;
use notify::{Event, EventKind, NullWatcher, event::Flag};
use tempfile::TempDir;

use super::{testing::Bench, *};
use crate::limits::{BATCH_BYTES, BATCHES_WAITING};

#[test]
fn row_09_inode_reuse_after_a_deletion_while_stopped_is_another_file() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\nc\n");
    let inode = fs::metadata(bench.path("mail.log")).unwrap().ino();
    bench.round();
    bench.restart();
    bench.remove("mail.log");
    bench.append("mail.log", "other 1\nother 2\n");
    // ext4 hands the freed number to the next file, and this is where it is tested.
    let is_reused = fs::metadata(bench.path("mail.log")).unwrap().ino() == inode;
    assert_eq!(bench.round(), ["other 1", "other 2"], "the same inode: {is_reused}");
}

/// A link to itself cannot be followed by anybody, so root is refused as well.
#[test]
fn row_12_permission_lost_for_a_directory_keeps_its_open_files_and_is_regained() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let mut bench = Bench::with(dir, Start::Beginning, "logs/mail.log");
    let mut writer = bench.writer("logs/mail.log");
    writer.write_all(b"a\n").unwrap();
    bench.round();
    bench.rename("logs", "away");
    symlink("logs", bench.path("logs")).unwrap();
    bench.round();
    bench.pass_time(closing::LINGER * 2);
    bench.round();
    fs::remove_file(bench.path("away/mail.log")).unwrap();
    writer.write_all(b"b\n").unwrap();
    assert_eq!(bench.poll(), ["b"], "it is open still, although it was quiet for long");
    bench.remove("logs");
    bench.rename("away", "logs");
    bench.append("logs/mail.log", "c\n");
    assert_eq!(bench.round(), ["c"]);
}

#[test]
fn row_12_permission_lost_and_regained_needs_neither_restart_nor_event() {
    let mut bench = Bench::from_beginning();
    symlink("mail.log", bench.path("mail.log")).unwrap();
    assert_eq!(bench.round(), [""; 0]);
    bench.remove("mail.log");
    bench.append("mail.log", "a\n");
    assert_eq!(bench.poll(), [""; 0], "not listed again yet");
    bench.pass_time(Duration::from_secs(1));
    assert_eq!(bench.poll(), ["a"]);
}

#[test]
fn row_17_nul_runs_that_are_written_out_are_dropped_wherever_they_are() {
    let mut bench = Bench::from_beginning();
    let run = "\0".repeat(300_000);
    bench.append("mail.log", &format!("{run}a\nb{run}b\n{run}c\n"));
    assert_eq!(bench.round(), ["a", "bb", "c"]);
    assert_eq!(bench.tally().nul_bytes, 900_000);
    bench.restart();
    bench.append("mail.log", "d\n");
    assert_eq!(bench.round(), ["d"]);
}

#[test]
fn row_17_a_hole_in_the_middle_of_a_file_is_dropped() {
    let mut bench = Bench::from_beginning();
    let mut writer = File::create(bench.path("mail.log")).unwrap();
    writer.write_all(b"a\n").unwrap();
    bench.round();
    writer.seek(SeekFrom::Start(1 << 22)).unwrap();
    writer.write_all(b"b\n").unwrap();
    assert_eq!(bench.poll(), ["b"]);
    assert_eq!(bench.tally().nul_bytes, (1 << 22) - 2);
}

/// Read byte by byte, a hole of a tebibyte would take minutes.
#[test]
fn row_17_a_hole_in_the_middle_of_a_file_is_jumped_over() {
    let mut bench = Bench::from_beginning();
    let mut writer = File::create(bench.path("mail.log")).unwrap();
    writer.write_all(b"a\nbegin").unwrap();
    bench.round();
    writer.seek(SeekFrom::Start(1 << 40)).unwrap();
    writer.write_all(b" and end\nb\n").unwrap();
    assert_eq!(bench.poll(), ["begin and end", "b"]);
    assert_eq!(bench.tally().nul_bytes, (1 << 40) - 7);
    bench.restart();
    writer.write_all(b"c\n").unwrap();
    assert_eq!(bench.round(), ["c"]);
}

/// A file that was made large beforehand, and a client of NFS that hears of a file's new size
/// before its bytes, show NULs where lines will be. They were taken for a run, and the lines lost.
#[test]
fn row_17_nul_bytes_at_the_end_of_a_file_are_read_again_until_something_is_behind_them() {
    for room in [10, 1 << 22, 1 << 40] {
        let mut bench = Bench::from_beginning();
        let mut writer = File::create(bench.path("mail.log")).unwrap();
        writer.write_all(b"a\n").unwrap();
        writer.set_len(room).unwrap();
        assert_eq!(bench.round(), ["a"]);
        writer.write_all(b"b\n").unwrap();
        assert_eq!(bench.poll(), ["b"], "room for {room}");
        writer.write_all(b"ha").unwrap();
        assert_eq!(bench.poll(), [""; 0]);
        writer.write_all(b"lf\n").unwrap();
        assert_eq!(bench.poll(), ["half"]);
        assert_eq!((bench.tally().truncations, bench.tally().nul_bytes), (0, 0));
    }
}

#[test]
fn row_18_invalid_utf_8_is_handed_on_byte_for_byte() {
    let mut bench = Bench::from_beginning();
    let line = b"to=<\xff\xfe\xc3@x.test>".as_slice();
    bench.writer("mail.log").write_all(&[line, b"\nnext\n"].concat()).unwrap();
    assert_eq!(bench.round().len(), 2);
    let batch = bench.batches.iter().find(|batch| !batch.lines.is_empty()).unwrap();
    assert_eq!(&batch.bytes[..batch.lines[0].end as usize], line);
}

#[test]
fn row_23_a_clock_that_steps_back_does_not_let_a_file_go_that_is_still_written_to() {
    let mut bench = Bench::from_beginning();
    let mut writer = bench.writer("mail.log");
    writer.write_all(b"a\n").unwrap();
    bench.round();
    bench.remove("mail.log");
    bench.round();
    bench.step_back(Duration::from_hours(1));
    bench.poll();
    writer.write_all(b"b\n").unwrap();
    assert_eq!(bench.poll(), ["b"]);
    bench.pass_time(closing::LINGER);
    bench.poll();
    assert!(bench.durable.values().any(|at| at.finished), "it is let go in the end");
}

#[test]
fn row_25_without_any_event_a_rotation_is_found_at_the_next_look() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    bench.append("mail.log", "b\n");
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "c\n");
    assert_eq!(bench.poll(), ["b", "c"]);
}

#[test]
fn row_25_without_any_event_a_new_file_is_found_by_the_next_listing() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    bench.append("mail.log.err", "b\n");
    assert_eq!(bench.poll(), [""; 0]);
    bench.pass_time(listing::SCAN_EVERY);
    assert_eq!(bench.poll(), ["b"]);
}

/// The clock stands still: nothing but the overflow asks for a listing.
#[test]
fn row_25_an_overflow_of_events_leads_to_a_listing() {
    let Bench { dir, tailer, .. } = Bench::from_beginning();
    let mut tell = None;
    let mut watch = Watch::with(|handler| {
        tell = Some(handler);
        Ok(NullWatcher)
    });
    // A directory is listed once more when it is watched from then on.
    watch.cover(&[dir.path().to_owned()].into());
    let (out, mut batches) = tokio::sync::mpsc::channel(BATCHES_WAITING);
    let stop = CancellationToken::new();
    let ending = stop.clone();
    let thread = std::thread::spawn(move || run(tailer, watch, &out, &ending));
    batches.blocking_recv().unwrap();
    fs::write(dir.path().join("mail.log"), "a\n").unwrap();
    tell.unwrap()(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    assert_eq!(batches.blocking_recv().unwrap().bytes, b"a\n");
    stop.cancel();
    assert_eq!(thread.join().unwrap().lines, 1);
}

#[test]
fn row_27_a_stale_handle_is_closed_and_the_file_opened_again_where_it_was_left() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    let stored = bench.durable.clone();
    bench.break_open_files();
    bench.append("mail.log", "c\n");
    assert_eq!(bench.poll(), [""; 0]);
    assert_eq!(bench.durable, stored, "the position is where it was");
    assert_eq!(bench.round(), [""; 0], "it is not tried at once");
    bench.pass_time(Duration::from_secs(1));
    assert_eq!(bench.poll(), ["c"]);
}

#[test]
fn row_27_a_stale_handle_of_a_file_that_was_renamed_meanwhile_goes_on_under_its_new_name() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    bench.append("mail.log", "b\n");
    bench.break_open_files();
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "c\n");
    bench.poll();
    bench.pass_time(Duration::from_secs(1));
    bench.poll();
    assert_eq!(bench.lines, ["a", "b", "c"]);
}

#[test]
fn row_27_a_deleted_file_whose_reads_fail_for_a_moment_is_kept_open() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    fs::hard_link(bench.path("mail.log"), bench.path("handle")).unwrap();
    bench.remove("mail.log");
    bench.round();
    bench.append("handle", "b\n");
    bench.break_open_files();
    assert_eq!(bench.poll(), [""; 0]);
    bench.mend_open_files("handle");
    assert_eq!(bench.poll(), ["b"]);
}

#[test]
fn row_35_binary_files_are_told_by_their_first_bytes_and_passed_over() {
    let mut bench = Bench::from_beginning();
    let journal = [b"LPKSHHRH".as_slice(), &[0; 200], b"to=<a@x>\n"].concat();
    fs::write(bench.path("mail.log.journal"), journal).unwrap();
    fs::write(bench.path("mail.log.zip"), b"PK\x03\x04 and more\n").unwrap();
    fs::write(bench.path("mail.log.bin"), b"\x7fELF\nmore\n").unwrap();
    bench.append("mail.log", "a\n");
    assert_eq!(bench.round(), ["a"]);
    bench.pass_time(Duration::from_mins(1));
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(bench.durable.len(), 2, "the start and one log have a position");
    fs::write(bench.path("mail.log.bin"), b"a log, after all\n").unwrap();
    assert_eq!(bench.round(), ["a log, after all"]);
}

#[test]
fn row_36_a_huge_backlog_is_counted_and_handed_out_in_pieces_of_bounded_size() {
    let mut bench = Bench::from_beginning();
    let line = "x".repeat(999) + "\n";
    bench.append("mail.log", &line.repeat(5000));
    bench.round();
    let unread = |bench: &Bench| bench.health().lag_bytes;
    assert_eq!(unread(&bench), 0);
    assert!(bench.batches.iter().all(|batch| batch.bytes.len() <= BATCH_BYTES));
    bench.append("mail.log", &line.repeat(3000));
    let flow = bench.tailer.round(&mut |_| ControlFlow::Break(()));
    assert!(flow.is_break());
    assert!((1..3_000_000).contains(&unread(&bench)), "{}", unread(&bench));
}

#[test]
fn row_37_a_deleted_file_that_only_we_hold_is_counted_until_it_is_let_go() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", &"a\n".repeat(10_000));
    bench.round();
    let pinned = |bench: &Bench| bench.health().pinned_bytes;
    assert_eq!(pinned(&bench), 0);
    bench.remove("mail.log");
    bench.poll();
    assert!(pinned(&bench) >= 20_000, "{}", pinned(&bench));
    bench.pass_time(closing::LINGER);
    bench.poll();
    assert_eq!(pinned(&bench), 0);
}

#[test]
fn row_37_while_nobody_takes_the_lines_reading_stops_and_loses_nothing_to_a_deletion() {
    let bench = Bench::from_beginning();
    let line = "x".repeat(999) + "\n";
    bench.append("mail.log", &line.repeat(12_000));
    let (out, mut batches) = tokio::sync::mpsc::channel(1);
    let include = vec![bench.path("mail.log").to_str().unwrap().to_owned()];
    let (name, start) = ("test".to_owned(), Start::Beginning);
    let (positions, partial_line_timeout) = (Vec::new(), None);
    let source = FileTail { index: 0, name, include, start, partial_line_timeout, positions };
    let stop = CancellationToken::new();
    let thread =
        spawn(source, out, crate::clock::system(), HealthSender::default(), stop.clone()).unwrap();
    let mut lines = batches.blocking_recv().unwrap().lines.len();
    // The file is open when its first lines come.
    while lines == 0 {
        lines += batches.blocking_recv().unwrap().lines.len();
    }
    bench.remove("mail.log");
    while lines < 12_000 {
        lines += batches.blocking_recv().unwrap().lines.len();
    }
    stop.cancel();
    while batches.blocking_recv().is_some() {}
    assert_eq!(thread.join().unwrap().lines, 12_000);
}

#[test]
fn row_37_while_the_lines_wait_the_source_is_behind_since_the_look_that_found_them() {
    let mut bench = Bench::from_beginning();
    let line = "x".repeat(999) + "\n";
    bench.round();
    bench.append("mail.log", &line.repeat(5000));
    bench.tailer.rescan();
    let begun = crate::clock::Clock::now(&*bench.clock);
    for _ in 0..2 {
        // Whoever takes the lines, does not.
        assert!(bench.tailer.round(&mut |_| ControlFlow::Break(())).is_break());
        assert_eq!(bench.health().behind_since, Some(begun));
        bench.pass_time(Duration::from_mins(2));
    }
    bench.round();
    assert_eq!((bench.health().behind_since, bench.health().lag_bytes), (None, 0));
}

/// Whoever waits for it finds all that was there when the round began with the writer.
#[test]
fn row_37_a_round_counts_once_its_last_lines_are_taken() {
    let mut bench = Bench::from_beginning();
    assert_eq!(bench.health().read_at, Some(Timestamp::MIN));
    bench.append("mail.log", "a\n");
    let begun = crate::clock::Clock::now(&*bench.clock);
    let told = bench.tailer.health.subscribe();
    let mut taken = 0;
    let mut take = |batch: Batch| {
        assert_eq!(told.borrow().read_at, Some(Timestamp::MIN));
        taken += batch.lines.len();
        ControlFlow::Continue(())
    };
    assert!(bench.tailer.round(&mut take).is_continue());
    assert_eq!((bench.health().read_at, taken), (Some(begun), 1));
    bench.append("mail.log", "b\n");
    bench.pass_time(Duration::from_mins(2));
    assert!(bench.tailer.round(&mut |_| ControlFlow::Break(())).is_break());
    assert_eq!(bench.health().read_at, Some(begun), "nobody took them");
}

#[test]
fn row_11_a_log_that_is_not_there_yet_is_waited_for_and_so_says_the_health() {
    let mut bench = Bench::from_beginning();
    bench.round();
    assert!(bench.health().is_waiting);
    bench.append("mail.log", "a\n");
    bench.round();
    assert!(!bench.health().is_waiting);
}

#[test]
fn row_12_a_log_that_is_refused_is_counted_until_it_can_be_read() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    bench.break_open_files();
    bench.poll();
    assert_eq!(bench.health().refused, 1);
    bench.pass_time(Duration::from_secs(1));
    bench.poll();
    assert_eq!(bench.health().refused, 0);
}
