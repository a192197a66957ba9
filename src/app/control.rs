//! The control API beside the rooms. Mail events matter more: a daemon that cannot be asked goes on.

use std::path::Path;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Desk, socket};

/// Listens in the state directory until `stop`.
pub(super) fn start(state_dir: &Path, desk: Desk, runtime: &Runtime, stop: CancellationToken) {
    // The socket registers with the runtime when it is made.
    let _context = runtime.enter();
    match socket::listen(state_dir) {
        Ok(listener) => drop(runtime.spawn(api::serve(listener, desk, stop))),
        Err(error) => tracing::error!(
            path = %socket::path(state_dir).display(),
            %error,
            "no control API: commands that need the daemon will not find it"
        ),
    }
}
