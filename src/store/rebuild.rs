//! The only compaction that sled 0.34 has: copy what lives to a new database, and let the old one
//! go. Files that grew in a bad time never shrink otherwise.
//!
//! 1. The copy is made in a directory of its own (`store-2`, `store-3`, …) and made durable.
//! 2. `CURRENT` is renamed into place: from here on the copy is the store.
//! 3. The old directory is removed.
//!
//! A crash before 2 leaves the old store and a copy that nobody asks for, a crash after it the new
//! store and an old one: the next opening removes what `CURRENT` does not name.

use std::{fs, io, path::Path};

use super::{
    Store, StoreError, StoreErrorKind,
    disk::sync_directory,
    lock::BackOff,
    marks,
    open::{DATABASE, LOCK_WAIT, create, open_unlocked, real_disk},
};

/// Keys copied in one batch.
const COPIED_AT_ONCE: usize = 1000;

/// Free bytes wanted for each byte to be copied.
const ROOM_FOR_COPY: u64 = 4;

/// When files are so much larger than what they hold that a copy is worth it: both must be.
#[derive(Debug, Clone, Copy)]
pub struct Sparse {
    /// Times the bytes of all keys and values.
    pub times: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Where a rebuild is; tests end the process there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Begun,
    HalfCopied,
    Copied,
    Synced,
    Pointed,
    Removed,
}

impl Store {
    /// Rebuilds the database if it is sparse. True when it did. Blocks for as long as it takes to
    /// read all that lives, and to write it once; `goes_on` is called again and again while it gets
    /// somewhere.
    ///
    /// # Errors
    ///
    /// When the database cannot be read, or the copy not be written; the store is then as it was,
    /// apart from a copy that the next opening removes.
    pub fn rebuild_if_sparse(
        &mut self,
        sparse: Sparse,
        goes_on: &mut dyn FnMut(),
    ) -> Result<bool, StoreError> {
        let size = self.size_on_disk()?;
        if size <= sparse.bytes {
            return Ok(false);
        }
        let live = self.live_bytes(goes_on)?;
        if size / sparse.times <= live {
            return Ok(false);
        }
        let rebuilt = self.has_room_for(live).and_then(|()| self.rebuild(&mut |_| goes_on()));
        rebuilt.map_err(|kind| StoreError::new("rebuild", self.dir(), kind))?;
        Ok(true)
    }

    /// sled writes a copy with some air in it, and some of it twice.
    fn has_room_for(&self, live: u64) -> Result<(), StoreErrorKind> {
        if self.space()?.free / ROOM_FOR_COPY > live {
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::StorageFull).into())
    }

    /// Bytes of all keys and values. Reads everything.
    fn live_bytes(&self, goes_on: &mut dyn FnMut()) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for (number, entry) in self.db.iter().enumerate() {
            let (key, value) = entry.map_err(|error| self.unread(error))?;
            bytes += (key.len() + value.len()) as u64;
            if number % COPIED_AT_ONCE == 0 {
                goes_on();
            }
        }
        Ok(bytes)
    }

    pub(super) fn rebuild(&mut self, at: &mut dyn FnMut(Step)) -> Result<(), StoreErrorKind> {
        self.poison.check()?;
        let dir = self.dir.clone();
        let old = marks::current(&dir)?.unwrap_or_else(|| DATABASE.to_owned());
        let new = following(&old);
        let place = dir.join(&new);
        remove(&place)?;
        create(&place)?;
        at(Step::Begun);
        let copy = open_unlocked(&place, &mut BackOff::new(LOCK_WAIT))?;
        self.copy_to(&copy, at)?;
        at(Step::Copied);
        let disk = real_disk(&place)?;
        copy.flush()?;
        disk.sync()?;
        sync_directory(&place)?;
        sync_directory(&dir)?;
        at(Step::Synced);
        marks::set_current(&dir, &new)?;
        at(Step::Pointed);
        (self.view.db, self.disk) = (copy, disk);
        // Readers let the old one go before its files are removed.
        self.shared.replace(&self.view);
        remove(&dir.join(&old))?;
        sync_directory(&dir)?;
        at(Step::Removed);
        Ok(())
    }

    fn copy_to(&self, copy: &sled::Db, at: &mut dyn FnMut(Step)) -> Result<(), StoreErrorKind> {
        let (mut batch, mut count, mut copied) = (sled::Batch::default(), 0, 0);
        for entry in self.db.iter() {
            let (key, value) = entry?;
            // Tombstones are not taken along.
            if value.is_empty() {
                continue;
            }
            batch.insert(key, value);
            count += 1;
            if count == COPIED_AT_ONCE {
                copy.apply_batch(std::mem::take(&mut batch))?;
                (copied, count) = (copied + count, 0);
                at(Step::HalfCopied);
            }
        }
        copy.apply_batch(batch)?;
        if copy.len() == copied + count {
            return Ok(());
        }
        Err(StoreErrorKind::Corrupt("a copy of it has fewer keys".to_owned()))
    }
}

/// Removes the databases of a state directory that `CURRENT` does not name.
pub(super) fn remove_others(dir: &Path, current: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_copy =
            name.strip_prefix("store-").is_some_and(|number| number.parse::<u64>().is_ok());
        if name != current && (is_copy || name == DATABASE) {
            tracing::info!(name, "removing a database that was replaced");
            remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// `store`, `store-2`, `store-3`, …
fn following(name: &str) -> String {
    let number = name.strip_prefix("store-").and_then(|number| number.parse::<u64>().ok());
    format!("{DATABASE}-{}", number.unwrap_or(1).saturating_add(1))
}

fn remove(place: &Path) -> io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
