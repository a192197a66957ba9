//! What all attempts share: the HTTP clients, one for each way of connecting, the egress policy that
//! each of them holds to, and what receivers say of the time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tracing::warn;

use super::{
    http::Http,
    resolve::{Guard, Lookup, Lookups, Resolver, System},
    skew::Skew,
};
use crate::{
    config::{Connection, Webhook},
    egress::{Denied, Policy},
};

/// Ways of connecting that are kept. Webhooks come and go at run time, and with them their ways;
/// beyond this many all are made anew, which costs the open connections and no more.
const WAYS: usize = 64;

/// Sends requests over connections that it keeps. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: Arc<Policy>,
    lookups: Arc<Lookups>,
    ways: Mutex<HashMap<Connection, Http>>,
    skew: Mutex<Skew>,
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
            policy: Arc::new(policy),
            lookups: Arc::new(Lookups::new(lookup)),
            ways: Mutex::default(),
            skew: Mutex::default(),
        }))
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

    /// A receiver has said what time it is.
    pub(super) fn heard_time(&self, host: &str, date: Timestamp, between: [Timestamp; 2]) {
        let mut skew = self.0.skew.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = skew.observe(host, date, between) {
            news.tell();
        }
    }

    /// Judges where a webhook is to be sent, as far as its URL tells.
    ///
    /// # Errors
    /// It is not allowed.
    pub(super) fn check(&self, webhook: &Webhook) -> Result<(), Denied> {
        self.0.policy.check_url(&webhook.url, webhook.url_rules())
    }

    /// The HTTP client that connects in this way.
    ///
    /// # Errors
    /// What was configured cannot be used.
    pub(super) fn http(&self, connection: &Connection) -> Result<Http, reqwest::Error> {
        let mut ways = self.0.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(http) = ways.get(connection) {
            return Ok(http.clone());
        }
        let http = Http::new(connection, self.resolver(connection))?;
        if ways.len() >= WAYS {
            ways.clear();
        }
        ways.insert(connection.clone(), http.clone());
        Ok(http)
    }

    fn resolver(&self, connection: &Connection) -> Resolver {
        let guard = Guard { policy: Arc::clone(&self.0.policy), origin: connection.origin };
        let guard = connection.proxy.is_none().then_some(guard);
        Resolver { lookups: Arc::clone(&self.0.lookups), guard }
    }
}
