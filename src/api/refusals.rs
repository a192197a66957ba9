//! What operations may answer instead of what they are asked for, for the description of the API: each
//! names those that it really may. What refusals are is [`super::problem`]'s.
#![expect(dead_code, reason = "a description of answers, for the document")]

use utoipa::IntoResponses;

use super::problem::Problem;

/// What any operation may answer that takes a key.
#[derive(IntoResponses)]
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
}

/// What an operation may answer that anybody may ask for.
#[derive(IntoResponses)]
pub(super) enum Limited {
    /// Who asks has asked too much; the header `Retry-After` says when to ask again.
    #[response(status = 429, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")))]
    TooMany(Problem),
}

/// Of an operation that needs the one thread that changes state.
#[derive(IntoResponses)]
pub(super) enum Stopping {
    /// The daemon is ending.
    #[response(status = 503, content_type = "application/problem+json")]
    Stopping(Problem),
}

/// Of an operation that reads what happened, or makes a secret.
#[derive(IntoResponses)]
pub(super) enum Broken {
    /// The machine refuses what is needed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
}

/// Of an operation on one thing.
#[derive(IntoResponses)]
pub(super) enum Missing {
    /// What was asked for does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// Of an operation that is given something.
#[derive(IntoResponses)]
pub(super) enum Unusable {
    /// What was given cannot be used.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// Of an operation that is given a body.
#[derive(IntoResponses)]
pub(super) enum TooLarge {
    /// The body has more than 256 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
}

/// Of an operation that changes something.
#[derive(IntoResponses)]
pub(super) enum Conflicts {
    /// It does not go with what is.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}
