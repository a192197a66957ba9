//! The mount of Lettermint, where its SDKs do not look: refusals, and who sees what. Their whole round
//! is in `tests/receivers/sdk.rs`.

use serde_json::{Value, json};

use super::{Answer, Office};

const PATH: &str = "/lettermint/v1/webhooks";

fn with(keys: Value) -> Value {
    let mut body = json!({ "name": "Mint", "url": "https://example.com/hook",
        "events": ["message.delivered", "webhook.test"] });
    body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    body
}

async fn post(office: &Office, keys: Value) -> Answer {
    office.ask("POST", PATH, with(keys)).await
}

/// The fields that a refusal names.
fn refused(answer: &Answer, status: u16) -> Vec<String> {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body["message"].is_string() && answer.body["error"].is_string());
    let errors = answer.body["errors"].as_object();
    errors.into_iter().flatten().map(|(field, _)| field.clone()).collect()
}

#[tokio::test]
async fn what_cannot_be_used_is_422_by_field_and_every_refusal_has_a_message() {
    let office = Office::open();
    for (field, value) in [
        ("name", Value::Null),
        ("url", json!("http://example.com/")),
        ("events", json!(["message.lost"])),
        ("enabled", json!(1)),
        ("scope", json!("project")),
        ("project_ids", json!(["x"])),
        ("delivery_mode_filter", json!("sandbox")),
        ("basic_auth", json!({ "username": "a" })),
        ("basic_auth", json!(["a", "b"])),
        ("basic_auth", json!({ "username": "a:b", "password": "c" })),
        ("colour", json!(1)),
    ] {
        assert_eq!(refused(&post(&office, json!({ field: value })).await, 422), [field]);
    }
    assert_eq!(refused(&post(&office, json!({ "route_id": "olds" })).await, 422), ["routes"]);
    assert_eq!(post(&office, json!({})).await.status, 201);
    assert_eq!(refused(&post(&office, json!({})).await, 422), ["name"], "it is taken");
    refused(&office.get(&format!("{PATH}/none")).await, 404);
    refused(&office.get("/lettermint/v1/projects").await, 404);
    refused(&office.ask_as(Some("api_x"), "GET", PATH, Value::Null).await, 401);
    for query in ["sort=colour", "cursor=x", "colour=1"] {
        assert_eq!(office.get(&format!("{PATH}?{query}")).await.status, 422, "{query}");
    }
}

