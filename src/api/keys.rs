//! Keys of the API: made, listed and revoked. The text of one is shown when it is made, and never
//! again.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Desk,
    attempts::time_of_ms,
    audit::Target,
    code::Code,
    extract::{At, Body},
    problem::Problem,
    refusals::{Broken, Conflicts, Missing, Refusals, Stopping, TooLarge, Unusable},
    rotation::Shown,
};
use crate::{
    secret::{ApiKey, Owned, Role, Token, TokenDigest},
    writer::KeyOutcome,
};

/// Characters of a name at most.
const NAME_CHARS: usize = 64;

/// A key, without its text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// `key_` and 16 characters.
    pub id: String,
    /// Unique.
    pub name: String,
    /// `read` or `admin`.
    pub role: String,
    /// Only webhooks for outbound events of these users; null for all.
    pub owned_users: Option<Vec<String>>,
    /// Only webhooks for inbound events of these domains; null for all.
    pub owned_domains: Option<Vec<String>>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
}

/// All keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// By name.
    pub data: Vec<Key>,
}

/// A key to be made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for: 1 to 64 characters, no control characters.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// `read` (it sees everything) or `admin` (it changes everything, too).
    pub role: String,
    /// It is for webhooks that are told of these users' outbound events only, and sees no others;
    /// null for all users. A key for a part of the mail can ask for nothing else than webhooks.
    #[serde(default)]
    pub owned_users: Option<Vec<String>>,
    /// The same of these domains' inbound events.
    #[serde(default)]
    pub owned_domains: Option<Vec<String>>,
}

/// A key that was made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// What is remembered of it.
    #[serde(flatten)]
    pub about: Key,
    /// Its text, this once.
    pub key: Shown,
}

/// Which key is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct NamedKey {
    /// Its id or name.
    id: String,
}

impl Key {
    fn of(digest: &TokenDigest, key: &ApiKey) -> Self {
        Self {
            id: digest.id(),
            name: key.name.clone(),
            role: key.role.name().to_owned(),
            owned_users: key.owned.users.clone(),
            owned_domains: key.owned.domains.clone(),
            created_at: time_of_ms(key.created_ms),
        }
    }
}

/// All keys.
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "keys",
    responses((status = OK, body = Keys), Refusals))]
pub(super) async fn list(State(desk): State<Desk>) -> Json<Keys> {
    let known = desk.writer.api_keys().known();
    let mut data: Vec<Key> = known.iter().map(|(digest, key)| Key::of(digest, key)).collect();
    data.sort_by(|one, other| one.name.cmp(&other.name));
    Json(Keys { data })
}

/// Makes a key. This answer is the only one that shows it.
#[utoipa::path(post, path = "/v1/keys", operation_id = "create_key", tag = "keys",
    request_body = NewKey,
    responses((status = CREATED, body = MadeKey), Unusable, Conflicts, TooLarge, Refusals, Broken, Stopping))]
pub(super) async fn create(
    State(desk): State<Desk>,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Extension<Target>, Json<MadeKey>), Problem> {
    let owned = Owned {
        users: owned(new.owned_users, "owned_users", str::to_owned)?,
        domains: owned(new.owned_domains, "owned_domains", str::to_ascii_lowercase)?,
    };
    let (role, name) = (role(&new.role)?, name(new.name)?);
    let key = ApiKey { role, name, created_ms: desk.now_ms(), owned };
    let token = Token::generate().map_err(|error| Problem::internal(error.to_string()))?;
    let digest = TokenDigest::of(token.reveal());
    let about = Key::of(&digest, &key);
    settled(desk.writer.create_key(digest, key).await?, &about.name)?;
    let target = Target(about.name.clone());
    let made = MadeKey { about, key: Shown(token.reveal().to_owned()) };
    Ok((StatusCode::CREATED, Extension(target), Json(made)))
}

/// Ends a key. Nobody is let in with it any more when this answers.
#[utoipa::path(delete, path = "/v1/keys/{id}", operation_id = "revoke_key", tag = "keys",
    params(NamedKey), responses((status = NO_CONTENT), Unusable, Missing, Refusals, Stopping))]
pub(super) async fn revoke(
    State(desk): State<Desk>,
    At(NamedKey { id }): At<NamedKey>,
) -> Result<StatusCode, Problem> {
    let known = desk.writer.api_keys().known();
    let mut keys = known.iter();
    let (digest, _) = keys
        .find(|(digest, key)| key.name == id || digest.id() == id)
        .ok_or_else(|| Problem::no_such_key(&id))?;
    settled(desk.writer.revoke_key(*digest).await?, &id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who owns nothing would be told of nothing, which an empty filter does not mean.
fn owned(
    list: Option<Vec<String>>,
    field: &str,
    as_compared: impl Fn(&str) -> String,
) -> Result<Option<Vec<String>>, Problem> {
    let Some(list) = list else { return Ok(None) };
    if list.is_empty() || list.iter().any(|name| name.trim().is_empty()) {
        return Err(Problem::invalid(format!("{field}: names nobody; leave it out for all")));
    }
    Ok(Some(list.iter().map(|name| as_compared(name.trim())).collect()))
}

fn settled(outcome: KeyOutcome, name: &str) -> Result<(), Problem> {
    match outcome {
        KeyOutcome::Done => Ok(()),
        KeyOutcome::NameTaken => {
            let detail = format!("there is a key named `{name}`; revoke it, or take another name");
            Err(Problem::new(Code::NameTaken, detail))
        }
        KeyOutcome::TooMany => {
            Err(Problem::new(Code::TooManyKeys, "there are too many keys; revoke some"))
        }
        KeyOutcome::Unknown => Err(Problem::no_such_key(name)),
    }
}

fn role(name: &str) -> Result<Role, Problem> {
    match name {
        "read" => Ok(Role::Read),
        "admin" => Ok(Role::Admin),
        other => Err(Problem::invalid(format!("role: `{other}` is none of read, admin"))),
    }
}

fn name(name: String) -> Result<String, Problem> {
    let is_good = (1..=NAME_CHARS).contains(&name.chars().count())
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control);
    if is_good {
        Ok(name)
    } else {
        Err(Problem::invalid("name: 1 to 64 characters, and no control characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_something_that_can_be_read() {
        for good in ["a", "Grafana on mx1", &"ü".repeat(64)] {
            assert!(name(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", " ", "a\nb", "\u{1b}[31m", &"a".repeat(65)] {
            assert!(name(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
