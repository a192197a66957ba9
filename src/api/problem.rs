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
use utoipa::ToSchema;

use super::code::{Code, FieldCode};
use crate::{config, search::SearchError, writer::Stopped};

/// A refusal, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind it is, for people; the same for the same `code`.
    pub title: String,
    /// Status code of the answer.
    pub status: u16,
    /// What kind it is, for programs.
    #[schema(value_type = Code)]
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
    #[schema(value_type = FieldCode)]
    pub code: String,
    /// What it is, for people.
    pub message: String,
}

impl Problem {
    /// Says what it is this time.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (title, (word, status)) = (code.title().to_owned(), code.known_as());
        let (code, status, detail) = (word.to_owned(), status.as_u16(), detail.into());
        Self { title, status, code, detail, errors: Vec::new(), retry_after_s: None }
    }

    /// What was asked for does not exist.
    pub(super) fn not_found() -> Self {
        let detail = "there is no such operation in this version";
        Self::new(Code::NotFound, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "the path exists, but not with this method";
        Self::new(Code::MethodNotAllowed, detail)
    }

    pub(super) fn unknown_webhook(name: &str, known: &[&str]) -> Self {
        let detail = if known.is_empty() {
            format!("no webhook is named `{name}`; none is configured")
        } else {
            format!("no webhook is named `{name}`; there are: {}", known.join(", "))
        };
        Self::new(Code::UnknownWebhook, detail)
    }

    pub(super) fn unknown_event(id: &str) -> Self {
        let detail = format!(
            "no event `{id}` is stored: it is mistyped, or was kept for long enough \
             ([store] retain)"
        );
        Self::new(Code::UnknownEvent, detail)
    }

    pub(super) fn unknown_message(uid: &str) -> Self {
        let detail = format!(
            "no event of the message `{uid}` is stored: it is mistyped, or was kept for long enough \
             ([store] retain)"
        );
        Self::new(Code::UnknownMessage, detail)
    }

    pub(super) fn no_such_key(named: &str) -> Self {
        let detail =
            format!("no key has the name or id `{named}`; `mailherald keys list` shows all");
        Self::new(Code::UnknownKeyName, detail)
    }

    pub(super) fn without_key() -> Self {
        let detail = "say who asks: `Authorization: Bearer api_…`, with a key that `mailherald keys \
                      create` made on the host of the daemon";
        Self::new(Code::NoKey, detail)
    }

    pub(super) fn unknown_key() -> Self {
        let detail = "no such key: it is mistyped, or was revoked";
        Self::new(Code::UnknownKey, detail)
    }

    pub(super) fn read_only() -> Self {
        let detail = "this key may see everything and change nothing; it takes one with role admin";
        Self::new(Code::ReadOnly, detail)
    }

    pub(super) fn forbidden() -> Self {
        let detail = "only root and the user that the daemon runs as may use this socket without a \
                      key";
        Self::new(Code::Forbidden, detail)
    }

    /// Who asks owns a part of the mail only.
    pub(super) fn not_owner() -> Self {
        let detail =
            "this key is for its own webhooks only: what is here tells of everybody's mail";
        Self::new(Code::NotOwned, detail)
    }

    /// The same of parts of what was given.
    pub(super) fn not_owned(errors: Vec<FieldError>) -> Self {
        let detail = words(&errors);
        let problem = Self::new(Code::NotOwned, detail);
        Self { errors, ..problem }
    }

    /// Somebody else has that name.
    pub(super) fn name_taken(error: FieldError) -> Self {
        let problem = Self::new(Code::NameTaken, error.message.clone());
        Self { errors: vec![error], ..problem }
    }

    /// Parts of what was given cannot be used.
    pub(super) fn unusable(errors: Vec<FieldError>) -> Self {
        let denied = config::Code::EgressDenied.name();
        let is_denied = errors.iter().any(|error| error.code == denied);
        let code = if is_denied { Code::EgressDenied } else { Code::InvalidRequest };
        let problem = Self::new(code, words(&errors));
        Self { errors, ..problem }
    }

    /// A part of what was given cannot be used.
    pub(super) fn wrong(field: &str, message: &str) -> Self {
        let (code, message) = (config::Code::Invalid.name().to_owned(), message.to_owned());
        Self::unusable(vec![FieldError { field: field.to_owned(), code, message }])
    }

    /// What was given cannot be used; says why.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    /// A part of the request is not what it has to be.
    pub(super) fn unreadable(status: StatusCode, detail: String) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::TooLarge, detail),
            _ => Self::invalid(detail),
        }
    }

    /// Too many requests; ask again after that time.
    pub(super) fn too_many(detail: &str, wait: Duration) -> Self {
        let problem = Self::new(Code::TooManyRequests, detail);
        let whole_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after_s: Some(whole_seconds), ..problem }
    }

    /// Who asks does so too often.
    pub(super) fn too_often(wait: Duration) -> Self {
        Self::too_many("too many requests at once; ask again a little later", wait)
    }

    /// The machine refuses what is needed.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(Code::Internal, detail)
    }

    /// What a report is about may stand in a log that is not read yet.
    pub(super) fn logs_late() -> Self {
        let detail = "the message that the report is about is not known, and the logs are not read to \
                      their end: bring it again in a while";
        Self::new(Code::LogsLate, detail)
    }

    /// The daemon is ending.
    pub(super) fn stopping() -> Self {
        let detail = "the daemon is stopping; ask again when it has started";
        Self::new(Code::Stopping, detail)
    }
}

/// All of them in a line.
fn words(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| format!("{}: {}", error.field, error.message);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
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
