//! One daemon for one state directory, by `flock` on a file in it.
//!
//! sled has a lock of its own, but on the database only; ours also covers what else lies in the
//! state directory. The kernel drops it with the process, however that ends.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use super::StoreErrorKind;

/// Name of the lock file in the state directory.
pub(super) const FILE: &str = "lock";

/// First wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Held for as long as it lives.
#[derive(Debug)]
pub(super) struct StateLock(File);

/// Growing waits that end when they add up to a budget.
#[derive(Debug)]
pub(super) struct BackOff {
    next: Duration,
    left: Duration,
}

impl BackOff {
    /// Waits of `budget` in all.
    pub(super) fn new(budget: Duration) -> Self {
        Self { next: FIRST_WAIT, left: budget }
    }

    /// Blocks for the next wait; false, at once, when the budget is used up.
    pub(super) fn wait(&mut self) -> bool {
        let pause = self.next.min(self.left);
        if pause.is_zero() {
            return false;
        }
        #[allow(
            clippy::disallowed_methods,
            reason = "a blocking thread waits for another process"
        )]
        std::thread::sleep(pause);
        self.left -= pause;
        self.next = (self.next * 2).min(LONGEST_WAIT);
        true
    }
}

/// Does a process use the state directory `dir` now? One that is about to start waits for longer than
/// this takes.
///
/// # Errors
/// When its lock cannot be looked at.
pub fn is_in_use(dir: &Path) -> io::Result<bool> {
    let file = match File::open(dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        result => Ok(result.map(|()| false)?),
    }
}

impl StateLock {
    /// The same lock, held until both are dropped.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Takes the lock of the state directory `dir`, waiting as long as `back_off` lets: a killed
    /// predecessor holds it until the kernel has finished with it.
    pub(super) fn take(dir: &Path, back_off: &mut BackOff) -> Result<Self, StoreErrorKind> {
        let path = dir.join(FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let mut said = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if back_off.wait() => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::info!(lock = %path.display(), "waiting for another process to end");
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreErrorKind::Locked(path)),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}
