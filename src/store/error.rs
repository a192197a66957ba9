//! What can go wrong with the store as a whole.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A failure of the store: what was attempted, where, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} the store at {}", .path.display())]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    #[source]
    kind: StoreErrorKind,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Another process uses this state directory, and kept it for as long as we were willing to
    /// wait.
    #[error("another process holds the lock {}", .0.display())]
    Locked(
        /// The lock file.
        PathBuf,
    ),
    /// What is on disk cannot be read, and the repairs did not help.
    #[error("its content is damaged: {0}")]
    Corrupt(
        /// What was found.
        String,
    ),
    /// It was written by a later version of this program.
    #[error("it has format {found}, but this version reads up to format {supported}")]
    FormatTooNew {
        /// The format on disk.
        found: u8,
        /// The newest format known here.
        supported: u8,
    },
    /// An earlier commit failed, so what is on disk is not known. After a failed `fsync` the
    /// kernel may mark the pages clean although they never reached the disk, so trying again can
    /// report success for lost data (Rebello et al., "Can Applications Recover from fsync
    /// Failures?", USENIX ATC 2020). End the process and start it again: opening reads the disk.
    #[error("an earlier commit failed; the process must be restarted")]
    Poisoned,
    /// It was closed while somebody still wanted to read.
    #[error("it is closed")]
    Closed,
    /// The file system refused.
    #[error("the file system refused")]
    Io(
        /// How.
        #[from]
        io::Error,
    ),
}

impl StoreError {
    pub(super) fn new(action: &'static str, path: &Path, kind: impl Into<StoreErrorKind>) -> Self {
        Self { action, path: path.to_owned(), kind: kind.into() }
    }

    /// There is no room on the disk: nothing is wrong that more room would not mend.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(&self.kind, StoreErrorKind::Io(error) if super::open::is_full(error))
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }

    /// The state directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<sled::Error> for StoreErrorKind {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error),
            other => Self::Corrupt(other.to_string()),
        }
    }
}
