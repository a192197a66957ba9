//! The disk was full before anybody stopped reading: the store is closed, what was not committed is
//! read and sent again. Nothing can be done until there is room; then all goes on.

use std::time::Duration;

use super::{AppError, service, signals::Signals};
use crate::{config::Config, store::Space};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until there is room. False when a signal came first.
pub(super) async fn wait(config: &Config, error: &AppError) -> Result<bool, AppError> {
    let mut signals = Signals::install()?;
    let state_dir = config.state_dir.display();
    tracing::error!(
        health = "degraded",
        error = %deepest(error),
        %state_dir,
        "disk full: nothing is read or sent until there is room; the logs wait"
    );
    service::status("disk full: nothing is read or sent until there is room");
    loop {
        tokio::select! {
            () = signals.next() => return Ok(false),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        service::alive(LOOK_EVERY);
        let space = Space::of(&config.state_dir).map_err(AppError::system("look at the disk"))?;
        if space.free >= config.store.min_free.unwrap_or_else(|| space.min_free()) {
            tracing::warn!(health = "ok", free = space.free, "there is room again");
            return Ok(true);
        }
    }
}

fn deepest(error: &AppError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
