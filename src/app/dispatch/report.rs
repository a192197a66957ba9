//! Takes what became of attempts to the writer, many at once when many end: each message may wake
//! its thread, and that costs as much as what it then does.

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::yield_now,
};

use crate::{config::WebhookId, queue::delivery::Finished, writer::WriterHandle};

/// Results that are taken to the writer at once.
const TOGETHER: usize = 256;

/// What became of an attempt. Its slot of the webhook is taken until the writer has heard of it.
pub(super) struct Ended {
    pub(super) finished: Finished,
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

/// Reports what comes, until nothing can come any more; `told` after each time.
pub(super) async fn report(
    webhook: WebhookId,
    writer: WriterHandle,
    mut results: mpsc::Receiver<Ended>,
    told: impl Fn() + Send,
) {
    let mut together = Vec::new();
    while results.recv_many(&mut together, 1).await > 0 {
        // Attempts that have ended as well get their turn.
        yield_now().await;
        while together.len() < TOGETHER
            && let Ok(result) = results.try_recv()
        {
            together.push(result);
        }
        let (finished, slots): (Vec<_>, Vec<_>) =
            together.drain(..).map(|result| (result.finished, result.slot)).unzip();
        // Without a writer the results are lost, and the deliveries due again at the next start.
        drop(writer.finish_all(webhook, finished).await);
        drop(slots);
        told();
    }
}
