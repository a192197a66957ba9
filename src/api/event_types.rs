//! The types of events: how each profile calls them, what they look like, and what makes them.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Desk, refusals::Refusals};
use crate::{
    deliver::catalogue::{self, Maker},
    event::EventType,
    profile::Profile,
};

/// A type of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Kind {
    /// Canonical name.
    #[serde(rename = "type")]
    pub name: String,
    /// `outbound`, `inbound` or `operational`.
    pub service: String,
    /// What has happened.
    pub description: String,
    /// `*` means it.
    pub is_common: bool,
    /// What makes it: `log`, `milter`, `haraka-plugin`, `report`, `tracker`, `service` or `person`.
    pub made_by: Vec<String>,
    /// The canonical form of such events, as JSON Schema.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// Such an event in its canonical form.
    #[schema(value_type = Object)]
    pub sample: Value,
    /// How each profile tells it; those that have no word for it are left out.
    pub profiles: Vec<Told>,
}

/// A type in a profile.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = KindInProfile)]
pub struct Told {
    /// The profile.
    pub profile: String,
    /// Its names there: one for each kind of bounce, where there are two.
    pub names: Vec<String>,
    /// The body that a webhook is sent.
    #[schema(value_type = Object)]
    pub sample: Value,
}

/// All types.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Kinds {
    /// In the order of the documentation.
    pub data: Vec<Kind>,
}

/// All types of events but the test: names, JSON Schema, samples.
#[utoipa::path(get, path = "/v1/event-types", operation_id = "list_event_types", tag = "events",
    responses((status = OK, body = Kinds), Refusals))]
pub(super) async fn list(State(_desk): State<Desk>) -> Json<Kinds> {
    Json(Kinds { data: catalogue::types().map(kind).collect() })
}

fn kind(kind: EventType) -> Kind {
    let event = catalogue::sample(kind);
    let told = |profile: &Profile| {
        let names = catalogue::names(kind, *profile);
        let sample = catalogue::body(&event, *profile)?;
        let names = names.into_iter().map(str::to_owned).collect();
        Some(Told { profile: profile.name().to_owned(), names, sample })
    };
    Kind {
        name: kind.name().to_owned(),
        service: kind.service().name().to_owned(),
        description: kind.description(),
        is_common: kind.is_common(),
        made_by: Maker::of(kind).iter().map(|maker| maker.name().to_owned()).collect(),
        schema: catalogue::schema(kind),
        sample: catalogue::canonical(&event),
        profiles: Profile::ALL.iter().filter_map(told).collect(),
    }
}
