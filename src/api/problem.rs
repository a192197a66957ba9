//! Every refusal, in one shape: `application/problem+json` (RFC 9457), with a `code` for programs.

use std::time::Duration;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::{search::SearchError, writer::Stopped};

/// A refusal, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind it is, for people; the same for the same `code`.
    pub title: String,
    /// Status code of the answer.
    pub status: u16,
    /// What kind it is, for programs.
    pub code: String,
    /// What it is this time.
    pub detail: String,
    /// What is wrong with the parts of what was given; left out when it is not about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds to wait before asking again; said in the header `Retry-After`.
    #[serde(skip)]
    pub(super) retry_after_s: Option<u64>,
}

/// What is wrong, or odd, about a part of what was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The part.
    pub field: String,
    /// What kind it is, for programs.
    pub code: String,
    /// What it is, for people.
    pub message: String,
}

/// The egress policy is against it (webhooks.md §2.7).
const EGRESS_DENIED: &str = "egress_denied";

impl Problem {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        let (title, code) = (title.to_owned(), code.to_owned());
        let (status, detail) = (status.as_u16(), detail.into());
        Self { title, status, code, detail, errors: Vec::new(), retry_after_s: None }
    }

    /// What was asked for does not exist.
    pub(super) fn not_found() -> Self {
        let detail = "there is no such operation in this version";
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "the path exists, but not with this method";
        let (code, title) = ("method_not_allowed", "Method not allowed");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, code, title, detail)
    }

    pub(super) fn unknown_webhook(name: &str, known: &[&str]) -> Self {
        let detail = if known.is_empty() {
            format!("no webhook is named `{name}`; none is configured")
        } else {
            format!("no webhook is named `{name}`; there are: {}", known.join(", "))
        };
        Self::new(StatusCode::NOT_FOUND, "unknown_webhook", "Not found", detail)
    }

    pub(super) fn unknown_event(id: &str) -> Self {
        let detail = format!(
            "no event `{id}` is stored: it is mistyped, or was kept for long enough \
             ([store] retain)"
        );
        Self::new(StatusCode::NOT_FOUND, "unknown_event", "Not found", detail)
    }

    pub(super) fn unknown_message(uid: &str) -> Self {
        let detail = format!(
            "no event of the message `{uid}` is stored: it is mistyped, or was kept for long enough \
             ([store] retain)"
        );
        Self::new(StatusCode::NOT_FOUND, "unknown_message", "Not found", detail)
    }

    pub(super) fn no_such_key(named: &str) -> Self {
        let detail =
            format!("no key has the name or id `{named}`; `mailherald keys list` shows all");
        Self::new(StatusCode::NOT_FOUND, "unknown_key_name", "Not found", detail)
    }

    pub(super) fn without_key() -> Self {
        let detail = "say who asks: `Authorization: Bearer api_…`, with a key that `mailherald keys \
                      create` made on the host of the daemon";
        Self::new(StatusCode::UNAUTHORIZED, "no_key", "Unauthorized", detail)
    }

    pub(super) fn unknown_key() -> Self {
        let detail = "no such key: it is mistyped, or was revoked";
        Self::new(StatusCode::UNAUTHORIZED, "unknown_key", "Unauthorized", detail)
    }

    pub(super) fn read_only() -> Self {
        let detail = "this key may see everything and change nothing; it takes one with role admin";
        Self::new(StatusCode::FORBIDDEN, "read_only", "Forbidden", detail)
    }

    pub(super) fn forbidden() -> Self {
        let detail = "only root and the user that the daemon runs as may use this socket without a \
                      key";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// Who asks owns a part of the mail only.
    pub(super) fn not_owner() -> Self {
        let detail =
            "this key is for its own webhooks only: what is here tells of everybody's mail";
        Self::new(StatusCode::FORBIDDEN, "not_owned", "Forbidden", detail)
    }

    /// The same of parts of what was given.
    pub(super) fn not_owned(errors: Vec<FieldError>) -> Self {
        let detail = words(&errors);
        let problem = Self::new(StatusCode::FORBIDDEN, "not_owned", "Forbidden", detail);
        Self { errors, ..problem }
    }

    /// Somebody else has that name.
    pub(super) fn name_taken(error: FieldError) -> Self {
        let problem = Self::conflict("name_taken", error.message.clone());
        Self { errors: vec![error], ..problem }
    }

    /// Parts of what was given cannot be used.
    pub(super) fn unusable(errors: Vec<FieldError>) -> Self {
        let is_denied = errors.iter().any(|error| error.code == EGRESS_DENIED);
        let code = if is_denied { EGRESS_DENIED } else { "invalid_request" };
        let problem = Self::new(StatusCode::BAD_REQUEST, code, "Invalid request", words(&errors));
        Self { errors, ..problem }
    }

    /// What was given cannot be used; says why.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request", detail)
    }

    /// A part of the request is not what it has to be.
    pub(super) fn unreadable(status: StatusCode, detail: String) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "too_large", "Request too large", detail)
            }
            _ => Self::invalid(detail),
        }
    }

    /// Too many requests; ask again after that time.
    pub(super) fn too_many(detail: &str, wait: Duration) -> Self {
        let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        let problem = Self::new(status, "too_many_requests", title, detail);
        let whole_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after_s: Some(whole_seconds), ..problem }
    }

    /// Who asks does so too often.
    pub(super) fn too_often(wait: Duration) -> Self {
        Self::too_many("too many requests at once; ask again a little later", wait)
    }

    /// It does not go with what is; says what to do.
    pub(super) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflict", detail)
    }

    /// The machine refuses what is needed.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// What a report is about may stand in a log that is not read yet.
    pub(super) fn logs_late() -> Self {
        let detail = "the message that the report is about is not known, and the logs are not read to \
                      their end: bring it again in a while";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "logs_late", "Unavailable", detail)
    }

    /// The daemon is ending.
    pub(super) fn stopping() -> Self {
        let detail = "the daemon is stopping; ask again when it has started";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "Unavailable", detail)
    }
}

/// All of them in a line.
fn words(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| format!("{}: {}", error.field, error.message);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What any operation may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Refusals {
    /// Who asks did not say who it is, or nobody knows the key.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// Who asks may not do that.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Who asks has asked too much; the header `Retry-After` says when to ask again.
    #[response(status = 429, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")))]
    TooMany(Problem),
    /// The machine refuses what is needed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The daemon is ending, or cannot say yet.
    #[response(status = 503, content_type = "application/problem+json")]
    Stopping(Problem),
}

/// What an operation may answer instead that anybody may ask for.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Limited {
    /// Who asks has asked too much; the header `Retry-After` says when to ask again.
    #[response(status = 429, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")))]
    TooMany(Problem),
}

/// What an operation on one thing may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Missing {
    /// What was asked for does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// What an operation that is given something may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Unusable {
    /// What was given cannot be used.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// What an operation that changes something may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description of answers, for the document")]
pub(super) enum Conflicts {
    /// It does not go with what is.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::stopping()
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Stopped => Self::stopping(),
            SearchError::Failed(error) => {
                tracing::error!(%error, "the store cannot be read");
                Self::internal("the store cannot be read; the log of the daemon says why")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Text and numbers always have a JSON form.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        // For those who say it in another shape.
        response.extensions_mut().insert(self);
        response
    }
}
