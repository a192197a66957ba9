//! Deliveries: one event for one webhook, wherever it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::time_of_ms,
    code::Code,
    events::{self, LIMIT, MOST},
    extract::{Asked, At},
    logs::Logged,
    problem::Problem,
    refusals::{Broken, Conflicts, Missing, Refusals, Stopping, Unusable},
    states::{self, States},
};
use crate::{
    config::Webhook,
    event::{Event, EventId},
    queue::{delivery::DeadLetter, record::Record},
    search::{SearchError, Wanted},
    store::View,
    writer::{
        Cancelled, Course, Replayed, Stored, Whereabouts,
        rows::{self, Attempts, Retry},
    },
};

/// Events looked at for one answer.
const LOOKED_AT: usize = 5000;

/// Which deliveries; left out, all are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// To the webhook with this name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// In this state: `pending`, `held`, `in_flight`, `delivered`, `dead`, `discarded`, `blocked`,
    /// `cancelled`, `expired` or `settled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of events of these types, as for a list of events.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of the event with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Of events of the message with this uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Of events for this recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of events that happened then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Of events that happened before.
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

/// One event for one webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Identity: that of the event and that of the webhook.
    pub id: String,
    /// Id of the event.
    pub event_id: String,
    /// Type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// Recipient that the event is about.
    pub to: Option<String>,
    /// When the event happened, RFC 3339 in UTC.
    pub created_at: String,
    /// Name of the webhook.
    pub webhook: String,
    /// `pending`, `held` (until the webhook is enabled), `in_flight`, `delivered`, `dead`,
    /// `discarded`, `blocked`, `cancelled`, `expired`, or `settled` (it is over, and no attempt is on
    /// record any more). In a story also `not_wanted` and `not_offered`: then there is no delivery.
    pub state: String,
    /// Why it is not wanted or not offered, or what the last attempt met.
    pub reason: Option<String>,
    /// When the next attempt is due, RFC 3339 in UTC.
    pub next_attempt_at: Option<String>,
    /// Attempts on record, in their order.
    pub attempts: Vec<Logged>,
    /// There may be more attempts: they were not looked for any further.
    pub attempts_cut: bool,
}

/// Some deliveries.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Deliveries {
    /// By their events, the latest stored first. May be empty although there are more: then much was
    /// looked through.
    pub data: Vec<Delivery>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Which delivery is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Identified {
    /// Its id.
    id: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SentAgain {
    /// Name of the webhook.
    pub webhook: String,
    /// Id of the delivery.
    pub delivery_id: String,
    /// `due` (it is sent now, as a new delivery of the same event), `pending` (it will be sent
    /// anyway) or `in_flight`.
    pub outcome: String,
}

impl Delivery {
    /// There is a delivery.
    #[must_use]
    pub fn is_one(&self) -> bool {
        !matches!(self.state.as_str(), "not_wanted" | "not_offered")
    }
}

/// Deliveries, by their events.
///
/// Those that wait and those that ended badly are found at once, however many events there are, and so
/// is what is asked for by event, message or recipient. For anything else events are looked through,
/// some thousand for one answer.
#[utoipa::path(get, path = "/v1/deliveries", operation_id = "list_deliveries", tag = "deliveries", params(Which),
    responses((status = OK, body = Deliveries), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(which): Asked<Which>,
) -> Result<Json<Deliveries>, Problem> {
    let limit = which.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let webhooks = match &which.webhook {
        Some(name) => vec![desk.webhook(name)?],
        None => desk.webhooks().to_vec(),
    };
    let wanted = Wanted { limit, ..which.wanted()? };
    let states = States::parse("state", which.state.as_deref(), &states::NAMES)?;
    Ok(Json(desk.find_deliveries(wanted, &webhooks, &states, |_| true).await?))
}

/// One delivery.
#[utoipa::path(get, path = "/v1/deliveries/{id}", operation_id = "show_delivery", tag = "deliveries", params(Identified),
    responses((status = OK, body = Delivery), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn show(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
) -> Result<Json<Delivery>, Problem> {
    let (found, webhook) = desk.delivery(&id).await?;
    let rows = desk.deliveries(vec![found], vec![webhook]).await?;
    rows.into_iter().next().map(Json).ok_or_else(Problem::stopping)
}

/// Sends the event of a delivery to its webhook again, from the first attempt on.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", operation_id = "retry_delivery", tag = "deliveries", params(Identified),
    responses((status = OK, body = SentAgain), Unusable, Missing, Refusals, Broken, Stopping))]
