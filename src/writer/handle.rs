//! What the others ask of the writer, and what it answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    KeysError, Roster,
    api_keys::{KeyAction, KeyOutcome},
    audit::AuditRow,
    course::Course,
    history::{Page, Wanted},
    look::Look,
    manual::{Action, Cancelled, Cleared, DeadPage, Outcome, Replayed, Selector, Standing},
    news::Teller,
    turnover::Change,
};
use crate::{
    config::{Webhook, WebhookId},
    correlate::{Direction, Open, Sought},
    event::{Event, EventType, Notice},
    queue::delivery::{Claim, Finished},
    secret::{ApiKey, ApiKeys, KeyRing, RotationError, Secret, TokenDigest},
};

/// Rows of one answer at most.
const PAGE: usize = 1000;

/// What senders ask of the writer.
#[derive(Debug)]
pub(super) enum Command {
    /// Deliveries to make for one webhook.
    Claim { webhook: WebhookId, max: usize, answer: oneshot::Sender<Claimed> },
    /// What became of some.
    Finish { webhook: WebhookId, finished: Vec<Finished> },
    /// Claims that were not tried.
    GiveBack { webhook: WebhookId, claims: Vec<Claim> },
    /// Send nothing to a webhook.
    Disable { webhook: WebhookId, answer: oneshot::Sender<bool> },
    /// Send events again whose delivery is over.
    Recover { webhook: WebhookId, seqs: Vec<u64>, answer: oneshot::Sender<Vec<u64>> },
    /// What a person does with deliveries.
    Act { webhook: WebhookId, action: Action, answer: oneshot::Sender<Outcome> },
    /// Something is to be looked at.
    Look(Look),
    /// Keep a row of the audit log.
    Audit { row: AuditRow, answer: oneshot::Sender<()> },
    /// Send to it again.
    Enable { webhook: WebhookId, resume: Resume, answer: oneshot::Sender<bool> },
    /// Sign with another secret.
    Rotate {
        webhook: WebhookId,
        new: Secret,
        grace: Duration,
        answer: oneshot::Sender<Option<Result<KeyRing, RotationError>>>,
    },
    /// Make, change, retire or delete webhooks.
    Change { changes: Vec<Change>, answer: oneshot::Sender<Result<(), KeysError>> },
    /// Class messages in another way.
    ClassBy { direction: Direction },
    /// Nothing is under way for a retired webhook.
    LetGo { webhook: WebhookId },
    /// Make a key of the API, or end one.
    ApiKey { action: KeyAction, answer: oneshot::Sender<KeyOutcome> },
    /// Events of reports: those that are not stored yet are to be.
    Report { events: Vec<Event>, answer: oneshot::Sender<Vec<(Event, bool)>> },
    /// Take in the batches that wait, commit, answer.
    Flush { input_ended: bool, answer: oneshot::Sender<()> },
    /// The replay is over: nothing of it is to be gone on with.
    ReplayDone,
    /// Something about the service is to be told.
    Tell { kind: EventType, notice: Notice },
    /// The sources are ending: let them.
    Ending,
    /// As flush, and end.
    Stop,
}

/// What becomes of the events that waited for a disabled webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// They are sent, oldest first and slowly at the beginning.
    #[default]
    Replay,
    /// They are not sent.
    Drop,
}

/// Whether an endpoint may be asked now, whatever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// It may.
    #[default]
    Open,
    /// In a moment: its pace forbids it now.
    Paced,
    /// It may not.
    Held,
}

/// Deliveries to make, and when to ask again.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Whom they are for, as it is now; None when there is no such webhook any more.
    pub webhook: Option<Arc<Webhook>>,
    /// At most as many as asked for.
    pub claims: Vec<Claim>,
    /// When it was asked, on the scale of `next_due_ms`.
    pub now_ms: u64,
    /// When to ask again, for a retry that is due then or an endpoint that may be asked then.
    pub next_due_ms: Option<u64>,
    /// Not all fresh events were looked at: claim again.
    pub more: bool,
    /// All results reported before are durable, so `next_due_ms` knows of them.
    pub settled: bool,
    /// Whether the endpoint may be asked.
    pub access: Access,
    /// Claim no more than can be begun at once: that may soon be forbidden.
    pub is_careful: bool,
    /// Set while no claim may be begun but a probe: give the others back.
    pub is_shut: Arc<AtomicBool>,
}

