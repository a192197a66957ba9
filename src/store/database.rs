//! The open store: durable commits, reads and ordered scans.

use std::path::{Path, PathBuf};

use crate::limits::REMOVES_PER_COMMIT;

use super::{
    Commit, Key, Prefix, StoreError, StoreErrorKind, disk::Disk, lock::StateLock, poison::Poison,
};

/// A key and its value, as bytes ([`super::key`] takes the key apart).
pub type Entry = (Vec<u8>, Vec<u8>);

/// The open store. Dropping it leaves everything that was committed on disk.
#[derive(Debug)]
pub struct Store {
    pub(super) dir: PathBuf,
    pub(super) db: sled::Db,
    pub(super) disk: Box<dyn Disk>,
    pub(super) poison: Poison,
    /// Dropped last, after sled let go of its files.
    pub(super) _lock: StateLock,
}

/// Name of the marker that tells the next opening to sweep tombstones.
const SWEEP: &str = "sweep";

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

    /// The value under `key`.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read or the store is poisoned.
    pub fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.readable()?.get(key.as_bytes()).map_err(|error| self.unread(error))?;
        Ok(value.filter(|value| !value.is_empty()).map(|value| value.to_vec()))
    }

    /// Keys and values under `prefix`, in key order.
    ///
    /// # Errors
    ///
    /// When the store is poisoned; each entry fails when it cannot be read.
    pub fn scan(
        &self,
        prefix: &Prefix,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + '_, StoreError> {
        Ok(self.entries(self.readable()?.scan_prefix(prefix.as_bytes())))
    }

    /// Keys and values from `from` up to and without `to`, in key order.
    ///
    /// # Errors
    ///
    /// As [`Store::scan`].
    pub fn scan_range(
        &self,
        from: &Key,
        to: &Key,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + '_, StoreError> {
        Ok(self.entries(self.readable()?.range(from.as_bytes()..to.as_bytes())))
    }

    /// The last key under `prefix`, with its value.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read or the store is poisoned.
    pub fn last(&self, prefix: &Prefix) -> Result<Option<Entry>, StoreError> {
        self.scan(prefix)?.next_back().transpose()
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
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
            self.db.apply_batch(first_batch(commit, &overflow))?;
            self.remove_in_order(&overflow)?;
            self.make_durable()?;
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

    fn readable(&self) -> Result<&sled::Tree, StoreError> {
        self.poison.check().map_err(|kind| StoreError::new("read", &self.dir, kind))?;
        Ok(&self.db)
    }

    fn entries(
        &self,
        entries: sled::Iter,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + '_ {
        entries.filter_map(|entry| match entry {
            Ok((_, value)) if value.is_empty() => None,
            Ok((key, value)) => Some(Ok((key.to_vec(), value.to_vec()))),
            Err(error) => Some(Err(self.unread(error))),
        })
    }

    fn unread(&self, error: sled::Error) -> StoreError {
        StoreError::new("read", &self.dir, error)
    }
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
