//! History into the webhooks, through the same store and queue as the present.
//!
//! Events that the store holds already are neither stored nor sent again. A replay that was stopped,
//! however that happened, and is started again goes on where it was; one that was not stopped begins
//! anew. Open messages and positions of the live tail are not touched.

use std::{
    convert::Infallible,
    num::NonZeroU32,
    ops::ControlFlow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    AppError,
    opening::open_store,
    pipeline::{Parts, Pipeline, whose},
    replay_set::{self, Resumed, SOURCE},
    run::runtime,
    signals::Signals,
    webhooks,
};
use crate::{
    clock,
    config::{Config, Mta, Webhook, WebhookId},
    parse::first_stamp,
    source::{Batch, Position, replay as files},
    store::Store,
    writer::{Feed, Mode, ReplaySet, Summary, WebhookFigures, WriterHandle},
};

/// Between two looks at what is left to send.
const LOOK: Duration = Duration::from_secs(1);

/// What to replay.
#[derive(Debug)]
pub struct Replay {
    /// Reference for stamps without a year, instead of each file's modification time.
    pub anchor: Option<Timestamp>,
    /// Earliest time of an event.
    pub since: Option<Timestamp>,
    /// Behind the latest time of an event.
    pub until: Option<Timestamp>,
    /// The only webhook that is told, by name.
    pub webhook: Option<String>,
    /// Deliveries a second at most.
    pub rate: Option<NonZeroU32>,
    /// Tell again what was told before.
    pub resend: bool,
    /// Whose lines they are.
    pub mta: Mta,
}

/// How a replay ended.
#[derive(Debug, Clone, Copy)]
pub struct Replayed {
    /// Lines and events.
    pub summary: Summary,
    /// What is left to do.
    pub ended: Ended,
    /// It was stopped before, and was gone on with at so many hundredths of all bytes.
    pub resumed_percent: Option<u64>,
}

/// What is left to do when a replay has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing.
    AllSent,
    /// Deliveries are in the store, which the daemon will make: they failed and wait for their next
    /// attempt, or a signal came before a stream was sent.
    DeliveriesWait,
    /// A signal came. The same replay goes on from there.
    Stopped,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So much is read so far.
    Read {
        /// Bytes, before they were unpacked.
        bytes: u64,
        /// Lines.
        lines: u64,
    },
    /// All is read.
    Sending {
        /// Deliveries that ended, well or badly.
        done: u64,
        /// Deliveries that are left, of which some may turn out not to be wanted. Of those that were
        /// tried or offered before ten thousand stand for more.
        left: u64,
    },
}

/// Is told how far a replay is.
pub type TellProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// The files, in the order in which they are read.
///
/// # Errors
/// When one is missing or cannot be read.
pub fn plan(
    patterns: &[String],
    anchor: Option<Timestamp>,
) -> Result<Vec<files::Planned>, AppError> {
    let zone = TimeZone::system();
    let stamp = |line: &[u8], modified| first_stamp(line, &zone, anchor.unwrap_or(modified));
    Ok(files::plan(patterns, &stamp)?)
}

/// Replays these files in this order, telling `progress` how far it is.
///
/// # Errors
/// When a file cannot be read, or the store fails.
pub fn replay(
    config: &Config,
    replay: &Replay,
    planned: Vec<files::Planned>,
    progress: &TellProgress,
) -> Result<Replayed, AppError> {
    let runtime = runtime()?;
    // Before the signals: it may wait for another process, and a signal may end that at once.
    let store = open_store(&config.state_dir, &*clock::system())?;
    let mut signals = runtime.block_on(async { Signals::install() })?;
    let webhooks = webhooks::all(config, &store)?;
    let only = replay.webhook.as_deref().map(|name| id_of(&webhooks, name)).transpose()?;
    let Resumed { set, positions } = replay_set::find(config, &webhooks, replay, &planned, &store)?;
    let parts = parts(config, store, webhooks, mode(replay, only, set), replay);
    let (mut pipeline, batches) = Pipeline::start(parts, &runtime)?;
    let stop = CancellationToken::new();
    let is_resumed = set.is_some_and(|set| set.is_resumed);
    let stopped = if set.is_some() { Ended::Stopped } else { Ended::DeliveriesWait };
    let resumed = Arc::new(OnceLock::new());
    let reading = Reading {
        planned,
        anchor: replay.anchor,
        positions,
        resumed: is_resumed.then(|| Arc::clone(&resumed)),
    };
    let reading = reading.start(batches, stop.clone(), Arc::clone(progress), &runtime);
    let result = runtime.block_on(async {
        let sent = until_sent(reading, &mut pipeline, &mut signals, only, progress).await;
        stop.cancel();
        let _second = signals.exit_on_next();
        if !matches!(sent, Ok(None)) {
            pipeline.replay_done().await;
        }
        let summary = pipeline.finish().await?;
        let ended = sent?.unwrap_or(stopped);
        Ok(Replayed { summary, ended, resumed_percent: resumed.get().copied() })
    });
    // A read of standard input may still wait; the process must not.
    runtime.shutdown_background();
    result
}

