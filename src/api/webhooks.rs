//! Webhooks: what they are, and whether they are heard.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::Attempt,
    extract::{At, Body},
    problem::{Missing, Problem, Refusals, Unusable},
    rotation::FormerSecret,
};
use crate::{
    config,
    deliver::{self, Probe},
    event::EventId,
    queue::{
        endpoint::{Circuit, Health},
        subscription::Decision,
    },
    writer::{Resume, Standing},
};

/// A webhook as it is shown: without anything that is secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
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
    /// It is told of events.
    pub active: bool,
    /// Why it is not: `failing`, `gone` or `operator`.
    pub disabled_reason: Option<String>,
    /// What goes on: `ok`, `failing`, `held` (the receiver asked for it), `circuit_open` or
    /// `disabled`.
    pub state: String,
    /// Attempts that failed since the last that did not.
    pub failures: u64,
    /// Events that it has not been asked about yet, of which it may not want all.
    pub backlog: u64,
    /// What became of the events that it was asked about since the daemon started; what did not
    /// happen is left out.
    pub decisions: Vec<Decided>,
}

/// Events that were told, or not, for one reason. Of events that were passed over many at once the
/// latest gives the reason for all.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// They are told.
    pub is_told: bool,
    /// Why, with the key of the configuration that decided.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The latest of them.
    pub latest_event_id: String,
}

/// All webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Webhooks {
    /// In the order of the configuration.
    pub data: Vec<Webhook>,
}

/// Which webhook is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Named {
    /// Its id or name.
    pub(super) id: String,
}

impl Webhook {
    fn of(webhook: &config::Webhook, standing: &Standing, now_ms: u64) -> Self {
        let health = &standing.health;
        let state = match health {
            Health { disabled: Some(_), .. } => "disabled",
            Health { circuit: Circuit::Open { .. }, .. } => "circuit_open",
            _ if health.held_until_ms > now_ms => "held",
            Health { failing: Some(_), .. } => "failing",
            _ => "ok",
        };
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
            active: health.disabled.is_none(),
            disabled_reason: health.disabled.map(|disabled| disabled.reason.name().to_owned()),
            state: state.to_owned(),
            failures: health.failing.as_ref().map_or(0, |failing| failing.attempts),
            backlog: standing.backlog,
            decisions: standing.tally.made().map(Decided::from).collect(),
        }
    }
}

impl From<(Decision, u64, EventId)> for Decided {
    fn from((decision, count, latest): (Decision, u64, EventId)) -> Self {
        Self {
            is_told: decision == Decision::Wanted,
            reason: decision.reason().to_owned(),
            count,
            latest_event_id: latest.to_string(),
        }
    }
}

/// All webhooks, in the order of the configuration.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    responses((status = OK, body = Webhooks), Refusals))]
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Webhooks>, Problem> {
    let (standings, now_ms) = (desk.writer.standings().await?, desk.now_ms());
    let both = desk.webhooks.iter().zip(&standings);
    Ok(Json(Webhooks { data: both.map(|(it, how)| Webhook::of(it, how, now_ms)).collect() }))
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "show_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Webhook), Missing, Refusals))]
pub(super) async fn show(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Webhook>, Problem> {
    shown(&desk, &id).await
}

async fn shown(desk: &Desk, id: &str) -> Result<Json<Webhook>, Problem> {
    let (index, webhook) = desk.webhook(id)?;
    let standings = desk.writer.standings().await?;
    let standing = standings.get(index).ok_or_else(Problem::stopping)?;
    Ok(Json(Webhook::of(webhook, standing, desk.now_ms())))
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
    responses((status = OK, body = Webhook), Unusable, Missing, Refusals))]
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
    desk.writer.enable(desk.webhook(&id)?.1.id, resume).await?;
    shown(&desk, &id).await
}

/// Sends nothing to a webhook. What comes for it waits.
#[utoipa::path(post, path = "/v1/webhooks/{id}/disable", operation_id = "disable_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Webhook), Missing, Refusals))]
pub(super) async fn disable(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Webhook>, Problem> {
    desk.writer.disable(desk.webhook(&id)?.1.id).await?;
    shown(&desk, &id).await
}

/// Sends a test event now, whatever the webhook subscribed to.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", operation_id = "test_webhook", tag = "webhooks", params(Named),
    responses((status = OK, body = Attempt), Missing, Refusals))]
pub(super) async fn test(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Attempt>, Problem> {
    let (_, webhook) = desk.webhook(&id)?;
    let report = deliver::test(&desk.client, webhook, &*desk.clock).await;
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
    responses((status = OK, body = Probes), Missing, Refusals))]
pub(super) async fn verify(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
) -> Result<Json<Probes>, Problem> {
    let (_, webhook) = desk.webhook(&id)?;
    Ok(Json(Probes { data: deliver::probe(&desk.client, webhook, &*desk.clock).await }))
}
