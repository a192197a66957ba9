//! Webhooks listed, made, changed, shown, deleted and given another secret in the words of the SDKs.

use std::{cmp::Reverse, time::Duration};

use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    Broken, Conflicts, Failures, Message, Missing, PATH, Page, TooLarge, Unusable,
    keys::{WebhookKeys, taken},
    webhook::Webhook,
};
use crate::{
    api::{
        Desk,
        attempts::time,
        audit::Target,
        caller::Caller,
        extract::{Asked, At, Body},
        mounts::Seen,
        problem::Problem,
        rotation::{self, Shown},
        webhooks::Named,
    },
    config::Draft,
    secret::{GRACE, RotationError, Secret},
    writer::Wanted,
};

/// Rows of a page, unless it is asked for more or less.
const PER_PAGE: usize = 30;
/// Rows of a page at most.
const MOST: usize = 100;

/// A webhook, and what was done with it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintDoneWebhook)]
pub(super) struct Done {
    data: Webhook,
    /// What was done, for people.
    message: String,
}

/// Which webhooks, and in what order.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Where the page before ended.
    cursor: Option<String>,
    /// How many at most, 1 to 100.
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    /// `name`, `url` or `created_at`; with a hyphen before it, backwards.
    sort: Option<String>,
    /// `1` or `true`, `0` or `false`.
    #[serde(rename = "filter[enabled]")]
    enabled: Option<String>,
    /// That are told of this type.
    #[serde(rename = "filter[event]")]
    event: Option<String>,
    /// Of this stream.
    #[serde(rename = "filter[route_id]")]
    route_id: Option<String>,
    /// A part of the name or of the URL.
    #[serde(rename = "filter[search]")]
    search: Option<String>,
}

/// Webhooks, a page of them.
#[utoipa::path(get, path = "/lettermint/v1/webhooks", operation_id = "lettermint_list_webhooks", tag = "lettermint",
    params(Which),
    responses((status = OK, body = Page<Webhook>), Unusable, Failures))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Webhook>>, Problem> {
    let size = which.size.unwrap_or(PER_PAGE).clamp(1, MOST);
    let from: usize = match &which.cursor {
        None => 0,
        Some(cursor) => {
            cursor.parse().map_err(|_| Problem::wrong("cursor", "was given by no answer"))?
        }
    };
    let seen = desk.seen(&caller).await?;
    let mut rows: Vec<_> = seen.iter().map(|seen| (seen, Webhook::of(seen, None))).collect();
    rows.retain(|(_, row)| which.takes(row));
    which.sort(&mut rows)?;
    let next = Some(from.saturating_add(size)).filter(|next| *next < rows.len());
    let mut data = Vec::new();
    for (seen, row) in rows.into_iter().skip(from).take(size) {
        data.push(Webhook { last_called_at: desk.last_called_at(seen).await?, ..row });
    }
    Ok(Json(Page::of(data, PATH.to_owned(), size, next.map(|next| next.to_string()))))
}

impl Which {
    fn takes(&self, row: &Webhook) -> bool {
        let is_true = |text: &String| matches!(text.as_str(), "1" | "true");
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        self.enabled.as_ref().is_none_or(|enabled| is_true(enabled) == row.enabled)
            && self.event.as_ref().is_none_or(|event| row.events.contains(event))
            && self.route_id.as_ref().is_none_or(|route| row.route_ids.contains(route))
            && self.search.as_ref().is_none_or(|it| has(&row.name, it) || has(&row.url, it))
    }

    fn sort(&self, rows: &mut [(&Seen, Webhook)]) -> Result<(), Problem> {
        match self.sort.as_deref() {
            None => {}
            Some("name") => rows.sort_by_key(|(_, row)| row.name.clone()),
            Some("-name") => rows.sort_by_key(|(_, row)| Reverse(row.name.clone())),
            Some("url") => rows.sort_by_key(|(_, row)| row.url.clone()),
            Some("-url") => rows.sort_by_key(|(_, row)| Reverse(row.url.clone())),
            Some("created_at") => rows.sort_by_key(|(_, row)| row.created_at.clone()),
            Some("-created_at") => rows.sort_by_key(|(_, row)| Reverse(row.created_at.clone())),
            Some(_) => return Err(Problem::wrong("sort", "must be name, url or created_at")),
        }
        Ok(())
    }
}

/// Makes a webhook in the provider's profile.
#[utoipa::path(post, path = "/lettermint/v1/webhooks", operation_id = "lettermint_create_webhook", tag = "lettermint",
    request_body = WebhookKeys,
    responses((status = CREATED, body = Done), Unusable, Conflicts, TooLarge, Failures, Broken))]
