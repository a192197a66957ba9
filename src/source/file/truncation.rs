//! A file that lost what was in it, and what is lost with that.
//!
//! Known is only what we had read. What was written between our last read and the truncation is in
//! the copy, if there is one; else it is gone, and nobody can say how much it was.

use std::path::Path;

use super::{
    Tally,
    outbox::Outbox,
    tail::Tail,
    tailer::Tailer,
    work::{Step, Work},
};
use crate::source::Fingerprint;

/// A generation whose file was truncated.
#[derive(Debug)]
pub(super) struct Truncated {
    generation: Fingerprint,
    /// Bytes of half a line that were read.
    half_line_bytes: u64,
}

impl Tailer {
    /// The file of a tail was truncated: what it was is looked for elsewhere.
    pub(super) fn truncated(&mut self, tail: &mut Tail, out: &mut Outbox<'_>) -> Step {
        out.tally.truncations += 1;
        let offset = tail.named.as_ref().map_or(0, |named| named.cutter.offset());
        let path = tail.path.as_deref().unwrap_or(Path::new("")).display();
        let half_line_bytes = tail.half_line_bytes();
        tracing::warn!(source = self.name, %path, offset, half_line_bytes, "A log was truncated");
        let generation = tail.fingerprint();
        self.unsettled
            .extend(generation.map(|generation| Truncated { generation, half_line_bytes }));
        let Ok(metadata) = tail.file.metadata() else { return Step::Drop };
        tail.forget(&metadata);
        Step::Rescan
    }

    /// All was listed since: says of what no copy is in sight.
    pub(super) fn settle_truncations(&mut self, tally: &mut Tally) {
        for Truncated { generation, half_line_bytes } in std::mem::take(&mut self.unsettled) {
            if self.has_copy(generation) {
                continue;
            }
            tally.truncations_without_copy += 1;
            tally.bytes_lost += half_line_bytes;
            tracing::warn!(
                source = self.name,
                %generation,
                half_line_bytes,
                "A log was truncated and no copy is in sight: unread lines are lost, unknown how many"
            );
        }
    }

    fn has_copy(&self, generation: Fingerprint) -> bool {
        let mut tails = self.work.iter().filter_map(Work::tail);
        self.is_open(generation)
            || tails.any(|tail| tail.part_of == Some(generation))
            || self.settled.values().any(|it| *it == Some(generation))
    }
}
