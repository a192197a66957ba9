//! The fault matrix of a log tailer, one test or more for each row.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_collect,
    reason = "tests"
)]

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    time::Duration,
};

use super::{testing::Bench, *};
use crate::{
    clock::Clock,
    limits::LINE_BYTES,
    source::{
        Compression, Fingerprint,
        archive::testing::{ALL, compress},
    },
};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn row_01_rename_and_create_the_old_file_is_read_to_its_end_before_the_new_one() {
    let mut bench = Bench::from_beginning();
    let mut old = bench.writer("mail.log");
    old.write_all(b"a\n").unwrap();
    assert_eq!(bench.round(), ["a"]);
    old.write_all(b"b\n").unwrap();
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "new 1\n");
    // The writer keeps the old file until it is told to reopen its log.
    old.write_all(b"c\n").unwrap();
    assert_eq!(bench.poll(), ["b", "c", "new 1"]);
    old.write_all(b"d\n").unwrap();
    bench.append("mail.log", "new 2\n");
    assert_eq!(bench.poll(), ["d", "new 2"]);
}

#[test]
fn row_01_rename_and_create_an_old_file_that_no_pattern_matches_is_still_read_until_it_is_quiet() {
    let mut bench = Bench::from_beginning();
    let mut old = bench.writer("mail.log");
    old.write_all(b"a\n").unwrap();
    bench.round();
    bench.rename("mail.log", "rotated.log");
    old.write_all(b"b\n").unwrap();
    bench.append("mail.log", "new\n");
    assert_eq!(bench.poll(), ["b", "new"]);
    bench.pass_time(closing::LINGER / 2);
    old.write_all(b"c\n").unwrap();
    assert_eq!(bench.poll(), ["c"]);
    bench.pass_time(closing::LINGER);
    bench.poll();
    old.write_all(b"too late\n").unwrap();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_02_two_rotations_between_two_listings_are_read_oldest_first() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a 1\n");
    bench.round();
    bench.append("mail.log", "a 2\n");
    bench.pack("mail.log", "mail.log.2.gz", Compression::Gzip);
    bench.remove("mail.log");
    bench.append("mail.log.1", "b 1\n");
    bench.append("mail.log", "c 1\n");
    assert_eq!(bench.round(), ["a 2", "b 1", "c 1"]);
}

#[test]
fn row_02_two_rotations_while_stopped_are_read_oldest_first_one_of_them_compressed() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a 1\n");
    bench.round();
    bench.append("mail.log", "a 2\n");
    bench.age("mail.log", HOUR * 2);
    bench.pack("mail.log", "mail.log.2.gz", Compression::Gzip);
    bench.remove("mail.log");
    bench.append("mail.log.1", "b 1\n");
    bench.age("mail.log.1", HOUR);
    bench.append("mail.log", "c 1\n");
    bench.restart();
    assert_eq!(bench.round(), ["a 2", "b 1", "c 1"]);
}

#[test]
fn row_03_a_rotation_while_stopped_is_resumed_in_the_renamed_file() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.append("mail.log", "c\n");
    bench.rename("mail.log", "mail.log.1");
    bench.age("mail.log.1", HOUR);
    bench.append("mail.log", "d\n");
    bench.restart();
    assert_eq!(bench.round(), ["c", "d"]);
}

#[test]
fn row_04_a_backlog_that_was_compressed_while_stopped_is_resumed_inside_the_archive() {
    for form in ALL {
        let mut bench = Bench::from_beginning();
        bench.append("mail.log", "a\nb\n");
        bench.round();
        bench.append("mail.log", "c\nd\n");
        bench.age("mail.log", HOUR);
        bench.pack("mail.log", "mail.log.1.packed", form);
        bench.remove("mail.log");
        bench.append("mail.log", "e\n");
        bench.restart();
        assert_eq!(bench.round(), ["c", "d", "e"], "{form}");
        let finished = bench.durable.values().filter(|at| at.finished).count();
        assert_eq!(finished, 1);
        bench.rename("mail.log.1.packed", "mail.log.2.packed");
        bench.restart();
        assert_eq!(bench.round(), [""; 0], "{form}");
    }
}

