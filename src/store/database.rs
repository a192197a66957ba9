//! The open store: durable commits, reads and ordered scans.

use std::{
    io,
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::limits::REMOVES_PER_COMMIT;

use super::{
    Commit, Key, Prefix, StoreError, StoreErrorKind,
    disk::Disk,
    lock::StateLock,
    marks::{self, Noted},
    view::{Shared, StoreReader, View},
};

/// The open store. Dropping it leaves everything that was committed on disk.
#[derive(Debug)]
pub struct Store {
    /// What it reads through.
    pub(super) view: View,
    /// What readers on other threads read through.
    pub(super) shared: Shared,
    pub(super) disk: Box<dyn Disk>,
    /// Number of the last commit.
    pub(super) commits: AtomicU64,
    /// Dropped last, after sled let go of its files. None where a parent process holds it.
    pub(super) _lock: Option<StateLock>,
}

/// Name of the marker that tells the next opening to sweep tombstones.
const SWEEP: &str = "sweep";

/// Name of the number of the last commit, and the version of its form: eight bytes, big-endian.
const COMMITS: &str = "commits";
const COMMITS_VERSION: u8 = 1;

/// Every so many commits their number is written down beside the database.
const NOTED_EVERY: u64 = 32;

/// Any value that is not empty.
const MARKED: &[u8] = &[1];

impl Store {
    /// Makes `commit` durable, all of it or nothing (protocol: [the room](super)). Blocks for a
    /// few milliseconds; only the writer's thread may call it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Io`] or [`StoreErrorKind::Corrupt`] when it is not known what reached
    /// the disk, and [`StoreErrorKind::Poisoned`] for ever after.
    pub fn apply(&self, commit: Commit) -> Result<(), StoreError> {
        self.write(commit).map_err(|kind| StoreError::new("commit to", &self.dir, kind))
    }

    /// For a thread that only reads. It sees each commit whole, as soon as it is applied, and nothing
    /// any more once this store is dropped.
    #[must_use]
    pub fn reader(&self) -> StoreReader {
        self.shared.reader(&self.dir)
    }

    /// Bytes of the database's files.
    ///
    /// # Errors
    ///
    /// When they cannot be looked at.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|error| self.unread(error))
    }

    /// Keys of all tables, tombstones among them.
    #[cfg(test)]
    pub(crate) fn key_count(&self) -> usize {
        self.db.len()
    }

    /// Number of the last commit.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Writes the number of the last commit down beside the database. Without it damage may go
    /// unnoticed, and that is all.
    pub(super) fn note(&self, is_closed: bool) {
        complain(marks::note(&self.dir, Noted { commits: self.commits(), is_closed }));
    }

    fn note_in_passing(&self) {
        let noted = Noted { commits: self.commits(), is_closed: false };
        complain(marks::note_soon(&self.dir, noted));
    }

    /// Continues with the number of the last stored commit.
    pub(super) fn count_commits(&self) -> Result<(), StoreErrorKind> {
        let stored = self.db.get(Key::meta(COMMITS).as_bytes())?;
        let number = match stored.as_deref().and_then(<[u8]>::split_first) {
            Some((&COMMITS_VERSION, bytes)) => bytes.try_into().map_or(0, u64::from_be_bytes),
            _ => 0,
        };
        self.commits.store(number, Ordering::Release);
        Ok(())
    }

    /// Removes the tombstones that a crash left between two batches of one commit.
    pub(super) fn sweep(&self) -> Result<(), StoreErrorKind> {
        if self.db.get(Key::meta(SWEEP).as_bytes())?.is_none() {
            return Ok(());
        }
        let mut dead = Vec::new();
        for entry in self.db.scan_prefix(Prefix::everything().as_bytes()) {
            let (key, value) = entry?;
            if value.is_empty() {
                dead.push(Key::from_stored(&key));
            }
        }
        self.remove_in_order(&dead)?;
        self.make_durable()
    }

    pub(super) fn write(&self, mut commit: Commit) -> Result<(), StoreErrorKind> {
        let armed = self.poison.arm()?;
        let overflow = overflowing_removes(&commit);
        if !overflow.is_empty() {
            commit.put(Key::meta(SWEEP), MARKED.to_vec());
        }
        if !commit.is_empty() {
            let number = self.commits.load(Ordering::Acquire) + 1;
            commit.put(Key::meta(COMMITS), numbered(number));
            self.db.apply_batch(first_batch(commit, &overflow))?;
            self.remove_in_order(&overflow)?;
            self.make_durable()?;
            self.commits.store(number, Ordering::Release);
            if number.is_multiple_of(NOTED_EVERY) {
                self.note_in_passing();
            }
        }
        armed.disarm();
        Ok(())
    }

    /// Removes `keys`, which are in key order, and then the sweep marker.
    fn remove_in_order(&self, keys: &[Key]) -> Result<(), StoreErrorKind> {
        for part in keys.chunks(REMOVES_PER_COMMIT) {
            let mut batch = sled::Batch::default();
            for key in part {
                batch.remove(key.as_bytes());
            }
            self.db.apply_batch(batch)?;
        }
        if !keys.is_empty() {
            self.db.remove(Key::meta(SWEEP).as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn make_durable(&self) -> Result<(), StoreErrorKind> {
        self.db.flush()?;
        self.disk.sync()?;
        Ok(())
    }
}

/// Whatever reads can be given the store.
impl Deref for Store {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// An orderly end: the next opening may trust what it finds.
impl Drop for Store {
    fn drop(&mut self) {
        self.shared.close();
        if self.poison.check().is_err() || std::thread::panicking() {
            return;
        }
        self.note(true);
    }
}

fn complain(noted: io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the number of commits cannot be written down");
    }
}

fn numbered(number: u64) -> Vec<u8> {
    [&[COMMITS_VERSION], number.to_be_bytes().as_slice()].concat()
}

/// The removes that do not fit into the first batch, in key order.
fn overflowing_removes(commit: &Commit) -> Vec<Key> {
    let removes = commit.changes.iter().filter(|(_, value)| value.is_empty());
    removes.skip(REMOVES_PER_COMMIT).map(|(key, _)| key.clone()).collect()
}

/// The whole commit as readers see it: what overflows becomes a tombstone.
fn first_batch(commit: Commit, overflow: &[Key]) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in commit.changes {
        if value.is_empty() && overflow.binary_search(&key).is_err() {
            batch.remove(key.as_bytes());
        } else {
            batch.insert(key.as_bytes(), value);
        }
    }
    batch
}
