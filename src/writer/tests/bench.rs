//! A writer without its thread: its steps are called one by one, on a clock of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    clock::Clock,
    config::{Retention, Selection, Transport, Webhook, WebhookId},
    correlate::{Correlator, Direction},
    profile::Profile,
    queue::{
        delivery::{Claim, DeadLetter, EndState, Fate, Finished, Waiting},
        endpoint::{Sighting, Signal},
        filter::TypeSet,
        policy::Policy,
    },
    secret::{Sealing, Secret},
    source::{Batch, Fingerprint, Heads, Position, testing::batch_of},
    store::{Key, Store, codec},
    writer::{Claimed, Command, Feed, Keys, Mode, Setup, Writer, positions, replay_positions},
};

/// Batches that a test may send before the writer takes them.
const SENT_AT_ONCE: usize = 8;
/// Seconds of an hour.
pub(super) const HOUR_S: i64 = 3600;

/// Time that only moves when it is told to; far behind the stamps of [`line`], so they are new.
#[derive(Debug)]
pub(super) struct TestClock {
    wall_ms: AtomicI64,
    elapsed_ms: AtomicI64,
    start: Instant,
}

impl TestClock {
    fn new() -> Self {
        let (wall_ms, elapsed_ms) = (AtomicI64::new(0), AtomicI64::new(0));
        Self { wall_ms, elapsed_ms, start: Instant::now() }
    }

    /// Time passes until the wall clock shows this; a step if it showed a later time.
    pub(super) fn set_ms(&self, now_ms: i64) {
        let before = self.wall_ms.swap(now_ms, Ordering::SeqCst);
        self.elapsed_ms.fetch_add((now_ms - before).max(0), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall_ms.load(Ordering::SeqCst)).unwrap()
    }

    fn instant(&self) -> Instant {
        let elapsed = u64::try_from(self.elapsed_ms.load(Ordering::SeqCst)).unwrap();
        self.start + Duration::from_millis(elapsed)
    }
}

/// A writer on the store of a directory. Dropping it is a crash.
pub(super) struct Bench {
    pub(super) writer: Writer,
    pub(super) clock: Arc<TestClock>,
    /// Of its webhooks, in the order in which they were given.
    ids: Vec<WebhookId>,
    /// To the writer, as from a source.
    pub(super) batches: mpsc::Sender<Batch>,
    /// Bytes and lines of the log taken in so far.
    offset: u64,
    line_count: u64,
}

impl Bench {
    pub(super) fn open(dir: &Path, mode: Mode) -> Self {
        Self::open_with(dir, mode, &["test"])
    }

    pub(super) fn open_with(dir: &Path, mode: Mode, webhooks: &[&str]) -> Self {
        Self::open_since(dir, mode, webhooks, None)
    }

    /// With events wanted from a time on, if this is the first start.
    pub(super) fn open_since(
        dir: &Path,
        mode: Mode,
        webhooks: &[&str],
        since_us: Option<i64>,
    ) -> Self {
        Self::open_on(Store::open(dir).unwrap(), mode, webhooks, since_us)
    }

    /// With webhooks as they are given.
    pub(super) fn open_for(dir: &Path, webhooks: Vec<Webhook>) -> Self {
        Self::open_all(Store::open(dir).unwrap(), Mode::Live, webhooks, None)
    }

    /// On an open store.
    pub(super) fn open_on(
        store: Store,
        mode: Mode,
        webhooks: &[&str],
        since_us: Option<i64>,
    ) -> Self {
        let webhooks = webhooks.iter().map(|name| webhook(name)).collect();
        Self::open_all(store, mode, webhooks, since_us)
    }

