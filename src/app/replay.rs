//! History into the webhooks, through the same store and queue as the present.
//!
//! Events that the store holds already are neither stored nor sent again, so a replay that was
//! stopped is simply started again. Open messages and positions of the live tail are not touched.

use std::{num::NonZeroU32, ops::ControlFlow, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    AppError,
    opening::open_store,
    pipeline::{Parts, Pipeline},
    run::runtime,
    signals::Signals,
};
use crate::{
    clock,
    config::Config,
    parse::first_stamp,
    source::{Batch, replay as files},
    writer::{Feed, Mode, Summary},
};

/// What to replay.
#[derive(Debug)]
pub struct Replay {
    /// Files, globs, directories, `-`.
    pub files: Vec<String>,
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
}

/// How a replay ended.
#[derive(Debug, Clone, Copy)]
pub struct Replayed {
    /// Lines and events.
    pub summary: Summary,
    /// Deliveries failed and wait for their next attempt, which the daemon will make.
    pub retries_wait: bool,
    /// A signal ended it before its time.
    pub interrupted: bool,
}

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

/// Replays, telling `progress` the bytes and lines read so far.
///
/// # Errors
/// When a file cannot be read, or the store fails.
pub fn replay(
    config: &Config,
    replay: &Replay,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Replayed, AppError> {
    let only = replay.webhook.as_deref().map(|name| index_of(config, name)).transpose()?;
    let planned = plan(&replay.files, replay.anchor)?;
    let runtime = runtime()?;
    // Before the signals: it may wait for another process, and a signal may end that at once.
    let store = open_store(&config.state_dir, &*clock::system())?;
    let mut signals = runtime.block_on(async { Signals::install() })?;
    let bound = |time: Option<Timestamp>| time.map(Timestamp::as_microsecond);
    let parts = Parts {
        store,
        mail: &config.mail,
        webhooks: config.webhooks.iter().cloned().map(Arc::new).collect(),
        sources: vec![Feed { name: "replay".to_owned(), since_us: None }],
        clock: clock::system(),
        mode: Mode::Replay {
            since_us: bound(replay.since).unwrap_or(i64::MIN),
            until_us: bound(replay.until).unwrap_or(i64::MAX),
            only,
            resend: replay.resend,
        },
        settings: &config.store,
        egress: &config.egress,
        rate: replay.rate,
        concurrency: config.concurrency,
    };
    let (mut pipeline, batches) = Pipeline::start(parts, &runtime)?;
    let stop = CancellationToken::new();
    let reading = read(planned, replay.anchor, batches, stop.clone(), progress, &runtime);
    let result = runtime.block_on(async {
        let drained = tokio::select! {
            read = reading => match read.unwrap_or(Err(AppError::Panic("replay"))) {
                Ok(()) => tokio::select! {
                    retries_wait = pipeline.drain() => Ok(Some(retries_wait)),
                    () = signals.next() => Ok(None),
                },
                Err(error) => Err(error),
            },
            () = signals.next() => Ok(None),
            () = pipeline.writer_ended.cancelled() => Ok(None),
        };
        stop.cancel();
        let _second = signals.exit_on_next();
        let summary = pipeline.finish().await?;
        let retries_wait = drained?;
        let interrupted = retries_wait.is_none();
        Ok(Replayed { summary, retries_wait: retries_wait.unwrap_or(true), interrupted })
    });
    // A read of standard input may still wait; the process must not.
    runtime.shutdown_background();
    result
}

fn index_of(config: &Config, name: &str) -> Result<usize, AppError> {
    config.webhooks.iter().position(|webhook| webhook.name == name).ok_or_else(|| {
        AppError::UnknownWebhook {
            name: name.to_owned(),
            known: config.webhooks.iter().map(|webhook| webhook.name.clone()).collect(),
        }
    })
}

/// Reads the files on a blocking thread, one after the other, until `stop`.
fn read(
    planned: Vec<files::Planned>,
    anchor: Option<Timestamp>,
    batches: mpsc::Sender<Batch>,
    stop: CancellationToken,
    progress: impl Fn(u64, u64) + Send + 'static,
    runtime: &Runtime,
) -> JoinHandle<Result<(), AppError>> {
    runtime.spawn_blocking(move || {
        let clock = clock::system();
        let (mut lines, mut before) = (0, 0);
        for file in &planned {
            let mut deliver = |mut batch: Batch, read_bytes: u64| {
                batch.anchor = anchor.unwrap_or(batch.anchor);
                lines += batch.lines.len() as u64;
                progress(before + read_bytes, lines);
                if !stop.is_cancelled() && batches.blocking_send(batch).is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            if files::read(file, 0, None, clock.now(), &mut deliver)?.is_break() {
                break;
            }
            before += file.size_bytes;
        }
        Ok(())
    })
}
