//! Opening a store that may be damaged, and going on without it when it is.
//!
//! 1. The commits are counted. When there are fewer than were written down, all that is left is
//!    read once.
//! 2. After anything but an orderly end another process opens it first and reads everything: sled can panic on
//!    damaged files, in threads of its own.
//! 3. What cannot be repaired ([`super::open`]) is moved aside, to `<name>.corrupt-<time>`, and an
//!    empty store takes its place. It remembers that it did, until every source has begun anew by
//!    the rule for that case.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
};

use jiff::Timestamp;

use super::{
    Commit, Key, Store, StoreError, StoreErrorKind,
    disk::sync_directory,
    lock::{BackOff, StateLock},
    marks,
    open::{Begin, DATABASE, LOCK_WAIT, create, open_locked, real_disk},
};

/// Exit code of a trial that found damage: `EX_DATAERR`.
pub const DAMAGED: u8 = 65;

/// Exit code after a panic: `EX_SOFTWARE`.
pub const PANIC_EXIT: u8 = 70;

/// Exit code of a process whose main thread panicked.
const PANICKED: i32 = 101;

/// Damaged stores that are kept to be looked at.
const KEPT_ASIDE: usize = 3;

/// Name of the key that says that this store took the place of a lost one.
pub(super) const BEGUN_ANEW: &str = "begun_anew";

/// An open store, and what was lost on the way.
#[derive(Debug)]
pub struct Recovered {
    /// It can be worked with.
    pub store: Store,
    /// What was lost; None when all is there.
    pub loss: Option<Loss>,
}

/// What was lost. What the logs still hold is read again, and gives the same event ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The last commits.
    Commits {
        /// How many, at least.
        count: u64,
    },
    /// Everything.
    Everything {
        /// Where the damaged store is now.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Store {
    /// Opens the store in `dir`; one that is damaged is put aside and begun anew. `trial` makes the
    /// command that calls [`Store::try_out`] in another process.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], but for [`StoreErrorKind::Corrupt`].
    pub fn recover(
        dir: &Path,
        now: Timestamp,
        trial: impl FnOnce() -> io::Result<Command>,
    ) -> Result<Recovered, StoreError> {
        recover(dir, now, trial).map_err(|kind| StoreError::new("open", dir, kind))
    }

    /// Opens the store in `dir` and reads everything, in a process that may die of it. The caller's
    /// parent holds the lock of the state directory.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn try_out(dir: &Path) -> Result<(), StoreError> {
        let mut back_off = BackOff::new(LOCK_WAIT);
        let tried = open_locked(dir, None, &mut back_off, real_disk, Begin::Once);
        let verified = tried.and_then(|store| {
            // The store is not ours to close.
            store.poison.set();
            store.verify()
        });
        match verified {
            // It is whole as far as we can tell, and whoever opens it in earnest will say so.
            Err(StoreErrorKind::FormatTooNew { .. }) => Ok(()),
            verified => verified.map_err(|kind| StoreError::new("open", dir, kind)),
        }
    }

    /// This store took the place of a lost one, and its sources have not begun anew yet.
    ///
    /// # Errors
    ///
    /// As [`super::View::get`].
    pub fn has_begun_anew(&self) -> Result<bool, StoreError> {
        Ok(self.get(&Key::meta(BEGUN_ANEW))?.is_some())
    }

    /// From now on it is a store like any other.
    ///
    /// # Errors
    ///
    /// As [`Store::apply`].
    pub fn settle(&self) -> Result<(), StoreError> {
        let mut commit = Commit::new();
        commit.remove(Key::meta(BEGUN_ANEW));
        self.apply(commit)
    }
}

/// From now on a panic in any thread ends the process, with [`PANIC_EXIT`]: what runs on after one
/// can only do harm. The store stays unclosed, so the next start looks through everything. For a
/// process that does nothing else.
pub fn end_process_on_panic() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::exit(i32::from(PANIC_EXIT));
    }));
}

fn recover(
    dir: &Path,
    now: Timestamp,
    trial: impl FnOnce() -> io::Result<Command>,
) -> Result<Recovered, StoreErrorKind> {
    create(dir)?;
    let mut back_off = BackOff::new(LOCK_WAIT);
    let lock = StateLock::take(dir, &mut back_off)?;
    let noted = marks::noted(dir)?;
    let is_closed = noted.is_some_and(|noted| noted.is_closed);
    let is_suspect = !is_closed && marks::current(dir)?.is_some();
    let tried = if is_suspect { try_elsewhere(trial) } else { Ok(()) };
    let least = noted.map_or(0, |noted| noted.commits);
    let open = |begin| {
        let lock = lock.try_clone()?;
        open_locked(dir, Some(lock), &mut BackOff::new(LOCK_WAIT), real_disk, begin)
    };
    let result = tried.and_then(|()| open(Begin::Once)).and_then(|store| counted(store, least));
    match result {
        Err(StoreErrorKind::Corrupt(why)) => {
            let aside = put_aside(dir, now)?;
            let store = open(Begin::Anew)?;
            Ok(Recovered { store, loss: Some(Loss::Everything { aside, why }) })
        }
        result => result,
    }
}

/// Holds the number of commits against what it must be at least.
fn counted(store: Store, least: u64) -> Result<Recovered, StoreErrorKind> {
    let count = least.saturating_sub(store.commits());
    if count == 0 {
        return Ok(Recovered { store, loss: None });
    }
    let verified = catch_unwind(AssertUnwindSafe(|| store.verify()))
        .unwrap_or_else(|_| Err(StoreErrorKind::Corrupt("reading it panicked".to_owned())));
    if let Err(kind) = verified {
        store.poison.set();
        return Err(kind);
    }
    Ok(Recovered { store, loss: Some(Loss::Commits { count }) })
}

/// Lets another process open the store first. Only damage counts: what else may be wrong there is
/// found here as well.
fn try_elsewhere(trial: impl FnOnce() -> io::Result<Command>) -> Result<(), StoreErrorKind> {
    let status = match trial().and_then(|mut command| command.status()) {
        Ok(status) => status,
        Err(error) => {
            tracing::warn!(%error, "the store cannot be tried out in another process");
            return Ok(());
        }
    };
    match status.code() {
        Some(code) if code != i32::from(DAMAGED) && code != PANICKED => Ok(()),
        _ => Err(StoreErrorKind::Corrupt(format!("the process that tried it out had {status}"))),
    }
}

/// Moves the database away and gives its new place. Of several only the latest stay.
fn put_aside(dir: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let name = marks::current(dir)?.unwrap_or_else(|| DATABASE.to_owned());
    let aside = dir.join(format!("store.corrupt-{}", now.strftime("%Y%m%dT%H%M%S%.6fZ")));
    if dir.join(&name).exists() {
        fs::rename(dir.join(&name), &aside)?;
        sync_directory(dir)?;
    }
    let mut kept: Vec<_> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("store.corrupt-"))
        .collect();
    kept.sort();
    for old in kept.iter().rev().skip(KEPT_ASIDE) {
        fs::remove_dir_all(old)?;
    }
    Ok(aside)
}
