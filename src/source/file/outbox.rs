//! Hands batches on, one behind: only when a round ends is it known which batch was its last.

use std::ops::ControlFlow;

use super::{Batch, Tally};

/// Takes the batches of one round.
pub(super) struct Outbox<'a> {
    held: Option<Batch>,
    deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    pub(super) tally: &'a mut Tally,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        deliver: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
        tally: &'a mut Tally,
    ) -> Self {
        Self { held: None, deliver, tally }
    }

    /// Hands on the batch before this one.
    pub(super) fn push(&mut self, batch: Batch) -> ControlFlow<()> {
        self.tally.lines += batch.lines.len() as u64;
        self.tally.lines_cut += batch.lines.iter().filter(|line| line.cut).count() as u64;
        match self.held.replace(batch) {
            Some(earlier) => (self.deliver)(earlier),
            None => ControlFlow::Continue(()),
        }
    }

    /// The round is over: its last batch is marked as such.
    pub(super) fn finish(mut self) -> ControlFlow<()> {
        match self.held.take() {
            Some(last) => (self.deliver)(Batch { idle: true, ..last }),
            None => ControlFlow::Continue(()),
        }
    }
}
