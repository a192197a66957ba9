//! Webhooks: what they are, made, changed and deleted, and whether they are heard.

use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::Attempt,
    audit::Target,
    caller::Caller,
    code::Code,
    editor::{Edited, Refusal},
    extract::{At, Body},
    problem::{FieldError, Problem},
    refusals::{Broken, Conflicts, Missing, Refusals, Stopping, TooLarge, Unusable},
    rotation::Shown,
    webhook_keys::{self, WebhookChanges, WebhookKeys},
};
use crate::{
    config::Draft,
    deliver::{self, Probe},
    writer::Resume,
};

pub use super::webhook::{Decided, Settings, Webhook};

/// All webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Webhooks {
    /// Those of the configuration in its order, then those that were made through the API.
    pub data: Vec<Webhook>,
}

/// A webhook that was made or changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EditedWebhook {
    /// As it is now.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// Its secret, this once; left out when it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Shown>,
    /// What is odd about it, and may not be what was meant.
    pub warnings: Vec<FieldError>,
}

/// Which webhook is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Named {
    /// Its id or name.
    pub(super) id: String,
}

/// All webhooks.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    responses((status = OK, body = Webhooks), Refusals, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Webhooks>, Problem> {
    let (standings, now_ms) = (desk.writer.standings().await?, desk.now_ms());
    let webhooks = desk.webhooks();
    let seen = webhooks.iter().filter(|webhook| caller.sees(webhook));
    let both = seen.filter_map(|it| Some((it, standings.get(&it.id)?)));
    Ok(Json(Webhooks { data: both.map(|(it, how)| Webhook::of(it, how, now_ms)).collect() }))
}

