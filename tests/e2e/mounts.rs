//! The API as clients of others ask for it: the command lines of the generic guide, and JetEmail's
//! history. Lettermint's SDKs are in `tests/receivers`.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    http::{Api, request},
    lines,
    program::{Host, text},
    receiver::Receiver,
    until,
    webhooks::EGRESS,
};

/// The command lines of the guide, and the answer that it prints.
const GUIDE: &str = include_str!("../../fixtures/api/generic/curl.md");

/// What stands in the guide's blocks of that language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let blocks = GUIDE.split(&begin).skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0).collect()
}

/// Runs a command line of the guide as it is printed, apart from what stands for something there.
fn run(api: &Api, line: &str, id: &str) -> Option<Value> {
    let line = line
        .replace("https://api.yourdomain.com", &format!("http://{}", api.address))
        .replace("YOUR_API_KEY", &api.admin)
        .replace("wh_abc123", id);
    let done = Command::new("sh").arg("-c").arg(&line).output().unwrap();
    assert!(done.status.success(), "{line}: {}", text(&done.stderr));
    (!done.stdout.is_empty()).then(|| serde_json::from_slice(&done.stdout).unwrap())
}

#[test]
fn m12_m13_m14_m15_the_command_lines_of_the_generic_guide_work_as_they_are_printed() {
    if !crate::is_installed("curl") {
        return crate::skip("curl");
    }
    let (host, receiver) = (Host::new(), Receiver::start());
    let api = Api::start(&host, &receiver, "");
    let [create, list, update, delete, logs] = blocks("bash")[..] else { panic!("{GUIDE}") };
    let printed: Value = serde_json::from_str(blocks("json")[0]).unwrap();

    let made = run(&api, create, "").unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("wh_"));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    for same in ["url", "events", "active"] {
        assert_eq!(made[same], printed[same], "{same}");
    }
    assert!(made.get("secret").is_none());
    let listed = run(&api, list, id).unwrap();
    assert_eq!(listed["data"][1]["id"], id);
    let updated = run(&api, update, id).unwrap();
    assert_eq!(updated["events"], json!(["delivered", "bounced", "complained", "opened"]));
    assert_eq!((&updated["url"], &updated["secret_hint"]), (&printed["url"], &json!("cret")));
    assert_eq!(run(&api, logs, id).unwrap(), json!({ "data": [], "next_cursor": null }));
    assert_eq!(run(&api, delete, id), None);
    assert_eq!(run(&api, list, id).unwrap()["data"].as_array().unwrap().len(), 1);
}

fn made(api: &Api, key: &str, receiver: &Receiver, keys: &Value) -> Value {
    let mut body =
        json!({ "name": "Jet", "url": receiver.url(), "events": ["outbound.delivered"] });
    body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let made = request(api.address, "POST", "/webhooks", Some(key), &body.to_string());
    assert_eq!(made.status, 200, "{made:?}");
    made.json()["webhook"].clone()
}

fn query(api: &Api, body: &Value) -> Value {
    let found =
        request(api.address, "POST", "/webhooks/query", Some(&api.reader), &body.to_string());
    assert_eq!(found.status, 200, "{found:?}");
    found.json()
}

