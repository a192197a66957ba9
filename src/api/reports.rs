//! Reports that came back as mail, brought by whoever had the mail: `mailherald ingest` in a pipe.

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, State, rejection::BytesRejection},
};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Desk,
    caller::Peer,
    problem::Problem,
    refusals::{Broken, Refusals, Stopping, TooLarge},
};
use crate::{
    event::Event,
    report::{NotTaken, Outcome, Passed},
};

/// Where they are brought.
pub(super) const PATH: &str = "/v1/reports";

/// What came of a mail.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    /// What it is: `feedback`, `delivery` or `disposition`; null when it is no report.
    pub report: Option<String>,
    /// Its events, one for each recipient.
    pub events: Vec<TakenEvent>,
    /// What gave no event.
    pub passed_over: Vec<PassedOver>,
}

/// An event of a report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TakenEvent {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message that it is about.
    pub uid: String,
    /// The recipient, where that is known.
    pub to: Option<String>,
    /// False when the same report was brought before; then it is not told again.
    pub is_new: bool,
    /// It was shown who wrote the report.
    pub trusted: bool,
    /// How the message was found; null when it was not.
    pub method: Option<String>,
    /// How sure that is.
    pub confidence: Option<String>,
}

/// Something in a report that is no event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PassedOver {
    /// `no_report`, `disposition`, `not_spam`, `auth_failure`, `not_failed`, `too_old`, `own`, `unmatched`
    /// or `untrusted`.
    pub reason: String,
    /// The recipient, where one is named.
    pub to: Option<String>,
}

/// Takes in a mail that may be a report. The same one may be brought again: its events keep their ids,
/// and nothing is told twice. It is durable when this answers.
#[utoipa::path(post, path = "/v1/reports", operation_id = "take_report", tag = "reports",
    request_body(content = String, content_type = "message/rfc822",
        description = "The mail, or its first 256 KiB."),
    responses((status = OK, body = Taken), TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn take(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mail: Result<Bytes, BytesRejection>,
) -> Result<Json<Taken>, Problem> {
    let outcome = desk.reports.take(&mail?, may_be_trusted(peer)).await?;
    Ok(Json(view(outcome)))
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Stopped => Self::stopping(),
            NotTaken::Early => Self::logs_late(),
        }
    }
}

/// What others bring may have been written by them, with all of its headers. Who came over the network
/// has shown a key.
fn may_be_trusted(peer: Peer) -> bool {
    match peer {
        Peer::Process(uid) => uid.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw()),
        Peer::Network(_) => true,
    }
}

fn view(outcome: Outcome) -> Taken {
    let passed = |(why, to): (Passed, Option<String>)| PassedOver { reason: why.name().into(), to };
    Taken {
        report: outcome.kind.map(str::to_owned),
        events: outcome.told.iter().map(|(event, is_new)| told(event, *is_new)).collect(),
        passed_over: outcome.passed.into_iter().map(passed).collect(),
    }
}

fn told(event: &Event, is_new: bool) -> TakenEvent {
    let reported = event.data.reported.as_deref();
    let found = reported.and_then(|reported| reported.correlation);
    TakenEvent {
        id: event.id.to_string(),
        kind: event.kind.name().to_owned(),
        uid: event.data.uid.to_string(),
        to: event.data.to.as_ref().map(ToString::to_string),
        is_new,
        trusted: reported.is_some_and(|reported| reported.trusted),
        method: found.map(|found| found.method.name().to_owned()),
        confidence: found.map(|found| found.confidence.name().to_owned()),
    }
}