#[test]
fn row_05_while_plain_file_and_archive_both_exist_only_the_plain_one_is_read() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log.1", "a\nb\n");
    let packed = compress(b"a\nb\n", Compression::Gzip);
    bench.write_dated("mail.log.1.gz", &packed[..packed.len() / 2], "mail.log.1");
    assert_eq!(bench.round(), ["a", "b"]);
    bench.write_dated("mail.log.1.gz", &packed, "mail.log.1");
    assert_eq!(bench.round(), [""; 0]);
    bench.restart();
    bench.append("mail.log.1", "c\n");
    assert_eq!(bench.round(), ["c"], "the archive did not finish the generation");
    bench.remove("mail.log.1");
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_05_an_archive_that_ends_early_gives_nothing_until_it_is_whole() {
    // More than one batch, so that lines could come before the end is seen.
    let text: String = (0..120_000).map(|n| format!("line {}\n", n * 7919)).collect();
    for form in ALL {
        let packed = compress(text.as_bytes(), form);
        let mut bench = Bench::from_beginning();
        fs::write(bench.path("mail.log.1"), &packed[..packed.len() - 3]).unwrap();
        assert_eq!(bench.round(), [""; 0], "{form}");
        assert!(!bench.durable.values().any(|at| at.finished));
        fs::write(bench.path("mail.log.1"), &packed).unwrap();
        assert_eq!(bench.round().len(), 120_000, "{form}");
        assert_eq!(bench.round(), [""; 0]);
    }
}

#[test]
fn row_05_an_archive_with_a_wrong_checksum_gives_nothing() {
    let mut packed = compress(b"a\nb\n", Compression::Gzip);
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let mut bench = Bench::from_beginning();
    fs::write(bench.path("mail.log.1.gz"), packed).unwrap();
    assert_eq!(bench.round(), [""; 0]);
    assert!(!bench.durable.values().any(|at| at.finished));
}

#[test]
fn row_06_after_copytruncate_the_unread_rest_comes_from_the_copy_and_then_the_new_lines() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.append("mail.log", "c\nd\n");
    fs::copy(bench.path("mail.log"), bench.path("mail.log.1")).unwrap();
    bench.truncate("mail.log");
    bench.append("mail.log", "e\n");
    assert_eq!(bench.poll(), ["c", "d", "e"]);
    assert_eq!(bench.tally().truncations, 1);
}

#[test]
fn row_06_a_copy_that_was_seen_before_the_truncation_is_read_after_it() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    bench.append("mail.log", "b\n");
    fs::copy(bench.path("mail.log"), bench.path("mail.log.1")).unwrap();
    assert_eq!(bench.round(), ["b"]);
    assert_eq!(bench.health().tally.duplicate_files, 1);
    bench.append("mail.log.1", "written before the truncation\n");
    bench.truncate("mail.log");
    bench.append("mail.log", "c\n");
    assert_eq!(bench.poll(), ["written before the truncation", "c"]);
}

#[test]
fn row_06_a_half_copied_file_does_not_take_over_from_the_live_one() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\nc\n");
    bench.append("mail.log.1", "a\n");
    bench.age("mail.log.1", HOUR);
    assert_eq!(bench.round(), ["a", "b", "c"]);
    bench.append("mail.log", "d\n");
    assert_eq!(bench.round(), ["d"]);
}

/// postlogd keeps its descriptor until it is told to let go, and a line may be half written then.
#[test]
fn trap_13_11_both_kinds_of_rotation_in_the_middle_of_a_line_lose_nothing() {
    let mut bench = Bench::from_beginning();
    let mut old = bench.writer("mail.log");
    old.write_all(b"a\nha").unwrap();
    assert_eq!(bench.round(), ["a"]);
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "b\n");
    old.write_all(b"lf\n").unwrap();
    assert_eq!(bench.poll(), ["half", "b"]);
    bench.append("mail.log", "c\nother ha");
    assert_eq!(bench.poll(), ["c"]);
    bench.append("mail.log", "lf\n");
    fs::copy(bench.path("mail.log"), bench.path("mail.log.2")).unwrap();
    bench.truncate("mail.log");
    bench.append("mail.log", "d\n");
    assert_eq!(bench.poll(), ["other half", "d"]);
}

