//! The whole way on this machine, with nothing installed.
//!
//! A bundled log of a real Postfix is played line by line into a file, which the ordinary daemon
//! tails; its webhook is a receiver on loopback that verifies every signature. Everything is real
//! but the mail: source, parser, correlator, store, queue, HTTP.

mod receiver;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    AppError,
    dry_run::{DryRun, dry_run},
    opening::open_store,
    run::{Daemon, runtime},
    signals::Signals,
};
use crate::{
    clock,
    config::{
        Config, FileSource, Mail, Mta, Reports, Selection, Source, SourceKind, Start,
        StoreSettings, Transport, Webhook, WebhookId,
    },
    egress::Policy,
    limits,
    profile::Profile,
    queue::{filter::TypeSet, policy},
    secret::{Sealing, Secret},
};
use receiver::Received;

/// A real log, small enough to be read as it scrolls by.
const LOG: &str = include_str!("../../../fixtures/demo/mail.log");
/// Pause between two lines.
const PACE: Duration = Duration::from_millis(20);
/// The longest that the demo waits for its last webhook.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to show the demo.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// Stay after the last event, until a signal.
    pub keep: bool,
    /// Show each payload as JSON instead of a line for people.
    pub json: bool,
}

/// What the demo saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSummary {
    /// Lines played.
    pub lines: usize,
    /// Events that the log holds.
    pub expected: u64,
    /// Webhooks received with a right signature.
    pub verified: u64,
    /// Webhooks received with a wrong one.
    pub refused: u64,
}

/// Plays the demo; each event is written to `out` as it arrives.
///
/// # Errors
/// When the machine refuses a temporary directory, a port or a thread, or `out` cannot be written.
pub fn demo(demo: Demo, out: &mut impl Write) -> Result<DemoSummary, AppError> {
    let dir = tempfile::tempdir().map_err(AppError::system("make a temporary directory"))?;
    let log = dir.path().join("mail.log");
    File::create(&log).map_err(AppError::system("make the demo's log file"))?;
    let mut summary = DemoSummary {
        lines: LOG.lines().count(),
        expected: expected_events(dir.path())?,
        verified: 0,
        refused: 0,
    };
    let runtime = runtime()?;
    let secret = Secret::generate().map_err(refused("make a secret"))?;
    let (url, mut received) = runtime.block_on(receiver::start(secret.clone()))?;
    let mut signals = runtime.block_on(async { Signals::install() })?;
    let config = config(dir.path(), url, secret)?;
    let store = open_store(&config.state_dir, &*clock::system())?;
    let daemon = Daemon::start(&config, store, None, &runtime)?;
    let stop = CancellationToken::new();
    runtime.spawn(play(log, stop.clone()));
    let shown = runtime.block_on(async {
        tokio::select! {
            shown = show(&mut received, &mut summary, demo, out) => shown,
            () = signals.next() => Ok(()),
        }
    });
    stop.cancel();
    runtime.block_on(daemon.stop())?;
    shown.map(|()| summary)
}

/// Shows what arrives until all expected events have, or nothing does for too long.
async fn show(
    received: &mut mpsc::Receiver<Received>,
    summary: &mut DemoSummary,
    demo: Demo,
    out: &mut impl Write,
) -> Result<(), AppError> {
    let mut deadline = Instant::now() + PATIENCE;
    while demo.keep || summary.verified < summary.expected {
        let next = if demo.keep {
            received.recv().await
        } else {
            tokio::time::timeout_at(deadline, received.recv()).await.unwrap_or(None)
        };
        let Some(one) = next else { return Ok(()) };
        deadline = Instant::now() + PATIENCE;
        if one.verified {
            summary.verified += 1;
        } else {
            summary.refused += 1;
        }
        let line = if demo.json { one.payload.to_string() } else { line(&one) };
        writeln!(out, "{line}").map_err(AppError::Output)?;
    }
    Ok(())
}

/// One event for people.
fn line(received: &Received) -> String {
    let text = |path: &str| received.payload.pointer(path).and_then(Value::as_str).unwrap_or("");
    let verified = if received.verified { "verified" } else { "REFUSED" };
    let (kind, to, response) = (text("/type"), text("/data/to"), text("/data/response"));
    format!("{verified}  {kind:<19} {to:<28} {response}").trim_end().to_owned()
}

/// Appends the log to the file, line by line.
async fn play(path: PathBuf, stop: CancellationToken) {
    let Ok(mut file) = OpenOptions::new().append(true).open(path) else { return };
    for line in LOG.split_inclusive('\n') {
        if stop.is_cancelled() || file.write_all(line.as_bytes()).is_err() {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

/// How many events the log holds, by reading it at once and without a daemon.
fn expected_events(dir: &Path) -> Result<u64, AppError> {
    let whole = dir.join("whole.txt");
    std::fs::write(&whole, LOG).map_err(AppError::system("write the demo's log"))?;
    let options = DryRun {
        files: vec![whole.to_string_lossy().into_owned()],
        anchor: None,
        since: None,
        until: None,
        mail: mail(),
        sending: false,
        mta: Mta::Auto,
    };
    let summary = dry_run(&options, &mut std::io::sink())?;
    Ok(summary.events.values().sum())
}

fn mail() -> Mail {
    let networks = ["127.0.0.1/32", "::1/128"].iter().filter_map(|network| network.parse().ok());
    Mail {
        local_domains: vec!["lab.test".into()],
        mynetworks: networks.collect(),
        ..Mail::default()
    }
}

fn config(dir: &Path, url: Url, secret: Secret) -> Result<Config, AppError> {
    let profile = Profile::Standard;
    let events = TypeSet::parse(["outbound.*", "inbound.*"], profile)
        .map_err(refused("subscribe to all events"))?;
    let include = vec![dir.join("mail.log").to_string_lossy().into_owned()];
    Ok(Config {
        state_dir: dir.join("state"),
        sources: vec![Source {
            name: "demo".into(),
            mta: Mta::Auto,
            start: Start::Beginning,
            silence: None,
            kind: SourceKind::File(FileSource { include, ..FileSource::default() }),
        }],
        store: StoreSettings::default(),
        mail: mail(),
        egress: Policy::default(),
        api: None,
        reports: Reports::default(),
        sealing: Sealing::default(),
        webhooks: vec![Webhook {
            id: WebhookId::of_name("demo"),
            name: "demo".into(),
            url,
            profile,
            events,
            secret,
            filter_users: None,
            filter_domains: None,
            timeout: profile.timeout(),
            schedule: profile.schedule().to_vec(),
            concurrency: 1,
            policy: policy::Policy::default(),
            transport: Transport::default(),
            selection: Selection::default(),
            made: None,
        }],
        concurrency: limits::ATTEMPTS_AT_ONCE,
    })
}

/// For `map_err`: something that only a broken system refuses.
fn refused<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
) -> impl FnOnce(E) -> AppError {
    move |error| AppError::System { action, source: io::Error::other(error) }
}
