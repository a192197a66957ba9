//! Where the deliveries of a webhook are, as the writer alone knows it: a picture of the moment.

use std::collections::BTreeSet;

use super::rows::Retry;
use crate::{
    config::{Webhook, WebhookId},
    event::Event,
    queue::{
        delivery::DeadLetter,
        progress::Progress,
        record::{Record, RecordEnd},
        subscription::Decision,
    },
};

/// How far a webhook is.
#[derive(Debug, Clone)]
pub struct Course {
    /// Which one.
    pub webhook: WebhookId,
    pub(super) progress: Progress,
    /// Events whose retry is being sent.
    pub(super) claimed: BTreeSet<u64>,
    pub(super) born_seq: u64,
    pub(super) is_disabled: bool,
}

/// What is stored of one delivery.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored<'a> {
    /// It failed and waits.
    pub retry: Option<&'a Retry>,
    /// It ended badly.
    pub letter: Option<&'a DeadLetter>,
    /// Its attempts that are on record.
    pub attempts: &'a [Record],
}

/// Where one delivery is (webhooks.md §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Not for this webhook, and why.
    NotWanted(Decision),
    /// It was stored before the webhook was there; a replay would offer it.
    Older,
    /// It will be sent.
    Pending,
    /// It failed, and will be sent again.
    Waiting(Retry),
    /// It will be sent once the webhook is enabled.
    Held,
    /// It is being sent.
    InFlight,
    /// The receiver has it.
    Delivered,
    /// It ended badly.
    Ended(DeadLetter),
    /// It had waited for too long, or behind too much.
    Expired,
    /// It is over, and no attempt is on record any more.
    Settled,
}

impl Whereabouts {
    /// One word, for people and programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotWanted(_) => "not_wanted",
            Self::Older => "not_offered",
            Self::Pending | Self::Waiting(_) => "pending",
            Self::Held => "held",
            Self::InFlight => "in_flight",
            Self::Delivered => "delivered",
            Self::Ended(letter) => letter.state.name(),
            Self::Expired => "expired",
            Self::Settled => "settled",
        }
    }

    /// There is a delivery of the event for the webhook.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        !matches!(self, Self::NotWanted(_) | Self::Older)
    }
}

impl Course {
    /// Events below this sequence number were handed out, or are not for this webhook: of them only
    /// those wait that have a retry.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.progress.low()
    }

    /// Nothing is sent to the webhook.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// Where the delivery of an event to the webhook of this course is.
    #[must_use]
    pub fn whereabouts(
        &self,
        seq: u64,
        event: &Event,
        webhook: &Webhook,
        stored: Stored<'_>,
    ) -> Whereabouts {
        let decision = webhook.subscription().decide(event);
        let is_delivered = stored.attempts.iter().any(|it| it.end == RecordEnd::Delivered);
        let is_pending = self.progress.is_pending(seq) && decision == Decision::Wanted;
        match stored {
            _ if self.progress.is_under_way(seq) || self.claimed.contains(&seq) => {
                Whereabouts::InFlight
            }
            Stored { retry: Some(_), .. } if self.is_disabled => Whereabouts::Held,
            Stored { retry: Some(retry), .. } => Whereabouts::Waiting(retry.clone()),
            Stored { letter: Some(letter), .. } => Whereabouts::Ended(letter.clone()),
            _ if is_pending && self.is_disabled => Whereabouts::Held,
            _ if is_pending => Whereabouts::Pending,
            _ if is_delivered => Whereabouts::Delivered,
            Stored { attempts: [_, ..], .. } => Whereabouts::Expired,
            _ if decision != Decision::Wanted => Whereabouts::NotWanted(decision),
            _ if seq < self.born_seq => Whereabouts::Older,
            _ => Whereabouts::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        event::{EventType, Notice},
        queue::{
            attempt::Attempt,
            delivery::{EndState, Waiting},
            record::Purpose,
        },
        writer::{notices, tests::webhook},
    };

    fn record(end: RecordEnd, event: &Event) -> Record {
        let attempt = Attempt {
            number: 1,
            started_us: 0,
            elapsed_us: 1,
            url: String::new(),
            request: None,
            exchanges: Vec::new(),
        };
        let (event, kind) = (event.id, event.kind);
        Record { seq: 5, event, kind, purpose: Purpose::Delivery, end, attempt }
    }

    /// Ten events are stored; what is below `next` was handed out, apart from what waits.
    fn course(next: u64, is_disabled: bool) -> Course {
        let mut progress = Progress::starting_at(next);
        progress.claim(0);
        Course {
            webhook: WebhookId::of_name("a"),
            progress,
            claimed: BTreeSet::from([4]),
            born_seq: 2,
            is_disabled,
        }
    }

    #[test]
    fn each_delivery_is_where_its_rows_say() {
        let webhook = webhook("a");
        let told = notices::event(EventType::WebhookTest, Notice::default(), 0, 5);
        let other = notices::event(EventType::EndpointFailing, Notice::default(), 0, 5);
        let retry = Retry { due_ms: 9, waiting: Waiting::fresh() };
        let letter = crate::queue::delivery::DeadLetter {
            state: EndState::Cancelled,
            attempts: 0,
            last_error: String::new(),
            ended_ms: 1,
        };
        let (waits, ended) = (Some(&retry), Some(&letter));
        let good = [record(RecordEnd::Delivered, &told)];
        let bad = [record(RecordEnd::Retry { due_ms: 9 }, &told)];
        let none = Stored::default();
        let all_done = course(10, false);
        for (course, seq, event, stored, expected) in [
            (&course(0, false), 5, &told, none, "pending"),
            (&course(0, true), 5, &told, none, "held"),
            (&all_done, 4, &told, none, "in_flight"),
            (&all_done, 5, &told, Stored { retry: waits, ..none }, "pending"),
            (&course(10, true), 5, &told, Stored { retry: waits, ..none }, "held"),
            (&all_done, 5, &told, Stored { letter: ended, ..none }, "cancelled"),
            (&all_done, 5, &told, Stored { attempts: &good, ..none }, "delivered"),
            (&all_done, 5, &told, Stored { attempts: &bad, ..none }, "expired"),
            (&all_done, 5, &told, none, "settled"),
            (&all_done, 1, &told, none, "not_offered"),
            (&all_done, 5, &other, none, "not_wanted"),
            (&course(0, false), 5, &other, none, "not_wanted"),
            // A replay of what was delivered waits.
            (&all_done, 5, &told, Stored { retry: waits, attempts: &good, ..none }, "pending"),
        ] {
            let found = course.whereabouts(seq, event, &webhook, stored);
            assert_eq!(found.name(), expected, "{seq} {:?} {stored:?}", event.kind);
            assert_eq!(found.is_delivery(), !expected.starts_with("not_"), "{expected}");
        }
    }
}
