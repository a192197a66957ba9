//! The API as somebody asks it who means ill: past the rules of keys, for what others own, for secrets,
//! and for more than there is room for.

use serde_json::{Value, json};

use super::{Answer, Office};
use crate::api::document;

async fn key(office: &Office, body: Value) -> String {
    let made = office.ask("POST", "/v1/keys", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["key"].as_str().unwrap().to_owned()
}

async fn owner(office: &Office) -> String {
    key(office, json!({ "name": "O", "role": "admin", "owned_users": ["ann"] })).await
}

async fn get_as(office: &Office, key: &str, path: &str) -> Answer {
    office.ask_as(Some(key), "GET", path, Value::Null).await
}

/// Methods, and paths with a word in each gap.
fn operations(word: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&document::text().unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let parts = path.split('/').map(|part| if part.starts_with('{') { word } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        all.extend(methods.as_object().unwrap().keys().map(|it| (it.to_uppercase(), path.clone())));
    }
    all
}

fn is_open_to_owners(path: &str) -> bool {
    let open = ["/v1/webhooks", "/webhooks", "/lettermint/v1/webhooks", "/v1/event-types"];
    open.iter().any(|open| path.starts_with(open))
}

/// A new operation is closed to keys for a part of the mail until somebody opens it.
#[tokio::test]
async fn a_key_for_a_part_of_the_mail_reaches_webhooks_and_nothing_else_of_all_there_is() {
    let office = Office::open();
    let owner = owner(&office).await;
    let mut closed = 0;
    for (method, path) in operations("x") {
        if is_open_to_owners(&path) || ["/healthz", "/readyz"].contains(&path.as_str()) {
            continue;
        }
        let refused = office.ask_as(Some(&owner), &method, &path, json!({})).await;
        let told = (refused.status.as_u16(), refused.body["code"].as_str().unwrap());
        assert_eq!(told, (403, "not_owned"), "{method} {path}");
        closed += 1;
    }
    assert!(closed > 20, "{closed}");
}

/// Whatever way to another's webhook, or to another's events, is tried.
#[tokio::test]
async fn no_odd_spelling_of_a_path_leads_past_the_rules_of_a_key() {
    let office = Office::open();
    let owner = owner(&office).await;
    let other = json!({ "name": "Other", "url": "https://example.com/", "events": ["bounced"] });
    let other = office.made(other).await;
    let id = other["id"].as_str().unwrap();
    for path in [
        "/v1/webhooks/../events",
        "/v1/webhooks/..%2fevents",
        "/v1/webhooks/%2e%2e/events",
        "/v1/webhooks//events",
        "//v1/events",
        "/v1//events",
        "/v1/webhooks/;/v1/events",
        "/webhooks/../v1/events",
        "/V1/events",
        "/v1/events/",
        "/v1/events%2f",
        "/v1/events%00",
        "/v1/events;x=1",
        "/v1/webhooks/Other",
        "/v1/webhooks/Other/",
        "/v1/webhooks/%4fther",
        "/v1/webhooks/Other/logs",
        "/v1/webhooks/./Other",
        "/v1/webhooks//Other",
        "/V1/webhooks/Other",
        "/webhooks/Other",
        "/Webhooks/Other",
        "/webhooks/%4F%74her",
        "/lettermint/v1/webhooks/Other",
        "/lettermint/v1/webhooks/Other/deliveries",
        "/lettermint/v1/../../v1/webhooks/Other",
    ] {
        let refused = get_as(&office, &owner, path).await;
        assert!([403, 404].contains(&refused.status.as_u16()), "{path}: {refused:?}");
        assert!(!refused.body.to_string().contains(id), "{path}: {refused:?}");
    }
    // What cannot be read is nobody's name.
    assert_eq!(get_as(&office, &owner, "/v1/webhooks/%FF").await.status, 400);
    for path in ["/v1/webhooks", "/webhooks", "/lettermint/v1/webhooks"] {
        let listed = get_as(&office, &owner, path).await;
        assert!(!listed.body.to_string().contains("Other"), "{path}: {listed:?}");
    }
}

#[tokio::test]
async fn a_key_that_may_see_changes_nothing_by_any_method_or_spelling() {
    let office = Office::open();
    let hook = json!({ "name": "x", "url": "https://example.com/", "events": ["bounced"] });
    office.made(hook).await;
    let reader = key(&office, json!({ "name": "R", "role": "read" })).await;
    let harmless = ["/v1/parse", "/webhooks/query"];
    for (method, path) in operations("x") {
        let is_change = method != "GET" && !harmless.contains(&path.as_str());
        for path in [path.clone(), format!("{path}?"), format!("{path}?method=GET")] {
            if is_change {
                let refused = office.ask_as(Some(&reader), &method, &path, json!({})).await;
                assert_eq!(refused.status, 403, "{method} {path}");
            }
        }
    }
    assert_eq!(get_as(&office, &reader, "/v1/webhooks/x").await.body["active"], true);
}

/// Whoever could choose a name like the id of another key was revoked in its place.
#[tokio::test]
async fn a_key_that_is_named_like_the_id_of_another_does_not_stand_before_it() {
    let office = Office::open();
    let made = json!({ "name": "first", "role": "read" });
    let first = office.ask("POST", "/v1/keys", made).await.body;
    let id = first["id"].as_str().unwrap();
    for name in ["A", "B", "C", "D", "E", "F", "G", id] {
        key(&office, json!({ "name": name, "role": "read" })).await;
    }
    let revoked = office.ask("DELETE", &format!("/v1/keys/{id}"), Value::Null).await;
    assert_eq!(revoked.status, 204);
    let left = office.get("/v1/keys").await.body;
    assert!(left["data"].as_array().unwrap().iter().all(|key| key["name"] != "first"), "{left}");
}

#[tokio::test]
async fn names_that_would_look_like_others_are_refused() {
    let office = Office::open();
    for name in ["Shop\u{202e}", "Sh\u{200b}op", "Shop\u{2028}x", "\u{feff}Shop", "\u{2066}Shop"] {
        let hook = json!({ "name": name, "url": "https://example.com/", "events": ["bounced"] });
        for (path, body) in
            [("/v1/webhooks", hook), ("/v1/keys", json!({ "name": name, "role": "read" }))]
        {
            assert_eq!(office.ask("POST", path, body).await.status, 400, "{path} {name:?}");
        }
    }
    let hook =
        json!({ "name": "Größe 寸法 📬", "url": "https://example.com/", "events": ["bounced"] });
    office.made(hook).await;
}

/// A parser that goes down with what it reads ends with the stack.
#[tokio::test]
async fn a_body_of_nothing_but_brackets_is_refused() {
    let office = Office::open();
    for open in ["[", "{\"a\":"] {
        let deep = format!("{{\"url\":{}", open.repeat(40_000));
        let refused = office.ask_with("POST", "/v1/webhooks", "application/json", deep).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (400, &json!("invalid_request"))
        );
    }
}

