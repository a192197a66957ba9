//! Hands batches on, one behind: only when a round ends is it known which batch was its last.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{Batch, Tally, positions::Positions};
use crate::source::{Fingerprint, HealthSender, batching::Origin, head::Head, lines::Cut};

/// Takes the batches of one round.
pub(super) struct Outbox<'a> {
    held: Option<Batch>,
    deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    pub(super) tally: &'a mut Tally,
    health: &'a HealthSender,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
        tally: &'a mut Tally,
        health: &'a HealthSender,
    ) -> Self {
        Self { held: None, deliver, tally, health }
    }

    /// Hands on the batch before this one.
    pub(super) fn push(&mut self, batch: Batch) -> ControlFlow<()> {
        self.tally.lines += batch.lines.len() as u64;
        self.tally.lines_cut += batch.lines.iter().filter(|line| line.cut).count() as u64;
        let read_bytes = batch.bytes.len() as u64;
        self.health.send_modify(|health| {
            health.lag_bytes = health.lag_bytes.saturating_sub(read_bytes);
        });
        match self.held.replace(batch) {
            Some(earlier) => (self.deliver)(earlier),
            None => ControlFlow::Continue(()),
        }
    }

    /// Hands on what is held back: whoever waits for it does not wait for the round.
    pub(super) fn release(&mut self) -> ControlFlow<()> {
        self.held.take().map_or(ControlFlow::Continue(()), &mut *self.deliver)
    }

    /// The round is over: its last batch is marked as such.
    pub(super) fn finish(mut self) -> ControlFlow<()> {
        match self.held.take() {
            Some(last) => (self.deliver)(Batch { idle: true, ..last }),
            None => ControlFlow::Continue(()),
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
