//! systemd's journal, followed for ever through `journalctl(1)`.
//!
//! A process of its own has the journal's format of this host, needs no C library, and a journal
//! that is rotated under its memory map ends only itself. `-o export` is the one output that
//! keeps every byte of every entry.
//!
//! * `journalctl` knows the command lines, `run` one process, `entries` turns what it writes into
//!   batches, `follow` is the procedure, `complaints` says once what is wrong, `doubts` and
//!   `newest` look at the host and its journal beforehand.
//! * The position is the cursor of the last entry, and is committed with what the entry says.
//!   What was not committed is read again.
//! * The procedure is right for every version of systemd. `--follow` implies `--boot` in some, and
//!   then passes over the rest of an earlier boot and one entry more; so everything up to the
//!   current boot is read without it. `--after-cursor` of an entry that is gone passes over one
//!   that is there; so reading starts *at* the last entry, which is dropped if it is that one, and
//!   otherwise there is a gap.
//! * Back-pressure is the pipe, and behind it the journal. A `journalctl` that is held up for
//!   [`crate::limits::JOURNALCTL_HELD`] is ended and started anew later.
//! * `journalctl` dies with us: it is killed when its run is dropped, and ends by itself when
//!   nobody reads its output any more (`journalctl.c`, `wait_for_change()`), so that a death of
//!   ours that drops nothing leaves none behind.
//!
//! Which entries: those of the facility `mail` that came by syslog, and journald's own notices
//! that it dropped some.

mod complaints;
mod doubts;
mod entries;
mod follow;
mod journalctl;
mod newest;
mod run;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::mpsc::Sender, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use complaints::PERMISSION_HINT;
pub use doubts::{Doubt, doubts, is_volatile};
pub use newest::{Sight, sight};

use super::{Batch, Health, HealthSender};
use crate::{clock::SharedClock, config::Start};

use self::{follow::Follower, journalctl::Journalctl};

/// A source that reads the journal.
#[derive(Debug, Clone)]
pub struct Journald {
    /// Index of the source in the configuration.
    pub index: usize,
    /// Its name, for messages.
    pub name: String,
    /// The journal's files, when they are not this host's own.
    pub directory: Option<PathBuf>,
    /// Where to begin when nothing is stored for the source.
    pub start: Start,
    /// What is stored for the source.
    pub position: Option<JournalPosition>,
}

/// How far a journal has been read. Stored under the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalPosition {
    /// Not at all; every entry is wanted.
    Beginning,
    /// Not at all; the entries since that time are wanted, seconds since the epoch.
    Since(i64),
    /// Up to the entry with this cursor, which is at most 1 KiB of printable ASCII.
    Behind(String),
}

/// Why a journal cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournaldError {
    /// There is nothing to read it with.
    #[error("read the journal for source {name:?}: there is no journalctl in PATH")]
    NoJournalctl {
        /// The source.
        name: String,
    },
}

/// What a source has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Entries handed out.
    pub entries: u64,
    /// Times that the entry was gone where reading had to go on: entries behind it may be lost.
    pub gaps: u64,
    /// Times that `journalctl` had to be started anew.
    pub restarts: u64,
}

/// Follows the journal until `stop` is cancelled or the receiver is gone, and returns what it did.
///
/// # Errors
///
/// [`JournaldError`] when there is no `journalctl`. Once it runs, nothing ends it but `stop`: a
/// journal that cannot be read is waited for.
pub fn spawn(
    source: Journald,
    out: Sender<Batch>,
    clock: SharedClock,
    health: HealthSender,
    stop: CancellationToken,
    runtime: &Handle,
) -> Result<JoinHandle<Tally>, JournaldError> {
    let Some(journalctl) = Journalctl::find(source.directory.clone()) else {
        return Err(JournaldError::NoJournalctl { name: source.name });
    };
    for doubt in doubts(source.directory.as_deref()) {
        tracing::warn!(source = source.name, hint = doubt.hint(), "{doubt}");
    }
    let follower = Follower::new(source, journalctl, follow::current_boot(), out, clock, health);
    Ok(runtime.spawn(follower.run(stop)))
}
