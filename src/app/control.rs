//! The control API beside the rooms. Mail events matter more: a daemon that cannot be asked goes on.

use std::net::SocketAddr;

use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        self, Desk,
        network::Network,
        socket,
        tls::{Tls, TlsError},
    },
    config::{Api, Config, ReportSocket, ServerIdentity},
};

/// Listens in the state directory, and where the configuration says, until `stop`. Gives what a
/// renewed certificate is put into, if the address has one.
pub(super) fn start(
    config: &Config,
    desk: Desk,
    runtime: &Runtime,
    stop: CancellationToken,
) -> Option<Tls> {
    // The socket registers with the runtime when it is made.
    let _context = runtime.enter();
    let tls = config.api.as_ref().and_then(|api| {
        let tls = tls(api, desk.clock.now()).inspect_err(|error| {
            tracing::error!(%error, "the control API is only on its unix socket: there is no TLS");
        });
        let tls = tls.ok()?;
        drop(runtime.spawn(serve_network(api.address, tls.clone(), desk.clone(), stop.clone())));
        tls
    });
    if let Some(ReportSocket { path, mode }) = &config.reports.socket {
        match socket::listen_at(path, *mode) {
            Ok(listener) => {
                drop(runtime.spawn(api::serve_reports(listener, desk.clone(), stop.clone())));
            }
            Err(error) => tracing::error!(
                path = %path.display(),
                %error,
                "no socket for reports: pipes of other users will not find it"
            ),
        }
    }
    match socket::listen(&config.state_dir) {
        Ok(listener) => drop(runtime.spawn(api::serve_socket(listener, desk, stop))),
        Err(error) => tracing::error!(
            path = %socket::path(&config.state_dir).display(),
            %error,
            "no control API: commands that need the daemon will not find it"
        ),
    }
    tls
}

fn tls(api: &Api, now: Timestamp) -> Result<Option<Tls>, TlsError> {
    let Some(identity) = &api.tls else { return Ok(None) };
    say_validity(identity, now);
    Tls::new(identity.clone()).map(Some)
}

/// Says when the certificate is not valid, or will not be for long.
pub(super) fn say_validity(identity: &ServerIdentity, now: Timestamp) {
    if let Some(validity) = identity.validity(now) {
        tracing::warn!("the control API: {validity}");
    }
}

async fn serve_network(address: SocketAddr, tls: Option<Tls>, desk: Desk, stop: CancellationToken) {
    match Network::listen(address, tls).await {
        Ok(network) => api::serve_network(network, desk, stop).await,
        Err(error) => tracing::error!(
            %address,
            %error,
            "the control API is only on its unix socket: set `listen` of [api] to another address, \
             or to \"none\""
        ),
    }
}
