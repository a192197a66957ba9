//! Examples against schemas, with a validator that is not ours: those of JetEmail's published description
//! (`fixtures/api/jetemail`) against our schemas, our answers against the published schemas, and our own
//! examples against our own.

use serde_json::{Map, Value, json};

use super::Office;
use crate::api::document;

/// The description of `POST /webhooks` as the provider published it.
const DESCRIPTION: &str = include_str!("../../../fixtures/api/jetemail/create_webhook.yaml");

const BODY: &str = "requestBody/content/application~1json";

/// What is published, at that place of the operation.
fn theirs(place: &str) -> Value {
    let operation = yaml(DESCRIPTION)["paths"]["/webhooks"]["post"].clone();
    operation.pointer(&format!("/{place}")).unwrap_or_else(|| panic!("{place}")).clone()
}

fn ours() -> Value {
    serde_json::from_str(&document::text().unwrap()).unwrap()
}

/// The schema of our operation, at that place.
fn our_schema(place: &str) -> Value {
    let document = ours();
    let place = format!("/paths/~1webhooks/post/{place}/schema");
    let mut schema = document.pointer(&place).unwrap_or_else(|| panic!("{place}")).clone();
    schema["components"] = document["components"].clone();
    schema
}

fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect()
}

/// Types of events that answers of the provider may name.
pub(super) fn answered_events() -> Value {
    theirs("responses/200/content/application~1json/schema/properties/webhook/properties/events")
        ["items"]["enum"]
        .clone()
}

/// What the schema's parts have as their examples.
fn example_of(schema: &Value) -> Value {
    match (schema.get("example"), schema["properties"].as_object()) {
        (Some(example), _) => example.clone(),
        (None, Some(parts)) => {
            let parts = parts.iter().map(|(name, part)| (name.clone(), example_of(part)));
            Value::Object(parts.collect())
        }
        (None, None) => Value::Null,
    }
}

/// In the words of JSON Schema: `nullable` is only `OpenAPI`'s, of version 3.0.
fn modern(schema: &Value) -> Value {
    let Some(parts) = schema.as_object() else { return schema.clone() };
    let mut modern: Map<_, _> =
        parts.iter().map(|(name, part)| (name.clone(), modern(part))).collect();
    if parts.get("nullable") == Some(&json!(true)) {
        modern["type"] = json!([parts["type"], "null"]);
    }
    modern.into()
}

#[test]
fn the_providers_examples_are_valid_by_our_schemas() {
    let (asked, schema) = (theirs(BODY), our_schema(BODY));
    let examples = asked["examples"].as_object().unwrap();
    assert_eq!(examples.keys().collect::<Vec<_>>(), ["Basic Webhook", "Webhook with Filters"]);
    for (name, example) in examples {
        assert_eq!(wrong(&schema, &example["value"]), [""; 0], "{name}");
    }
    let of_parts = example_of(&asked["schema"]);
    assert_eq!(of_parts.as_object().unwrap().len(), 6, "{of_parts}");
    assert_eq!(wrong(&schema, &of_parts), [""; 0], "{of_parts}");
    for (status, members) in [("200", 3), ("400", 2), ("401", 2), ("403", 2), ("500", 2)] {
        let place = format!("responses/{status}/content/application~1json");
        let answer = example_of(&theirs(&place)["schema"]);
        assert_eq!(answer.as_object().unwrap().len(), members, "{answer}");
        assert_eq!(wrong(&our_schema(&place), &answer), [""; 0], "{status}: {answer}");
    }
}

/// The validator and the schemas can tell.
#[test]
fn what_the_provider_forbids_is_not_valid_by_our_schemas_either() {
    let schema = our_schema(BODY);
    let good = &theirs(BODY)["examples"]["Basic Webhook"]["value"];
    for (key, value) in [
        ("name", json!("a.b")),
        ("name", json!("a".repeat(65))),
        ("url", json!("no url")),
        ("url", json!(3)),
        ("events", json!([])),
        ("events", json!(["outbound.lost"])),
        ("status", json!(2)),
        ("filter_users", json!("ann")),
    ] {
        let mut body = good.clone();
        body[key] = value;
        assert_ne!(wrong(&schema, &body), [""; 0], "{body}");
        assert_ne!(wrong(&modern(&theirs(BODY)["schema"]), &body), [""; 0], "{body}");
    }
    for required in ["name", "url", "events"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(required);
        assert_ne!(wrong(&schema, &body), [""; 0], "{body}");
    }
}

