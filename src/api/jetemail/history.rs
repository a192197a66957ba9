//! What was sent, and sent again, in the provider's words (webhooks.md §1.4).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Extension, State},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Broken, EventName, Failures, Missing, TooLarge, Unusable};
use crate::{
    api::{
        Desk,
        audit::Target,
        caller::Caller,
        deliveries::{self, Delivery},
        events::{LIMIT, MOST},
        extract::Body,
        problem::Problem,
        resend,
        states::States,
    },
    config::Webhook,
    event,
    profile::Profile,
    search::Wanted,
};

/// How far one may turn the pages.
const FARTHEST: usize = 10_000;
/// Times that the store is looked through for one answer.
const LOOKS: usize = 20;

/// Which deliveries; left out, all are.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JetEmailQuery)]
pub(super) struct Query {
    /// To that webhook.
    #[schema(format = "uuid")]
    uuid: Option<String>,
    /// Of the event with this id.
    event_id: Option<String>,
    /// Of events of this type.
    #[schema(value_type = Option<EventName>)]
    event_type: Option<String>,
    /// Of events of the message with this uid.
    source_uid: Option<String>,
    /// `success`, `failed`, `retry` or `pending`.
    status: Option<String>,
    /// Of events that happened then or later, seconds since the epoch.
    date_from: Option<i64>,
    /// Of events that happened before.
    date_to: Option<i64>,
    /// How many at most, 1 to 1000; 50 unless said otherwise.
    limit: Option<usize>,
    /// How many to leave out before, up to 10000.
    offset: Option<usize>,
}

/// Some deliveries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailDeliveries)]
pub(super) struct Sent {
    /// By their events, the latest stored first.
    events: Vec<Row>,
    /// How many there are. Where there are more than these, as many as were looked at: at least one
    /// more.
    total: usize,
    limit: usize,
    offset: usize,
}

/// An event for a webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailDelivery)]
pub(super) struct Row {
    /// Id of the event.
    id: String,
    /// Of the webhook.
    #[schema(format = "uuid")]
    uuid: String,
    /// `outbound` or `inbound`.
    service: String,
    event_type: String,
    /// Uid of the message.
    source_uid: String,
    /// The `data` of what was sent.
    payload: serde_json::Value,
    webhook_url: String,
    /// When the event happened, seconds since the epoch.
    created_at: i64,
    /// `success`, `failed`, `retry` (the next attempt waits) or `pending` (so does the first).
    latest_status: String,
    total_attempts: usize,
    /// Null when none was answered.
    last_response_code: Option<u16>,
}

/// Deliveries, by their events.
#[utoipa::path(post, path = "/webhooks/query", operation_id = "jetemail_query_deliveries", tag = "jetemail",
    request_body = Query,
    responses((status = OK, body = Sent), Unusable, Missing, TooLarge, Failures, Broken))]
pub(super) async fn query(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(query): Body<Query>,
) -> Result<Json<Sent>, Problem> {
    let (limit, offset) = (query.limit.unwrap_or(LIMIT), query.offset.unwrap_or(0));
    if !(1..=MOST).contains(&limit) || offset > FARTHEST {
        return Err(Problem::invalid("Limit must be 1 to 1000, and offset 0 to 10000"));
    }
    let webhooks = desk.those(&caller, query.uuid.as_deref()).await?;
    let found = desk.sent(&query, &webhooks, offset + limit + 1).await?;
    let total = found.len();
    let mut events = Vec::new();
    for delivery in found.iter().skip(offset).take(limit) {
        let webhook = webhooks.iter().find(|webhook| webhook.name == delivery.webhook);
        let webhook = webhook.ok_or_else(Problem::stopping)?;
        events.push(Row::of(delivery, &desk.event(&delivery.event_id).await?.1, webhook));
    }
    Ok(Json(Sent { events, total, limit, offset }))
}

impl Query {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let time = |seconds: i64| {
            Timestamp::from_second(seconds)
                .map_err(|_| Problem::invalid("Dates are seconds since the epoch"))
        };
        let which = deliveries::Which {
            kind: self.event_type.clone(),
            event_id: self.event_id.clone(),
            uid: self.source_uid.clone(),
            since: self.date_from.map(time).transpose()?,
            until: self.date_to.map(time).transpose()?,
            ..deliveries::Which::default()
        };
        which.wanted()
    }
}

/// As the provider has it. What is over and left no attempt behind did not end badly: dead letters
/// are kept for longer than attempts.
fn status(delivery: &Delivery) -> &'static str {
    match delivery.state.as_str() {
        "delivered" | "settled" => "success",
        "pending" | "held" | "in_flight" if delivery.attempts.is_empty() => "pending",
        "pending" | "held" | "in_flight" => "retry",
        _ => "failed",
    }
}

