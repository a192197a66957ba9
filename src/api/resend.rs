//! An event once more: as a receiver sees it, or sent to one.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    deliveries::SentAgain,
    events::Identified,
    extract::{Asked, At, Body},
    problem::Problem,
    refusals::{Broken, Missing, Refusals, Stopping, TooLarge, Unusable},
};
use crate::{
    config::Webhook,
    deliver::{
        envelope::{self, Rendered},
        privacy,
    },
    event::Event,
    profile::Profile,
};

/// For whom.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForWhom {
    /// As this profile says it: `standard`, `jetemail`, `generic` or `lettermint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// As the webhook with this name or id is told it, with what it is not to see left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// To whom.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToWhom {
    /// Names or ids of webhooks, whatever their filters say; left out, all that want the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<String>>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Resent {
    /// One for each webhook.
    pub data: Vec<SentAgain>,
}

/// The body of a request that tells of an event, byte for byte.
#[utoipa::path(get, path = "/v1/events/{id}/render", operation_id = "render_event", tag = "events", params(Identified, ForWhom),
    responses((status = OK, description = "The bytes that are signed and sent.", body = serde_json::Value, content_type = "application/json"), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn render(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
    Asked(whom): Asked<ForWhom>,
) -> Result<Response, Problem> {
    let named = whom.profile.as_deref().map(profile).transpose()?;
    let webhook = whom.webhook.as_deref().map(|name| desk.webhook(name)).transpose()?;
    let (_, event) = desk.event(&id).await?;
    let profile = named.or(webhook.as_ref().map(|it| it.profile)).unwrap_or(Profile::Standard);
    let rendered = rendered(&event, profile, webhook.as_deref()).ok_or_else(|| {
        let (kind, profile) = (event.kind.name(), profile.name());
        Problem::invalid(format!("profile: `{profile}` has no word for `{kind}`"))
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], rendered.body).into_response())
}

/// An event as the profile says it, with what the webhook is not to see left out.
pub(super) fn rendered(
    event: &Event,
    profile: Profile,
    webhook: Option<&Webhook>,
) -> Option<Rendered> {
    let shown = match webhook {
        Some(webhook) => privacy::veiled(event, &webhook.selection),
        None => std::borrow::Cow::Borrowed(event),
    };
    envelope::render(&shown, profile)
}

/// Sends an event again, as new deliveries of the same event with the same id.
#[utoipa::path(post, path = "/v1/events/{id}/replay", operation_id = "replay_event", tag = "events", params(Identified),
    request_body = ToWhom,
    responses((status = OK, body = Resent), Unusable, Missing, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn replay(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
    Body(whom): Body<ToWhom>,
) -> Result<Json<Resent>, Problem> {
    let (seq, event) = desk.event(&id).await?;
    let webhooks = if let Some(names) = &whom.webhooks {
        names.iter().map(|name| desk.webhook(name)).collect::<Result<Vec<_>, Problem>>()?
    } else {
        let all = desk.webhooks();
        all.iter().filter(|webhook| webhook.subscription().wants(&event)).cloned().collect()
    };
    let mut data = Vec::new();
    for webhook in webhooks {
        data.push(desk.send_again(seq, &event, &webhook).await?);
    }
    Ok(Json(Resent { data }))
}

fn profile(name: &str) -> Result<Profile, Problem> {
    Profile::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Profile::ALL.iter().map(|profile| profile.name()).collect();
        Problem::invalid(format!("profile: `{name}` is none of {}", names.join(", ")))
    })
}
