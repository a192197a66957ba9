//! What the mounts of the providers have in common: which webhooks a caller sees, and refusals in the
//! shape of the provider whose path was asked for, wherever they come from.
//!
//! A mount translates requests and answers and has no rules of its own: those are the editor's.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::Response,
};
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use super::{Desk, caller::Caller, jetemail, lettermint, problem::Problem};
use crate::config::{Made, Webhook};

/// How a provider says a refusal.
type Words = fn(&Problem) -> (StatusCode, Value);

/// Says each refusal as those expect it who ask at that path.
pub(super) async fn speak(request: Request, next: Next) -> Response {
    let words = words(request.uri().path());
    let response = next.run(request).await;
    let problem = response.extensions().get::<Problem>();
    match words.zip(problem) {
        Some((words, problem)) => {
            let (status, body) = words(problem);
            said(response, status, &body)
        }
        None => response,
    }
}

fn words(path: &str) -> Option<Words> {
    if is_below(path, jetemail::PATH) {
        Some(jetemail::failure)
    } else if is_below(path, lettermint::PREFIX) {
        Some(lettermint::failure)
    } else {
        None
    }
}

/// Is a path that one, or further down?
pub(super) fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The same answer with another body; its other headers stay.
fn said(mut response: Response, status: StatusCode, body: &Value) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(body.to_string());
    response
}

/// What an operation may answer besides that reads what happened, or makes a secret.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Broken<F: ToSchema> {
    /// The machine refuses what is needed.
    #[response(status = 500)]
    Internal(F),
}

/// What an operation that is given a body may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum TooLarge<F: ToSchema> {
    /// The body has more than 256 KiB.
    #[response(status = 413)]
    TooLarge(F),
}

/// What an operation on one thing may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Missing<F: ToSchema> {
    /// What was asked for does not exist.
    #[response(status = 404)]
    NotFound(F),
}

/// A webhook, and whether it is told of events.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What it is.
    pub(super) webhook: Arc<Webhook>,
    /// It is told of events.
    pub(super) is_enabled: bool,
}

impl Seen {
    /// Milliseconds since the epoch, of a webhook that was made at run time.
    pub(super) fn time<T>(&self, of: fn(&Made) -> u64, shown: fn(u64) -> T) -> Option<T> {
        self.webhook.made.as_ref().map(of).map(shown)
    }
}

impl Desk {
    /// The webhooks that the caller may know of.
    pub(super) async fn seen(&self, caller: &Caller) -> Result<Vec<Seen>, Problem> {
        let standings = self.writer.standings().await?;
        let webhooks = self.webhooks();
        let seen = webhooks.iter().filter(|webhook| caller.sees(webhook)).filter_map(|webhook| {
            let is_enabled = standings.get(&webhook.id)?.health.disabled.is_none();
            Some(Seen { webhook: Arc::clone(webhook), is_enabled })
        });
        Ok(seen.collect())
    }

    /// One of them.
    pub(super) async fn seen_one(&self, caller: &Caller, named: &str) -> Result<Seen, Problem> {
        let unknown = || Problem::unknown_webhook(named, &[]);
        let webhook = self.webhook(named).map_err(|_| unknown())?;
        let seen = self.seen(caller).await?;
        seen.into_iter().find(|seen| seen.webhook.id == webhook.id).ok_or_else(unknown)
    }
}
