//! What is answered when there is nobody to answer (503), when the store holds what nobody understands
//! (500), and when there is too much of something: what nobody can bring about from outside.
//!
//! All else that is described is provoked on the running program: `tests/e2e/documented`.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, Office};
use crate::{
    api::document,
    config::{Webhook, WebhookId},
    search::Search,
    secret::{ApiKey, Owned, Role, TokenDigest},
    store::{
        Commit, Key, Store,
        testing::{TestDisk, open_on},
    },
    writer::{Change, KeyOutcome},
};

/// A feedback report (RFC 5965), as short as one can be.
const REPORT: &str = "From: fbl@example.net\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
    --b\r\n\r\nThis is spam.\r\n\
    --b\r\nContent-Type: message/feedback-report\r\n\r\n\
    Feedback-Type: abuse\r\nUser-Agent: t/1\r\nVersion: 1\r\n\
    Original-Rcpt-To: user@example.net\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\n\
    From: a@example.com\r\nTo: user@example.net\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n\
    --b--\r\n";

/// Operation by operation: method, path, and the statuses that are described.
fn operations() -> Vec<(String, String, String, BTreeSet<u16>)> {
    let document: Value = serde_json::from_str(&document::text().unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let statuses = described["responses"].as_object().unwrap().keys();
            let id = described["operationId"].as_str().unwrap().to_owned();
            let statuses = statuses.map(|status| status.parse().unwrap()).collect();
            all.push((id, method.to_uppercase(), path.clone(), statuses));
        }
    }
    all
}

fn body(operation: &str) -> Value {
    let event = format!("evt_{}", "0".repeat(26));
    match operation {
        "create_webhook" => json!({ "url": "https://example.com/", "events": ["bounced"] }),
        "jetemail_create_webhook" => json!({ "name": "Jet", "url": "https://example.com/",
            "events": ["outbound.bounced"] }),
        "lettermint_create_webhook" => json!({ "name": "Mint", "url": "https://example.com/",
            "events": ["message.failed"] }),
        "create_key" => json!({ "name": "Graphs", "role": "read" }),
        "parse_lines" => json!({ "lines": ["no line of a log"] }),
        "take_report" => json!(REPORT),
        "recover_webhook" => json!({ "since": "2026-01-01T00:00:00Z" }),
        "jetemail_update_webhook" => json!({ "uuid": "Hook", "status": 1 }),
        "jetemail_replay_event" => json!({ "event_id": event }),
        _ => json!({}),
    }
}

async fn asked(office: &Office, id: &str, method: &str, path: &str) -> Answer {
    let chosen = match path.split('/').nth(2) {
        Some("events") => format!("evt_{}", "0".repeat(26)),
        Some("messages") => format!("msg_{}", "0".repeat(26)),
        Some("deliveries") => format!("evt_{}.Hook", "0".repeat(26)),
        _ => "Hook".to_owned(),
    };
    let path = path.replace("{delivery_id}", &format!("evt_{}", "0".repeat(26)));
    let path = path.replace("{id}", &chosen).replace("{uid}", &chosen);
    let path = if id == "explain" { format!("{path}?q=x") } else { path };
    office.ask(method, &path, body(id)).await
}

async fn with_a_webhook() -> Office {
    let office = Office::open();
    let hook = json!({ "name": "Hook", "url": "https://example.com/", "events": ["bounced"] });
    office.made(hook).await;
    office
}

/// What is described as the answer of a daemon that is ending is its answer, and no more is.
#[tokio::test]
async fn when_the_writer_has_ended_503_is_answered_by_those_that_need_it_and_no_others() {
    let office = with_a_webhook().await;
    office.desk.writer.stop().await;
    // Those who listen go on without it.
    office.desk.stop.cancel();
    office.ask("POST", "/v1/webhooks/Hook/disable", json!({})).await;
    for (id, method, path, statuses) in operations() {
        let answer = asked(&office, &id, &method, &path).await;
        assert_eq!(answer.status == 503, statuses.contains(&503), "{id}: {answer:?}");
        if answer.status == 503 && path.starts_with("/v1") {
            assert_eq!(answer.body["code"], "stopping", "{id}");
        }
    }
}

