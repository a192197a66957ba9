//! Who asks, and whether it may: root and the user that the daemon runs as on the unix socket,
//! anybody with a key (`Authorization: Bearer api_…`).

use std::{fmt, net::SocketAddr};

use axum::{
    extract::{
        ConnectInfo, RawPathParams, Request, State, connect_info::Connected,
        rejection::RawPathParamsRejection,
    },
    http::{HeaderMap, Method, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use rustix::process::geteuid;
use tokio::net::UnixListener;

use super::{
    Desk, audit::Asking, jetemail, lettermint, lines, mounts, network::Network, pace::Who,
    problem::Problem, reports,
};
use crate::{
    config::Webhook,
    secret::{ApiKey, Known, Owned, Role, TokenDigest},
};

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(super) enum Peer {
    /// A process on this machine, and its user; None when the kernel does not tell.
    Process(Option<u32>),
    /// Somebody on the network.
    Network(SocketAddr),
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self::Process(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

impl Connected<IncomingStream<'_, Network>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Network>) -> Self {
        Self::Network(*stream.remote_addr())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(_) => f.write_str("unix socket"),
            Self::Network(address) => write!(f, "{address}"),
        }
    }
}

/// Who asks, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// As the log of changes names it.
    pub(super) name: String,
    /// The key that it showed.
    pub(super) key: Option<TokenDigest>,
    role: Role,
    /// Whose events it may ask for.
    pub(super) owned: Owned,
}

/// Where a key may ask that does not own everything. What else there is tells of everybody's mail.
const OPEN_TO_OWNERS: [&str; 4] =
    [OF_WEBHOOKS, jetemail::PATH, lettermint::PATH, "/v1/event-types"];
const OF_WEBHOOKS: &str = "/v1/webhooks";
/// Where the first part of the path that a route leaves open is a webhook.
const NAME_WEBHOOKS: [&str; 3] = [OF_WEBHOOKS, jetemail::PATH, lettermint::PATH];

