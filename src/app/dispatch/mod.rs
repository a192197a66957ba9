//! Keeps each webhook supplied: claims what is due, lets attempts run side by side, reports what
//! became of them. [`serve_all`] has a sender for each webhook that there is.
//!
//! Which delivery is due, whether its endpoint may be asked and what a result means is `queue`'s and
//! the writer's; how a POST is made is `deliver`'s. Here is only the loop between them.

mod all;
mod pace;
mod report;
mod transport;
mod turnstile;

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    complaints::Complaints,
    fate::{fate, sighting},
};
use crate::{
    config::Webhook,
    queue::delivery::{Claim, Finished},
    writer::{Access, Claimed, Stopped, Webhooks, WriterHandle},
};

pub(super) use all::serve_all;
pub(super) use pace::Pace;
use report::{Ended, report};
pub(super) use transport::{Http, Transport};
use turnstile::Slot;
pub(super) use turnstile::Turnstile;

/// Deliveries claimed ahead, as a multiple of the webhook's concurrency, so that a free slot does
/// not wait for the writer.
const CLAIM_AHEAD: usize = 4;
/// The longest sleep until a retry: somebody may have enabled the webhook meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the loops of all webhooks share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) writer: WriterHandle,
    pub(super) transport: Arc<dyn Transport>,
    /// Attempts under way at once, over all webhooks.
    pub(super) slots: Arc<Turnstile>,
    /// Spreads attempts over time, when there is a rate.
    pub(super) pace: Option<Arc<Pace>>,
    /// No new attempt is started once this is cancelled.
    pub(super) stop: CancellationToken,
    /// Everything that will be read has been read: end when nothing is left to send.
    pub(super) input_ended: CancellationToken,
}

/// How a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to stop.
    Stopped,
    /// There is no such webhook any more.
    Gone,
    /// All was sent, but for deliveries that wait for a retry, if `retries_wait`.
    Drained { retries_wait: bool },
}

/// Serves a webhook until stopped or drained, or until it is gone, and waits for the attempts under
/// way. `place` is its number among those that share slots.
async fn serve(place: usize, webhook: Arc<Webhook>, shared: Shared) -> End {
    shared.slots.join(place, webhook.concurrency);
    let attempts = TaskTracker::new();
    let finished = Arc::new(Notify::new());
    let (results, ended) = mpsc::channel(webhook.concurrency.max(1));
    let told = Arc::clone(&finished);
    attempts.spawn(report(webhook.id, shared.writer.clone(), ended, move || told.notify_one()));
    let slots = Arc::clone(&shared.slots);
    let sender = Sender {
        changes: shared.writer.webhooks().changes(),
        place,
        free: Arc::new(Semaphore::new(webhook.concurrency)),
        webhook,
        shared,
        attempts: attempts.clone(),
        results,
        finished,
        complaints: Arc::default(),
        claimed: VecDeque::new(),
        is_careful: true,
        is_shut: Arc::default(),
    };
    let end = sender.run().await.unwrap_or(End::Stopped);
    attempts.close();
    attempts.wait().await;
    slots.leave(place);
    end
}

struct Sender {
    place: usize,
    /// As it was when something was last claimed for it.
    webhook: Arc<Webhook>,
    /// Tells when it may be another one.
    changes: watch::Receiver<Webhooks>,
    shared: Shared,
    free: Arc<Semaphore>,
    attempts: TaskTracker,
    /// Where attempts leave what they came to.
    results: mpsc::Sender<Ended>,
    /// Told whenever the writer has heard of attempts that have ended.
    finished: Arc<Notify>,
    complaints: Arc<Complaints>,
    claimed: VecDeque<Claim>,
    /// Claims no more than can be begun at once.
    is_careful: bool,
    /// What is claimed may not be begun any more.
    is_shut: Arc<AtomicBool>,
}