/// A process that cannot be sure of its store ends, and says until then that it is not well.
#[tokio::test]
async fn after_a_sync_that_fails_the_writer_has_ended_and_health_is_503() {
    let (dir, disk) = (TempDir::new().unwrap(), Arc::new(TestDisk::default()));
    let office = Office::open_on(open_on(dir.path(), &disk), dir);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(office.get(path).await.status, 200, "{path}");
    }
    disk.failing.store(true, Ordering::SeqCst);
    let refused = office.ask("POST", "/v1/webhooks", body("create_webhook")).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let health = office.get("/healthz").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("failing")));
    let ready = office.get("/readyz").await;
    let code = &ready.body["reasons"][0]["code"];
    assert_eq!((ready.status.as_u16(), code), (503, &json!("writer_stopped")));
    assert!(office.writer.await.unwrap().is_err());
}

/// Of those that read what happened; the others would need a disk that fails just then, or a system
/// without random numbers.
#[tokio::test]
async fn what_cannot_be_read_from_the_store_is_500_in_everybodys_words_and_says_nothing_else() {
    let mut office = with_a_webhook().await;
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut commit = Commit::new();
    commit.put(Key::retry(office.webhook("Hook").id, 1, 1), vec![255, 1, 2, 3]);
    store.apply(commit).unwrap();
    office.desk.search = Search::start(store.reader()).unwrap();
    let words = "the store cannot be read; the log of the daemon says why";
    let native = office.get("/v1/deliveries").await;
    assert_eq!((native.status.as_u16(), &native.body["code"]), (500, &json!("internal")));
    assert_eq!(native.body["detail"], words);
    let jetemail = office.ask("POST", "/webhooks/query", json!({})).await;
    assert_eq!(jetemail.status, 500);
    assert_eq!(jetemail.body, json!({ "success": false, "error": words }));
    let lettermint = office.get("/lettermint/v1/webhooks/Hook/deliveries").await;
    assert_eq!(lettermint.status, 500);
    assert_eq!(lettermint.body, json!({ "message": words, "error": "internal" }));
    for (id, _, _, statuses) in operations() {
        let reads = ["list_deliveries", "jetemail_query_deliveries", "lettermint_list_deliveries"];
        assert!(!reads.contains(&id.as_str()) || statuses.contains(&500), "{id}");
    }
}

#[tokio::test]
async fn there_are_so_many_webhooks_and_keys_and_no_more() {
    let office = Office::open();
    office.made(body("create_webhook")).await;
    let one = office.webhook("example-com");
    let other = |number: u32| Change::Put {
        webhook: Arc::new(Webhook {
            id: WebhookId::generate().unwrap(),
            name: number.to_string(),
            ..(*one).clone()
        }),
        is_enabled: None,
    };
    let others = (1..1000).map(other).collect();
    office.desk.writer.change(others).await.unwrap().unwrap();
    let key = |number: u32| {
        let (name, owned) = (number.to_string(), Owned::default());
        let key = ApiKey { name, role: Role::Read, created_ms: 0, owned };
        office.desk.writer.create_key(TokenDigest::of(&number.to_string()), key)
    };
    for outcome in join_all((0..1000).map(key)).await {
        assert_eq!(outcome.unwrap(), KeyOutcome::Done);
    }
    for (path, id, code) in [
        ("/v1/webhooks", "create_webhook", "too_many_webhooks"),
        ("/v1/keys", "create_key", "too_many_keys"),
    ] {
        let refused = office.ask("POST", path, body(id)).await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (409, &json!(code)));
    }
    // JetEmail has no word for a conflict.
    let refused = office.ask("POST", "/webhooks", body("jetemail_create_webhook")).await;
    assert_eq!((refused.status.as_u16(), &refused.body["success"]), (400, &json!(false)));
    let path = "/lettermint/v1/webhooks";
    let refused = office.ask("POST", path, body("lettermint_create_webhook")).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["error"]),
        (409, &json!("too_many_webhooks"))
    );
}
