//! What the result of an attempt means for its delivery.

use jiff::Timestamp;

use crate::{
    config::Webhook,
    deliver::AttemptReport,
    queue::{
        delivery::{DeadLetter, EndState, Fate, Waiting},
        endpoint::Sighting,
        outcome::{Outcome, is_gone},
        schedule,
    },
};

/// Where the delivery goes; `draw` (0 to 1) decides the jitter of a retry.
pub(super) fn fate(webhook: &Webhook, report: &AttemptReport, draw: f64) -> Fate {
    let ended = |state| {
        Fate::Ended(DeadLetter {
            state,
            attempts: report.number,
            last_error: words(report),
            ended_ms: millis(report.ended_at),
        })
    };
    match report.outcome {
        Outcome::Delivered => Fate::Delivered,
        Outcome::Discarded => ended(EndState::Discarded),
        Outcome::Blocked => ended(EndState::Blocked),
        Outcome::Retry { not_before, .. } => {
            let draw = if webhook.policy.jitter { draw } else { 0.0 };
            let schedule = &webhook.schedule;
            let due =
                schedule::next_due(schedule, report.number, report.ended_at, not_before, draw);
            match due {
                Some(due) => {
                    let (attempts, last_error) = (report.number, words(report));
                    let waiting = Waiting { attempts, last_error, ..Waiting::fresh() };
                    Fate::Retry { due_ms: millis(due), waiting }
                }
                None => ended(EndState::Dead),
            }
        }
    }
}

/// What the attempt says about the endpoint.
pub(super) fn sighting(webhook: &Webhook, report: &AttemptReport) -> Sighting {
    let codes = &webhook.policy.codes;
    let gone = report.status.is_some_and(|status| is_gone(webhook.profile, codes, status));
    Sighting::of(report.outcome, report.status, gone)
}

/// What the attempt met, for people.
pub(super) fn words(report: &AttemptReport) -> String {
    match (&report.error, report.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) => String::new(),
    }
}

/// Rounded up, so that nothing is due before its time.
fn millis(at: Timestamp) -> u64 {
    let at_us = u64::try_from(at.as_microsecond()).unwrap_or(0);
    at_us.div_ceil(1000)
}
