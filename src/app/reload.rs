//! Reads the configuration again while the daemon runs, on SIGHUP or when the API is asked to, and
//! applies what can be: webhooks, where they may be sent, and how messages are classed. The rest is
//! named, and waits for a start. A configuration with an error in it changes nothing.

use std::{
    fmt::Debug,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{control, pipeline::direction, service, signals::Hangups, webhooks};
use crate::{
    api::{
        Desk,
        problem::FieldError,
        reload::{NotReloaded, Reloaded, Reloads},
        tls::Tls,
    },
    config::{Api, Config, ConfigError, Loaded, Mail, Source, SourceKind, Webhook},
    egress::Policy,
    source::milter::Wishes,
    writer::{Change, find},
};

/// Requests that may wait: each reads the file anew, so one is enough.
const WAITING: usize = 1;

/// Reads the configuration as a start would.
pub type Loader = Arc<dyn Fn() -> Result<Loaded, ConfigError> + Send + Sync>;

/// The configuration that the next start takes, which is the last that was good.
pub(super) type Latest = Arc<Mutex<Arc<Config>>>;

/// What asks for a reload.
#[derive(Debug)]
pub(super) struct Asked {
    hangups: Hangups,
    requests: mpsc::Receiver<oneshot::Sender<Result<Reloaded, NotReloaded>>>,
}

impl Asked {
    /// Listens to SIGHUP, and to what comes out of the other end.
    pub(super) fn listen(hangups: Hangups) -> (Self, Reloads) {
        let (reloads, requests) = mpsc::channel(WAITING);
        (Self { hangups, requests }, reloads)
    }
}

/// Reloads whenever that is asked for, until it is time to stop.
pub(super) struct Reloader {
    /// None when there is no file to read.
    pub(super) loader: Option<Loader>,
    /// What the daemon was started with.
    pub(super) started: Arc<Config>,
    /// In force now: where webhooks may be sent, and what the mail host knows about itself.
    pub(super) egress: Policy,
    pub(super) mail: Mail,
    pub(super) latest: Latest,
    /// Shows the certificate of the API; None without TLS.
    pub(super) tls: Option<Tls>,
    pub(super) desk: Desk,
}

impl Reloader {
    pub(super) async fn run(mut self, mut asked: Asked, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = asked.hangups.next() => drop(self.reload().await),
                // Without a file nobody asks. Who asked may have gone.
                Some(answer) = asked.requests.recv() => drop(answer.send(self.reload().await)),
            }
        }
    }

    async fn reload(&mut self) -> Result<Reloaded, NotReloaded> {
        service::reloading(&self.desk);
        let result = self.try_reload().await;
        service::reloaded(&self.desk);
        match &result {
            Ok(Reloaded { added, changed, removed, applied, needs_restart, .. }) => {
                tracing::info!(
                    ?added,
                    ?changed,
                    ?removed,
                    ?applied,
                    "the configuration is reloaded"
                );
                for what in needs_restart {
                    tracing::warn!(what, "this has changed, and needs a restart");
                }
            }
            Err(NotReloaded::Wrong(errors)) => {
                for FieldError { field, message, .. } in errors {
                    tracing::error!(key = field, message, "wrong in the configuration");
                }
                tracing::error!("the configuration is wrong: all is as it was");
            }
            Err(NotReloaded::Failed(error)) => {
                tracing::error!(error, "the configuration cannot be used: all is as it was");
            }
        }
        result
    }

    async fn try_reload(&mut self) -> Result<Reloaded, NotReloaded> {
        let Loaded { config, warnings } = self.load().await?;
        let mut reloaded = Reloaded {
            needs_restart: needs_restart(&self.started, &config),
            warnings: warnings.iter().map(FieldError::from).collect(),
            ..Reloaded::default()
        };
        // Nobody else changes webhooks meanwhile.
        let grounds = Arc::clone(&self.desk.grounds);
        let mut grounds = grounds.lock().await;
        let changes = self.changes(&config, &mut reloaded)?;
        let made = self.desk.writer.webhooks().now();
        reloaded.warnings.extend(webhooks::same_names(&config, &made).map(shared_name));
        self.desk.client.set_policy(config.egress.clone());
        if let Err(error) = self.put(changes).await {
            self.desk.client.set_policy(self.egress.clone());
            return Err(error);
        }
        if self.egress != config.egress {
            reloaded.applied.push("egress".to_owned());
        }
        if differ(&direction(&self.mail), &direction(&config.mail)) {
            self.desk.writer.class_by(direction(&config.mail)).await;
            reloaded.applied.push("mail".to_owned());
        }
        if self.shows_another(config.api.as_ref()) {
            reloaded.applied.push("api.tls_cert".to_owned());
        }
        *grounds = webhooks::grounds(&config);
        (self.egress, self.mail) = (config.egress.clone(), config.mail.clone());
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(reloaded)
    }

    /// Shows the certificate of this configuration. False when it is the one before, or there is none.
    fn shows_another(&self, api: Option<&Api>) -> bool {
        let identity = api.and_then(|api| api.tls.as_ref());
        let (Some(tls), Some(identity)) = (&self.tls, identity) else { return false };
        control::say_validity(identity, self.desk.clock.now());
        tls.show(identity)
    }

    /// Reading it may ask other programs and name servers, and takes its time.
    async fn load(&self) -> Result<Loaded, NotReloaded> {
        let Some(loader) = self.loader.clone() else {
            let words = "the daemon was started without a configuration file";
            return Err(NotReloaded::Failed(words.to_owned()));
        };
        match tokio::task::spawn_blocking(move || loader()).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(ConfigError::Invalid { problems, .. })) => {
                Err(NotReloaded::Wrong(problems.iter().map(FieldError::from).collect()))
            }
            Ok(Err(error)) => Err(NotReloaded::Failed(with_cause(&error))),
            Err(_) => Err(NotReloaded::Failed("reading it panicked".to_owned())),
        }
    }

    /// What makes the webhooks of the file those of this configuration.
    fn changes(
        &self,
        config: &Config,
        reloaded: &mut Reloaded,
    ) -> Result<Vec<Change>, NotReloaded> {
        let running = self.desk.writer.webhooks().now();
        let failed = |error: &dyn std::error::Error| NotReloaded::Failed(with_cause(error));
        let wanted = webhooks::of_file(config).map_err(|error| failed(&error))?;
        let mut changes = Vec::new();
        for webhook in running.iter().filter(|webhook| webhook.made.is_none()) {
            if wanted.iter().all(|other| other.id != webhook.id) {
                reloaded.removed.push(webhook.name.clone());
                changes.push(Change::Retire(webhook.id));
            }
        }
        for webhook in wanted {
            match find(&running, webhook.id) {
                Some(before) if before.is_as(&webhook) => continue,
                Some(_) => reloaded.changed.push(webhook.name.clone()),
                None => reloaded.added.push(webhook.name.clone()),
            }
            self.desk.client.prepare(&webhook).map_err(|error| failed(&error))?;
            changes.push(Change::Put { webhook: Arc::new(webhook), is_enabled: None });
        }
        Ok(changes)
    }

    async fn put(&self, changes: Vec<Change>) -> Result<(), NotReloaded> {
        if changes.is_empty() {
            return Ok(());
        }
        match self.desk.writer.change(changes).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NotReloaded::Failed(with_cause(&error))),
            Err(stopped) => Err(NotReloaded::Failed(stopped.to_string())),
        }
    }
}