pub(super) async fn retry(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
) -> Result<Json<SentAgain>, Problem> {
    let ((seq, event), webhook) = desk.delivery(&id).await?;
    Ok(Json(desk.send_again(seq, &event, &webhook).await?))
}

/// Calls a delivery off that waits. It stays on record with the dead letters.
#[utoipa::path(post, path = "/v1/deliveries/{id}/cancel", operation_id = "cancel_delivery", tag = "deliveries", params(Identified),
    responses((status = OK, body = Delivery), Unusable, Missing, Conflicts, Refusals, Broken, Stopping))]
pub(super) async fn cancel(
    State(desk): State<Desk>,
    At(Identified { id }): At<Identified>,
) -> Result<Json<Delivery>, Problem> {
    let ((seq, event), webhook) = desk.delivery(&id).await?;
    let conflict = |what: &str| Err(Problem::new(Code::NotPending, what));
    match desk.writer.cancel(webhook.id, seq).await? {
        Cancelled::Done => {}
        Cancelled::UnderWay => return conflict("it is being sent: ask again in a moment"),
        Cancelled::NotPending => {
            return conflict("nothing of it waits: it has come to its end, or there is none");
        }
        Cancelled::TooMany => {
            return conflict(
                "too many were called off that have not come up yet: disable the webhook",
            );
        }
    }
    let rows = desk.deliveries(vec![(seq, event)], vec![webhook]).await?;
    rows.into_iter().next().map(Json).ok_or_else(Problem::stopping)
}

impl Which {
    pub(super) fn wanted(&self) -> Result<Wanted, Problem> {
        let which = events::Which {
            kind: self.kind.clone(),
            uid: self.uid.clone(),
            to: self.to.clone(),
            since: self.since,
            until: self.until,
            cursor: self.cursor.clone(),
            ..events::Which::default()
        };
        let id = self.event_id.as_deref();
        let id = id.map(|text| events::id::<EventId>("event_id", text)).transpose()?;
        Ok(Wanted { id, ..which.wanted()? })
    }
}

/// What is stored of some deliveries to one webhook.
struct Rows {
    retries: BTreeMap<u64, Retry>,
    /// Events that wait for an earlier one of their message.
    in_turn: BTreeSet<u64>,
    letters: BTreeMap<u64, DeadLetter>,
    attempts: Attempts,
}

impl Rows {
    /// Of those events, each with the time when it happened in milliseconds; with attempts or without.
    fn read(
        view: &View,
        webhook: &Webhook,
        events: &BTreeMap<u64, u64>,
        with_attempts: bool,
    ) -> Result<Self, SearchError> {
        let attempts = if with_attempts {
            rows::attempts(view, webhook.id, events).map_err(SearchError::of)?
        } else {
            Attempts::default()
        };
        let mut letters = BTreeMap::new();
        for &seq in events.keys() {
            let letter = rows::dead_letter(view, webhook.id, seq).map_err(SearchError::of)?;
            letters.extend(letter.map(|letter| (seq, letter)));
        }
        Ok(Self {
            retries: rows::retries(view, webhook.id).map_err(SearchError::of)?,
            in_turn: rows::in_turn(view, webhook.id).map_err(SearchError::of)?,
            letters,
            attempts,
        })
    }

