//! Sources: how far they are behind.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Desk, refusals::Refusals};
use crate::source::Health;

/// A source as it is now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Unique.
    pub name: String,
    /// `waiting` (there is no log yet), `refused` (there is one, and we may not read it), `behind`
    /// or `current`.
    pub state: String,
    /// Bytes that are there and not read.
    pub lag_bytes: u64,
    /// For how long there has always been something to read.
    pub lag_seconds: u64,
    /// Disk space of deleted files that are kept open because they are not read to their end.
    pub pinned_bytes: u64,
    /// Lines that were not whole since the daemon started: too long, or half a line at the end of a log.
    /// Left out when there is none; so are the next ones.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lines_truncated: u64,
    /// Files that were passed over because another one has the same content.
    #[serde(default, skip_serializing_if = "is_none")]
    pub duplicate_files: u64,
    /// Times that a log was truncated and no copy of it was in sight: unread lines are lost, nobody
    /// knows how many.
    #[serde(default, skip_serializing_if = "is_none")]
    pub truncations_without_copy: u64,
    /// Bytes of half lines that were lost so: the least that was.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes_lost: u64,
    /// Times that a journal had deleted the entry that was read last, and maybe unread ones behind it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub gaps: u64,
    /// Messages that a milter told of and whose facts were dropped, because they were not taken in time:
    /// their events know what the log knows.
    #[serde(default, skip_serializing_if = "is_none")]
    pub facts_dropped: u64,
    /// Connections that a milter refused, because there were too many: their mail passed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub connections_refused: u64,
    /// Connections to a milter that broke off, or were no mail server's.
    #[serde(default, skip_serializing_if = "is_none")]
    pub connections_broken: u64,
    /// Reports that a milter took out of the mail.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reports: u64,
    /// Reports that it left alone, because there were too many at once.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reports_dropped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// All sources.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sources {
    /// In the order of the configuration.
    pub data: Vec<Source>,
}

/// Every state.
pub(super) const STATES: [&str; 4] = ["current", "behind", "waiting", "refused"];

/// How a source is, one of [`STATES`].
pub(super) fn state(health: &Health) -> &'static str {
    match health {
        _ if health.refused > 0 => "refused",
        _ if health.is_waiting => "waiting",
        _ if health.behind_since.is_some() => "behind",
        _ => "current",
    }
}

/// All sources, and how far they are behind.
#[utoipa::path(get, path = "/v1/sources", operation_id = "list_sources", tag = "sources",
    responses((status = OK, body = Sources), Refusals))]
pub(super) async fn list(State(desk): State<Desk>) -> Json<Sources> {
    let now = desk.clock.now();
    let view = |(name, told): &(String, super::HealthReceiver)| {
        let health = *told.borrow();
        Source {
            name: name.clone(),
            state: state(&health).to_owned(),
            lag_bytes: health.lag_bytes,
            lag_seconds: health.lag_seconds(now),
            pinned_bytes: health.pinned_bytes,
            lines_truncated: health.tally.lines_cut,
            duplicate_files: health.tally.duplicate_files,
            truncations_without_copy: health.tally.truncations_without_copy,
            bytes_lost: health.tally.bytes_lost,
            gaps: health.gaps,
            facts_dropped: health.milter.dropped,
            connections_refused: health.milter.refused,
            connections_broken: health.milter.broken,
            reports: health.milter.reports,
            reports_dropped: health.milter.reports_dropped,
        }
    };
    Json(Sources { data: desk.sources.iter().map(view).collect() })
}
