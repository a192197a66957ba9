//! The daemon: everything that was configured, until a signal.

use std::{io, sync::Arc};

use jiff::Timestamp;
use tokio::{
    runtime::Runtime,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    AppError, control, full_disk,
    opening::{self, open_store},
    pipeline::{Parts, Pipeline},
    signals::Signals,
};
use crate::{
    api::Desk,
    clock::{self, SharedClock},
    config::{Config, Source, SourceKind, Start},
    source::{
        self, Batch,
        file::{FileTail, Tally},
        journald::{self, Journald},
    },
    store::{self, Store},
    writer::{Feed, Mode, Summary, journal_position, positions},
};

/// Runs until SIGTERM or Ctrl-C, or until standard input ends when that is the only source.
///
/// # Errors
/// When something cannot be started, or the store or a source fails under way.
pub fn run(config: &Config) -> Result<Summary, AppError> {
    let runtime = runtime()?;
    // sled works in threads of its own, whose panics nobody else would hear of.
    store::end_process_on_panic();
    loop {
        match run_once(config, &runtime) {
            Err(error) if error.is_disk_full() && config.sources.iter().all(can_be_read_again) => {
                if !runtime.block_on(full_disk::wait(config, &error))? {
                    return Err(error);
                }
            }
            result => {
                // A read of standard input may still wait; the process must not.
                runtime.shutdown_background();
                return result;
            }
        }
    }
}

/// What was taken from a stream and not committed is gone.
fn can_be_read_again(source: &Source) -> bool {
    matches!(source.kind, SourceKind::File(_))
}

/// Until a signal, or until something fails.
fn run_once(config: &Config, runtime: &Runtime) -> Result<Summary, AppError> {
    // Before the signals: it may wait for another process, and a signal may end that at once.
    let store = open_store(&config.state_dir, &*clock::system())?;
    let signals = runtime.block_on(async { Signals::install() })?;
    let daemon = Daemon::start(config, store, runtime)?;
    tracing::info!(
        sources = config.sources.len(),
        webhooks = config.webhooks.len(),
        state_dir = %config.state_dir.display(),
        "mailherald is running"
    );
    runtime.block_on(daemon.until(signals))
}

/// The runtime of senders; lines are read and written on threads of their own.
pub(super) fn runtime() -> Result<Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("sender")
        .build()
        .map_err(AppError::system("start the runtime"))
}

/// Sources, writer and senders at work.
pub(super) struct Daemon {
    pipeline: Pipeline,
    sources: JoinHandle<Result<(), AppError>>,
    sources_ended: CancellationToken,
    source_failed: CancellationToken,
    stop_sources: CancellationToken,
}

