//! Who asks, and whether it may: root and the user that the daemon runs as on the unix socket,
//! anybody with a key (`Authorization: Bearer api_…`).

use std::{fmt, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderMap, Method, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use rustix::process::geteuid;
use tokio::net::UnixListener;

use super::{Desk, audit::Asking, lines, network::Network, pace::Who, problem::Problem, reports};
use crate::secret::{Known, Role, TokenDigest};

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
}

/// Lets those through who may ask that, not too often, and keeps who changed what.
pub(super) async fn check(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
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
    if changes_nothing(&request) {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    if caller.role != Role::Admin {
        return Problem::read_only().into_response();
    }
    if request.uri().path() == reports::PATH {
        // Mail that comes in is no change that somebody makes.
        return next.run(request).await;
    }
    let asking = Asking::of(&request, caller, peer);
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
    matches!(*request.method(), Method::GET | Method::HEAD) || request.uri().path() == lines::PATH
}

fn admit(keys: &Known, peer: Peer, headers: &HeaderMap) -> Result<Caller, Problem> {
    if let Some(authorization) = headers.get(AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(bearer);
        let digest = token.map(TokenDigest::of);
        let key = digest.and_then(|digest| Some((digest, keys.get(&digest)?)));
        let caller = key.map(|(digest, key)| Caller {
            name: key.name.clone(),
            key: Some(digest),
            role: key.role,
        });
        return caller.ok_or_else(Problem::unknown_key);
    }
    match peer {
        Peer::Process(Some(uid)) if uid == 0 || uid == geteuid().as_raw() => {
            Ok(Caller { name: format!("user {uid}"), key: None, role: Role::Admin })
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
    use crate::secret::ApiKey;

    const NETWORK: Peer =
        Peer::Network(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000));

    fn admitted(peer: Peer, authorization: Option<&str>) -> Result<(String, Role), String> {
        let key = ApiKey { name: "graphs".into(), role: Role::Read, created_ms: 0 };
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