impl Row {
    fn of(delivery: &Delivery, event: &event::Event, webhook: &Webhook) -> Self {
        let rendered = resend::rendered(event, Profile::Jetemail, Some(webhook));
        let body: serde_json::Value = rendered
            .and_then(|rendered| serde_json::from_slice(&rendered.body).ok())
            .unwrap_or_default();
        let last = delivery.attempts.last().and_then(|logged| logged.attempt.answer.as_ref());
        Self {
            id: delivery.event_id.clone(),
            uuid: webhook.id.to_uuid(),
            service: event.kind.service().name().to_owned(),
            event_type: delivery.kind.clone(),
            source_uid: event.data.uid.to_string(),
            payload: body.get("data").cloned().unwrap_or_default(),
            webhook_url: webhook.url.to_string(),
            created_at: event.at_us.div_euclid(1_000_000),
            latest_status: status(delivery).to_owned(),
            total_attempts: delivery.attempts.len(),
            last_response_code: last.and_then(|answer| answer.response_code),
        }
    }
}

/// What is to be sent again: an event, or all of a message.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JetEmailReplay)]
pub(super) struct Replay {
    /// Id of the event.
    event_id: Option<String>,
    /// Uid of the message, instead.
    source_uid: Option<String>,
    /// To that webhook only, whatever its filters say.
    #[schema(format = "uuid")]
    uuid: Option<String>,
}

/// What is sent again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailReplayed)]
pub(super) struct Replayed {
    /// True.
    success: bool,
    /// Id of the event; of several the latest.
    event_id: String,
    /// `enqueued`.
    status: String,
    message: String,
}

/// Sends an event, or all events of a message, again, as new deliveries with the same ids.
#[utoipa::path(post, path = "/webhooks/replay", operation_id = "jetemail_replay_event", tag = "jetemail",
    request_body = Replay,
    responses((status = OK, body = Replayed), Unusable, Missing, TooLarge, Failures, Broken))]
pub(super) async fn replay(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<Replay>,
) -> Result<(Extension<Target>, Json<Replayed>), Problem> {
    let Some(target) = asked.event_id.clone().or_else(|| asked.source_uid.clone()) else {
        return Err(Problem::invalid("event_id or source_uid is required"));
    };
    let webhooks = desk.those(&caller, asked.uuid.as_deref()).await?;
    // Whoever owns a part of the mail gets that part, whichever event it names.
    let any = asked.uuid.is_some() && caller.owned.is_everything();
    let query =
        Query { event_id: asked.event_id, source_uid: asked.source_uid, ..Query::default() };
    let found = desk.search.find(Wanted { limit: MOST, ..query.wanted()? }).await?;
    let mut latest = None;
    for (seq, event) in &found.events {
        for webhook in webhooks.iter().filter(|it| any || it.subscription().wants(event)) {
            desk.send_again(*seq, event, webhook).await?;
            latest.get_or_insert_with(|| event.id.to_string());
        }
    }
    let event_id = latest.ok_or_else(|| Problem::unknown_event(&target))?;
    let (status, message) = ("enqueued".to_owned(), "Event re-queued for delivery".to_owned());
    let answer = Replayed { success: true, event_id, status, message };
    Ok((Extension(Target(target)), Json(answer)))
}

impl Desk {
    /// That webhook, or all that the caller may know of.
    async fn those(
        &self,
        caller: &Caller,
        uuid: Option<&str>,
    ) -> Result<Vec<Arc<Webhook>>, Problem> {
        match uuid {
            Some(uuid) => Ok(vec![self.seen_one(caller, uuid).await?.webhook]),
            None => Ok(self.seen(caller).await?.into_iter().map(|seen| seen.webhook).collect()),
        }
    }

    /// The first `count` deliveries of what is asked for, or fewer.
    async fn sent(
        &self,
        query: &Query,
        webhooks: &[Arc<Webhook>],
        count: usize,
    ) -> Result<Vec<Delivery>, Problem> {
        let is_wanted = |row: &Delivery| query.status.as_ref().is_none_or(|it| it == status(row));
        let (mut wanted, mut found) = (query.wanted()?, Vec::new());
        for _ in 0..LOOKS {
            wanted.limit = (count - found.len()).min(MOST);
            let page = self
                .find_deliveries(wanted.clone(), webhooks, &States::default(), is_wanted)
                .await?;
            found.extend(page.data);
            wanted.before = page.next_cursor.and_then(|cursor| cursor.parse().ok());
            if wanted.before.is_none() || found.len() >= count {
                break;
            }
        }
        Ok(found)
    }
}
