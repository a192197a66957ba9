//! All figures of the daemon as Prometheus reads them. What they mean is in `telemetry`; here they
//! are asked for, each of whoever counts it.

use std::{borrow::Cow, fs};

use axum::{
    extract::State,
    http::header::{CONTENT_TYPE, HeaderName},
};

use super::{
    Desk,
    problem::Problem,
    refusals::{Refusals, Stopping},
    sources,
};
use crate::{
    clock::millis,
    queue::{delivery::EndState, endpoint::Circuit},
    telemetry::{Page, families as of, page},
    writer::{Figures, StoreFigures, WebhookFigures},
};

/// The figures of the daemon, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "metrics",
    responses((status = OK, body = String, content_type = "text/plain"), Refusals, Stopping))]
pub(super) async fn metrics(
    State(desk): State<Desk>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let figures = desk.writer.figures().await?;
    let mut page = Page::default();
    mail(&figures, &mut page);
    sources(&desk, &mut page);
    for webhook in &figures.webhooks {
        deliveries(webhook, &label(webhook, &figures.webhooks), desk.now_ms(), &mut page);
    }
    store(&figures.store, &mut page);
    if let Some(skew) = desk.client.clock_skew() {
        page.value(of::CLOCK_SKEW, &[], skew.as_secs_f64());
    }
    page.flag(of::READY, &[], desk.troubles().await.is_empty());
    page.count(of::STREAM_CLIENTS, &[], desk.guard.stream_clients() as u64);
    process(&desk, &mut page);
    Ok(([(CONTENT_TYPE, page::CONTENT_TYPE)], page.text()))
}

fn mail(figures: &Figures, page: &mut Page) {
    for (source, kind, count) in &figures.events {
        page.count(of::EVENTS, &[kind.name(), source.as_deref().unwrap_or_default()], *count);
    }
    for (source, counts) in &figures.lines {
        for (outcome, count) in [
            ("recognised", counts.recognised),
            ("ignored", counts.ignored),
            ("unrecognised", counts.unrecognised),
        ] {
            page.count(of::LINES, &[source, outcome], count);
        }
        page.count(of::AUTH_FAILURES, &[source], counts.auth_failures);
        page.count(of::SOURCE_LINES_DROPPED, &[source], counts.dropped);
    }
}

fn sources(desk: &Desk, page: &mut Page) {
    let now = desk.clock.now();
    for (name, told) in desk.sources.iter() {
        let (health, name) = (*told.borrow(), name.as_str());
        page.count(of::SOURCE_LAG_BYTES, &[name], health.lag_bytes);
        page.count(of::SOURCE_LAG_SECONDS, &[name], health.lag_seconds(now));
        for state in sources::STATES {
            page.flag(of::SOURCE_STATE, &[name, state], sources::state(&health) == state);
        }
        page.count(of::SOURCE_PINNED_BYTES, &[name], health.pinned_bytes);
        page.count(of::SOURCE_LINES_CUT, &[name], health.tally.lines_cut);
        page.count(of::SOURCE_TRUNCATIONS, &[name], health.tally.truncations_without_copy);
        page.count(of::SOURCE_GAPS, &[name], health.gaps);
    }
}

/// The name of a webhook, as a label. One that was made through the API and has the name of one of the
/// file carries its id: no two series are the same.
fn label<'a>(webhook: &'a WebhookFigures, all: &[WebhookFigures]) -> Cow<'a, str> {
    let is_of_file = |other: &WebhookFigures| !other.is_made && other.name == webhook.name;
    if webhook.is_made && all.iter().any(is_of_file) {
        Cow::Owned(format!("{} ({})", webhook.name, webhook.id))
    } else {
        Cow::Borrowed(&webhook.name)
    }
}

fn deliveries(webhook: &WebhookFigures, name: &str, now_ms: u64, page: &mut Page) {
    let (labels, ends, health) = ([name], &webhook.ends, &webhook.health);
    page.count(of::DELIVERIES, &[name, "delivered"], ends.delivered);
    for (state, count) in EndState::ALL.iter().zip(ends.ended) {
        page.count(of::DELIVERIES, &[name, state.name()], count);
    }
    page.count(of::DELIVERIES, &[name, "expired"], webhook.expired);
    for (class, count) in ends.attempts() {
        page.count(of::ATTEMPTS, &[name, class.name()], count);
    }
    page.durations(of::ATTEMPT_SECONDS, &labels, &ends.seconds);
    page.count(of::UNDER_WAY, &labels, webhook.under_way as u64);
    page.count(of::BACKLOG, &labels, webhook.backlog);
    page.count(of::RETRIES, &labels, webhook.retries as u64);
    let waits_ms = webhook.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
    page.count(of::OLDEST_PENDING, &labels, waits_ms / 1000);
    page.count(of::DEAD, &labels, webhook.dead as u64);
    page.flag(of::CIRCUIT, &labels, health.circuit != Circuit::Closed);
    page.flag(of::ENABLED, &labels, health.disabled.is_none());
    let failures = health.failing.as_ref().map_or(0, |failing| failing.attempts);
    page.count(of::FAILURES, &labels, failures);
}

fn store(store: &StoreFigures, page: &mut Page) {
    page.count(of::STORE_BYTES, &[], store.bytes);
    page.durations(of::COMMIT_SECONDS, &[], &store.commits);
    if let Some((space, min_free)) = store.room {
        page.count(of::DISK_FREE, &[], space.free);
        page.count(of::DISK_MIN_FREE, &[], min_free);
    }
    page.flag(of::PAUSED, &[], store.is_short);
}

fn process(desk: &Desk, page: &mut Page) {
    page.count(of::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
    page.count(of::START_TIME, &[], millis(desk.started) / 1000);
    if let Some(bytes) = resident_bytes() {
        page.count(of::RESIDENT, &[], bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        page.count(of::OPEN_FILES, &[], files.count() as u64);
    }
}

/// Of Linux: `VmRSS: 12345 kB` (proc(5)).
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
