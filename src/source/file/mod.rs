//! Log files that grow and rotate: one blocking thread follows all generations of one source.
//!
//! A *generation* is one log from its first line to its last, whatever it is called and however
//! it is compressed in the meantime. It is known by its [`Fingerprint`](super::Fingerprint), not
//! by name or inode, and read once: from the live file, through its open descriptor after it was
//! renamed, from `.1`, or from inside `.2.gz`, always on from the stored position.
//!
//! * `scan` lists what the patterns match, in the order that `age` knows, and `listing` takes up what is new; `positions` says
//!   which generation a file is and how far that was read, and `naming` asks it; `tail` reads an
//!   open plain file, `unpack` an archive, `reading` either; `start` marks what a new source
//!   passes over; `closing` lets go of what nobody writes to any more; `truncation` says what may be
//!   lost; `tailer` does one round of all that; `watch` only wakes it earlier.
//! * Nothing that `inotify` says is believed: every round looks itself, at the latest after
//!   `POLL`, and lists the directories at the latest after `listing::SCAN_EVERY`.
//! * Back-pressure is the bounded channel: while the writer is slow, reading stops, and the log
//!   files are the buffer.
//!
//! What cannot be read twice can be lost: with `copytruncate` the lines written between copy and
//! truncation are gone for everyone, and a live reader loses those it had not read yet unless
//! they are in the copy. Truncations are counted and logged.

mod age;
mod closing;
mod complaints;
mod listing;
mod naming;
mod outbox;
mod polling;
mod positions;
mod reading;
mod scan;
mod start;
mod tail;
mod tailer;
mod truncation;
mod unpack;
mod watch;
mod work;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;

use std::{io, ops::ControlFlow, thread::JoinHandle, time::Duration};

use notify::Watcher;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::{Batch, HealthSender, Position};
use crate::{clock::SharedClock, config::Start};

pub(crate) use scan::is_passed_over;
pub use scan::{Matches, matching};

use self::{tailer::Tailer, watch::Watch};

/// Longest wait between two looks at the open files.
const POLL: Duration = Duration::from_millis(250);

/// A source that reads log files.
#[derive(Debug, Clone)]
pub struct FileTail {
    /// Index of the source in the configuration.
    pub index: usize,
    /// Its name, for messages.
    pub name: String,
    /// Glob patterns: the live file and its rotated generations.
    pub include: Vec<String>,
    /// Where to begin when nothing is stored for the source.
    pub start: Start,
    /// How long half a line at the end of a closed generation is waited on; None for ever.
    pub partial_line_timeout: Option<Duration>,
    /// What is stored for the source.
    pub positions: Vec<Position>,
}

/// Why a source cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A pattern is not a glob pattern.
    #[error("understand the include pattern {pattern:?}")]
    Pattern {
        /// As configured.
        pattern: String,
        /// What is wrong with it.
        #[source]
        error: glob::PatternError,
    },
    /// The system gives us no thread.
    #[error("start the thread of source {name:?}")]
    Thread {
        /// The source.
        name: String,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// What a source has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines handed out.
    pub lines: u64,
    /// Lines that were not whole: longer than [`crate::limits::LINE_BYTES`], or half a line at the end
    /// of a closed log.
    pub lines_cut: u64,
    /// NUL bytes dropped.
    pub nul_bytes: u64,
    /// Files that were truncated under us.
    pub truncations: u64,
    /// Those of them of which no copy was in sight: what was not read is lost, and how much that is
    /// nobody knows.
    pub truncations_without_copy: u64,
    /// Bytes of half lines that were lost with those: the least that was.
    pub bytes_lost: u64,
    /// Files passed over because another one has the same content.
    pub duplicate_files: u64,
}

/// Follows the files of `source` until `stop` is cancelled or the receiver is gone, and returns
/// what it did. Meanwhile `health` says how it is.
///
/// `out` should hold [`crate::limits::BATCHES_WAITING`]; the thread blocks while it is full, also
/// when `stop` is cancelled, so the receiver must go on receiving until the thread has ended, or
/// be dropped.
///
/// # Errors
///
/// [`SourceError`] when a pattern is wrong or there is no thread. Once it runs, nothing ends it
/// but `stop`: files that cannot be read are waited for.
pub fn spawn(
    source: FileTail,
    out: Sender<Batch>,
    clock: SharedClock,
    health: HealthSender,
    stop: CancellationToken,
) -> Result<JoinHandle<Tally>, SourceError> {
    let name = source.name.clone();
    let tailer = Tailer::new(source, clock, health)?;
    std::thread::Builder::new()
        .name("file-source".to_owned())
        .spawn(move || run(tailer, Watch::new(), &out, &stop))
        .map_err(|error| SourceError::Thread { name, error })
}

fn run<W: Watcher>(
    mut tailer: Tailer,
    mut watch: Watch<W>,
    out: &Sender<Batch>,
    stop: &CancellationToken,
) -> Tally {
    let mut deliver = |batch| match out.blocking_send(batch) {
        Ok(()) if !stop.is_cancelled() => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    while !stop.is_cancelled() {
        if watch.listing_changed() {
            tailer.rescan();
        }
        if tailer.round(&mut deliver).is_break() {
            break;
        }
        if watch.cover(tailer.directories()) {
            tailer.rescan();
        } else {
            watch.wait(POLL, tailer.has_grown());
        }
    }
    tailer.tally()
}
