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

/// The watches of one source. What the system may refuse is a parameter, for tests.
#[derive(Debug)]
pub(super) struct Watch<W = RecommendedWatcher> {
    watcher: Option<W>,
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

/// Takes the events.
type Handler = Box<dyn FnMut(notify::Result<Event>) + Send>;

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        Self::with(notify::recommended_watcher::<Handler>)
    }
}

impl<W: Watcher> Watch<W> {
    pub(super) fn with(make: impl FnOnce(Handler) -> notify::Result<W>) -> Self {
        let (wake, woken) = sync_channel(1);
        let listing_changed = Arc::new(AtomicBool::new(false));
        let (slot, flag) = (wake.clone(), Arc::clone(&listing_changed));
        // Runs in notify's thread and must never wait: a slow callback overflows the kernel's
        // queue. A full slot means that a wake-up is due anyway.
        let handler = Box::new(move |event: notify::Result<Event>| {
            if is_about_names(&event) {
                flag.store(true, Ordering::Release);
            }
            if is_of_interest(&event) {
                slot.try_send(()).ok();
            }
        });
        let watcher = make(handler)
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

    use std::{io, path::Path};

    use notify::{
        Config, ErrorKind, EventHandler, WatcherKind,
        event::{AccessKind, DataChange, Flag},
    };

    use super::*;

    /// Never tells of anything, and while there are no watches left, takes no directory either.
    #[derive(Debug, Default)]
    struct Silent {
        is_full: Arc<AtomicBool>,
    }

    impl Watcher for Silent {
        fn new<F: EventHandler>(_: F, _: Config) -> notify::Result<Self> {
            Ok(Self::default())
        }

        fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
            let is_full = self.is_full.load(Ordering::Relaxed);
            // What notify makes of ENOSPC.
            if is_full { Err(notify::Error::new(ErrorKind::MaxFilesWatch)) } else { Ok(()) }
        }

        fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
            Ok(())
        }

        fn kind() -> WatcherKind {
            WatcherKind::NullWatcher
        }
    }

    /// Rounds that each find new bytes, without an event.
    fn grow_in_silence(watch: &mut Watch<Silent>, rounds: usize) {
        for _ in 0..rounds {
            watch.wait(Duration::ZERO, true);
        }
    }

    #[test]
    fn row_26_at_the_limit_of_watches_directories_are_polled_until_there_are_some_again() {
        let is_full = Arc::new(AtomicBool::new(true));
        let watcher = Silent { is_full: Arc::clone(&is_full) };
        let mut watch = Watch::with(|_| Ok(watcher));
        let dir = tempfile::tempdir().unwrap();
        let directories = BTreeSet::from([dir.path().to_owned()]);
        assert!(!watch.cover(&directories));
        assert_eq!((&watch.failed, watch.watched.len()), (&directories, 0));
        grow_in_silence(&mut watch, 10);
        assert!(watch.watcher.is_some(), "no event was due");
        is_full.store(false, Ordering::Relaxed);
        assert!(watch.cover(&directories), "tried again each time");
        assert_eq!((&watch.watched, watch.failed.len()), (&directories, 0));
    }

    #[test]
    fn row_26_at_the_limit_of_inotify_instances_all_is_polled() {
        const EMFILE: i32 = 24;
        let refusal = notify::Error::io(io::Error::from_raw_os_error(EMFILE));
        let mut watch = Watch::<Silent>::with(|_| Err(refusal));
        let dir = tempfile::tempdir().unwrap();
        assert!(!watch.cover(&BTreeSet::from([dir.path().to_owned()])));
        grow_in_silence(&mut watch, 10);
        assert!(watch.watched.is_empty());
    }

    #[test]
    fn row_26_a_source_whose_watches_tell_nothing_is_polled_for_good() {
        let mut watch = Watch::with(|_| Ok(Silent::default()));
        let dir = tempfile::tempdir().unwrap();
        let directories = BTreeSet::from([dir.path().to_owned()]);
        assert!(watch.cover(&directories));
        grow_in_silence(&mut watch, 2);
        assert!(watch.watcher.is_some(), "the first look owes nothing to an event");
        grow_in_silence(&mut watch, 1);
        assert!(watch.watcher.is_none() && watch.watched.is_empty());
        assert!(!watch.cover(&directories));
    }

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
