//! `[store]`.

use std::time::Duration;

use crate::config::{
    checked::{Kept, Retention, Start, StoreSettings},
    problem::Problems,
    raw::RawStore,
    value::{At, Bytes, duration},
};

/// Less would go before it could be sent even once.
const LEAST_BACKLOG: u64 = 1024 * 1024;
/// The same in time.
const LEAST_BACKLOG_AGE: Duration = Duration::from_hours(1);
/// The least that covers a file that is away while its log is rotated.
const LEAST_POSITIONS: Duration = Duration::from_hours(2 * 24);

/// Checks the section; what is left out keeps its default.
pub(super) fn check(raw: Option<RawStore>, problems: &mut Problems<'_>) -> StoreSettings {
    let Some(raw) = raw else { return StoreSettings::default() };
    let default = Retention::default();
    let backlog = Kept {
        age: backlog_age(raw.backlog, "store.backlog", problems).unwrap_or(default.backlog.age),
        bytes: backlog_bytes(raw.backlog_bytes, "store.backlog_bytes", problems)
            .unwrap_or(default.backlog.bytes),
    };
    let events = Kept {
        age: raw.retain.map_or(default.events.age, |at| at.value),
        bytes: raw.retain_bytes.map_or(default.events.bytes, |at| at.value.0),
    };
    let dead = raw.retain_dead.map_or(default.dead, |at| at.value);
    let attempts = raw.retain_attempts.map_or(default.attempts, |at| at.value);
    let positions =
        at_least(raw.retain_positions, LEAST_POSITIONS, "store.retain_positions", "2d", problems)
            .unwrap_or(default.positions);
    StoreSettings {
        retention: Retention { events, backlog, dead, attempts, positions },
        min_free: raw.min_free.map(|at| at.value.0),
        on_loss: on_loss(raw.on_store_loss, problems),
    }
}

fn on_loss(raw: Option<At<String>>, problems: &mut Problems<'_>) -> Start {
    let default = StoreSettings::default().on_loss;
    let Some(At { span, value }) = raw else { return default };
    match (value.as_str(), value.strip_prefix("since:").and_then(duration)) {
        ("end", _) => Start::End,
        ("beginning", _) => Start::Beginning,
        (_, Some(back)) => Start::Since(back),
        _ => {
            let message = format!("{value:?} is not end, beginning or since: and a duration");
            problems.error(&span, "store.on_store_loss", message).hint("write \"since:24h\"");
            default
        }
    }
}

fn at_least(
    raw: Option<At<Duration>>,
    least: Duration,
    key: &str,
    words: &str,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let At { span, value } = raw?;
    if value < least {
        problems.error(&span, key, format!("must be at least {words}"));
    }
    Some(value)
}

/// How long an event may wait for a webhook.
pub(super) fn backlog_age(
    raw: Option<At<Duration>>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    at_least(raw, LEAST_BACKLOG_AGE, key, "1h", problems)
}

/// Bytes of events that may wait for a webhook.
pub(super) fn backlog_bytes(
    raw: Option<At<Bytes>>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<u64> {
    let At { span, value: Bytes(bytes) } = raw?;
    if bytes < LEAST_BACKLOG {
        problems.error(&span, key, "must be at least 1MiB");
    }
    Some(bytes)
}
