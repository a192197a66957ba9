//! Webhooks made through the native API, by the rows of webhooks.md §1.

use serde_json::{Value, json};

use super::Office;

fn sample() -> Value {
    json!({ "url": "https://example.com/hook", "events": ["delivered", "bounced"] })
}

/// The sample with these keys.
fn with(keys: Value) -> Value {
    let mut body = sample();
    body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    body
}

/// What refuses the sample with these keys.
async fn refusal(office: &Office, keys: Value) -> Vec<(String, String)> {
    let refused = office.ask("POST", "/v1/webhooks", with(keys.clone())).await;
    assert_eq!(refused.status, 400, "{keys}: {refused:?}");
    refused.errors()
}

fn invalid(field: &str) -> Vec<(String, String)> {
    vec![(field.to_owned(), "invalid".to_owned())]
}

#[tokio::test]
async fn m12_m13_the_request_of_the_guide_is_answered_as_the_guide_has_it() {
    let office = Office::open();
    let made = office
        .made(json!({
            "url": "https://yourapp.com/webhooks/email",
            "events": ["delivered", "bounced", "complained"],
            "secret": "your-webhook-secret"
        }))
        .await;
    assert!(made["id"].as_str().unwrap().starts_with("wh_"));
    assert_eq!(made["url"], "https://yourapp.com/webhooks/email");
    assert_eq!(made["events"], json!(["delivered", "bounced", "complained"]));
    assert_eq!(made["active"], true);
    let created = made["created_at"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.parse::<jiff::Timestamp>().is_ok(), "{created}");
    assert_eq!((&made["profile"], &made["name"]), (&json!("generic"), &json!("yourapp-com")));
    assert!(made.get("secret").is_none(), "it is not echoed");
    assert!(!made.to_string().contains("your-webhook-secret"));
}

#[tokio::test]
async fn c4_a_secret_that_is_not_given_is_made_and_shown_once() {
    let office = Office::open();
    let made = office.made(sample()).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(secret.starts_with("whsec_"));
    assert_eq!(office.webhook(id).ring().current().reveal_once(), secret);
    let path = format!("/v1/webhooks/{id}");
    let changed = office.ask("PATCH", &path, json!({ "events": ["opened"] })).await;
    for answer in [office.get(&path).await, office.get("/v1/webhooks").await, changed] {
        assert_eq!(answer.status, 200);
        assert!(!answer.body.to_string().contains(secret), "{answer:?}");
    }
    assert_eq!(refusal(&office, json!({ "secret": "short" })).await, invalid("secret"));
}

#[tokio::test]
async fn m2_c23_a_name_is_trimmed_has_something_to_read_and_for_jetemail_its_characters_only() {
    let office = Office::open();
    assert_eq!(office.made(with(json!({ "name": "  Größe 1.0 " }))).await["name"], "Größe 1.0");
    for bad in ["", "   ", "a\nb", "a\tb", &"a".repeat(65)] {
        assert_eq!(refusal(&office, json!({ "name": bad })).await, invalid("name"), "{bad:?}");
    }
    let as_jetemail =
        |name: &str| json!({ "name": name, "profile": "jetemail", "events": ["outbound.bounced"] });
    for bad in ["Größe", "a.b", "a\u{2003}b", "a\nb", " \t "] {
        assert_eq!(refusal(&office, as_jetemail(bad)).await, invalid("name"), "{bad:?}");
    }
    let made = office.made(with(as_jetemail(" Production Webhook_1-a "))).await;
    assert_eq!(made["name"], "Production Webhook_1-a");
}

#[tokio::test]
async fn a_name_is_unique_and_one_that_is_made_up_too() {
    let office = Office::open();
    let (one, other) = (office.made(sample()).await, office.made(sample()).await);
    assert_eq!((&one["name"], &other["name"]), (&json!("example-com"), &json!("example-com-2")));
    let taken = office.ask("POST", "/v1/webhooks", with(json!({ "name": "example-com" }))).await;
    assert_eq!((taken.status.as_u16(), &taken.body["code"]), (409, &json!("name_taken")));
    let path = format!("/v1/webhooks/{}", other["id"].as_str().unwrap());
    let taken = office.ask("PUT", &path, json!({ "name": "example-com" })).await;
    assert_eq!(taken.status, 409);
    assert_eq!(office.ask("PUT", &path, json!({ "name": "example-com-2" })).await.status, 200);
}

