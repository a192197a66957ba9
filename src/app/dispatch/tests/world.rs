//! Writer and senders on a real store, on paused time, with receivers that are functions.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::super::{Shared, Transport, Turnstile, serve_all};
use crate::{
    clock::Clock,
    config::{Retention, Webhook, WebhookId},
    correlate::Direction,
    deliver::AttemptReport,
    event::{Event, EventId, EventType},
    profile::Profile,
    queue::{
        attempt::{Attempt, Exchange, ExchangeResult, Times},
        filter::TypeSet,
        outcome::{AttemptResult, Failure, classify},
        policy::Policy,
    },
    secret::Secret,
    source::{Batch, Fingerprint, Position, testing::batch_of},
    store::Store,
    writer::{Feed, Keys, Mode, Setup, Summary, Writer, WriterError, WriterHandle, positions},
};

/// 2026-03-01T09:00:00Z.
const START_S: i64 = 1_772_355_600;

/// Without a line for so long the source is silent.
pub(super) const SILENCE: Duration = Duration::from_hours(2);

/// Wall time that follows the runtime's, but for steps.
#[derive(Debug)]
pub(super) struct VirtualClock {
    start: Instant,
    step_ms: Mutex<i64>,
}

impl VirtualClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), step_ms: Mutex::default() })
    }

    pub(super) fn step(&self, by_ms: i64) {
        *self.step_ms.lock().unwrap() += by_ms;
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed_ms()).unwrap() + *self.step_ms.lock().unwrap();
        Timestamp::from_millisecond(START_S * 1000 + elapsed).unwrap()
    }
}

/// What a receiver does with an attempt: waits, then answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) after: Duration,
    pub(super) result: AttemptResult,
}

pub(super) fn status(status: u16) -> Answer {
    let result = AttemptResult::Answered { status, retry_after: None };
    Answer { after: Duration::ZERO, result }
}

pub(super) fn retry_after(status: u16, seconds: u64) -> Answer {
    let retry_after = Some(Duration::from_secs(seconds));
    Answer { after: Duration::ZERO, result: AttemptResult::Answered { status, retry_after } }
}

/// Says nothing until the webhook's timeout.
pub(super) fn hang(timeout: Duration) -> Answer {
    Answer { after: timeout, result: AttemptResult::Failed(Failure::Timeout) }
}

/// One attempt as the receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Send {
    pub(super) webhook: String,
    pub(super) event: EventId,
    pub(super) kind: EventType,
    /// Recipient's number, see [`line`].
    pub(super) number: u64,
    pub(super) attempt: u32,
    /// Milliseconds since the beginning.
    pub(super) at_ms: u64,
    /// Whether it was taken.
    pub(super) taken: bool,
}

type Behaviour = dyn Fn(&Send) -> Answer + std::marker::Send + Sync;

/// Receivers of all webhooks.
pub(super) struct Receivers {
    clock: Arc<VirtualClock>,
    behaviour: Box<Behaviour>,
    seen: Mutex<Vec<Send>>,
}

impl Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receivers")
    }
}

impl Receivers {
    pub(super) fn new(
        clock: &Arc<VirtualClock>,
        behaviour: impl Fn(&Send) -> Answer + std::marker::Send + Sync + 'static,
    ) -> Arc<Self> {
        let behaviour = Box::new(behaviour);
        Arc::new(Self { clock: Arc::clone(clock), behaviour, seen: Mutex::default() })
    }

    /// All attempts so far.
    pub(super) fn seen(&self) -> Vec<Send> {
        self.seen.lock().unwrap().clone()
    }

    /// Seconds of all attempts.
    pub(super) fn offsets_s(&self) -> Vec<u64> {
        self.seen().iter().map(|send| send.at_ms / 1000).collect()
    }

    /// How often each event was taken, by recipient's number.
    pub(super) fn taken(&self) -> BTreeMap<u64, usize> {
        let mut taken = BTreeMap::new();
        for send in self.seen().iter().filter(|send| send.taken) {
            *taken.entry(send.number).or_default() += 1;
        }
        taken
    }
}

