//! A webhook as it is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{attempts::time_of_ms, rotation::FormerSecret};
use crate::{
    config::{self, Made, Privacy},
    event::EventId,
    queue::{
        endpoint::{Circuit, Health},
        policy::Ordering,
        subscription::{Decision, Deferrals},
    },
    secret::Owned,
    writer::Standing,
};

/// A webhook as it is shown: without anything that is secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `wh_` and 26 characters; stable.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// Its dialect.
    pub profile: String,
    /// What it is told of, as it was asked for; of one of the configuration by canonical names.
    pub events: Vec<String>,
    /// The same by canonical names.
    pub types: Vec<String>,
    /// The last four characters of the secret that signs.
    pub secret_hint: String,
    /// Secrets before it that are still good.
    pub former_secrets: Vec<FormerSecret>,
    /// Only outbound events of these users; null for all.
    pub filter_users: Option<Vec<String>>,
    /// Only inbound events for these domains; null for all.
    pub filter_domains: Option<Vec<String>>,
    /// How it is told, and what of an event.
    pub settings: Settings,
    /// `file` (one of the configuration, which is changed there) or `api`.
    pub origin: String,
    /// When it was made, RFC 3339 in UTC; null for one of the configuration.
    pub created_at: Option<String>,
    /// When it was last changed.
    pub updated_at: Option<String>,
    /// It is told of events.
    pub active: bool,
    /// Why it is not: `failing`, `gone` or `operator`.
    pub disabled_reason: Option<String>,
    /// What goes on: `ok`, `failing`, `held` (the receiver asked for it), `circuit_open` or
    /// `disabled`.
    pub state: String,
    /// Attempts that failed since the last that did not.
    pub failures: u64,
    /// Events that it has not been asked about yet, of which it may not want all.
    pub backlog: u64,
    /// What became of the events that it was asked about; what did not happen is left out. A key for a
    /// part of the mail is shown those that were told. An event
    /// whose delivery was under way when the daemon was killed counts once more.
    pub decisions: Vec<Decided>,
}

/// Settings of a webhook, under the names by which they are given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Also opens and clicks by machines.
    pub include_machine_events: bool,
    /// Only events of these streams; empty for all.
    pub routes: Vec<String>,
    /// Which deferrals: `every`, `first` or `on_change`.
    pub deferrals: String,
    /// What becomes of addresses: `none`, `mask` or `hash`.
    pub privacy: String,
    /// `keep` or `drop`.
    pub subject: String,
    /// For one whole request.
    pub timeout: String,
    /// Waits before attempt 2, 3, ….
    pub schedule: Vec<String>,
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Attempts a second at most; null for any number.
    pub rate: Option<u32>,
    /// `none` or `message`.
    pub ordering: String,
    /// Names of the headers that are sent besides; what they say may be a secret.
    pub headers: Vec<String>,
}

/// Events that were told, or not, for one reason. Of events that were passed over many at once the
/// latest gives the reason for all.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// They are told.
    pub is_told: bool,
    /// Why, with the key of the configuration that decided.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The latest of them.
    pub latest_event_id: String,
}

impl Webhook {
    /// As it is at that time, for who owns that.
    pub(super) fn of(
        webhook: &config::Webhook,
        standing: &Standing,
        now_ms: u64,
        owned: &Owned,
    ) -> Self {
        let health = &standing.health;
        let made = webhook.made.as_ref();
        let time = |at: fn(&Made) -> u64| made.map(|made| time_of_ms(at(made)));
        let types: Vec<_> = webhook.events.types().map(|kind| kind.name().to_owned()).collect();
        Self {
            id: webhook.id.to_string(),
            name: webhook.name.clone(),
            url: webhook.url.to_string(),
            profile: webhook.profile.name().to_owned(),
            events: made.and_then(|it| it.draft.words("events")).unwrap_or_else(|| types.clone()),
            types,
            secret_hint: webhook.ring().current().hint().to_owned(),
            former_secrets: FormerSecret::all(&webhook.ring()),
            filter_users: webhook.filter_users.clone(),
            filter_domains: webhook.filter_domains.clone(),
            settings: Settings::of(webhook),
            origin: made.map_or("file", |_| "api").to_owned(),
            created_at: time(|made| made.created_ms),
            updated_at: time(|made| made.modified_ms),
            active: health.disabled.is_none(),
            disabled_reason: health.disabled.map(|disabled| disabled.reason.name().to_owned()),
            state: state(health, now_ms).to_owned(),
            failures: health.failing.as_ref().map_or(0, |failing| failing.attempts),
            backlog: standing.backlog,
            decisions: decisions(standing, owned),
        }
    }
}

/// How many events a webhook was not told of is nothing for who owns a part of the mail: it tells of
/// everybody's.
fn decisions(standing: &Standing, owned: &Owned) -> Vec<Decided> {
    let all = standing.tally.made().map(Decided::from);
    all.filter(|decided| decided.is_told || owned.is_everything()).collect()
}

fn state(health: &Health, now_ms: u64) -> &'static str {
    match health {
        Health { disabled: Some(_), .. } => "disabled",
        Health { circuit: Circuit::Open { .. }, .. } => "circuit_open",
        _ if health.held_until_ms > now_ms => "held",
        Health { failing: Some(_), .. } => "failing",
        _ => "ok",
    }
}

impl Settings {
    fn of(webhook: &config::Webhook) -> Self {
        let (selection, policy) = (&webhook.selection, &webhook.policy);
        let deferrals = match selection.deferrals {
            Deferrals::Every => "every",
            Deferrals::First => "first",
            Deferrals::OnChange => "on_change",
        };
        let privacy = match selection.privacy {
            Privacy::None => "none",
            Privacy::Mask => "mask",
            Privacy::Hash(_) => "hash",
        };
        let ordering = match policy.ordering {
            Ordering::None => "none",
            Ordering::Message => "message",
        };
        Self {
            include_machine_events: selection.include_machine_events,
            routes: selection.routes.clone(),
            deferrals: deferrals.to_owned(),
            privacy: privacy.to_owned(),
            subject: if selection.drop_subject { "drop" } else { "keep" }.to_owned(),
            timeout: span(webhook.timeout),
            schedule: webhook.schedule.iter().copied().map(span).collect(),
            concurrency: webhook.concurrency,
            rate: policy.rate.map(std::num::NonZero::get),
            ordering: ordering.to_owned(),
            headers: webhook.transport.headers.iter().map(|it| it.name.clone()).collect(),
        }
    }
}

/// As it can be given.
fn span(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis()) {
        (seconds, 0) => format!("{seconds}s"),
        (_, _) => format!("{}ms", time.as_millis()),
    }
}

impl From<(Decision, u64, EventId)> for Decided {
    fn from((decision, count, latest): (Decision, u64, EventId)) -> Self {
        Self {
            is_told: decision == Decision::Wanted,
            reason: decision.reason().to_owned(),
            count,
            latest_event_id: latest.to_string(),
        }
    }
}
