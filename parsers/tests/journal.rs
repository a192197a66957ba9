//! Real exports of real journals: whatever the form, an entry is the same line.

#![allow(clippy::unwrap_used, reason = "tests")]

use mailherald_parsers::{
    Body, Parser, Reason,
    journal::{Entry, MAGIC, Reader},
};

macro_rules! export {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/journald/systemd-252/", $name)).as_slice()
    };
}

fn of_export(export: &[u8]) -> Vec<String> {
    assert!(export.starts_with(MAGIC));
    let (mut reader, mut lines) = (Reader::new(), Vec::new());
    reader.feed(export, &mut |entry: &Entry<'_>| {
        let mut line = Vec::new();
        entry.render(&mut line);
        lines.push(String::from_utf8_lossy(&line).into_owned());
    });
    assert_eq!(reader.finish(), None, "an export ends between two entries");
    lines
}

fn of_json(json: &[u8]) -> Vec<String> {
    let mut parser = Parser::new();
    let lines = json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| String::from_utf8_lossy(parser.parse(line).line).into_owned()).collect()
}

#[test]
fn a_run_of_postfix_is_the_same_lines_in_both_forms() {
    let lines = of_export(export!("02_delivered_multi.export"));
    assert_eq!(lines.len(), 113);
    assert_eq!(lines, of_json(export!("02_delivered_multi.json")));
}

/// Bytes that are no text, several lines, a field twice, forged entries inside a field, no name, no
/// time of sending, no PID; and an export of no more fields than needed.
#[test]
fn odd_entries_are_the_same_lines_in_every_form() {
    let lines = of_export(export!("odd_entries.export"));
    assert_eq!(lines.len(), 15);
    assert_eq!(lines, of_json(export!("odd_entries.all.json")));
    assert_eq!(lines, of_json(export!("odd_entries.fields.json")));
}

/// Without `--all`, journalctl shows no text beyond 4,096 bytes.
#[test]
fn a_text_that_journalctl_leaves_out_of_json_is_empty() {
    let (all, json) =
        (of_export(export!("odd_entries.export")), of_json(export!("odd_entries.json")));
    let differ: Vec<_> = all.iter().zip(&json).filter(|(all, json)| all != json).collect();
    let [(whole, empty)] = differ.as_slice() else { panic!("{differ:?}") };
    assert_eq!(whole.trim_end_matches('x'), *empty);
}

#[test]
fn every_line_of_an_entry_is_understood() {
    for line in of_export(export!("odd_entries.export")) {
        let mut parser = Parser::new();
        let body = parser.parse(line.as_bytes()).body;
        assert_ne!(body, Body::Unrecognised(Reason::Header), "{line}");
    }
}
