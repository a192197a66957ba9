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
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{MetadataKind, ModifyKind},
};

use super::polling::{Trust, is_silent};

/// Directories watched for one source.
const DIRECTORIES: usize = 64;

/// The watches of one source.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Directories on file systems that tell of no changes.
    polled: BTreeSet<PathBuf>,
    /// Directories whose watch failed, warned about once.
    failed: BTreeSet<PathBuf>,
    listing_changed: Arc<AtomicBool>,
    woken: Receiver<()>,
    /// Keeps the channel open when there is no watcher.
    _wake: SyncSender<()>,
    trust: Trust,
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
            polled: BTreeSet::new(),
            failed: BTreeSet::new(),
            listing_changed,
            woken,
            _wake: wake,
            trust: Trust::new(),
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
        self.polled.retain(|directory| directories.contains(directory));
        self.failed.retain(|directory| directories.contains(directory));
        for directory in directories.iter().take(DIRECTORIES) {
            if self.watched.contains(directory) || self.polled.contains(directory) {
                continue;
            }
            if is_silent(directory) {
                let path = directory.display();
                tracing::info!(%path, "No events are due from this file system; polling it");
                self.polled.insert(directory.clone());
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
        let is_new = self.watched.len() > before;
        if is_new {
            self.trust.excuse();
        }
        is_new
    }

    /// Something appeared, vanished or was renamed since the last call, or events were lost.
    pub(super) fn listing_changed(&self) -> bool {
        self.listing_changed.swap(false, Ordering::AcqRel)
    }

    /// Returns when something happened, and after `timeout` at the latest. `has_grown` says
    /// whether the look before found new bytes: when that happens without events, they are given
    /// up.
    pub(super) fn wait(&mut self, timeout: Duration, has_grown: bool) {
        let is_woken = self.woken.recv_timeout(timeout).is_ok();
        // Of growth in a directory that is polled no event is due.
        let is_complete = self.failed.is_empty() && self.polled.is_empty();
        self.trust.judge(has_grown && is_complete, is_woken);
        if self.trust.is_lost() && self.watcher.take().is_some() {
            self.watched.clear();
            tracing::warn!("Logs grow and the system does not tell; polling instead");
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use notify::event::{AccessKind, DataChange, Flag};

    use super::*;

    #[test]
    fn row_25_a_lost_event_wakes_and_asks_for_a_new_listing() {
        let overflow = Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(is_of_interest(&overflow) && is_about_names(&overflow));
        let failure = Err(notify::Error::generic("the queue is gone"));
        assert!(is_of_interest(&failure) && is_about_names(&failure));
    }

    #[test]
    fn row_25_growth_wakes_without_a_listing_and_our_own_reads_do_not() {
        let growth = Ok(Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Any))));
        assert!(is_of_interest(&growth) && !is_about_names(&growth));
        let read = Ok(Event::new(EventKind::Access(AccessKind::Read)));
        assert!(!is_of_interest(&read) && !is_about_names(&read));
    }

    #[test]
    fn row_26_a_directory_that_cannot_be_watched_is_a_warning() {
        let mut watch = Watch::new();
        let nowhere = BTreeSet::from([PathBuf::from("/nowhere/at/all")]);
        assert!(!watch.cover(&nowhere));
        assert_eq!(watch.failed, nowhere);
        let dir = tempfile::tempdir().unwrap();
        assert!(watch.cover(&BTreeSet::from([dir.path().to_owned()])));
        assert!(watch.failed.is_empty());
    }
}
