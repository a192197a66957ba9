//! The story of a message: its lines, its way, what it gave, who was told, and who was not and why.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::time,
    deliveries::Delivery,
    events::Event,
    extract::Asked,
    head::Head,
    problem::Problem,
    refusals::{Broken, Refusals, Stopping, Unusable},
};
use crate::{
    correlate::{Open, Sought},
    event::{self, EventId, LinePlace, MessageUid},
    search::{Wanted, lines},
};

/// Stories of one answer at most.
const STORIES: usize = 5;
/// Events that are looked at for them.
const FOUND: usize = 100;
/// Bytes of a query at most.
const QUERY_BYTES: usize = 998;

/// What to explain.
#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// A queue ID, a Message-ID, a uid (`msg_…`), the id of an event (`evt_…`) or a recipient.
    pub q: String,
}

/// What is known about it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Explained {
    /// What was asked.
    pub query: String,
    /// What it was taken for: `event`, `message`, `queue_id`, `message_id` or `recipient`.
    pub taken_for: String,
    /// The messages that it is about, the latest first. A recipient may have had many: these are the
    /// latest.
    pub stories: Vec<Story>,
    /// There are more.
    pub is_cut: bool,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Story {
    /// Identity across queue IDs.
    pub uid: String,
    /// What the logs called it.
    pub queue_ids: Vec<String>,
    /// Message-ID header.
    pub message_id: Option<String>,
    /// Envelope sender; empty for the null sender.
    pub from: Option<String>,
    /// Subject header.
    pub subject: Option<String>,
    /// Who submitted it.
    pub user: Option<String>,
    /// It is still under way, under these queue IDs.
    pub open: Vec<UnderWay>,
    /// How it came from one queue ID to the next.
    pub hops: Vec<Hop>,
    /// What happened, in the order in which it did, and who was told.
    pub events: Vec<Told>,
    /// There are more events.
    pub events_cut: bool,
    /// Its lines, as they are in the logs now.
    pub lines: Vec<Line>,
    /// There may be more lines.
    pub lines_cut: bool,
    /// What could not be read, in words.
    pub missing: Vec<String>,
}

/// A message that has not come to its end, as it is now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnderWay {
    /// Host in whose log it is.
    pub host: String,
    /// Instance of the mail server there; empty for the main one.
    pub instance: String,
    /// Its queue ID.
    pub queue_id: String,
    /// Time of its latest line, RFC 3339 in UTC.
    pub seen_at: String,
    /// Recipients that have not come to their end.
    pub waiting: Vec<String>,
    /// Recipients that have.
    pub done: Vec<String>,
    /// Recipients in all, if that was logged.
    pub nrcpt: Option<u32>,
    /// It may be a stage of another message: its lines wait for one that tells.
    pub is_held: bool,
    /// A person has to decide about it.
    pub is_on_hold: bool,
}

/// A step from one queue ID to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hop {
    /// From there.
    pub from: String,
    /// To there.
    pub to: String,
    /// `handed over`, `forwarded`, `queued again` or `notification`.
    pub how: String,
}

/// An event, and who was told of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The event.
    pub event: Event,
    /// Place of its line in `lines`; null when that cannot be read.
    pub line: Option<usize>,
    /// Each webhook: where the delivery is with every attempt, or why there is none.
    pub deliveries: Vec<Delivery>,
}

/// A line of a log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// The file in which it is now.
    pub file: String,
    /// Offset in there, decompressed.
    pub offset: u64,
    /// The line; a stranger may have written parts of it.
    pub text: String,
}

/// What a query may be.
enum Key {
    Event(EventId),
    Message(MessageUid),
    QueueId,
    MessageId,
    Address,
}

impl Key {
    fn of(query: &str) -> Self {
        if let Ok(id) = query.parse::<EventId>() {
            Self::Event(id)
        } else if let Ok(uid) = query.parse::<MessageUid>() {
            Self::Message(uid)
        } else if query.starts_with('<') {
            Self::MessageId
        } else if query.contains('@') {
            Self::Address
        } else {
            Self::QueueId
        }
    }
}

/// The story of a message, or of the latest few messages that the query is about.
#[utoipa::path(get, path = "/v1/explain", operation_id = "explain", tag = "events", params(Query),
    responses((status = OK, body = Explained), Unusable, Refusals, Broken, Stopping))]
pub(super) async fn explain(
    State(desk): State<Desk>,
    Asked(Query { q }): Asked<Query>,
) -> Result<Json<Explained>, Problem> {
    let query = q.trim();
    if query.is_empty() || query.len() > QUERY_BYTES {
        return Err(Problem::invalid("q: a queue ID, Message-ID, uid, event id or recipient"));
    }
    let (taken_for, uids, is_cut) = desk.messages_of(query).await?;
    let mut stories = Vec::new();
    for uid in uids {
        stories.push(desk.story(uid).await?);
    }
    let (query, taken_for) = (query.to_owned(), taken_for.to_owned());
    Ok(Json(Explained { query, taken_for, stories, is_cut }))
}

