//! What a new connection costs, by part.
//!
//! reqwest tells nobody when it connects. But it does so in the task of the request that needs the
//! connection, so a value of that task is where the resolver and a layer around the connector can
//! leave what they measure. A connection that is still being made when the request got another
//! one is finished elsewhere, and not counted.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// One request: where it goes, and what its connection cost.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The port it goes to, which a resolver is not told.
    pub(super) port: u16,
    spent: Mutex<Spent>,
}

/// What the parts of a new connection took; None for what there was not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// Resolving the name.
    pub(super) dns: Option<Duration>,
    /// TCP and TLS.
    pub(super) connect: Option<Duration>,
}

impl Trace {
    pub(super) fn new(port: u16) -> Arc<Self> {
        Arc::new(Self { port, ..Self::default() })
    }

    /// Runs a request, which leaves here what it measures.
    pub(super) async fn around<F: Future>(self: Arc<Self>, request: F) -> F::Output {
        CURRENT.scope(self, request).await
    }

    /// The one of the request in whose task this is called.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(super) fn spent(&self) -> Spent {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn resolved_in(&self, took: Duration) {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).dns = Some(took);
    }

    /// `took`: from before the name was resolved.
    fn connected_in(&self, took: Duration) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.connect = Some(took.saturating_sub(spent.dns.unwrap_or_default()));
    }
}

/// Measures a connector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing;

impl<S> Layer<S> for Timing {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed(inner)
    }
}

/// A connector that is measured.
#[derive(Debug, Clone)]
pub(super) struct Timed<S>(S);

impl<S, Target> Service<Target> for Timed<S>
where
    S: Service<Target>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            let started = Instant::now();
            let result = connecting.await;
            if result.is_ok()
                && let Some(trace) = Trace::current()
            {
                trace.connected_in(started.elapsed());
            }
            result
        })
    }
}