#[test]
fn row_07_plain_truncation_the_file_is_read_from_its_beginning_and_the_truncation_is_counted() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.truncate("mail.log");
    assert_eq!(bench.poll(), [""; 0]);
    bench.append("mail.log", "c\n");
    assert_eq!(bench.poll(), ["c"]);
    assert_eq!(bench.tally().truncations, 1);
    bench.restart();
    bench.append("mail.log", "d\n");
    assert_eq!(bench.round(), ["d"]);
}

#[test]
fn row_07_what_is_lost_without_a_copy_is_counted_and_seen_in_the_health() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nhal");
    bench.round();
    bench.truncate("mail.log");
    bench.poll();
    let told = bench.health().tally;
    assert_eq!((told.truncations_without_copy, told.bytes_lost), (1, 3));
}

#[test]
fn row_06_a_truncation_with_a_copy_or_an_archive_of_it_loses_nothing_that_is_known() {
    for packed in [false, true] {
        let mut bench = Bench::from_beginning();
        bench.append("mail.log", "a\nhal");
        bench.round();
        bench.append("mail.log", "f\n");
        if packed {
            bench.pack("mail.log", "mail.log.1.gz", Compression::Gzip);
        } else {
            fs::copy(bench.path("mail.log"), bench.path("mail.log.1")).unwrap();
        }
        bench.truncate("mail.log");
        assert_eq!(bench.poll(), ["half"]);
        let told = bench.health().tally;
        assert_eq!((told.truncations, told.truncations_without_copy), (1, 0));
    }
}

/// A copy that ends before lines that were read live, and a live log of which only the new lines
/// are left.
fn with_a_short_copy() -> Bench {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    fs::copy(bench.path("mail.log"), bench.path("mail.log.1")).unwrap();
    bench.append("mail.log", "written before the truncation\n");
    bench.poll();
    bench.truncate("mail.log");
    bench.append("mail.log", "c\n");
    assert_eq!(bench.poll(), ["c"]);
    bench
}

/// It was taken for no copy, and for unread as long as it lay there.
#[test]
fn row_06_a_copy_without_the_last_lines_that_were_read_is_a_copy_and_has_no_lag() {
    let mut bench = with_a_short_copy();
    let health = bench.health();
    assert_eq!((health.tally.truncations, health.tally.truncations_without_copy), (1, 0));
    assert_eq!(health.lag_bytes, 0);
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(bench.health().lag_bytes, 0);
}

/// It would be read again once its generation is forgotten.
#[test]
fn row_06_the_generation_of_a_short_copy_is_renewed() {
    let mut bench = with_a_short_copy();
    bench.restart();
    bench.pass_time(HOUR * 25);
    bench.round();
    let now = bench.clock.now().as_second();
    assert_eq!(bench.durable.len(), 3, "the copy, the live log, and the mark of the start");
    assert!(bench.durable.values().all(|at| at.seen_at == now), "{:?}", bench.durable);
}

#[test]
fn row_06_a_short_copy_that_grows_beyond_what_was_read_is_read_on() {
    let mut bench = with_a_short_copy();
    bench.append("mail.log.1", "written before the ");
    assert_eq!(bench.poll(), [""; 0]);
    bench.append("mail.log.1", "truncation\nand after the last look\n");
    assert_eq!(bench.poll(), ["and after the last look"]);
    bench.append("mail.log", "d\n");
    assert_eq!(bench.poll(), ["d"]);
}

#[test]
fn row_08_a_file_truncated_and_regrown_beyond_our_offset_is_noticed() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.truncate("mail.log");
    bench.append("mail.log", "much longer than before\nand more\n");
    assert_eq!(bench.poll(), ["much longer than before", "and more"]);
}

#[test]
fn row_08_a_file_truncated_and_regrown_to_exactly_our_offset_is_noticed() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.truncate("mail.log");
    bench.append("mail.log", "c\nd\n");
    assert_eq!(bench.poll(), ["c", "d"]);
}

#[test]
fn row_08_the_same_first_line_after_the_truncation_does_not_hide_it() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "start\na\n");
    bench.round();
    bench.truncate("mail.log");
    bench.append("mail.log", "start\nmuch longer than before\n");
    assert_eq!(bench.poll(), ["start", "much longer than before"]);
    bench.restart();
    bench.append("mail.log", "more\n");
    assert_eq!(bench.round(), ["more"]);
}