impl Desk {
    /// The messages that a query is about, and whether there are more.
    async fn messages_of(
        &self,
        query: &str,
    ) -> Result<(&'static str, Vec<MessageUid>, bool), Problem> {
        let text = || Some(query.to_owned());
        let wanted = Wanted { limit: FOUND, ..Wanted::default() };
        let by_message_id = Wanted { message_id: text(), ..wanted.clone() };
        let (word, asked, sought) = match Key::of(query) {
            Key::Event(id) => ("event", Wanted { id: Some(id), ..wanted }, None),
            Key::Message(uid) => {
                let asked = Wanted { uid: Some(uid), ..wanted };
                ("message", asked, Some(Sought::Uid(uid)))
            }
            Key::QueueId => {
                let sought = Sought::QueueId(query.to_owned());
                ("queue_id", Wanted { queue_id: text(), ..wanted }, Some(sought))
            }
            Key::MessageId | Key::Address => {
                ("message_id", by_message_id, Some(Sought::MessageId(query.to_owned())))
            }
        };
        let (mut uids, is_cut) = self.uids(asked).await?;
        if let Some(sought) = sought {
            let open = self.writer.open(sought).await?;
            let fresh: Vec<_> =
                open.iter().map(|it| it.uid).filter(|it| !uids.contains(it)).collect();
            uids.splice(0..0, fresh.into_iter().collect::<BTreeSet<_>>());
        }
        if uids.is_empty() && matches!(Key::of(query), Key::Address) {
            let asked = Wanted { to: text(), limit: FOUND, ..Wanted::default() };
            let (uids, is_cut) = self.uids(asked).await?;
            return Ok(("recipient", uids, is_cut));
        }
        let is_cut = is_cut || uids.len() > STORIES;
        uids.truncate(STORIES);
        Ok((word, uids, is_cut))
    }

    /// The latest few messages of the events that are looked for, and whether there are more.
    async fn uids(&self, mut wanted: Wanted) -> Result<(Vec<MessageUid>, bool), Problem> {
        let mut uids = Vec::new();
        loop {
            let page = self.search.find(wanted.clone()).await?;
            for (_, event) in page.events.iter().filter(|(_, event)| !event.kind.is_operational()) {
                if !uids.contains(&event.data.uid) {
                    uids.push(event.data.uid);
                }
            }
            let is_cut = page.next.is_some() || uids.len() > STORIES;
            if page.next.is_none() || !page.events.is_empty() {
                uids.truncate(STORIES);
                return Ok((uids, is_cut));
            }
            wanted.before = page.next;
        }
    }

    async fn story(&self, uid: MessageUid) -> Result<Story, Problem> {
        let (found, events_cut) = self.events_of(uid).await?;
        let open = self.writer.open(Sought::Uid(uid)).await?;
        let head = Head::of(found.iter().map(|(_, event)| event)).with_open(&open);
        let asked = lines::Asked {
            sources: self.logs.to_vec(),
            places: found.iter().filter_map(|(_, event)| event.data.place).collect(),
            queue_ids: head.queue_ids.clone(),
            message_id: head.message_id.clone(),
            is_open: !open.is_empty(),
        };
        let told = self.search.lines(asked).await?;
        let events = self.told(found, &told).await?;
        let hops = told.hops.into_iter().map(|(from, to, how)| {
            let how = how.words().to_owned();
            Hop { from, to, how }
        });
        let line = |line: lines::Line| Line {
            file: line.path.display().to_string(),
            offset: line.offset,
            text: line.text,
        };
        Ok(Story {
            uid: uid.to_string(),
            queue_ids: head.queue_ids,
            message_id: head.message_id,
            from: head.from,
            subject: head.subject,
            user: head.user,
            open: open.iter().map(UnderWay::from).collect(),
            hops: hops.collect(),
            events,
            events_cut,
            lines: told.lines.into_iter().map(line).collect(),
            lines_cut: told.is_cut,
            missing: told.missing,
        })
    }

    async fn told(
        &self,
        found: Vec<(u64, event::Event)>,
        told: &lines::Lines,
    ) -> Result<Vec<Told>, Problem> {
        let rows = self.deliveries(found.clone(), self.webhooks().to_vec()).await?;
        let mut rows = rows.into_iter().peekable();
        let line_of = |place: LinePlace| {
            let is_it =
                |line: &lines::Line| line.log == Some(place.log) && line.offset == place.offset;
            told.lines.iter().position(is_it)
        };
        let with_rows = |(_, event): (u64, event::Event)| {
            let id = event.id.to_string();
            let mut deliveries = Vec::new();
            while let Some(row) = rows.next_if(|row| row.event_id == id) {
                deliveries.push(row);
            }
            let line = event.data.place.and_then(line_of);
            Told { event: Event::from(&event), line, deliveries }
        };
        Ok(found.into_iter().map(with_rows).collect())
    }
}

impl From<&Open> for UnderWay {
    fn from(open: &Open) -> Self {
        let of = |wanted: bool| {
            let those = open.recipients.iter().filter(|(_, is_done)| *is_done == wanted);
            those.map(|(to, _)| to.to_string()).collect()
        };
        Self {
            host: open.host.clone(),
            instance: open.instance.clone(),
            queue_id: open.queue_id.clone(),
            seen_at: time(open.seen_us),
            waiting: of(false),
            done: of(true),
            nrcpt: open.nrcpt,
            is_held: open.is_held,
            is_on_hold: open.is_on_hold,
        }
    }
}
