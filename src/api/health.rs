//! Whether the daemon lives, and whether all is well with it: for those who watch over it, without a
//! key and without anything secret.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Desk, refusals::Limited};

/// The writer answers within this time, unless it hangs: a commit on a slow disk takes seconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// A source that is behind for that long is not well. The same is told as `source.stalled`.
const BEHIND_FOR_S: u64 = 600;
/// Receivers refuse what a clock has signed that is further off.
const SKEW_S: u64 = 300;

/// Whether the daemon lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `failing`: the writer does not answer.
    pub status: String,
}

/// Whether all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    /// What is not well.
    pub reasons: Vec<Reason>,
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// `starting` (a source is not open yet), `writer_stuck`, `writer_stopped` (also when the store
    /// has failed), `disk_low` (nothing is read), `source_behind`, `source_refused` (a log may not
    /// be read) or `clock_skew`.
    pub code: String,
    /// In words.
    pub detail: String,
    /// The source that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Whether the daemon lives: the one thread that changes state answers.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "health", security(()),
    responses((status = OK, body = Health), (status = SERVICE_UNAVAILABLE, body = Health), Limited))]
pub(super) async fn health(State(desk): State<Desk>) -> (StatusCode, Json<Health>) {
    let answers = matches!(timeout(ANSWERS_WITHIN, desk.writer.vitals()).await, Ok(Ok(_)));
    let (code, status) =
        if answers { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    (code, Json(Health { status: status.to_owned() }))
}

/// Whether all is well, and what is not.
#[utoipa::path(get, path = "/readyz", operation_id = "readiness", tag = "health", security(()),
    responses((status = OK, body = Readiness), (status = SERVICE_UNAVAILABLE, body = Readiness),
        Limited))]
pub(super) async fn ready(State(desk): State<Desk>) -> (StatusCode, Json<Readiness>) {
    let reasons = desk.troubles().await;
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    (code, Json(Readiness { status: status.to_owned(), reasons }))
}

impl Desk {
    /// What is not well.
    pub async fn troubles(&self) -> Vec<Reason> {
        let mut reasons = self.troubles_of_writer().await;
        if !*self.has_begun.borrow() {
            reasons.push(Reason::new("starting", "a source is not open yet"));
        }
        reasons.extend(self.sources.iter().filter_map(|(name, told)| {
            let health = *told.borrow();
            trouble_of_source(name, &health, health.lag_seconds(self.clock.now()))
        }));
        reasons.extend(self.trouble_of_clock());
        reasons
    }

    async fn troubles_of_writer(&self) -> Vec<Reason> {
        match timeout(ANSWERS_WITHIN, self.writer.vitals()).await {
            Ok(Ok(vitals)) if vitals.is_short => {
                let detail = "the disk is nearly full: nothing is read until there is room";
                vec![Reason::new("disk_low", detail)]
            }
            Ok(Ok(_)) => Vec::new(),
            Ok(Err(_)) => {
                vec![Reason::new("writer_stopped", "the store has failed, or the daemon is ending")]
            }
            Err(_) => vec![Reason::new("writer_stuck", "the disk does not answer")],
        }
    }

    fn trouble_of_clock(&self) -> Option<Reason> {
        let ahead = self.client.clock_skew()?.as_secs();
        let is_wrong = ahead.unsigned_abs() > SKEW_S;
        let detail = || format!("by its receivers, the clock of this machine is {ahead} s ahead");
        is_wrong.then(|| Reason::new("clock_skew", detail()))
    }
}

fn trouble_of_source(name: &str, health: &crate::source::Health, lag_s: u64) -> Option<Reason> {
    let (code, detail) = if health.refused > 0 {
        ("source_refused", "there are logs that may not be read".to_owned())
    } else if lag_s >= BEHIND_FOR_S {
        ("source_behind", format!("{} bytes are not read, for {lag_s} s", health.lag_bytes))
    } else {
        return None;
    };
    Some(Reason { source: Some(name.to_owned()), ..Reason::new(code, detail) })
}

impl Reason {
    fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), source: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::source;

    #[test]
    fn a_source_is_not_well_when_it_may_not_be_read_or_is_behind_for_ten_minutes() {
        let well = source::Health::default();
        let refused = source::Health { refused: 1, ..well };
        for (health, lag_s, code) in [
            (well, 0, None),
            (well, 599, None),
            (well, 600, Some("source_behind")),
            (refused, 0, Some("source_refused")),
            // There is none yet: that is how a host begins.
            (source::Health { is_waiting: true, ..well }, 0, None),
        ] {
            let reason = trouble_of_source("a", &health, lag_s);
            assert_eq!(reason.as_ref().map(|reason| reason.code.as_str()), code);
            assert!(reason.is_none_or(|reason| reason.source.unwrap() == "a"));
        }
    }
}