#[test]
fn row_09_inode_reuse_a_new_file_with_the_inode_of_an_old_one_is_read_from_its_beginning() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\nc\n");
    let inode = fs::metadata(bench.path("mail.log")).unwrap().ino();
    bench.round();
    let stored = bench.durable.clone();
    // Replaced in place while nothing is open: the same inode, another file.
    bench.restart();
    bench.truncate("mail.log");
    bench.append("mail.log", "other 1\nother 2\n");
    assert_eq!(fs::metadata(bench.path("mail.log")).unwrap().ino(), inode);
    assert_eq!(bench.round(), ["other 1", "other 2"]);
    assert!(stored.keys().all(|old| bench.durable.contains_key(old)));
}

#[test]
fn row_10_a_deleted_file_is_read_to_its_end_and_let_go_once_it_is_quiet() {
    let mut bench = Bench::from_beginning();
    let mut writer = bench.writer("mail.log");
    writer.write_all(b"a\n").unwrap();
    bench.round();
    bench.remove("mail.log");
    writer.write_all(b"b\n").unwrap();
    assert_eq!(bench.poll(), ["b"]);
    bench.pass_time(closing::LINGER / 2);
    writer.write_all(b"c\n").unwrap();
    assert_eq!(bench.poll(), ["c"]);
    assert!(!bench.durable.values().any(|at| at.finished));
    bench.pass_time(closing::LINGER);
    bench.poll();
    assert_eq!(bench.durable.values().filter(|at| at.finished).count(), 1);
}

#[test]
fn row_10_the_archive_of_a_file_that_was_read_through_its_open_descriptor_gives_nothing_again() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.round();
    bench.pack("mail.log", "mail.log.1.gz", Compression::Gzip);
    bench.remove("mail.log");
    assert_eq!(bench.round(), [""; 0]);
    bench.pass_time(closing::LINGER * 2);
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(bench.round(), [""; 0]);
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_11_a_log_that_is_missing_at_the_start_is_waited_for_and_then_read_from_its_beginning() {
    let mut bench = Bench::new(Start::End);
    assert_eq!(bench.round(), [""; 0]);
    bench.restart();
    bench.append("mail.log", "a\n");
    assert_eq!(bench.round(), ["a"]);
}

#[test]
fn row_12_a_log_that_cannot_be_opened_is_tried_again_while_the_open_one_goes_on() {
    let mut bench = Bench::from_beginning();
    let mut old = bench.writer("mail.log");
    old.write_all(b"a\n").unwrap();
    bench.round();
    bench.rename("mail.log", "mail.log.1");
    // A link to itself is refused to everyone, also to root.
    std::os::unix::fs::symlink("mail.log", bench.path("mail.log")).unwrap();
    old.write_all(b"b\n").unwrap();
    assert_eq!(bench.round(), ["b"]);
    bench.remove("mail.log");
    bench.append("mail.log", "c\n");
    assert_eq!(bench.round(), ["c"]);
}

#[test]
fn row_13_symlink_switched_is_a_rotation() {
    let mut bench = Bench::from_beginning();
    bench.append("day-1", "a\n");
    std::os::unix::fs::symlink("day-1", bench.path("mail.log")).unwrap();
    assert_eq!(bench.round(), ["a"]);
    bench.append("day-1", "b\n");
    bench.remove("mail.log");
    bench.append("day-2", "c\n");
    std::os::unix::fs::symlink("day-2", bench.path("mail.log")).unwrap();
    assert_eq!(bench.poll(), ["b", "c"]);
}

#[test]
fn row_14_a_half_line_is_neither_emitted_nor_stored_even_across_a_restart() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nhal");
    assert_eq!(bench.round(), ["a"]);
    assert!(bench.durable.values().all(|at| at.offset <= 2));
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
    bench.append("mail.log", "f\n");
    assert_eq!(bench.poll(), ["half"]);
}

/// How many of the lines handed out are marked as cut.
fn cut_lines(bench: &Bench) -> usize {
    bench.batches.iter().flat_map(|batch| &batch.lines).filter(|line| line.cut).count()
}

