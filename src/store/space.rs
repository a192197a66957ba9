//! Room on the disk: how much there is, and a ballast that can be thrown off when there is none.
//!
//! sled cannot open a database on a full disk, nor can anything be committed. So nothing is read
//! while little is free, and a file without content holds some room for the moment when others have
//! taken the rest.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::Store;

/// Name of the ballast in the state directory.
const BALLAST: &str = "ballast";

/// Its bytes at most; it is never more than a quarter of what must be free.
const BALLAST_BYTES: u64 = 16 * 1024 * 1024;

/// What must be free by default: the lesser of this and [`MIN_FREE_PART`].
const MIN_FREE: u64 = 256 * 1024 * 1024;

/// Part of the file system.
const MIN_FREE_PART: u64 = 50;

/// Room on the file system of a state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still take.
    pub free: u64,
    /// Bytes of the whole file system.
    pub total: u64,
}

impl Space {
    /// Of the file system of `dir`.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let stat = statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    /// What must be free on it, unless it was configured.
    #[must_use]
    pub fn min_free(self) -> u64 {
        MIN_FREE.min(self.total / MIN_FREE_PART)
    }
}

impl Store {
    /// Room where the store lies.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn space(&self) -> io::Result<Space> {
        Space::of(&self.dir)
    }

    /// Holds room for bad times, as long as that leaves `min_free` bytes.
    ///
    /// # Errors
    ///
    /// When there is no such room, or the file system cannot reserve it.
    pub fn take_ballast(&self, min_free: u64) -> io::Result<()> {
        let (path, bytes) = (self.dir.join(BALLAST), BALLAST_BYTES.min(min_free / 4));
        let has_ballast = fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= bytes);
        if bytes == 0 || has_ballast || self.space()?.free < min_free.saturating_add(bytes) {
            return Ok(());
        }
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
        Ok(())
    }
}

/// Throws the ballast off. False when there is none.
pub(super) fn drop_ballast(dir: &Path) -> bool {
    fs::remove_file(dir.join(BALLAST)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_default_is_a_small_part_of_a_small_disk() {
        let min_free = |total| Space { free: 0, total }.min_free();
        assert_eq!(min_free(64 << 20), (64 << 20) / 50);
        assert_eq!(min_free(1 << 40), 256 << 20);
    }

    #[test]
    fn row_30_a_ballast_takes_room_once_and_gives_it_back() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for _ in 0..2 {
            store.take_ballast(4 << 20).unwrap();
            assert_eq!(fs::metadata(dir.path().join(BALLAST)).unwrap().len(), 1 << 20);
        }
        assert!(drop_ballast(dir.path()));
        assert!(!drop_ballast(dir.path()));
        store.take_ballast(u64::MAX).unwrap();
        assert!(!drop_ballast(dir.path()), "there is no such room");
    }
}
