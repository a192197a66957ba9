//! Reads the reports that milters took out of the mail.

use std::time::Duration;

use tokio::{
    sync::{mpsc::Receiver, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::pipeline::Pipeline;
use crate::{
    clock::SharedClock,
    config::Config,
    limits::REPORTS_AT_ONCE,
    report::{Desk, Logs, Stories},
    search::Search,
    source::{Health, milter::Captured},
};

/// Before a report is tried again that could not be taken in.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes reports in by this configuration. Those that wait for the sources wait until `stop`.
pub(super) fn desk(
    config: &Config,
    pipeline: &Pipeline,
    sources: &[(String, watch::Receiver<Health>)],
    clock: &SharedClock,
    stop: &CancellationToken,
) -> Desk<Search> {
    let sources = sources.iter().map(|(_, health)| health.clone());
    let logs = Logs::new(sources, SharedClock::clone(clock), stop.clone());
    let (settings, clock) = (config.reports.clone(), SharedClock::clone(clock));
    Desk::new(settings, pipeline.search(), logs, pipeline.writer(), clock)
}

/// Takes in what comes, some at once: one that waits for the logs holds up no other. Ends when the
/// milters have ended and all is taken in; what could not be is lost then, and lies in a mailbox.
pub(super) async fn take_all<S: Stories>(
    mut inbox: Receiver<Captured>,
    desk: Desk<S>,
    stop: CancellationToken,
) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            captured = inbox.recv(), if under_way.len() < REPORTS_AT_ONCE => match captured {
                Some(captured) => drop(under_way.spawn(take(captured, desk.clone(), stop.clone()))),
                None => break,
            },
            Some(_) = under_way.join_next() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn take<S: Stories>(captured: Captured, desk: Desk<S>, stop: CancellationToken) {
    // A disk that is full takes nothing in.
    while desk.take_now_or_never(&captured.mail).await.is_err() {
        if stop.run_until_cancelled(sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}
