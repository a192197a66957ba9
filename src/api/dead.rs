//! Dead letters: deliveries that ended badly. They are listed, sent again, or cleared away.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::time_of_ms,
    extract::{Asked, Body},
    problem::Problem,
    refusals::{Missing, Refusals, Stopping, TooLarge, Unusable},
};
use crate::{
    clock::millis,
    config::{Webhook, WebhookId},
    queue::delivery::EndState,
    writer::{self, Selector},
};

/// Rows of an answer, unless it is asked for more or less.
const LIMIT: usize = 50;
/// Rows that are counted in one step.
const PAGE: usize = 1000;

/// Which dead letters are meant; left out, all are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[schema(as = WhichDeadLetters)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Of the webhook with this name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// That ended so: `dead`, `discarded`, `blocked` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// That ended then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// That ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// How many at most, 1 to 1000; only for a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the page before ended; only for a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only count them; not for a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A delivery that ended badly.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Name of the webhook.
    pub webhook: String,
    /// `dead`, `discarded`, `blocked` or `cancelled`.
    pub state: String,
    /// Id of the event; null when the event is deleted, and cannot be sent again.
    pub event_id: Option<String>,
    /// Type of the event.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Recipient that the event is about.
    pub to: Option<String>,
    /// Attempts that were made.
    pub attempts: u32,
    /// What the last one met.
    pub last_error: String,
    /// When it ended, RFC 3339 in UTC.
    pub ended_at: String,
}

/// Some dead letters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters {
    /// Webhook by webhook, in the order of their events.
    pub data: Vec<DeadLetter>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// What became of those that were meant.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Cleared {
    /// How many it were.
    pub count: usize,
}

/// Dead letters.
#[utoipa::path(get, path = "/v1/dead", operation_id = "list_dead_letters", tag = "dead letters", params(Which),
    responses((status = OK, body = DeadLetters), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(which): Asked<Which>,
) -> Result<Json<DeadLetters>, Problem> {
    let (webhooks, selector) = meant(&desk, &which)?;
    let limit = which.limit.unwrap_or(LIMIT).clamp(1, 1000);
    let (first, mut after) = cursor(which.cursor.as_deref())?;
    let mut page = DeadLetters::default();
    for (index, webhook) in webhooks.iter().enumerate().skip(first) {
        let wanted = limit - page.data.len();
        if wanted == 0 {
            page.next_cursor = Some(format!("{index}"));
            break;
        }
        let behind = Selector { after: after.take(), ..selector };
        let found = desk.writer.dead(webhook.id, behind, wanted).await?;
        page.data.extend(found.letters.iter().map(|dead| view(webhook, dead)));
        if let Some(next) = found.next {
            page.next_cursor = Some(format!("{index}.{next}"));
            break;
        }
    }
    Ok(Json(page))
}

/// Sends dead letters again, as new deliveries of the same events.
#[utoipa::path(post, path = "/v1/dead/retry", operation_id = "retry_dead_letters", tag = "dead letters",
    request_body = Which,
    responses((status = OK, body = Cleared), Unusable, Missing, TooLarge, Refusals, Stopping))]
pub(super) async fn retry(
    State(desk): State<Desk>,
    Body(which): Body<Which>,
) -> Result<Json<Cleared>, Problem> {
    clear(&desk, &which, true).await
}

/// Forgets dead letters.
#[utoipa::path(delete, path = "/v1/dead", operation_id = "purge_dead_letters", tag = "dead letters", params(Which),
    responses((status = OK, body = Cleared), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn purge(
    State(desk): State<Desk>,
    Asked(which): Asked<Which>,
) -> Result<Json<Cleared>, Problem> {
    clear(&desk, &which, false).await
}

async fn clear(desk: &Desk, which: &Which, again: bool) -> Result<Json<Cleared>, Problem> {
    let (webhooks, selector) = meant(desk, which)?;
    let mut count = 0;
    for webhook in webhooks {
        let mut step = selector;
        loop {
            let cleared = match (which.dry_run.unwrap_or(false), again) {
                (true, _) => desk.count_dead(webhook.id, step, again).await?,
                (false, true) => desk.writer.retry_dead(webhook.id, step).await?,
                (false, false) => desk.writer.purge_dead(webhook.id, step).await?,
            };
            count += cleared.count;
            step.after = cleared.next;
            if cleared.next.is_none() {
                break;
            }
        }
    }
    Ok(Json(Cleared { count }))
}

impl Desk {
    /// How many would be cleared in one step. Only an event that is stored can be sent `again`.
    async fn count_dead(
        &self,
        webhook: WebhookId,
        selector: Selector,
        again: bool,
    ) -> Result<writer::Cleared, Problem> {
        let page = self.writer.dead(webhook, selector, PAGE).await?;
        let is_meant = |dead: &&writer::Dead| !again || dead.event.is_some();
        let count = page.letters.iter().filter(is_meant).count();
        Ok(writer::Cleared { count, next: page.next })
    }
}

fn meant(desk: &Desk, which: &Which) -> Result<(Vec<Arc<Webhook>>, Selector), Problem> {
    let webhooks = match &which.webhook {
        Some(name) => vec![desk.webhook(name)?],
        None => desk.webhooks().to_vec(),
    };
    let state = which.state.as_deref().map(state).transpose()?;
    let (since_ms, until_ms) = (which.since.map(millis), which.until.map(millis));
    Ok((webhooks, Selector { state, since_ms, until_ms, ..Selector::default() }))
}

fn state(name: &str) -> Result<EndState, Problem> {
    let known = EndState::ALL.iter().find(|state| state.name() == name);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = EndState::ALL.iter().map(|state| state.name()).collect();
        Problem::invalid(format!("state: `{name}` is none of {}", names.join(", ")))
    })
}

/// Index of the webhook, and the place of the event behind which to go on.
fn cursor(text: Option<&str>) -> Result<(usize, Option<u64>), Problem> {
    let Some(text) = text else { return Ok((0, None)) };
    let (index, after) = text.split_once('.').map_or((text, None), |(index, it)| (index, Some(it)));
    let wrong = || Problem::invalid(format!("cursor: `{text}` was given by no answer"));
    let after = after.map(|it| it.parse().map_err(|_| wrong())).transpose()?;
    Ok((index.parse().map_err(|_| wrong())?, after))
}

fn view(webhook: &Webhook, dead: &writer::Dead) -> DeadLetter {
    let event = dead.event.as_deref();
    DeadLetter {
        webhook: webhook.name.clone(),
        state: dead.letter.state.name().to_owned(),
        event_id: event.map(|event| event.id.to_string()),
        kind: event.map(|event| event.kind.name().to_owned()),
        to: event.and_then(|event| event.data.to.as_ref().map(ToString::to_string)),
        attempts: dead.letter.attempts,
        last_error: dead.letter.last_error.clone(),
        ended_at: time_of_ms(dead.letter.ended_ms),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cursor_is_what_an_answer_gave_and_nothing_else() {
        assert_eq!(cursor(None).unwrap(), (0, None));
        assert_eq!(cursor(Some("2")).unwrap(), (2, None));
        assert_eq!(cursor(Some("2.17")).unwrap(), (2, Some(17)));
        for wrong in ["", "x", "1.", "1.x", "-1", "1.2.3"] {
            assert_eq!(cursor(Some(wrong)).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_state_is_refused_with_the_known_ones() {
        assert_eq!(state("blocked").unwrap(), EndState::Blocked);
        let problem = state("deaf").unwrap_err();
        assert_eq!(problem.detail, "state: `deaf` is none of dead, discarded, blocked, cancelled");
    }
}
