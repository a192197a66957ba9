//! Webhooks made, changed, shown and deleted in the provider's words.

use axum::{
    Json,
    extract::{Extension, State},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Broken, Done, EVENTS, EventName, Failures, Missing, TooLarge, Unusable};
use crate::{
    api::{
        Desk,
        audit::Target,
        caller::Caller,
        extract::{At, Body},
        mounts::Seen,
        problem::Problem,
        rotation::Shown,
        webhooks::Named,
    },
    config::Draft,
    event::EventType,
};

/// Keys of a webhook that a request may have; `status` besides.
const KEYS: [&str; 6] = ["name", "url", "events", "secret", "filter_users", "filter_domains"];

/// What a new webhook is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = JetEmailNewWebhook)]
#[expect(dead_code, reason = "a description of what is asked, for the document")]
pub(super) struct NewWebhook {
    /// Letters, digits, hyphens, underscores and spaces; unique.
    #[schema(max_length = 64, pattern = r"^[a-zA-Z0-9-_\s]+$")]
    name: String,
    /// Where it is told, http or https.
    #[schema(format = "uri")]
    url: String,
    /// What it is told of.
    #[schema(value_type = Vec<EventName>, min_items = 1)]
    events: Vec<String>,
    /// 1 for enabled, 0 for disabled; 1 unless said otherwise.
    #[schema(minimum = 0, maximum = 1, default = 1)]
    status: Option<u8>,
    /// Only outbound events of these users, that the key owns; null for all.
    filter_users: Option<Vec<String>>,
    /// Only inbound events for these domains, that the key owns; null for all.
    filter_domains: Option<Vec<String>>,
    /// The secret; one is made, and shown in the answer, unless it is given.
    secret: Option<String>,
}

/// What a webhook is to be instead; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = JetEmailWebhookChanges)]
#[expect(dead_code, reason = "a description of what is asked, for the document")]
pub(super) struct WebhookChanges {
    /// Which webhook.
    #[schema(format = "uuid")]
    uuid: String,
    #[schema(max_length = 64, pattern = r"^[a-zA-Z0-9-_\s]+$")]
    name: Option<String>,
    #[schema(format = "uri")]
    url: Option<String>,
    #[schema(value_type = Option<Vec<EventName>>, min_items = 1)]
    events: Option<Vec<String>>,
    /// 1 for enabled, 0 for disabled.
    #[schema(minimum = 0, maximum = 1)]
    status: Option<u8>,
    /// Null for all.
    filter_users: Option<Vec<String>>,
    /// Null for all.
    filter_domains: Option<Vec<String>>,
    secret: Option<String>,
}

/// A webhook as the provider shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailWebhook)]
pub(super) struct Webhook {
    /// Stable.
    #[schema(format = "uuid")]
    uuid: String,
    name: String,
    url: String,
    /// Its secret, if that was made just now: this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Shown>,
    /// What it is told of, as far as the provider has a word for it.
    #[schema(value_type = Vec<EventName>)]
    events: Vec<String>,
    /// `enabled` or `disabled`.
    status: String,
    /// Only outbound events of these users; null for all.
    filter_users: Option<Vec<String>>,
    /// Only inbound events for these domains; null for all.
    filter_domains: Option<Vec<String>>,
    /// Seconds since the epoch; null for one of the configuration.
    created_at: Option<u64>,
    /// The same of the last change.
    last_modified: Option<u64>,
}

/// A webhook that was made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailMadeWebhook)]
pub(super) struct MadeWebhook {
    /// True.
    success: bool,
    message: String,
    webhook: Webhook,
}

/// One webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailOneWebhook)]
pub(super) struct OneWebhook {
    /// True.
    success: bool,
    webhook: Webhook,
}

/// All webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailWebhooks)]
pub(super) struct Webhooks {
    /// True.
    success: bool,
    /// Those of the configuration first.
    webhooks: Vec<Webhook>,
}

impl From<&Seen> for Webhook {
    fn from(seen: &Seen) -> Self {
        let webhook = &seen.webhook;
        let seconds = |ms: u64| ms / 1000;
        Self {
            uuid: webhook.id.to_uuid(),
            name: webhook.name.clone(),
            url: webhook.url.to_string(),
            secret: None,
            events: events(webhook),
            status: if seen.is_enabled { "enabled" } else { "disabled" }.to_owned(),
            filter_users: webhook.filter_users.clone(),
            filter_domains: webhook.filter_domains.clone(),
            created_at: seen.time(|made| made.created_ms, seconds),
            last_modified: seen.time(|made| made.modified_ms, seconds),
        }
    }
}

/// As they were asked for, where that was in the provider's words.
fn events(webhook: &crate::config::Webhook) -> Vec<String> {
    let asked = webhook.made.as_ref().and_then(|made| made.draft.words("events"));
    let is_known = |name: &str| EVENTS.contains(&name);
    if let Some(asked) = asked.filter(|names| names.iter().all(|name| is_known(name))) {
        return asked;
    }
    let names = webhook.events.types().map(EventType::name);
    names.filter(|name| is_known(name)).map(str::to_owned).collect()
}

