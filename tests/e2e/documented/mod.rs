//! Every operation of the API, every status that its description promises, and every word for a refusal:
//! provoked on the running program, and compared with the description, both ways.
//!
//! * [`book`] — what is described, and what was seen of it; each answer is checked against its schema;
//! * `native`, `mounts` — what is asked rightly, and what goes wrong there only;
//! * here — what goes wrong everywhere.
//!
//! That the machine or the writer fails (500, 503) is provoked where they can be made to:
//! `src/api/tests/failures.rs`.
#![allow(clippy::needless_pass_by_value, reason = "tests")]

mod book;
mod mounts;
mod native;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_res_uid,
};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Api, request, request_on, requests_of_nobody},
    lines,
    program::Host,
    receiver::Receiver,
    until,
    webhooks::EGRESS,
};
use book::{Book, Operation};

/// One byte more than the body of a request may have.
const TOO_LARGE: usize = 256 * 1024 + 1;
/// Operations behind which no key owns too little, and which change nothing: only the socket refuses
/// them to anybody.
const OPEN: [&str; 11] = [
    "list_webhooks",
    "show_webhook",
    "list_attempts",
    "list_event_types",
    "jetemail_list_webhooks",
    "jetemail_show_webhook",
    "jetemail_query_deliveries",
    "lettermint_list_webhooks",
    "lettermint_show_webhook",
    "lettermint_list_deliveries",
    "lettermint_show_delivery",
];

/// A daemon, who asks it, and what it answered.
struct Scene {
    book: Book,
    host: Host,
    receiver: Receiver,
    api: Api,
    /// May change everything of one user's mail.
    owner: String,
}

impl Scene {
    fn open() -> Self {
        let (host, receiver) = (Host::new(), Receiver::start());
        let api = Api::start(&host, &receiver, &format!("schedule = [\"1h\"]\n{EGRESS}"));
        let owner = json!({ "name": "Owner", "role": "admin", "owned_users": ["ann"] });
        let owner = api.post("/v1/keys", &owner.to_string()).json();
        let owner = owner["key"].as_str().unwrap().to_owned();
        host.append("mail.log", &lines(0..3));
        until("three events", || receiver.count() == 3);
        let delivered = || api.get("/v1/deliveries?state=delivered").json();
        until("they are on record", || delivered()["data"].as_array().unwrap().len() == 3);
        Self { book: Book::open(), host, receiver, api, owner }
    }

    /// Asks with that key, and notes the answer.
    fn ask(&mut self, key: &str, operation: &Operation, path: &str, body: &str) -> Answer {
        let answer = request(self.api.address, &operation.method, path, Some(key), body);
        self.book.note(operation, &answer);
        answer
    }

    /// Asks as the admin for what is `chosen`, with a query behind a question mark in the last place if
    /// there is one; expects that status.
    fn expect(&mut self, status: u16, operation: &str, chosen: &[&str], body: Value) -> Value {
        let operation = self.book.operation(operation);
        let query = chosen.get(operation.choices()).copied().unwrap_or_default();
        let path = operation.at(chosen) + query;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(&self.api.admin.clone(), &operation, &path, &body);
        assert_eq!(answer.status, status, "{} {path} {body}: {answer:?}", operation.method);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}

#[test]
fn every_documented_answer_and_every_word_for_a_refusal_comes_and_no_other_does() {
    let mut scene = Scene::open();
    scene.native();
    scene.mounts();
    scene.what_goes_wrong_everywhere();
    scene.without_room();
    scene.without_a_file();
    let is_root = geteuid().is_root();
    let unseen = scene.book.unseen(|operation, status| match status {
        500 => true,
        503 => operation.id != "readiness",
        // It takes a second user of the machine.
        403 => !is_root && OPEN.contains(&operation.id.as_str()),
        // There would have to be a thousand webhooks.
        409 => operation.id == "lettermint_create_webhook",
        _ => false,
    });
    assert!(unseen.is_empty(), "described, and never answered: {unseen:#?}");
    // `src/api/tests/failures.rs` provokes these.
    let mut elsewhere =
        vec!["internal", "logs_late", "stopping", "too_many_webhooks", "too_many_keys"];
    elsewhere.extend(Some("forbidden").filter(|_| !is_root));
    let unseen = scene.book.unseen_codes(&elsewhere);
    assert!(unseen.is_empty(), "described, and never said: {unseen:#?}");
}

impl Scene {
    fn what_goes_wrong_everywhere(&mut self) {
        let another = json!({ "name": "Another", "role": "admin" });
        let admin =
            self.expect(201, "create_key", &[], another)["key"].as_str().unwrap().to_owned();
        for operation in self.book.operations() {
            self.unknown_key(&operation);
            self.nobody(&operation);
            self.not_allowed(&operation);
            self.not_there(&operation, &admin);
            if operation.choices() > 0 {
                let path = operation.at(&["%FF", "%FF"]);
                let status = self.ask(&admin, &operation, &path, "{}").status;
                assert!([400, 422].contains(&status), "{path}: {status}");
            }
            if operation.has_body {
                let path = operation.at(&["Shop"]);
                let path = path.replace("/events/Shop", &format!("/events/evt_{}", "0".repeat(26)));
                let large = " ".repeat(TOO_LARGE);
                assert_eq!(self.ask(&admin, &operation, &path, &large).status, 413, "{path}");
            }
        }
        for (method, path) in [("GET", "/v1/nothing"), ("DELETE", "/v1/audit")] {
            self.book.note_code(&request(self.api.address, method, path, Some(&admin), ""));
        }
    }