/// Makes a webhook, which is told what happens from then on.
///
/// Its keys are those of a webhook of the configuration, but for those that name files or lead past
/// the egress policy. A secret that is not given is made, and shown in this answer only.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "create_webhook", tag = "webhooks",
    request_body = WebhookKeys,
    responses((status = CREATED, body = EditedWebhook), Unusable, Conflicts, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn create(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<(StatusCode, Extension<Target>, Json<EditedWebhook>), Problem> {
    let (keys, is_enabled) = webhook_keys::taken(keys)?;
    let mut draft = Draft::new(keys);
    if draft.get("profile").is_none() {
        // What the generic guide describes (webhooks.md §1.6).
        draft.set("profile", "generic");
    }
    let enabled = is_enabled.unwrap_or(true);
    let made = desk.create_webhook(draft, enabled, &caller.owned).await?;
    let target = Extension(Target(made.webhook.id.to_string()));
    Ok((StatusCode::CREATED, target, edited(&desk, made).await?))
}

/// Changes a webhook that was made through the API: what is given replaces what was, null takes it
/// away.
#[utoipa::path(put, path = "/v1/webhooks/{id}", operation_id = "put_webhook", tag = "webhooks", params(Named),
    request_body = WebhookChanges,
    responses((status = OK, body = EditedWebhook), Unusable, Missing, Conflicts, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn put(
    desk: State<Desk>,
    caller: Extension<Caller>,
    named: At<Named>,
    keys: Body<Map<String, Value>>,
) -> Result<Json<EditedWebhook>, Problem> {
    patch(desk, caller, named, keys).await
}

/// The same.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", operation_id = "patch_webhook", tag = "webhooks", params(Named),
    request_body = WebhookChanges,
    responses((status = OK, body = EditedWebhook), Unusable, Missing, Conflicts, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn patch(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<Json<EditedWebhook>, Problem> {
    let (keys, is_enabled) = webhook_keys::taken(keys)?;
    let changed = desk.update_webhook(&id, keys, is_enabled, &caller.owned).await;
    edited(&desk, changed.map_err(|refusal| refusal.about(&id))?).await
}

/// Deletes a webhook that was made through the API, and cancels what waits for it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", operation_id = "delete_webhook", tag = "webhooks", params(Named),
    responses((status = NO_CONTENT), Unusable, Missing, Conflicts, Refusals, Stopping))]
pub(super) async fn delete(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<StatusCode, Problem> {
    let deleted = desk.delete_webhook(&id, &caller.owned).await;
    deleted.map(|()| StatusCode::NO_CONTENT).map_err(|refusal| refusal.about(&id))
}

async fn edited(desk: &Desk, edited: Edited) -> Result<Json<EditedWebhook>, Problem> {
    let Edited { webhook, secret, warnings } = edited;
    let standings = desk.writer.standings().await?;
    let standing = standings.get(&webhook.id).ok_or_else(Problem::stopping)?;
    let webhook = Webhook::of(&webhook, standing, desk.now_ms());
    Ok(Json(EditedWebhook { webhook, secret, warnings }))
}

impl Refusal {
    /// As it is answered here, about the webhook of that name or id.
    pub(super) fn about(self, named: &str) -> Problem {
        match self {
            Self::Invalid(errors) => Problem::unusable(errors),
            Self::NotOwned(error) => Problem::not_owned(vec![error]),
            Self::NameTaken(error) => Problem::name_taken(error),
            Self::TooMany => {
                Problem::new(Code::TooManyWebhooks, "there are too many webhooks; delete some")
            }
            Self::OfFile { name } => Problem::new(
                Code::WebhookOfFile,
                format!(
                    "`{name}` is a webhook of the configuration file: change it there, then reload"
                ),
            ),
            Self::Unknown => Problem::unknown_webhook(named, &[]),
            Self::Internal(words) => Problem::internal(words),
            Self::Stopping => Problem::stopping(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        refusal.about("")
    }
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "show_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Webhook), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn show(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Webhook>, Problem> {
    shown(&desk, &id).await
}

async fn shown(desk: &Desk, id: &str) -> Result<Json<Webhook>, Problem> {
    let webhook = desk.webhook(id)?;
    let standings = desk.writer.standings().await?;
    let standing = standings.get(&webhook.id).ok_or_else(Problem::stopping)?;
    Ok(Json(Webhook::of(&webhook, standing, desk.now_ms())))
}

/// What becomes of the events that waited for a disabled webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// `replay` (they are sent, oldest first) or `drop`.
    #[serde(default = "replay")]
    pub resume: String,
}

fn replay() -> String {
    "replay".to_owned()
}

/// Sends to a webhook again. One that is enabled stays as it is.
#[utoipa::path(post, path = "/v1/webhooks/{id}/enable", operation_id = "enable_webhook", tag = "webhooks", params(Named),
    request_body = Enable,
    responses((status = OK, body = Webhook), Unusable, Missing, TooLarge, Refusals, Stopping))]
pub(super) async fn enable(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
    Body(how): Body<Enable>,
) -> Result<Json<Webhook>, Problem> {
    let resume = match how.resume.as_str() {
        "replay" => Resume::Replay,
        "drop" => Resume::Drop,
        other => {
            return Err(Problem::invalid(format!("resume: `{other}` is none of replay, drop")));
        }
    };
    desk.writer.enable(desk.webhook(&id)?.id, resume).await?;
    shown(&desk, &id).await
}

/// Sends nothing to a webhook. What comes for it waits.
#[utoipa::path(post, path = "/v1/webhooks/{id}/disable", operation_id = "disable_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Webhook), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn disable(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Webhook>, Problem> {
    desk.writer.disable(desk.webhook(&id)?.id).await?;
    shown(&desk, &id).await
}

/// Sends a test event now, whatever the webhook subscribed to.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", operation_id = "test_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Attempt), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn test(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Attempt>, Problem> {
    let webhook = desk.webhook(&id)?;
    let report = deliver::test(&desk.client, &webhook, &*desk.clock).await;
    Ok(Json((&report.record).into()))
}

/// What a receiver does with what it should and should not believe.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Probes {
    /// In the order in which they were made.
    pub data: Vec<Probe>,
}

/// Probes whether a receiver checks signatures, freshness and duplicates.
#[utoipa::path(post, path = "/v1/webhooks/{id}/verify", operation_id = "verify_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Probes), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn verify(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Probes>, Problem> {
    let webhook = desk.webhook(&id)?;
    Ok(Json(Probes { data: deliver::probe(&desk.client, &webhook, &*desk.clock).await }))
}
