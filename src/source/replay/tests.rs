//! Plans and reads over real files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_collect, reason = "tests")]

use std::{fs, ops::ControlFlow};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::source::{
    Position,
    archive::testing::{ALL, compress},
};

/// Stamps are the seconds since the epoch in front of a colon.
fn stamp_of(line: &[u8], _: Timestamp) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    Timestamp::from_second(text.split_once(':')?.0.parse().ok()?).ok()
}

fn plan_in(dir: &TempDir, names: &[&str]) -> Result<Vec<Planned>, ReplayError> {
    let path = |name: &&str| dir.path().join(name).to_str().unwrap().to_owned();
    plan(&names.iter().map(path).collect::<Vec<_>>(), &stamp_of)
}

fn names(planned: &[Planned]) -> Vec<&str> {
    planned.iter().map(|one| one.input.path().file_name().unwrap().to_str().unwrap()).collect()
}

/// All lines with their `cut` marks, the last position, and the last count of stored bytes.
fn read_all(
    planned: &Planned,
    from: Option<&Position>,
) -> (Vec<(String, bool)>, Option<Position>, u64) {
    let (mut lines, mut position, mut stored) = (Vec::new(), None, 0);
    let flow = read(planned, 0, from, Timestamp::UNIX_EPOCH, &mut |batch, count| {
        for line in &batch.lines {
            let text = &batch.bytes[line.start as usize..line.end as usize];
            lines.push((String::from_utf8(text.to_vec()).unwrap(), line.cut));
        }
        position = Some(batch.position);
        assert!(count >= stored);
        stored = count;
        ControlFlow::Continue(())
    });
    assert!(flow.unwrap().is_continue());
    (lines, position, stored)
}

#[test]
fn files_are_ordered_by_their_first_stamps_whatever_they_are_called() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a"), "300: third\n").unwrap();
    fs::write(dir.path().join("b.gz"), compress(b"100: first\n", Compression::Gzip)).unwrap();
    fs::write(dir.path().join("c"), "Starting up\n200: second\n").unwrap();
    assert_eq!(names(&plan_in(&dir, &["*"]).unwrap()), ["b.gz", "c", "a"]);
    assert_eq!(names(&plan_in(&dir, &[""]).unwrap()), ["b.gz", "c", "a"], "a directory");
    assert_eq!(names(&plan_in(&dir, &["a", "c", "a"]).unwrap()), ["c", "a"]);
}

#[test]
fn of_twins_the_plain_one_is_kept_and_of_plain_ones_the_whole_one() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log.1"), "100: a\n200: b\n").unwrap();
    fs::write(dir.path().join("half"), "100: a\n").unwrap();
    let packed = compress(b"100: a\n200: b\n", Compression::Xz);
    fs::write(dir.path().join("log.1.xz"), packed).unwrap();
    assert_eq!(names(&plan_in(&dir, &["*"]).unwrap()), ["log.1"]);
}

#[test]
fn files_with_the_same_first_line_and_another_rest_are_both_kept_with_their_own_fingerprints() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("one"), "start\n100: a\n").unwrap();
    fs::write(dir.path().join("two"), "start\n200: b\n").unwrap();
    let planned = plan_in(&dir, &["*"]).unwrap();
    assert_eq!(names(&planned), ["one", "two"]);
    assert_ne!(planned[0].fingerprint, planned[1].fingerprint);
}

#[test]
fn a_missing_file_and_a_pattern_without_a_match_are_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("there"), "100: a\n").unwrap();
    for name in ["missing", "*.gz"] {
        let error = plan_in(&dir, &["there", name]).unwrap_err();
        assert!(matches!(error, ReplayError::Missing(pattern) if pattern.ends_with(name)));
    }
}

#[test]
fn standard_input_comes_last() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("there"), "100: a\n").unwrap();
    let there = dir.path().join("there").to_str().unwrap().to_owned();
    let planned = plan(&["-".to_owned(), there], &stamp_of).unwrap();
    assert_eq!(planned[1].input, Input::Stdin);
}

#[test]
fn every_form_gives_the_same_lines_and_counts_the_stored_bytes() {
    let text: String = (0..20_000).map(|n| format!("{n}: line\n")).collect();
    let expected: Vec<_> = text.lines().map(|line| (line.to_owned(), false)).collect();
    for form in ALL.into_iter().chain([Compression::Plain]) {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("log"), compress(text.as_bytes(), form)).unwrap();
        let planned = plan_in(&dir, &["log"]).unwrap();
        assert_eq!(planned[0].compression, form);
        let (lines, position, stored) = read_all(&planned[0], None);
        assert_eq!(lines, expected, "{form}");
        let position = position.unwrap();
        assert!(position.finished && position.offset == text.len() as u64);
        assert_eq!(stored, planned[0].size_bytes, "{form}");
    }
}

#[test]
fn a_replay_that_was_stopped_is_resumed_behind_its_last_batch() {
    let text: String = (0..100_000).map(|n| format!("{n}: a line that fills space\n")).collect();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), compress(text.as_bytes(), Compression::Zstd)).unwrap();
    let planned = plan_in(&dir, &["log"]).unwrap().remove(0);
    let mut first = None;
    let flow = read(&planned, 0, None, Timestamp::UNIX_EPOCH, &mut |batch, _| {
        first = Some((batch.lines.len(), batch.position));
        ControlFlow::Break(())
    });
    assert!(flow.unwrap().is_break());
    let (count, position) = first.unwrap();
    assert!(!position.finished);
    let (rest, last, _) = read_all(&planned, Some(&position));
    assert_eq!(count + rest.len(), 100_000);
    assert_eq!(rest[0].0, format!("{count}: a line that fills space"));
    let (nothing, none, _) = read_all(&planned, last.as_ref());
    assert!(nothing.is_empty() && none.is_none());
}

