//! Messages: what became of each recipient.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    events::{self, Event, MOST},
    extract::At,
    head::Head,
    problem::Problem,
    refusals::{Broken, Missing, Refusals, Stopping, Unusable},
};
use crate::{
    event::{self, EventType, MessageUid},
    search::Wanted,
};

/// A message, as its events tell of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Identity across queue IDs.
    pub uid: String,
    /// Queue IDs that its events name, the first one first.
    pub queue_ids: Vec<String>,
    /// Message-ID header.
    pub message_id: Option<String>,
    /// Envelope sender; empty for the null sender.
    pub from: Option<String>,
    /// Subject header.
    pub subject: Option<String>,
    /// Who submitted it.
    pub user: Option<String>,
    /// What became of each recipient. Events that name none are under one without an address.
    pub recipients: Vec<Recipient>,
    /// There are more events: of a message with very many recipients the latest are shown.
    pub is_cut: bool,
}

/// One recipient.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Recipient {
    /// Its address.
    pub to: Option<String>,
    /// The type of the latest event that says what became of it.
    pub state: String,
    /// What happened, in the order in which it did.
    pub timeline: Vec<Event>,
}

/// Which message is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Identified {
    /// Its uid, `msg_…`.
    uid: String,
}

/// One message, recipient by recipient.
#[utoipa::path(get, path = "/v1/messages/{uid}", operation_id = "show_message", tag = "events", params(Identified),
    responses((status = OK, body = Message), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn show(
    State(desk): State<Desk>,
    At(Identified { uid }): At<Identified>,
) -> Result<Json<Message>, Problem> {
    let wanted = events::id::<MessageUid>("uid", &uid)?;
    let (found, is_cut) = desk.events_of(wanted).await?;
    if found.is_empty() {
        return Err(Problem::unknown_message(&uid));
    }
    let events: Vec<_> = found.into_iter().map(|(_, event)| event).collect();
    Ok(Json(Message { is_cut, ..message(wanted, &events) }))
}

impl Desk {
    /// The events of a message in the order in which they happened, and whether there are more. Of a
    /// very long time some page may be empty; it goes on until the end.
    pub(super) async fn events_of(
        &self,
        uid: MessageUid,
    ) -> Result<(Vec<(u64, event::Event)>, bool), Problem> {
        let mut wanted = Wanted { uid: Some(uid), limit: MOST, ..Wanted::default() };
        let mut found = Vec::new();
        let is_cut = loop {
            let page = self.search.find(wanted.clone()).await?;
            found.extend(page.events);
            wanted.before = page.next;
            if page.next.is_none() || found.len() >= MOST {
                break page.next.is_some();
            }
        };
        found.reverse();
        // What is told late, as `queued` of a recipient that was not known, happened before.
        found.sort_by_key(|(_, event)| event.at_us);
        Ok((found, is_cut))
    }
}

fn message(uid: MessageUid, events: &[event::Event]) -> Message {
    let mut recipients: BTreeMap<Option<String>, Vec<&event::Event>> = BTreeMap::new();
    for event in events {
        let to = event.data.to.as_ref().map(ToString::to_string);
        recipients.entry(to).or_default().push(event);
    }
    let Head { queue_ids, message_id, from, subject, user } = Head::of(events);
    let recipients = recipients.into_iter().map(|(to, events)| recipient(to, &events)).collect();
    let uid = uid.to_string();
    Message { uid, queue_ids, message_id, from, subject, user, recipients, is_cut: false }
}

fn recipient(to: Option<String>, events: &[&event::Event]) -> Recipient {
    let tells_end = |event: &&&event::Event| event.kind != EventType::OutboundSending;
    let latest = events.iter().rev().find(tells_end).or(events.last());
    let state = latest.map(|event| event.kind.name().to_owned()).unwrap_or_default();
    Recipient { to, state, timeline: events.iter().map(|event| Event::from(*event)).collect() }
}
