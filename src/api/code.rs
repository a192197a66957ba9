//! The kinds of refusals: a word for programs, with the status code and the title that go with it.
//!
//! The description of the API lists the words, and tests provoke each.

use std::borrow::Cow;

use axum::http::StatusCode;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

use crate::config;

/// What kind a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Parts of what was given cannot be used.
    InvalidRequest,
    /// The egress policy is against it (webhooks.md §2.7).
    EgressDenied,
    /// No key was shown where one is needed.
    NoKey,
    /// Nobody knows the key.
    UnknownKey,
    /// The key may see everything and change nothing.
    ReadOnly,
    /// Only root and the user that the daemon runs as may use the socket without a key.
    Forbidden,
    /// Who asks owns a part of the mail, and this is about more.
    NotOwned,
    /// There is no such operation.
    NotFound,
    UnknownWebhook,
    UnknownEvent,
    UnknownMessage,
    /// There is no key of that name or id to be revoked.
    UnknownKeyName,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    NameTaken,
    /// It is one of the configuration, and is changed there.
    WebhookOfFile,
    TooManyWebhooks,
    TooManyKeys,
    /// Too many former secrets are still good.
    TooManySecrets,
    SameSecret,
    /// Nothing of the delivery waits.
    NotPending,
    /// There is no configuration file to be read again.
    NoFile,
    /// The configuration cannot be read, or not be put to work.
    NotReloaded,
    TooLarge,
    TooManyRequests,
    /// The machine refuses what is needed.
    Internal,
    /// What is asked about may stand in a log that is not read yet.
    LogsLate,
    /// The daemon is ending.
    Stopping,
}

impl Code {
    /// Every kind.
    pub(super) const ALL: [Self; 27] = [
        Self::InvalidRequest,
        Self::EgressDenied,
        Self::NoKey,
        Self::UnknownKey,
        Self::ReadOnly,
        Self::Forbidden,
        Self::NotOwned,
        Self::NotFound,
        Self::UnknownWebhook,
        Self::UnknownEvent,
        Self::UnknownMessage,
        Self::UnknownKeyName,
        Self::MethodNotAllowed,
        Self::NameTaken,
        Self::WebhookOfFile,
        Self::TooManyWebhooks,
        Self::TooManyKeys,
        Self::TooManySecrets,
        Self::SameSecret,
        Self::NotPending,
        Self::NoFile,
        Self::NotReloaded,
        Self::TooLarge,
        Self::TooManyRequests,
        Self::Internal,
        Self::LogsLate,
        Self::Stopping,
    ];

    /// The word for programs, and the status code of the answer.
    pub(super) fn known_as(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST),
            Self::EgressDenied => ("egress_denied", StatusCode::BAD_REQUEST),
            Self::NoKey => ("no_key", StatusCode::UNAUTHORIZED),
            Self::UnknownKey => ("unknown_key", StatusCode::UNAUTHORIZED),
            Self::ReadOnly => ("read_only", StatusCode::FORBIDDEN),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN),
            Self::NotOwned => ("not_owned", StatusCode::FORBIDDEN),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::UnknownWebhook => ("unknown_webhook", StatusCode::NOT_FOUND),
            Self::UnknownEvent => ("unknown_event", StatusCode::NOT_FOUND),
            Self::UnknownMessage => ("unknown_message", StatusCode::NOT_FOUND),
            Self::UnknownKeyName => ("unknown_key_name", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::NameTaken => ("name_taken", StatusCode::CONFLICT),
            Self::WebhookOfFile => ("webhook_of_file", StatusCode::CONFLICT),
            Self::TooManyWebhooks => ("too_many_webhooks", StatusCode::CONFLICT),
            Self::TooManyKeys => ("too_many_keys", StatusCode::CONFLICT),
            Self::TooManySecrets => ("too_many_secrets", StatusCode::CONFLICT),
            Self::SameSecret => ("same_secret", StatusCode::CONFLICT),
            Self::NotPending => ("not_pending", StatusCode::CONFLICT),
            Self::NoFile => ("no_file", StatusCode::CONFLICT),
            Self::NotReloaded => ("not_reloaded", StatusCode::CONFLICT),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooManyRequests => ("too_many_requests", StatusCode::TOO_MANY_REQUESTS),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Self::LogsLate => ("logs_late", StatusCode::SERVICE_UNAVAILABLE),
            Self::Stopping => ("stopping", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The same for people.
    pub(super) fn title(self) -> &'static str {
        match self.known_as().1 {
            StatusCode::BAD_REQUEST => "Invalid request",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
            StatusCode::CONFLICT => "Conflict",
            StatusCode::PAYLOAD_TOO_LARGE => "Request too large",
            StatusCode::TOO_MANY_REQUESTS => "Too many requests",
            StatusCode::SERVICE_UNAVAILABLE => "Unavailable",
            _ => "Internal error",
        }
    }
}

/// One of these words, for the document.
fn word_of(words: impl Iterator<Item = &'static str>, meaning: &str) -> RefOr<Schema> {
    let word = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    RefOr::T(word.enum_values(Some(words)).description(Some(meaning)).build().into())
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        word_of(Self::ALL.iter().map(|code| code.known_as().0), "What kind a refusal is.")
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// What kind the problem with a part is, for the document.
#[derive(Debug)]
pub(super) struct FieldCode;

impl PartialSchema for FieldCode {
    fn schema() -> RefOr<Schema> {
        let words = config::Code::ALL.iter().map(|code| code.name());
        word_of(words, "What is wrong, or odd, about a part of what was given.")
    }
}

impl ToSchema for FieldCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FieldCode")
    }
}
