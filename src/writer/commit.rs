//! One commit: packed, applied and synced; and what the writer does meanwhile.

use std::{panic, thread};

use super::{Mode, Writer, error::WriterError, events::EventLog, live, stage::Stage};
use crate::store::Store;

impl Writer {
    /// Makes all that is staged durable, then releases it.
    pub(super) fn commit(&mut self) -> Result<(), WriterError> {
        let Some(staged) = self.staged() else { return Ok(()) };
        let now_ms = self.now_ms();
        write(staged, now_ms, &mut self.events, &self.store)?;
        self.release();
        Ok(())
    }

    /// As [`Writer::commit`], and takes in lines that wait already while the disk works. They
    /// change nothing but what the next commit will hold.
    pub(super) fn commit_and_read_ahead(&mut self) -> Result<(), WriterError> {
        if self.intake.batches.is_empty() || self.room.is_short() || self.room.is_closed() {
            return self.commit();
        }
        let Some(staged) = self.staged() else { return Ok(()) };
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
        written.unwrap_or_else(|panicked| panic::resume_unwind(panicked))?;
        self.release();
        self.stage_events()
    }

    /// What goes into this commit; None when there is nothing.
    fn staged(&mut self) -> Option<Stage> {
        let is_kept = self.mode.scope().is_some();
        live::stage(&mut self.intake.correlator, is_kept.then_some(&mut self.stage));
        self.intake.stage_states(&mut self.stage);
        self.stage_notices();
        self.deliveries.stage(self.events.next_seq(), &mut self.stage);
        if self.stage.is_empty() {
            return None;
        }
        if self.mode == Mode::Live {
            self.life.stage(self.now_ms(), &mut self.stage);
        }
        let next = Stage::new(self.stage.scope);
        Some(std::mem::replace(&mut self.stage, next))
    }

    /// All that was staged is durable: events may be handed out.
    fn release(&mut self) {
        let durable = self.events.committed();
        self.deliveries.committed(durable);
        self.durable.send_replace(durable);
        self.look_for_room();
    }
}

/// Nothing else touches the store meanwhile.
fn write(
    mut staged: Stage,
    now_ms: u64,
    events: &mut EventLog,
    store: &Store,
) -> Result<(), WriterError> {
    events.pack(now_ms, &mut staged);
    if let Some(commit) = staged.take() {
        store.apply(commit)?;
    }
    Ok(())
}
