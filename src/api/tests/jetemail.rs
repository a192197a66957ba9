//! The mount of JetEmail, by the rows of webhooks.md §1.1.

use serde_json::{Value, json};

use super::{Answer, Office, published::answered_events};

fn sample() -> Value {
    json!({ "name": "My Webhook", "url": "https://example.com/webhook",
        "events": ["outbound.delivered", "outbound.bounced"] })
}

fn with(keys: Value) -> Value {
    let mut body = sample();
    body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    body
}

async fn post(office: &Office, body: Value) -> Answer {
    office.ask("POST", "/webhooks", body).await
}

async fn made(office: &Office, body: Value) -> Value {
    let made = post(office, body).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.body["webhook"].clone()
}

/// The words of a refusal, which has the provider's shape and nothing else.
fn error(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.body.as_object().unwrap();
    assert_eq!(body.keys().collect::<Vec<_>>(), ["success", "error"]);
    assert_eq!(body["success"], false);
    body["error"].as_str().unwrap().to_owned()
}

async fn key(office: &Office, body: Value) -> String {
    let made = office.ask("POST", "/v1/keys", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["key"].as_str().unwrap().to_owned()
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[tokio::test]
async fn m1_post_webhooks_wants_a_bearer_key_that_begins_with_api() {
    let office = Office::open();
    let key = key(&office, json!({ "name": "K", "role": "admin" })).await;
    assert!(key.starts_with("api_"));
    assert_eq!(office.ask_as(Some(&key), "POST", "/webhooks", sample()).await.status, 200);
}

#[tokio::test]
async fn m2_c23_a_name_is_required_up_to_64_of_the_providers_characters() {
    let office = Office::open();
    let named = async |name: Value| post(&office, with(json!({ "name": name }))).await;
    for good in ["a-Z_0 9", &"a".repeat(64)] {
        assert_eq!(named(good.into()).await.body["webhook"]["name"], good);
    }
    for bad in ["", " ", "a.b", "Größe", "a\nb", &"a".repeat(65)] {
        assert!(error(&named(bad.into()).await, 400).contains("name"), "{bad:?}");
    }
    for missing in [Value::Null, json!(3)] {
        assert_eq!(error(&named(missing).await, 400), "Name is required and must be a string");
    }
}

#[tokio::test]
async fn m3_a_url_is_required_http_or_https() {
    let office = Office::open();
    for (number, scheme) in ["http", "https"].into_iter().enumerate() {
        let url = format!("{scheme}://example.com/webhook");
        let body = with(json!({ "name": number.to_string(), "url": url }));
        assert_eq!(made(&office, body).await["url"], url);
    }
    for bad in ["ftp://example.com/", "example.com", "http://169.254.169.254/"] {
        let refused = post(&office, with(json!({ "url": bad }))).await;
        assert!(error(&refused, 400).contains("url"), "{bad}");
    }
}

#[tokio::test]
async fn m4_c1_events_are_of_the_15_of_the_provider_and_at_least_one() {
    let office = Office::open();
    let all = answered_events();
    assert_eq!(all.as_array().unwrap().len(), 15);
    assert_eq!(made(&office, with(json!({ "events": all }))).await["events"], all);
    for bad in [json!([]), Value::Null, json!("outbound.bounced"), json!([3])] {
        error(&post(&office, with(json!({ "events": bad }))).await, 400);
    }
    for unknown in ["outbound.*", "delivered", "webhook.test", "endpoint.created", "inbound.virus"]
    {
        let refused = post(&office, with(json!({ "events": [unknown] }))).await;
        assert_eq!(error(&refused, 400), format!("Invalid event type: \"{unknown}\""));
    }
}

#[tokio::test]
async fn m5_m9_status_is_a_number_in_requests_and_a_word_in_answers() {
    let office = Office::open();
    for (number, (status, word)) in
        [(json!(0), "disabled"), (json!(1), "enabled"), (Value::Null, "enabled")]
            .into_iter()
            .enumerate()
    {
        let body = with(json!({ "name": number.to_string(), "status": status }));
        let made = made(&office, body).await;
        assert_eq!(made["status"], word);
        let path = format!("/webhooks/{}", made["uuid"].as_str().unwrap());
        assert_eq!(office.get(&path).await.body["webhook"]["status"], word);
    }
    for bad in [json!(2), json!(true), json!("enabled")] {
        error(&post(&office, with(json!({ "status": bad }))).await, 400);
    }
}

#[tokio::test]
async fn m6_m7_c18_filters_are_lists_and_null_or_an_empty_one_means_all() {
    let office = Office::open();
    let keys = json!({ "filter_users": ["ann"], "filter_domains": ["example.com", "test.com"] });
    let filtered = made(&office, with(keys)).await;
    assert_eq!(filtered["filter_users"], json!(["ann"]));
    assert_eq!(filtered["filter_domains"], json!(["example.com", "test.com"]));
    let keys = json!({ "name": "All", "filter_users": [], "filter_domains": null });
    let all = made(&office, with(keys)).await;
    assert_eq!((&all["filter_users"], &all["filter_domains"]), (&Value::Null, &Value::Null));
    error(&post(&office, with(json!({ "filter_users": "ann" }))).await, 400);
}

#[tokio::test]
async fn m8_m9_success_is_200_with_the_keys_and_types_of_the_provider() {
    let office = Office::open();
    let answer = post(&office, sample()).await;
    assert_eq!((answer.status.as_u16(), &answer.body["success"]), (200, &json!(true)));
    assert_eq!(answer.body["message"], "Webhook created successfully");
    let webhook = answer.body["webhook"].as_object().unwrap();
    let keys: Vec<_> = webhook.keys().map(String::as_str).collect();
    let promised = [
        "uuid",
        "name",
        "url",
        "secret",
        "events",
        "status",
        "filter_users",
        "filter_domains",
        "created_at",
        "last_modified",
    ];
    assert_eq!(keys, promised);
    assert!(is_uuid(webhook["uuid"].as_str().unwrap()), "{webhook:?}");
    assert!(webhook["created_at"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(webhook["created_at"], webhook["last_modified"]);
    assert_eq!(office.webhook("My Webhook").profile.name(), "jetemail");
}

#[tokio::test]
async fn m10_the_secret_is_made_here_and_shown_in_that_answer_only() {
    let office = Office::open();
    let made = made(&office, sample()).await;
    let (secret, uuid) = (made["secret"].as_str().unwrap(), made["uuid"].as_str().unwrap());
    assert!(secret.starts_with("whsec_"));
    assert_eq!(office.webhook(uuid).ring().current().reveal_once(), secret);
    let change = json!({ "uuid": uuid, "status": 0 });
    for answer in [
        office.get("/webhooks").await,
        office.get(&format!("/webhooks/{uuid}")).await,
        office.ask("PATCH", "/webhooks", change).await,
    ] {
        assert_eq!(answer.status, 200);
        assert!(!answer.body.to_string().contains("whsec_"), "{answer:?}");
    }
}

#[tokio::test]
async fn m11_every_refusal_has_the_providers_shape_and_400_says_what_is_wrong() {
    let office = Office::open();
    for url in [Value::Null, json!(3)] {
        let refused = post(&office, with(json!({ "url": url }))).await;
        assert_eq!(error(&refused, 400), "URL is required and must be a string");
    }
    error(&office.ask_as(Some("api_unknown"), "POST", "/webhooks", sample()).await, 401);
    let reader = key(&office, json!({ "name": "R", "role": "read" })).await;
    error(&office.ask_as(Some(&reader), "POST", "/webhooks", sample()).await, 403);
    error(&post(&office, with(json!({ "filter_user": ["ann"] }))).await, 400);
    error(&office.get("/webhooks/a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d").await, 404);
    error(&office.get("/webhooks/query").await, 405);
    error(&office.get("/webhooks/a/b").await, 404);
    assert_eq!(post(&office, sample()).await.status, 200);
    assert!(error(&post(&office, sample()).await, 400).contains("My Webhook"), "it is taken");
    // The native API speaks for itself.
    assert_eq!(office.get("/v1/webhooks/none").await.body["code"], "unknown_webhook");
}

#[tokio::test]
async fn m11_c19_a_filter_that_names_what_the_key_does_not_own_is_forbidden_and_named() {
    let office = Office::open();
    let owner = json!({ "name": "O", "role": "admin", "owned_domains": ["test.com"],
        "owned_users": ["ann"] });
    let key = key(&office, owner).await;
    let post = async |keys: Value| office.ask_as(Some(&key), "POST", "/webhooks", with(keys)).await;
    assert_eq!(
        error(&post(json!({ "filter_domains": ["example.com"] })).await, 403),
        "Invalid filter_domains: example.com. You can only filter by domains that you own."
    );
    assert_eq!(
        error(&post(json!({ "filter_users": ["eve"] })).await, 403),
        "Invalid filter_users: eve. You can only filter by users that you own."
    );
    let own = post(json!({})).await.body["webhook"].clone();
    assert_eq!(own["filter_users"], json!(["ann"]), "all that it owns");
    let other = made(&office, with(json!({ "name": "Other" }))).await;
    let listed = office.ask_as(Some(&key), "GET", "/webhooks", Value::Null).await.body;
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 1);
    let uuid = other["uuid"].as_str().unwrap();
    let path = format!("/webhooks/{uuid}");
    for (method, path, body) in [
        ("GET", path.as_str(), Value::Null),
        ("DELETE", &path, Value::Null),
        ("PATCH", "/webhooks", json!({ "uuid": uuid, "status": 0 })),
        ("POST", "/webhooks/query", json!({ "uuid": uuid })),
        ("POST", "/webhooks/replay", json!({ "uuid": uuid, "source_uid": "msg_x" })),
    ] {
        error(&office.ask_as(Some(&key), method, path, body).await, 404);
    }
    assert_eq!(office.get(&path).await.body["webhook"]["status"], "enabled");
}

#[tokio::test]
async fn the_uuid_in_the_body_of_a_patch_says_which_webhook_changes_and_all_mounts_see_it() {
    let office = Office::open();
    let native = office.made(json!({ "url": "https://example.com/", "events": ["bounced"] })).await;
    let listed = office.get("/webhooks").await.body;
    let webhook = &listed["webhooks"][0];
    assert_eq!(
        (&webhook["name"], &webhook["events"]),
        (&native["name"], &json!(["outbound.bounced", "outbound.rejected"]))
    );
    let uuid = webhook["uuid"].as_str().unwrap();
    let change =
        json!({ "uuid": uuid, "name": "New", "status": 0, "events": ["outbound.delivered"] });
    let changed = office.ask("PATCH", "/webhooks", change).await;
    assert_eq!(changed.body, json!({ "success": true, "message": "Webhook updated successfully" }));
    let shown = office.get(&format!("/v1/webhooks/{}", native["id"].as_str().unwrap())).await.body;
    assert_eq!((&shown["name"], &shown["active"]), (&json!("New"), &json!(false)));
    assert_eq!(shown["events"], json!(["outbound.delivered"]));
    error(&office.ask("PATCH", "/webhooks", json!({ "status": 1 })).await, 400);
    let deleted = office.ask("DELETE", &format!("/webhooks/{uuid}"), Value::Null).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body["success"]), (200, &json!(true)));
    assert_eq!(office.get("/webhooks").await.body["webhooks"], json!([]));
}

/// A name is whatever a caller chooses, and an id is not for it to choose.
#[tokio::test]
async fn a_webhook_that_is_named_like_the_id_of_another_does_not_stand_before_it() {
    let office = Office::open();
    let first = made(&office, sample()).await;
    let uuid = first["uuid"].as_str().unwrap();
    made(&office, with(json!({ "name": uuid }))).await;
    let shown = office.get(&format!("/webhooks/{uuid}")).await.body;
    assert_eq!(shown["webhook"]["name"], "My Webhook");
}

#[tokio::test]
async fn a_query_is_bounded_says_what_it_was_asked_and_is_no_change() {
    let office = Office::open();
    let reader = key(&office, json!({ "name": "R", "role": "read" })).await;
    let ask =
        async |body: Value| office.ask_as(Some(&reader), "POST", "/webhooks/query", body).await;
    let empty = ask(json!({})).await;
    assert_eq!(empty.status, 200, "{empty:?}");
    assert_eq!(empty.body, json!({ "events": [], "total": 0, "limit": 50, "offset": 0 }));
    for wrong in [
        json!({ "limit": 0 }),
        json!({ "limit": 1001 }),
        json!({ "offset": 10_001 }),
        json!({ "event_id": "x" }),
        json!({ "event_type": "delivrd" }),
        json!({ "colour": 1 }),
        json!([null, null]),
    ] {
        error(&ask(wrong).await, 400);
    }
    error(&office.ask("POST", "/webhooks/replay", json!({})).await, 400);
    let unknown = json!({ "event_id": format!("evt_{}", "0".repeat(26)) });
    error(&office.ask("POST", "/webhooks/replay", unknown).await, 404);
}

/// All that the mount says by itself; what is wrong with a webhook otherwise, the configuration says.
#[tokio::test]
async fn each_message_of_the_mount_comes_word_for_word() {
    let office = Office::open();
    let uuid = made(&office, sample()).await["uuid"].clone();
    let changed = |keys: Value| {
        let mut body = json!({ "uuid": uuid });
        body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        body
    };
    let events = "Events are required and must be an array of at least one event type";
    let limit = "Limit must be 1 to 1000, and offset 0 to 10000";
    for (method, path, body, words) in [
        ("POST", "/webhooks", with(json!({ "name": 3 })), "Name is required and must be a string"),
        ("POST", "/webhooks", with(json!({ "url": null })), "URL is required and must be a string"),
        ("POST", "/webhooks", json!({ "name": "N", "url": "https://example.com/" }), events),
        ("POST", "/webhooks", with(json!({ "events": [] })), events),
        ("POST", "/webhooks", with(json!({ "status": 2 })), "Status must be 0 or 1"),
        ("POST", "/webhooks", with(json!({ "colour": 1 })), "Unknown field: colour"),
        ("POST", "/webhooks", with(json!({ "events": ["x"] })), "Invalid event type: \"x\""),
        ("PATCH", "/webhooks", json!({ "status": 1 }), "UUID is required and must be a string"),
        ("PATCH", "/webhooks", changed(json!({ "events": [3] })), "Invalid event type: 3"),
        ("POST", "/webhooks/query", json!({ "limit": 0 }), limit),
        ("POST", "/webhooks/query", json!({ "offset": 10_001 }), limit),
        (
            "POST",
            "/webhooks/query",
            json!({ "date_from": i64::MAX }),
            "Dates are seconds since the epoch",
        ),
        ("POST", "/webhooks/replay", json!({}), "event_id or source_uid is required"),
    ] {
        assert_eq!(error(&office.ask(method, path, body).await, 400), words);
    }
    assert_eq!(
        error(&office.ask_as(Some("api_x"), "GET", "/webhooks", Value::Null).await, 401),
        "User information not found"
    );
    let changed = office.ask("PATCH", "/webhooks", changed(json!({ "status": 0 }))).await;
    assert_eq!(changed.body["message"], "Webhook updated successfully");
    let path = format!("/webhooks/{}", uuid.as_str().unwrap());
    let deleted = office.ask("DELETE", &path, Value::Null).await;
    assert_eq!(deleted.body, json!({ "success": true, "message": "Webhook deleted successfully" }));
}