#[tokio::test]
async fn m3_m11_a_url_is_http_or_https_and_what_is_wrong_is_named() {
    let office = Office::open();
    for bad in ["ftp://example.com/", "nowhere", "https://user@example.com/", ""] {
        assert_eq!(refusal(&office, json!({ "url": bad })).await, invalid("url"), "{bad}");
    }
    assert_eq!(refusal(&office, json!({ "url": 3 })).await, invalid("url"));
    let missing = office.ask("POST", "/v1/webhooks", json!({ "events": ["delivered"] })).await;
    assert_eq!(missing.errors(), [("url".to_owned(), "missing".to_owned())]);
    assert_eq!(missing.status, 400);
    // All of it at once.
    let both = office.ask("POST", "/v1/webhooks", json!({ "timeout": "1h", "colour": 1 })).await;
    let errors = both.errors();
    let fields: Vec<_> = errors.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["colour", "events", "timeout", "url"]);
    assert_eq!(errors[0].1, "unknown_field");
}

#[tokio::test]
async fn c13_http_is_taken_with_a_warning_where_the_profile_takes_it() {
    let office = Office::open();
    for profile in ["generic", "jetemail"] {
        let keys = json!({ "url": "http://example.com/", "profile": profile,
            "events": ["outbound.bounced"] });
        assert_eq!(office.made(with(keys)).await["warnings"][0]["code"], "plain_http");
    }
    for profile in ["standard", "lettermint"] {
        let keys = json!({ "url": "http://example.com/", "profile": profile,
            "events": ["outbound.bounced"] });
        assert_eq!(refusal(&office, keys).await, invalid("url"), "{profile}");
    }
    assert_eq!(office.made(sample()).await["warnings"], json!([]));
}

#[tokio::test]
async fn where_the_egress_policy_does_not_lead_no_webhook_is_made() {
    let office = Office::open();
    for url in [
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "https://[::1]/",
        "http://2130706433/",
        "https://example.com:25/",
    ] {
        let refused = office.ask("POST", "/v1/webhooks", with(json!({ "url": url }))).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (400, &json!("egress_denied"))
        );
        assert_eq!(refused.errors(), [("url".to_owned(), "egress_denied".to_owned())], "{url}");
    }
}

#[tokio::test]
async fn m4_events_are_needed_and_known() {
    let office = Office::open();
    assert_eq!(refusal(&office, json!({ "events": [] })).await, invalid("events"));
    assert_eq!(refusal(&office, json!({ "events": ["delivred"] })).await, invalid("events"));
    assert_eq!(refusal(&office, json!({ "events": "delivered" })).await, invalid("events"));
    let missing = json!({ "url": "https://example.com/" });
    let missing = office.ask("POST", "/v1/webhooks", missing).await;
    assert_eq!(missing.errors(), [("events".to_owned(), "missing".to_owned())]);
    // C1: the fifteen of the provider, `outbound.queued` among them.
    let all = json!({ "profile": "jetemail", "events": ["outbound.queued", "outbound.delivered",
        "outbound.bounced", "outbound.rejected", "outbound.deferred", "outbound.spam",
        "outbound.dropped", "outbound.virus", "outbound.opened", "outbound.clicked",
        "outbound.complaint", "inbound.received", "inbound.delivered", "inbound.spam",
        "inbound.blocked"] });
    assert_eq!(office.made(with(all)).await["types"].as_array().unwrap().len(), 15);
}

#[tokio::test]
async fn what_no_source_tells_of_is_taken_with_a_warning() {
    let office = Office::open();
    let made = office.made(with(json!({ "events": ["opened", "bounced", "clicked"] }))).await;
    let codes: Vec<_> =
        made["warnings"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["never_told", "never_told"]);
    assert_eq!(office.made(with(json!({ "events": ["*"] }))).await["warnings"], json!([]));
}