#[test]
fn row_14_the_half_line_at_the_end_of_an_archive_is_handed_out_once_and_marked() {
    let mut bench = Bench::from_beginning();
    fs::write(bench.path("mail.log.1.gz"), compress(b"a\nhal", Compression::Gzip)).unwrap();
    assert_eq!(bench.round(), ["a", "hal"]);
    assert_eq!((cut_lines(&bench), bench.tally().lines_cut), (1, 1));
    assert!(bench.durable.values().any(|at| at.finished && at.offset == 5));
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_14_the_half_line_of_a_deleted_file_is_handed_out_when_it_is_let_go_and_not_again() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nhal");
    bench.round();
    bench.pack("mail.log", "mail.log.1.gz", Compression::Gzip);
    bench.remove("mail.log");
    assert_eq!(bench.poll(), [""; 0], "its writer may have it open");
    bench.pass_time(super::closing::LINGER);
    assert_eq!(bench.poll(), ["hal"]);
    assert_eq!(cut_lines(&bench), 1);
    assert_eq!(bench.round(), [""; 0], "its archive has nothing more");
}

#[test]
fn row_14_the_half_line_of_a_renamed_file_is_waited_on_and_then_taken_once_as_it_is() {
    let mut bench = Bench::from_beginning();
    let mut writer = bench.writer("mail.log");
    writer.write_all(b"a\nhal").unwrap();
    bench.round();
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "b\nunder w");
    assert_eq!(bench.round(), ["b"]);
    bench.pass_time(closing::LINGER / 2);
    assert_eq!(bench.poll(), [""; 0], "its writer may not know yet");
    writer.write_all(b"f\nla").unwrap();
    assert_eq!(bench.poll(), ["half"]);
    bench.pass_time(closing::LINGER);
    assert_eq!(bench.poll(), ["la"]);
    assert_eq!(cut_lines(&bench), 1);
    bench.restart();
    bench.pass_time(HOUR);
    assert_eq!(bench.round(), [""; 0], "neither again, nor the half line of the live file");
    bench.pack("mail.log.1", "mail.log.1.gz", Compression::Gzip);
    bench.remove("mail.log.1");
    assert_eq!(bench.round(), [""; 0], "its archive has nothing more");
    bench.append("mail.log", "ay\n");
    assert_eq!(bench.round(), ["under way"]);
}

#[test]
fn row_14_a_file_that_was_renamed_while_stopped_is_told_by_its_name() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log-20261121", "a\nhal");
    bench.append("mail.log", "b\nother hal");
    bench.append("mail.log-errors", "c\nthird hal");
    assert_eq!(bench.round().len(), 3);
    bench.pass_time(closing::LINGER);
    assert_eq!(bench.poll(), ["hal"]);
}

#[test]
fn row_14_the_wait_for_the_other_half_is_as_configured_and_may_be_for_ever() {
    let mut bench = Bench::from_beginning().waiting_on_halves(Some(HOUR));
    bench.append("mail.log.1", "a\nhal");
    bench.append("mail.log", "b\n");
    assert_eq!(bench.round().len(), 2);
    bench.remove("mail.log.1");
    bench.pass_time(HOUR / 2);
    assert_eq!(bench.round(), [""; 0], "also of a deleted file");
    bench.pass_time(HOUR / 2);
    assert_eq!(bench.poll(), ["hal"]);

    let mut bench = Bench::from_beginning().waiting_on_halves(None);
    bench.append("mail.log.1", "a\nhal");
    bench.append("mail.log", "b\n");
    let packed = compress(b"z\nhal", Compression::Gzip);
    fs::write(bench.path("mail.log.2.gz"), packed).unwrap();
    assert_eq!(bench.round().len(), 3);
    bench.remove("mail.log.1");
    bench.pass_time(HOUR);
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(cut_lines(&bench), 0);
    bench.restart();
    assert_eq!(bench.round(), [""; 0], "both are done with");
}

#[test]
fn row_15_a_line_flushed_in_two_halves_is_one_line() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nfirst ha");
    bench.round();
    bench.append("mail.log", "lf and second");
    assert_eq!(bench.poll(), [""; 0]);
    bench.append("mail.log", " half\n");
    assert_eq!(bench.poll(), ["first half and second half"]);
}

