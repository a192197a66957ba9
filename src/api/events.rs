//! Events: what happened, as it is stored.

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    extract::{Asked, At},
    problem::Problem,
    refusals::{Broken, Missing, Refusals, Stopping, Unusable},
};
use crate::{
    deliver::canonical,
    event::{self, EventId, IdError, MessageUid},
    profile::Profile,
    queue::filter::TypeSet,
    search::Wanted,
};

/// Rows of an answer, unless it is asked for more or less.
pub(super) const LIMIT: usize = 50;
/// Rows of an answer at most.
pub(super) const MOST: usize = 1000;

/// Which events; left out, all are. Texts are compared as they are, none of them is a pattern.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Of these types: names and wildcards, as in `events` of a webhook, with commas between them.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of the message with this uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Of this queue ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Of messages with this Message-ID, in angle brackets or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// From this envelope sender; empty for the null sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For this recipient, before or after alias expansion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of messages that this user submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// For recipients in this domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// That happened then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// That happened before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// How many at most, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Identity, from the content of the line that gave it.
    pub id: String,
    /// `outbound`, `inbound` or `operational`.
    pub service: String,
    /// What happened: `outbound.bounced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened by the log, RFC 3339 in UTC.
    pub created_at: String,
    /// All that is known about it; what is not known is left out.
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// Some events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// The latest stored first. May be empty although there are more: then much was looked through.
    pub data: Vec<Event>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Which event is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Identified {
    /// Its id, `evt_…`.
    pub(super) id: String,
}

impl From<&event::Event> for Event {
    fn from(event: &event::Event) -> Self {
        Self {
            id: event.id.to_string(),
            service: event.kind.service().name().to_owned(),
            kind: event.kind.name().to_owned(),
            created_at: canonical::created_at(event),
            data: canonical::data(event),
        }
    }
}

impl Event {
    /// The text of one of its data.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.data.get(field).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

/// Events, the latest stored first.
///
/// By id, uid, queue ID, Message-ID and recipient they are found at once, however many there are;
/// by anything else they are looked through, some ten thousand for one answer.
#[utoipa::path(get, path = "/v1/events", operation_id = "list_events", tag = "events", params(Which),
    responses((status = OK, body = Events), Unusable, Refusals, Broken, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(which): Asked<Which>,
) -> Result<Json<Events>, Problem> {
    let page = desk.search.find(which.wanted()?).await?;
    let data = page.events.iter().map(|(_, event)| event.into()).collect();
    Ok(Json(Events { data, next_cursor: page.next.map(|next| next.to_string()) }))
}

/// One event.
#[utoipa::path(get, path = "/v1/events/{id}", operation_id = "show_event", tag = "events", params(Identified),
    responses((status = OK, body = Event), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn show(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
) -> Result<Json<Event>, Problem> {
    Ok(Json((&desk.event(&id).await?.1).into()))
}

impl Which {
    pub(super) fn wanted(self) -> Result<Wanted, Problem> {
        let types = self.kind.as_deref().map(types).transpose()?;
        let uid = self.uid.as_deref().map(|text| id::<MessageUid>("uid", text)).transpose()?;
        let before = self.cursor.as_deref().map(cursor).transpose()?;
        Ok(Wanted {
            id: None,
            uid,
            queue_id: self.queue_id,
            message_id: self.message_id,
            to: self.to,
            from: self.from,
            sender_token: None,
            user: self.user,
            domain: self.domain,
            types,
            since_us: self.since.map(Timestamp::as_microsecond),
            until_us: self.until.map(Timestamp::as_microsecond),
            before,
            from_seq: 0,
            limit: self.limit.unwrap_or(LIMIT).clamp(1, MOST),
        })
    }
}

impl Desk {
    /// The event with that id, and its place in the store.
    pub(super) async fn event(&self, text: &str) -> Result<(u64, event::Event), Problem> {
        let wanted = id::<EventId>("id", text)?;
        let mut asked = Wanted { id: Some(wanted), limit: 1, ..Wanted::default() };
        loop {
            let page = self.search.find(asked.clone()).await?;
            match (page.events.into_iter().next(), page.next) {
                (Some(found), _) => return Ok(found),
                (None, Some(next)) => asked.before = Some(next),
                (None, None) => return Err(Problem::unknown_event(text)),
            }
        }
    }
}

fn types(text: &str) -> Result<TypeSet, Problem> {
    TypeSet::parse(text.split(',').map(str::trim), Profile::Standard)
        .map_err(|error| Problem::invalid(format!("type: {error}")))
}

/// What a text identifies.
pub(super) fn id<T: std::str::FromStr<Err = IdError>>(
    field: &str,
    text: &str,
) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{field}: `{text}`: {error}")))
}

pub(super) fn cursor(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::invalid(format!("cursor: `{text}` was given by no answer")))
}
