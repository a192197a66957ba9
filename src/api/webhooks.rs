//! Webhooks: what they are, and whether they are heard.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};

use super::{Desk, attempts::Attempt, problem::Problem, rotation::FormerSecret};
use crate::{
    config,
    deliver::{self, Probe},
};

/// A webhook as it is shown: without anything that is secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// `wh_` and 26 characters; stable.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// Its dialect.
    pub profile: String,
    /// What it is told of, by canonical names.
    pub events: Vec<String>,
    /// The last four characters of the secret that signs.
    pub secret_hint: String,
    /// Secrets before it that are still good.
    pub former_secrets: Vec<FormerSecret>,
    /// Only outbound events of these users; null for all.
    pub filter_users: Option<Vec<String>>,
    /// Only inbound events for these domains; null for all.
    pub filter_domains: Option<Vec<String>>,
}

/// All webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhooks {
    /// In the order of the configuration.
    pub data: Vec<Webhook>,
}

impl From<&config::Webhook> for Webhook {
    fn from(webhook: &config::Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            name: webhook.name.clone(),
            url: webhook.url.to_string(),
            profile: webhook.profile.name().to_owned(),
            events: webhook.events.types().map(|kind| kind.name().to_owned()).collect(),
            secret_hint: webhook.ring().current().hint().to_owned(),
            former_secrets: FormerSecret::all(&webhook.ring()),
            filter_users: webhook.filter_users.clone(),
            filter_domains: webhook.filter_domains.clone(),
        }
    }
}

/// `GET /v1/webhooks`.
pub(super) async fn list(State(desk): State<Desk>) -> Json<Webhooks> {
    Json(Webhooks { data: desk.webhooks.iter().map(|webhook| (&**webhook).into()).collect() })
}

/// `GET /v1/webhooks/{id}`, by id or name.
pub(super) async fn show(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<Webhook>, Problem> {
    let (_, webhook) = desk.webhook(&id)?;
    Ok(Json((&**webhook).into()))
}

/// `POST /v1/webhooks/{id}/test`: sends a test event now, whatever the webhook subscribed to.
pub(super) async fn test(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<Attempt>, Problem> {
    let (_, webhook) = desk.webhook(&id)?;
    let report = deliver::test(&desk.client, webhook, &*desk.clock).await;
    Ok(Json((&report.record).into()))
}

/// What a receiver does with what it should and should not believe.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probes {
    /// In the order in which they were made.
    pub data: Vec<Probe>,
}

/// `POST /v1/webhooks/{id}/verify`.
pub(super) async fn verify(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<Probes>, Problem> {
    let (_, webhook) = desk.webhook(&id)?;
    Ok(Json(Probes { data: deliver::probe(&desk.client, webhook, &*desk.clock).await }))
}
