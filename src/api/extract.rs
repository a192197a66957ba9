//! What a request brings, or the problem with it: axum's own extractors refuse in plain text.

use axum::extract::{
    FromRequest, FromRequestParts, Json, Path, Query, Request,
    rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::Problem;

/// The body: a JSON object.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// A part of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(super) struct At<T>(pub(super) T);

/// What stands behind the question mark.
#[derive(Debug, FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(members) = Json::<Map<String, Value>>::from_request(request, state).await?;
        object(members).map(Self)
    }
}

/// What an object stands for. A list of the same values would do for serde.
fn object<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(members))
        .map_err(|error| Problem::invalid(error.to_string()))
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}
