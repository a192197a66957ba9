//! Who changed what: one row for each change that somebody asked for, who was let in to ask for it.

use axum::{
    Json,
    extract::{MatchedPath, RawPathParams, Request, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Desk,
    attempts::time_of_ms,
    caller::{Caller, Peer},
    extract::Asked,
    logs::PageOf,
    problem::Problem,
    refusals::{Refusals, Stopping, Unusable},
};
use crate::writer::AuditRow;

/// Rows of an answer, unless it is asked for more or less.
const LIMIT: usize = 50;
/// Bytes of a target that are kept.
const TARGET_BYTES: usize = 256;

/// A change that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Name of the key, or the user on the machine.
    pub who: String,
    /// Id of the key; null without one.
    pub key_id: Option<String>,
    /// Address, or `unix socket`.
    pub from: String,
    /// What was asked for: `POST /v1/webhooks/{id}/enable`.
    pub action: String,
    /// What it was to be done to, as it was named; empty when that is not a single thing.
    pub target: String,
    /// Status code of the answer.
    pub status: u16,
}

/// Some changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// The newest first.
    pub data: Vec<Change>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Changes that were asked for, the newest first: the last 10,000 of 400 days.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_changes", tag = "audit", params(PageOf),
    responses((status = OK, body = Changes), Unusable, Refusals, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(page): Asked<PageOf>,
) -> Result<Json<Changes>, Problem> {
    let before = page.cursor.as_deref().map(number).transpose()?;
    let limit = page.limit.unwrap_or(LIMIT).clamp(1, 1000);
    let found = desk.writer.audited(before, limit).await?;
    let data = found.rows.into_iter().map(|(_, row)| row.into()).collect();
    Ok(Json(Changes { data, next_cursor: found.next.map(|next| next.to_string()) }))
}

fn number(cursor: &str) -> Result<u64, Problem> {
    let unknown = |_| Problem::invalid(format!("cursor: `{cursor}` was given by no answer"));
    cursor.parse().map_err(unknown)
}

impl From<AuditRow> for Change {
    fn from(row: AuditRow) -> Self {
        let AuditRow { at_ms, who, key, from, action, target, status } = row;
        Self { at: time_of_ms(at_ms), who, key_id: key, from, action, target, status }
    }
}

/// What a request is about. An answer that knows better has one among its extensions: that of a
/// request that made something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target(pub(super) String);

/// A change that is asked for.
pub(super) struct Asking {
    caller: Caller,
    from: Peer,
    action: String,
    target: Target,
}

impl Asking {
    /// Before it is answered.
    pub(super) fn of(
        request: &Request,
        params: Option<&RawPathParams>,
        caller: Caller,
        from: Peer,
    ) -> Self {
        let path = request.uri().path();
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or(path, MatchedPath::as_str);
        let action = format!("{} {route}", request.method());
        Self { caller, from, action, target: Target::of(params) }
    }

    /// What is written down of it and its answer.
    pub(super) fn row(self, answer: &Response, at_ms: u64) -> AuditRow {
        let Self { caller, from, action, target } = self;
        let Target(target) = answer.extensions().get().cloned().unwrap_or(target);
        let (who, status) = (caller.name, answer.status().as_u16());
        tracing::info!(target: "mailherald::audit", who, ?from, action, target, status, "a change was asked for");
        let (key, from) = (caller.key.map(|key| key.id()), format!("{from:?}"));
        AuditRow { at_ms, who, key, from, action, target, status }
    }
}

impl Target {
    /// Those parts of the path that the route does not fix.
    fn of(params: Option<&RawPathParams>) -> Self {
        let parts = params.into_iter().flatten().map(|(_, part)| part);
        let mut text = parts.collect::<Vec<_>>().join(" ");
        text.truncate(text.floor_char_boundary(TARGET_BYTES));
        Self(text)
    }
}
