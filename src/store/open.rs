//! Opening the store, and the repairs that sled 0.34 needs for that.
//!
//! * A process killed while sled wrote its snapshot leaves `snap.<n>.generating`, which the next
//!   opening takes for the newest snapshot and calls corrupt: such files are deleted first.
//! * A damaged snapshot makes opening fail although the log is whole: on corruption every
//!   snapshot is deleted and the opening tried once more, by a scan of the whole log.
//! * Opening can panic on damaged files: a panic counts as corruption.
//! * A killed process can hold its locks for a moment: they are retried.
//!
//! What still fails is the caller's to decide on.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Duration,
};

use super::{
    Commit, Key, Prefix, Store, StoreError, StoreErrorKind,
    disk::{DatabaseFile, Disk, sync_directory},
    lock::{BackOff, StateLock},
    poison::Poison,
};

/// Directory of the database in the state directory.
pub(super) const DATABASE: &str = "store";

/// Format of the layout as a whole. A later one refuses or migrates.
const FORMAT: u8 = 1;

/// Name of the key that holds [`FORMAT`].
const FORMAT_KEY: &str = "format";

/// Memory for pages. More brings nothing (measured), sled's default would be 1 GB.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// sled's own flush interval. Our durability does not need it, but without it sled never collects
/// garbage.
const FLUSH_EVERY_MS: u64 = 500;

/// How long another process may keep the locks before it is reported.
const LOCK_WAIT: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the store in the state directory `dir`, creating both when they are missing.
    /// Blocks, up to ten seconds while another process holds the lock.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Locked`] when another process uses the directory,
    /// [`StoreErrorKind::Corrupt`] when the repairs did not help,
    /// [`StoreErrorKind::FormatTooNew`] when a later version wrote it, else
    /// [`StoreErrorKind::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_within(dir, LOCK_WAIT, |database| {
            DatabaseFile::open(database).map(|file| Box::new(file) as Box<dyn Disk>)
        })
    }

    /// [`Store::open`], with the patience and the disk of the caller's choice.
    pub(super) fn open_within(
        dir: &Path,
        lock_wait: Duration,
        disk: impl FnOnce(&Path) -> io::Result<Box<dyn Disk>>,
    ) -> Result<Self, StoreError> {
        assemble(dir, lock_wait, disk).map_err(|kind| StoreError::new("open", dir, kind))
    }
}

fn assemble(
    dir: &Path,
    lock_wait: Duration,
    disk: impl FnOnce(&Path) -> io::Result<Box<dyn Disk>>,
) -> Result<Store, StoreErrorKind> {
    let database = dir.join(DATABASE);
    // Addresses and answers of the mail host lie here: nobody else's to read.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&database)?;
    let mut back_off = BackOff::new(lock_wait);
    let lock = StateLock::take(dir, &mut back_off)?;
    let db = open_repaired(&database, &mut back_off)?;
    for directory in [Some(database.as_path()), Some(dir), dir.parent()].into_iter().flatten() {
        if !directory.as_os_str().is_empty() {
            sync_directory(directory)?;
        }
    }
    let disk = disk(&database)?;
    let store = Store { dir: dir.to_owned(), db, disk, poison: Poison::default(), _lock: lock };
    check_format(&store)?;
    store.sweep()?;
    Ok(store)
}

fn open_repaired(database: &Path, back_off: &mut BackOff) -> Result<sled::Db, StoreErrorKind> {
    delete_snapshots(database, |name| name.ends_with(".generating"))?;
    match open_unlocked(database, back_off) {
        Err(StoreErrorKind::Corrupt(why)) => {
            tracing::warn!(path = %database.display(), why, "Rebuilding the store's snapshot");
            delete_snapshots(database, |_| true)?;
            open_unlocked(database, back_off)
        }
        result => result,
    }
}

/// Deletes the snapshots whose names `which` wants gone. They only save time at opening.
fn delete_snapshots(database: &Path, which: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("snap.") && which(name) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Opens sled once nobody else holds its lock.
fn open_unlocked(database: &Path, back_off: &mut BackOff) -> Result<sled::Db, StoreErrorKind> {
    loop {
        match open_guarded(database) {
            Err(StoreErrorKind::Io(error)) if is_lock(&error) && back_off.wait() => {}
            Err(StoreErrorKind::Io(error)) if is_lock(&error) => {
                return Err(StoreErrorKind::Locked(database.join("db")));
            }
            result => return result,
        }
    }
}

/// sled 0.34 reports a held lock as an I/O error of no particular kind (`src/config.rs`).
fn is_lock(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

fn open_guarded(database: &Path) -> Result<sled::Db, StoreErrorKind> {
    let config = sled::Config::new()
        .path(database)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(result) => result.map_err(StoreErrorKind::from),
        Err(_) => Err(StoreErrorKind::Corrupt("opening it panicked".to_owned())),
    }
}

/// A store is ours from its first commit on, which is the format marker.
fn check_format(store: &Store) -> Result<(), StoreErrorKind> {
    let marker = Key::meta(FORMAT_KEY);
    match store.db.get(marker.as_bytes())?.as_deref() {
        Some([FORMAT]) => Ok(()),
        Some([found, ..]) if *found > FORMAT => {
            Err(StoreErrorKind::FormatTooNew { found: *found, supported: FORMAT })
        }
        None if store.db.scan_prefix(Prefix::everything().as_bytes()).next().is_none() => {
            let mut commit = Commit::new();
            commit.put(marker, vec![FORMAT]);
            store.write(commit)
        }
        _ => Err(StoreErrorKind::Corrupt("the format marker is missing".to_owned())),
    }
}