#[test]
fn row_16_a_very_long_line_is_cut_marked_and_does_not_stop_the_file() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", &"x".repeat(LINE_BYTES * 20));
    assert_eq!(bench.round(), [""; 0]);
    bench.append("mail.log", "\nnext\n");
    let lines = bench.poll();
    assert_eq!((lines[0].len(), lines[1].as_str()), (LINE_BYTES, "next"));
    assert_eq!(bench.tally().lines_cut, 1);
    assert_eq!(bench.health().tally, bench.tally(), "it can be seen from outside");
    let offset = LINE_BYTES as u64 * 20 + 1;
    assert_eq!(bench.batches.last().unwrap().lines[1].offset, offset);
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_17_the_hole_that_a_writer_without_append_mode_leaves_is_jumped_over() {
    let mut bench = Bench::from_beginning();
    let mut writer = fs::File::create(bench.path("mail.log")).unwrap();
    writer.write_all(b"a\nb\n").unwrap();
    bench.round();
    writer.seek(SeekFrom::Start(3 << 30)).unwrap();
    bench.truncate("mail.log");
    writer.write_all(b"c\nd\n").unwrap();
    assert_eq!(bench.poll(), ["c", "d"]);
    assert_eq!(bench.tally().nul_bytes, 3 << 30);
    bench.restart();
    writer.write_all(b"e\n").unwrap();
    assert_eq!(bench.round(), ["e"]);
}

#[test]
fn row_19_carriage_returns_at_line_ends_are_dropped() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\r\nb\r\n");
    assert_eq!(bench.round(), ["a", "b"]);
}

#[test]
fn row_34_a_file_is_read_once_its_first_line_is_complete() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "fir");
    assert_eq!(bench.round(), [""; 0]);
    bench.rename("mail.log", "mail.log.1");
    bench.append("mail.log", "sec");
    bench.round();
    bench.append("mail.log.1", "st\n");
    bench.append("mail.log", "ond\n");
    assert_eq!(bench.poll(), ["first", "second"]);
}

#[test]
fn row_34_two_generations_with_the_same_first_line_are_both_read_once() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "start\na\n");
    bench.round();
    bench.rename("mail.log", "mail.log.1");
    bench.age("mail.log.1", HOUR);
    bench.append("mail.log", "start\n");
    assert_eq!(bench.round(), [""; 0], "not yet to be told from a copy of the first");
    bench.append("mail.log", "b\n");
    assert_eq!(bench.poll(), ["start", "b"]);
    bench.append("mail.log.1", "late\n");
    bench.append("mail.log", "c\n");
    bench.restart();
    assert_eq!(bench.round(), ["late", "c"]);
}

#[test]
fn row_34_two_files_with_the_same_content_are_read_once_and_counted() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\nb\n");
    bench.append("mail.log-copy", "a\nb\n");
    assert_eq!(bench.round(), ["a", "b"]);
    assert_eq!(bench.tally().duplicate_files, 1);
    bench.append("mail.log", "c\n");
    assert_eq!(bench.round(), ["c"]);
}

#[test]
fn row_35_unrelated_files_of_editors_are_passed_over() {
    let mut bench = Bench::from_beginning();
    for name in ["mail.log.swp", "mail.log~", "mail.log.1.tmp"] {
        bench.append(name, "not a log\n");
    }
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn several_live_files_are_each_followed() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.append("mail.log.err", "x\n");
    bench.round();
    bench.append("mail.log", "b\n");
    bench.append("mail.log.err", "y\n");
    let mut lines = bench.poll();
    lines.sort();
    assert_eq!(lines, ["b", "y"]);
}