/// Lets those through who may ask that, not too often, and keeps who changed what.
pub(super) async fn check(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = admit(&desk.writer.api_keys().known(), peer, request.headers());
    let who = match &admitted {
        Ok(Caller { key: Some(key), .. }) => Who::Key(*key),
        _ => peer.who(),
    };
    if let Err(wait) = desk.guard.paces.admit(who) {
        return Problem::too_often(wait).into_response();
    }
    let caller = match admitted {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = caller.may_reach(request.uri().path(), params.as_ref().ok(), &desk) {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller.clone());
    if changes_nothing(&request) {
        return next.run(request).await;
    }
    if caller.role != Role::Admin {
        return Problem::read_only().into_response();
    }
    if request.uri().path() == reports::PATH {
        // Mail that comes in is no change that somebody makes.
        return next.run(request).await;
    }
    let asking = Asking::of(&request, params.as_ref().ok(), caller, peer);
    let response = next.run(request).await;
    let row = asking.row(&response, desk.now_ms());
    match desk.writer.audit(row).await {
        Ok(()) => response,
        Err(stopped) => Problem::from(stopped).into_response(),
    }
}

/// Lets everybody through, not too often.
pub(super) async fn pace(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match desk.guard.paces.admit(peer.who()) {
        Ok(()) => next.run(request).await,
        Err(wait) => Problem::too_often(wait).into_response(),
    }
}

/// Could who owns that have made this webhook?
pub(super) fn is_seen(owned: &Owned, webhook: &Webhook) -> bool {
    let (users, domains) = (webhook.filter_users.as_deref(), webhook.filter_domains.as_deref());
    owned.is_everything() || (webhook.made.is_some() && owned.covers(users, domains))
}

impl Caller {
    /// Somebody who may ask for everything.
    fn of_host(uid: u32) -> Self {
        let (name, owned) = (format!("user {uid}"), Owned::default());
        Self { name, key: None, role: Role::Admin, owned }
    }

    /// A key that does not own everything sees the webhooks that it could have made itself.
    pub(super) fn sees(&self, webhook: &Webhook) -> bool {
        is_seen(&self.owned, webhook)
    }

    fn may_reach(
        &self,
        path: &str,
        params: Option<&RawPathParams>,
        desk: &Desk,
    ) -> Result<(), Problem> {
        if self.owned.is_everything() {
            return Ok(());
        }
        let is_below = |open: &str| mounts::is_below(path, open);
        if !OPEN_TO_OWNERS.into_iter().any(is_below) {
            return Err(Problem::not_owner());
        }
        // What stands behind it in the path is the webhook, whatever is asked of that.
        let names_one = NAME_WEBHOOKS.into_iter().any(is_below);
        let mut named = params.into_iter().flatten().filter(|_| names_one);
        match named.next() {
            Some((_, name)) if !desk.webhook(name).is_ok_and(|it| self.sees(&it)) => {
                Err(Problem::unknown_webhook(name, &[]))
            }
            _ => Ok(()),
        }
    }
}

impl Peer {
    /// Who is counted when no key is shown.
    fn who(self) -> Who {
        match self {
            Self::Process(uid) => Who::User(uid),
            Self::Network(address) => Who::stranger(address.ip()),
        }
    }
}

fn changes_nothing(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        || [lines::PATH, jetemail::QUERY_PATH].contains(&request.uri().path())
}

fn admit(keys: &Known, peer: Peer, headers: &HeaderMap) -> Result<Caller, Problem> {
    if let Some(authorization) = headers.get(AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(bearer);
        let digest = token.map(TokenDigest::of);
        let key = digest.and_then(|digest| Some((digest, keys.get(&digest)?)));
        let caller = key.map(|(digest, key)| {
            let ApiKey { name, role, owned, .. } = key.clone();
            Caller { name, key: Some(digest), role, owned }
        });
        return caller.ok_or_else(Problem::unknown_key);
    }
    match peer {
        Peer::Process(Some(uid)) if uid == 0 || uid == geteuid().as_raw() => {
            Ok(Caller::of_host(uid))
        }
        Peer::Process(_) => Err(Problem::forbidden()),
        Peer::Network(_) => Err(Problem::without_key()),
    }
}

/// The key in `Bearer api_…`; the word is the same in any case (RFC 7235, section 2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{collections::BTreeMap, sync::Arc};

    use super::*;

    const NETWORK: Peer =
        Peer::Network(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000));

    fn admitted(peer: Peer, authorization: Option<&str>) -> Result<(String, Role), String> {
        let owned = Owned::default();
        let key = ApiKey { name: "graphs".into(), role: Role::Read, created_ms: 0, owned };
        let known: Known = Arc::new(BTreeMap::from([(TokenDigest::of("api_abc"), key)]));
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        let caller = admit(&known, peer, &headers);
        caller.map(|caller| (caller.name, caller.role)).map_err(|problem| problem.code)
    }

    #[test]
    fn root_and_the_own_user_may_ask_on_the_socket_and_nobody_else() {
        let own = geteuid().as_raw();
        for (uid, allowed) in
            [(Some(0), true), (Some(own), true), (Some(own + 1), false), (None, false)]
        {
            let admitted = admitted(Peer::Process(uid), None);
            assert_eq!(admitted.is_ok(), allowed, "{uid:?}");
            if !allowed {
                assert_eq!(admitted, Err("forbidden".into()));
            }
        }
    }

    #[test]
    fn over_the_network_a_key_is_needed_and_says_what_it_allows() {
        let graphs = Ok(("graphs".to_owned(), Role::Read));
        assert_eq!(admitted(NETWORK, Some("Bearer api_abc")), graphs);
        assert_eq!(admitted(NETWORK, Some("bearer  api_abc ")), graphs);
        for wrong in ["Bearer api_abd", "Basic api_abc", "api_abc", "Bearer", "Bearer "] {
            assert_eq!(admitted(NETWORK, Some(wrong)), Err("unknown_key".into()), "{wrong}");
        }
        assert_eq!(admitted(NETWORK, None), Err("no_key".into()));
    }

    #[test]
    fn a_key_speaks_for_whoever_gives_it_on_the_socket_too() {
        assert_eq!(
            admitted(Peer::Process(Some(0)), Some("Bearer api_abc")),
            Ok(("graphs".to_owned(), Role::Read))
        );
        assert_eq!(
            admitted(Peer::Process(Some(0)), Some("Bearer nonsense")),
            Err("unknown_key".into())
        );
    }
}
