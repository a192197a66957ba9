//! Requests to the whole API on a real writer, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod failures;
mod intruders;
mod jetemail;
mod lettermint;
mod owners;
mod published;
mod webhooks;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::StatusCode,
};
use jiff::tz::TimeZone;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::{Desk, caller::Peer, router};
use crate::{
    clock,
    config::{Grounds, Reports, Retention},
    correlate::Direction,
    deliver::Client,
    egress::Policy,
    event::Route,
    report,
    search::Search,
    secret::Sealing,
    store::Store,
    writer::{Keys, Mode, Setup, Summary, Writer, WriterError, made_webhooks},
};

/// A daemon that reads and sends nothing, but can be asked.
pub(super) struct Office {
    desk: Desk,
    writer: JoinHandle<Result<Summary, WriterError>>,
    dir: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Office {
    pub(super) fn open() -> Self {
        Self::open_in(TempDir::new().unwrap())
    }

    fn open_in(dir: TempDir) -> Self {
        let store = Store::open(dir.path()).unwrap();
        Self::open_on(store, dir)
    }

    /// On an open store in that directory.
    fn open_on(store: Store, dir: TempDir) -> Self {
        let route = Route { name: "news".into(), ..Route::default() };
        let state_dir = dir.path().to_owned();
        let grounds = Grounds {
            egress: Policy::default(),
            routes: vec![route],
            state_dir,
            takes_reports: false,
        };
        let (desk, writer) = start(store, &grounds);
        Self { desk, writer, dir }
    }

    /// A stop in good order, and a start.
    pub(super) async fn restart(self) -> Self {
        self.desk.writer.stop().await;
        self.writer.await.unwrap().unwrap();
        drop(self.desk);
        Self::open_in(self.dir)
    }

    /// The webhooks as senders see them.
    pub(super) fn webhook(&self, id: &str) -> Arc<crate::config::Webhook> {
        self.desk.webhook(id).unwrap()
    }

    /// Asked by root.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_as(None, method, path, body).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    /// Makes a webhook that has to be good.
    pub(super) async fn made(&self, body: Value) -> Value {
        let made = self.ask("POST", "/v1/webhooks", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body
    }

    /// Asked with a key over the network.
    pub(super) async fn ask_as(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        match body {
            Value::Null => self.ask_raw(key, method, path, None, String::new()).await,
            Value::String(mail) => self.ask_raw(key, method, path, None, mail).await,
            json => {
                self.ask_raw(key, method, path, Some("application/json"), json.to_string()).await
            }
        }
    }

    /// Asked by root with a body as it is.
    pub(super) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: String,
    ) -> Answer {
        self.ask_raw(None, method, path, Some(kind), body).await
    }

    async fn ask_raw(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: String,
    ) -> Answer {
        let peer = match key {
            Some(_) => Peer::Network(SocketAddr::from(([127, 0, 0, 1], 9))),
            None => Peer::Process(Some(0)),
        };
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(peer));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let mut service = router(self.desk.clone());
        let response = service.call(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body }
    }
}

type Working = JoinHandle<Result<Summary, WriterError>>;

fn start(store: Store, grounds: &Grounds) -> (Desk, Working) {
    let clock = clock::system();
    let made = made_webhooks(&store, &Sealing::default()).unwrap();
    let restored = made.into_iter().map(|(id, made)| made.restore(id, grounds).0.unwrap());
    let webhooks: Vec<_> = restored.map(Arc::new).collect();
    let keys = Keys::load(&store, &webhooks, Sealing::default(), clock.now()).unwrap();
    let search = Search::start(store.reader()).unwrap();
    let setup = Setup {
        store,
        sources: Vec::new(),
        webhooks,
        keys,
        direction: Direction::default(),
        zone: TimeZone::UTC,
        clock: Arc::clone(&clock),
        mode: Mode::Live,
        retention: Retention::default(),
        min_free: Some(0),
    };
    let (_batches, inbox) = mpsc::channel(1);
    let (mut writer, handle) = Writer::new(setup, inbox).unwrap();
    let working = tokio::spawn(async move { writer.work().await });
    let (writer, now) = (handle.clone(), clock.now());
    let logs = report::Logs::new([], Arc::clone(&clock), CancellationToken::new());
    let (settings, known) = (Reports::default(), search.clone());
    let reports = report::Desk::new(settings, known, logs, writer, Arc::clone(&clock));
    let desk = Desk {
        sources: Vec::new().into(),
        logs: Vec::new().into(),
        writer: handle,
        client: Client::new(grounds.egress.clone()).unwrap(),
        search,
        reports,
        clock,
        started: now,
        has_begun: watch::channel(true).1,
        guard: Arc::default(),
        stop: CancellationToken::new(),
        grounds: Arc::new(Mutex::new(grounds.clone())),
        reloads: None,
    };
    (desk, working)
}

impl Answer {
    /// Field and code of each part that was refused, sorted.
    pub(super) fn errors(&self) -> Vec<(String, String)> {
        let word = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
        let errors = self.body["errors"].as_array().into_iter().flatten();
        let mut errors: Vec<_> = errors.map(|it| (word(it, "field"), word(it, "code"))).collect();
        errors.sort();
        errors
    }
}