#[test]
fn start_end_passes_over_what_is_there_and_reads_what_comes() {
    let mut bench = Bench::new(Start::End);
    bench.append("mail.log.1", "oldest\n");
    bench.pack("mail.log.1", "mail.log.2.gz", Compression::Gzip);
    fs::write(bench.path("mail.log.1"), "older\n").unwrap();
    bench.append("mail.log", "old\nhal");
    assert_eq!(bench.round(), [""; 0]);
    bench.append("mail.log", "f\nnew\n");
    assert_eq!(bench.poll(), ["half", "new"]);
    bench.restart();
    bench.append("mail.log", "newer\n");
    assert_eq!(bench.round(), ["newer"]);
    bench.pack("mail.log.1", "mail.log.3.gz", Compression::Gzip);
    bench.remove("mail.log.1");
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

/// A line of 100 bytes.
fn long_line() -> String {
    format!("{}\n", "y".repeat(99))
}

#[test]
fn start_end_hands_out_the_end_of_the_live_log_as_of_the_past_once() {
    let mut bench = Bench::new(Start::End);
    bench.append("mail.log.1", "rotated\n");
    bench.append("mail.log", &format!("first\n{}last\nhal", long_line().repeat(100_000)));
    assert_eq!(bench.round(), [""; 0]);
    let bytes: usize = bench.past.iter().map(|line| line.len() + 1).sum();
    assert!((8 << 20..(8 << 20) + 100).contains(&bytes), "8 MiB in whole lines, not {bytes}");
    assert_eq!(bench.past.last().unwrap(), "last");
    assert!(!bench.batches.last().unwrap().is_past, "a batch says that these were all");
    let past = bench.past.len();
    bench.append("mail.log", "f\n");
    assert_eq!(bench.poll(), ["half"]);
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(bench.past.len(), past);
}

#[test]
fn start_end_that_was_interrupted_in_the_past_floods_nothing() {
    let mut bench = Bench::new(Start::End);
    bench.append("mail.log", &format!("first\n{}", long_line().repeat(30_000)));
    bench.round();
    let first = bench.batches[0].position.clone();
    assert!(bench.batches[0].is_past && bench.batches[1].is_past);
    bench.durable = [(first.fingerprint, first)].into();
    bench.restart();
    bench.append("mail.log", "new\n");
    assert_eq!(bench.round(), ["new"]);
}

#[test]
fn start_end_looks_at_no_log_that_has_been_quiet_for_long() {
    let mut bench = Bench::new(Start::End);
    bench.append("mail.log", "old\n");
    bench.age("mail.log", HOUR * 2);
    bench.round();
    assert_eq!(bench.past, [""; 0]);
}

#[test]
fn start_end_that_was_interrupted_before_it_was_durable_floods_nothing() {
    let mut bench = Bench::new(Start::End);
    for name in ["mail.log.2", "mail.log.1", "mail.log"] {
        bench.append(name, &format!("in {name}\n"));
    }
    bench.round();
    // Only the first mark reached the disk.
    let first = bench.batches[0].position.clone();
    bench.durable = [(first.fingerprint, first)].into();
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn start_beginning_reads_all_generations_oldest_first() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log.2", "a\n");
    bench.age("mail.log.2", HOUR * 2);
    bench.pack("mail.log.2", "mail.log.2.zst", Compression::Zstd);
    bench.remove("mail.log.2");
    bench.append("mail.log.1", "b\n");
    bench.age("mail.log.1", HOUR);
    bench.append("mail.log", "c\n");
    assert_eq!(bench.round(), ["a", "b", "c"]);
}

/// As `cp` leaves them: the last one copied is the newest file.
#[test]
fn start_beginning_reads_logs_that_were_copied_without_their_times_oldest_first() {
    let mut bench = Bench::from_beginning();
    for (name, text, age) in
        [("mail.log", "c\n", 3), ("mail.log.1", "b\n", 2), ("mail.log.2", "a\n", 1)]
    {
        bench.append(name, text);
        bench.age(name, HOUR * age);
    }
    bench.pack("mail.log.2", "mail.log.2.gz", Compression::Gzip);
    fs::remove_file(bench.path("mail.log.2")).unwrap();
    assert_eq!(bench.round(), ["a", "b", "c"]);
}

#[test]
fn start_since_passes_over_generations_that_ended_before() {
    let mut bench = Bench::new(Start::Since(HOUR * 2));
    bench.append("mail.log.2", "too old\n");
    bench.age("mail.log.2", HOUR * 3);
    bench.append("mail.log.1", "a\n");
    bench.age("mail.log.1", HOUR);
    bench.append("mail.log", "b\n");
    assert_eq!(bench.round(), ["a", "b"]);
    bench.restart();
    assert_eq!(bench.round(), [""; 0]);
}

#[test]
fn row_36_only_the_last_batch_of_a_round_says_that_nothing_more_is_there() {
    let mut bench = Bench::from_beginning();
    let line = "x".repeat(1000) + "\n";
    bench.append("mail.log.1", &line.repeat(3000));
    bench.append("mail.log", "last\n");
    bench.round();
    let (last, others) = bench.batches.split_last().unwrap();
    assert!(others.len() >= 3);
    assert!(last.idle && others.iter().all(|batch| !batch.idle));
    assert!(bench.batches.iter().all(|batch| batch.bytes.len() <= crate::limits::BATCH_BYTES));
}

#[test]
fn a_batch_says_whether_its_generation_begins_and_what_year_its_stamps_are_near() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log.1", "a\n");
    bench.age("mail.log.1", HOUR * 48);
    bench.append("mail.log", "b\n");
    bench.round();
    bench.append("mail.log", "c\n");
    bench.poll();
    let with_lines: Vec<_> = bench.batches.iter().filter(|b| !b.lines.is_empty()).collect();
    let firsts: Vec<_> = with_lines.iter().map(|batch| batch.first_of_generation).collect();
    assert_eq!(firsts, [true, true, false]);
    let now = crate::clock::Clock::now(&*bench.clock);
    assert_eq!(with_lines[1].anchor, now);
    let age = now.duration_since(with_lines[0].anchor).unsigned_abs();
    assert!(age >= HOUR * 47);
}