impl Transport for Receivers {
    fn attempt<'a>(
        &'a self,
        webhook: &'a Webhook,
        event: &'a Event,
        number: u32,
    ) -> Pin<Box<dyn Future<Output = AttemptReport> + std::marker::Send + 'a>> {
        Box::pin(async move {
            let (signed_at, at_ms) = (self.clock.now(), self.clock.elapsed_ms());
            let to = event.data.to.as_deref().unwrap_or_default();
            let digits = to.trim_start_matches("user").trim_end_matches("@d.test");
            let mut send = Send {
                webhook: webhook.name.clone(),
                event: event.id,
                kind: event.kind,
                number: digits.parse().unwrap_or(u64::MAX),
                attempt: number,
                at_ms,
                taken: false,
            };
            let Answer { after, result } = (self.behaviour)(&send);
            send.taken = matches!(result, AttemptResult::Answered { status: 200..=299, .. });
            self.seen.lock().unwrap().push(send);
            sleep(after).await;
            let outcome = classify(webhook.profile, &webhook.policy.codes, result, number);
            let record = record(number, signed_at, after, result);
            let result = record.last().map(|last| last.result.clone()).unwrap();
            AttemptReport {
                number,
                outcome,
                signed_at,
                ended_at: self.clock.now(),
                elapsed: after,
                status: result.status(),
                error: result.status().is_none().then(|| result.words()),
                record,
            }
        })
    }
}

/// What `deliver` would put on record.
fn record(number: u32, at: Timestamp, after: Duration, result: AttemptResult) -> Attempt {
    let elapsed_us = u64::try_from(after.as_micros()).unwrap();
    let result = match result {
        AttemptResult::Answered { status, .. } => ExchangeResult::Answered(status),
        AttemptResult::Failed(class) => ExchangeResult::Failed { class, text: "x".into() },
        AttemptResult::Refused => ExchangeResult::Refused("x".into()),
    };
    let exchange = Exchange {
        key: None,
        remote: None,
        by_proxy: false,
        times: Times { total_us: elapsed_us, ..Times::default() },
        result,
        headers: Vec::new(),
        body: String::new(),
    };
    Attempt {
        number,
        started_us: at.as_microsecond(),
        elapsed_us,
        url: "http://127.0.0.1:9/".into(),
        request: None,
        exchanges: vec![exchange],
    }
}