#[tokio::test]
async fn m5_c2_m20_a_webhook_may_be_made_disabled_and_be_disabled_by_a_change() {
    let office = Office::open();
    let made = office.made(with(json!({ "enabled": false }))).await;
    assert_eq!((&made["active"], &made["disabled_reason"]), (&json!(false), &json!("operator")));
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for (enabled, active) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let changed = office.ask("PATCH", &path, json!({ "enabled": enabled })).await;
        assert_eq!(changed.body["active"], active, "{changed:?}");
    }
    assert_eq!(refusal(&office, json!({ "enabled": "yes" })).await, invalid("enabled"));
    assert_eq!(office.made(sample()).await["active"], true);
}

#[tokio::test]
async fn m6_m7_c18_filters_are_lists_and_an_empty_one_means_all() {
    let office = Office::open();
    let keys = json!({ "filter_users": ["ann"], "filter_domains": ["Example.com"] });
    let made = office.made(with(keys)).await;
    assert_eq!(made["filter_users"], json!(["ann"]));
    assert_eq!(made["filter_domains"], json!(["example.com"]));
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for nothing in [json!([]), Value::Null] {
        let all = json!({ "filter_users": nothing, "filter_domains": nothing });
        let changed = office.ask("PATCH", &path, all.clone()).await;
        assert_eq!(
            (&changed.body["filter_users"], &changed.body["filter_domains"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(office.made(with(all)).await["filter_users"], Value::Null);
    }
    assert_eq!(refusal(&office, json!({ "filter_users": "ann" })).await, invalid("filter_users"));
    let wrong = refusal(&office, json!({ "filter_domains": ["a@b"] })).await;
    assert_eq!(wrong, invalid("filter_domains"));
}

#[tokio::test]
async fn m14_c20_put_and_patch_change_what_is_given_list_shows_and_delete_ends() {
    let office = Office::open();
    let made = office.made(with(json!({ "timeout": "20s", "headers": { "x-a": "b" } }))).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for method in ["PUT", "PATCH"] {
        let changed = office.ask(method, &path, json!({ "events": ["opened", "bounced"] })).await;
        assert_eq!(changed.status, 200);
        assert_eq!(changed.body["events"], json!(["opened", "bounced"]));
        for same in ["url", "name", "secret_hint", "settings", "created_at", "active"] {
            assert_eq!(changed.body[same], made[same], "{same}");
        }
    }
    assert_eq!(made["settings"]["timeout"], "20s");
    let changed = office.ask("PUT", &path, json!({ "timeout": null })).await;
    assert_eq!(changed.body["settings"]["timeout"], "15s", "the default holds again");
    let wrong = office.ask("PUT", &path, json!({ "events": null })).await;
    assert_eq!((wrong.status.as_u16(), wrong.errors().len()), (400, 1));

    let listed = office.get("/v1/webhooks").await.body;
    assert_eq!(listed["data"][0]["id"], made["id"]);
    assert_eq!(office.ask("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(office.get(&path).await.status, 404);
    assert_eq!(office.ask("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(office.get("/v1/webhooks").await.body["data"], json!([]));
}

#[tokio::test]
async fn m17_what_the_configuration_knows_is_known_here_but_for_files_and_ways_past_the_policy() {
    let office = Office::open();
    let keys = json!({
        "name": "All", "profile": "jetemail", "events": ["outbound.*"],
        "include_machine_events": true, "routes": ["news"], "deferrals": "first",
        "privacy": "hash", "subject": "drop", "timeout": "5s", "concurrency": 3, "rate": 7,
        "ordering": "message", "headers": { "X-Team": "mail" },
        "extra_headers": ["x-webhook-attempt"], "extra_signatures": [], "evidence": true,
        "backlog": "2h", "backlog_bytes": "2MiB",
        "retry": { "schedule": ["1m", "2m"], "final_codes": [404], "retry_codes": [418],
            "jitter": false, "circuit": false }
    });
    let made = office.made(with(keys)).await;
    let settings = &made["settings"];
    assert_eq!(settings["include_machine_events"], true);
    assert_eq!(settings["schedule"], json!(["60s", "120s"]));
    assert_eq!(settings["headers"], json!(["x-team"]));
    assert_eq!((&settings["rate"], &settings["ordering"]), (&json!(7), &json!("message")));
    let webhook = office.webhook(made["id"].as_str().unwrap());
    assert!(!webhook.policy.jitter && !webhook.policy.circuit && webhook.selection.evidence);
    for key in
        ["secret_file", "ca_file", "client_cert", "client_key", "proxy", "insecure_skip_verify"]
    {
        let refused = refusal(&office, json!({ key: "/etc/passwd" })).await;
        assert_eq!(refused, [(key.to_owned(), "not_allowed".to_owned())]);
    }
    let unknown = refusal(&office, json!({ "routes": ["olds"] })).await;
    assert_eq!(unknown, invalid("routes"));
}

#[tokio::test]
async fn c5_a_change_of_profile_warns_of_signatures_and_needs_a_secret_that_it_can_use() {
    let office = Office::open();
    let made = office.made(with(json!({ "secret": "your-webhook-secret" }))).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let standard = json!({ "profile": "standard", "events": ["outbound.bounced"] });
    let refused = office.ask("PATCH", &path, standard.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.errors()), (400, invalid("secret")));
    let lettermint = json!({ "profile": "lettermint", "events": ["message.failed"] });
    let changed = office.ask("PATCH", &path, lettermint).await;
    assert_eq!(changed.body["warnings"][0]["code"], "signature_changes");
    let mut with_secret = standard;
    with_secret["secret"] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
    let changed = office.ask("PATCH", &path, with_secret).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["secret_hint"], "Hh8=");
    assert_eq!(changed.body["former_secrets"], json!([]), "what standard cannot use is gone");
    let office = office.restart().await;
    assert_eq!(office.get(&path).await.body["profile"], "standard");
}

#[tokio::test]
async fn m17_a_rotated_secret_stands_over_changes_and_a_given_one_replaces_it() {
    let office = Office::open();
    let (first, second) = ("first-webhook-secret", "second-webhook-secret");
    let made = office.made(with(json!({ "secret": first }))).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let rotate = format!("{path}/rotate-secret");
    let current = |office: &Office| {
        let webhook = office.webhook(made["id"].as_str().unwrap());
        webhook.ring().current().reveal_once().to_owned()
    };
    assert_eq!(office.ask("POST", &rotate, json!({ "secret": second })).await.status, 200);
    office.ask("PATCH", &path, json!({ "events": ["queued"] })).await;
    assert_eq!(current(&office), second);
    let office = office.restart().await;
    assert_eq!(current(&office), second);
    assert_eq!(office.get(&path).await.body["former_secrets"].as_array().unwrap().len(), 1);
    // Back, by a change, whatever was rotated before.
    office.ask("POST", &rotate, json!({ "secret": "third-webhook-secret" })).await;
    assert_eq!(office.ask("PATCH", &path, json!({ "secret": second })).await.status, 200);
    assert_eq!(current(&office), second);
}

#[tokio::test]
async fn what_was_made_is_there_after_a_restart_as_it_was_and_what_was_deleted_is_not() {
    let office = Office::open();
    let keys = json!({ "name": "Kept", "headers": { "x-a": "b" }, "enabled": false,
        "privacy": "hash" });
    let (kept, gone) = (office.made(with(keys)).await, office.made(sample()).await);
    let path = |it: &Value| format!("/v1/webhooks/{}", it["id"].as_str().unwrap());
    let hash = office.webhook("Kept").selection.privacy.clone();
    office.ask("DELETE", &path(&gone), Value::Null).await;
    let before = office.get(&path(&kept)).await.body;
    let office = office.restart().await;
    assert_eq!(office.get(&path(&kept)).await.body, before);
    assert_eq!(office.webhook("Kept").selection.privacy, hash);
    assert_eq!(office.get(&path(&gone)).await.status, 404);
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing_of_each_other() {
    let office = Office::open();
    let made = office.made(sample()).await;
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let (one, other) = tokio::join!(
        office.ask("PATCH", &path, json!({ "timeout": "3s" })),
        office.ask("PATCH", &path, json!({ "concurrency": 2 })),
    );
    assert!(one.status == 200 && other.status == 200);
    let settings = &office.get(&path).await.body["settings"];
    assert_eq!((&settings["timeout"], &settings["concurrency"]), (&json!("3s"), &json!(2)));
}