/// Makes a webhook in the provider's profile.
#[utoipa::path(post, path = "/webhooks", operation_id = "jetemail_create_webhook", tag = "jetemail",
    request_body = NewWebhook,
    responses((status = OK, body = MadeWebhook), Unusable, TooLarge, Failures, Broken))]
pub(super) async fn create(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<(Extension<Target>, Json<MadeWebhook>), Problem> {
    for (key, name) in [("name", "Name"), ("url", "URL")] {
        if !keys.get(key).is_some_and(Value::is_string) {
            return Err(Problem::invalid(format!("{name} is required and must be a string")));
        }
    }
    if !keys.contains_key("events") {
        return Err(wrong_events());
    }
    let (keys, is_enabled) = taken(keys)?;
    let mut draft = Draft::new(keys);
    draft.set("profile", "jetemail");
    let is_enabled = is_enabled.unwrap_or(true);
    let made = desk.create_webhook(draft, is_enabled, &caller.owned).await?;
    let target = Target(made.webhook.id.to_string());
    let seen = Seen { webhook: made.webhook, is_enabled };
    let webhook = Webhook { secret: made.secret, ..Webhook::from(&seen) };
    let message = "Webhook created successfully".to_owned();
    Ok((Extension(target), Json(MadeWebhook { success: true, message, webhook })))
}

/// Changes a webhook that was made through the API: what is given replaces what was.
#[utoipa::path(patch, path = "/webhooks", operation_id = "jetemail_update_webhook", tag = "jetemail",
    request_body = WebhookChanges,
    responses((status = OK, body = Done), Unusable, Missing, TooLarge, Failures, Broken))]
pub(super) async fn update(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(mut keys): Body<Map<String, Value>>,
) -> Result<(Extension<Target>, Json<Done>), Problem> {
    let Some(Value::String(uuid)) = keys.remove("uuid") else {
        return Err(Problem::invalid("UUID is required and must be a string"));
    };
    let (keys, is_enabled) = taken(keys)?;
    let id = desk.seen_one(&caller, &uuid).await?.webhook.id.to_string();
    let changed = desk.update_webhook(&id, keys, is_enabled, &caller.owned).await;
    changed.map_err(|refusal| refusal.about(&uuid))?;
    Ok((Extension(Target(id)), Json(Done::with("Webhook updated successfully"))))
}

/// All webhooks.
#[utoipa::path(get, path = "/webhooks", operation_id = "jetemail_list_webhooks", tag = "jetemail",
    responses((status = OK, body = Webhooks), Failures))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Webhooks>, Problem> {
    let seen = desk.seen(&caller).await?;
    Ok(Json(Webhooks { success: true, webhooks: seen.iter().map(Webhook::from).collect() }))
}

/// One webhook.
#[utoipa::path(get, path = "/webhooks/{id}", operation_id = "jetemail_show_webhook", tag = "jetemail",
    params(Named),
    responses((status = OK, body = OneWebhook), Unusable, Missing, Failures))]
pub(super) async fn show(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<OneWebhook>, Problem> {
    let webhook = Webhook::from(&desk.seen_one(&caller, &id).await?);
    Ok(Json(OneWebhook { success: true, webhook }))
}

/// Deletes a webhook that was made through the API, and cancels what waits for it.
#[utoipa::path(delete, path = "/webhooks/{id}", operation_id = "jetemail_delete_webhook", tag = "jetemail",
    params(Named),
    responses((status = OK, body = Done), Unusable, Missing, Failures))]
pub(super) async fn delete(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
) -> Result<Json<Done>, Problem> {
    desk.delete_webhook(&id, &caller.owned).await.map_err(|refusal| refusal.about(&id))?;
    Ok(Json(Done::with("Webhook deleted successfully")))
}

/// The keys of the webhook itself, and whether it is to be told of events.
fn taken(mut keys: Map<String, Value>) -> Result<(Map<String, Value>, Option<bool>), Problem> {
    let is_enabled = match keys.remove("status") {
        None | Some(Value::Null) => None,
        Some(status) if status == 0 => Some(false),
        Some(status) if status == 1 => Some(true),
        Some(_) => return Err(Problem::invalid("Status must be 0 or 1")),
    };
    if let Some(unknown) = keys.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Problem::invalid(format!("Unknown field: {unknown}")));
    }
    if let Some(events) = keys.get("events") {
        known(events)?;
    }
    Ok((keys, is_enabled))
}

/// The provider's words only: the core would also take wildcards, and types it has no word for.
fn known(events: &Value) -> Result<(), Problem> {
    let names = events.as_array().filter(|names| !names.is_empty()).ok_or_else(wrong_events)?;
    let is_known = |name: &Value| name.as_str().is_some_and(|name| EVENTS.contains(&name));
    match names.iter().find(|name| !is_known(name)) {
        Some(other) => Err(Problem::invalid(format!("Invalid event type: {other}"))),
        None => Ok(()),
    }
}

fn wrong_events() -> Problem {
    Problem::invalid("Events are required and must be an array of at least one event type")
}