impl Sender {
    async fn run(mut self) -> Result<End, Stopped> {
        let mut durable = self.shared.writer.durable();
        while !self.shared.stop.is_cancelled() {
            durable.mark_unchanged();
            self.changes.mark_unchanged();
            // Asked before the claim: what ended or was read in between may not be in the answer.
            let input_open = !self.shared.input_ended.is_cancelled();
            let is_last = !input_open && self.is_idle();
            let Some(answer) = self.claim().await? else { return Ok(End::Gone) };
            if self.claimed.is_empty() && !answer.more {
                if is_last && answer.settled && answer.access != Access::Paced {
                    let retries_wait =
                        answer.next_due_ms.is_some() || answer.access == Access::Held;
                    return Ok(End::Drained { retries_wait });
                }
                self.wait(&mut durable, &answer, input_open).await;
                continue;
            }
            if !self.start_all().await? {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Stopped)
    }

    /// What is due; None when the webhook is gone.
    async fn claim(&mut self) -> Result<Option<Claimed>, Stopped> {
        let max = if self.is_careful {
            self.free.available_permits()
        } else {
            self.webhook.concurrency.saturating_mul(CLAIM_AHEAD)
        };
        let mut answer = self.shared.writer.claim(self.webhook.id, max).await?;
        let Some(webhook) = answer.webhook.take() else { return Ok(None) };
        self.turn_into(webhook);
        self.claimed.extend(answer.claims.drain(..));
        self.is_careful = answer.is_careful;
        self.is_shut = Arc::clone(&answer.is_shut);
        Ok(Some(answer))
    }

    /// From now on the webhook is as it is here. Attempts that were begun before keep the slots that
    /// they have.
    fn turn_into(&mut self, webhook: Arc<Webhook>) {
        if webhook.concurrency != self.webhook.concurrency {
            self.shared.slots.join(self.place, webhook.concurrency);
            self.free = Arc::new(Semaphore::new(webhook.concurrency));
        }
        self.webhook = webhook;
    }

    /// No attempt is under way, and the writer knows the results of all.
    fn is_idle(&self) -> bool {
        self.free.available_permits() == self.webhook.concurrency
    }

    /// Waits for new events, a due retry, the end of an attempt, or the end of all.
    async fn wait(
        &mut self,
        durable: &mut watch::Receiver<u64>,
        answer: &Claimed,
        input_open: bool,
    ) {
        let sleep = answer.next_due_ms.map_or(LONGEST_SLEEP, |due_ms| {
            Duration::from_millis(due_ms.saturating_sub(answer.now_ms)).min(LONGEST_SLEEP)
        });
        // With all slots taken, nothing but the end of an attempt helps.
        let is_full = self.free.available_permits() == 0;
        tokio::select! {
            changed = durable.changed(), if !is_full => if changed.is_err() {
                // The writer is gone; the next claim says so.
            },
            () = tokio::time::sleep(sleep), if !is_full => {}
            () = self.finished.notified() => {}
            // With all slots taken, that may help as well: there may be more of them now.
            _ = self.changes.changed() => {}
            () = self.shared.stop.cancelled() => {}
            () = self.shared.input_ended.cancelled(), if input_open => {}
        }
    }

    /// Starts an attempt for each claim; false when it is time to stop. Gives them back when the
    /// endpoint may not be asked any more, or may be another one.
    async fn start_all(&mut self) -> Result<bool, Stopped> {
        let mut changes = self.changes.clone();
        while let Some(claim) = self.claimed.pop_front() {
            let slots = tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return Ok(false),
                _ = changes.changed() => None,
                slots = self.slots() => Some(slots),
            };
            let may_begin = claim.is_probe || !self.is_shut.load(Ordering::Acquire);
            match slots {
                Some(slots) if may_begin => self.start(claim, slots),
                _ => {
                    self.claimed.push_front(claim);
                    let claims = self.claimed.drain(..).collect();
                    self.shared.writer.give_back(self.webhook.id, claims).await?;
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }

    /// A slot of the webhook and one of those that all share, when there are.
    async fn slots(&self) -> (Option<OwnedSemaphorePermit>, Slot) {
        if let Some(pace) = &self.shared.pace {
            pace.wait().await;
        }
        // Never closed.
        let own = Arc::clone(&self.free).acquire_owned().await.ok();
        (own, self.shared.slots.enter(self.place).await)
    }

    fn start(&self, claim: Claim, slots: (Option<OwnedSemaphorePermit>, Slot)) {
        let (webhook, transport) = (Arc::clone(&self.webhook), Arc::clone(&self.shared.transport));
        let (complaints, results) = (Arc::clone(&self.complaints), self.results.clone());
        self.attempts.spawn(async move {
            let (slot, common_slot) = slots;
            let finished = attempt(&*transport, &webhook, claim, &complaints).await;
            drop(common_slot);
            // The other side goes only when there are no attempts any more.
            drop(results.send(Ended { finished, slot }).await);
        });
    }
}

/// One attempt, and what its result means for the delivery.
async fn attempt(
    transport: &dyn Transport,
    webhook: &Webhook,
    claim: Claim,
    complaints: &Complaints,
) -> Finished {
    let report = transport.attempt(webhook, &claim.event, claim.attempt).await;
    let fate = fate(webhook, &report, rand::random());
    let sighting = sighting(webhook, &report);
    complaints.tell(webhook, &claim, &report, &fate);
    Finished { claim, fate, sighting, record: Some(Box::new(report.record)) }
}
