//! Where a source begins that was never read.
//!
//! What is not to be read is marked as seen, each generation by a position of its own, and only
//! then that the rule was applied: a process that is killed in between applies it again to what
//! has no mark.
//!
//! Of a live log that is passed over, the end is read all the same: what it says of messages under way
//! is wanted when their last lines come. Those lines give no events, so a process that is killed
//! meanwhile does without them.

use std::{fs::File, io, ops::ControlFlow, os::unix::fs::FileExt, time::Duration};

use jiff::Timestamp;

use super::{
    Batch,
    outbox::Outbox,
    positions::Identity,
    scan::{self, Found},
    tail,
    tailer::{Flow, Tailer},
    unpack,
};
use crate::{
    config::Start,
    source::{
        Fingerprint, Position,
        archive::Compression,
        batching::Origin,
        head::{self, Head},
        line_end,
        lines::Cutter,
    },
};

/// Bytes read of a live log that is passed over: some ten thousand messages.
const LOOK_BACK_BYTES: u64 = 8 * 1024 * 1024;

/// A log that was not written to for so long is of no message under way.
const LOOK_BACK: Duration = Duration::from_hours(1);

impl Tailer {
    /// The first listing ever: marks what is not to be read, then that this was done.
    pub(super) fn apply_start(
        &mut self,
        files: &[Found],
        now: Timestamp,
        out: &mut Outbox<'_>,
    ) -> Flow {
        let is_read = |found: &&Found| match self.start {
            Start::Beginning => true,
            Start::End => false,
            Start::Since(age) => {
                found.modified >= now || now.duration_since(found.modified).unsigned_abs() <= age
            }
        };
        let passed_over: Vec<_> = files.iter().filter(|found| !is_read(found)).collect();
        for found in passed_over {
            let is_recent = now.duration_since(found.modified).unsigned_abs() <= LOOK_BACK;
            let is_live = is_recent && !scan::is_rotated(&found.path, files);
            let result = self.mark_as_seen(found, is_live, now, out);
            if let Some(flow) = self.complaints.noted(&found.path, found.seen(), now, result) {
                flow?;
            }
        }
        let head = &Head::default();
        let fingerprint = Fingerprint::NONE;
        let origin = Origin { source: self.source, fingerprint, head, anchor: now, now };
        let started = origin.mark(origin.position(0, 0, false));
        self.positions.set(started.position.clone());
        out.push(started)
    }

    /// A plain file is seen up to its last line end, an archive is finished.
    fn mark_as_seen(
        &mut self,
        found: &Found,
        is_live: bool,
        now: Timestamp,
        out: &mut Outbox<'_>,
    ) -> io::Result<Flow> {
        let (file, metadata) = scan::open(&found.path)?;
        let compression = head::detect_log(&file)?;
        let is_plain = compression == Compression::Plain;
        let (head, offset) = if is_plain {
            let end = line_end::last(&file, metadata.len(), &mut self.buffer)?;
            (Head::of_file(&file)?, end)
        } else {
            (unpack::head(&file, found, compression)?, 0)
        };
        let Identity::New(fingerprint) = self.identify(&head, u64::MAX, None) else {
            return Ok(ControlFlow::Continue(()));
        };
        let anchor = tail::anchor(found.modified, now);
        let origin = Origin { source: self.source, fingerprint, head: &head, anchor, now };
        let mut position = origin.position(offset, 0, !is_plain);
        if !is_plain {
            position.heads = head.hashes(u64::MAX);
        }
        let seen = origin.mark(position);
        self.positions.set(seen.position.clone());
        if is_live && is_plain && self.look_back(&file, &origin, &seen.position, out)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok(out.push(seen))
    }

    /// Hands out the last lines before `end`, as of the past, and each batch with that position.
    fn look_back(
        &mut self,
        file: &File,
        origin: &Origin<'_>,
        end: &Position,
        out: &mut Outbox<'_>,
    ) -> io::Result<Flow> {
        let from = end.offset.saturating_sub(LOOK_BACK_BYTES);
        let mut at = line_end::last(file, from, &mut self.buffer)?;
        let mut cutter = Cutter::new(at, 0);
        let mut hand_out =
            |cut| out.push(Batch { position: end.clone(), is_past: true, ..origin.batch(cut) });
        while at < end.offset {
            let rest = usize::try_from(end.offset - at).unwrap_or(usize::MAX);
            let room = rest.min(self.buffer.len());
            let read = self.buffer.get_mut(..room).unwrap_or_default();
            file.read_exact_at(read, at)?;
            at += read.len() as u64;
            if cutter.feed(read, &mut hand_out).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(cutter.take().map_or(ControlFlow::Continue(()), hand_out))
    }
}