    fn attempts(&self, seq: u64) -> &[Record] {
        self.attempts.by_seq.get(&seq).map(Vec::as_slice).unwrap_or_default()
    }

    fn whereabouts(
        &self,
        seq: u64,
        event: &Event,
        webhook: &Webhook,
        course: &Course,
    ) -> Whereabouts {
        let (retry, letter) = (self.retries.get(&seq), self.letters.get(&seq));
        let waits_in_turn = self.in_turn.contains(&seq);
        let stored = Stored { retry, waits_in_turn, letter, attempts: self.attempts(seq) };
        course.whereabouts(seq, event, webhook, stored)
    }

    fn delivery(&self, seq: u64, event: &Event, webhook: &Webhook, course: &Course) -> Delivery {
        let attempts = self.attempts(seq);
        let whereabouts = self.whereabouts(seq, event, webhook, course);
        let (reason, due_ms) = match &whereabouts {
            Whereabouts::NotWanted(decision) => (Some(decision.reason().to_owned()), None),
            Whereabouts::Older => {
                (Some("it was stored before the webhook was there".to_owned()), None)
            }
            Whereabouts::Waiting(retry) => {
                let met = Some(&retry.waiting.last_error).filter(|met| !met.is_empty());
                (met.cloned(), Some(retry.due_ms))
            }
            Whereabouts::Ended(letter) => {
                (Some(letter.last_error.clone()).filter(|met| !met.is_empty()), None)
            }
            _ => (None, None),
        };
        Delivery {
            id: id_of(event.id, webhook),
            event_id: event.id.to_string(),
            kind: event.kind.name().to_owned(),
            to: event.data.to.as_ref().map(ToString::to_string),
            created_at: crate::deliver::canonical::created_at(event),
            webhook: webhook.name.clone(),
            state: whereabouts.name().to_owned(),
            reason,
            next_attempt_at: due_ms.map(time_of_ms),
            attempts: attempts.iter().map(|record| Logged::of(record, webhook)).collect(),
            attempts_cut: !self.attempts.is_whole,
        }
    }
}

/// Takes the rows of these events, all of one or none, until there are more than `room`. Gives where to
/// go on if some are left.
fn take(
    rows: Vec<Delivery>,
    events: &[(u64, EventId)],
    room: usize,
    taken: &mut Vec<Delivery>,
) -> Option<u64> {
    let mut rows = rows.into_iter().peekable();
    for (seq, id) in events {
        if taken.len() > room {
            return Some(seq.saturating_add(1));
        }
        let id = id.to_string();
        while let Some(row) = rows.next_if(|row| row.event_id == id) {
            taken.push(row);
        }
    }
    None
}

/// When each of these events happened, milliseconds since the epoch.
fn times(events: &[(u64, Event)]) -> BTreeMap<u64, u64> {
    events.iter().map(|(seq, event)| (*seq, event.at_ms())).collect()
}

/// Identity of the delivery of an event to a webhook.
pub(super) fn id_of(event: EventId, webhook: &Webhook) -> String {
    format!("{event}.{}", webhook.id)
}

impl Desk {
    /// Where each of these events is on its way to each of these webhooks, event by event.
    pub(super) async fn deliveries(
        &self,
        events: Vec<(u64, Event)>,
        webhooks: Vec<Arc<Webhook>>,
    ) -> Result<Vec<Delivery>, Problem> {
        let courses = self.writer.courses().await?;
        let read = move |view: &View| {
            let times = times(&events);
            let mut stored = Vec::new();
            for webhook in &webhooks {
                // One that is being removed has no course any more.
                let Some(course) = courses.iter().find(|it| it.webhook == webhook.id) else {
                    continue;
                };
                stored.push((webhook, course, Rows::read(view, webhook, &times, true)?));
            }
            let of_all = |(seq, event): &(u64, Event)| {
                let one = |(webhook, course, rows): &(&Arc<Webhook>, &Course, Rows)| {
                    rows.delivery(*seq, event, webhook, course)
                };
                stored.iter().map(one).collect::<Vec<_>>()
            };
            Ok(events.iter().flat_map(of_all).collect())
        };
        Ok(self.search.read(read).await?)
    }