pub(super) async fn create(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<(StatusCode, Extension<Target>, Json<Done>), Problem> {
    if !keys.get("name").is_some_and(Value::is_string) {
        return Err(Problem::wrong("name", "is required and must be a string"));
    }
    let (keys, is_enabled) = taken(keys, None)?;
    let mut draft = Draft::new(keys);
    draft.set("profile", "lettermint");
    let is_enabled = is_enabled.unwrap_or(true);
    let made = desk.create_webhook(draft, is_enabled, &caller.owned).await?;
    let target = Extension(Target(made.webhook.id.to_string()));
    let seen = Seen { webhook: made.webhook, is_enabled };
    let data = Webhook { secret: made.secret, ..Webhook::of(&seen, None) };
    let message =
        "Webhook created successfully. Please save the secret as it will not be shown again.";
    Ok((StatusCode::CREATED, target, Json(Done { data, message: message.to_owned() })))
}

/// One webhook.
#[utoipa::path(get, path = "/lettermint/v1/webhooks/{id}", operation_id = "lettermint_show_webhook", tag = "lettermint",
    params(Named),
    responses((status = OK, body = Webhook), Unusable, Missing, Failures))]
pub(super) async fn show(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<Webhook>, Problem> {
    Ok(Json(desk.shown(&caller, &id).await?))
}

/// Changes a webhook that was made through the API: what is given replaces what was.
#[utoipa::path(put, path = "/lettermint/v1/webhooks/{id}", operation_id = "lettermint_update_webhook", tag = "lettermint",
    params(Named), request_body = WebhookKeys,
    responses((status = OK, body = Done), Unusable, Missing, Conflicts, TooLarge, Failures, Broken))]
pub(super) async fn update(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<Json<Done>, Problem> {
    let before = desk.seen_one(&caller, &id).await?.webhook;
    let headers = before.made.as_ref().and_then(|made| made.draft.get("headers"));
    let (keys, is_enabled) = taken(keys, headers)?;
    let changed = desk.update_webhook(&id, keys, is_enabled, &caller.owned).await;
    changed.map_err(|refusal| refusal.about(&id))?;
    let data = desk.shown(&caller, &before.id.to_string()).await?;
    Ok(Json(Done { data, message: "Webhook updated successfully.".to_owned() }))
}

/// Deletes a webhook that was made through the API, and cancels what waits for it.
#[utoipa::path(delete, path = "/lettermint/v1/webhooks/{id}", operation_id = "lettermint_delete_webhook", tag = "lettermint",
    params(Named),
    responses((status = OK, body = Message), Unusable, Missing, Conflicts, Failures))]
pub(super) async fn delete(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<Message>, Problem> {
    desk.delete_webhook(&id, &caller.owned).await.map_err(|refusal| refusal.about(&id))?;
    Ok(Json(Message { message: "Webhook deleted successfully.".to_owned() }))
}

/// Signs with another secret at once. The one before stays good for a day; when there are too many
/// such, none does.
#[utoipa::path(post, path = "/lettermint/v1/webhooks/{id}/regenerate-secret", operation_id = "lettermint_regenerate_secret", tag = "lettermint",
    params(Named),
    responses((status = OK, body = Done), Unusable, Missing, Failures, Broken))]
pub(super) async fn regenerate_secret(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<Done>, Problem> {
    let webhook = desk.seen_one(&caller, &id).await?.webhook;
    let secret = Secret::generate().map_err(|error| Problem::internal(error.to_string()))?;
    let shown = Shown(secret.reveal_once().to_owned());
    let rotate = async |grace| {
        let rotated = desk.writer.rotate(webhook.id, secret.clone(), grace).await?;
        rotated.ok_or_else(|| Problem::unknown_webhook(&id, &[]))
    };
    let mut rotated = rotate(GRACE).await?;
    if matches!(rotated, Err(RotationError::TooMany { .. })) {
        rotated = rotate(Duration::ZERO).await?;
    }
    rotated.map_err(|error| rotation::refused(&error))?;
    tracing::info!(webhook = webhook.name, "the secret was rotated");
    let data = Webhook { secret: Some(shown), ..desk.shown(&caller, &id).await? };
    let message = "Webhook secret regenerated successfully. Please update your integration.";
    Ok(Json(Done { data, message: message.to_owned() }))
}

impl Desk {
    async fn shown(&self, caller: &Caller, id: &str) -> Result<Webhook, Problem> {
        let seen = self.seen_one(caller, id).await?;
        Ok(Webhook::of(&seen, self.last_called_at(&seen).await?))
    }

    async fn last_called_at(&self, seen: &Seen) -> Result<Option<String>, Problem> {
        let latest = Wanted { limit: 1, ..Wanted::default() };
        let found = self.writer.attempts(seen.webhook.id, latest).await?;
        Ok(found.records.first().map(|(_, record)| time(record.attempt.started_us)))
    }
}