/// The senders' side of the writer.
#[derive(Debug, Clone)]
pub struct WriterHandle {
    commands: mpsc::Sender<Command>,
    /// Sequence number below which events are durable.
    durable: watch::Receiver<u64>,
    api_keys: ApiKeys,
    webhooks: Roster,
    pub(super) teller: Teller,
}

/// The writer has ended; nothing can be claimed or finished any more.
#[derive(Debug, thiserror::Error)]
#[error("the writer has stopped")]
pub struct Stopped;

impl WriterHandle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        durable: watch::Receiver<u64>,
        api_keys: ApiKeys,
        webhooks: Roster,
        teller: Teller,
    ) -> Self {
        Self { commands, durable, api_keys, webhooks, teller }
    }

    /// Claims up to `max` deliveries for a webhook.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn claim(&self, webhook: WebhookId, max: usize) -> Result<Claimed, Stopped> {
        self.ask(|answer| Command::Claim { webhook, max, answer }).await
    }

    /// Reports what became of claimed deliveries: they wake the writer once.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn finish_all(
        &self,
        webhook: WebhookId,
        finished: Vec<Finished>,
    ) -> Result<(), Stopped> {
        self.commands.send(Command::Finish { webhook, finished }).await.map_err(|_| Stopped)
    }

    /// Gives claims back that were not tried.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn give_back(&self, webhook: WebhookId, claims: Vec<Claim>) -> Result<(), Stopped> {
        self.commands.send(Command::GiveBack { webhook, claims }).await.map_err(|_| Stopped)
    }

    /// Sends nothing to a webhook until it is enabled; what comes waits. False if that was so
    /// before, or there is no such webhook. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn disable(&self, webhook: WebhookId) -> Result<bool, Stopped> {
        self.ask(|answer| Command::Disable { webhook, answer }).await
    }

    /// Sends to a webhook again, slowly at first. False if it was not disabled, or there is no such
    /// webhook. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn enable(&self, webhook: WebhookId, resume: Resume) -> Result<bool, Stopped> {
        self.ask(|answer| Command::Enable { webhook, resume, answer }).await
    }

    /// How the webhooks are.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn standings(&self) -> Result<BTreeMap<WebhookId, Standing>, Stopped> {
        self.look(|answer| Look::Standings { answer }).await
    }

    /// Open messages, a few at most.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn open(&self, sought: Sought) -> Result<Vec<Open>, Stopped> {
        self.look(|answer| Look::Open { sought, answer }).await
    }

    /// How far the webhooks are, at this moment.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn courses(&self) -> Result<Vec<Course>, Stopped> {
        self.look(|answer| Look::Courses { answer }).await
    }

    /// Attempts that were made for a webhook, the newest first, at most 1000.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn attempts(&self, webhook: WebhookId, wanted: Wanted) -> Result<Page, Stopped> {
        let wanted = Wanted { limit: wanted.limit.min(PAGE), ..wanted };
        self.look(|answer| Look::Attempts { webhook, wanted, answer }).await
    }

    /// Has events of reports stored and sent, those that are not stored already. Says of each whether it
    /// is new. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended, or when there is no room for them now.
    pub async fn report(&self, events: Vec<Event>) -> Result<Vec<(Event, bool)>, Stopped> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|answer| Command::Report { events, answer }).await
    }

    /// Sends the event with that sequence number to one webhook again, whatever its filters say, as
    /// a new delivery of the same event.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn replay(&self, webhook: WebhookId, seq: u64) -> Result<Replayed, Stopped> {
        match self.act(webhook, Action::Replay { seq }).await? {
            Outcome::Replayed(replayed) => Ok(replayed),
            _ => Err(Stopped),
        }
    }

    /// Sends the events with those sequence numbers to one webhook again, whose deliveries are over,
    /// as new deliveries. What waits or is under way stays as it is. Gives those that are sent.
    /// Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn recover(&self, webhook: WebhookId, seqs: Vec<u64>) -> Result<Vec<u64>, Stopped> {
        self.ask(|answer| Command::Recover { webhook, seqs, answer }).await
    }

    /// Calls a delivery off that waits. It stays on record with the dead letters.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn cancel(&self, webhook: WebhookId, seq: u64) -> Result<Cancelled, Stopped> {
        match self.act(webhook, Action::Cancel { seq }).await? {
            Outcome::Cancelled(cancelled) => Ok(cancelled),
            _ => Err(Stopped),
        }
    }

    /// Dead letters of one webhook, at most 1000.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn dead(
        &self,
        webhook: WebhookId,
        selector: Selector,
        limit: usize,
    ) -> Result<DeadPage, Stopped> {
        let limit = limit.min(PAGE);
        match self.act(webhook, Action::Dead { selector, limit }).await? {
            Outcome::Dead(page) => Ok(page),
            _ => Err(Stopped),
        }
    }

    /// Sends the events of some dead letters again, as new deliveries.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn retry_dead(
        &self,
        webhook: WebhookId,
        selector: Selector,
    ) -> Result<Cleared, Stopped> {
        self.clear(webhook, selector, true).await
    }

    /// Removes some dead letters.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn purge_dead(
        &self,
        webhook: WebhookId,
        selector: Selector,
    ) -> Result<Cleared, Stopped> {
        self.clear(webhook, selector, false).await
    }

    async fn clear(
        &self,
        webhook: WebhookId,
        selector: Selector,
        again: bool,
    ) -> Result<Cleared, Stopped> {
        match self.act(webhook, Action::Clear { selector, again }).await? {
            Outcome::Cleared(cleared) => Ok(cleared),
            _ => Err(Stopped),
        }
    }

    async fn act(&self, webhook: WebhookId, action: Action) -> Result<Outcome, Stopped> {
        self.ask(|answer| Command::Act { webhook, action, answer }).await
    }

    /// Signs with `new` from now on; the secret before it stays good for `grace`. None when there is
    /// no such webhook. Durable, and in force in the senders, when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn rotate(
        &self,
        webhook: WebhookId,
        new: Secret,
        grace: Duration,
    ) -> Result<Option<Result<KeyRing, RotationError>>, Stopped> {
        self.ask(|answer| Command::Rotate { webhook, new, grace, answer }).await
    }

    /// The keys of the API.
    #[must_use]
    pub fn api_keys(&self) -> &ApiKeys {
        &self.api_keys
    }

    /// From now on the key with that digest is good. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn create_key(
        &self,
        digest: TokenDigest,
        key: ApiKey,
    ) -> Result<KeyOutcome, Stopped> {
        let action = KeyAction::Create(digest, key);
        self.ask(|answer| Command::ApiKey { action, answer }).await
    }

    /// From now on it is good no more. Durable when it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn revoke_key(&self, digest: TokenDigest) -> Result<KeyOutcome, Stopped> {
        let action = KeyAction::Revoke(digest);
        self.ask(|answer| Command::ApiKey { action, answer }).await
    }

    /// The webhooks.
    #[must_use]
    pub fn webhooks(&self) -> &Roster {
        &self.webhooks
    }

    /// Changes the webhooks: all of it, or nothing, and why. Durable, and known to the senders, when
    /// it answers.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn change(&self, changes: Vec<Change>) -> Result<Result<(), KeysError>, Stopped> {
        self.ask(|answer| Command::Change { changes, answer }).await
    }

    /// Classes messages by this from now on.
    pub async fn class_by(&self, direction: Direction) {
        // Without a writer there is nothing left to class.
        drop(self.commands.send(Command::ClassBy { direction }).await);
    }

    /// Nothing is under way any more for a webhook that was retired.
    pub async fn let_go(&self, webhook: WebhookId) {
        // Without a writer there is nobody left who holds it.
        drop(self.commands.send(Command::LetGo { webhook }).await);
    }

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Waits until every batch sent before is durable.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn flush(&self) -> Result<(), Stopped> {
        self.ask(|answer| Command::Flush { input_ended: false, answer }).await
    }

    /// The same; no batch comes behind them, so nothing waits for another line.
    ///
    /// # Errors
    /// [`Stopped`] when the writer has ended.
    pub async fn input_ended(&self) -> Result<(), Stopped> {
        self.ask(|answer| Command::Flush { input_ended: true, answer }).await
    }

    /// Tells the writer that all of the replay is read and was sent, as far as it can be: the next
    /// one begins anew.
    pub async fn replay_done(&self) {
        // An error means that it has ended; then its own error is told.
        drop(self.commands.send(Command::ReplayDone).await);
    }

    /// Has an operational event told to the webhooks that want it, soon; the log line is the
    /// caller's.
    pub async fn tell(&self, kind: EventType, notice: Notice) {
        // Without a writer there is nobody left to tell.
        drop(self.commands.send(Command::Tell { kind, notice }).await);
    }

    /// Tells the writer that the sources are told to end. It takes what they still have, also while
    /// the disk is nearly full; but then only what cannot be had again counts.
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
