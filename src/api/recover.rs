//! What a webhook did not get of a time range, once more: after an outage, or for a receiver that lost
//! what it had.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Desk,
    extract::{At, Body},
    problem::Problem,
    refusals::{Broken, Missing, Refusals, Stopping, TooLarge, Unusable},
    states::States,
    webhooks::Named,
};
use crate::{config::Webhook, profile::Profile, queue::filter::TypeSet, search::Wanted};

/// Deliveries that are begun anew with one commit.
const PIECE: usize = 1000;

/// States from which a delivery can be begun anew: it is over. `not_offered`: the event was stored
/// before the webhook was there.
const OVER: [&str; 8] =
    ["dead", "discarded", "blocked", "cancelled", "expired", "settled", "delivered", "not_offered"];

/// Those that are meant unless others are named: it failed, and nobody called it off.
const FAILED: [&str; 3] = ["dead", "discarded", "blocked"];

/// Which deliveries are begun anew.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Of events that happened then or later.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Of events that happened before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// In these states: `dead`, `discarded`, `blocked`, `cancelled`, `expired`, `settled`, `delivered`, or
    /// `not_offered` for what was stored before the webhook was there. Left out, the first three. By
    /// any of the last four and `expired`, all events of the time range are looked through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<Vec<String>>,
    /// Of events of these types: names and wildcards, as in `events` of a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was begun anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovered {
    /// So many deliveries.
    pub count: usize,
    /// The same by the state in which they were.
    pub states: BTreeMap<String, usize>,
    /// They were only counted.
    pub dry_run: bool,
}

/// Sends events of a time range to a webhook again whose deliveries failed, as new deliveries of the
/// same events.
///
/// What waits or is under way stays as it is. With other `states` also what was delivered or never
/// offered is sent.
#[utoipa::path(post, path = "/v1/webhooks/{id}/recover", operation_id = "recover_webhook", tag = "webhooks", params(Named),
    request_body = Recover,
    responses((status = OK, body = Recovered), Unusable, Missing, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn recover(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
    Body(asked): Body<Recover>,
) -> Result<Json<Recovered>, Problem> {
    let webhook = desk.webhook(&id)?;
    let (mut wanted, states) = (asked.wanted(&webhook)?, asked.states()?);
    let mut recovered = Recovered { dry_run: asked.dry_run, ..Recovered::default() };
    loop {
        let page = desk.events_with(&wanted, std::slice::from_ref(&webhook), &states).await?;
        let next = page.next;
        let found = desk.found_in(page.events, &webhook, &states).await?;
        let seqs: Vec<u64> = found.keys().copied().collect();
        let begun = if asked.dry_run || seqs.is_empty() {
            seqs
        } else {
            desk.writer.recover(webhook.id, seqs).await?
        };
        recovered.count += begun.len();
        for state in begun.iter().filter_map(|seq| found.get(seq)) {
            *recovered.states.entry((*state).to_owned()).or_default() += 1;
        }
        wanted.before = next;
        if next.is_none() {
            return Ok(Json(recovered));
        }
    }
}

impl Recover {
    fn wanted(&self, webhook: &Webhook) -> Result<Wanted, Problem> {
        if self.until.is_some_and(|until| until <= self.since) {
            return Err(Problem::invalid("until: must be later than `since`"));
        }
        let types = self.types.as_ref().map(|names| types(names, webhook.profile)).transpose()?;
        Ok(Wanted {
            types,
            since_us: Some(self.since.as_microsecond()),
            until_us: self.until.map(Timestamp::as_microsecond),
            limit: PIECE,
            ..Wanted::default()
        })
    }

    fn states(&self) -> Result<States, Problem> {
        let names = self.states.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let names: Vec<&str> = names.unwrap_or_else(|| FAILED.to_vec());
        if names.is_empty() {
            return Err(Problem::invalid("states: name one at least, or leave it out"));
        }
        States::parse("states", names, &OVER)
    }
}

/// Canonical names, or those of the profile.
fn types(names: &[String], profile: Profile) -> Result<TypeSet, Problem> {
    TypeSet::parse(names.iter().map(String::as_str), profile)
        .map_err(|error| Problem::invalid(format!("types: {error}")))
}

impl Desk {
    /// Those of these events whose delivery to the webhook is in one of these states, and in which.
    async fn found_in(
        &self,
        events: Vec<(u64, crate::event::Event)>,
        webhook: &Arc<Webhook>,
        states: &States,
    ) -> Result<BTreeMap<u64, &'static str>, Problem> {
        let found = self.whereabouts(events, webhook, states.depend_on_attempts()).await?;
        Ok(found.into_iter().filter(|(_, state)| states.take(state)).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn asked(json: &str) -> Recover {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_left_out_means_what_failed() {
        let states = asked(r#"{"since": "2026-03-01T00:00:00Z"}"#).states().unwrap();
        assert!(["dead", "discarded", "blocked"].iter().all(|state| states.take(state)));
        assert!(!states.take("cancelled") && !states.depend_on_attempts());
    }

    #[test]
    fn what_is_not_over_and_what_is_mistyped_is_refused() {
        for (states, why) in [
            (r#"["pending"]"#, "states: `pending` is none of dead, discarded"),
            ("[]", "states: name one at least"),
        ] {
            let asked =
                asked(&format!(r#"{{"since": "2026-03-01T00:00:00Z", "states": {states}}}"#));
            let problem = asked.states().unwrap_err();
            assert!(problem.detail.starts_with(why), "{problem:?}");
        }
    }
}
