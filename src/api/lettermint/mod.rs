//! The webhooks as Lettermint's SDKs ask for them (read in `lettermint` 2.7.0 for Node and 3.2.0 for
//! Python). Their base URL is this host and [`PREFIX`], their team token a key of this API.
//!
//! * [`webhooks`] — listed, made, changed, shown, deleted, given another secret; [`webhook`] — as one
//!   is shown; [`keys`] — as one is asked for;
//! * [`deliveries`] — what was sent; [`trials`] — test deliveries, which are in no store.

mod deliveries;
mod keys;
mod trials;
mod webhook;
mod webhooks;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Desk, code::Code, document, mounts, problem::Problem};

pub(super) use trials::Trials;

/// What an SDK is given as its base URL, without the host.
pub(super) const PREFIX: &str = "/lettermint/v1";
/// Where its webhooks are.
pub(super) const PATH: &str = "/lettermint/v1/webhooks";

/// All operations of the mount.
pub(super) fn operations() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(document::with_refusal::<Failure>())
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::regenerate_secret))
        .routes(routes!(trials::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
}

/// A refusal as both SDKs read it: `message` for people, `error` for programs, `errors` by field.
pub(super) fn failure(problem: &Problem) -> (StatusCode, Value) {
    let status = match StatusCode::from_u16(problem.status) {
        Ok(StatusCode::BAD_REQUEST) => StatusCode::UNPROCESSABLE_ENTITY,
        Ok(StatusCode::CONFLICT) if !problem.errors.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut body = json!({ "message": problem.detail, "error": problem.code });
    if !problem.errors.is_empty() {
        let mut errors: Map<String, Value> = Map::new();
        for error in &problem.errors {
            let of_field = errors.entry(error.field.clone()).or_insert_with(|| json!([]));
            if let Value::Array(messages) = of_field {
                messages.push(error.message.clone().into());
            }
        }
        if let Value::Object(body) = &mut body {
            body.insert("errors".to_owned(), errors.into());
        }
    }
    (status, body)
}

/// What goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintFailure)]
struct Failure {
    /// What it is, for people.
    message: String,
    /// What kind it is, for programs.
    #[schema(value_type = Code)]
    error: String,
    /// What is wrong with the parts of what was given; left out when it is not about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<std::collections::BTreeMap<String, Vec<String>>>,
}

/// That it was done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintMessage)]
struct Message {
    /// What was done, for people.
    message: String,
}

/// A page, as far as there is one behind.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LettermintPage)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct Page<T> {
    data: Vec<T>,
    path: Option<String>,
    per_page: usize,
    /// Give it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
    /// Always null: follow `next_cursor`.
    next_page_url: Option<String>,
    /// Always null.
    prev_cursor: Option<String>,
    /// Always null.
    prev_page_url: Option<String>,
}

impl<T> Page<T> {
    fn of(data: Vec<T>, path: String, per_page: usize, next_cursor: Option<String>) -> Self {
        let (path, next_page_url) = (Some(path), None);
        Self {
            data,
            path,
            per_page,
            next_cursor,
            next_page_url,
            prev_cursor: None,
            prev_page_url: None,
        }
    }
}

type Broken = mounts::Broken<Failure>;
type TooLarge = mounts::TooLarge<Failure>;
type Missing = mounts::Missing<Failure>;

/// What any operation may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
enum Failures {
    /// Who asks did not say who it is, or nobody knows the key.
    #[response(status = 401)]
    Unauthenticated(Failure),
    /// Who asks may not do that.
    #[response(status = 403)]
    Forbidden(Failure),
    /// Who asks has asked too much; the header `Retry-After` says when to ask again.
    #[response(status = 429, headers(("Retry-After" = u64, description = "Seconds")))]
    TooMany(Failure),
    /// The daemon is ending.
    #[response(status = 503)]
    Stopping(Failure),
}

/// What an operation that is given something may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
enum Unusable {
    /// What was given cannot be used.
    #[response(status = 422)]
    Invalid(Failure),
}

/// What an operation that changes something may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
enum Conflicts {
    /// It is one of the configuration, and is changed there; or there are too many.
    #[response(status = 409)]
    Conflict(Failure),
}
