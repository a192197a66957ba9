//! `cargo xtask tidy`: the rules of this house that no compiler knows.
//!
//! Findings are errors, apart from sizes, which are advice.

mod code;
mod places;
mod rooms;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::run;

/// Lines of code, without tests, above which a file is to be questioned.
const QUESTIONED: usize = 400;
/// Above which it is to be split.
const SPLIT: usize = 600;

/// A file of the working tree.
#[derive(Debug)]
struct SourceFile {
    /// From the root.
    path: PathBuf,
    /// Content; a file that is no text is not looked at.
    text: String,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// `src/x.rs:12`, or only the file.
    place: String,
    /// What is wrong, and what to do.
    what: String,
}

impl Finding {
    fn new(path: &Path, line: usize, what: String) -> Self {
        Self { place: format!("{}:{line}", path.display()), what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Checks everything and prints what is found.
///
/// # Errors
/// Something was found, or the working tree cannot be read.
pub(crate) fn check() -> Result<()> {
    let files = read_tree(run::root())?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(rooms::findings(&file.path, &file.text));
        findings.extend(places::machine_paths(&file.path, &file.text));
        advise_on_size(file);
    }
    findings.extend(places::fixtures_without_provenance(&files));
    for finding in &findings {
        println!("error: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} rules of the house are broken", findings.len());
    }
    println!("tidy: {} files are as they should be", files.len());
    Ok(())
}

fn advise_on_size(file: &SourceFile) {
    let is_code = file.path.extension().is_some_and(|extension| extension == "rs");
    if !is_code || code::is_test_file(&file.path) {
        return;
    }
    let lines = code::without_tests(&file.text).lines().count();
    let path = file.path.display();
    if lines > SPLIT {
        println!("warning: {path}: {lines} lines without tests; split it (limit {SPLIT})");
    } else if lines > QUESTIONED {
        println!("warning: {path}: {lines} lines without tests; is it one idea?");
    }
}

/// Everything that is or could be committed.
fn read_tree(root: &Path) -> Result<Vec<SourceFile>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let names = run::read(Command::new("git").args(list).current_dir(root))?;
    let mut files = Vec::new();
    for name in names.split_terminator('\0') {
        let full = root.join(name);
        if !full.is_file() {
            continue; // deleted, but not yet committed
        }
        let bytes = fs::read(&full).with_context(|| format!("read {name}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: name.into(), text });
        }
    }
    Ok(files)
}
