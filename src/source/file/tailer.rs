//! One round over all files of a source: list, read oldest first, let go.
//!
//! The order inside a round: open generations and new files together, by age. What is open is
//! read to its end before anything later, so a renamed generation comes before its successor. A
//! truncated file becomes a new generation at once, and the files are listed again before it is
//! read, because the copy that holds its unread rest comes first.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Batch, FileTail, SourceError, Tally,
    complaints::Complaints,
    outbox::Outbox,
    positions::{Identity, Positions},
    scan::{self, FileId, Found, Version},
    tail::{Drained, Named, Tail},
    unpack::{self, Archive},
};
use crate::{
    clock::SharedClock,
    config::Start,
    source::{
        Fingerprint,
        archive::Compression,
        batching::Origin,
        head::{self, Head},
    },
};

/// Longest time between two listings.
pub(super) const SCAN_EVERY: Duration = Duration::from_secs(10);

/// How long an unlinked file must have been quiet before it is let go: its writer may keep it
/// open until it is told to reopen its log.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// Plain files that stay open although nothing is unread in them, the latest ones.
const KEPT_OPEN: usize = 64;

/// Plain files open at once.
const OPEN_AT_ONCE: usize = 256;

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// A position of a file that exists is renewed when it is this old, so that it is not forgotten.
const RENEW_AFTER_SECONDS: i64 = 24 * 60 * 60;

/// Follows the files of one source.
#[derive(Debug)]
pub(super) struct Tailer {
    pub(super) source: usize,
    pub(super) name: String,
    patterns: Vec<String>,
    pub(super) start: Start,
    pub(super) clock: SharedClock,
    pub(super) positions: Positions,
    /// Oldest first.
    work: Vec<Work>,
    /// Archives that need no other look until they change, and their generation.
    settled: HashMap<Version, Option<Fingerprint>>,
    pub(super) complaints: Complaints,
    /// Files that were found to be copies of another one, and counted.
    duplicates: HashSet<FileId>,
    directories: BTreeSet<PathBuf>,
    scanned_at: Option<Timestamp>,
    /// Some files wait until others are read and closed.
    is_crowded: bool,
    /// The patterns matched nothing, and it was said.
    is_missing: bool,
    tally: Tally,
    pub(super) buffer: Vec<u8>,
}

/// Something to read.
#[derive(Debug)]
enum Work {
    Tail(Box<Tail>),
    Archive(Found),
}

/// What reading one piece of work means for the round.
enum Step {
    /// Go on.
    Keep,
    /// It is done with.
    Drop,
    /// It is another generation from now on, and the files must be listed again.
    Rescan,
}

pub(super) type Flow<T = ()> = ControlFlow<(), T>;

