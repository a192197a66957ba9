//! A disk for tests, of this room and of others.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::{self, Debug},
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Store, disk::Disk};

/// A disk whose sync fails on demand, and counts.
#[derive(Default)]
pub(crate) struct TestDisk {
    pub(crate) failing: AtomicBool,
    pub(crate) syncs: AtomicUsize,
    /// What each sync waits for.
    pub(crate) waits: Mutex<Option<Wait>>,
}

/// Returns when the sync may go on.
pub(crate) type Wait = Box<dyn Fn() + Send>;

impl Debug for TestDisk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestDisk").finish_non_exhaustive()
    }
}

impl Disk for Arc<TestDisk> {
    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if let Some(wait) = &*self.waits.lock().unwrap() {
            wait();
        }
        if self.failing.load(Ordering::SeqCst) {
            // EIO, which is what a failed fsync gives.
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}

/// A store on that disk.
pub(crate) fn open_on(dir: &Path, disk: &Arc<TestDisk>) -> Store {
    let disk = Box::new(Arc::clone(disk));
    Store::open_within(dir, Duration::from_secs(10), |_| Ok(disk)).unwrap()
}

/// Bytes that do not get shorter.
pub(crate) fn random(bytes: usize, seed: u8) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ u64::from(seed);
    let mut byte = |_| {
        // Marsaglia, xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(&mut byte).collect()
}
