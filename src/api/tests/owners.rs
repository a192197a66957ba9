//! Keys for a part of the mail (webhooks.md C19, M6, M7, M11).

use serde_json::{Value, json};

use super::Office;

/// A key that may change everything of what it owns.
async fn key(office: &Office, users: Value, domains: Value) -> String {
    let name = format!("{users} {domains}");
    let body =
        json!({ "name": name, "role": "admin", "owned_users": users, "owned_domains": domains });
    let made = office.ask("POST", "/v1/keys", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["key"].as_str().unwrap().to_owned()
}

fn body(users: Value, domains: Value) -> Value {
    json!({ "url": "https://example.com/", "profile": "jetemail",
        "events": ["outbound.bounced", "inbound.received"],
        "filter_users": users, "filter_domains": domains })
}

#[tokio::test]
async fn c19_m6_m7_m11_a_filter_that_names_what_the_key_does_not_own_is_forbidden_and_named() {
    let office = Office::open();
    let key = key(&office, json!(["ann", "bob"]), json!(["example.com"])).await;
    let post = async |users: Value, domains: Value| {
        office.ask_as(Some(&key), "POST", "/v1/webhooks", body(users, domains)).await
    };
    let refused = post(json!(["ann"]), json!(["example.com", "other.test"])).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.errors(), [("filter_domains".to_owned(), "not_owned".to_owned())]);
    assert_eq!(
        refused.body["errors"][0]["message"],
        "Invalid filter_domains: other.test. You can only filter by domains that you own."
    );
    assert_eq!(post(json!(["eve"]), Value::Null).await.status, 403);

    let made = post(json!(["ann"]), json!(["Example.COM"])).await;
    assert_eq!((made.status.as_u16(), &made.body["filter_users"]), (201, &json!(["ann"])));
    // All means all that it owns.
    let all = post(Value::Null, json!([])).await;
    assert_eq!(all.status, 201);
    assert_eq!(all.body["filter_users"], json!(["ann", "bob"]));
    assert_eq!(all.body["filter_domains"], json!(["example.com"]));
    let path = format!("/v1/webhooks/{}", made.body["id"].as_str().unwrap());
    let changes = json!({ "filter_users": ["eve"] });
    assert_eq!(office.ask_as(Some(&key), "PATCH", &path, changes).await.status, 403);
    let widened = office.ask_as(Some(&key), "PATCH", &path, json!({ "filter_users": null })).await;
    assert_eq!(widened.body["filter_users"], json!(["ann", "bob"]));
}

#[tokio::test]
async fn c19_a_key_sees_and_changes_only_webhooks_that_it_could_have_made() {
    let office = Office::open();
    let key = key(&office, json!(["ann"]), Value::Null).await;
    let own = office.ask_as(Some(&key), "POST", "/v1/webhooks", body(Value::Null, Value::Null));
    let own = own.await.body;
    let others = office.made(body(json!(["bob"]), Value::Null)).await;
    let of_all = office.made(body(Value::Null, Value::Null)).await;
    let same = office.made(body(json!(["ann"]), Value::Null)).await;

    let listed = office.ask_as(Some(&key), "GET", "/v1/webhooks", Value::Null).await.body;
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&own["id"], &same["id"]]);
    for (webhook, status) in [(&own, 200), (&same, 200), (&others, 404), (&of_all, 404)] {
        for name in [&webhook["id"], &webhook["name"]] {
            let path = format!("/v1/webhooks/{}", name.as_str().unwrap());
            let got = office.ask_as(Some(&key), "GET", &path, Value::Null).await;
            assert_eq!(got.status, status, "{path}");
            let logs = office.ask_as(Some(&key), "GET", &format!("{path}/logs"), Value::Null).await;
            assert_eq!(logs.status, status, "{path}");
        }
    }
    let path = format!("/v1/webhooks/{}", others["id"].as_str().unwrap());
    for (method, path, body) in [
        ("DELETE", path.clone(), Value::Null),
        ("PATCH", path.clone(), json!({ "events": ["outbound.bounced"] })),
        ("POST", format!("{path}/disable"), Value::Null),
        ("POST", format!("{path}/rotate-secret"), Value::Null),
    ] {
        let refused = office.ask_as(Some(&key), method, &path, body).await;
        assert_eq!(refused.status, 404, "{method} {path}");
        assert!(!refused.body["detail"].as_str().unwrap().contains("example-com-2"), "{refused:?}");
    }
    assert_eq!(office.get(&path).await.status, 200);
}

#[tokio::test]
async fn c19_a_key_for_a_part_of_the_mail_learns_of_no_other_and_makes_no_stronger_key() {
    let office = Office::open();
    let key = key(&office, Value::Null, json!(["example.com"])).await;
    for path in ["/v1/dead", "/v1/keys", "/v1/sources", "/v1/webhookss"] {
        let refused = office.ask_as(Some(&key), "GET", path, Value::Null).await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (403, &json!("not_owned")));
    }
    let stronger = json!({ "name": "x", "role": "admin" });
    assert_eq!(office.ask_as(Some(&key), "POST", "/v1/keys", stronger).await.status, 403);
    let mut operational = body(Value::Null, Value::Null);
    operational["events"] = json!(["inbound.received", "endpoint.disabled"]);
    let refused = office.ask_as(Some(&key), "POST", "/v1/webhooks", operational).await;
    assert_eq!((refused.status.as_u16(), refused.errors()[0].0.as_str()), (403, "events"));
}

#[tokio::test]
async fn a_key_that_owns_nobody_is_refused_and_one_outlives_a_restart_with_what_it_owns() {
    let office = Office::open();
    let nobody = json!({ "name": "x", "role": "admin", "owned_users": [] });
    assert_eq!(office.ask("POST", "/v1/keys", nobody).await.status, 400);
    let key = key(&office, json!(["ann"]), json!(["Example.com"])).await;
    let office = office.restart().await;
    let listed = office.get("/v1/keys").await.body;
    assert_eq!(listed["data"][0]["owned_domains"], json!(["example.com"]));
    assert_eq!(office.ask_as(Some(&key), "GET", "/v1/dead", Value::Null).await.status, 403);
}