    /// Asked on the socket: strangers on the network may ask too seldom for this.
    fn unknown_key(&mut self, operation: &Operation) {
        if operation.may_answer(401) {
            let path = operation.at(&["Shop", "x"]);
            let socket = self.host.path("state/api.sock");
            let answer = request_on(&socket, &operation.method, &path, Some("api_x"), "");
            assert_eq!(answer.status, 401);
            self.book.note(operation, &answer);
        }
    }

    fn nobody(&mut self, operation: &Operation) {
        let path = operation.at(&["Shop", "x"]);
        until("too many requests", || {
            for answer in requests_of_nobody(self.api.address, &operation.method, &path, 24) {
                self.book.note(operation, &answer);
            }
            self.book.has_seen(&operation.id, 429)
        });
    }

    fn not_allowed(&mut self, operation: &Operation) {
        let path = operation.at(&["Shop", "x"]);
        if OPEN.contains(&operation.id.as_str()) {
            let (book, socket) = (&mut self.book, self.host.path("state/api.sock"));
            if geteuid().is_root() {
                let answer = of_another_user(&socket, &operation.method, &path);
                book.note(operation, &answer);
                assert_eq!(answer.status, 403);
            }
        } else if operation.may_answer(403) {
            let is_change = operation.method != "GET" && operation.id != "parse_lines";
            let key = if is_change { &self.api.reader } else { &self.owner };
            let answer = self.ask(&key.clone(), operation, &path, "");
            assert_eq!(answer.status, 403, "{path}");
        }
    }

    /// What is well said and names nothing.
    fn not_there(&mut self, operation: &Operation, admin: &str) {
        if operation.choices() == 0 || !operation.may_answer(404) {
            return;
        }
        let (none, shop) = ("0".repeat(26), self.api.get("/v1/webhooks/Shop").json());
        let event = format!("evt_{none}");
        let chosen = match operation.path.split('/').nth(2) {
            Some("events") => event.clone(),
            Some("messages") => format!("msg_{none}"),
            Some("deliveries") => format!("{event}.{}", shop["id"].as_str().unwrap()),
            _ => "nobody".to_owned(),
        };
        let path = operation.at(&[&chosen, &event]);
        // Other bodies may be empty.
        let is_recovery = operation.id == "recover_webhook";
        let body = if is_recovery { r#"{"since":"2026-01-01T00:00:00Z"}"# } else { "{}" };
        assert_eq!(self.ask(admin, operation, &path, body).status, 404, "{path}");
    }

    /// A daemon that may not read for want of room is not ready.
    fn without_room(&mut self) {
        let host = Host::new();
        let api = Api::start(&host, &self.receiver, "[store]\nmin_free = \"4096TiB\"");
        let operation = self.book.operation("readiness");
        until("it is not ready", || {
            self.book.note(&operation, &request(api.address, "GET", "/readyz", None, ""));
            self.book.has_seen("readiness", 503)
        });
    }

    /// A daemon that was started by flags has nothing to read again.
    fn without_a_file(&mut self) {
        let host = Host::new();
        let (log, state, url) = (host.text("mail.log"), host.text("state"), self.receiver.url());
        let run = ["run", "--log", &log, "--webhook", &url, "--state", &state];
        let _program = host.start(&run, std::process::Stdio::null());
        let socket = host.path("state/api.sock");
        until("the API listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        let answer = request_on(&socket, "POST", "/v1/reload", None, "");
        self.book.note(&self.book.operation("reload"), &answer);
        assert_eq!(answer.json()["code"], "no_file");
    }
}

/// Asked by a user for whom the socket was not made, and whom somebody let through to it.
fn of_another_user(socket: &Path, method: &str, path: &str) -> Answer {
    let state = socket.parent().unwrap();
    for (path, mode) in [(state.parent().unwrap(), 0o711), (state, 0o711), (socket, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // Of one thread only.
    let ask = || {
        let nobody = Uid::from_raw(65534);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        request_on(socket, method, path, None, "")
    };
    std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
}
