//! Lists the files again and takes up what is new among them.

use std::{io, ops::ControlFlow, path::Path, time::Duration};

use jiff::Timestamp;

use super::{
    outbox::Outbox,
    scan::{self, Found, Version},
    tail::Tail,
    tailer::{Flow, Tailer},
    work::{Step, Work},
};
use crate::source::{
    Fingerprint,
    archive::Compression,
    batching::Origin,
    head::{self, Head},
};

/// Longest time between two listings.
pub(super) const SCAN_EVERY: Duration = Duration::from_secs(10);

/// Plain files that stay open although nothing is unread in them, the latest ones.
const KEPT_OPEN: usize = 64;

/// Plain files open at once.
const OPEN_AT_ONCE: usize = 256;

/// A position of a file that exists is renewed when it is this old, so that it is not forgotten.
const RENEW_AFTER_SECONDS: i64 = 24 * 60 * 60;

impl Tailer {
    pub(super) fn scan_is_due(&self) -> bool {
        let now = self.clock.now();
        let due = |at: Timestamp| now < at || now.duration_since(at).unsigned_abs() >= SCAN_EVERY;
        self.scanned_at.is_none_or(due)
            || self.complaints.retry_is_due(now)
            || self.work.iter().any(Work::was_renamed)
    }

    pub(super) fn scan(&mut self, out: &mut Outbox<'_>) -> Flow {
        let now = self.clock.now();
        self.scanned_at = Some(now);
        self.is_crowded = false;
        let listing = scan::list(&self.patterns);
        for (path, error) in &listing.failures {
            self.complaints.complain(path, None, now, error);
        }
        self.directories = scan::directories(&self.patterns, &listing.files);
        self.note_presence(&listing.files);
        if !self.positions.have_started() {
            self.apply_start(&listing.files, now, out)?;
            out.release()?;
        }
        self.health.send_if_modified(|health| !std::mem::replace(&mut health.has_begun, true));
        self.take_up(&listing.files, now, out);
        let exists =
            |version: &Version| listing.files.iter().any(|found| found.version == *version);
        self.settled.retain(|version, _| exists(version));
        self.duplicates.retain(|id| listing.files.iter().any(|found| found.id == *id));
        self.complaints.forget_the_gone();
        self.complaints.tried(now);
        self.renew(now, out)
    }

    /// Queues what is to be read, oldest first.
    fn take_up(&mut self, files: &[Found], now: Timestamp, out: &mut Outbox<'_>) {
        for work in &mut self.work {
            if let Work::Tail(tail) = work {
                let found = files.iter().find(|found| found.id == tail.id);
                let path = found.map(|found| found.path.clone());
                tail.path = path.or_else(|| tail.path.take().filter(|path| is_hidden(path)));
            }
        }
        for (later, found) in (0..files.len()).rev().zip(files) {
            if self.complaints.must_wait(found, now) {
                continue;
            }
            if let Err(error) = self.take_up_one(found, later >= KEPT_OPEN, now, out) {
                self.complaints.complain(&found.path, Some(found.seen()), now, &error);
                // What it holds is no log, and stays so until it changes.
                if error.raw_os_error().is_none() {
                    self.settled.insert(found.version, None);
                }
            }
        }
        for work in &mut self.work {
            if let Work::Tail(tail) = work {
                // Others are open now that it can be told from.
                tail.looked_at = None;
                tail.is_rotated =
                    tail.path.as_deref().is_some_and(|path| scan::is_rotated(path, files));
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
        let mut tails = self.work.iter().filter_map(Work::tail);
        if tails.any(|tail| tail.id == found.id) || self.settled.contains_key(&found.version) {
            return Ok(());
        }
        if self.work.len() >= OPEN_AT_ONCE {
            self.is_crowded = true;
            return Ok(());
        }
        let (file, metadata) = scan::open(&found.path)?;
        let found = Found { order: found.order, ..Found::new(found.path.clone(), &metadata) };
        if head::detect_log(&file)? != Compression::Plain {
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

    /// Says once a day that what still exists is not to be forgotten.
    fn renew(&mut self, now: Timestamp, out: &mut Outbox<'_>) -> Flow {
        let mut existing = std::mem::take(&mut self.existing);
        let tails = self.work.iter().filter_map(Work::tail);
        existing.extend(tails.filter_map(|tail| tail.fingerprint().or(tail.part_of)));
        existing.extend(self.settled.values().copied().flatten());
        existing.insert(Fingerprint::NONE);
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

/// It may not be looked at now, which is not to say that nothing is there.
fn is_hidden(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
}
