//! Every refusal, in one shape: `application/problem+json` (RFC 9457), with a `code` for programs.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::writer::Stopped;

/// A refusal, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind it is, for people; the same for the same `code`.
    pub title: String,
    /// Status code of the answer.
    pub status: u16,
    /// What kind it is, for programs.
    pub code: String,
    /// What it is this time.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        let (title, code) = (title.to_owned(), code.to_owned());
        Self { title, status: status.as_u16(), code, detail: detail.into() }
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

    pub(super) fn forbidden() -> Self {
        let detail = "only root and the user that the daemon runs as may use this socket";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// What was given cannot be used; says why.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request", detail)
    }

    /// It does not go with what is; says what to do.
    pub(super) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflict", detail)
    }

    /// The machine refuses what is needed.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// The daemon is ending.
    pub(super) fn stopping() -> Self {
        let detail = "the daemon is stopping; ask again when it has started";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "Unavailable", detail)
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::stopping()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Text and numbers always have a JSON form.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
