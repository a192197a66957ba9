//! Each row of the table of faults in `contrib/docs/tailing.md` has tests named after it, and the one
//! that the document names is there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROWS: u32 = 38;

/// Every file of Rust below these directories.
fn sources(directories: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut left: Vec<_> = directories.iter().map(|name| root.join(name)).collect();
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

/// The tests that the document names, with the row before each.
fn named() -> Vec<(u32, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/docs/tailing.md"));
    let text = text.unwrap();
    let rows = text.lines().filter_map(|line| {
        let (row, name) = line.strip_prefix("| ")?.split_once(" | `row_")?;
        Some((row.parse().ok()?, format!("row_{}", name.strip_suffix("` |")?)))
    });
    rows.collect()
}

#[test]
fn each_row_of_the_table_of_faults_names_a_test_that_is_there() {
    let files = sources(&["src", "tests", "parsers/src"]);
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let named = named();
    let rows: Vec<_> = named.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, (1..=ROWS).collect::<Vec<_>>());
    for (row, name) in named {
        assert!(name.starts_with(&format!("row_{row:02}_")), "{name} is not of row {row}");
        assert!(code.contains(&format!("fn {name}() {{")), "there is no test {name}");
    }
}
