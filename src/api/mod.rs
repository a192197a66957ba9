//! What an operator asks of the running daemon, over HTTP: on a unix socket in the state directory,
//! and on a TCP address.
//!
//! * [`socket`], [`network`], [`tls`] — where it listens;
//! * `caller` — who may ask: root and the user that the daemon runs as, or anybody with a key;
//! * [`problem`] — every refusal, in one shape (RFC 9457);
//! * [`webhooks`], … — one file for each kind of thing, its answers and its operations;
//! * `jetemail`, `lettermint` — the same webhooks as the clients of these providers ask for them.
//!
//! State is the writer's, which is asked through its handle; how a webhook is told is `deliver`'s.
//! The command line (`cli`) is a client of this, and takes the types of the answers from here.

pub mod attempts;
pub mod audit;
mod caller;
mod code;
pub mod dead;
pub mod deliveries;
pub mod document;
mod editor;
pub mod event_types;
pub mod events;
pub mod explain;
mod extract;
mod guard;
mod head;
pub mod health;
mod jetemail;
pub mod keys;
mod lettermint;
pub mod lines;
pub mod logs;
pub mod messages;
mod metrics;
mod mounts;
pub mod network;
mod pace;
pub mod problem;
pub mod recover;
mod refusals;
pub mod reload;
pub mod reports;
pub mod resend;
pub mod rotation;
pub mod socket;
pub mod sources;
mod states;
pub mod stream;
pub mod tls;
mod webhook;
mod webhook_keys;
pub mod webhooks;

#[cfg(test)]
mod tests;

use std::{fmt::Debug, future::IntoFuture, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, connect_info::Connected},
    middleware,
    routing::{get, post},
    serve::{IncomingStream, Listener},
};
use jiff::Timestamp;
use tokio::{
    net::UnixListener,
    sync::{Mutex, watch},
};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    clock::{SharedClock, millis},
    config::{Grounds, Webhook},
    deliver::Client,
    limits, report,
    search::Search,
    source::Health,
    writer::{Webhooks, WriterHandle},
};

pub use guard::Guard;

use caller::Peer;
use network::Network;
use problem::Problem;
use reload::Reloads;

/// How long answers under way may take once it is time to end.
const GRACE: Duration = Duration::from_secs(2);

/// What the operations work with.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The sources by name, and how each is.
    pub sources: Arc<[(String, HealthReceiver)]>,
    /// Those of them that read log files: names and patterns.
    pub logs: Arc<[(String, Vec<String>)]>,
    /// Knows the webhooks and the state of their deliveries.
    pub writer: WriterHandle,
    /// Makes requests that are asked for here.
    pub client: Client,
    /// Knows what happened.
    pub search: Search,
    /// Takes reports in.
    pub reports: report::Desk<Search>,
    /// Tells the time.
    pub clock: SharedClock,
    /// What webhooks that are made here are checked against. Who changes webhooks holds it.
    pub grounds: Arc<Mutex<Grounds>>,
    /// Asks for the configuration to be read again; None when there is no file.
    pub reloads: Option<Reloads>,
    /// When the daemon was started.
    pub started: Timestamp,
    /// True once all sources are open, and that is stored.
    pub has_begun: watch::Receiver<bool>,
    /// Bounds what is asked at once.
    pub guard: Arc<Guard>,
    /// Ends what would go on for ever.
    pub stop: CancellationToken,
}

/// How a source is, always the newest.
pub type HealthReceiver = watch::Receiver<Health>;

impl Desk {
    /// All webhooks, as they are now.
    pub(crate) fn webhooks(&self) -> Webhooks {
        self.writer.webhooks().now()
    }

    /// The webhook of that name or id, in either of its forms.
    fn webhook(&self, named: &str) -> Result<Arc<Webhook>, Problem> {
        let webhooks = self.webhooks();
        // No name stands before an id: another webhook may be named like it.
        let by_id = |it: &&Arc<Webhook>| it.id.to_string() == named || it.id.to_uuid() == named;
        let by_name = |it: &&Arc<Webhook>| it.name == named;
        let found = webhooks.iter().find(by_id).or_else(|| webhooks.iter().find(by_name));
        found.cloned().ok_or_else(|| {
            let known: Vec<_> = webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
            Problem::unknown_webhook(named, &known)
        })
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.now())
    }
}

/// Answers until `stop` is done, and then as long as answers under way take, but not for ever.
pub async fn serve_socket(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    serve(listener, desk, stop).await;
}

/// Takes reports and nothing else, from whoever may connect.
pub async fn serve_reports(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    let router = Router::new()
        .route("/v1/reports", post(reports::take))
        .fallback(async || Problem::not_found())
        .layer(DefaultBodyLimit::max(limits::REPORT_BYTES))
        .with_state(desk);
    serve_with(router, listener, stop).await;
}

/// The same on the network.
pub async fn serve_network(listener: Network, desk: Desk, stop: CancellationToken) {
    serve(listener, desk, stop).await;
}

async fn serve<L>(listener: L, desk: Desk, stop: CancellationToken)
where
    L: Listener<Addr: Debug>,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    serve_with(router(desk), listener, stop).await;
}

async fn serve_with<L>(router: Router, listener: L, stop: CancellationToken)
where
    L: Listener<Addr: Debug>,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let service = router.into_make_service_with_connect_info::<Peer>();
    let ending = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, service).with_graceful_shutdown(ending);
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving.into_future() => if let Err(error) = result {
            tracing::error!(%error, "the control API stopped");
        },
        () = out_of_patience => {}
    }
}

/// All operations, each with its description.
fn operations() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(document::head())
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::put, webhooks::patch, webhooks::delete))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::verify))
        .routes(routes!(webhooks::enable))
        .routes(routes!(webhooks::disable))
        .routes(routes!(rotation::rotate))
        .routes(routes!(recover::recover))
        .routes(routes!(logs::list))
        .routes(routes!(dead::list, dead::purge))
        .routes(routes!(dead::retry))
        .routes(routes!(reports::take))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(resend::render))
        .routes(routes!(resend::replay))
        .routes(routes!(messages::show))
        .routes(routes!(explain::explain))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::cancel))
        .routes(routes!(sources::list))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(reload::reload))
        .routes(routes!(event_types::list))
        .routes(routes!(lines::parse))
        .routes(routes!(audit::list))
        .routes(routes!(stream::listen))
        .routes(routes!(metrics::metrics))
        .merge(jetemail::operations())
        .merge(lettermint::operations())
}

/// Those that anybody may ask for.
fn operations_for_all() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(health::ready))
}

/// The description of all.
fn description() -> OpenApi {
    operations().into_openapi().merge_from(operations_for_all().into_openapi())
}

fn router(desk: Desk) -> Router {
    let document = document::served(&description());
    let for_all = Router::from(operations_for_all())
        .route("/openapi.json", get(async move || document))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(desk.clone(), caller::pace));
    Router::from(operations())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(desk.clone(), caller::check))
        .merge(for_all)
        .layer(middleware::from_fn(mounts::speak))
        .layer(DefaultBodyLimit::max(limits::API_BODY_BYTES))
        .with_state(desk)
}
