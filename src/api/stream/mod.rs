//! What happens, told while it does: server-sent events (WHATWG HTML, section 9.2).
//!
//! * `filter` — what of it is asked for;
//! * `listener` — one who listens: first what it missed, if it comes again, then what happens.
//!
//! A client that is too slow is dropped, and may come again where it was: nobody waits for it.

mod filter;
mod listener;

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream::{Stream, unfold};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    caller::Caller,
    extract::Asked,
    logs::Logged,
    problem::Problem,
    refusals::{Missing, Refusals, Unusable},
};
use filter::Filter;
use listener::Listener;

/// Between two signs of life while nothing happens.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What is to be told. All that is given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Listen {
    /// Only of these types, separated by commas: names and wildcards, as in `outbound.*`. Without it
    /// all, also those about the service.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub types: Option<String>,
    /// Only what this webhook is told of, and attempts to tell it: its name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Only of messages that this user submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only of messages to this domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Only `events`, or only `attempts`; without it both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Tell events as this profile does, as `Letter`; types that it has no word for are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// An event as a webhook of some profile would be sent it: the `data` of `letter`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Letter {
    /// Id of the event: `evt_…`.
    pub id: String,
    /// The type's name in the profile.
    #[serde(rename = "type")]
    pub kind: String,
    /// The exact bytes of the body.
    pub body: String,
}

/// An attempt that has ended: the `data` of `attempt`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// Name of the webhook.
    pub webhook: String,
    /// The attempt, and what became of the delivery.
    #[serde(flatten)]
    pub logged: Logged,
}

/// Something is not told: the `data` of `gap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// So many events, or events and attempts.
    pub missed: u64,
}

/// What happens from now on, as server-sent events. `event` has an event as `replay --dry-run` prints
/// it, or `letter` one as a profile does; each has an id, with which a client that comes again, in the
/// header `Last-Event-ID`, is first told what it missed, 10,000 events at most. `attempt` has an
/// attempt to deliver. `gap` says how much is not told, because it is too much or too old; one at the end
/// says that the client was too slow.
#[utoipa::path(get, path = "/v1/stream", operation_id = "listen", tag = "events", params(Listen),
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last id that was told")),
    responses((status = OK, content_type = "text/event-stream", body = String), Unusable, Missing, Refusals))]
pub(super) async fn listen(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Asked(asked): Asked<Listen>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let filter = Filter::of(&asked, &desk)?;
    let last = headers.get("last-event-id").map(last_id).transpose()?;
    let place = desk.guard.place().ok_or_else(|| {
        Problem::too_many("as many listen as may at once", Duration::from_mins(1))
    })?;
    let listener = Listener::new(desk, caller, filter, last, place);
    let told = unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)))
}

fn last_id(header: &axum::http::HeaderValue) -> Result<u64, Problem> {
    let id = header.to_str().ok().and_then(|text| text.parse().ok());
    id.ok_or_else(|| Problem::invalid("Last-Event-ID: no id that was told here"))
}
