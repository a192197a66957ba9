//! A sender for each webhook, also for those that come while the program runs. One whose webhook goes
//! ends by itself: the writer has nothing more for it.

use std::collections::BTreeSet;

use tokio::task::{JoinError, JoinSet};

use super::{End, Shared, serve};
use crate::{config::WebhookId, writer::Webhooks};

/// Serves all webhooks, or `only` one, until stopped, or until all is read and sent but what waits for
/// a retry; gives whether something does.
pub(in crate::app) async fn serve_all(only: Option<WebhookId>, shared: Shared) -> bool {
    let mut changes = shared.writer.webhooks().changes();
    let mut senders = Senders {
        only,
        shared,
        running: JoinSet::new(),
        served: BTreeSet::new(),
        places: 0,
        retries_wait: false,
    };
    let (stop, input_ended) = (senders.shared.stop.clone(), senders.shared.input_ended.clone());
    loop {
        let webhooks = changes.borrow_and_update().clone();
        senders.start_missing(&webhooks);
        let is_idle = senders.running.is_empty();
        let ended = tokio::select! {
            // The roster lives as long as the handle to the writer in `shared`.
            _ = changes.changed() => continue,
            ended = senders.running.join_next(), if !is_idle => ended,
            () = stop.cancelled(), if is_idle => break,
            () = input_ended.cancelled(), if is_idle => break,
        };
        if let Some(ended) = ended {
            senders.note(ended).await;
        }
    }
    senders.retries_wait
}

/// All senders.
struct Senders {
    only: Option<WebhookId>,
    shared: Shared,
    running: JoinSet<(WebhookId, End)>,
    /// Whom somebody sends to, or has sent all to.
    served: BTreeSet<WebhookId>,
    /// Numbers given out.
    places: usize,
    retries_wait: bool,
}

impl Senders {
    /// Starts a sender for each webhook that has none.
    fn start_missing(&mut self, webhooks: &Webhooks) {
        let is_meant = |id| self.only.is_none_or(|only| only == id);
        for webhook in webhooks.iter().filter(|webhook| is_meant(webhook.id)) {
            if !self.shared.stop.is_cancelled() && self.served.insert(webhook.id) {
                let (id, place) = (webhook.id, self.places);
                self.places += 1;
                let serving = serve(place, webhook.clone(), self.shared.clone());
                self.running.spawn(async move { (id, serving.await) });
            }
        }
    }

    async fn note(&mut self, ended: Result<(WebhookId, End), JoinError>) {
        match ended {
            Ok((id, End::Gone)) => {
                self.shared.writer.let_go(id).await;
                // It may be back already.
                self.served.remove(&id);
            }
            Ok((_, End::Drained { retries_wait })) => self.retries_wait |= retries_wait,
            // A panic ends the process.
            Ok((_, End::Stopped)) | Err(_) => {}
        }
    }
}
