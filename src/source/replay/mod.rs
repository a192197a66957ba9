//! Log files that are read once, from the oldest to the newest line.
//!
//! [`plan()`] finds the files and their order, [`read()`] streams one of them, [`resume()`] says where
//! a replay that was stopped goes on. Positions are like those of the tail.

mod named;
mod plan;
mod read;
mod resume;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{Compression, Fingerprint};

pub use plan::{StampOf, plan};
pub use read::read;
pub use resume::resume;

/// One input of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Where it is read from.
    pub input: Input,
    /// Its generation; [`Fingerprint::NONE`] for standard input.
    pub fingerprint: Fingerprint,
    /// Size as it is stored; 0 for standard input.
    pub size_bytes: u64,
    /// How it is stored.
    pub compression: Compression,
    /// When it was last written to: the reference for stamps without a year.
    pub modified: Timestamp,
    /// Its bytes are its lines, so it may be a log that still grows.
    pub may_grow: bool,
    /// Stamp of its first line that has one among those looked at.
    pub first_stamp: Option<Timestamp>,
}

/// Where a replay reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// The name for messages: `-` is standard input.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) => path,
        }
    }
}

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Nothing is there under that name or pattern.
    #[error("find a log at {0:?}")]
    Missing(
        /// As it was given.
        String,
    ),
    /// It is not a glob pattern.
    #[error("understand the pattern {pattern:?}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        error: glob::PatternError,
    },
    /// Some of the files cannot be read; none was.
    #[error("read {}", listed(.0))]
    Unreadable(
        /// Which, and why.
        Vec<(PathBuf, io::Error)>,
    ),
    /// A file cannot be read, or an archive is short or damaged.
    #[error("read the log {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl ReplayError {
    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Read { path, error }
    }
}

fn listed(files: &[(PathBuf, io::Error)]) -> String {
    let one = |(path, error): &(PathBuf, io::Error)| format!("{}: {error}", path.display());
    files.iter().map(one).collect::<Vec<_>>().join("\n  and ")
}
