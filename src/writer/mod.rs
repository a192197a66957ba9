//! The one thread that changes what is stored.
//!
//! Batches of lines and results of deliveries come in through bounded channels; their effects are
//! staged and go into the store as one atomic, durable commit (group commit). Only then are new
//! events released to the senders, and only then does an input position count.
//!
//! A commit is due after `COMMIT_LINES` lines, `COMMIT_BYTES` of lines or `COMMIT_AFTER` since the
//! first staged effect, and at once when the input is idle. With a backlog it covers more: lines are
//! taken in until the commit before is written.
//!
//! A failed commit ends the thread with an error: what was not committed is read again after a
//! restart.

mod ages;
mod ahead;
mod api_keys;
mod audit;
mod backfill;
mod chunks;
mod commit;
mod course;
mod deliveries;
mod error;
mod events;
mod expiry;
mod figures;
mod former;
mod gists;
mod handle;
mod history;
mod index;
mod intake;
mod keys;
mod ledger;
mod life;
mod live;
mod logs;
mod look;
mod made;
mod manual;
mod news;
mod notices;
mod orders;
mod postings;
mod pulse;
mod replay_set;
mod reports;
mod room;
mod roster;
pub mod rows;
mod scope;
mod silence;
mod stage;
mod steady;
mod stories;
mod sweep;
mod told;
mod turnover;
mod upkeep;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    clock::{SharedClock, millis},
    config::{Retention, Webhook, WebhookId},
    correlate::{Correlator, Direction, haraka::Reads},
    event::{Event, EventType, Notice},
    parse::{Counts, Reader, State, Whose},
    queue::delivery::Finished,
    secret::ApiKeys,
    source::{Batch, milter::FactsReceiver},
    store::Store,
    telemetry::Histogram,
};

pub use api_keys::KeyOutcome;
pub use audit::{AuditPage, AuditRow};
pub use course::{Course, Stored, Whereabouts};
pub use error::WriterError;
pub use figures::{Ends, Figures, StoreFigures, Vitals, WebhookFigures};
pub use handle::{Access, Claimed, Resume, Stopped, WriterHandle};
pub use history::{Page, Place, Wanted};
pub use keys::{Keys, KeysError};
pub use made::made_webhooks;
pub use manual::{Cancelled, Cleared, Dead, DeadPage, Replayed, Selector, Standing};
pub use news::{AttemptNews, News, Since};
pub use replay_set::{ReplaySet, replay_positions};
pub use roster::{Roster, Webhooks, find};
pub use stage::{journal_position, positions};
pub use turnover::Change;

use ahead::Ahead;
use audit::AuditLog;
use deliveries::Deliveries;
use events::EventLog;
use figures::EventCounts;
use handle::Command;
use intake::Intake;
use ledger::Ledger;
use life::Life;
use logs::Logs;
use news::Teller;
use pulse::Pulse;
use room::Room;
use scope::Scope;
use stage::Stage;
use steady::Steady;
use sweep::Sweep;
use told::Fresh;

/// The longest that an effect waits for its commit.
const COMMIT_AFTER: Duration = Duration::from_millis(100);
/// Commands that may wait.
const COMMANDS_WAITING: usize = 1024;

/// What the writer is made with.
#[derive(Debug)]
pub struct Setup {
    /// The open store.
    pub store: Store,
    /// The sources, by index.
    pub sources: Vec<Feed>,
    /// The webhooks.
    pub webhooks: Vec<Arc<Webhook>>,
    /// The secrets of the webhooks.
    pub keys: Keys,
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
    /// What is not stored of it can be had again at the next start.
    pub can_be_read_again: bool,
    /// Told when no line comes for so long.
    pub silence: Option<Duration>,
    /// Whose lines it has.
    pub whose: Whose,
}

/// They go on where those of an earlier run ended, if that is wanted.
fn readers(
    sources: &[Feed],
    mode: Mode,
    zone: &TimeZone,
    store: &Store,
) -> Result<Vec<Reader>, WriterError> {
    let reader = |source: &Feed| {
        let stored = match mode.resumed_scope() {
            Some(scope) => stage::source_state(store, scope, &source.name)?,
            None => None,
        };
        let begun = stored.unwrap_or(State { since_us: source.since_us, ..State::default() });
        Ok(Reader::new(zone.clone(), begun).of(source.whose))
    };
    sources.iter().map(reader).collect()
}

