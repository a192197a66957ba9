//! Wakes the source before its time when something happens in its directories.
//!
//! A hint and no more: whatever goes wrong here costs latency, never a line. Directories are
//! watched, not files, because a watch on a file follows the inode and never sees its successor.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{MetadataKind, ModifyKind},
};

/// Directories watched for one source.
const DIRECTORIES: usize = 64;

/// The watches of one source.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Directories whose watch failed, warned about once.
    failed: BTreeSet<PathBuf>,
    listing_changed: Arc<AtomicBool>,
    woken: Receiver<()>,
    /// Keeps the channel open when there is no watcher.
    _wake: SyncSender<()>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        let (wake, woken) = sync_channel(1);
        let listing_changed = Arc::new(AtomicBool::new(false));
        let (slot, flag) = (wake.clone(), Arc::clone(&listing_changed));
        // Runs in notify's thread and must never wait: a slow callback overflows the kernel's
        // queue. A full slot means that a wake-up is due anyway.
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if is_about_names(&event) {
                flag.store(true, Ordering::Release);
            }
            if is_of_interest(&event) {
                slot.try_send(()).ok();
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "No file watcher; polling instead"))
            .ok();
        Self {
            watcher,
            watched: BTreeSet::new(),
            failed: BTreeSet::new(),
            listing_changed,
            woken,
            _wake: wake,
        }
    }

    /// Watches these directories and no others. True when one is watched from now on: what
    /// happened in it before was not seen.
    pub(super) fn cover(&mut self, directories: &BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.watched.difference(directories) {
            // It fails when the directory no longer exists; then there is no watch either.
            drop(watcher.unwatch(gone));
        }
        self.watched.retain(|directory| directories.contains(directory));
        let before = self.watched.len();
        for directory in directories.iter().take(DIRECTORIES) {
            if self.watched.contains(directory) {
                continue;
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.failed.remove(directory);
                    self.watched.insert(directory.clone());
                }
                Err(error) if self.failed.insert(directory.clone()) => {
                    let path = directory.display();
                    tracing::warn!(%path, %error, "A directory cannot be watched; polling it");
                }
                Err(_) => {}
            }
        }
        self.watched.len() > before
    }

    /// Something appeared, vanished or was renamed since the last call, or events were lost.
    pub(super) fn listing_changed(&self) -> bool {
        self.listing_changed.swap(false, Ordering::AcqRel)
    }

    /// Returns when something happened, and after `timeout` at the latest.
    pub(super) fn wait(&self, timeout: Duration) {
        match self.woken.recv_timeout(timeout) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

/// Our own reads come back as `Access` events: heeding them would wake us for ever.
fn is_of_interest(event: &notify::Result<Event>) -> bool {
    !matches!(event, Ok(Event { kind: EventKind::Access(_), .. }))
}

/// Not only the content of a known file changed. An overflow comes as `Other`, without paths.
fn is_about_names(event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else { return true };
    event.need_rescan()
        || !matches!(
            event.kind,
            EventKind::Access(_)
                | EventKind::Modify(
                    ModifyKind::Data(_)
                        | ModifyKind::Metadata(MetadataKind::WriteTime | MetadataKind::AccessTime)
                )
        )
}
