//! The daemon: everything that was configured, until a signal.

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    runtime::Runtime,
    sync::{self, mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    AppError, alerts, control, full_disk, lateness,
    opening::{self, open_store},
    pipeline::{Parts, Pipeline, whose},
    reload::{Asked, Latest, Loader, Reloader},
    reports, service,
    signals::{Hangups, Signals},
    webhooks,
};
use crate::{
    api::{Desk, HealthReceiver, reload::Reloads, tls::Tls},
    clock::{self, SharedClock},
    config::{Config, Source, SourceKind, Start},
    parse::Whose,
    source::{
        self, Batch, Health,
        file::{FileTail, Tally},
        journald::{self, Journald},
        milter::{self, CaptureSender, FactsSender, Milter, Wishes, captures, handover},
    },
    store::{self, Store},
    writer::{Feed, Mode, Summary, WriterHandle, journal_position, positions},
};

/// The process before it knows what to do. From here on SIGHUP asks for a reload and ends nothing,
/// however long the rest of the start takes.
#[derive(Debug)]
pub struct Beginning {
    runtime: Runtime,
    hangups: Hangups,
}

impl Beginning {
    /// Comes before everything else.
    ///
    /// # Errors
    /// The system gives us no thread, or no signal handler.
    pub fn new() -> Result<Self, AppError> {
        let runtime = runtime()?;
        let hangups = runtime.block_on(async { Hangups::install() })?;
        Ok(Self { runtime, hangups })
    }
}

