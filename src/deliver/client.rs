//! What all attempts share: the HTTP clients, one for each way of connecting, the egress policy that
//! each of them holds to, and what receivers say of the time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::{sync::watch, time::Instant};
use tracing::warn;

use super::{
    http::Http,
    resolve::{Guard, Lookup, Lookups, Resolver, System},
    skew::{Skew, SkewNews},
};
use crate::{
    config::{Connection, Webhook},
    egress::{Denied, Policy},
};

/// How long a way of connecting is kept that no attempt has used. Webhooks change at run time, and
/// with them their ways, so that all that were ever used are too many; those in use are as many as
/// there are webhooks at most.
const UNUSED: Duration = Duration::from_mins(10);

/// Sends requests over connections that it keeps. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: Mutex<Arc<Policy>>,
    lookups: Arc<Lookups>,
    ways: Mutex<HashMap<Connection, Way>>,
    skew: Mutex<Skew>,
    skew_news: watch::Sender<Option<SkewNews>>,
}

/// One way of connecting.
#[derive(Debug)]
struct Way {
    http: Http,
    used: Instant,
}

/// No client can be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Not even a plain one.
    #[error("set up TLS")]
    Setup(#[from] reqwest::Error),
    /// Not in the way that a webhook asks for.
    #[error("use the certificates, key or proxy of the webhook {webhook:?}")]
    Webhook {
        /// Its name.
        webhook: String,
        /// Why not.
        source: reqwest::Error,
    },
}

impl Client {
    /// A client that goes only where `policy` lets it.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(policy: Policy) -> Result<Self, ClientError> {
        let client = Self::with_lookup(policy, Arc::new(System));
        client.http(&Connection::default())?;
        Ok(client)
    }

    /// The same with another source of addresses.
    pub(super) fn with_lookup(policy: Policy, lookup: Arc<dyn Lookup>) -> Self {
        Self(Arc::new(Shared {
            policy: Mutex::new(Arc::new(policy)),
            lookups: Arc::new(Lookups::new(lookup)),
            ways: Mutex::default(),
            skew: Mutex::default(),
            skew_news: watch::Sender::new(None),
        }))
    }

    /// Goes where this policy lets it from now on. Connections that the one before let be made are
    /// used no more.
    pub fn set_policy(&self, policy: Policy) {
        let mut current = self.0.policy.lock().unwrap_or_else(PoisonError::into_inner);
        if **current != policy {
            *current = Arc::new(policy);
            self.ways().clear();
        }
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes ready for the attempts of `webhook`, and warns where they are not safe.
    ///
    /// # Errors
    /// Its certificates, keys or proxy cannot be used.
    pub fn prepare(&self, webhook: &Webhook) -> Result<(), ClientError> {
        let name = &webhook.name;
        let connection = &webhook.transport.connection;
        if connection.skips_verification {
            warn!(
                webhook = name,
                "the receiver's certificate is NOT checked (insecure_skip_verify)"
            );
        }
        if connection.proxy.is_some() {
            warn!(webhook = name, "a proxy resolves the receiver's name, unseen by [egress]");
        }
        let unusable = |source| ClientError::Webhook { webhook: name.clone(), source };
        self.http(connection).map(drop).map_err(unusable)
    }

    /// How far this machine's clock is ahead of its receivers' (webhooks.md §2.5); None while too
    /// few have said what time it is.
    #[must_use]
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        self.0.skew.lock().unwrap_or_else(PoisonError::into_inner).median()
    }

    /// Tells when the clock went wrong, and when it is right again.
    #[must_use]
    pub fn skew_news(&self) -> watch::Receiver<Option<SkewNews>> {
        self.0.skew_news.subscribe()
    }

    /// A receiver has said what time it is.
    pub(super) fn heard_time(&self, host: &str, date: Timestamp, between: [Timestamp; 2]) {
        let mut skew = self.0.skew.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = skew.observe(host, date, between) {
            news.tell();
            self.0.skew_news.send_replace(Some(news));
        }
    }

    /// Judges where a webhook is to be sent, as far as its URL tells.
    ///
    /// # Errors
    /// It is not allowed.
    pub(super) fn check(&self, webhook: &Webhook) -> Result<(), Denied> {
        self.policy().check_url(&webhook.url, webhook.url_rules())
    }

    /// The HTTP client that connects in this way.
    ///
    /// # Errors
    /// What was configured cannot be used.
    pub(super) fn http(&self, connection: &Connection) -> Result<Http, reqwest::Error> {
        let now = Instant::now();
        if let Some(way) = self.ways().get_mut(connection) {
            way.used = now;
            return Ok(way.http.clone());
        }
        // Reads the authorities of the system, which takes its time: others need not wait for it.
        let http = Http::new(connection, self.resolver(connection))?;
        let mut ways = self.ways();
        ways.retain(|_, way| now.duration_since(way.used) < UNUSED);
        let way = ways.entry(connection.clone()).or_insert(Way { http, used: now });
        Ok(way.http.clone())
    }

    fn ways(&self) -> MutexGuard<'_, HashMap<Connection, Way>> {
        self.0.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolver(&self, connection: &Connection) -> Resolver {
        let guard = Guard { policy: self.policy(), origin: connection.origin };
        let guard = connection.proxy.is_none().then_some(guard);
        Resolver { lookups: Arc::clone(&self.0.lookups), guard }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::secret::Hidden;

    fn by_proxy(number: u32) -> Connection {
        let proxy = Hidden::from(format!("http://proxy{number}.test:3128"));
        Connection { proxy: Some(proxy), ..Connection::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_shared_by_equal_settings_and_forgotten_when_nobody_uses_them() {
        let client = Client::new(Policy::default()).unwrap();
        for connection in [by_proxy(1), by_proxy(2), by_proxy(1), Connection::default()] {
            client.http(&connection).unwrap();
        }
        assert_eq!(client.ways().len(), 3);
        tokio::time::advance(UNUSED / 2).await;
        client.http(&by_proxy(2)).unwrap();
        tokio::time::advance(UNUSED / 2).await;
        client.http(&by_proxy(3)).unwrap();
        let ways = client.ways();
        assert_eq!(ways.len(), 2);
        assert!(ways.contains_key(&by_proxy(2)) && ways.contains_key(&by_proxy(3)));
    }
}