    /// Where each of these events is on its way to this webhook, in one word. Without attempts one that
    /// neither waits nor ended badly is taken for one that is over.
    pub(super) async fn whereabouts(
        &self,
        events: Vec<(u64, Event)>,
        webhook: &Arc<Webhook>,
        with_attempts: bool,
    ) -> Result<Vec<(u64, &'static str)>, Problem> {
        let mut courses = self.writer.courses().await?;
        courses.retain(|it| it.webhook == webhook.id);
        // One that is being removed has no course any more.
        let Some(course) = courses.pop() else { return Ok(Vec::new()) };
        let webhook = Arc::clone(webhook);
        let read = move |view: &View| {
            let rows = Rows::read(view, &webhook, &times(&events), with_attempts)?;
            let one = |(seq, event): &(u64, Event)| {
                (*seq, rows.whereabouts(*seq, event, &webhook, &course).name())
            };
            Ok(events.iter().map(one).collect())
        };
        Ok(self.search.read(read).await?)
    }

    /// Deliveries of some events to some webhooks in some states, a page of them: those that are wanted.
    pub(super) async fn find_deliveries(
        &self,
        mut wanted: Wanted,
        webhooks: &[Arc<Webhook>],
        states: &States,
        is_wanted: impl Fn(&Delivery) -> bool,
    ) -> Result<Deliveries, Problem> {
        let limit = wanted.limit;
        wanted.limit = (limit / webhooks.len().max(1)).max(1);
        let room = limit.saturating_sub(webhooks.len());
        let mut answer = Deliveries::default();
        let mut looked_at = 0;
        loop {
            let page = self.events_with(&wanted, webhooks, states).await?;
            looked_at += page.events.len().max(1);
            let seqs: Vec<_> = page.events.iter().map(|(seq, it)| (*seq, it.id)).collect();
            let mut rows = self.deliveries(page.events, webhooks.to_vec()).await?;
            rows.retain(|row| row.is_one() && states.take(&row.state) && is_wanted(row));
            wanted.before = take(rows, &seqs, room, &mut answer.data).or(page.next);
            if wanted.before.is_none() || answer.data.len() > room || looked_at > LOOKED_AT {
                break;
            }
            // Few are meant: look at more at once.
            wanted.limit = (wanted.limit * 2).min(MOST);
        }
        answer.next_cursor = wanted.before.map(|before| before.to_string());
        Ok(answer)
    }

    /// Event and webhook of the delivery with that id.
    async fn delivery(&self, id: &str) -> Result<((u64, Event), Arc<Webhook>), Problem> {
        let (event, webhook) = id.split_once('.').ok_or_else(|| {
            Problem::invalid(format!(
                "id: `{id}` is not that of an event, a dot and that of a webhook"
            ))
        })?;
        let webhook = self.webhook(webhook)?;
        Ok((self.event(event).await?, webhook))
    }

    /// Sends an event to a webhook again.
    pub(super) async fn send_again(
        &self,
        seq: u64,
        event: &Event,
        webhook: &Webhook,
    ) -> Result<SentAgain, Problem> {
        let outcome = match self.writer.replay(webhook.id, seq).await? {
            Replayed::Due => "due",
            Replayed::Pending => "pending",
            Replayed::UnderWay => "in_flight",
            Replayed::Unknown => return Err(Problem::unknown_event(&event.id.to_string())),
        };
        Ok(SentAgain {
            webhook: webhook.name.clone(),
            delivery_id: id_of(event.id, webhook),
            outcome: outcome.to_owned(),
        })
    }
}
