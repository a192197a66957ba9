//! One round over all files of a source: list, read oldest first, let go.
//!
//! The order inside a round: open generations and new files together, by age. What is open is
//! read to its end before anything later, so a renamed generation comes before its successor. A
//! truncated file becomes a new generation at once, and the files are listed again before it is
//! read, because the copy that holds its unread rest comes first.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::ControlFlow,
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Batch, FileTail, SourceError, Tally,
    complaints::Complaints,
    outbox::Outbox,
    positions::Positions,
    scan::{self, FileId, Version},
    truncation::Truncated,
    work::{Step, Work},
};
use crate::{
    clock::SharedClock,
    config::Start,
    source::{Fingerprint, Health, HealthSender},
};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// Follows the files of one source.
#[derive(Debug)]
pub(super) struct Tailer {
    pub(super) source: usize,
    pub(super) name: String,
    pub(super) patterns: Vec<String>,
    pub(super) start: Start,
    pub(super) partial_line_timeout: Option<Duration>,
    pub(super) clock: SharedClock,
    pub(super) positions: Positions,
    /// Oldest first.
    pub(super) work: Vec<Work>,
    /// Archives that need no other look until they change, and their generation.
    pub(super) settled: HashMap<Version, Option<Fingerprint>>,
    /// Generations that files were found to be since the last renewal, whether they stay open or not.
    pub(super) existing: BTreeSet<Fingerprint>,
    pub(super) complaints: Complaints,
    /// Files that were found to be copies of another one, and counted.
    pub(super) duplicates: HashSet<FileId>,
    /// What was truncated in this round.
    pub(super) unsettled: Vec<Truncated>,
    pub(super) directories: BTreeSet<PathBuf>,
    pub(super) scanned_at: Option<Timestamp>,
    /// Some files wait until others are read and closed.
    pub(super) is_crowded: bool,
    /// The patterns matched nothing, and it was said.
    pub(super) is_missing: bool,
    /// A file that is in sight gave bytes in this round.
    pub(super) has_grown: bool,
    /// When the last round began.
    began_at: Timestamp,
    tally: Tally,
    pub(super) health: HealthSender,
    pub(super) buffer: Vec<u8>,
}

pub(super) type Flow<T = ()> = ControlFlow<(), T>;

impl Tailer {
    /// Reads nothing yet.
    ///
    /// # Errors
    ///
    /// When a pattern is wrong.
    pub(super) fn new(
        source: FileTail,
        clock: SharedClock,
        health: HealthSender,
    ) -> Result<Self, SourceError> {
        scan::check(&source.include)?;
        // Nothing was looked at.
        health.send_modify(|health| health.read_at = Some(Timestamp::MIN));
        Ok(Self {
            source: source.index,
            complaints: Complaints::new(&source.name),
            name: source.name,
            patterns: source.include,
            start: source.start,
            partial_line_timeout: source.partial_line_timeout,
            clock,
            positions: Positions::new(source.positions),
            work: Vec::new(),
            settled: HashMap::new(),
            existing: BTreeSet::new(),
            duplicates: HashSet::new(),
            unsettled: Vec::new(),
            directories: BTreeSet::new(),
            scanned_at: None,
            is_crowded: false,
            is_missing: false,
            has_grown: false,
            began_at: Timestamp::MIN,
            tally: Tally::default(),
            health,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// The next round begins with a listing.
    pub(super) fn rescan(&mut self) {
        self.scanned_at = None;
    }

    /// Where something can happen that matters.
    pub(super) fn directories(&self) -> &BTreeSet<PathBuf> {
        &self.directories
    }

    /// The last round found new bytes in a file that a path leads to.
    pub(super) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// How the source is.
    #[cfg(test)]
    pub(super) fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// What was done so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Hands out all that there is now. Breaks when `deliver` does.
    pub(super) fn round(&mut self, deliver: &mut dyn FnMut(Batch) -> Flow) -> Flow {
        self.has_grown = false;
        self.heed_the_clock();
        let (mut tally, health) = (self.tally, self.health.clone());
        let mut out = Outbox::new(deliver, &mut tally, &health);
        let flow = self.read_all(&mut out);
        let flow = if flow.is_continue() {
            self.tell_health(true, out.tally);
            out.finish()
        } else {
            flow
        };
        self.tally = tally;
        if flow.is_continue() {
            self.health.send_modify(|health| health.read_at = Some(self.began_at));
        }
        flow
    }

    /// A clock that stepped back has measured nothing: every file was busy just now.
    fn heed_the_clock(&mut self) {
        let now = self.clock.now();
        if std::mem::replace(&mut self.began_at, now) > now {
            for work in &mut self.work {
                if let Work::Tail(tail) = work {
                    tail.busy_at = now;
                }
            }
        }
    }

    /// Says what was not read yet; `is_over` when nothing is left that can be.
    fn tell_health(&self, is_over: bool, tally: &Tally) {
        let mut told = Health {
            tally: *tally,
            is_waiting: self.is_missing,
            refused: self.complaints.refused(),
            ..*self.health.borrow()
        };
        (told.lag_bytes, told.pinned_bytes) = self.backlog();
        if is_over {
            told.behind_since = None;
        } else if told.lag_bytes > 0 {
            told.fall_behind(self.clock.now());
        }
        self.health.send_if_modified(|health| std::mem::replace(health, told) != told);
    }

    /// Bytes that were not read yet, and the disk space that only we keep in use. What cannot be
    /// asked adds nothing.
    fn backlog(&self) -> (u64, u64) {
        let of_one = |work: &Work| match work {
            Work::Tail(tail) => tail.backlog().unwrap_or_default(),
            Work::Archive(found) => (found.size, 0),
        };
        let add = |sum: (u64, u64), one: (u64, u64)| (sum.0 + one.0, sum.1 + one.1);
        self.work.iter().map(of_one).fold((0, 0), add)
    }

    fn read_all(&mut self, out: &mut Outbox<'_>) -> Flow {
        let mut truncated = false;
        loop {
            if self.is_crowded || self.scan_is_due() {
                // What is open comes first, and must know whether it is still what it was. What
                // was truncated waits for its copy.
                if !truncated {
                    self.read_once(out)?;
                }
                self.scan(out)?;
            }
            self.tell_health(false, out.tally);
            let lines = out.tally.lines;
            truncated = self.read_once(out)?;
            self.let_go(out)?;
            let is_progress = out.tally.lines > lines;
            let more_is_waiting = self.is_crowded && is_progress;
            if !truncated && !more_is_waiting {
                self.settle_truncations(out.tally);
                return ControlFlow::Continue(());
            }
        }
    }

    /// Reads everything once, oldest first. True when a file was truncated: stop and list again.
    fn read_once(&mut self, out: &mut Outbox<'_>) -> Flow<bool> {
        let mut place = 0;
        while place < self.work.len() {
            let mut item = self.work.remove(place);
            match self.read(&mut item, out)? {
                Step::Keep => {
                    // A smaller twin before it may have left.
                    self.work.insert(place.min(self.work.len()), item);
                    place += 1;
                }
                Step::Drop => {}
                Step::Rescan => {
                    self.work.insert(place.min(self.work.len()), item);
                    self.rescan();
                    return ControlFlow::Continue(true);
                }
            }
        }
        ControlFlow::Continue(false)
    }
}