/// What of a Haraka is among the sources, as far as is known beforehand.
fn reads(sources: &[Feed]) -> Reads {
    let is_plugin = |feed: &Feed| feed.whose == Whose::HarakaPlugin;
    let may_be_log = |feed: &Feed| matches!(feed.whose, Whose::Haraka | Whose::Anyones);
    Reads { plugin: sources.iter().any(is_plugin), log: sources.iter().any(may_be_log) }
}

/// What the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The present: positions and open messages are kept for the next start.
    Live,
    /// The past: only events that happened between the bounds (microseconds, end exclusive) are
    /// kept. Positions and open messages are kept apart from those of the present, and only until
    /// the replay is over.
    Replay {
        /// Earliest time of an event.
        since_us: i64,
        /// Behind the latest.
        until_us: i64,
        /// The only webhook that is told.
        only: Option<WebhookId>,
        /// Tell again what was told before.
        resend: bool,
        /// What names it when it is gone on with; None when it cannot be.
        set: Option<ReplaySet>,
    },
}

impl Mode {
    /// The only webhook that is told.
    pub(crate) fn only(self) -> Option<WebhookId> {
        match self {
            Self::Live => None,
            Self::Replay { only, .. } => only,
        }
    }

    /// Where positions and open messages are kept; None when they are not.
    fn scope(self) -> Option<Scope> {
        match self {
            Self::Live => Some(Scope::Live),
            Self::Replay { set, .. } => set.map(|_| Scope::Replay),
        }
    }

