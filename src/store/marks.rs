//! Two small files beside the database, which say what the database cannot say of itself.
//!
//! * `CURRENT` names the directory of the database. It is written behind the first commit: a state
//!   directory that has it once had a store.
//! * `commits` holds the number of a late commit, and whether it was the last one before an orderly
//!   end. A database with fewer has lost some. sled takes a damaged place in its log for the end of
//!   it, so the database itself would only look younger.
//!
//! Each is written under another name and renamed, so it is whole or not there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::disk::sync_directory;

/// Names the directory of the database.
const CURRENT: &str = "CURRENT";
/// Holds the number of a late commit.
const COMMITS: &str = "commits";

/// What the last process wrote down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// The database has that many commits at least.
    pub(super) commits: u64,
    /// It has exactly as many, and was closed.
    pub(super) is_closed: bool,
}

/// The directory of the database, if there ever was one. Only a plain name: never a path.
pub(super) fn current(dir: &Path) -> io::Result<Option<String>> {
    let name = read(dir, CURRENT)?;
    Ok(name.filter(|name| name.starts_with("store") && !name.contains('/')))
}

/// From now on that directory is the database's.
pub(super) fn set_current(dir: &Path, name: &str) -> io::Result<()> {
    write(dir, CURRENT, name)
}

/// What the last process wrote down, if that can be read.
pub(super) fn noted(dir: &Path) -> io::Result<Option<Noted>> {
    let text = read(dir, COMMITS)?;
    Ok(text.and_then(|text| {
        let (number, word) = text.split_once(' ')?;
        Some(Noted { commits: number.parse().ok()?, is_closed: word == "closed" })
    }))
}

/// Writes it down.
pub(super) fn note(dir: &Path, noted: Noted) -> io::Result<()> {
    write(dir, COMMITS, &noted.text())
}

/// As [`note`], but waits for no disk, which would make the one commit that is noted ten times as
/// slow as the others. What a power loss leaves then may be what was noted some seconds before: a
/// number that is right, too.
pub(super) fn note_soon(dir: &Path, noted: Noted) -> io::Result<()> {
    let part = part_of(dir, COMMITS);
    fs::write(&part, noted.text())?;
    fs::rename(&part, dir.join(COMMITS))
}

impl Noted {
    fn text(self) -> String {
        let word = if self.is_closed { "closed" } else { "open" };
        format!("{} {word}", self.commits)
    }
}

fn part_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part"))
}

fn read(dir: &Path, name: &str) -> io::Result<Option<String>> {
    match fs::read(dir.join(name)) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok().map(|text| text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = part_of(dir, name);
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, dir.join(name))?;
    sync_directory(dir)
}
