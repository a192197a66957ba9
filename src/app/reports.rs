//! Reads the reports that milters took out of the mail.

use std::time::Duration;

use tokio::{sync::mpsc::Receiver, time::sleep};
use tokio_util::sync::CancellationToken;

use super::pipeline::Pipeline;
use crate::{
    clock::SharedClock,
    config::Config,
    report::{Desk, Stories},
    search::Search,
    source::milter::Captured,
};

/// Before a report is tried again that could not be taken in.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes reports in by this configuration.
pub(super) fn desk(config: &Config, pipeline: &Pipeline, clock: SharedClock) -> Desk<Search> {
    Desk::new(config.reports.clone(), pipeline.search(), pipeline.writer(), clock)
}

/// Takes one after the other until `stop`: what waits then is lost, and lies in a mailbox.
pub(super) async fn take_all<S: Stories>(
    mut inbox: Receiver<Captured>,
    desk: Desk<S>,
    stop: CancellationToken,
) {
    let work = async {
        while let Some(captured) = inbox.recv().await {
            // A disk that is full takes nothing in; when the writer has ended, `stop` is near.
            while desk.take(&captured.mail, true).await.is_err() {
                sleep(PAUSE).await;
            }
        }
    };
    stop.run_until_cancelled(work).await;
}
