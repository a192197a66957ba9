//! Deliveries as the SDKs read them: an event for the webhook, with its latest attempt.

use axum::{
    Json,
    extract::{Extension, State},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{Broken, Failures, Missing, PATH, Page, Unusable, trials::Trial};
use crate::{
    api::{
        Desk,
        attempts::{Attempt, time_of_ms},
        caller::Caller,
        deliveries::Delivery,
        events::cursor,
        extract::{Asked, At},
        problem::Problem,
        resend,
        states::States,
        webhooks::Named,
    },
    config::Webhook,
    deliver::envelope::Rendered,
    event::Event,
    profile::Profile,
    queue::filter::TypeSet,
    search::Wanted,
};

/// Rows of a page.
const PER_PAGE: usize = 30;

/// Which deliveries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Where the page before ended.
    cursor: Option<String>,
    /// `-created_at`: they come in no other order.
    sort: Option<String>,
    /// With this status.
    #[serde(rename = "filter[status]")]
    status: Option<String>,
    /// Of events of this type.
    #[serde(rename = "filter[event_type]")]
    event_type: Option<String>,
    /// Of events of that day (UTC) or later: `2026-01-31`.
    #[serde(rename = "filter[from_date]")]
    from_date: Option<String>,
    /// Of events of that day or before.
    #[serde(rename = "filter[to_date]")]
    to_date: Option<String>,
}

/// Which delivery is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Identified {
    /// Id or name of the webhook.
    id: String,
    /// Id of the event, or that of a test.
    delivery_id: String,
}

/// An event for the webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintDelivery)]
pub(super) struct Row {
    /// Id of the event, or that of a test.
    id: String,
    #[schema(format = "uuid")]
    webhook_id: String,
    event_type: String,
    /// Always null.
    source_scope: Option<String>,
    /// Always null.
    source_project_id: Option<String>,
    /// Always null.
    source_route_id: Option<String>,
    /// `success`, `pending`, or what the latest attempt met: `client_error`, `server_error`, `timeout`
    /// or `failed`.
    status: String,
    /// Always false.
    sandbox: bool,
    /// Attempts that were made.
    attempt_number: usize,
    http_status_code: Option<u16>,
    /// Of the latest attempt.
    duration_ms: Option<u64>,
    /// When the latest attempt began, RFC 3339 in UTC, if it went well.
    delivered_at: Option<String>,
    /// When the event happened.
    created_at: String,
    /// When the next attempt is due; null when none is.
    next_retry_at: Option<String>,
}

/// The same, and what was said.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintDeliveryDetails)]
pub(super) struct Details {
    #[serde(flatten)]
    row: Row,
    /// The body of the request.
    payload: Value,
    /// Beginning of the answer's body; a stranger's text.
    response_body: Option<String>,
    /// `name: value`, those that say something about the receiver.
    response_headers: Option<Vec<String>>,
    /// Why there is no answer.
    error_message: Option<String>,
    /// As `created_at`.
    timestamp: String,
}

/// Deliveries, by their events, the latest stored first; tests before all.
#[utoipa::path(get, path = "/lettermint/v1/webhooks/{id}/deliveries", operation_id = "lettermint_list_deliveries", tag = "lettermint",
    params(Named, Which),
    responses((status = OK, body = Page<Row>), Unusable, Missing, Failures, Broken))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Named { id }): At<Named>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Row>>, Problem> {
    let webhook = desk.seen_one(&caller, &id).await?.webhook;
    let wanted = which.wanted()?;
    let mut data = Vec::new();
    if which.cursor.is_none() && which.from_date.is_none() && which.to_date.is_none() {
        let trials = desk.guard.trials.of(webhook.id);
        data.extend(trials.iter().map(|trial| Details::of_trial(trial, &webhook).row));
    }
    let found = match wanted {
        Some(wanted) => {
            desk.find_deliveries(wanted, std::slice::from_ref(&webhook), &States::default(), |_| {
                true
            })
            .await?
        }
        None => crate::api::deliveries::Deliveries::default(),
    };
    for delivery in &found.data {
        let event = desk.event(&delivery.event_id).await?.1;
        data.push(Details::of(delivery, &event, &webhook).row);
    }
    data.retain(|row| which.takes(row));
    let path = format!("{PATH}/{id}/deliveries");
    Ok(Json(Page::of(data, path, PER_PAGE, found.next_cursor)))
}

/// One delivery.
#[utoipa::path(get, path = "/lettermint/v1/webhooks/{id}/deliveries/{delivery_id}", operation_id = "lettermint_show_delivery", tag = "lettermint",
    params(Identified),
    responses((status = OK, body = Details), Unusable, Missing, Failures, Broken))]
pub(super) async fn show(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    At(Identified { id, delivery_id }): At<Identified>,
) -> Result<Json<Details>, Problem> {
    let webhook = desk.seen_one(&caller, &id).await?.webhook;
    let trials = desk.guard.trials.of(webhook.id);
    if let Some(trial) = trials.iter().find(|trial| trial.rendered.id == delivery_id) {
        return Ok(Json(Details::of_trial(trial, &webhook)));
    }
    let unknown = || Problem::unknown_event(&delivery_id);
    let (seq, event) = desk.event(&delivery_id).await.map_err(|problem| match problem.status {
        400 => unknown(),
        _ => problem,
    })?;
    let rows = desk.deliveries(vec![(seq, event.clone())], vec![webhook.clone()]).await?;
    let row = rows.iter().find(|row| row.is_one()).ok_or_else(unknown)?;
    Ok(Json(Details::of(row, &event, &webhook)))
}

