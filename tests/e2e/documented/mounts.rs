//! The mounts of the providers, asked for what they have, and for what they have not.

use serde_json::{Value, json};

use super::Scene;
use crate::until;

const NONE: Value = Value::Null;
/// Nothing has this id.
const NOTHING: &str = "a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d";

impl Scene {
    pub(super) fn mounts(&mut self) {
        let event = self.api.get("/v1/events?type=outbound.delivered").json();
        let event = event["data"][0]["id"].as_str().unwrap().to_owned();
        self.jetemail(&event);
        self.lettermint(&event);
    }

    fn jetemail(&mut self, event: &str) {
        let new = json!({ "name": "Jet", "url": self.receiver.url(),
            "events": ["outbound.delivered"] });
        let made = self.expect(200, "jetemail_create_webhook", &[], new.clone());
        let uuid = made["webhook"]["uuid"].as_str().unwrap().to_owned();
        self.expect(400, "jetemail_create_webhook", &[], new);
        self.expect(200, "jetemail_list_webhooks", &[], NONE);
        self.expect(200, "jetemail_show_webhook", &[&uuid], NONE);
        let update = "jetemail_update_webhook";
        self.expect(200, update, &[], json!({ "uuid": uuid, "status": 1 }));
        self.expect(400, update, &[], json!({ "uuid": uuid, "status": 2 }));
        self.expect(404, update, &[], json!({ "uuid": NOTHING, "status": 1 }));
        let query = "jetemail_query_deliveries";
        let found = self.expect(200, query, &[], json!({ "event_id": event }));
        assert!(found["total"].as_u64() > Some(0), "{found}");
        self.expect(400, query, &[], json!({ "limit": 0 }));
        self.expect(404, query, &[], json!({ "uuid": NOTHING }));
        let replay = "jetemail_replay_event";
        self.expect(200, replay, &[], json!({ "event_id": event, "uuid": uuid }));
        self.expect(400, replay, &[], json!({}));
        self.expect(404, replay, &[], json!({ "event_id": event, "uuid": NOTHING }));
        self.expect(400, "jetemail_delete_webhook", &["Shop"], NONE);
        self.expect(200, "jetemail_delete_webhook", &[&uuid], NONE);
    }

    fn lettermint(&mut self, event: &str) {
        let new = json!({ "name": "Mint", "url": self.receiver.url(),
            "events": ["message.delivered"] });
        let made = self.expect(201, "lettermint_create_webhook", &[], new.clone());
        let id = made["data"]["id"].as_str().unwrap().to_owned();
        self.expect(422, "lettermint_create_webhook", &[], new);
        self.expect(200, "lettermint_list_webhooks", &[], NONE);
        self.expect(422, "lettermint_list_webhooks", &["?sort=colour"], NONE);
        self.expect(200, "lettermint_show_webhook", &[&id], NONE);
        let update = "lettermint_update_webhook";
        self.expect(200, update, &[&id], json!({ "enabled": true }));
        self.expect(422, update, &[&id], json!({ "enabled": 1 }));
        self.expect(409, update, &["Shop"], json!({ "name": "Other" }));
        let tested = self.expect(200, "lettermint_test_webhook", &[&id], NONE);
        let trial = tested["delivery_id"].as_str().unwrap();
        until("the test came", || {
            let shown = self.expect(200, "lettermint_show_delivery", &[&id, trial], NONE);
            shown["status"] == "success"
        });
        self.api.post(&format!("/v1/events/{event}/replay"), "{\"webhooks\":[\"Mint\"]}");
        self.expect(200, "lettermint_list_deliveries", &[&id], NONE);
        self.expect(422, "lettermint_list_deliveries", &[&id, "?sort=colour"], NONE);
        self.expect(404, "lettermint_show_delivery", &[&id, "evt_none"], NONE);
        self.expect(200, "lettermint_regenerate_secret", &[&id], NONE);
        self.expect(409, "lettermint_delete_webhook", &["Shop"], NONE);
        self.expect(200, "lettermint_delete_webhook", &[&id], NONE);
    }
}
