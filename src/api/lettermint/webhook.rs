//! A webhook as the SDKs read it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{attempts::time_of_ms, mounts::Seen, rotation::Shown},
    config,
    profile::Profile,
    queue::filter::TypeSet,
};

/// What the provider has words for, and events here have.
const EVENTS: [&str; 13] = [
    "message.created",
    "message.sent",
    "message.delivered",
    "message.hard_bounced",
    "message.soft_bounced",
    "message.spam_complaint",
    "message.failed",
    "message.suppressed",
    "message.policy_rejected",
    "message.opened",
    "message.clicked",
    "message.inbound",
    "webhook.test",
];

/// A webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintWebhook)]
pub(super) struct Webhook {
    /// Stable.
    #[schema(format = "uuid")]
    pub(super) id: String,
    /// `team` (all streams) or `route`.
    pub(super) scope: String,
    /// Always empty.
    pub(super) project_ids: Vec<String>,
    /// Names of the streams that it is told of; empty for all.
    pub(super) route_ids: Vec<String>,
    /// The first of them.
    pub(super) route_id: Option<String>,
    pub(super) name: String,
    pub(super) url: String,
    /// A name and a password, or something else in the header `Authorization`, is sent.
    pub(super) has_basic_auth: bool,
    /// What it is told of, as far as the provider has a word for it.
    pub(super) events: Vec<String>,
    /// It is told of events.
    pub(super) enabled: bool,
    /// Also opens and clicks by machines.
    pub(super) include_machine_events: bool,
    /// `live`.
    pub(super) delivery_mode_filter: String,
    /// Its secret, if that was made just now: this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Shown>,
    /// When the last attempt began, RFC 3339 in UTC.
    pub(super) last_called_at: Option<String>,
    /// When it was made; null for one of the configuration.
    pub(super) created_at: Option<String>,
    /// When it was last changed.
    pub(super) updated_at: Option<String>,
}

impl Webhook {
    pub(super) fn of(seen: &Seen, last_called_at: Option<String>) -> Self {
        let webhook = &seen.webhook;
        let routes = webhook.selection.routes.clone();
        let headers = &webhook.transport.headers;
        Self {
            id: webhook.id.to_uuid(),
            scope: if routes.is_empty() { "team" } else { "route" }.to_owned(),
            project_ids: Vec::new(),
            route_id: routes.first().cloned(),
            route_ids: routes,
            name: webhook.name.clone(),
            url: webhook.url.to_string(),
            has_basic_auth: headers.iter().any(|header| header.name == "authorization"),
            events: events(webhook),
            enabled: seen.is_enabled,
            include_machine_events: webhook.selection.include_machine_events,
            delivery_mode_filter: "live".to_owned(),
            secret: None,
            last_called_at,
            created_at: seen.time(|made| made.created_ms, time_of_ms),
            updated_at: seen.time(|made| made.modified_ms, time_of_ms),
        }
    }
}

/// As they were asked for, where that was in the provider's words.
fn events(webhook: &config::Webhook) -> Vec<String> {
    let asked = webhook.made.as_ref().and_then(|made| made.draft.words("events"));
    let is_known = |name: &String| EVENTS.contains(&name.as_str());
    if let Some(asked) = asked.filter(|names| names.iter().all(is_known)) {
        return asked;
    }
    let is_told = |name: &&str| {
        let types = TypeSet::parse([*name], Profile::Lettermint);
        types.is_ok_and(|types| !types.is_disjoint(webhook.events))
    };
    EVENTS.into_iter().filter(is_told).map(str::to_owned).collect()
}