pub(super) fn webhook(name: &str, profile: Profile) -> Webhook {
    Webhook {
        id: WebhookId::of_name(name),
        name: name.to_owned(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        profile,
        // `bounced` is how two of the profiles say it.
        events: TypeSet::parse(["outbound.deferred"], profile).unwrap(),
        secret: Secret::generate().unwrap(),
        filter_users: None,
        filter_domains: None,
        timeout: profile.timeout(),
        schedule: profile.schedule().to_vec(),
        concurrency: 16,
        transport: crate::config::Transport::default(),
        selection: crate::config::Selection::default(),
        made: None,
        policy: Policy { jitter: false, ..Policy::default() },
    }
}

/// A line that gives exactly one event, of the message with that number.
fn line(number: usize, message: usize) -> String {
    let at = Timestamp::from_second(START_S + 3600 + i64::try_from(number).unwrap()).unwrap();
    format!(
        "{at} mx postfix/smtp[1]: 3F0B2C8{message:05X}: to=<user{number}@d.test>, relay=none, \
         delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (connect to d.test[192.0.2.1]:25: \
         Connection timed out)\n"
    )
}

/// A run of the program: dropping it is a crash.
pub(super) struct World {
    pub(super) handle: WriterHandle,
    batches: mpsc::Sender<Batch>,
    stop: CancellationToken,
    input_ended: CancellationToken,
    /// Gives whether retries wait.
    senders: JoinHandle<bool>,
    writer: JoinHandle<Result<Summary, WriterError>>,
    offset: u64,
    line_count: u64,
}

impl World {
    pub(super) fn start(
        dir: &Path,
        clock: &Arc<VirtualClock>,
        webhooks: Vec<Webhook>,
        receivers: &Arc<Receivers>,
    ) -> Self {
        Self::start_with(dir, clock, webhooks, receivers, 256)
    }

    /// With so many slots over all webhooks.
    pub(super) fn start_with(
        dir: &Path,
        clock: &Arc<VirtualClock>,
        webhooks: Vec<Webhook>,
        receivers: &Arc<Receivers>,
        slots: usize,
    ) -> Self {
        let webhooks: Vec<_> = webhooks.into_iter().map(Arc::new).collect();
        let store = Store::open(dir).unwrap();
        let stored = positions(&store, "test").unwrap();
        let (offset, line_count) = stored.first().map_or((0, 0), |at| (at.offset, at.line_count));
        let setup = Setup {
            store,
            sources: vec![Feed {
                name: "test".into(),
                since_us: None,
                can_be_read_again: true,
                silence: Some(SILENCE),
                whose: crate::parse::Whose::default(),
            }],
            webhooks,
            keys: Keys::default(),
            direction: Direction::default(),
            zone: TimeZone::UTC,
            clock: clock.clone(),
            mode: Mode::Live,
            retention: Retention::default(),
            min_free: Some(0),
        };
        let (batches, inbox) = mpsc::channel(4);
        let (mut writer, handle) = Writer::new(setup, inbox).unwrap();
        let writer = tokio::spawn(async move { writer.work().await });
        let shared = Shared {
            writer: handle.clone(),
            transport: receivers.clone(),
            slots: Turnstile::new(slots),
            pace: None,
            stop: CancellationToken::new(),
            input_ended: CancellationToken::new(),
        };
        let senders = tokio::spawn(serve_all(None, shared.clone()));
        let (stop, input_ended) = (shared.stop, shared.input_ended);
        Self { handle, batches, stop, input_ended, senders, writer, offset, line_count }
    }

    /// Lines taken in so far, and durable at the start of this run.
    pub(super) fn line_count(&self) -> u64 {
        self.line_count
    }

    /// So many more events, the next numbers, each of a message of its own.
    pub(super) async fn take_in(&mut self, count: usize) {
        self.take_in_of(count, |number| number).await;
    }

    /// So many more events, the next numbers, each of the message whose number is given.
    pub(super) async fn take_in_of(&mut self, count: usize, message: impl Fn(usize) -> usize) {
        let first = usize::try_from(self.line_count).unwrap();
        let numbers = first..first + count;
        let texts: String = numbers.map(|number| line(number, message(number))).collect();
        let batch = batch_of(texts.lines());
        self.offset += texts.len() as u64;
        self.line_count += count as u64;
        let position = Position {
            fingerprint: Fingerprint([1; 16]),
            offset: self.offset,
            line_count: self.line_count,
            seen_at: START_S,
            ..batch.position
        };
        let batch = Batch { position, ..batch };
        self.batches.send(batch).await.unwrap();
        self.handle.flush().await.unwrap();
    }

    /// Ends in order once nothing is left to send but what waits; says whether something does.
    pub(super) async fn drain(mut self) -> bool {
        self.input_ended.cancel();
        let retries_wait = (&mut self.senders).await.unwrap();
        self.end().await;
        retries_wait
    }

    /// Ends in order, whatever waits.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.senders).await.unwrap();
        self.end().await;
    }

    async fn end(self) {
        self.handle.stop().await;
        self.writer.await.unwrap().unwrap();
    }

    /// Ends at once: what is not durable is lost.
    pub(super) async fn crash(self) {
        self.writer.abort();
        self.writer.await.ok();
        self.senders.abort();
        self.senders.await.ok();
    }
}

/// Time passes.
pub(super) async fn pass(duration: Duration) {
    sleep(duration).await;
}
