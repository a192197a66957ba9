//! Keeps one webhook supplied: claims what is due, lets attempts run side by side, reports what
//! became of them.
//!
//! Which delivery is due and what a result means is `queue`'s and the writer's; how a POST is made
//! is `deliver`'s. Here is only the loop between them.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Notify, Semaphore},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{complaints::Complaints, fate::fate};
use crate::{
    clock::SharedClock,
    config::Webhook,
    deliver::{self, Client},
    queue::delivery::{Claim, Finished},
    writer::{Claimed, Stopped, WriterHandle},
};

/// Deliveries claimed ahead, as a multiple of the webhook's concurrency, so that a free slot does
/// not wait for the writer.
const CLAIM_AHEAD: usize = 4;
/// The longest sleep until a retry: wall time may step meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the loops of all webhooks share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) writer: WriterHandle,
    pub(super) client: Client,
    pub(super) clock: SharedClock,
    /// Attempts under way at once, over all webhooks.
    pub(super) slots: Arc<Semaphore>,
    /// Spreads attempts over time, when there is a rate.
    pub(super) pace: Option<Arc<Pace>>,
    /// No new attempt is started once this is cancelled.
    pub(super) stop: CancellationToken,
    /// Everything that will be read has been read: end when nothing is left to send.
    pub(super) input_ended: CancellationToken,
}

/// A rate of attempts.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Interval>);

impl Pace {
    /// So many attempts a second at most, evenly. A pause is not made up for by a burst.
    pub(super) fn new(rate: NonZeroU32) -> Self {
        let period = Duration::from_secs(1) / rate.get();
        // A rate beyond one in a nanosecond is none, but an interval of zero is a panic.
        let mut interval = tokio::time::interval(period.max(Duration::from_nanos(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Mutex::new(interval))
    }

    async fn wait(&self) {
        self.0.lock().await.tick().await;
    }
}

/// How a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to stop.
    Stopped,
    /// All was sent, but for deliveries that wait for a retry, if `retries_wait`.
    Drained { retries_wait: bool },
}

/// Serves the webhook with index `endpoint` until stopped or drained, and waits for the attempts
/// under way.
pub(super) async fn serve(endpoint: usize, webhook: Arc<Webhook>, shared: Shared) -> End {
    let attempts = TaskTracker::new();
    let sender = Sender {
        endpoint,
        free: Arc::new(Semaphore::new(webhook.concurrency)),
        webhook,
        shared,
        attempts: attempts.clone(),
        finished: Arc::new(Notify::new()),
        complaints: Arc::default(),
        claimed: VecDeque::new(),
    };
    let end = sender.run().await.unwrap_or(End::Stopped);
    attempts.close();
    attempts.wait().await;
    end
}

struct Sender {
    endpoint: usize,
    webhook: Arc<Webhook>,
    shared: Shared,
    free: Arc<Semaphore>,
    attempts: TaskTracker,
    /// Told whenever an attempt has ended.
    finished: Arc<Notify>,
    complaints: Arc<Complaints>,
    claimed: VecDeque<Claim>,
}

impl Sender {
    async fn run(mut self) -> Result<End, Stopped> {
        let mut durable = self.shared.writer.durable();
        while !self.shared.stop.is_cancelled() {
            durable.mark_unchanged();
            // Asked before the claim: what ended or was read in between may not be in the answer.
            let input_open = !self.shared.input_ended.is_cancelled();
            let is_last = !input_open && self.is_idle();
            let answer = self.claim().await?;
            if self.claimed.is_empty() && !answer.more {
                if is_last && answer.settled {
                    return Ok(End::Drained { retries_wait: answer.next_due_ms.is_some() });
                }
                self.wait(&mut durable, &answer, input_open).await;
                continue;
            }
            while let Some(claim) = self.claimed.pop_front() {
                if !self.start(claim).await {
                    return Ok(End::Stopped);
                }
            }
        }
        Ok(End::Stopped)
    }

    async fn claim(&mut self) -> Result<Claimed, Stopped> {
        let max = self.webhook.concurrency.saturating_mul(CLAIM_AHEAD);
        let mut answer = self.shared.writer.claim(self.endpoint, max).await?;
        self.claimed.extend(answer.claims.drain(..));
        Ok(answer)
    }

    /// No attempt is under way, and the writer knows the results of all.
    fn is_idle(&self) -> bool {
        self.free.available_permits() == self.webhook.concurrency
    }

    /// Waits for new events, a due retry, the end of an attempt, or the end of all.
    async fn wait(
        &self,
        durable: &mut tokio::sync::watch::Receiver<u64>,
        answer: &Claimed,
        input_open: bool,
    ) {
        let now_ms = self.shared.clock.now().as_millisecond();
        let sleep = answer.next_due_ms.map_or(LONGEST_SLEEP, |due| {
            let wait_ms = i64::try_from(due).unwrap_or(i64::MAX).saturating_sub(now_ms);
            Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)).min(LONGEST_SLEEP)
        });
        tokio::select! {
            changed = durable.changed() => if changed.is_err() {
                // The writer is gone; the next claim says so.
            },
            () = tokio::time::sleep(sleep) => {}
            () = self.finished.notified() => {}
            () = self.shared.stop.cancelled() => {}
            () = self.shared.input_ended.cancelled(), if input_open => {}
        }
    }

    /// Starts an attempt as soon as there is a slot for it; false when it is time to stop.
    async fn start(&self, claim: Claim) -> bool {
        let slots = async {
            if let Some(pace) = &self.shared.pace {
                pace.wait().await;
            }
            let own = Arc::clone(&self.free).acquire_owned().await;
            let shared = Arc::clone(&self.shared.slots).acquire_owned().await;
            (own, shared)
        };
        let (own, shared) = tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => return false,
            slots = slots => slots,
        };
        let (webhook, common) = (Arc::clone(&self.webhook), self.shared.clone());
        let (endpoint, ended) = (self.endpoint, Arc::clone(&self.finished));
        let complaints = Arc::clone(&self.complaints);
        self.attempts.spawn(async move {
            let finished = attempt(&common, &webhook, &claim, &complaints).await;
            // Without a writer the result is lost, and the delivery is due again at the next start.
            drop(common.writer.finish(endpoint, finished).await);
            drop((own, shared));
            ended.notify_one();
        });
        true
    }
}

/// One attempt, and what its result means for the delivery.
async fn attempt(
    shared: &Shared,
    webhook: &Webhook,
    claim: &Claim,
    complaints: &Complaints,
) -> Finished {
    let (client, clock) = (&shared.client, &*shared.clock);
    let report = deliver::attempt(client, webhook, &claim.event, claim.attempt, clock).await;
    let fate = fate(webhook, &report, rand::random());
    complaints.tell(webhook, claim, &report, &fate);
    Finished { seq: claim.seq, due_ms: claim.due_ms, fate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_by_a_burst() {
        let pace = Pace::new(NonZeroU32::MIN.saturating_add(1));
        pace.wait().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        pace.wait().await;
        let before = tokio::time::Instant::now();
        for _ in 0..4 {
            pace.wait().await;
        }
        assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    }

    #[tokio::test]
    async fn the_highest_rate_is_no_panic() {
        Pace::new(NonZeroU32::MAX).wait().await;
    }
}
