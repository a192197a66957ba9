//! Writer and senders, started together and ended in order.

use std::{num::NonZeroU32, sync::Arc, thread::JoinHandle};

use jiff::tz::TimeZone;
use tokio::{runtime::Runtime, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    AppError,
    dispatch::{Http, Pace, Shared, Turnstile, serve_all},
    service,
};
use crate::{
    clock::SharedClock,
    config::{Mail, Mta, StoreSettings, Webhook},
    correlate::Direction,
    deliver::Client,
    egress::Policy,
    limits,
    parse::Whose,
    search::Search,
    secret::Sealing,
    source::{Batch, milter::FactsReceiver},
    store::Store,
    writer::{Feed, Keys, Mode, Setup, Summary, Writer, WriterError, WriterHandle},
};

/// Writer and senders at work.
#[derive(Debug)]
pub(super) struct Pipeline {
    writer: JoinHandle<Result<Summary, WriterError>>,
    handle: WriterHandle,
    client: Client,
    search: Search,
    /// One task for all; gives whether retries wait.
    senders: JoinSet<bool>,
    stop_senders: CancellationToken,
    input_ended: CancellationToken,
    /// Cancelled when the writer has ended, for whatever reason.
    pub(super) writer_ended: CancellationToken,
}

/// What a pipeline is made of.
pub(super) struct Parts<'a> {
    pub(super) store: Store,
    pub(super) mail: &'a Mail,
    pub(super) webhooks: Vec<Arc<Webhook>>,
    /// Seals their secrets.
    pub(super) sealing: &'a Sealing,
    /// The sources, by index.
    pub(super) sources: Vec<Feed>,
    pub(super) clock: SharedClock,
    pub(super) mode: Mode,
    pub(super) settings: &'a StoreSettings,
    /// Where webhooks may be sent.
    pub(super) egress: &'a Policy,
    /// Attempts a second at most, over all webhooks.
    pub(super) rate: Option<NonZeroU32>,
    /// Attempts under way at once, over all webhooks.
    pub(super) concurrency: usize,
    /// What milters know of messages.
    pub(super) facts: Option<FactsReceiver>,
}

impl Pipeline {
    /// Starts the writer's thread and the senders. The channel takes the batches of
    /// all sources.
    pub(super) fn start(
        parts: Parts<'_>,
        runtime: &Runtime,
    ) -> Result<(Self, mpsc::Sender<Batch>), AppError> {
        let Parts {
            store,
            mail,
            webhooks,
            sealing,
            sources,
            clock,
            mode,
            settings,
            egress,
            rate,
            concurrency,
            facts,
        } = parts;
        let only = mode.only();
        // Timers are made here that need to know their runtime.
        let _context = runtime.enter();
        let waiting = limits::BATCHES_WAITING * sources.len().max(1);
        let (batches, inbox) = mpsc::channel(waiting);
        let client = Client::new(egress.clone())?;
        webhooks.iter().try_for_each(|webhook| client.prepare(webhook))?;
        let search = Search::start(store.reader())
            .map_err(AppError::system("start the thread that reads the store"))?;
        let keys = Keys::load(&store, &webhooks, sealing.clone(), clock.now())?;
        let setup = Setup {
            store,
            sources,
            webhooks,
            keys,
            direction: direction(mail),
            zone: TimeZone::system(),
            clock: Arc::clone(&clock),
            mode,
            retention: settings.retention,
            min_free: settings.min_free,
        };
        let (mut writer, handle) = Writer::new(setup, inbox)?;
        if let Some(facts) = facts {
            writer = writer.with_facts(facts);
        }
        if mode == Mode::Live {
            writer = writer.with_pulse(service::feed_watchdog);
        }
        let writer_ended = CancellationToken::new();
        let writer = spawn_writer(writer, runtime, writer_ended.clone())?;
        let shared = Shared {
            writer: handle.clone(),
            transport: Arc::new(Http { client: client.clone(), clock }),
            slots: Turnstile::new(concurrency),
            pace: rate.map(|rate| Arc::new(Pace::new(rate))),
            stop: CancellationToken::new(),
            input_ended: CancellationToken::new(),
        };
        let mut senders = JoinSet::new();
        senders.spawn_on(serve_all(only, shared.clone()), runtime.handle());
        let (stop_senders, input_ended) = (shared.stop, shared.input_ended);
        let pipeline = Self {
            writer,
            handle,
            client,
            search,
            senders,
            stop_senders,
            input_ended,
            writer_ended,
        };
        Ok((pipeline, batches))
    }

    /// What makes the requests.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// What reads the store.
    pub(super) fn search(&self) -> Search {
        self.search.clone()
    }

    /// Commits all that was read, then waits until nothing is left to send but what waits for a
    /// retry. Gives whether something does.
    pub(super) async fn drain(&mut self) -> bool {
        self.input_ends().await;
        self.input_ended.cancel();
        let mut retries_wait = false;
        while let Some(end) = self.senders.join_next().await {
            retries_wait |= matches!(end, Ok(true));
        }
        retries_wait
    }

    /// Commits all that was read: nothing comes behind it.
    pub(super) async fn input_ends(&self) {
        // An error means that the writer ended; its own error is told by `finish`.
        self.handle.input_ended().await.ok();
    }

    /// The senders' side of the writer.
    pub(super) fn writer(&self) -> WriterHandle {
        self.handle.clone()
    }

    /// A replay is over, and is not to be gone on with.
    pub(super) async fn replay_done(&self) {
        self.handle.replay_done().await;
    }

    /// To be called before the sources are waited for.
    pub(super) async fn sources_end(&self) {
        self.handle.sources_end().await;
    }

    /// Ends in order: commit what was read, start no attempt, wait for those under way, commit
    /// their results. The sources must have ended.
    pub(super) async fn finish(mut self) -> Result<Summary, AppError> {
        self.sources_end().await;
        self.handle.flush().await.ok();
        self.stop_senders.cancel();
        while self.senders.join_next().await.is_some() {}
        self.handle.stop().await;
        match tokio::task::spawn_blocking(move || self.writer.join()).await {
            Ok(Ok(summary)) => Ok(summary?),
            _ => Err(AppError::Panic("writer")),
        }
    }
}

/// How messages are classed on this host.
pub(super) fn direction(mail: &Mail) -> Direction {
    Direction {
        local_domains: mail.local_domains.clone(),
        mynetworks: mail.mynetworks.clone(),
        submission_services: mail.submission_services.clone(),
        instances: mail.instances.clone(),
        routes: mail.routes.clone(),
        metadata_headers: mail.headers.metadata.clone(),
        tag_header: mail.headers.tag.clone(),
    }
}

/// Whose lines a source has, as the parser knows it.
pub(super) fn whose(mta: Mta) -> Whose {
    match mta {
        Mta::Auto => Whose::Anyones,
        Mta::Postfix => Whose::Postfix,
        Mta::Haraka => Whose::Haraka,
    }
}

fn spawn_writer(
    writer: Writer,
    runtime: &Runtime,
    ended: CancellationToken,
) -> Result<JoinHandle<Result<Summary, WriterError>>, AppError> {
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("writer".into())
        .spawn(move || {
            let _ended = ended.drop_guard();
            writer.run(&handle)
        })
        .map_err(AppError::system("start the writer's thread"))
}