    fn open_all(store: Store, mode: Mode, webhooks: Vec<Webhook>, since_us: Option<i64>) -> Self {
        let stored = match mode {
            Mode::Replay { set: Some(set), .. } if set.is_resumed => {
                replay_positions(&store, set.id, "test").unwrap().unwrap()
            }
            _ => positions(&store, "test").unwrap(),
        };
        let (offset, line_count) = stored.first().map_or((0, 0), |at| (at.offset, at.line_count));
        let clock = Arc::new(TestClock::new());
        let webhooks: Vec<_> = webhooks.into_iter().map(Arc::new).collect();
        let ids = webhooks.iter().map(|webhook| webhook.id).collect();
        let keys = Keys::load(&store, &webhooks, Sealing::default(), clock.now()).unwrap();
        let setup = Setup {
            store,
            sources: vec![Feed {
                name: "test".into(),
                since_us,
                can_be_read_again: true,
                silence: None,
                whose: crate::parse::Whose::default(),
            }],
            webhooks,
            keys,
            direction: Direction::default(),
            zone: TimeZone::UTC,
            clock: clock.clone(),
            mode,
            retention: Retention::default(),
            min_free: Some(0),
        };
        let (batches, inbox) = mpsc::channel(SENT_AT_ONCE);
        let (mut writer, _handle) = Writer::new(setup, inbox).unwrap();
        // The log lies in the future of the clock, and in the past of the writer.
        writer.started_us = i64::MAX;
        writer.begin().unwrap();
        Self { writer, clock, ids, batches, offset, line_count }
    }

    /// Lets go of all that is over, as the writer does while there is nothing else to do.
    pub(super) fn forget(&mut self) {
        while self.writer.forget_some().unwrap() || !self.writer.stage.is_empty() {
            self.writer.commit().unwrap();
        }
    }

    /// All is read and sent of a replay.
    pub(super) fn end_replay(&mut self) {
        let (answer, _flushed) = oneshot::channel();
        self.writer.command(Command::Flush { input_ended: true, answer }).unwrap();
        self.writer.command(Command::ReplayDone).unwrap();
    }

    /// Stops in good order.
    pub(super) fn stop(mut self) {
        self.writer.flush(false).unwrap();
    }

    /// Where the log goes on after a crash: lines taken in and durable.
    pub(super) fn durable_lines(&self) -> u64 {
        self.line_count
    }

    pub(super) fn webhook_id() -> WebhookId {
        WebhookId::of_name("test")
    }

    /// Takes lines in, without a commit.
    pub(super) fn take_in(&mut self, text: &str) {
        let batch = self.batch(text, false);
        self.writer.ingest(&batch).unwrap();
    }

    /// Takes lines in, and gives their events a place, without a commit.
    pub(super) fn ingest(&mut self, text: &str) {
        self.take_in(text);
        self.writer.stage_events().unwrap();
    }

    /// The same of lines from before the start, and the word that these were all.
    pub(super) fn ingest_past(&mut self, text: &str) {
        let batch = self.batch(text, true);
        self.writer.ingest(&batch).unwrap();
        self.writer.stage_events().unwrap();
        self.ingest("");
    }

    /// Sends lines that the writer takes in when it comes to it.
    pub(super) fn send(&mut self, text: &str) {
        let batch = self.batch(text, false);
        self.batches.try_send(batch).unwrap();
    }

    /// Nothing is waited for any more.
    pub(super) fn release_all(&mut self) {
        self.writer.release_held(Correlator::release_all).unwrap();
        self.writer.stage_events().unwrap();
    }

    /// What was read ahead goes into the next commit.
    pub(super) fn end_reading_ahead(&mut self) {
        self.writer.intake().unwrap();
        self.writer.stage_events().unwrap();
    }

    /// Takes in what was sent.
    pub(super) fn take_sent(&mut self) {
        while let Some(batch) = self.writer.intake().unwrap().next() {
            self.writer.ingest(&batch).unwrap();
        }
    }

    pub(super) fn batch(&mut self, text: &str, is_past: bool) -> Batch {
        let batch = batch_of(text.lines());
        self.offset += text.len() as u64;
        self.line_count += batch.position.line_count;
        let position = Position {
            fingerprint: Fingerprint([1; 16]),
            offset: self.offset,
            line_count: self.line_count,
            ..batch.position
        };
        Batch { position, idle: false, is_past, ..batch }
    }

    pub(super) fn claim(&mut self, max: usize) -> Claimed {
        self.claim_for(0, max)
    }