impl Which {
    /// None when nothing in the store can be of that type.
    fn wanted(&self) -> Result<Option<Wanted>, Problem> {
        if self.sort.as_deref().is_some_and(|sort| sort != "-created_at") {
            return Err(Problem::wrong("sort", "must be -created_at"));
        }
        let types = self.event_type.as_deref().map(|name| {
            TypeSet::parse([name], Profile::Lettermint)
                .map_err(|error| Problem::wrong("filter[event_type]", &error.to_string()))
        });
        if self.event_type.as_deref() == Some("webhook.test") {
            return Ok(None);
        }
        Ok(Some(Wanted {
            types: types.transpose()?,
            since_us: day(self.from_date.as_deref(), 0)?,
            until_us: day(self.to_date.as_deref(), 1)?,
            before: self.cursor.as_deref().map(cursor).transpose()?,
            limit: PER_PAGE,
            ..Wanted::default()
        }))
    }

    fn takes(&self, row: &Row) -> bool {
        self.status.as_ref().is_none_or(|status| *status == row.status)
            && self.event_type.as_ref().is_none_or(|kind| *kind == row.event_type)
    }
}

/// The beginning of a day so many days later, microseconds since the epoch.
fn day(text: Option<&str>, later: i64) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let begin = || {
        let day: Date = text.parse().ok()?;
        let day = day.checked_add(jiff::Span::new().days(later)).ok()?;
        let begin: Timestamp = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(begin.as_microsecond())
    };
    begin().map(Some).ok_or_else(|| Problem::wrong("filter", &format!("`{text}` is not a day")))
}

impl Details {
    fn of(delivery: &Delivery, event: &Event, webhook: &Webhook) -> Self {
        let latest = delivery.attempts.last().map(|logged| &logged.attempt);
        let rendered = resend::rendered(event, webhook.profile, Some(webhook));
        let rendered = rendered.unwrap_or_else(|| Rendered {
            id: delivery.event_id.clone(),
            type_name: event.kind.name(),
            body: bytes::Bytes::new(),
        });
        let mut details = Self::with(&rendered, latest, webhook, delivery.created_at.clone());
        details.row.id.clone_from(&delivery.event_id);
        details.row.attempt_number = delivery.attempts.len();
        details.row.next_retry_at.clone_from(&delivery.next_attempt_at);
        if delivery.state == "settled" || delivery.state == "delivered" {
            "success".clone_into(&mut details.row.status);
        }
        details
    }

    fn of_trial(trial: &Trial, webhook: &Webhook) -> Self {
        let at = time_of_ms(trial.at_ms);
        Self::with(&trial.rendered, trial.attempt.as_ref(), webhook, at)
    }

    fn with(
        rendered: &Rendered,
        latest: Option<&Attempt>,
        webhook: &Webhook,
        created_at: String,
    ) -> Self {
        let answer = latest.and_then(|attempt| attempt.answer.as_ref());
        let is_good = latest.is_some_and(Attempt::is_good);
        let row = Row {
            id: rendered.id.clone(),
            webhook_id: webhook.id.to_uuid(),
            event_type: rendered.type_name.to_owned(),
            source_scope: None,
            source_project_id: None,
            source_route_id: None,
            status: latest.map_or("pending", status).to_owned(),
            sandbox: false,
            attempt_number: usize::from(latest.is_some()),
            http_status_code: answer.and_then(|answer| answer.response_code),
            duration_ms: latest.map(|attempt| whole(attempt.duration_ms)),
            delivered_at: latest.filter(|_| is_good).map(|attempt| attempt.created_at.clone()),
            created_at: created_at.clone(),
            next_retry_at: None,
        };
        let answered = answer.filter(|answer| answer.response_code.is_some());
        let headers = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect()
        };
        Self {
            row,
            payload: serde_json::from_slice(&rendered.body).unwrap_or_default(),
            response_body: answered.map(|answer| answer.response_body.clone()),
            response_headers: answered.map(|answer| headers(&answer.response_headers)),
            error_message: answer.filter(|_| !is_good).map(|answer| answer.words.clone()),
            timestamp: created_at,
        }
    }
}

fn status(attempt: &Attempt) -> &'static str {
    let answer = attempt.answer.as_ref();
    match (attempt.is_good(), answer.and_then(|answer| answer.response_code)) {
        (true, _) => "success",
        (_, Some(400..=499)) => "client_error",
        (_, Some(500..=599)) => "server_error",
        _ if answer.is_some_and(|answer| answer.class == "timeout") => "timeout",
        _ => "failed",
    }
}

/// As the SDKs have it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length of time in milliseconds"
)]
fn whole(milliseconds: f64) -> u64 {
    milliseconds.round() as u64
}
