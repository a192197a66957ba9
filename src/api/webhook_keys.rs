//! The keys that a webhook is made of and changed by, as a request has them.
//!
//! Which there are is the configuration's: the description of the body is made of its definitions.
//! Besides, a request may say whether the webhook is `enabled`, and put what is about repeated attempts
//! together under `retry`.

use std::borrow::Cow;

use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Array, Object, ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};

use super::problem::Problem;
use crate::config::{DraftKey, draft_keys};

/// Keys that `retry` may hold.
const RETRY: [&str; 5] = ["schedule", "final_codes", "retry_codes", "jitter", "circuit"];

/// What a new webhook is to be.
#[derive(Debug)]
pub(super) struct WebhookKeys;

/// What a webhook is to be instead; what is left out stays.
#[derive(Debug)]
pub(super) struct WebhookChanges;

/// The keys of the webhook itself, and whether it is to be told of events.
pub(super) fn taken(
    mut keys: Map<String, Value>,
) -> Result<(Map<String, Value>, Option<bool>), Problem> {
    let is_enabled = match keys.remove("enabled") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(enabled)) => Some(enabled),
        Some(_) => return Err(Problem::wrong("enabled", "must be true or false")),
    };
    match keys.remove("retry") {
        None | Some(Value::Null) => {}
        Some(Value::Object(retry)) => {
            for (key, value) in retry {
                if !RETRY.contains(&key.as_str()) {
                    return Err(Problem::wrong(&format!("retry.{key}"), "unknown key"));
                }
                keys.insert(key, value);
            }
        }
        Some(_) => return Err(Problem::wrong("retry", "must be an object")),
    }
    Ok((keys, is_enabled))
}

fn body(required: &[&str]) -> Object {
    let mut body = ObjectBuilder::new();
    for key in draft_keys() {
        if !RETRY.contains(&key.name) {
            body = body.property(key.name, property(&key));
        }
    }
    let retry = draft_keys().filter(|key| RETRY.contains(&key.name));
    let retry = retry.fold(ObjectBuilder::new(), |it, key| it.property(key.name, property(&key)));
    let retry = retry.schema_type(or_null(Type::Object));
    let retry = retry.description(Some("What becomes of attempts that fail."));
    let enabled = ObjectBuilder::new()
        .schema_type(or_null(Type::Boolean))
        .description(Some("It is told of events; of a new one that holds unless said otherwise."));
    body = body.property("retry", retry).property("enabled", enabled);
    required.iter().fold(body, |body, name| body.required(*name)).build()
}

/// Null is as if it were not there; in a change it takes away what was.
fn or_null(name: Type) -> SchemaType {
    SchemaType::from_iter([name, Type::Null])
}

fn property(key: &DraftKey) -> Schema {
    // There is no webhook without them.
    let may_be_null = !["url", "events"].contains(&key.name);
    let kind = |name: Type| if may_be_null { or_null(name) } else { SchemaType::new(name) };
    let text = |name: Type| ObjectBuilder::new().schema_type(kind(name));
    let description = Some(key.doc.clone());
    let array = |of: Type| {
        let mut array = Array::new(ObjectBuilder::new().schema_type(SchemaType::new(of)).build());
        array.schema_type = kind(Type::Array);
        array
    };
    match key.type_name {
        "boolean" => text(Type::Boolean).description(description).build().into(),
        "whole number" => text(Type::Integer).description(description).build().into(),
        "table of strings" => text(Type::Object)
            .additional_properties(Some(AdditionalProperties::<Schema>::RefOr(RefOr::T(
                ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).build().into(),
            ))))
            .description(description)
            .build()
            .into(),
        "array of whole numbers" => described(array(Type::Integer), description),
        many if many.starts_with("array") => described(array(Type::String), description),
        _ => text(Type::String).description(description).build().into(),
    }
}

fn described(mut array: Array, description: Option<String>) -> Schema {
    array.description = description;
    array.into()
}

impl PartialSchema for WebhookKeys {
    fn schema() -> RefOr<Schema> {
        RefOr::T(body(&["url", "events"]).into())
    }
}

impl PartialSchema for WebhookChanges {
    fn schema() -> RefOr<Schema> {
        RefOr::T(body(&[]).into())
    }
}

impl ToSchema for WebhookKeys {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("WebhookKeys")
    }
}

impl ToSchema for WebhookChanges {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("WebhookChanges")
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::needless_pass_by_value,
        reason = "tests"
    )]

    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_about_retries_may_stand_together() {
        let retry = json!({ "schedule": ["1m"], "final_codes": [404] });
        let (keys, enabled) = taken(object(json!({ "retry": retry, "enabled": false }))).unwrap();
        assert_eq!(Value::Object(keys), json!({ "schedule": ["1m"], "final_codes": [404] }));
        assert_eq!(enabled, Some(false));
        for wrong in
            [json!({ "retry": 3 }), json!({ "retry": { "url": "x" } }), json!({ "enabled": 1 })]
        {
            assert_eq!(taken(object(wrong)).unwrap_err().errors.len(), 1);
        }
    }

    #[test]
    fn the_description_has_every_key_that_is_taken() {
        let schema = serde_json::to_value(WebhookKeys::schema()).unwrap();
        assert_eq!(schema["required"], json!(["url", "events"]));
        let (top, retry) = (&schema["properties"], &schema["properties"]["retry"]["properties"]);
        for key in draft_keys() {
            let place = if RETRY.contains(&key.name) { retry } else { top };
            assert!(place[key.name].is_object(), "{}", key.name);
        }
        assert_eq!(top["headers"]["additionalProperties"]["type"], "string");
        assert!(top["secret_file"].is_null(), "it names a file");
    }
}