#[test]
fn what_jetemails_clients_ask_of_the_history_is_answered_and_an_event_is_sent_again() {
    let (host, other, receiver) = (Host::new(), Receiver::start(), Receiver::start());
    let api = Api::start(&host, &other, EGRESS);
    let webhook = made(&api, &api.admin, &receiver, &json!({}));
    host.append("mail.log", &lines(0..3));
    until("three events", || receiver.count() == 3 && other.count() == 3);
    let secret = webhook["secret"].as_str().unwrap();
    assert!(receiver.requests().iter().all(|request| request.is_signed_with(secret)));

    let uuid = &webhook["uuid"];
    let succeeded = || query(&api, &json!({ "uuid": uuid, "status": "success" }));
    until("they are on record", || succeeded()["total"] == 3);
    let all = succeeded();
    let latest = &all["events"][0];
    assert_eq!((&latest["uuid"], &latest["service"]), (uuid, &json!("outbound")));
    assert_eq!(
        (&latest["latest_status"], &latest["total_attempts"]),
        (&json!("success"), &json!(1))
    );
    assert!((200..300).contains(&latest["last_response_code"].as_u64().unwrap()), "{latest}");
    assert_eq!(latest["payload"]["uid"], latest["source_uid"]);
    assert_eq!(latest["payload"]["to"], "user2@good.test");
    assert_eq!(
        (&latest["webhook_url"], &latest["created_at"]),
        (&webhook["url"], &json!(1_772_359_200))
    );
    let page = query(&api, &json!({ "uuid": uuid, "limit": 2, "offset": 2 }));
    assert_eq!(page["events"], json!([all["events"][2]]));
    assert_eq!((&page["total"], &page["offset"]), (&json!(3), &json!(2)));
    for nothing in [
        json!({ "uuid": uuid, "status": "failed" }),
        json!({ "event_type": "outbound.bounced" }),
        json!({ "date_from": 1_772_359_201 }),
        json!({ "date_to": 1_772_359_200 }),
    ] {
        assert_eq!(query(&api, &nothing)["total"], 0, "{nothing}");
    }
    let of_event = query(&api, &json!({ "event_id": latest["id"] }));
    assert_eq!(of_event["total"], 2, "one for each webhook");

    let again = json!({ "event_id": latest["id"], "uuid": uuid });
    let replayed = api.post("/webhooks/replay", &again.to_string());
    assert_eq!(
        (replayed.status, &replayed.json()["status"]),
        (200, &json!("enqueued")),
        "{replayed:?}"
    );
    assert_eq!(replayed.json()["event_id"], latest["id"]);
    until("it comes again", || receiver.count() == 4);
    let of_message = json!({ "source_uid": latest["source_uid"] });
    assert_eq!(api.post("/webhooks/replay", &of_message.to_string()).status, 200);
    until("to both", || receiver.count() == 5 && other.count() == 4);
    assert_eq!(receiver.ids().len(), 3, "under the same id");
    let read_only =
        request(api.address, "POST", "/webhooks/replay", Some(&api.reader), &again.to_string());
    assert_eq!(read_only.status, 403);
}

/// A replay leads past the filters of a webhook, so it must not for whoever is held to them.
#[test]
fn m11_who_owns_a_part_of_the_mail_gets_no_other_part_by_a_replay() {
    let (host, other, receiver) = (Host::new(), Receiver::start(), Receiver::start());
    let api = Api::start(&host, &other, EGRESS);
    let owner = json!({ "name": "Owner", "role": "admin", "owned_users": ["ann"] });
    let owner = api.post("/v1/keys", &owner.to_string()).json();
    let owner = owner["key"].as_str().unwrap();
    let own = made(&api, owner, &receiver, &json!({}));
    host.append("mail.log", &lines(0..1));
    until("the webhook of the file", || other.count() == 1);
    until("it is on record", || query(&api, &json!({ "status": "success" }))["total"] == 1);
    let found = query(&api, &json!({}));
    let id = &found["events"][0]["id"];
    for body in [json!({ "event_id": id, "uuid": own["uuid"] }), json!({ "event_id": id })] {
        let refused =
            request(api.address, "POST", "/webhooks/replay", Some(owner), &body.to_string());
        assert_eq!(refused.status, 404, "{refused:?}");
    }
    let seen = request(api.address, "POST", "/webhooks/query", Some(owner), "{}");
    assert_eq!(seen.json()["total"], 0);
    // Nor is it told how much other mail there is.
    let path = format!("/v1/webhooks/{}", own["uuid"].as_str().unwrap());
    let decisions = |key: &str| request(api.address, "GET", &path, Some(key), "").json();
    until("it is decided", || decisions(&api.admin)["decisions"][0]["is_told"] == false);
    assert_eq!(decisions(owner)["decisions"], json!([]));
    assert_eq!(receiver.count(), 0);
}