/// What has changed that is only looked at when the daemon starts.
fn needs_restart(running: &Config, new: &Config) -> Vec<String> {
    let Config { state_dir, sources, store, api, reports, sealing, concurrency, .. } = running;
    let is_milter = |source: &Source| matches!(source.kind, SourceKind::Milter(_));
    let wishes =
        |config: &Config| config.sources.iter().any(is_milter).then(|| Wishes::of(&config.mail));
    let changed = [
        ("state_dir", *state_dir != new.state_dir),
        ("source", differ(sources, &new.sources)),
        ("store", differ(store, &new.store)),
        ("api", reached(api.as_ref()) != reached(new.api.as_ref())),
        ("reports", *reports != new.reports),
        ("seal_key_file", differ(sealing, &new.sealing)),
        ("concurrency", *concurrency != new.concurrency),
        ("mail.metadata_headers, mail.tag_header or route.header", wishes(running) != wishes(new)),
    ];
    changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(it, _)| it.to_owned()).collect()
}

/// What the file names as a webhook is named that was made through the API.
fn shared_name(made: &Webhook) -> FieldError {
    let words = format!(
        "a webhook that was made through the API is named `{}`, too: ask for that one by its id, {}",
        made.name, made.id
    );
    tracing::warn!(webhook = made.name, id = %made.id, "another webhook has this name");
    FieldError { field: "webhook.name".to_owned(), code: "name_taken".to_owned(), message: words }
}

/// Where the API is and how it is spoken to; its certificate can be changed.
fn reached(api: Option<&Api>) -> Option<(SocketAddr, bool)> {
    api.map(|api| (api.address, api.tls.is_some()))
}

/// As text, because all of that can be shown.
fn differ<T: Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") != format!("{other:?}")
}

fn with_cause(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
