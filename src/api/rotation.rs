//! Rotation of a webhook's secret (webhooks.md §2.6). What it means is `secret`'s; that it lasts,
//! the writer's.

use std::{fmt, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Desk,
    code::Code,
    extract::At,
    problem::Problem,
    refusals::{Broken, Conflicts, Missing, Refusals, Stopping, TooLarge, Unusable},
    webhooks::Named,
};
use crate::{
    config,
    secret::{GRACE, KeyRing, LONGEST_GRACE, RotationError, Secret},
};

/// What is asked for. No body asks for all defaults.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the secret before stays good: 0 to 604800; null for 86400. With 0 no former secret
    /// stays good.
    #[serde(default)]
    pub grace_seconds: Option<u64>,
    /// The new secret; null for one that is made here.
    #[serde(default)]
    pub secret: Option<Shown>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// Id of the webhook.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The new secret if it was made here, this once; null if it was given.
    pub secret: Option<Shown>,
    /// Id of the new secret, as records of attempts name it.
    pub key: String,
    /// Last four characters of the new secret.
    pub secret_hint: String,
    /// Those that are still good, the newest first.
    pub former_secrets: Vec<FormerSecret>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FormerSecret {
    /// Its id.
    pub key: String,
    /// Its last four characters.
    pub secret_hint: String,
    /// From then on it signs nothing; RFC 3339 in UTC.
    pub valid_until: String,
}

/// A secret on its way in a request or an answer. No `Debug` shows it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Shown(pub String);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

impl FormerSecret {
    /// The former secrets of a ring.
    pub(super) fn all(ring: &KeyRing) -> Vec<Self> {
        let view = |key: &crate::secret::FormerKey| Self {
            key: key.secret.id().to_string(),
            secret_hint: key.secret.hint().to_owned(),
            valid_until: format!("{:.0}", key.valid_until),
        };
        ring.former().iter().map(view).collect()
    }
}

/// Signs with another secret at once. Durable when it answers.
///
/// The secret before it stays good for a while. A request without a body asks for all defaults.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate-secret", operation_id = "rotate_secret", tag = "webhooks", params(Named), request_body = Option<Rotate>,
    responses((status = OK, body = Rotated), Unusable, Missing, Conflicts, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn rotate(
    State(desk): State<Desk>,
    At(Named { id }): At<Named>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Rotated>, Problem> {
    let webhook = desk.webhook(&id)?;
    let asked = read(&body?)?;
    let grace = grace(asked.grace_seconds)?;
    let (new, made) = new_secret(asked.secret, &webhook)?;
    let rotated = desk.writer.rotate(webhook.id, new, grace).await?;
    let ring = rotated.ok_or_else(|| Problem::unknown_webhook(&id, &[]))?;
    let ring = ring.map_err(|error| refused(&error))?;
    let (name, key) = (webhook.name.as_str(), ring.current().id());
    tracing::info!(webhook = name, %key, grace_seconds = grace.as_secs(), "the secret was rotated");
    Ok(Json(answer(&webhook, &ring, made)))
}

fn read(body: &[u8]) -> Result<Rotate, Problem> {
    if body.is_empty() {
        return Ok(Rotate::default());
    }
    // A parser's words may quote what it read, and that may be a secret.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::invalid(format!(
            "the body is not an object of grace_seconds (a number) and secret (a string): line \
             {line}, column {column}"
        ))
    })
}

fn grace(seconds: Option<u64>) -> Result<Duration, Problem> {
    let grace = seconds.map_or(GRACE, Duration::from_secs);
    if grace > LONGEST_GRACE {
        let longest = LONGEST_GRACE.as_secs();
        return Err(Problem::invalid(format!("grace_seconds must be from 0 to {longest}")));
    }
    Ok(grace)
}

/// The new secret, and again to be shown if it was made here.
fn new_secret(
    given: Option<Shown>,
    webhook: &config::Webhook,
) -> Result<(Secret, Option<Shown>), Problem> {
    if let Some(Shown(text)) = given {
        let parsed = Secret::parse(&text, webhook.profile);
        return parsed
            .map(|secret| (secret, None))
            .map_err(|error| Problem::invalid(format!("the secret is refused: {error}")));
    }
    let made = Secret::generate().map_err(|error| Problem::internal(error.to_string()))?;
    let shown = Shown(made.reveal_once().to_owned());
    Ok((made, Some(shown)))
}

pub(super) fn refused(error: &RotationError) -> Problem {
    match error {
        RotationError::TooMany { .. } => Problem::new(
            Code::TooManySecrets,
            format!("{error}; wait until then, or end all former ones with a grace of 0"),
        ),
        RotationError::Same => Problem::new(Code::SameSecret, error.to_string()),
        RotationError::Seal(seal) => Problem::internal(format!("{error}: {seal}")),
    }
}

fn answer(webhook: &config::Webhook, ring: &KeyRing, made: Option<Shown>) -> Rotated {
    Rotated {
        id: webhook.id.to_string(),
        name: webhook.name.clone(),
        secret: made,
        key: ring.current().id().to_string(),
        secret_hint: ring.current().hint().to_owned(),
        former_secrets: FormerSecret::all(ring),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_body_is_optional_and_its_bounds_are_checked() {
        assert_eq!(grace(read(b"").unwrap().grace_seconds).unwrap(), GRACE);
        assert_eq!(grace(read(b"{}").unwrap().grace_seconds).unwrap(), GRACE);
        for (seconds, is_good) in [(0, true), (604_800, true), (604_801, false)] {
            assert_eq!(grace(Some(seconds)).is_ok(), is_good, "{seconds}");
        }
        for wrong in [&b"{\"grace\": 1}"[..], b"{\"grace_seconds\": -1}", b"[", b"{\"secret\": 1}"]
        {
            assert_eq!(read(wrong).unwrap_err().status, 400);
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_without_repeating_a_secret() {
        let problem = read(b"{\"grace_seconds\": \"whsec_oops\"}").unwrap_err();
        assert!(!problem.detail.contains("oops"), "{}", problem.detail);
        assert!(!format!("{:?}", Shown("whsec_oops".into())).contains("oops"));
    }
}