    pub(super) fn claim_for(&mut self, endpoint: usize, max: usize) -> Claimed {
        let (answer, mut claimed) = oneshot::channel();
        self.writer.command(Command::Claim { webhook: self.ids[endpoint], max, answer }).unwrap();
        claimed.try_recv().unwrap()
    }

    pub(super) fn finish(&mut self, claim: &Claim, fate: Fate) {
        self.finish_for(0, claim, fate);
    }

    pub(super) fn finish_for(&mut self, endpoint: usize, claim: &Claim, fate: Fate) {
        let signal = match fate {
            Fate::Delivered => Signal::Took,
            _ => Signal::Refused,
        };
        self.finish_as(endpoint, claim, fate, signal);
    }

    /// With a word of its own about the endpoint.
    pub(super) fn finish_as(&mut self, endpoint: usize, claim: &Claim, fate: Fate, signal: Signal) {
        let sighting = Sighting { signal, hold: Duration::ZERO, gone: false, moved: false };
        let finished = Finished { claim: claim.clone(), fate, sighting, record: None };
        let webhook = self.ids[endpoint];
        self.writer.command(Command::Finish { webhook, finished: vec![finished] }).unwrap();
    }

    /// Stages the position of a log that was last seen then.
    pub(super) fn put_position(&mut self, source: &str, number: u8, seen_at: i64) {
        let fingerprint = Fingerprint([number; 16]);
        let heads = Heads::default();
        let (offset, line_count) = (1, 1);
        let position = Position { fingerprint, offset, line_count, finished: true, seen_at, heads };
        let key = Key::position(source, fingerprint);
        self.writer.stage.put(key, codec::encode(1, &position));
    }

    /// Stages a waiting retry that no attempt of this run left behind.
    pub(super) fn put_retry(&mut self, due_ms: u64, seq: u64) {
        let waiting = Waiting { attempts: 1, last_error: "x".into(), is_replay: false };
        let key = Key::retry(Self::webhook_id(), due_ms, seq);
        self.writer.stage.put(key, codec::encode(2, &waiting));
    }
}

pub(in crate::writer) fn webhook(name: &str) -> Webhook {
    let profile = Profile::Standard;
    Webhook {
        id: WebhookId::of_name(name),
        name: name.to_owned(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        profile,
        events: TypeSet::parse(["outbound.*", "inbound.*"], profile).unwrap(),
        secret: Secret::generate().unwrap(),
        filter_users: None,
        filter_domains: None,
        timeout: profile.timeout(),
        schedule: profile.schedule().to_vec(),
        concurrency: 4,
        policy: Policy::default(),
        transport: Transport::default(),
        selection: Selection::default(),
        made: None,
    }
}

/// A line that gives exactly one event, whenever it is read: a failed attempt for recipient
/// `number`, `second` seconds after 2026-03-01T10:00:00Z, of a message whose beginning is not in
/// the log.
pub(super) fn line(second: i64, number: usize) -> String {
    let at = Timestamp::from_second(1_772_359_200 + second).unwrap();
    format!(
        "{at} mx postfix/smtp[1]: 3F0B2C8{number:05X}: to=<user{number}@d.test>, relay=none, \
         delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (connect to d.test[192.0.2.1]:25: \
         Connection timed out)\n"
    )
}

/// Sequence number and attempt of each claim.
pub(super) fn claims_of(claimed: &Claimed) -> Vec<(u64, u32)> {
    claimed.claims.iter().map(|claim| (claim.seq, claim.attempt)).collect()
}

pub(super) fn delivered() -> Fate {
    Fate::Delivered
}

pub(super) fn retry_at(due_ms: u64, attempts: u32) -> Fate {
    Fate::Retry {
        due_ms,
        waiting: Waiting { attempts, last_error: "HTTP 500".into(), is_replay: false },
    }
}

pub(super) fn dead() -> Fate {
    let last_error = "HTTP 410".into();
    Fate::Ended(DeadLetter { state: EndState::Dead, attempts: 9, last_error, ended_ms: 0 })
}

pub(super) fn dead_at(ended_ms: u64) -> Fate {
    match dead() {
        Fate::Ended(letter) => Fate::Ended(DeadLetter { ended_ms, ..letter }),
        fate => fate,
    }
}
