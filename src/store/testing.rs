//! A disk for tests, of this room and of others.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Store, disk::Disk};

/// A disk whose sync fails on demand, and counts.
#[derive(Debug, Default)]
pub(crate) struct TestDisk {
    pub(crate) failing: AtomicBool,
    pub(crate) syncs: AtomicUsize,
}

impl Disk for Arc<TestDisk> {
    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
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
