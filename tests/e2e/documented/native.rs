//! The native API, asked for what it has, and for what it has not.

use std::fs;

use serde_json::{Value, json};

use super::Scene;
use crate::{lines, until};

const NONE: Value = Value::Null;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Scene {
    pub(super) fn native(&mut self) {
        self.webhooks();
        self.changes_of_webhooks();
        self.secrets();
        let event = self.events();
        self.deliveries(&event);
        self.dead_letters();
        self.keys();
        self.the_daemon();
        self.the_stream();
        self.the_configuration();
    }

    fn webhooks(&mut self) {
        let url = self.receiver.url();
        let new = json!({ "name": "New", "url": url, "events": ["outbound.delivered"],
            "secret": "a-secret-that-was-given" });
        let made = self.expect(201, "create_webhook", &[], new.clone());
        assert_eq!(made["warnings"][0]["code"], "plain_http");
        let taken = self.expect(409, "create_webhook", &[], new);
        assert_eq!(taken["code"], "name_taken");
        for (wrong, code) in [
            (json!({}), "missing"),
            (json!({ "colour": 1 }), "unknown_field"),
            (json!({ "timeout": 3 }), "invalid"),
            (json!({ "secret_file": "/etc/shadow" }), "not_allowed"),
            (json!({ "url": "http://169.254.169.254/" }), "egress_denied"),
        ] {
            let refused = self.expect(400, "create_webhook", &[], wrong);
            let errors = refused["errors"].as_array().unwrap();
            assert!(errors.iter().any(|error| error["code"] == code), "{refused}");
        }
        let never = json!({ "name": "Never", "url": url, "events": ["opened"] });
        let never = self.expect(201, "create_webhook", &[], never);
        assert!(never["warnings"].to_string().contains("never_told"), "{never}");
        self.expect(204, "delete_webhook", &["Never"], NONE);
        self.expect(409, "delete_webhook", &["Shop"], NONE);
        let foreign = json!({ "url": url, "events": ["delivered"], "filter_users": ["eve"] });
        let create = self.book.operation("create_webhook");
        let answer = self.ask(&self.owner.clone(), &create, "/v1/webhooks", &foreign.to_string());
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("not_owned")));
        self.expect(200, "list_webhooks", &[], NONE);
        self.expect(200, "show_webhook", &["New"], NONE);
    }

    fn changes_of_webhooks(&mut self) {
        for change in ["put_webhook", "patch_webhook"] {
            self.expect(200, change, &["New"], json!({ "timeout": "3s" }));
            self.expect(400, change, &["New"], json!({ "timeout": "3h" }));
            self.expect(409, change, &["Shop"], json!({ "timeout": "3s" }));
        }
        let other = self.expect(200, "patch_webhook", &["New"], json!({ "profile": "jetemail" }));
        assert!(other["warnings"].to_string().contains("signature_changes"), "{other}");
        self.expect(200, "disable_webhook", &["New"], NONE);
        self.expect(200, "enable_webhook", &["New"], json!({}));
        self.expect(400, "enable_webhook", &["New"], json!({ "resume": "later" }));
        self.expect(200, "test_webhook", &["New"], NONE);
        self.expect(200, "verify_webhook", &["New"], NONE);
        self.expect(200, "list_attempts", &["Shop"], NONE);
        self.expect(400, "list_attempts", &["Shop", "?cursor=x"], NONE);
    }

    fn secrets(&mut self) {
        let same = json!({ "secret": "a-secret-that-was-given" });
        let refused = self.expect(409, "rotate_secret", &["New"], same);
        assert_eq!(refused["code"], "same_secret");
        self.expect(400, "rotate_secret", &["New"], json!({ "grace_seconds": 604_801 }));
        for _ in 0..2 {
            self.expect(200, "rotate_secret", &["New"], NONE);
        }
        let refused = self.expect(409, "rotate_secret", &["New"], NONE);
        assert_eq!(refused["code"], "too_many_secrets");
    }

    /// Gives the id of one.
    fn events(&mut self) -> String {
        let all = self.expect(200, "list_events", &["?type=outbound.delivered"], NONE);
        let (id, uid) = (text(&all["data"][0]["id"]), text(&all["data"][0]["data"]["uid"]));
        self.expect(400, "list_events", &["?limit=x"], NONE);
        self.expect(200, "show_event", &[&id], NONE);
        self.expect(200, "render_event", &[&id, "?profile=lettermint"], NONE);
        self.expect(400, "render_event", &[&id, "?profile=other"], NONE);
        self.expect(200, "replay_event", &[&id], json!({ "webhooks": ["New"] }));
        self.expect(400, "replay_event", &[&id], json!({ "webhook": "New" }));
        self.expect(200, "show_message", &[&uid], NONE);
        self.expect(200, "explain", &["?q=user0@good.test"], NONE);
        self.expect(400, "explain", &["?q="], NONE);
        let mail = json!("no report");
        self.expect(200, "take_report", &[], mail);
        self.expect(200, "parse_lines", &[], json!({ "lines": [crate::line(1)] }));
        self.expect(400, "parse_lines", &[], json!({ "lines": [] }));
        id
    }

    fn deliveries(&mut self, event: &str) {
        self.receiver.refuse();
        self.host.append("mail.log", &lines(3..4));
        let shop = text(&self.expect(200, "show_webhook", &["Shop"], NONE)["id"]);
        let mut waits = String::new();
        until("a retry waits", || {
            let found = self.api.get("/v1/deliveries?webhook=Shop&state=pending").json();
            let row = found["data"].as_array().unwrap().iter().find(|it| it["reason"].is_string());
            waits = row.map(|row| text(&row["id"])).unwrap_or_default();
            !waits.is_empty()
        });
        self.expect(200, "cancel_delivery", &[&waits], NONE);
        let refused = self.expect(409, "cancel_delivery", &[&waits], NONE);
        assert_eq!(refused["code"], "not_pending");
        self.receiver.accept();
        let id = format!("{event}.{shop}");
        self.expect(200, "show_delivery", &[&id], NONE);
        self.expect(200, "retry_delivery", &[&id], NONE);
        self.expect(200, "list_deliveries", &["?webhook=Shop"], NONE);
        self.expect(400, "list_deliveries", &["?since=yesterday"], NONE);
        self.expect(404, "list_deliveries", &["?webhook=nobody"], NONE);
        let since = "2026-01-01T00:00:00Z";
        self.expect(200, "recover_webhook", &["Shop"], json!({ "since": since, "dry_run": true }));
        let refused = json!({ "since": since, "states": ["deaf"] });
        self.expect(400, "recover_webhook", &["Shop"], refused);
    }

    fn dead_letters(&mut self) {
        let dead = self.expect(200, "list_dead_letters", &[], NONE);
        assert_eq!(dead["data"][0]["state"], "cancelled", "{dead}");
        for operation in ["list_dead_letters", "purge_dead_letters"] {
            self.expect(400, operation, &["?state=deaf"], NONE);
            self.expect(404, operation, &["?webhook=nobody"], NONE);
        }
        self.expect(400, "retry_dead_letters", &[], json!({ "state": "deaf" }));
        self.expect(404, "retry_dead_letters", &[], json!({ "webhook": "nobody" }));
        self.expect(200, "retry_dead_letters", &[], json!({}));
        self.expect(200, "purge_dead_letters", &[], NONE);
    }

    fn keys(&mut self) {
        let new = json!({ "name": "Graphs", "role": "read" });
        self.expect(201, "create_key", &[], new.clone());
        self.expect(409, "create_key", &[], new);
        self.expect(400, "create_key", &[], json!({ "name": "Graphs", "role": "king" }));
        self.expect(200, "list_keys", &[], NONE);
        self.expect(204, "revoke_key", &["Graphs"], NONE);
        self.expect(200, "list_changes", &[], NONE);
        self.expect(400, "list_changes", &["?cursor=x"], NONE);
    }

    fn the_daemon(&mut self) {
        for operation in ["list_sources", "list_event_types", "metrics", "health", "readiness"] {
            self.expect(200, operation, &[], NONE);
        }
    }

    fn the_stream(&mut self) {
        let operation = self.book.operation("listen");
        let answer = crate::http::Stream::open(&self.api, "/v1/stream", "").answer();
        self.book.note(&operation, &answer);
        self.expect(400, "listen", &["?only=both"], NONE);
        self.expect(404, "listen", &["?webhook=nobody"], NONE);
    }

    fn the_configuration(&mut self) {
        self.expect(200, "reload", &[], NONE);
        let path = self.api.config.clone();
        let good = fs::read(&path).unwrap();
        fs::write(&path, "colour = 1\n").unwrap();
        self.expect(400, "reload", &[], NONE);
        fs::remove_file(&path).unwrap();
        assert_eq!(self.expect(409, "reload", &[], NONE)["code"], "not_reloaded");
        fs::write(&path, good).unwrap();
    }
}
