//! What systemd is told (`sd_notify(3)`): that we are ready, how we are, that we are ending, and that
//! the writer works. Without systemd nothing of it goes anywhere.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

use crate::api::{Desk, health::Reason};

/// Between two looks at how we are.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a start takes that has no store to read, at the very most.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// Bytes that a disk reads in a second, at the very least.
const SLOW_DISK: u64 = 10 * 1024 * 1024;

/// Tells that we are ready once all sources are open, and from then on how we are, until the end.
pub(super) async fn tell(desk: Desk) {
    let mut has_begun = desk.has_begun.clone();
    if has_begun.wait_for(|has_begun| *has_begun).await.is_err() {
        return;
    }
    let mut before = words(&desk, &desk.troubles().await);
    send(&[NotifyState::Ready, NotifyState::Status(&before)]);
    while !desk.stop.is_cancelled() {
        tokio::select! {
            () = desk.stop.cancelled() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let now = words(&desk, &desk.troubles().await);
        if now != before {
            status(&now);
            before = now;
        }
    }
}

fn words(desk: &Desk, troubles: &[Reason]) -> String {
    if troubles.is_empty() {
        let (sources, webhooks) = (desk.sources.len(), desk.webhooks().len());
        return format!("running: {sources} sources, {webhooks} webhooks");
    }
    let of = |reason: &Reason| match &reason.source {
        Some(source) => format!("{source}: {}", reason.detail),
        None => reason.detail.clone(),
    };
    troubles.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// Tells how we are.
pub(super) fn status(words: &str) {
    send(&[NotifyState::Status(words)]);
}

/// A store of that size is opened, which reads all of it, and twice after a crash. The start may take
/// as long as the slowest disk needs for that.
pub(super) fn opening(bytes: u64) {
    let patience = START_PATIENCE + Duration::from_secs(2 * bytes / SLOW_DISK);
    // The library's own word for it ends at 71 minutes.
    let extend = format!("EXTEND_TIMEOUT_USEC={}", patience.as_micros());
    send(&[NotifyState::Status("starting: the store is opened"), NotifyState::Custom(&extend)]);
}

/// The configuration is read again. Nothing is said while the start is not over.
pub(super) fn reloading(desk: &Desk) {
    if *desk.has_begun.borrow()
        && let Ok(now) = NotifyState::monotonic_usec_now()
    {
        send(&[NotifyState::Reloading, now]);
    }
}

/// It was, whatever came of it.
pub(super) fn reloaded(desk: &Desk) {
    if *desk.has_begun.borrow() {
        send(&[NotifyState::Ready]);
    }
}

/// We are ending.
pub(super) fn stopping() {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status("ending: deliveries under way are waited for"),
    ]);
}

/// The writer works. It says so itself, and nobody else does.
pub(super) fn feed_watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// We wait, and will say so again after `next`: also while the start is not over.
pub(super) fn alive(next: Duration) {
    // Looking at the disk takes its time, too.
    let patience_us = u32::try_from((next * 10).as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(patience_us)]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
