//! Who may ask: root, and the user that the daemon runs as. The kernel says who it is.

use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use rustix::process::geteuid;
use tokio::net::UnixListener;

use super::problem::Problem;

/// The user at the other end of a connection; None when the kernel does not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

impl Caller {
    fn is_allowed(self) -> bool {
        self.0.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw())
    }
}

/// Refuses everybody else.
pub(super) async fn check(
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Request,
    next: Next,
) -> Response {
    if caller.is_allowed() { next.run(request).await } else { Problem::forbidden().into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_may_ask_and_nobody_else() {
        let own = geteuid().as_raw();
        for (uid, allowed) in
            [(Some(0), true), (Some(own), true), (Some(own + 1), false), (None, false)]
        {
            assert_eq!(Caller(uid).is_allowed(), allowed, "{uid:?}");
        }
    }
}
