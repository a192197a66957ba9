//! A webhook as the SDKs ask for it, in keys of a draft.
//!
//! A route of the provider is a stream of ours, by its name. Projects and test mail there are none.

use axum::http::HeaderValue;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::problem::Problem;

/// Keys that mean the same in a draft.
const SAME: [&str; 5] = ["name", "url", "events", "include_machine_events", "secret"];

/// What a webhook is to be; in a change, what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LettermintWebhookKeys)]
#[expect(dead_code, reason = "a description of what is asked, for the document")]
pub(super) struct WebhookKeys {
    /// Unique; required in a new one.
    name: Option<String>,
    /// Where it is told; required in a new one.
    url: Option<String>,
    /// `message.delivered`, …; required in a new one.
    events: Option<Vec<String>>,
    /// It is told of events; of a new one that holds unless said otherwise.
    enabled: Option<bool>,
    /// Also opens and clicks by machines.
    include_machine_events: Option<bool>,
    /// Names of streams (`[[route]]`); none for all.
    route_ids: Option<Vec<String>>,
    /// The same of one.
    route_id: Option<String>,
    /// `team` (all streams) or `route`.
    scope: Option<String>,
    /// There are none: only an empty list is taken.
    project_ids: Option<Vec<String>>,
    /// `live` or `both`: all mail is live.
    delivery_mode_filter: Option<String>,
    /// Name and password that are sent with each request; null for none.
    basic_auth: Option<BasicAuth>,
    /// The secret; one is made, and shown in the answer, unless it is given.
    secret: Option<String>,
}

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LettermintBasicAuth)]
#[serde(deny_unknown_fields)]
pub(super) struct BasicAuth {
    username: String,
    password: String,
}

/// Keys of a draft, and whether it is to be told of events. `headers` are those that it has.
pub(super) fn taken(
    mut keys: Map<String, Value>,
    headers: Option<&Value>,
) -> Result<(Map<String, Value>, Option<bool>), Problem> {
    let is_enabled = match keys.remove("enabled") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(enabled)) => Some(enabled),
        Some(_) => return Err(Problem::wrong("enabled", "must be true or false")),
    };
    let mut draft = Map::new();
    if let Some(routes) = routes(&mut keys)? {
        draft.insert("routes".to_owned(), routes);
    }
    if let Some(auth) = keys.remove("basic_auth") {
        draft.insert("headers".to_owned(), with_auth(headers, auth)?);
    }
    no_projects_and_no_sandbox(&mut keys)?;
    for (key, value) in keys {
        if !SAME.contains(&key.as_str()) {
            return Err(Problem::wrong(&key, "unknown key"));
        }
        draft.insert(key, value);
    }
    Ok((draft, is_enabled))
}

/// What is asked for of `routes`; None when nothing is.
fn routes(keys: &mut Map<String, Value>) -> Result<Option<Value>, Problem> {
    let (many, one) = (keys.remove("route_ids"), keys.remove("route_id"));
    let routes = match (many, one) {
        (Some(many), _) if !many.is_null() => Some(many),
        (_, Some(one)) if !one.is_null() => Some(json!([one])),
        (None, None) => None,
        _ => Some(json!([])),
    };
    let is_some = routes.as_ref().is_some_and(|it| it.as_array().is_none_or(|it| !it.is_empty()));
    match keys.remove("scope") {
        // They say nothing that the routes do not.
        None | Some(Value::Null) => Ok(routes),
        Some(scope) if scope == "route" => Ok(routes),
        Some(scope) if scope == "team" && is_some => {
            Err(Problem::wrong("scope", "`team` goes with no route"))
        }
        Some(scope) if scope == "team" => Ok(Some(json!([]))),
        Some(scope) if scope == "project" => Err(Problem::wrong("scope", "there are no projects")),
        Some(_) => Err(Problem::wrong("scope", "must be team or route")),
    }
}

fn no_projects_and_no_sandbox(keys: &mut Map<String, Value>) -> Result<(), Problem> {
    match keys.remove("project_ids") {
        Some(projects) if projects.as_array().is_none_or(|it| !it.is_empty()) => {
            return Err(Problem::wrong("project_ids", "there are no projects"));
        }
        _ => {}
    }
    match keys.remove("delivery_mode_filter") {
        None | Some(Value::Null) => Ok(()),
        Some(mode) if mode == "live" || mode == "both" => Ok(()),
        Some(_) => {
            Err(Problem::wrong("delivery_mode_filter", "must be live or both: all mail is live"))
        }
    }
}

/// The headers with another `Authorization` (RFC 7617), or none.
fn with_auth(headers: Option<&Value>, auth: Value) -> Result<Value, Problem> {
    let mut headers = headers.and_then(Value::as_object).cloned().unwrap_or_default();
    headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
    if !auth.is_null() {
        // A list of both would do for serde.
        let auth = Some(auth).filter(Value::is_object);
        let auth = auth.and_then(|auth| serde_json::from_value::<BasicAuth>(auth).ok());
        let auth = auth
            .ok_or_else(|| Problem::wrong("basic_auth", "must have a username and a password"))?;
        let pair = format!("{}:{}", auth.username, auth.password);
        let value = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        if auth.username.contains(':') || HeaderValue::from_str(&value).is_err() {
            return Err(Problem::wrong("basic_auth", "the username must be without a colon"));
        }
        headers.insert("authorization".to_owned(), value.into());
    }
    Ok(headers.into())
}
