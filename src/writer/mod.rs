//! The one thread that changes state.
//!
//! Batches of lines and results of deliveries come in through bounded channels; their effects are
//! staged and go into the store as one atomic, durable commit (group commit). Only then are new
//! events released to the senders, and only then does an input position count.
//!
//! A commit is due after `COMMIT_LINES` lines, `COMMIT_BYTES` of lines or `COMMIT_AFTER` since the
//! first staged effect, and at once when the input is idle.
//!
//! A failed commit ends the thread with an error: what was not committed is read again after a
//! restart.

mod ages;
mod backfill;
mod chunks;
mod commit;
mod deliveries;
mod error;
mod events;
mod expiry;
mod intake;
mod live;
mod postings;
mod room;
mod stage;
mod sweep;
mod upkeep;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    clock::SharedClock,
    config::{Retention, Webhook},
    correlate::{Correlator, Direction},
    event::{Event, EventType},
    parse::{Counts, Reader, State},
    queue::delivery::{Claim, Finished},
    source::Batch,
    store::Store,
};

pub use error::WriterError;
pub use stage::{journal_position, positions};

use deliveries::Deliveries;
use events::EventLog;
use intake::Intake;
use room::Room;
use stage::Stage;
use sweep::Sweep;

/// The longest that an effect waits for its commit.
const COMMIT_AFTER: Duration = Duration::from_millis(100);
/// Commands that may wait.
const COMMANDS_WAITING: usize = 1024;

/// What senders ask of the writer.
#[derive(Debug)]
enum Command {
    /// Deliveries to make for one webhook.
    Claim { endpoint: usize, max: usize, answer: oneshot::Sender<Claimed> },
    /// What became of one.
    Finish { endpoint: usize, finished: Finished },
    /// Take in the batches that wait, commit, answer.
    Flush { answer: oneshot::Sender<()> },
    /// The sources are ending: let them.
    Ending,
    /// As flush, and end.
    Stop,
}

/// Deliveries to make, and when to ask again.
#[derive(Debug, Default)]
pub struct Claimed {
    /// At most as many as asked for.
    pub claims: Vec<Claim>,
    /// When the next waiting retry is due, if one waits.
    pub next_due_ms: Option<u64>,
    /// Not all fresh events were looked at: claim again.
    pub more: bool,
    /// All results reported before are durable, so `next_due_ms` knows of them.
    pub settled: bool,
}

/// The senders' side of the writer.
#[derive(Debug, Clone)]
pub struct WriterHandle {
    commands: mpsc::Sender<Command>,
    /// Sequence number below which events are durable.
    durable: watch::Receiver<u64>,
}

/// The writer has ended; nothing can be claimed or finished any more.
#[derive(Debug, thiserror::Error)]
#[error("the writer has stopped")]
pub struct Stopped;

impl WriterHandle {
    /// Claims up to `max` deliveries for the webhook with index `endpoint`.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn claim(&self, endpoint: usize, max: usize) -> Result<Claimed, Stopped> {
        let (answer, claimed) = oneshot::channel();
        let command = Command::Claim { endpoint, max, answer };
        self.commands.send(command).await.map_err(|_| Stopped)?;
        claimed.await.map_err(|_| Stopped)
    }

    /// Reports what became of a claimed delivery.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn finish(&self, endpoint: usize, finished: Finished) -> Result<(), Stopped> {
        self.commands.send(Command::Finish { endpoint, finished }).await.map_err(|_| Stopped)
    }

    /// Waits until every batch sent before is durable.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn flush(&self) -> Result<(), Stopped> {
        let (answer, flushed) = oneshot::channel();
        self.commands.send(Command::Flush { answer }).await.map_err(|_| Stopped)?;
        flushed.await.map_err(|_| Stopped)
    }

    /// Tells the writer that the sources are told to end. It takes in what they still have, even if
    /// the disk is nearly full.
    pub async fn sources_end(&self) {
        // An error means that it has ended already.
        drop(self.commands.send(Command::Ending).await);
    }

    /// Asks the writer to take in the batches that wait, to commit and to end.
    pub async fn stop(&self) {
        // An error means that it has ended already, which is what was asked for.
        drop(self.commands.send(Command::Stop).await);
    }

    /// Tells when new events became durable.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }
}

/// What the writer is made with.
#[derive(Debug)]
pub struct Setup {
    /// The open store.
    pub store: Store,
    /// The sources, by index.
    pub sources: Vec<Feed>,
    /// The webhooks, by index.
    pub webhooks: Vec<Arc<Webhook>>,
    /// How messages are classed.
    pub direction: Direction,
    /// Zone of stamps without one.
    pub zone: TimeZone,
    /// Tells when a retry is due.
    pub clock: SharedClock,
    /// Live or replay.
    pub mode: Mode,
    /// How long what is stored stays.
    pub retention: Retention,
    /// Bytes that must be free where the store lies; None for the default.
    pub min_free: Option<u64>,
}

