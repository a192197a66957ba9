//! The control API beside the rooms. Mail events matter more: a daemon that cannot be asked goes on.

use std::net::SocketAddr;

use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Desk, socket},
    config::{Config, ReportSocket},
};

/// Listens in the state directory, and where the configuration says, until `stop`.
pub(super) fn start(config: &Config, desk: Desk, runtime: &Runtime, stop: CancellationToken) {
    // The socket registers with the runtime when it is made.
    let _context = runtime.enter();
    if let Some(address) = config.api {
        drop(runtime.spawn(serve_network(address, desk.clone(), stop.clone())));
    }
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
}

async fn serve_network(address: SocketAddr, desk: Desk, stop: CancellationToken) {
    match TcpListener::bind(address).await {
        Ok(listener) => api::serve_network(listener, desk, stop).await,
        Err(error) => tracing::error!(
            %address,
            %error,
            "the control API is only on its unix socket: set `listen` of [api] to another address, \
             or to \"none\""
        ),
    }
}
