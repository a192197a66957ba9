//! One commit: what goes into it, applied and synced.

use std::time::Duration;

use tokio::time::Instant;

use super::{Mode, Writer, error::WriterError, live, stage::Stage};

/// How often a replay stores how far it has come, while lines wait. Seldom, since it is dear: by then
/// nearly every open message has changed. Not more seldom, since all of that is in one commit, and
/// twice in memory.
const PLACE_EVERY: Duration = Duration::from_millis(500);

impl Writer {
    /// Makes all that is staged durable, then releases it. While the intake is away no line is among
    /// that: what they told before was in the commit for which it was sent away.
    pub(super) fn commit(&mut self) -> Result<(), WriterError> {
        self.commit_staged(self.ahead.is_here())
    }

    /// As [`Writer::commit`]; with the place where the input is, or without it.
    pub(super) fn commit_staged(&mut self, with_place: bool) -> Result<(), WriterError> {
        if with_place {
            self.stage_place()?;
        }
        self.write(with_place)
    }

    /// As [`Writer::commit`], and lines that wait are taken in meanwhile.
    pub(super) fn commit_and_read_ahead(&mut self) -> Result<(), WriterError> {
        let is_room = !self.room.is_short() && !self.room.is_closed();
        if !is_room || self.intake()?.batches.is_empty() {
            return self.commit();
        }
        let with_place = self.is_place_due();
        if with_place {
            self.stage_place()?;
        }
        self.ahead.send(self.stage.scope)?;
        self.write(with_place)
    }

    /// Is it time to store where the input is, its positions and the messages that are open there?
    ///
    /// With every commit, but for the past: a replay asks of each event whether the store holds it,
    /// so what a crash makes it read again is known. Most messages have come and gone until the next
    /// time. It would be sent again if it was not kept, or is to be.
    pub(super) fn is_place_due(&self) -> bool {
        let is_known_again = matches!(self.mode, Mode::Replay { resend: false, .. })
            && !self.retention.events.age.is_zero();
        !is_known_again || Instant::now() >= self.place_at
    }

    /// Where the input is, and what is open there: both or neither. What of that the ledger has is
    /// staged when all is written: for that the intake is not needed any more.
    fn stage_place(&mut self) -> Result<(), WriterError> {
        self.place_at = Instant::now() + PLACE_EVERY;
        let is_kept = self.mode.scope().is_some();
        self.intake()?;
        let Some(intake) = self.ahead.here() else { return Ok(()) };
        let kept = is_kept.then_some((&mut self.ledger, &mut self.stage));
        live::take(&mut intake.correlator, kept);
        intake.stage_states(&mut self.stage);
        Ok(())
    }

    /// Writes what is staged, if anything is.
    fn write(&mut self, with_place: bool) -> Result<(), WriterError> {
        let begun = Instant::now();
        if with_place {
            self.ledger.stage(&self.store, &mut self.stage)?;
        }
        let Some(mut staged) = self.staged(with_place)? else { return Ok(()) };
        self.events.stage(&mut staged);
        if let Some(commit) = staged.take() {
            self.store.apply(commit)?;
        }
        self.release(begun.elapsed());
        Ok(())
    }

    /// What goes into this commit; None when there is nothing.
    fn staged(&mut self, with_place: bool) -> Result<Option<Stage>, WriterError> {
        self.stage_events()?;
        self.stage_notices();
        self.deliveries.stage(self.events.next_seq(), &mut self.stage);
        if self.stage.is_empty() {
            return Ok(None);
        }
        if self.mode == Mode::Live {
            self.life.stage(self.now_ms(), &mut self.stage);
        }
        let next = self.stage.begin_next(with_place);
        Ok(Some(std::mem::replace(&mut self.stage, next)))
    }

    /// All that was staged is durable, which took so long: events may be handed out.
    fn release(&mut self, took: Duration) {
        self.commit_seconds.note(took);
        let durable = self.events.committed();
        self.deliveries.committed(durable);
        let before = self.durable.send_replace(durable);
        self.tell_events(&(before..durable));
        self.look_for_room();
    }
}