/// What the writer must know of a source.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Names its positions in the store.
    pub name: String,
    /// At its very first start: events before this time are not wanted, microseconds.
    pub since_us: Option<i64>,
}

/// What the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The present: positions and open messages are kept for the next start.
    Live,
    /// The past: nothing is kept but events, and only those that happened between the bounds
    /// (microseconds, end exclusive).
    Replay {
        /// Earliest time of an event.
        since_us: i64,
        /// Behind the latest.
        until_us: i64,
        /// The only webhook that is told, by index.
        only: Option<usize>,
        /// Tell again what was told before.
        resend: bool,
    },
}

impl Mode {
    /// The only webhook that is told.
    pub(crate) fn only(self) -> Option<usize> {
        match self {
            Self::Live => None,
            Self::Replay { only, .. } => only,
        }
    }
}

/// What a writer did, when it has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines by outcome.
    pub counts: Counts,
    /// Events stored.
    pub events: u64,
    /// Events that the store held already.
    pub known_events: u64,
    /// Deliveries of such events to webhooks that had not been offered them, or are told again.
    pub offered_again: u64,
    /// Deliveries that were given up because they had waited for too long.
    pub expired: u64,
}

/// The writer's state; lives on its thread.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    mode: Mode,
    clock: SharedClock,
    /// When it was made, microseconds. What happened since cannot have been stored by another run.
    started_us: i64,
    intake: Intake,
    events: EventLog,
    deliveries: Deliveries,
    retention: Retention,
    sweep: Sweep,
    room: Room,
    /// When the size of the store was last looked at, milliseconds since the epoch.
    rebuild_asked_ms: u64,
    /// When something may have been kept for long enough.
    upkeep_at: Instant,
    stage: Stage,
    inbox: mpsc::Receiver<Command>,
    durable: watch::Sender<u64>,
    summary: Summary,
}

/// What woke the writer.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
enum Woken {
    Batch(Option<Batch>),
    Command(Option<Command>),
    CommitDue,
    Silent,
    UpkeepDue,
}

impl Writer {
    /// A writer and the senders' handle to it. It works once [`Writer::run`] is called.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what this version does not understand.
    pub fn new(
        setup: Setup,
        batches: mpsc::Receiver<Batch>,
    ) -> Result<(Self, WriterHandle), WriterError> {
        let Setup { store, sources, webhooks, direction, zone, clock, mode, retention, min_free } =
            setup;
        let next_seq = events::next_seq(&store)?;
        let (commands, inbox) = mpsc::channel(COMMANDS_WAITING);
        let (durable, durable_seen) = watch::channel(next_seq);
        let deliveries = Deliveries::load(webhooks, &store, next_seq, mode.only())?;
        let mut correlator =
            Correlator::new(direction, deliveries.wants(EventType::OutboundSending));
        let mut readers = Vec::new();
        for source in &sources {
            let stored = match mode {
                Mode::Live => stage::source_state(&store, &source.name)?,
                Mode::Replay { .. } => None,
            };
            let state = stored.unwrap_or(State { since_us: source.since_us, ..State::default() });
            readers.push(Reader::new(zone.clone(), state));
        }
        if mode == Mode::Live {
            live::restore(&store, &mut correlator)?;
        }
        let (now, mut stage) = (clock.now(), Stage::default());
        let events = EventLog::load(&store, next_seq, millis(now), &mut stage)?;
        let writer = Self {
            store,
            mode,
            started_us: now.as_microsecond(),
            clock,
            intake: Intake::new(sources, readers, correlator, batches, mode),
            events,
            deliveries,
            retention,
            sweep: Sweep::new(millis(now)),
            room: Room::new(min_free),
            rebuild_asked_ms: millis(now),
            upkeep_at: Instant::now(),
            stage,
            inbox,
            durable,
            summary: Summary::default(),
        };
        Ok((writer, WriterHandle { commands, durable: durable_seen }))
    }

    /// Works until it is told to stop. Blocks the calling thread, which must not be a runtime's.
    ///
    /// # Errors
    /// When the store fails. Nothing that was not committed counts then.
    pub fn run(mut self, runtime: &Handle) -> Result<Summary, WriterError> {
        let worked = self.work(runtime);
        if worked.is_err() {
            self.store.distrust();
        }
        worked.map(|()| self.summary)
    }

    fn work(&mut self, runtime: &Handle) -> Result<(), WriterError> {
        self.room.look(&self.store);
        self.commit()?;
        let mut sources_open = true;
        loop {
            match self.wait(runtime, sources_open) {
                Woken::Command(Some(Command::Stop) | None) => break,
                Woken::Command(Some(command)) => self.command(command)?,
                Woken::Batch(Some(batch)) => self.ingest(&batch)?,
                Woken::Batch(None) => sources_open = false,
                Woken::CommitDue => self.commit_and_read_ahead()?,
                Woken::Silent => {
                    let silence = self.intake.heard.elapsed();
                    self.release_held(|correlator, fresh| correlator.silence(silence, fresh))?;
                }
                Woken::UpkeepDue => self.keep_up()?,
            }
        }
        self.flush()?;
        self.summary.counts = self.intake.counts();
        Ok(())
    }

