//! Opening the store, and the repairs that sled 0.34 needs for that.
//!
//! * A process killed while sled wrote its snapshot leaves `snap.<n>.generating`, which the next
//!   opening takes for the newest snapshot and calls corrupt: such files are deleted first.
//! * A damaged snapshot makes opening fail although the log is whole: on corruption every
//!   snapshot is deleted and the opening tried once more, by a scan of the whole log.
//! * Opening can panic on damaged files: a panic counts as corruption.
//! * On a full disk nothing can be opened: the ballast ([`super::space`]) is thrown off.
//! * A killed process can hold its locks for a moment: they are retried.
//!
//! What still fails is [`super::recover`]'s to decide on.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::AtomicU64,
    time::Duration,
};

use super::{
    Commit, Key, Prefix, Store, StoreError, StoreErrorKind,
    disk::{DatabaseFile, Disk, sync_directory},
    lock::{BackOff, StateLock},
    marks,
    poison::Poison,
    rebuild::remove_others,
    recover::BEGUN_ANEW,
    space::drop_ballast,
    view::{Shared, View},
};

/// Directory of the first database in the state directory.
pub(super) const DATABASE: &str = "store";

/// Format of the layout as a whole. A later one refuses or migrates.
const FORMAT: u8 = 1;

/// Name of the key that holds [`FORMAT`].
const FORMAT_KEY: &str = "format";

/// Memory for pages. More brings nothing (measured), sled's default would be 1 GB.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// sled's own flush interval. Our durability does not need it, but without it sled never collects
/// garbage.
const FLUSH_EVERY_MS: u64 = 500;

/// How long another process may keep the locks before it is reported.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);

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
        Self::open_within(dir, LOCK_WAIT, real_disk)
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

/// What a database without anything in it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// The first start, but damage where there was a store before.
    Once,
    /// It takes the place of a lost one.
    Anew,
}

/// The disk of the machine.
pub(super) fn real_disk(database: &Path) -> io::Result<Box<dyn Disk>> {
    DatabaseFile::open(database).map(|file| Box::new(file) as Box<dyn Disk>)
}

/// Makes the state directory. Addresses and answers of the mail host lie there: nobody else's to
/// read.
pub(super) fn create(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn assemble(
    dir: &Path,
    lock_wait: Duration,
    disk: impl FnOnce(&Path) -> io::Result<Box<dyn Disk>>,
) -> Result<Store, StoreErrorKind> {
    create(dir)?;
    let mut back_off = BackOff::new(lock_wait);
    let lock = StateLock::take(dir, &mut back_off)?;
    open_locked(dir, Some(lock), &mut back_off, disk, Begin::Once)
}

/// Opens the database of a state directory whose lock we or a parent process hold.
pub(super) fn open_locked(
    dir: &Path,
    lock: Option<StateLock>,
    back_off: &mut BackOff,
    disk: impl FnOnce(&Path) -> io::Result<Box<dyn Disk>>,
    begin: Begin,
) -> Result<Store, StoreErrorKind> {
    let is_ours = lock.is_some();
    let current = marks::current(dir)?;
    let name = current.as_deref().unwrap_or(DATABASE);
    let database = dir.join(name);
    create(&database)?;
    let db = match open_repaired(&database, back_off) {
        Err(StoreErrorKind::Io(error)) if is_full(&error) && is_ours && drop_ballast(dir) => {
            open_repaired(&database, back_off)?
        }
        result => result?,
    };
    for directory in [Some(database.as_path()), Some(dir), dir.parent()].into_iter().flatten() {
        if !directory.as_os_str().is_empty() {
            sync_directory(directory)?;
        }
    }
    let (disk, poison) = (disk(&database)?, Poison::default());
    let commits = AtomicU64::new(0);
    let view = View { dir: dir.to_owned(), db, poison };
    let shared = Shared::new(&view);
    let store = Store { view, shared, disk, commits, _lock: lock };
    let prepared = prepare(&store, current.is_some(), begin);
    if prepared.is_err() {
        // It was not opened, so it is not closed either.
        store.poison.set();
    }
    prepared?;
    if is_ours {
        if current.is_none() {
            marks::set_current(dir, name)?;
        }
        remove_others(dir, name)?;
        store.note(false);
    }
    Ok(store)
}

/// There is no room on the disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn prepare(store: &Store, was_there: bool, begin: Begin) -> Result<(), StoreErrorKind> {
    check_format(store, was_there, begin)?;
    store.count_commits()?;
    store.sweep()
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
pub(super) fn open_unlocked(
    database: &Path,
    back_off: &mut BackOff,
) -> Result<sled::Db, StoreErrorKind> {
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
fn check_format(store: &Store, was_there: bool, begin: Begin) -> Result<(), StoreErrorKind> {
    let marker = Key::meta(FORMAT_KEY);
    let stored = store.db.get(marker.as_bytes())?;
    let is_empty = store.db.scan_prefix(Prefix::everything().as_bytes()).next().is_none();
    match (stored.as_deref(), begin) {
        (Some([FORMAT]), _) => Ok(()),
        (Some([found, ..]), _) if *found > FORMAT => {
            Err(StoreErrorKind::FormatTooNew { found: *found, supported: FORMAT })
        }
        (None, Begin::Once) if is_empty && was_there => {
            Err(StoreErrorKind::Corrupt("there is nothing in it any more".to_owned()))
        }
        (None, _) if is_empty => {
            let mut commit = Commit::new();
            commit.put(marker, vec![FORMAT]);
            if begin == Begin::Anew {
                commit.put(Key::meta(BEGUN_ANEW), vec![FORMAT]);
            }
            store.write(commit)
        }
        _ => Err(StoreErrorKind::Corrupt("the format marker is missing".to_owned())),
    }
}
