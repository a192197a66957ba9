//! Resolves the names of receivers, and lets nobody connect to an address that the egress policy
//! has not seen (webhooks.md §2.7).
//!
//! reqwest asks for every new connection and connects only to what it is given here, so a name that
//! changes its mind between two connections is judged again. An address in place of a name never
//! comes here; it is judged with the URL.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{sync::watch, time::Instant};

use super::trace::Trace;
use crate::egress::{Denied, Origin, Policy, is_localhost};

/// Addresses of a name that are looked at.
const ADDRESSES: usize = 32;

/// Asks for the addresses of a name.
pub(super) trait Lookup: fmt::Debug + Send + Sync {
    /// All of them, or why there are none.
    fn addresses(&self, name: String) -> Found;
}

/// What a lookup gives.
pub(super) type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The resolver of this machine, `getaddrinfo(3)`: knows its hosts file and name services.
#[derive(Debug)]
pub(super) struct System;

impl Lookup for System {
    fn addresses(&self, name: String) -> Found {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Lookups under way, one for each name: `getaddrinfo(3)` takes a thread and cannot be interrupted,
/// so a name whose servers are silent must not take one for each attempt.
#[derive(Debug)]
pub(super) struct Lookups {
    lookup: Arc<dyn Lookup>,
    running: Arc<Mutex<HashMap<String, watch::Receiver<Answer>>>>,
}

/// None while the lookup runs.
type Answer = Option<Result<Arc<[IpAddr]>, LookupError>>;

/// Why a name has no address; for each of those who asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct LookupError(Arc<io::Error>);

impl Lookups {
    pub(super) fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup, running: Arc::default() }
    }

    /// The addresses of a name, from the lookup that runs already if there is one.
    async fn addresses(&self, name: &str) -> Result<Arc<[IpAddr]>, LookupError> {
        let mut answer = self.asked(name);
        let given = answer.wait_for(Option::is_some).await;
        let lost = || LookupError(Arc::new(io::Error::other("the lookup ended without an answer")));
        given.ok().and_then(|given| given.clone()).unwrap_or_else(|| Err(lost()))
    }

    fn asked(&self, name: &str) -> watch::Receiver<Answer> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.entry(name.to_owned()) {
            // One that ended without an answer is asked again.
            Entry::Occupied(entry) if entry.get().has_changed().is_ok() => entry.get().clone(),
            entry => entry.insert_entry(self.ask(name)).get().clone(),
        }
    }

    /// In a task of its own, which outlives whoever asks first.
    fn ask(&self, name: &str) -> watch::Receiver<Answer> {
        let (sender, receiver) = watch::channel(None);
        let (lookup, running) = (Arc::clone(&self.lookup), Arc::clone(&self.running));
        let name = name.to_owned();
        tokio::spawn(async move {
            let found = lookup.addresses(name.clone()).await.and_then(at_least_one);
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            let few = found.map(|all| all.into_iter().take(ADDRESSES).collect());
            sender.send_replace(Some(few.map_err(|error| LookupError(Arc::new(error)))));
        });
        receiver
    }
}

fn at_least_one(found: Vec<IpAddr>) -> io::Result<Vec<IpAddr>> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

/// The resolver of one HTTP client.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) lookups: Arc<Lookups>,
    /// What decides; None where only the name of a proxy, which the operator chose, is resolved.
    pub(super) guard: Option<Guard>,
}

/// Decides about the addresses of a name.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) policy: Arc<Policy>,
    pub(super) origin: Origin,
}

impl Guard {
    /// Those that are allowed; if there are none, why the first is not.
    fn allowed(&self, name: &str, found: &[IpAddr]) -> Result<Vec<IpAddr>, Denied> {
        let port = Trace::current().map(|trace| trace.port);
        let names_loopback = self.origin == Origin::File && is_localhost(name);
        let mut allowed = Vec::new();
        let mut first_denied = None;
        for &address in found {
            match self.policy.check_address(address, port, names_loopback) {
                Ok(()) => allowed.push(address),
                Err(denied) => first_denied = first_denied.or(Some(denied)),
            }
        }
        match first_denied {
            Some(denied) if allowed.is_empty() => Err(denied),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookups, guard) = (Arc::clone(&self.lookups), self.guard.clone());
        Box::pin(async move {
            let started = Instant::now();
            let found = lookups.addresses(name.as_str()).await?;
            if let Some(trace) = Trace::current() {
                trace.resolved_in(started.elapsed());
            }
            let allowed = match guard {
                Some(guard) => guard.allowed(name.as_str(), &found)?,
                None => found.to_vec(),
            };
            // Port 0 is replaced by that of the URL.
            let sockets = allowed.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