#[test]
fn row_36_more_old_files_than_may_be_open_are_all_read_in_order() {
    let mut bench = Bench::from_beginning();
    let count = 400;
    for n in 0..count {
        let name = format!("mail.log.{n:03}");
        bench.append(&name, &format!("{n:03}\n"));
        bench.age(&name, Duration::from_secs(count - n));
    }
    let expected: Vec<_> = (0..count).map(|n| format!("{n:03}")).collect();
    assert_eq!(bench.round(), expected);
}

#[test]
fn the_position_of_a_quiet_file_is_renewed_so_that_it_is_not_forgotten() {
    let mut bench = Bench::from_beginning();
    bench.append("mail.log", "a\n");
    bench.round();
    let seen = |bench: &Bench| bench.durable.values().map(|at| at.seen_at).min().unwrap();
    let before = seen(&bench);
    bench.pass_time(HOUR * 25);
    assert_eq!(bench.round(), [""; 0]);
    assert_eq!(seen(&bench) - before, 25 * 3600);
}

/// Older ones than those that are kept open were forgotten, and read again.
#[test]
fn the_position_of_a_file_that_is_not_kept_open_is_renewed_too() {
    let mut bench = Bench::from_beginning();
    for number in 0..70 {
        bench.append(&format!("mail.log.{number}"), &format!("{number}\n"));
    }
    bench.round();
    bench.pass_time(HOUR * 25);
    bench.round();
    let now = bench.clock.now().as_second();
    assert!(bench.durable.values().all(|at| at.seen_at == now));
}

#[test]
fn a_wrong_pattern_is_named() {
    let include = vec!["/var/log/[mail".to_owned()];
    let name = "test".to_owned();
    let (start, positions, partial_line_timeout) = (Start::End, Vec::new(), None);
    let source = FileTail { index: 0, name, include, start, partial_line_timeout, positions };
    let (out, _batches) = tokio::sync::mpsc::channel(1);
    let error = spawn(
        source,
        out,
        crate::clock::system(),
        HealthSender::default(),
        CancellationToken::new(),
    )
    .err();
    assert!(error.unwrap().to_string().contains("/var/log/[mail"));
}

#[test]
fn the_thread_delivers_what_is_written_and_ends_when_told() {
    let bench = Bench::from_beginning();
    let (out, mut batches) = tokio::sync::mpsc::channel(crate::limits::BATCHES_WAITING);
    let include = vec![bench.path("mail.log").to_str().unwrap().to_owned()];
    let (name, start) = ("test".to_owned(), Start::Beginning);
    let (positions, partial_line_timeout) = (Vec::new(), None);
    let source = FileTail { index: 3, name, include, start, partial_line_timeout, positions };
    let stop = CancellationToken::new();
    let thread =
        spawn(source, out, crate::clock::system(), HealthSender::default(), stop.clone()).unwrap();
    let started = batches.blocking_recv().unwrap();
    assert_eq!(started.position.fingerprint, Fingerprint::NONE);
    bench.append("mail.log", "a\n");
    let batch = batches.blocking_recv().unwrap();
    assert_eq!((batch.source, batch.bytes.as_slice(), batch.idle), (3, b"a\n".as_slice(), true));
    stop.cancel();
    while batches.blocking_recv().is_some() {}
    assert_eq!(thread.join().unwrap().lines, 1);
}