/// Reads to the end and sends all; None when a signal came first, or the writer ended.
async fn until_sent(
    reading: JoinHandle<Result<(), AppError>>,
    pipeline: &mut Pipeline,
    signals: &mut Signals,
    only: Option<WebhookId>,
    progress: &TellProgress,
) -> Result<Option<Ended>, AppError> {
    let read = tokio::select! {
        read = reading => read.unwrap_or(Err(AppError::Panic("replay"))),
        () = signals.next() => return Ok(None),
        () = pipeline.writer_ended.cancelled() => return Ok(None),
    };
    if read.is_err() {
        // What is whole in front of the damage is told; nobody goes on behind it.
        pipeline.input_ends().await;
    }
    read?;
    let writer = pipeline.writer();
    tokio::select! {
        retries_wait = pipeline.drain() => {
            Ok(Some(if retries_wait { Ended::DeliveriesWait } else { Ended::AllSent }))
        }
        () = signals.next() => Ok(None),
        never = tell_sending(&writer, only, progress) => match never {},
    }
}

/// Tells how many deliveries are made, for as long as anybody waits for them.
async fn tell_sending(
    writer: &WriterHandle,
    only: Option<WebhookId>,
    progress: &TellProgress,
) -> Infallible {
    loop {
        // Without an answer the writer has ended, which others notice.
        if let Ok(figures) = writer.figures().await {
            progress(sending(&figures.webhooks, only));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn sending(webhooks: &[WebhookFigures], only: Option<WebhookId>) -> Progress {
    let told = || webhooks.iter().filter(|webhook| only.is_none_or(|only| only == webhook.id));
    let done = |it: &WebhookFigures| it.ends.delivered + it.ends.ended.iter().sum::<u64>();
    let left = |it: &WebhookFigures| it.backlog + it.under_way as u64 + it.retries as u64;
    Progress::Sending { done: told().map(done).sum(), left: told().map(left).sum() }
}

fn parts<'a>(
    config: &'a Config,
    store: Store,
    webhooks: Vec<Arc<Webhook>>,
    mode: Mode,
    replay: &Replay,
) -> Parts<'a> {
    let can_be_read_again = matches!(mode, Mode::Replay { set: Some(_), .. });
    Parts {
        store,
        mail: &config.mail,
        webhooks,
        sealing: &config.sealing,
        sources: vec![Feed {
            name: SOURCE.to_owned(),
            since_us: None,
            can_be_read_again,
            silence: None,
            whose: whose(replay.mta),
        }],
        clock: clock::system(),
        mode,
        settings: &config.store,
        egress: &config.egress,
        rate: replay.rate,
        concurrency: config.concurrency,
        facts: None,
    }
}

fn mode(replay: &Replay, only: Option<WebhookId>, set: Option<ReplaySet>) -> Mode {
    let bound = |time: Option<Timestamp>| time.map(Timestamp::as_microsecond);
    Mode::Replay {
        since_us: bound(replay.since).unwrap_or(i64::MIN),
        until_us: bound(replay.until).unwrap_or(i64::MAX),
        only,
        resend: replay.resend,
        set,
    }
}

fn id_of(webhooks: &[Arc<Webhook>], name: &str) -> Result<WebhookId, AppError> {
    let found = webhooks.iter().find(|webhook| webhook.name == name);
    found.map(|webhook| webhook.id).ok_or_else(|| AppError::UnknownWebhook {
        name: name.to_owned(),
        known: webhooks.iter().map(|webhook| webhook.name.clone()).collect(),
    })
}

/// What is to be read.
struct Reading {
    planned: Vec<files::Planned>,
    anchor: Option<Timestamp>,
    /// How far each was read before.
    positions: Vec<Position>,
    /// Takes where it goes on, in hundredths of all bytes, if it was stopped before.
    resumed: Option<Arc<OnceLock<u64>>>,
}

impl Reading {
    /// Reads the files on a blocking thread, one after the other, until `stop`.
    fn start(
        self,
        batches: mpsc::Sender<Batch>,
        stop: CancellationToken,
        progress: TellProgress,
        runtime: &Runtime,
    ) -> JoinHandle<Result<(), AppError>> {
        runtime.spawn_blocking(move || {
            let mut send = |batch| {
                if !stop.is_cancelled() && batches.blocking_send(batch).is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            self.read(&mut send, &*progress)
        })
    }

    fn read(
        &self,
        send: &mut dyn FnMut(Batch) -> ControlFlow<()>,
        progress: &dyn Fn(Progress),
    ) -> Result<(), AppError> {
        let clock = clock::system();
        let (mut lines, mut before) = (0, 0);
        for file in &self.planned {
            let from = self.positions.iter().find(|at| at.fingerprint == file.fingerprint);
            let mut deliver = |mut batch: Batch, read_bytes: u64| {
                self.note_begin(before + read_bytes);
                batch.anchor = self.anchor.unwrap_or(batch.anchor);
                lines += batch.lines.len() as u64;
                progress(Progress::Read { bytes: before + read_bytes, lines });
                send(batch)
            };
            if files::read(file, 0, from, clock.now(), &mut deliver)?.is_break() {
                return Ok(());
            }
            before += file.size_bytes;
        }
        self.note_begin(before);
        Ok(())
    }

    /// Says how much of all was read by an earlier run, give or take a batch, when the first thing
    /// is read that was not.
    fn note_begin(&self, read_bytes: u64) {
        let Some(resumed) = self.resumed.as_ref().filter(|resumed| resumed.get().is_none()) else {
            return;
        };
        let total: u64 = self.planned.iter().map(|file| file.size_bytes).sum();
        let percent = read_bytes.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
        tracing::info!(percent, "this replay was stopped before and is resumed");
        // Only this thread sets it.
        let _is_first = resumed.set(percent);
    }
}
