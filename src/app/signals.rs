//! SIGTERM and Ctrl-C: the first asks to end, the second ends. SIGHUP asks for a reload.

use std::sync::Arc;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use tokio_util::task::AbortOnDropHandle;

use super::AppError;

/// Exit status after a second signal: killed, in the shell's convention for SIGTERM.
const SECOND_SIGNAL_EXIT: i32 = 128 + 15;

/// SIGHUP, from the moment it is made. One that comes while nobody waits for it is kept, and several
/// of them are one. Cheap to clone; of all clones one is told.
#[derive(Debug, Clone)]
pub(super) struct Hangups(Arc<Notify>);

impl Hangups {
    /// Installs the handler. Must be called on a runtime, which must live on.
    pub(super) fn install() -> Result<Self, AppError> {
        let signal = signal(SignalKind::hangup());
        let mut signal = signal.map_err(AppError::system("install a signal handler"))?;
        let hangups = Self(Arc::default());
        let kept = hangups.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                kept.0.notify_one();
            }
        });
        Ok(hangups)
    }

    /// The next one, or the one that was kept.
    ///
    /// # Cancel safety
    /// What is not waited for to its end loses none.
    pub(super) async fn next(&self) {
        self.0.notified().await;
    }
}

/// Listens from the moment it is made.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. Must be called on a runtime.
    pub(super) fn install() -> Result<Self, AppError> {
        let handler = |kind| signal(kind).map_err(AppError::system("install a signal handler"));
        let terminate = handler(SignalKind::terminate())?;
        let interrupt = handler(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// From now on, until the answer is dropped, a signal ends the process at once: what is under
    /// way is due again at the next start.
    pub(super) fn exit_on_next(mut self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            self.next().await;
            tracing::warn!("second signal: exit at once");
            std::process::exit(SECOND_SIGNAL_EXIT);
        }))
    }
}