    /// Commands first: a backlog of lines must not keep the senders waiting.
    fn wait(&mut self, runtime: &Handle, sources_open: bool) -> Woken {
        // Most commands come in crowds: only the last of one is worth a sleep.
        if let Ok(command) = self.inbox.try_recv() {
            return Woken::Command(Some(command));
        }
        if self.stage.is_full() || (self.stage.is_last && self.intake.batches.is_empty()) {
            return Woken::CommitDue;
        }
        let is_listening = !self.room.is_short();
        let due = self.stage.since.map(|since| since + COMMIT_AFTER);
        if !is_listening {
            // It is not the log that is silent: we do not listen.
            self.intake.heard = Instant::now();
        }
        // Lines that have come already end a silence, however long the last commit took.
        let Intake { correlator, heard, batches, .. } = &mut self.intake;
        let silent = correlator.patience().map(|wait| *heard + wait).filter(|_| is_listening);
        runtime.block_on(async {
            tokio::select! {
                biased;
                command = self.inbox.recv() => Woken::Command(command),
                () = until(due), if due.is_some() => Woken::CommitDue,
                () = tokio::time::sleep_until(self.upkeep_at) => Woken::UpkeepDue,
                batch = batches.recv(), if sources_open && is_listening => Woken::Batch(batch),
                () = until(silent), if silent.is_some() => Woken::Silent,
            }
        })
    }

    /// Lets messages go that wait for a line which does not come.
    fn release_held(
        &mut self,
        release: impl FnOnce(&mut Correlator, &mut Vec<Event>),
    ) -> Result<(), WriterError> {
        release(&mut self.intake.correlator, &mut self.intake.fresh);
        self.stage.touch();
        self.stage_events()
    }

    /// Takes in all that the sources have sent, and commits it. The past has nothing more to say
    /// then.
    fn flush(&mut self) -> Result<(), WriterError> {
        while let Some(batch) = self.intake.next() {
            self.ingest(&batch)?;
            if self.stage.is_full() {
                self.commit_and_read_ahead()?;
            }
        }
        if self.mode != Mode::Live {
            self.release_held(Correlator::release_all)?;
        }
        self.commit()
    }

    fn command(&mut self, command: Command) -> Result<(), WriterError> {
        match command {
            Command::Claim { endpoint, max, answer } => {
                let now_ms = self.now_ms();
                let (events, store, stage) = (&mut self.events, &self.store, &mut self.stage);
                let mut claimed =
                    self.deliveries.claim(endpoint, max, now_ms, events, store, stage)?;
                claimed.settled = self.stage.is_empty();
                // A sender that went away does not want its claims; they are due at the next start.
                drop(answer.send(claimed));
            }
            Command::Finish { endpoint, finished } => {
                self.deliveries.finish(endpoint, finished, &mut self.stage);
            }
            Command::Flush { answer } => {
                self.flush()?;
                answer.send(()).ok();
            }
            Command::Ending => self.room.end(),
            Command::Stop => {}
        }
        Ok(())
    }

    /// Takes the lines of a batch in.
    fn ingest(&mut self, batch: &Batch) -> Result<(), WriterError> {
        self.intake.take_in(batch, &mut self.stage);
        self.stage_events()
    }

    /// Gives fresh events their place, those that are new to the store.
    fn stage_events(&mut self) -> Result<(), WriterError> {
        let mut fresh = std::mem::take(&mut self.intake.fresh);
        for event in fresh.drain(..) {
            if self.is_history(&event)? {
                continue;
            }
            self.summary.events += 1;
            self.stage.touch();
            self.events.append(event);
        }
        self.intake.fresh = fresh;
        Ok(())
    }

    /// Is this event outside the bounds of a replay, or in the store already? What the live tail
    /// sees happen is new without asking: it reads each line once, and no replay runs beside it.
    /// What a replay finds stored is offered to whom it was not offered before.
    fn is_history(&mut self, event: &Event) -> Result<bool, WriterError> {
        let resend = match self.mode {
            Mode::Live if event.at_us >= self.started_us => return Ok(false),
            Mode::Live => None,
            Mode::Replay { since_us, until_us, .. }
                if !(since_us..until_us).contains(&event.at_us) =>
            {
                return Ok(true);
            }
            Mode::Replay { resend, .. } => Some(resend),
        };
        let Some(seq) = self.events.find(event, &self.store)? else { return Ok(false) };
        self.summary.known_events += 1;
        if let Some(resend) = resend {
            let now_ms = self.now_ms();
            let (store, stage) = (&self.store, &mut self.stage);
            let offers = self.deliveries.offer_again(event, seq, resend, now_ms, store, stage)?;
            self.summary.offered_again += offers;
        }
        Ok(true)
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.now())
    }
}

/// Milliseconds since the epoch.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
