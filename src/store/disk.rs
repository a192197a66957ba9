//! The one call that makes a commit survive a power loss, behind a seam for tests.

use std::{fmt::Debug, fs::File, io, path::Path};

/// Makes written data durable.
pub(super) trait Disk: Debug + Send + Sync {
    /// Returns when everything that was written to the database file before is on the medium.
    fn sync(&self) -> io::Result<()>;
}

/// A second handle on sled's database file. sled 0.34 never syncs on `flush()` (Linux:
/// `sync_file_range`, `src/pagecache/iobuf.rs`), and its own handle is out of reach.
#[derive(Debug)]
pub(super) struct DatabaseFile(File);

impl DatabaseFile {
    /// Opens the handle on `<database>/db`, which must exist.
    pub(super) fn open(database: &Path) -> io::Result<Self> {
        File::open(database.join("db")).map(Self)
    }
}

impl Disk for DatabaseFile {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Makes the entries of a directory durable: a new file is only found after a power loss when its
/// directory was synced.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