#[tokio::test]
async fn routes_are_streams_by_name_and_none_means_all() {
    let office = Office::open();
    for (number, (keys, scope, routes)) in [
        (json!({ "route_id": "news" }), "route", json!(["news"])),
        (json!({ "route_ids": ["news"], "scope": "route" }), "route", json!(["news"])),
        (json!({ "route_id": null, "route_ids": [] }), "team", json!([])),
        (json!({ "scope": "team" }), "team", json!([])),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = with(keys);
        body["name"] = number.to_string().into();
        let made = office.ask("POST", PATH, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let data = &made.body["data"];
        assert_eq!((&data["scope"], &data["route_ids"]), (&json!(scope), &routes));
        assert_eq!(data["route_id"], routes.get(0).cloned().unwrap_or_default());
    }
}

#[tokio::test]
async fn basic_auth_is_a_header_that_goes_beside_others_and_is_never_shown() {
    let office = Office::open();
    let auth = json!({ "username": "ann", "password": "secret word" });
    let made = post(&office, json!({ "basic_auth": auth })).await.body;
    let id = made["data"]["id"].as_str().unwrap();
    assert_eq!(made["data"]["has_basic_auth"], true);
    assert!(!made.to_string().contains("secret word"));
    let headers = |office: &Office| {
        let webhook = office.webhook(id);
        let names = webhook.transport.headers.iter().map(|header| header.name.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(headers(&office), ["authorization"]);
    let both = json!({ "headers": { "Authorization": "x", "x-team": "mail" } });
    office.ask("PATCH", &format!("/v1/webhooks/{id}"), both).await;
    let path = format!("{PATH}/{id}");
    assert_eq!(office.ask("PUT", &path, json!({ "basic_auth": null })).await.status, 200);
    assert_eq!(headers(&office), ["x-team"]);
}

#[tokio::test]
async fn a_secret_is_regenerated_as_often_as_one_likes() {
    let office = Office::open();
    let made = post(&office, json!({})).await.body;
    let path = format!("{PATH}/{}/regenerate-secret", made["data"]["id"].as_str().unwrap());
    for _ in 0..5 {
        let again = office.ask("POST", &path, Value::Null).await;
        assert_eq!(again.status, 200, "{again:?}");
        let secret = again.body["data"]["secret"].as_str().unwrap();
        assert_eq!(office.webhook("Mint").ring().current().reveal_once(), secret);
    }
}

#[tokio::test]
async fn webhooks_of_all_mounts_are_listed_page_by_page_in_the_providers_words() {
    let office = Office::open();
    for name in ["c", "a", "b"] {
        assert_eq!(
            post(&office, json!({ "name": name, "enabled": name != "b" })).await.status,
            201
        );
    }
    let native = json!({ "name": "d", "url": "https://example.com/", "profile": "jetemail",
        "events": ["outbound.bounced", "inbound.spam"] });
    office.made(native).await;
    let names = async |query: &str| {
        let page = office.get(&format!("{PATH}?{query}")).await.body;
        let rows = page["data"].as_array().unwrap().iter();
        let names = rows.map(|row| row["name"].as_str().unwrap()).collect::<String>();
        (names, page["next_cursor"].clone())
    };
    assert_eq!(names("sort=name").await, ("abcd".into(), Value::Null));
    assert_eq!(names("sort=-name&page[size]=3").await, ("dcb".into(), json!("3")));
    assert_eq!(names("sort=-name&page[size]=3&cursor=3").await, ("a".into(), Value::Null));
    assert_eq!(names("filter[enabled]=0").await.0, "b");
    assert_eq!(names("filter[event]=message.failed&filter[search]=EXAMPLE").await.0, "d");
    let shown = office.get(&format!("{PATH}/d")).await.body;
    assert_eq!(shown["events"], json!(["message.hard_bounced", "message.failed"]));
}

#[tokio::test]
async fn c19_a_key_for_a_part_of_the_mail_sees_no_other_webhook() {
    let office = Office::open();
    let owner = json!({ "name": "O", "role": "admin", "owned_users": ["ann"] });
    let made = office.ask("POST", "/v1/keys", owner).await.body;
    let key = made["key"].as_str().unwrap();
    let other = post(&office, json!({})).await.body["data"]["id"].as_str().unwrap().to_owned();
    let own = with(json!({ "name": "Own" }));
    let own = office.ask_as(Some(key), "POST", PATH, own).await;
    assert_eq!(own.status, 201, "{own:?}");
    let listed = office.ask_as(Some(key), "GET", PATH, Value::Null).await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let path = format!("{PATH}/{other}");
    for (method, path) in [
        ("GET", path.clone()),
        ("PUT", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/test")),
        ("POST", format!("{path}/regenerate-secret")),
        ("GET", format!("{path}/deliveries")),
        ("GET", format!("{path}/deliveries/evt_1")),
    ] {
        refused(&office.ask_as(Some(key), method, &path, json!({})).await, 404);
    }
}

/// All that the mount says by itself; what is wrong with a webhook otherwise, the configuration says.
#[tokio::test]
async fn each_message_of_the_mount_comes_word_for_word() {
    let office = Office::open();
    let made = post(&office, json!({})).await;
    let message =
        "Webhook created successfully. Please save the secret as it will not be shown again.";
    assert_eq!((made.status.as_u16(), &made.body["message"]), (201, &json!(message)));
    let id = made.body["data"]["id"].as_str().unwrap();
    let said = async |method: &str, path: &str, body: Value| {
        let answer = office.ask(method, &format!("{PATH}{path}"), body).await;
        (answer.status.as_u16(), answer.body["message"].as_str().unwrap().to_owned())
    };
    let new = |keys: Value| {
        let mut body = with(json!({ "name": "New" }));
        body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        body
    };
    for (keys, words) in [
        (json!({ "name": null }), "name: is required and must be a string"),
        (json!({ "enabled": 1 }), "enabled: must be true or false"),
        (json!({ "scope": "team", "route_id": "news" }), "scope: `team` goes with no route"),
        (json!({ "scope": "project" }), "scope: there are no projects"),
        (json!({ "scope": {} }), "scope: must be team or route"),
        (json!({ "project_ids": ["x"] }), "project_ids: there are no projects"),
        (
            json!({ "delivery_mode_filter": "sandbox" }),
            "delivery_mode_filter: must be live or both: all mail is live",
        ),
        (json!({ "basic_auth": 1 }), "basic_auth: must have a username and a password"),
        (
            json!({ "basic_auth": { "username": "a:b", "password": "c" } }),
            "basic_auth: the username must be without a colon",
        ),
        (json!({ "colour": 1 }), "colour: unknown key"),
    ] {
        assert_eq!(said("POST", "", new(keys)).await, (422, words.to_owned()));
    }
    for (path, words) in [
        ("?cursor=x", "cursor: was given by no answer"),
        ("?sort=colour", "sort: must be name, url or created_at"),
        ("/Mint/deliveries?sort=colour", "sort: must be -created_at"),
        ("/Mint/deliveries?filter[from_date]=x", "filter: `x` is not a day"),
    ] {
        assert_eq!(said("GET", path, Value::Null).await, (422, words.to_owned()));
    }
    for (method, path, words) in [
        ("PUT", format!("/{id}"), "Webhook updated successfully."),
        (
            "POST",
            format!("/{id}/regenerate-secret"),
            "Webhook secret regenerated successfully. Please update your integration.",
        ),
        (
            "POST",
            format!("/{id}/test"),
            "Test webhook dispatched successfully. Check the deliveries endpoint for results.",
        ),
        ("DELETE", format!("/{id}"), "Webhook deleted successfully."),
    ] {
        assert_eq!(said(method, &path, json!({})).await, (200, words.to_owned()));
    }
}