#[test]
fn a_last_line_without_an_end_is_handed_out_and_marked() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), "100: a\n200: b").unwrap();
    let (lines, ..) = read_all(&plan_in(&dir, &["log"]).unwrap()[0], None);
    assert_eq!(lines, [("100: a".to_owned(), false), ("200: b".to_owned(), true)]);
}

#[test]
fn a_damaged_archive_is_an_error_and_never_finished() {
    let text: String = (0..200_000_u32).map(|n| format!("{}: x\n", n * 7919)).collect();
    let packed = compress(text.as_bytes(), Compression::Gzip);
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log.gz"), &packed[..packed.len() - 9]).unwrap();
    let planned = plan_in(&dir, &["log.gz"]).unwrap().remove(0);
    let mut lines = 0;
    let result = read(&planned, 0, None, Timestamp::UNIX_EPOCH, &mut |batch, _| {
        assert!(!batch.position.finished);
        lines += batch.lines.len();
        ControlFlow::Continue(())
    });
    assert!(matches!(result, Err(ReplayError::Read { .. })));
    assert!(lines > 100_000, "{lines}");
}

/// The position at the end of a log, or where its first batch ended.
fn position_in(dir: &TempDir, name: &str) -> Position {
    read_all(&plan_in(dir, &[name]).unwrap()[0], None).1.unwrap()
}

/// What is read by a replay that goes on from there; None when it does not.
fn read_on(dir: &TempDir, name: &str, stored: &Position) -> Option<Vec<(String, bool)>> {
    let planned = plan_in(dir, &[name]).unwrap();
    let positions = resume(&planned, std::slice::from_ref(stored)).unwrap()?;
    Some(read_all(&planned[0], positions.first()).0)
}

#[test]
fn a_log_that_has_grown_since_it_was_read_is_read_on_from_its_half_line() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "100: a\n200: b\n").unwrap();
    let at_end = position_in(&dir, "log");
    assert_eq!(read_on(&dir, "log", &at_end), Some(Vec::new()), "it is as it was");
    fs::write(&log, "100: a\n200: b\n300: c").unwrap();
    assert_eq!(read_on(&dir, "log", &at_end), Some(vec![("300: c".to_owned(), true)]));
    let in_line = position_in(&dir, "log");
    assert_eq!(read_on(&dir, "log", &in_line), Some(Vec::new()), "the half line was told");
    fs::write(&log, "100: a\n200: b\n300: c and more\n400: d\n").unwrap();
    let rest = [("300: c and more".to_owned(), false), ("400: d".to_owned(), false)];
    assert_eq!(read_on(&dir, "log", &in_line), Some(rest.to_vec()));
}

#[test]
fn an_archive_that_was_read_to_its_end_gives_nothing_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), compress(b"100: a\n200: b\n", Compression::Gzip)).unwrap();
    let at_end = position_in(&dir, "log");
    assert_eq!(read_on(&dir, "log", &at_end), Some(Vec::new()));
}

#[test]
fn a_log_that_is_no_longer_what_was_read_is_not_gone_on_with() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "100: a\n200: b\n300: c\n").unwrap();
    let at_end = position_in(&dir, "log");
    for other in ["100: a\n200: b\n", "100: a\n200: x\n300: c\n", "400: d\n"] {
        fs::write(&log, other).unwrap();
        assert_eq!(read_on(&dir, "log", &at_end), None, "{other}");
    }
}

/// One that could not be read ended the replay, and the next one after it the next replay.
#[test]
fn files_that_cannot_be_read_are_all_named_before_anything_is_read() {
    let dir = TempDir::new().unwrap();
    let packed = compress(b"100: a\n", Compression::Gzip);
    fs::write(dir.path().join("whole.gz"), &packed).unwrap();
    for name in ["one.gz", "two.gz"] {
        fs::write(dir.path().join(name), &packed[..12]).unwrap();
    }
    let Err(ReplayError::Unreadable(files)) = plan_in(&dir, &["*"]) else { panic!() };
    let names: Vec<_> = files.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    assert_eq!(names, ["one.gz", "two.gz"]);
}

#[test]
fn row_35_what_is_no_log_is_passed_over_in_a_directory_and_refused_by_name() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), "100: a\n").unwrap();
    fs::write(dir.path().join("program"), b"\x7fELF and more").unwrap();
    fs::write(dir.path().join(".log.swp"), "200: b\n").unwrap();
    fs::write(dir.path().join("log~"), "300: c\n").unwrap();
    assert_eq!(names(&plan_in(&dir, &["*"]).unwrap()), ["log"]);
    assert_eq!(names(&plan_in(&dir, &[""]).unwrap()), ["log"], "a directory");
    assert_eq!(
        names(&plan_in(&dir, &["log~", "log"]).unwrap()),
        ["log", "log~"],
        "it was asked for"
    );
    let refused = plan_in(&dir, &["*", "program"]);
    assert!(matches!(refused, Err(ReplayError::Unreadable(files)) if files.len() == 1));
    let nothing = plan_in(&dir, &["prog*"]);
    assert!(matches!(nothing, Err(ReplayError::Missing(_))), "{nothing:?}");
}