/// Nor in a refusal, which somebody may copy into a report.
#[tokio::test]
async fn what_was_given_as_a_secret_is_in_no_refusal() {
    let office = Office::open();
    let hook = json!({ "name": "Hook", "url": "https://example.com/", "events": ["bounced"] });
    office.made(hook.clone()).await;
    let secret = "whsec_this-is-not-for-you";
    let with = |keys: Value| {
        let mut body = hook.clone();
        body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        body
    };
    for (path, body) in [
        ("/v1/webhooks", with(json!({ "name": "N", "profile": "standard", "secret": secret }))),
        ("/v1/webhooks", with(json!({ "name": "N", "secret": [secret] }))),
        ("/v1/webhooks", with(json!({ "name": "N", "secret": { "text": secret } }))),
        ("/v1/webhooks", with(json!({ "name": "Hook", "secret": secret }))),
        ("/v1/webhooks", with(json!({ "name": "N", "headers": { "a\nb": secret } }))),
        ("/v1/webhooks", with(json!({ "name": "N", "headers": { "x-a": [secret] } }))),
        ("/v1/webhooks", with(json!({ "name": "N", "headers": { "x-a": format!("{secret}\n") } }))),
        ("/v1/webhooks", with(json!({ "name": "N", "headers": { "host": secret } }))),
        ("/v1/webhooks", with(json!({ "name": "N", "headers": secret }))),
        ("/v1/webhooks/Hook/rotate-secret", json!({ "secret": [secret] })),
        ("/v1/webhooks/Hook/rotate-secret", json!({ "secret": format!("{secret}\n") })),
        ("/v1/webhooks/Hook/rotate-secret", json!({ "grace_seconds": secret })),
        ("/webhooks", with(json!({ "name": "N", "secret": [secret] }))),
        ("/lettermint/v1/webhooks", with(json!({ "basic_auth": { "username": [secret] } }))),
        (
            "/lettermint/v1/webhooks",
            with(json!({ "basic_auth": { "username": "a:b", "password": secret } })),
        ),
    ] {
        let refused = office.ask("POST", path, body.clone()).await;
        assert!(refused.status.is_client_error(), "{body}: {refused:?}");
        assert!(!refused.body.to_string().contains("not-for-you"), "{refused:?}");
    }
    let audit = office.get("/v1/audit").await.body.to_string();
    assert!(!audit.contains("not-for-you") && !audit.contains("whsec_"), "{audit}");
}

#[tokio::test]
async fn the_log_of_changes_has_no_line_that_a_path_broke() {
    let office = Office::open();
    let path = "/v1/webhooks/a%0d%0aX-Injected:%20yes%1b%5b31m%e2%80%ae/disable";
    assert_eq!(office.ask("POST", path, Value::Null).await.status, 404);
    let row = office.get("/v1/audit").await.body["data"][0].clone();
    let target = row["target"].as_str().unwrap();
    assert!(!target.contains(char::is_control), "{target:?}");
    assert!(target.starts_with("a\u{fffd}\u{fffd}X-Injected"), "{target:?}");
}