impl Tailer {
    /// Reads nothing yet.
    ///
    /// # Errors
    ///
    /// When a pattern is wrong.
    pub(super) fn new(source: FileTail, clock: SharedClock) -> Result<Self, SourceError> {
        scan::check(&source.include)?;
        Ok(Self {
            source: source.index,
            name: source.name,
            patterns: source.include,
            start: source.start,
            clock,
            positions: Positions::new(source.positions),
            work: Vec::new(),
            settled: HashMap::new(),
            complaints: Complaints::default(),
            duplicates: HashSet::new(),
            directories: BTreeSet::new(),
            scanned_at: None,
            is_crowded: false,
            is_missing: false,
            tally: Tally::default(),
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

    /// What was done so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Hands out all that there is now. Breaks when `deliver` does.
    pub(super) fn round(&mut self, deliver: &mut dyn FnMut(Batch) -> Flow) -> Flow {
        let mut tally = self.tally;
        let mut out = Outbox::new(deliver, &mut tally);
        let flow = self.read_all(&mut out);
        let flow = if flow.is_continue() { out.finish() } else { flow };
        self.tally = tally;
        flow
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
            let lines = out.tally.lines;
            truncated = self.read_once(out)?;
            self.let_go(out)?;
            let is_progress = out.tally.lines > lines;
            let more_is_waiting = self.is_crowded && is_progress;
            if !truncated && !more_is_waiting {
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

    fn read(&mut self, item: &mut Work, out: &mut Outbox<'_>) -> Flow<Step> {
        match item {
            Work::Tail(tail) => self.read_tail(tail, out),
            Work::Archive(found) => {
                let found = found.clone();
                let result = self.read_archive(&found, out);
                // Damage stays until the file changes; what the system refused is tried again.
                if result.as_ref().is_err_and(|error| error.raw_os_error().is_none()) {
                    self.settled.insert(found.version, None);
                }
                self.complaints.noted(&self.name, &found.path, result).map_or_else(
                    || ControlFlow::Continue(Step::Drop),
                    |flow| flow.map_continue(|()| Step::Drop),
                )
            }
        }
    }

    fn read_tail(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> Flow<Step> {
        let path = tail.path.clone().unwrap_or_default();
        if tail.named.is_none() {
            let result = self.name(tail, out);
            match self.complaints.noted(&self.name, &path, result) {
                Some(Step::Keep) => {}
                Some(step) => return ControlFlow::Continue(step),
                None => return ControlFlow::Continue(Step::Drop),
            }
        }
        let now = self.clock.now();
        let result = tail.drain(self.source, now, &mut self.positions, &mut self.buffer, out);
        match self.complaints.noted(&self.name, &path, result) {
            Some(flow) => match flow? {
                Drained::AtEnd => ControlFlow::Continue(Step::Keep),
                Drained::Truncated => ControlFlow::Continue(self.truncated(tail, out)),
            },
            // The next listing finds it again, or what took its place.
            None => ControlFlow::Continue(Step::Drop),
        }
    }

    fn truncated(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> Step {
        out.tally.truncations += 1;
        let offset = tail.named.as_ref().map_or(0, |named| named.cutter.offset());
        let path = tail.path.as_deref().unwrap_or(Path::new("")).display();
        let source = &self.name;
        tracing::warn!(source, %path, offset, "A log was truncated; unread lines may be lost");
        let Ok(metadata) = tail.file.metadata() else { return Step::Drop };
        tail.forget(&metadata);
        Step::Rescan
    }

    /// Finds out which generation a tail is, if its first line is complete.
    fn name(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> io::Result<Step> {
        if head::detect(&tail.file)? != Compression::Plain {
            return Ok(Step::Drop);
        }
        let head = Head::of_file(&tail.file)?;
        let size = tail.file.metadata()?.len();
        let fingerprint = match self.identify(&head, size, tail.not) {
            Identity::Unclear => return Ok(Step::Keep),
            Identity::New(fingerprint) => fingerprint,
            Identity::Known(fingerprint) => {
                if self.positions.get(fingerprint).is_some_and(|at| at.finished) {
                    return Ok(Step::Drop);
                }
                fingerprint
            }
        };
        if self.yields_to_twin(fingerprint, tail, size, out) {
            return Ok(Step::Drop);
        }
        tail.name(fingerprint, head, &self.positions);
        Ok(Step::Keep)
    }

    /// Of two files with the same content the larger one is read: the other is a copy that is
    /// still being made, or was not finished. True when `tail` is the other one.
    fn yields_to_twin(
        &mut self,
        fingerprint: Fingerprint,
        tail: &Tail,
        size: u64,
        out: &mut Outbox<'_>,
    ) -> bool {
        let twin = |work: &Work| match work {
            Work::Tail(other) => other.fingerprint() == Some(fingerprint),
            Work::Archive(_) => false,
        };
        let Some(place) = self.work.iter().position(twin) else { return false };
        let other_size = match self.work.get(place) {
            Some(Work::Tail(other)) => other.file.metadata().map_or(0, |metadata| metadata.len()),
            _ => 0,
        };
        if size > other_size {
            self.work.remove(place);
            return false;
        }
        if self.duplicates.insert(tail.id) {
            out.tally.duplicate_files += 1;
        }
        true
    }

    pub(super) fn identify(&self, head: &Head, size: u64, not: Option<Fingerprint>) -> Identity {
        let named = self.work.iter().filter_map(|work| match work {
            Work::Tail(tail) => tail.named.as_ref(),
            Work::Archive(_) => None,
        });
        let open: Vec<_> = named.map(|named| (named.fingerprint, &named.head)).collect();
        self.positions.identify(head, size, &open, not)
    }

    fn read_archive(&mut self, found: &Found, out: &mut Outbox<'_>) -> io::Result<Flow> {
        let (file, metadata) = scan::open(&found.path)?;
        let compression = head::detect(&file)?;
        if Version::of(&metadata) != found.version || compression == Compression::Plain {
            return Ok(ControlFlow::Continue(()));
        }
        let head = unpack::head(&file, found, compression)?;
        let fingerprint = match self.identify(&head, u64::MAX, None) {
            Identity::Known(fingerprint) | Identity::New(fingerprint) => fingerprint,
            Identity::Unclear => {
                self.settled.insert(found.version, None);
                return Ok(ControlFlow::Continue(()));
            }
        };
        if self.is_open(fingerprint) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut flow = ControlFlow::Continue(());
        if self.positions.get(fingerprint).is_none_or(|at| !at.finished) {
            let archive = Archive { found, file: &file, compression, fingerprint, head: &head };
            let now = self.clock.now();
            let (positions, buffer) = (&mut self.positions, &mut self.buffer);
            flow = archive.unpack(self.source, now, positions, buffer, out)?;
        }
        self.settled.insert(found.version, Some(fingerprint));
        Ok(flow)
    }

    fn is_open(&self, fingerprint: Fingerprint) -> bool {
        self.work
            .iter()
            .any(|work| matches!(work, Work::Tail(tail) if tail.fingerprint() == Some(fingerprint)))
    }

    fn scan_is_due(&self) -> bool {
        let now = self.clock.now();
        let due = |at: Timestamp| now < at || now.duration_since(at).unsigned_abs() >= SCAN_EVERY;
        self.scanned_at.is_none_or(due) || self.work.iter().any(Work::was_renamed)
    }

    fn scan(&mut self, out: &mut Outbox<'_>) -> Flow {
        let now = self.clock.now();
        self.scanned_at = Some(now);
        self.is_crowded = false;
        let listing = scan::list(&self.patterns);
        for (path, error) in &listing.failures {
            self.complaints.complain(&self.name, path, error);
        }
        self.directories = scan::directories(&self.patterns, &listing.files);
        self.note_presence(&listing.files);
        if !self.positions.have_started() {
            self.apply_start(&listing.files, now, out)?;
        }
        self.take_up(&listing.files, now, out);
        let exists =
            |version: &Version| listing.files.iter().any(|found| found.version == *version);
        self.settled.retain(|version, _| exists(version));
        self.duplicates.retain(|id| listing.files.iter().any(|found| found.id == *id));
        self.complaints.forget_the_gone();
        self.renew(now, out)
    }

    /// Queues what is to be read, oldest first.
    fn take_up(&mut self, files: &[Found], now: Timestamp, out: &mut Outbox<'_>) {
        for work in &mut self.work {
            if let Work::Tail(tail) = work {
                let found = files.iter().find(|found| found.id == tail.id);
                tail.path = found.map(|found| found.path.clone());
            }
        }
        for (later, found) in (0..files.len()).rev().zip(files) {
            if let Err(error) = self.take_up_one(found, later >= KEPT_OPEN, now, out) {
                self.complaints.complain(&self.name, &found.path, &error);
            }
        }
        self.work.sort_by_key(Work::order);
    }

    fn take_up_one(
        &mut self,
        found: &Found,
        is_surplus: bool,
        now: Timestamp,
        out: &mut Outbox<'_>,
    ) -> io::Result<()> {
        let is_open = |work: &Work| matches!(work, Work::Tail(tail) if tail.id == found.id);
        if self.work.iter().any(is_open) || self.settled.contains_key(&found.version) {
            return Ok(());
        }
        if self.work.len() >= OPEN_AT_ONCE {
            self.is_crowded = true;
            return Ok(());
        }
        let (file, metadata) = scan::open(&found.path)?;
        let found = Found::new(found.path.clone(), &metadata);
        if head::detect(&file)? != Compression::Plain {
            self.work.push(Work::Archive(found));
            return Ok(());
        }
        let mut tail = Tail { is_surplus, ..Tail::new(file, &found, now) };
        let step = self.name(&mut tail, out)?;
        if matches!(step, Step::Keep) && !tail.is_dispensable() {
            self.work.push(Work::Tail(Box::new(tail)));
        }
        Ok(())
    }

    /// Drops what needs no open file any more.
    fn let_go(&mut self, out: &mut Outbox<'_>) -> Flow {
        let now = self.clock.now();
        let mut finished = Vec::new();
        self.work.retain(|work| {
            let Work::Tail(tail) = work else { return true };
            let is_quiet = now.duration_since(tail.busy_at).unsigned_abs() >= LINGER;
            if is_quiet && tail.is_unlinked().unwrap_or(true) {
                finished.extend(tail.finished(self.source, now));
                return false;
            }
            let is_out_of_sight = is_quiet && tail.path.is_none();
            !is_out_of_sight && !tail.is_dispensable()
        });
        for batch in finished {
            self.positions.set(batch.position.clone());
            out.push(batch)?;
        }
        ControlFlow::Continue(())
    }

    /// Says once a day that what still exists is not to be forgotten.
    fn renew(&mut self, now: Timestamp, out: &mut Outbox<'_>) -> Flow {
        let open = self.work.iter().filter_map(|work| match work {
            Work::Tail(tail) => tail.fingerprint(),
            Work::Archive(_) => None,
        });
        let settled = self.settled.values().copied().flatten();
        let existing: BTreeSet<_> = open.chain(settled).chain([Fingerprint::NONE]).collect();
        for fingerprint in existing {
            let Some(position) = self.positions.get(fingerprint) else { continue };
            if now.as_second() - position.seen_at < RENEW_AFTER_SECONDS {
                continue;
            }
            let mut position = position.clone();
            position.seen_at = now.as_second();
            self.positions.set(position.clone());
            let head = &Head::default();
            let origin = Origin { source: self.source, fingerprint, head, anchor: now, now };
            out.push(origin.mark(position))?;
        }
        ControlFlow::Continue(())
    }

    fn note_presence(&mut self, files: &[Found]) {
        let is_missing = files.is_empty();
        let (source, patterns) = (&self.name, &self.patterns);
        match (is_missing, self.is_missing) {
            (true, false) => tracing::warn!(source, ?patterns, "No log there yet; waiting for one"),
            (false, true) => tracing::info!(source, "The log is there now"),
            _ => {}
        }
        self.is_missing = is_missing;
    }
}

impl Work {
    /// Orders by age. Of the same moment (file times move in ticks of some milliseconds), a file
    /// that was truncated comes after the copy that was made of it.
    fn order(&self) -> (Timestamp, bool) {
        match self {
            Self::Tail(tail) => (tail.order, tail.not.is_some()),
            Self::Archive(found) => (found.modified, false),
        }
    }

    /// The path of a tail leads elsewhere by now.
    fn was_renamed(&self) -> bool {
        let Self::Tail(tail) = self else { return false };
        let leads_to =
            |path: &PathBuf| std::fs::metadata(path).ok().map(|metadata| FileId::of(&metadata));
        tail.path.as_ref().is_some_and(|path| leads_to(path) != Some(tail.id))
    }
}

impl Tail {
    /// One of many old files, with nothing to read in it now.
    fn is_dispensable(&self) -> bool {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        let is_unread = |named: &Named| named.cutter.offset() < size;
        self.is_surplus && !self.named.as_ref().is_some_and(is_unread)
    }

    /// The last word on a generation that nobody can append to.
    fn finished(&self, source: usize, now: Timestamp) -> Option<Batch> {
        let named = self.named.as_ref()?;
        let (fingerprint, head) = (named.fingerprint, &named.head);
        let origin = Origin { source, fingerprint, head, anchor: now, now };
        let position = origin.position(named.cutter.offset(), named.cutter.line_count(), true);
        Some(origin.mark(position))
    }
}
