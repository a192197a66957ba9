//! The attempts that were made for a webhook, the newest first.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::{Attempt, time_of_ms},
    deliveries::id_of,
    extract::{Asked, At},
    problem::Problem,
    refusals::{Missing, Refusals, Stopping, Unusable},
    webhooks::Named,
};
use crate::{
    config::Webhook,
    queue::record::{Record, RecordEnd},
    writer::{Place, Wanted},
};

/// Rows of an answer, unless it is asked for more or less.
const LIMIT: usize = 50;

/// Which page.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageOf {
    /// How many at most, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An attempt on record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Logged {
    /// Id of the delivery.
    pub id: String,
    /// Id of the event.
    pub event_id: String,
    /// Type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// What became of the delivery: `delivered`, `retry`, `dead`, `discarded`, `blocked` or
    /// `cancelled`.
    pub status: String,
    /// It was made to see how the receiver is, and used up no attempt.
    pub is_probe: bool,
    /// It belongs to a new delivery of an event that was sent, or was to be sent, before.
    pub is_replay: bool,
    /// When the next attempt is due, RFC 3339 in UTC.
    pub next_retry_at: Option<String>,
    /// Status code, if it was answered.
    pub response_code: Option<u16>,
    /// Beginning of the answer's body; a stranger's text. Null when there was no answer.
    pub response_body: Option<String>,
    /// Why the receiver does not have it, in words; null when it has.
    pub error: Option<String>,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: Attempt,
}

/// Some attempts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// The newest first.
    pub data: Vec<Logged>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Attempts that were made for a webhook, the newest first.
#[utoipa::path(get, path = "/v1/webhooks/{id}/logs", operation_id = "list_attempts", tag = "webhooks", params(Named, PageOf),
    responses((status = OK, body = Logs), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
    Asked(page): Asked<PageOf>,
) -> Result<Json<Logs>, Problem> {
    let webhook = desk.webhook(&id)?;
    let before = page.cursor.as_deref().map(place).transpose()?;
    let limit = page.limit.unwrap_or(LIMIT).clamp(1, 1000);
    let found = desk.writer.attempts(webhook.id, Wanted { seq: None, before, limit }).await?;
    let data = found.records.iter().map(|(_, record)| Logged::of(record, &webhook)).collect();
    let next = |place: Place| format!("{}.{}", place.chunk, place.index);
    Ok(Json(Logs { data, next_cursor: found.next.map(next) }))
}

fn place(text: &str) -> Result<Place, Problem> {
    let parts = text.split_once('.').and_then(|(chunk, index)| {
        Some(Place { chunk: chunk.parse().ok()?, index: index.parse().ok()? })
    });
    parts.ok_or_else(|| Problem::invalid(format!("cursor: `{text}` was given by no answer")))
}

impl Logged {
    pub(super) fn of(record: &Record, webhook: &Webhook) -> Self {
        let (status, due_ms) = match record.end {
            RecordEnd::Delivered => ("delivered", None),
            RecordEnd::Retry { due_ms } => ("retry", Some(due_ms)),
            RecordEnd::Ended(state) => (state.name(), None),
        };
        let attempt = Attempt::from(&record.attempt);
        let answer = attempt.answer.as_ref();
        let error = || answer.map_or_else(|| "no answer".to_owned(), |answer| answer.words.clone());
        Self {
            id: id_of(record.event, webhook),
            event_id: record.event.to_string(),
            kind: record.kind.name().to_owned(),
            status: status.to_owned(),
            is_probe: record.purpose.is_probe(),
            is_replay: record.purpose.is_replay(),
            next_retry_at: due_ms.filter(|_| !record.purpose.is_probe()).map(time_of_ms),
            response_code: answer.and_then(|answer| answer.response_code),
            response_body: answer
                .filter(|answer| answer.response_code.is_some())
                .map(|answer| answer.response_body.clone()),
            error: (!attempt.is_good()).then(error),
            attempt,
        }
    }
}
