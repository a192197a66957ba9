//! One commit: packed, applied and synced; and what the writer does meanwhile.

use std::{panic, thread, time::Duration};

use tokio::time::Instant;

use super::{Mode, Writer, error::WriterError, events::EventLog, live, stage::Stage};
use crate::store::Store;

/// How often a replay stores how far it has come, while lines wait. Seldom, since it is dear: by then
/// nearly every open message has changed. Not more seldom, since all of that is in one commit, and
/// twice in memory.
const PLACE_EVERY: Duration = Duration::from_millis(250);

impl Writer {
    /// Makes all that is staged durable, then releases it.
    pub(super) fn commit(&mut self) -> Result<(), WriterError> {
        self.commit_staged(true)
    }

    /// As [`Writer::commit`]; with the place where the input is, or without it.
    pub(super) fn commit_staged(&mut self, with_place: bool) -> Result<(), WriterError> {
        let Some(staged) = self.staged(with_place) else { return Ok(()) };
        let took = write(staged, self.now_ms(), &mut self.events, &self.store)?;
        self.release(took);
        Ok(())
    }

    /// As [`Writer::commit`], and takes in lines that wait already while the disk works. They
    /// change nothing but what the next commit will hold.
    pub(super) fn commit_and_read_ahead(&mut self) -> Result<(), WriterError> {
        if self.intake.batches.is_empty() || self.room.is_short() || self.room.is_closed() {
            return self.commit();
        }
        let with_place = self.is_place_due();
        let Some(staged) = self.staged(with_place) else { return Ok(()) };
        let now_ms = self.now_ms();
        let Self { events, store, intake, stage, .. } = self;
        let written = thread::scope(|scope| {
            let writing = scope.spawn(|| write(staged, now_ms, events, store));
            while !writing.is_finished()
                && !stage.is_full()
                && let Some(batch) = intake.next()
            {
                intake.take_in(&batch, stage);
            }
            writing.join()
        });
        let took = written.unwrap_or_else(|panicked| panic::resume_unwind(panicked))?;
        self.release(took);
        self.stage_events()
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

    /// What goes into this commit; None when there is nothing.
    fn staged(&mut self, with_place: bool) -> Option<Stage> {
        if with_place {
            self.stage_place();
        }
        self.stage_notices();
        self.deliveries.stage(self.events.next_seq(), &mut self.stage);
        if self.stage.is_empty() {
            return None;
        }
        if self.mode == Mode::Live {
            self.life.stage(self.now_ms(), &mut self.stage);
        }
        let next = self.stage.begin_next(with_place);
        Some(std::mem::replace(&mut self.stage, next))
    }

    /// Where the input is, and what is open there: both or neither.
    fn stage_place(&mut self) {
        self.place_at = Instant::now() + PLACE_EVERY;
        let is_kept = self.mode.scope().is_some();
        live::stage(&mut self.intake.correlator, is_kept.then_some(&mut self.stage));
        self.intake.stage_states(&mut self.stage);
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

/// Nothing else touches the store meanwhile. Gives how long it took.
fn write(
    mut staged: Stage,
    now_ms: u64,
    events: &mut EventLog,
    store: &Store,
) -> Result<Duration, WriterError> {
    let begun = Instant::now();
    events.pack(now_ms, &mut staged);
    if let Some(commit) = staged.take() {
        store.apply(commit)?;
    }
    Ok(begun.elapsed())
}
