//! Hands batches on, one behind: only when a round ends is it known which batch was its last.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{
    Batch, Tally,
    lateness::{Backlog, Lateness},
    positions::Positions,
};
use crate::{
    clock::SharedClock,
    source::{Fingerprint, batching::Origin, head::Head, lines::Cut},
};

/// Takes the batches of one round.
pub(super) struct Outbox<'a> {
    held: Option<Batch>,
    deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    pub(super) tally: &'a mut Tally,
    late: Late<'a>,
}

/// Says how late the source is.
pub(super) struct Late<'a> {
    pub(super) name: String,
    pub(super) clock: SharedClock,
    pub(super) state: &'a mut Lateness,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
        tally: &'a mut Tally,
        late: Late<'a>,
    ) -> Self {
        Self { held: None, deliver, tally, late }
    }

    /// Hands on the batch before this one.
    pub(super) fn push(&mut self, batch: Batch) -> ControlFlow<()> {
        self.tally.lines += batch.lines.len() as u64;
        self.tally.lines_cut += batch.lines.iter().filter(|line| line.cut).count() as u64;
        let unread = &mut self.tally.backlog.unread_bytes;
        *unread = unread.saturating_sub((batch.bytes.len() + batch.lines.len()) as u64);
        self.late.note(self.tally.backlog);
        match self.held.replace(batch) {
            Some(earlier) => (self.deliver)(earlier),
            None => ControlFlow::Continue(()),
        }
    }

    /// The round is over: its last batch is marked as such.
    pub(super) fn finish(mut self) -> ControlFlow<()> {
        if self.late.state.end() {
            tracing::info!(source = self.late.name, "The source has caught up");
        }
        match self.held.take() {
            Some(last) => (self.deliver)(Batch { idle: true, ..last }),
            None => ControlFlow::Continue(()),
        }
    }
}

impl Late<'_> {
    fn note(&mut self, backlog: Backlog) {
        if self.state.is_due(self.clock.now()) {
            let Backlog { unread_bytes, pinned_bytes } = backlog;
            tracing::warn!(
                source = self.name,
                unread_bytes,
                pinned_bytes,
                "The source is behind; it reads on as fast as it is let"
            );
        }
    }
}

/// Takes the lines of a source, hands them on, and remembers how far they go.
pub(super) struct Sink<'a, 'o> {
    /// Index of the source.
    pub(super) source: usize,
    pub(super) now: Timestamp,
    pub(super) positions: &'a mut Positions,
    pub(super) out: &'a mut Outbox<'o>,
}

impl Sink<'_, '_> {
    /// Hands on the lines of one generation.
    pub(super) fn take(
        &mut self,
        fingerprint: Fingerprint,
        head: &Head,
        anchor: Timestamp,
        cut: Cut,
    ) -> ControlFlow<()> {
        self.out.tally.nul_bytes += cut.nul_bytes;
        let origin = Origin { source: self.source, fingerprint, head, anchor, now: self.now };
        let batch = origin.batch(cut);
        self.positions.set(batch.position.clone());
        self.out.push(batch)
    }
}
