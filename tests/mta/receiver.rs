//! Where the webhooks arrive: `contrib/receivers/receiver.cjs`, which checks signatures with code
//! that is not ours and writes down each request before it answers.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::needs;

/// Every profile, with the secret of its webhook.
pub(crate) const PROFILES: [(&str, &str); 4] = [
    ("standard", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("jetemail", "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="),
    ("generic", "your-webhook-secret"),
    ("lettermint", "whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="),
];

/// One request, as the receiver wrote it down.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Profile it came for.
    pub(crate) profile: String,
    /// The signature is good, says code that is not ours.
    pub(crate) verified: bool,
    /// What it was answered.
    pub(crate) status: u64,
    /// Event id, by the header where the profile has one.
    pub(crate) id: String,
    /// The parsed body.
    pub(crate) body: Value,
}

/// The running receiver. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Receiver {
    child: Child,
    port: u16,
    out: PathBuf,
}

impl Receiver {
    /// Starts it with its files in `dir`. The first `fail_first` requests of each profile are
    /// answered 500.
    pub(crate) fn start(dir: &Path, fail_first: u32) -> Self {
        let (out, secrets) = (dir.join("requests.jsonl"), dir.join("secrets.json"));
        let pairs = PROFILES.iter().map(|(profile, secret)| ((*profile).into(), json!(secret)));
        fs::write(&secrets, Value::Object(pairs.collect()).to_string()).expect("dir is ours");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/receivers/receiver.cjs");
        let mut child = Command::new("node")
            .arg(script)
            .env("NODE_PATH", needs::node_modules())
            .arg("--out")
            .arg(&out)
            .arg("--secrets")
            .arg(secrets)
            .args(["--fail-first", &fail_first.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed, see needs.rs");
        let stdout = child.stdout.take().expect("stdout was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the receiver says its port");
        let port = line.trim().parse().expect("the receiver says its port");
        Self { child, port, out }
    }

    /// Where webhooks of a profile go.
    pub(crate) fn url(&self, profile: &str) -> String {
        format!("http://127.0.0.1:{}/{profile}", self.port)
    }

    /// Everything so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        // The last line may still be in the making.
        let complete = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        complete.lines().map(Request::of_line).collect()
    }

    /// What was accepted for a profile.
    pub(crate) fn accepted(&self, profile: &str) -> Vec<Request> {
        let accepted = |request: &Request| request.profile == profile && request.status == 204;
        self.requests().into_iter().filter(accepted).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended before us; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Request {
    fn of_line(line: &str) -> Self {
        let record: Value = serde_json::from_str(line).expect("the receiver writes JSON");
        let text = |name: &str| record[name].as_str().expect("the receiver writes it").to_owned();
        Self {
            profile: text("profile"),
            verified: record["verified"].as_bool().expect("the receiver writes it"),
            status: record["status"].as_u64().expect("the receiver writes it"),
            id: text("id"),
            body: serde_json::from_str(&text("body")).expect("a webhook's body is JSON"),
        }
    }
}