#[tokio::test]
async fn the_providers_requests_are_answered_as_its_schemas_have_it_and_so_are_refusals() {
    let office = Office::open();
    let promised = |status: u16| {
        modern(&theirs(&format!("responses/{status}/content/application~1json"))["schema"])
    };
    let asked = theirs(BODY);
    let mut bodies: Vec<_> =
        asked["examples"].as_object().unwrap().values().map(|it| it["value"].clone()).collect();
    let mut third = example_of(&asked["schema"]);
    third["name"] = json!("Third");
    bodies.push(third);
    for body in bodies {
        let made = office.ask("POST", "/webhooks", body.clone()).await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(wrong(&promised(200), &made.body), [""; 0], "{made:?}");
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(
            keys(&made.body["webhook"]),
            keys(&promised(200)["properties"]["webhook"]["properties"])
        );
        for (key, value) in body.as_object().unwrap() {
            let expected = if key == "status" { &json!("enabled") } else { value };
            assert_eq!(&made.body["webhook"][key], expected, "{key}");
        }
    }
    let owner = json!({ "name": "O", "role": "admin", "owned_domains": ["test.com"] });
    let owner = office.ask("POST", "/v1/keys", owner).await.body["key"].clone();
    let filtered = asked["examples"]["Webhook with Filters"]["value"].clone();
    for (key, body, status) in [
        (None, json!({ "name": "N", "events": ["outbound.bounced"] }), 400),
        (Some("api_nobody"), filtered.clone(), 401),
        (Some(owner.as_str().unwrap()), filtered, 403),
    ] {
        let refused = office.ask_as(key, "POST", "/webhooks", body).await;
        assert_eq!(refused.status, status, "{refused:?}");
        assert_eq!(wrong(&promised(status), &refused.body), [""; 0], "{refused:?}");
        // Word for word.
        assert_eq!(refused.body, example_of(&promised(status)));
    }
}

#[test]
fn our_description_knows_all_that_the_providers_knows() {
    let document = ours();
    let events = document["components"]["schemas"]["JetEmailEventName"]["enum"].clone();
    let asked = theirs(BODY)["schema"]["properties"]["events"]["items"]["enum"].clone();
    assert_eq!(
        (asked.as_array().unwrap().len(), answered_events().as_array().unwrap().len()),
        (14, 15)
    );
    for name in [asked, answered_events()].iter().flat_map(|list| list.as_array().unwrap()) {
        assert!(events.as_array().unwrap().contains(name), "{name}");
    }
    let name = &theirs(BODY)["schema"]["properties"]["name"];
    let our_name = &document["components"]["schemas"]["JetEmailNewWebhook"]["properties"]["name"];
    assert_eq!(
        (&name["maxLength"], &name["pattern"]),
        (&our_name["maxLength"], &our_name["pattern"])
    );
}

/// Examples and what they are examples of: those of bodies, answers and parameters, and of schemas.
fn examples(part: &Value, found: &mut Vec<(Value, Value)>) {
    if let Some(members) = part.as_object() {
        let schema = members.get("schema").unwrap_or(part);
        let named = members.get("examples").and_then(Value::as_object);
        let named = named.into_iter().flat_map(|it| it.values().map(|it| it["value"].clone()));
        found.extend(named.chain(members.get("example").cloned()).map(|it| (it, schema.clone())));
        members.values().for_each(|member| examples(member, found));
    }
    part.as_array().into_iter().flatten().for_each(|member| examples(member, found));
}

#[tokio::test]
async fn our_own_examples_are_valid_by_our_schemas_and_bodies_are_taken() {
    let (document, mut found) = (ours(), Vec::new());
    examples(&document, &mut found);
    assert!(found.len() >= 6, "{found:?}");
    for (example, mut schema) in found {
        schema["components"] = document["components"].clone();
        assert_eq!(wrong(&schema, &example), [""; 0], "{example}");
    }
    let office = Office::open();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let mut found = Vec::new();
        examples(&methods["post"]["requestBody"], &mut found);
        for (example, _) in found {
            let taken = office.ask("POST", path, example.clone()).await;
            assert!(taken.status.is_success(), "{path} {example}: {taken:?}");
        }
    }
}

/// YAML as that description has it: maps, lists of words, folded text.
fn yaml(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<_> =
        lines.map(|line| (line.len() - line.trim_start().len(), line.trim())).collect();
    block(&mut &lines[..])
}

fn block(rest: &mut &[(usize, &str)]) -> Value {
    let depth = rest[0].0;
    if rest[0].1.starts_with("- ") { list(rest, depth) } else { map(rest, depth) }
}

fn list(rest: &mut &[(usize, &str)], depth: usize) -> Value {
    let mut list = Vec::new();
    while let Some((at, text)) = rest.first().copied()
        && at == depth
        && let Some(item) = text.strip_prefix("- ")
    {
        *rest = &rest[1..];
        // What a list of maps has is of no interest here.
        folded(rest, depth);
        list.push(scalar(item));
    }
    list.into()
}

fn map(rest: &mut &[(usize, &str)], depth: usize) -> Value {
    let mut map = Map::new();
    while let Some((at, text)) = rest.first().copied()
        && at == depth
        && !text.starts_with("- ")
    {
        *rest = &rest[1..];
        let (key, value) = text.split_once(':').unwrap();
        let value = match value.trim() {
            "" if rest.first().is_some_and(|(at, text)| *at > depth || text.starts_with("- ")) => {
                block(rest)
            }
            ">-" => folded(rest, depth).into(),
            word => scalar(word),
        };
        map.insert(key.trim_matches('\'').to_owned(), value);
    }
    map.into()
}

/// Takes the lines that stand further in.
fn folded(rest: &mut &[(usize, &str)], depth: usize) -> String {
    let count = rest.iter().take_while(|(at, _)| *at > depth).count();
    let (inside, behind) = rest.split_at(count);
    *rest = behind;
    inside.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" ")
}

fn scalar(word: &str) -> Value {
    match word {
        "null" => Value::Null,
        "true" | "false" => json!(word == "true"),
        "[]" => json!([]),
        _ => match word.parse::<u64>() {
            Ok(number) => json!(number),
            Err(_) => json!(word.trim_matches('\'')),
        },
    }
}
