//! What there really is behind the paths of the API, so that not everything which is made up is unknown:
//! names and ids for Schemathesis, in its own configuration.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::TcpStream,
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Daemon;

/// Webhooks and keys that are there to be deleted.
const VICTIMS: usize = 12;

/// Parts of requests to the paths that match: where, what names belong there, and how often.
type Place = (&'static str, &'static [(&'static str, &'static str, f32)]);

/// One for each path: of several that match only one would count.
const PLACES: [Place; 20] = [
    ("^/v1/events$", &[("query.uid", "messages", 0.3), ("query.type", "types", 0.7)]),
    ("^/v1/events/[^/]+(/replay)?$", &[("path.id", "events", 0.8)]),
    (
        "^/v1/events/[^/]+/render$",
        &[
            ("path.id", "events", 0.9),
            ("query.webhook", "webhooks", 0.9),
            ("query.profile", "profiles", 0.9),
        ],
    ),
    ("^/v1/messages/", &[("path.uid", "messages", 0.8)]),
    (
        "^/v1/deliveries$",
        &[
            ("query.webhook", "webhooks", 0.5),
            ("query.event_id", "events", 0.5),
            ("query.type", "types", 0.7),
        ],
    ),
    ("^/v1/deliveries/", &[("path.id", "deliveries", 0.8)]),
    ("^/v1/dead$", &[("query.webhook", "webhooks", 0.5)]),
    ("^/v1/explain$", &[("query.q", "queries", 0.7)]),
    ("^/v1/keys$", &[("body.role", "roles", 0.8)]),
    ("^/v1/keys/", &[("path.id", "keys", 0.7)]),
    ("^/v1/webhooks$", &NATIVE),
    ("^/v1/webhooks/[^/]+$", &NATIVE_ONE),
    ("^/v1/webhooks/[^/]+/", &[("path.id", "webhooks", 0.8)]),
    (
        "^/webhooks$",
        &[("body.uuid", "uuids", 0.9), ("body.url", "urls", 0.9), ("body.name", "names", 0.9)],
    ),
    (
        "^/webhooks/(query|replay)$",
        &[("body.uuid", "uuids", 0.9), ("body.event_id", "events", 0.9)],
    ),
    ("^/webhooks/[^/q]+$", &[("path.id", "webhooks", 0.8)]),
    ("^/lettermint/v1/webhooks$", &LETTERMINT),
    ("^/lettermint/v1/webhooks/[^/]+$", &LETTERMINT_ONE),
    ("^/lettermint/v1/webhooks/[^/]+/[^/]+$", &[("path.id", "webhooks", 0.8)]),
    (
        "^/lettermint/v1/webhooks/[^/]+/[^/]+/",
        &[("path.id", "told", 0.9), ("path.delivery_id", "events", 0.9)],
    ),
];

const NATIVE: [(&str, &str, f32); 3] =
    [("body.url", "urls", 0.9), ("body.events[*]", "types", 0.9), ("body.name", "names", 0.9)];
const NATIVE_ONE: [(&str, &str, f32); 4] =
    [("path.id", "webhooks", 0.8), NATIVE[0], NATIVE[1], NATIVE[2]];
const LETTERMINT: [(&str, &str, f32); 3] = [
    ("body.url", "urls", 0.9),
    ("body.events[*]", "messages_types", 0.9),
    ("body.name", "names", 0.9),
];
const LETTERMINT_ONE: [(&str, &str, f32); 4] =
    [("path.id", "webhooks", 0.8), LETTERMINT[0], LETTERMINT[1], LETTERMINT[2]];

/// What is there, by kind.
#[derive(Debug, Default)]
struct Words(Vec<(&'static str, Vec<String>)>);

/// Makes some things and writes down what they and others are called.
///
/// # Errors
/// The daemon refuses something.
pub(super) fn write(daemon: &Daemon, key: &str, to: &Path) -> Result<()> {
    let words = Words::gathered(daemon, key)?;
    std::fs::write(to, words.text()).context("write the configuration of schemathesis")
}

impl Words {
    fn gathered(daemon: &Daemon, key: &str) -> Result<Self> {
        let mut webhooks = vec!["Shop".to_owned(), "Later".to_owned()];
        let mut keys = Vec::new();
        for number in 0..VICTIMS {
            let name = format!("Hook {number}");
            let url = "https://example.com/";
            let events = "outbound.delivered";
            let made =
                daemon.asked(&["webhooks", "create", url, "--events", events, "--name", &name])?;
            webhooks.push(text(&made, "id")?);
            keys.push(text(&daemon.asked(&["keys", "create", &format!("Key {number}")])?, "id")?);
        }
        let rows = |args: &[&str], member: &str| -> Result<Vec<String>> {
            daemon.rows(args)?.iter().map(|row| text(row, member)).collect()
        };
        let events = daemon.rows(&["events", "list", "--limit", "20"])?;
        let uids = events.iter().filter_map(|event| event.pointer("/data/uid")?.as_str());
        let mut messages: Vec<_> = uids.map(str::to_owned).collect();
        messages.dedup();
        let recipients = events.iter().filter_map(|event| event.pointer("/data/to")?.as_str());
        let queue_ids = events.iter().filter_map(|event| event.pointer("/data/queue_id")?.as_str());
        let queries = recipients.chain(queue_ids).map(str::to_owned).collect();
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self(vec![
            ("uuids", uuids(daemon, key)?),
            ("webhooks", webhooks),
            ("keys", keys),
            ("events", rows(&["events", "list", "--limit", "20"], "id")?),
            ("deliveries", rows(&["deliveries", "list", "--limit", "20"], "id")?),
            ("messages", messages),
            ("queries", queries),
            ("told", own(&["Shop", "Later"])),
            ("profiles", own(&["standard", "jetemail", "generic", "lettermint"])),
            ("types", own(&["outbound.delivered", "outbound.bounced", "outbound.deferred"])),
            ("messages_types", own(&["message.delivered", "message.failed", "webhook.test"])),
            ("urls", own(&["https://example.com/hook", "https://example.org/"])),
            ("names", (0..200).map(|number| format!("Name {number}")).collect()),
            ("roles", own(&["read", "admin"])),
        ]))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (kind, words) in &self.0 {
            // Nothing that is not there is of any use.
            let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
            let words = words.join(", ");
            writeln!(text, "[dictionaries.{kind}]\nvalues = [{words}]").ok();
        }
        for (paths, places) in PLACES {
            writeln!(
                text,
                "[[operations]]\ninclude-path-regex = {paths:?}\n[operations.parameters]"
            )
            .ok();
            for (parameter, kind, share) in places {
                let names = format!("{{ dictionary = \"{kind}\", probability = {share} }}");
                writeln!(text, "\"{parameter}\" = {names}").ok();
            }
        }
        text
    }
}

/// The webhooks as JetEmail's clients call them, which no command does.
fn uuids(daemon: &Daemon, key: &str) -> Result<Vec<String>> {
    let mut stream = TcpStream::connect(&daemon.address).context("connect to the daemon")?;
    write!(stream, "GET /webhooks HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    let body: Value = serde_json::from_str(body)?;
    let webhooks = body.get("webhooks").and_then(Value::as_array);
    webhooks.into_iter().flatten().map(|webhook| text(webhook, "uuid")).collect()
}

fn text(row: &Value, member: &str) -> Result<String> {
    let text = row.get(member).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no `{member}` in {row}"))
}
