//! Where a source begins that was never read.
//!
//! What is not to be read is marked as seen, each generation by a position of its own, and only
//! then that the rule was applied: a process that is killed in between applies it again to what
//! has no mark.

use std::io;

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
        Fingerprint,
        archive::Compression,
        batching::Origin,
        head::{self, Head},
        line_end,
    },
};

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
            let result = self.mark_as_seen(found, now);
            if let Some(Some(batch)) = self.complaints.noted(&found.path, found.seen(), now, result)
            {
                self.positions.set(batch.position.clone());
                out.push(batch)?;
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
    fn mark_as_seen(&mut self, found: &Found, now: Timestamp) -> io::Result<Option<Batch>> {
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
            return Ok(None);
        };
        let anchor = tail::anchor(found.modified, now);
        let origin = Origin { source: self.source, fingerprint, head: &head, anchor, now };
        let mut position = origin.position(offset, 0, !is_plain);
        if !is_plain {
            position.heads = head.hashes(u64::MAX);
        }
        Ok(Some(origin.mark(position)))
    }
}