/// Reports that milters took out of the mail are read within that time when all is to end.
const REPORTS_END: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or Ctrl-C, or until standard input ends when that is the only source.
///
/// # Errors
/// When something cannot be started, or the store or a source fails under way.
pub fn run(
    beginning: Beginning,
    config: Config,
    loader: Option<&Loader>,
) -> Result<Summary, AppError> {
    let Beginning { runtime, hangups } = beginning;
    let latest = Latest::new(Mutex::new(Arc::new(config)));
    // sled works in threads of its own, whose panics nobody else would hear of.
    store::end_process_on_panic();
    loop {
        let config = Arc::clone(&latest.lock().unwrap_or_else(PoisonError::into_inner));
        let (is_told_to_stop, ended) = match start(&config, loader, &latest, &hangups, &runtime) {
            Ok((daemon, signals)) => runtime.block_on(daemon.until(signals)),
            Err(error) => (false, Err(error)),
        };
        let can_all_be_read_again = config.sources.iter().all(|it| it.kind.can_be_read_again());
        let may_wait = !is_told_to_stop && can_all_be_read_again;
        match ended {
            Err(error) if error.is_disk_full() && may_wait => {
                if !runtime.block_on(full_disk::wait(&config, &error))? {
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

fn start(
    config: &Arc<Config>,
    loader: Option<&Loader>,
    latest: &Latest,
    hangups: &Hangups,
    runtime: &Runtime,
) -> Result<(Daemon, Signals), AppError> {
    // Before the signals: it may wait for another process, and a signal may end that at once.
    let store = open_store(&config.state_dir, &*clock::system())?;
    let signals = runtime.block_on(async { Signals::install() })?;
    let (asked, reloads) = Asked::listen(hangups.clone());
    let daemon = Daemon::start(config, store, loader.map(|_| reloads), runtime)?;
    let reloader = Reloader {
        loader: loader.cloned(),
        started: Arc::clone(config),
        egress: config.egress.clone(),
        mail: config.mail.clone(),
        latest: Arc::clone(latest),
        tls: daemon.tls.clone(),
        desk: daemon.desk.clone(),
    };
    runtime.spawn(reloader.run(asked, daemon.stop_sources.clone()));
    runtime.spawn(say_running(config, daemon.desk.has_begun.clone()));
    runtime.spawn(service::tell(daemon.desk.clone()));
    Ok((daemon, signals))
}

/// Says that it runs once that is true: what is logged from then on will be told, whatever happens.
fn say_running(
    config: &Config,
    mut begun: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    let (sources, webhooks) = (config.sources.len(), config.webhooks.len());
    let state_dir = config.state_dir.display().to_string();
    async move {
        if begun.wait_for(|has_begun| *has_begun).await.is_ok() {
            tracing::info!(sources, webhooks, state_dir, "mailherald is running");
        }
    }
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
    /// Takes in what milters took out of the mail.
    captured: JoinHandle<()>,
    sources_ended: CancellationToken,
    source_failed: CancellationToken,
    stop_sources: CancellationToken,
    /// What is told of all this.
    desk: Desk,
    /// TLS of the control API; None without.
    tls: Option<Tls>,
}

impl Daemon {
    /// Starts everything.
    pub(super) fn start(
        config: &Config,
        store: Store,
        reloads: Option<Reloads>,
        runtime: &Runtime,
    ) -> Result<Self, AppError> {
        let clock = clock::system();
        let sources = opening::sources(config, &store)?;
        let feeds = sources.iter().map(|source| feed(source, clock.now())).collect();
        let starts = source_starts(sources, &store)?;
        let webhooks = webhooks::all(config, &store)?;
        let (knowing, facts) = handover();
        let (capturing, captured) = captures();
        let parts = Parts {
            store,
            mail: &config.mail,
            webhooks,
            sealing: &config.sealing,
            sources: feeds,
            clock: Arc::clone(&clock),
            mode: Mode::Live,
            settings: &config.store,
            egress: &config.egress,
            rate: None,
            concurrency: config.concurrency,
            facts: Some(facts),
        };
        let (pipeline, batches) = Pipeline::start(parts, runtime)?;
        let stop_sources = CancellationToken::new();
        let wishes = Arc::new(Wishes::of(&config.mail));
        let (mut threads, mut health) = (Vec::new(), Vec::new());
        for start in starts {
            let (out, clock) = (batches.clone(), Arc::clone(&clock));
            let (telling, told) = watch::channel(Health::default());
            let name = start.source.name.clone();
            watch_source(&name, &told, &clock, pipeline.writer(), runtime);
            let out = Outlets {
                lines: out,
                facts: knowing.clone(),
                captures: capturing.clone(),
                wishes: Arc::clone(&wishes),
            };
            threads.push(start.spawn(out, clock, telling, stop_sources.clone(), runtime)?);
            health.push((name, told));
        }
        runtime.spawn(alerts::of_clock(pipeline.client(), pipeline.writer()));
        let reports = reports::desk(config, &pipeline, &health, &clock, &stop_sources);
        let captured = reports::take_all(captured, reports.clone(), stop_sources.clone());
        let captured = runtime.spawn(captured);
        let (telling_begun, has_begun) = watch::channel(false);
        let desk = Desk {
            sources: health.clone().into(),
            logs: log_files(config),
            writer: pipeline.writer(),
            client: pipeline.client(),
            reports,
            search: pipeline.search(),
            started: clock.now(),
            clock: Arc::clone(&clock),
            grounds: Arc::new(sync::Mutex::new(webhooks::grounds(config))),
            reloads,
            has_begun,
            guard: Arc::default(),
            stop: stop_sources.clone(),
        };
        runtime.spawn(begin(health.clone(), pipeline.writer(), telling_begun));
        let tls = control::start(config, desk.clone(), runtime, stop_sources.clone());
        let (sources_ended, source_failed) = (CancellationToken::new(), CancellationToken::new());
        let (ended, failed) = (sources_ended.clone(), source_failed.clone());
        let sources = runtime.spawn(until_end(threads, stop_sources.clone(), ended, failed));
        Ok(Self {
            pipeline,
            sources,
            captured,
            sources_ended,
            source_failed,
            stop_sources,
            desk,
            tls,
        })
    }

    /// Runs until a signal, until the writer or a source fails, or until every source has come to
    /// its end by itself and all is sent. Also says whether it was a signal.
    async fn until(mut self, mut signals: Signals) -> (bool, Result<Summary, AppError>) {
        let mut is_told_to_stop = false;
        tokio::select! {
            () = signals.next() => is_told_to_stop = true,
            () = self.pipeline.writer_ended.cancelled() => tracing::error!("the writer ended"),
            () = self.source_failed.cancelled() => tracing::error!("a source ended badly"),
            () = self.sources_ended.cancelled() => tokio::select! {
                retries_wait = self.pipeline.drain() => say_drained(retries_wait),
                () = signals.next() => is_told_to_stop = true,
            },
        }
        if is_told_to_stop {
            tracing::info!("stopping");
            service::stopping();
        }
        let _second = signals.exit_on_next();
        (is_told_to_stop, self.stop().await)
    }

    /// Ends in order: sources, writer, senders.
    pub(super) async fn stop(self) -> Result<Summary, AppError> {
        self.pipeline.sources_end().await;
        self.stop_sources.cancel();
        let sources = self.sources.await;
        // A report that is with us alone.
        timeout(REPORTS_END, self.captured).await.ok();
        let summary = self.pipeline.finish().await?;
        sources.map_err(|_| AppError::Panic("source"))??;
        Ok(summary)
    }
}

/// Says when a source is late, and tells when it stands still.
fn watch_source(
    name: &str,
    told: &HealthReceiver,
    clock: &SharedClock,
    writer: WriterHandle,
    runtime: &Runtime,
) {
    runtime.spawn(lateness::watch(name.to_owned(), told.clone(), Arc::clone(clock)));
    runtime.spawn(alerts::of_source(name.to_owned(), told.clone(), Arc::clone(clock), writer));
}

/// Waits until each source has begun, and until that is stored; tells it then. Never does if that
/// never is.
async fn begin(
    sources: Vec<(String, HealthReceiver)>,
    writer: WriterHandle,
    begun: watch::Sender<bool>,
) {
    for (_, mut source) in sources {
        if source.wait_for(|health| health.has_begun).await.is_err() {
            return;
        }
    }
    if writer.flush().await.is_ok() {
        begun.send_replace(true);
    }
}

/// The sources that read log files: names and patterns.
fn log_files(config: &Config) -> Arc<[(String, Vec<String>)]> {
    let patterns = |source: &Source| match &source.kind {
        SourceKind::File(file) => Some((source.name.clone(), file.include.clone())),
        _ => None,
    };
    config.sources.iter().filter_map(patterns).collect()
}

/// The thread or the task of one source.
enum SourceThread {
    /// Ends soon after it is told to.
    File(std::thread::JoinHandle<Tally>),
    /// Ends soon after it is told to.
    Journald(JoinHandle<journald::Tally>),
    /// Ends soon after it is told to.
    Milter(std::thread::JoinHandle<io::Result<milter::Tally>>),
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

/// Waits for all sources, or for the first that fails, and tells how it was.
async fn until_end(
    threads: Vec<SourceThread>,
    stop: CancellationToken,
    ended: CancellationToken,
    failed: CancellationToken,
) -> Result<(), AppError> {
    let result = join(threads, stop).await;
    if result.is_ok() {
        ended.cancel();
    } else {
        failed.cancel();
    }
    result
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
            Self::Milter(thread) => {
                let tally = join_blocking(thread).await?;
                let tally = tally.map_err(AppError::system("start a milter's runtime"))?;
                tracing::debug!(?tally, "a milter has ended");
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
    Feed {
        name: source.name.clone(),
        since_us: since.map(Timestamp::as_microsecond),
        can_be_read_again: source.kind.can_be_read_again(),
        silence: source.silence,
        whose: match &source.kind {
            SourceKind::File(file) if file.is_of_plugin => Whose::HarakaPlugin,
            _ => whose(source.mta),
        },
    }
}

/// Where sources put what they have.
struct Outlets {
    lines: mpsc::Sender<Batch>,
    facts: FactsSender,
    captures: CaptureSender,
    /// What milters look for.
    wishes: Arc<Wishes>,
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
        Outlets { lines: out, facts, captures, wishes }: Outlets,
        clock: SharedClock,
        health: watch::Sender<Health>,
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
                    partial_line_timeout: file.partial_line_timeout,
                    positions: self.positions,
                };
                Ok(SourceThread::File(source::file::spawn(tail, out, clock, health, stop)?))
            }
            SourceKind::Journald(journal) => {
                let journald = Journald {
                    index: self.index,
                    name: self.source.name,
                    directory: journal.directory,
                    start: self.source.start,
                    position: self.journal,
                };
                let task =
                    source::journald::spawn(journald, out, clock, health, stop, runtime.handle())?;
                Ok(SourceThread::Journald(task))
            }
            SourceKind::Milter(socket) => {
                let milter = Milter { name: self.source.name, socket, wishes, captures };
                source::milter::spawn(milter, facts, clock, health, stop, runtime.handle())
                    .map(SourceThread::Milter)
                    .map_err(AppError::system("start a source's thread"))
            }
            SourceKind::Stdin => {
                // It is read from where it is.
                health.send_modify(|health| health.has_begun = true);
                source::stdin::spawn(self.index, out, clock)
                    .map(SourceThread::Stdin)
                    .map_err(AppError::system("start a source's thread"))
            }
        }
    }
}