impl Daemon {
    /// Starts everything.
    pub(super) fn start(
        config: &Config,
        store: Store,
        runtime: &Runtime,
    ) -> Result<Self, AppError> {
        let clock = clock::system();
        let sources = opening::sources(config, &store)?;
        let feeds = sources.iter().map(|source| feed(source, clock.now())).collect();
        let starts = source_starts(sources, &store)?;
        let webhooks: Vec<_> = config.webhooks.iter().cloned().map(Arc::new).collect();
        let parts = Parts {
            store,
            mail: &config.mail,
            webhooks: webhooks.clone(),
            sources: feeds,
            clock: Arc::clone(&clock),
            mode: Mode::Live,
            settings: &config.store,
            rate: None,
        };
        let (pipeline, batches) = Pipeline::start(parts, runtime)?;
        let stop_sources = CancellationToken::new();
        let threads = starts
            .into_iter()
            .map(|start| {
                let (out, clock) = (batches.clone(), Arc::clone(&clock));
                start.spawn(out, clock, stop_sources.clone(), runtime)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let desk = Desk { webhooks: webhooks.into() };
        control::start(&config.state_dir, desk, runtime, stop_sources.clone());
        let (sources_ended, source_failed) = (CancellationToken::new(), CancellationToken::new());
        let (ended, failed) = (sources_ended.clone(), source_failed.clone());
        let stop = stop_sources.clone();
        let sources = runtime.spawn(async move {
            let result = join(threads, stop).await;
            if result.is_ok() {
                ended.cancel();
            } else {
                failed.cancel();
            }
            result
        });
        Ok(Self { pipeline, sources, sources_ended, source_failed, stop_sources })
    }

    /// Runs until a signal, until the writer or a source fails, or until every source has come to
    /// its end by itself and all is sent.
    async fn until(mut self, mut signals: Signals) -> Result<Summary, AppError> {
        tokio::select! {
            () = signals.next() => tracing::info!("stopping"),
            () = self.pipeline.writer_ended.cancelled() => tracing::error!("the writer ended"),
            () = self.source_failed.cancelled() => tracing::error!("a source ended badly"),
            () = self.sources_ended.cancelled() => tokio::select! {
                retries_wait = self.pipeline.drain() => say_drained(retries_wait),
                () = signals.next() => tracing::info!("stopping"),
            },
        }
        let _second = signals.exit_on_next();
        self.stop().await
    }

    /// Ends in order: sources, writer, senders.
    pub(super) async fn stop(self) -> Result<Summary, AppError> {
        self.pipeline.sources_end().await;
        self.stop_sources.cancel();
        let sources = self.sources.await;
        let summary = self.pipeline.finish().await?;
        sources.map_err(|_| AppError::Panic("source"))??;
        Ok(summary)
    }
}

/// The thread or the task of one source.
enum SourceThread {
    /// Ends soon after it is told to.
    File(std::thread::JoinHandle<Tally>),
    /// Ends soon after it is told to.
    Journald(JoinHandle<journald::Tally>),
    /// Ends with its input; a read that waits cannot be interrupted.
    Stdin(std::thread::JoinHandle<io::Result<()>>),
}

fn say_drained(retries_wait: bool) {
    if retries_wait {
        tracing::warn!("all is read; deliveries that failed are sent again by the next run");
    } else {
        tracing::info!("all is read and sent");
    }
}

/// Waits for all sources, or for the first that fails.
async fn join(threads: Vec<SourceThread>, stop: CancellationToken) -> Result<(), AppError> {
    let mut sources = JoinSet::new();
    for thread in threads {
        sources.spawn(thread.join(stop.clone()));
    }
    while let Some(ended) = sources.join_next().await {
        ended.map_err(|_| AppError::Panic("source"))??;
    }
    Ok(())
}

impl SourceThread {
    /// Waits for its end, but not for a silent standard input when it is time to stop.
    async fn join(self, stop: CancellationToken) -> Result<(), AppError> {
        match self {
            Self::File(thread) => {
                let tally = join_blocking(thread).await?;
                tracing::debug!(?tally, "a source has ended");
                Ok(())
            }
            Self::Journald(task) => task.await.map(drop).map_err(|_| AppError::Panic("source")),
            Self::Stdin(thread) => tokio::select! {
                ended = join_blocking(thread) => ended?.map_err(AppError::Stdin),
                () = stop.cancelled() => Ok(()),
            },
        }
    }
}

async fn join_blocking<T: Send + 'static>(
    thread: std::thread::JoinHandle<T>,
) -> Result<T, AppError> {
    match tokio::task::spawn_blocking(move || thread.join()).await {
        Ok(Ok(value)) => Ok(value),
        _ => Err(AppError::Panic("source")),
    }
}

fn feed(source: &Source, now: Timestamp) -> Feed {
    let since = match source.start {
        Start::Since(span) => now.checked_sub(span).ok(),
        Start::End | Start::Beginning => None,
    };
    Feed { name: source.name.clone(), since_us: since.map(Timestamp::as_microsecond) }
}

/// A source that is about to start.
struct Starting {
    index: usize,
    source: Source,
    positions: Vec<source::Position>,
    journal: Option<source::JournalPosition>,
}

fn source_starts(sources: Vec<Source>, store: &Store) -> Result<Vec<Starting>, AppError> {
    sources
        .into_iter()
        .enumerate()
        .map(|(index, source)| {
            let positions = positions(store, &source.name)?;
            let journal = journal_position(store, &source.name)?;
            Ok(Starting { index, source, positions, journal })
        })
        .collect()
}

impl Starting {
    fn spawn(
        self,
        out: mpsc::Sender<Batch>,
        clock: SharedClock,
        stop: CancellationToken,
        runtime: &Runtime,
    ) -> Result<SourceThread, AppError> {
        match self.source.kind {
            SourceKind::File(file) => {
                let tail = FileTail {
                    index: self.index,
                    name: self.source.name,
                    include: file.include,
                    start: self.source.start,
                    positions: self.positions,
                };
                Ok(SourceThread::File(source::file::spawn(tail, out, clock, stop)?))
            }
            SourceKind::Journald(journal) => {
                let journald = Journald {
                    index: self.index,
                    name: self.source.name,
                    directory: journal.directory,
                    start: self.source.start,
                    position: self.journal,
                };
                let task = source::journald::spawn(journald, out, clock, stop, runtime.handle())?;
                Ok(SourceThread::Journald(task))
            }
            SourceKind::Stdin => source::stdin::spawn(self.index, out, clock)
                .map(SourceThread::Stdin)
                .map_err(AppError::system("start a source's thread")),
        }
    }
}