    /// Where those of an earlier run are taken up.
    fn resumed_scope(self) -> Option<Scope> {
        match self {
            Self::Live => Some(Scope::Live),
            Self::Replay { set, .. } => set.filter(|set| set.is_resumed).map(|_| Scope::Replay),
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
    /// For what is due.
    steady: Steady,
    /// When it was made, microseconds. What happened since cannot have been stored by another run.
    started_us: i64,
    /// The sources, by index.
    feeds: Arc<[Feed]>,
    ahead: Ahead,
    ledger: Ledger,
    events: EventLog,
    deliveries: Deliveries,
    keys: Keys,
    api_keys: ApiKeys,
    roster: Roster,
    retention: Retention,
    sweep: Sweep,
    room: Room,
    life: Life,
    /// When the size of the store was last looked at, milliseconds since the epoch.
    rebuild_asked_ms: u64,
    /// When something may have been kept for long enough.
    upkeep_at: Instant,
    stage: Stage,
    /// When a commit should say again where the input is.
    place_at: Instant,
    inbox: mpsc::Receiver<Command>,
    durable: watch::Sender<u64>,
    summary: Summary,
    /// Says that it works.
    pulse: Option<Pulse>,
    audit_log: AuditLog,
    event_counts: EventCounts,
    teller: Teller,
    commit_seconds: Histogram,
}

/// What woke the writer.
enum Woken {
    Batch(Option<Batch>),
    ReadAhead,
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
        let Setup {
            store,
            sources,
            webhooks,
            keys,
            direction,
            zone,
            clock,
            mode,
            retention,
            min_free,
        } = setup;
        let next_seq = events::next_seq(&store)?;
        let (commands, inbox) = mpsc::channel(COMMANDS_WAITING);
        let (durable, durable_seen) = watch::channel(next_seq);
        let (now, mut stage) = (clock.now(), Stage::new(mode.scope().unwrap_or_default()));
        let roster = Roster::new(webhooks.as_slice().into());
        let mut deliveries =
            Deliveries::load(webhooks, &store, next_seq, mode.only(), millis(now))?;
        deliveries.settle_order(millis(now), &store, &mut stage)?;
        if life::is_new(&store)? && store.has_begun_anew()? {
            let reset = Notice::default();
            deliveries.notices.push(EventType::StoreReset, reset, millis(now));
        }
        if mode == Mode::Live && life::was_away(&store, millis(now))? {
            deliveries.start_slowly(millis(now));
        }
        let mut correlator =
            Correlator::new(direction, deliveries.wants(EventType::OutboundSending))
                .with_evidence(deliveries.want_evidence())
                .reading(reads(&sources));
        let readers = readers(&sources, mode, &zone, &store)?;
        let ledger = match mode.resumed_scope() {
            Some(_) => live::restore(&store, &mut correlator, &mut stage)?,
            None => Ledger::new(stage.scope),
        };
        let api_keys = api_keys::load(&store)?;
        let logs = Logs::load(&store)?;
        let audit_log = AuditLog::load(&store)?;
        let events = EventLog::load(&store, next_seq, millis(now), &mut stage)?;
        let feeds: Arc<[Feed]> = sources.into();
        let intake = Intake::new(Arc::clone(&feeds), readers, correlator, batches, mode, logs);
        let writer = Self {
            store,
            mode,
            started_us: now.as_microsecond(),
            steady: Steady::new(&*clock),
            clock,
            event_counts: EventCounts::new(feeds.len()),
            audit_log,
            pulse: None,
            teller: Teller::default(),
            commit_seconds: Histogram::default(),
            feeds,
            ahead: Ahead::new(intake)?,
            ledger,
            events,
            deliveries,
            keys,
            api_keys: api_keys.clone(),
            roster: roster.clone(),
            retention,
            sweep: Sweep::new(millis(now)),
            room: Room::new(min_free),
            life: Life::default(),
            rebuild_asked_ms: millis(now),
            upkeep_at: Instant::now(),
            stage,
            place_at: Instant::now(),
            inbox,
            durable,
            summary: Summary::default(),
        };
        let teller = writer.teller.clone();
        Ok((writer, WriterHandle::new(commands, durable_seen, api_keys, roster, teller)))
    }

    /// Adds what comes out there to what the log says.
    #[must_use]
    pub fn with_facts(mut self, facts: FactsReceiver) -> Self {
        if let Some(intake) = self.ahead.here() {
            intake.facts = Some(facts);
        }
        self
    }

    /// Calls `tell` every few seconds while it works.
    #[must_use]
    pub fn with_pulse(mut self, tell: impl Fn() + Send + 'static) -> Self {
        self.pulse = Some(Pulse::new(tell));
        self
    }

    /// Works until it is told to stop. Blocks the calling thread, which must not be a runtime's.
    ///
    /// # Errors
    /// When the store fails. Nothing that was not committed counts then.
    pub fn run(mut self, runtime: &Handle) -> Result<Summary, WriterError> {
        runtime.block_on(self.work())
    }

    /// As [`Writer::run`]. Blocks the thread that polls it, for as long as a commit takes.
    pub(crate) async fn work(&mut self) -> Result<Summary, WriterError> {
        let worked = self.work_until_stop().await;
        if worked.is_err() {
            self.store.distrust();
        }
        worked.map(|()| self.summary)
    }

    async fn work_until_stop(&mut self) -> Result<(), WriterError> {
        self.look_for_room();
        self.begin()?;
        let mut sources_open = true;
        loop {
            // While the intake is away, nobody knows whether that works.
            if let Some(pulse) = self.pulse.as_mut().filter(|_| self.ahead.is_here()) {
                pulse.beat();
            }
            match self.wait(sources_open).await {
                Woken::Command(Some(Command::Stop) | None) => break,
                Woken::Command(Some(command)) => self.command(command)?,
                Woken::Batch(Some(batch)) => self.ingest(&batch)?,
                Woken::Batch(None) => sources_open = false,
                Woken::ReadAhead => drop(self.intake()?),
                Woken::CommitDue => self.commit_and_read_ahead()?,
                Woken::Silent => {
                    let silence = self.intake()?.heard.elapsed();
                    self.release_held(|correlator, fresh| correlator.silence(silence, fresh))?;
                }
                Woken::UpkeepDue => self.keep_up()?,
            }
        }
        self.flush(false)?;
        self.summary.counts = self.intake()?.counts();
        Ok(())
    }

    /// What comes before the first line.
    fn begin(&mut self) -> Result<(), WriterError> {
        self.keys.begin(&mut self.stage);
        if let Mode::Replay { set: Some(set), .. } = self.mode {
            self.begin_replay(set)?;
        }
        self.commit()
    }

    /// Commands first: a backlog of lines must not keep the senders waiting.
    async fn wait(&mut self, sources_open: bool) -> Woken {
        // Most commands come in crowds: only the last of one is worth a sleep.
        if let Ok(command) = self.inbox.try_recv() {
            return Woken::Command(Some(command));
        }
        let Some(intake) = self.ahead.here() else {
            return tokio::select! {
                biased;
                command = self.inbox.recv() => Woken::Command(command),
                () = self.ahead.back() => Woken::ReadAhead,
            };
        };
        // With a backlog the next commit is full as soon as one is written.
        if Instant::now() >= self.upkeep_at {
            return Woken::UpkeepDue;
        }
        if self.stage.is_full() || (self.stage.is_last && intake.batches.is_empty()) {
            return Woken::CommitDue;
        }
        let is_listening = !self.room.is_short();
        let due = self.stage.since.map(|since| since + COMMIT_AFTER);
        if !is_listening {
            // It is not the log that is silent: we do not listen.
            intake.heard = Instant::now();
            intake.silences.begin_anew(intake.heard);
        }
        // Lines that have come already end a silence, however long the last commit took.
        let Intake { correlator, heard, batches, .. } = intake;
        let silent = correlator.patience().map(|wait| *heard + wait).filter(|_| is_listening);
        tokio::select! {
            biased;
            command = self.inbox.recv() => Woken::Command(command),
            () = until(due), if due.is_some() => Woken::CommitDue,
            () = tokio::time::sleep_until(self.upkeep_at) => Woken::UpkeepDue,
            batch = batches.recv(), if sources_open && is_listening => Woken::Batch(batch),
            () = until(silent), if silent.is_some() => Woken::Silent,
        }
    }

    /// The intake, which is waited for where it is away.
    fn intake(&mut self) -> Result<&mut Intake, WriterError> {
        Ok(self.intake_and_stage()?.0)
    }

    /// The same, and where it puts what it takes in; what it took in while it was away is there.
    fn intake_and_stage(&mut self) -> Result<(&mut Intake, &mut Stage), WriterError> {
        let (intake, stage) = self.ahead.fetch()?;
        if let Some(stage) = stage {
            self.stage.join(stage);
        }
        Ok((intake, &mut self.stage))
    }

    /// Lets messages go that wait for a line which does not come.
    fn release_held(
        &mut self,
        release: impl FnOnce(&mut Correlator, &mut Vec<Event>),
    ) -> Result<(), WriterError> {
        let (intake, stage) = self.intake_and_stage()?;
        intake.release(release, stage);
        Ok(())
    }

    /// Takes in all that the sources have sent, and commits it; what they send meanwhile waits for
    /// its turn, and while there is no room everything does. The past has nothing more to say then,
    /// if that is all of it or nobody can go on with it.
    fn flush(&mut self, input_ended: bool) -> Result<(), WriterError> {
        for _ in 0..self.intake()?.batches.len() {
            if self.room.is_short() && !input_ended {
                break;
            }
            let Some(batch) = self.intake()?.next() else { break };
            self.ingest(&batch)?;
            if self.stage.is_full() {
                self.commit_and_read_ahead()?;
            }
        }
        if self.mode != Mode::Live && (input_ended || self.mode.scope().is_none()) {
            self.release_held(Correlator::release_all)?;
        }
        self.intake()?;
        self.commit()
    }

    fn command(&mut self, command: Command) -> Result<(), WriterError> {
        match command {
            Command::Claim { webhook, max, answer } => {
                let now_ms = self.steady.now(&*self.clock).ms;
                let (events, store, stage) = (&mut self.events, &self.store, &mut self.stage);
                let mut claimed =
                    self.deliveries.claim(webhook, max, now_ms, events, store, stage)?;
                claimed.settled = self.stage.is_empty();
                // A sender that went away does not want its claims; they are due at the next start.
                drop(answer.send(claimed));
            }
            Command::Finish { webhook, finished } => self.finish(webhook, finished)?,
            Command::GiveBack { webhook, claims } => self.deliveries.give_back(webhook, &claims),
            Command::Act { webhook, action, answer } => {
                drop(answer.send(self.act(webhook, action)?));
            }
            Command::Recover { webhook, seqs, answer } => {
                drop(answer.send(self.recover(webhook, &seqs)?));
            }
            Command::Look(look) => self.look(look)?,
            Command::Audit { row, answer } => {
                self.audit(&row)?;
                answer.send(()).ok();
            }
            Command::Disable { webhook, answer } => {
                answer.send(self.disable(webhook)?).ok();
            }
            Command::Enable { webhook, resume, answer } => {
                answer.send(self.enable(webhook, resume)?).ok();
            }
            Command::Rotate { webhook, new, grace, answer } => {
                drop(answer.send(self.rotate(webhook, new, grace)?));
            }
            Command::Change { changes, answer } => drop(answer.send(self.turn_over(changes)?)),
            Command::ClassBy { direction } => self.intake()?.correlator.class_by(direction),
            Command::LetGo { webhook } => {
                self.commit()?;
                self.deliveries.let_go(webhook);
            }
            Command::ApiKey { action, answer } => drop(answer.send(self.change_key(action)?)),
            Command::Report { events, answer } => self.report(events, answer)?,
            Command::Flush { input_ended, answer } => {
                self.flush(input_ended)?;
                answer.send(()).ok();
            }
            // One that keeps nothing leaves alone what is kept of another.
            Command::ReplayDone if self.mode.scope() != Some(Scope::Replay) => {}
            Command::ReplayDone => self.forget_replay()?,
            Command::Tell { kind, notice } => {
                let now_ms = self.now_ms();
                self.deliveries.notices.push(kind, notice, now_ms);
            }
            Command::Ending => self.room.end(),
            Command::Stop => {}
        }
        Ok(())
    }

    fn finish(&mut self, webhook: WebhookId, finished: Vec<Finished>) -> Result<(), WriterError> {
        let now = self.steady.now(&*self.clock);
        for mut one in finished {
            self.deliveries.count(webhook, &one);
            self.tell_attempt(webhook, &one);
            if self.retention.attempts.is_zero() {
                one.record = None;
            }
            let (store, stage) = (&self.store, &mut self.stage);
            self.deliveries.finish(webhook, one, now, store, stage)?;
        }
        Ok(())
    }

    /// Takes the lines of a batch in.
    fn ingest(&mut self, batch: &Batch) -> Result<(), WriterError> {
        let feed = self.feeds.get(batch.source);
        if self.room.is_closed() && feed.is_some_and(|feed| feed.can_be_read_again) {
            return Ok(());
        }
        let (intake, stage) = self.intake_and_stage()?;
        intake.take_in(batch, stage);
        Ok(())
    }

    /// Gives fresh events their place, those that are new to the store.
    fn stage_events(&mut self) -> Result<(), WriterError> {
        let now_ms = self.now_ms();
        let told = std::mem::take(&mut self.stage.told);
        for (fresh, packed) in told.iter() {
            if self.is_history(fresh, packed)? {
                continue;
            }
            self.summary.events += 1;
            self.event_counts.count(fresh.source, fresh.head.kind);
            self.events.append_packed(fresh, packed, now_ms, &mut self.stage);
        }
        self.ahead.reuse(told);
        for (source, kind, about) in std::mem::take(&mut self.stage.alarms) {
            self.tell_of_source(source, kind, about);
        }
        Ok(())
    }

    /// Is this event outside the bounds of a replay, or in the store already? What the live tail
    /// sees happen is new without asking: it reads each line once, and no replay runs beside it.
    /// What a replay finds stored is offered to whom it was not offered before.
    fn is_history(&mut self, fresh: &Fresh, packed: &[u8]) -> Result<bool, WriterError> {
        let event = &fresh.head;
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
            let offers = self.deliveries.offer_again(
                &fresh.parcel(packed),
                seq,
                resend,
                now_ms,
                store,
                stage,
            )?;
            self.summary.offered_again += offers;
        }
        Ok(true)
    }

    fn tell_of_source(&mut self, source: usize, kind: EventType, about: Notice) {
        let source = self.feeds.get(source).map(|feed| feed.name.clone());
        let now_ms = self.now_ms();
        self.deliveries.notices.push(kind, Notice { source, ..about }, now_ms);
    }

    fn look_for_room(&mut self) {
        if let Some(free) = self.room.look(&self.store) {
            let notice = Notice { count: Some(free), ..Notice::default() };
            let now_ms = self.now_ms();
            self.deliveries.notices.push(EventType::StoreDiskLow, notice, now_ms);
        }
    }

    /// Operational events get their place, those that a webhook wants to be told of.
    fn stage_notices(&mut self) {
        let now = self.clock.now();
        for (kind, notice) in self.deliveries.notices.take() {
            if self.mode == Mode::Live && self.deliveries.wants(kind) {
                let event =
                    notices::event(kind, notice, now.as_microsecond(), self.events.next_seq());
                self.event_counts.count(None, kind);
                self.events.append(&event, millis(now), &mut self.stage);
            }
        }
    }

    /// There may be something to send before they would look again.
    fn wake_senders(&self) {
        self.durable.send_modify(|_| {});
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.now())
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
