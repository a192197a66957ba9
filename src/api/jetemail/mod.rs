//! The webhooks as `JetEmail`'s clients ask for them (webhooks.md M1 to M11, §1.4).
//!
//! * [`webhooks`] — made, changed, shown, deleted;
//! * [`history`] — what was sent, and sent again.

mod history;
mod webhooks;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Desk, document, mounts, problem::Problem};

/// What the provider says to whoever shows no key that it knows (webhooks.md M11).
const UNAUTHENTICATED: &str = "User information not found";

/// Where it is mounted.
pub(super) const PATH: &str = "/webhooks";
/// A question that is a POST.
pub(super) const QUERY_PATH: &str = "/webhooks/query";

/// What the provider has words for: its requests have all but the first (webhooks.md C1).
const EVENTS: [&str; 15] = [
    "outbound.queued",
    "outbound.delivered",
    "outbound.bounced",
    "outbound.rejected",
    "outbound.deferred",
    "outbound.spam",
    "outbound.dropped",
    "outbound.virus",
    "outbound.opened",
    "outbound.clicked",
    "outbound.complaint",
    "inbound.received",
    "inbound.delivered",
    "inbound.spam",
    "inbound.blocked",
];

/// All operations of the mount.
pub(super) fn operations() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(document::with_refusal::<Failure>())
        .routes(routes!(webhooks::list, webhooks::create, webhooks::update))
        .routes(routes!(webhooks::show, webhooks::delete))
        .routes(routes!(history::query))
        .routes(routes!(history::replay))
}

/// A refusal as the provider says it. It has no word for a conflict.
pub(super) fn failure(problem: &Problem) -> (StatusCode, Value) {
    let status = match StatusCode::from_u16(problem.status) {
        Ok(StatusCode::CONFLICT) => StatusCode::BAD_REQUEST,
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    // What is not owned is named by a whole sentence (webhooks.md M11).
    let error = match &problem.errors[..] {
        [error] if status == StatusCode::FORBIDDEN => error.message.clone(),
        _ if status == StatusCode::UNAUTHORIZED => UNAUTHENTICATED.to_owned(),
        _ => problem.detail.clone(),
    };
    (status, json!(Failure { success: false, error }))
}

/// What goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailFailure)]
struct Failure {
    /// False.
    success: bool,
    /// What it is, for people.
    error: String,
}

/// That it was done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JetEmailDone)]
struct Done {
    /// True.
    success: bool,
    /// What was done, for people.
    message: String,
}

impl Done {
    fn with(message: &str) -> Self {
        Self { success: true, message: message.to_owned() }
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
    /// Who asks may not do that, or a filter names what it does not own.
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
    #[response(status = 400)]
    Invalid(Failure),
}

/// One of [`EVENTS`], for the document.
#[derive(Debug)]
struct EventName;

impl PartialSchema for EventName {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        RefOr::T(names.enum_values(Some(EVENTS)).build().into())
    }
}

impl ToSchema for EventName {
    fn name() -> std::borrow::Cow<'static, str> {
        "JetEmailEventName".into()
    }
}
