//! Every event, sent by the built program to receivers that we did not write: the libraries of
//! Standard Webhooks, Svix and Lettermint, and what the providers' documentation tells people to copy
//! (`contrib/receivers`).
//!
//! One replay tells all of them, and a [`recorder`] for each profile, about the same log; what the
//! recorders got is tampered with and sent again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod herald;
mod recorder;
mod sdk;
mod servers;
mod signed;

use std::{collections::BTreeSet, env, path::Path};

use lettermint::webhook::Webhook;
use serde_json::Value;
use tempfile::TempDir;

use herald::{Target, dry_run, replay};
use recorder::{Recorder, Request};
use servers::{KINDS, Server};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PROFILES: [&str; 4] = ["standard", "jetemail", "generic", "lettermint"];

/// A message that amavis marked with exactly 15 points, which JavaScript prints without a fraction,
/// and one that was refused.
const INCOMING: &str = "\
2026-03-02T10:00:00.000000+00:00 mx postfix/smtpd[9]: 1B7F053E70F: client=mx.far.test[192.0.2.5]
2026-03-02T10:00:00.100000+00:00 mx postfix/cleanup[9]: 1B7F053E70F: message-id=<15@far.test>
2026-03-02T10:00:00.200000+00:00 mx postfix/qmgr[9]: 1B7F053E70F: from=<ann@far.test>, size=370, nrcpt=1 (queue active)
2026-03-02T10:00:01.000000+00:00 mx amavis[98]: (00098-04) Passed SPAMMY {RelayedTaggedInbound}, [192.0.2.5]:55039 <ann@far.test> -> <bob@lab.test>, Queue-ID: 1B7F053E70F, Message-ID: <15@far.test>, mail_id: I6VRoRgOZi1F, Hits: 15.0, size: 370, 398 ms
2026-03-02T10:00:02.000000+00:00 mx postfix/local[9]: 1B7F053E70F: to=<bob@lab.test>, relay=local, delay=2, delays=1/0/0/1, dsn=2.0.0, status=sent (delivered to mailbox)
2026-03-02T10:00:02.100000+00:00 mx postfix/qmgr[9]: 1B7F053E70F: removed
2026-03-02T10:00:03.000000+00:00 mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from mx.far.test[192.0.2.5]: 554 5.7.1 <cat@lab.test>: Recipient address rejected: Access denied; from=<ann@far.test> to=<cat@lab.test> proto=ESMTP helo=<mx.far.test>
";

/// Mail of eight outbound types through amavis, as it was recorded, and what came in.
fn write_log(path: &Path) {
    const RECORDED: &str = include_str!(
        "../../fixtures/postfix/3.7.11/lab/52_amavis_content_filter_no_xforward.rfc3339.log"
    );
    std::fs::write(path, [RECORDED, INCOMING].concat()).unwrap();
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn id(request: &Request) -> String {
    body(request)["id"].as_str().unwrap().to_owned()
}

/// The body says something else, and is still JSON.
fn tampered(request: &Request) -> Request {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let body = text.replacen("msg_", "msh_", 1).into_bytes();
    assert_ne!(body, request.body);
    Request { body, ..request.clone() }
}

/// The recorder of a profile among those of [`PROFILES`].
fn of<'a>(recorders: &'a [Recorder], profile: &str) -> &'a Recorder {
    &recorders[PROFILES.iter().position(|name| *name == profile).unwrap()]
}

/// One test, because the replay is what takes time.
#[test]
fn receivers_that_we_did_not_write_take_every_event_and_refuse_what_was_tampered_with() {
    if let Some(missing) = servers::missing() {
        assert!(env::var_os("CI").is_none(), "the receivers need {missing}: `cargo xtask test`");
        return eprintln!("\n*** SKIPPED: the receivers need {missing}: `cargo xtask test` ***\n");
    }
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("mail.log");
    write_log(&log);
    let servers: Vec<_> = KINDS.iter().map(|kind| Server::start(kind, dir.path())).collect();
    let recorders = PROFILES.map(|_| Recorder::start());
    let named = PROFILES.iter().zip(&recorders);
    let recording =
        named.map(|(profile, recorder)| Target::new("recorder", profile, &recorder.url()));
    let serving =
        servers.iter().map(|server| Target::new(server.program, server.profile, &server.url()));
    replay(dir.path(), &log, &recording.chain(serving).collect::<Vec<_>>());

    every_event_was_sent(&recorders, &dry_run(dir.path(), &log));
    for server in &servers {
        takes_what_is_genuine_and_nothing_else(server, of(&recorders, server.profile));
    }
    the_crate_of_lettermint_agrees(&of(&recorders, "lettermint").requests());
}

fn every_event_was_sent(recorders: &[Recorder], events: &[Value]) {
    let all: BTreeSet<_> =
        events.iter().map(|event| event["id"].as_str().unwrap().into()).collect();
    let sent = of(recorders, "standard").requests();
    assert_eq!(sent.iter().map(id).collect::<BTreeSet<_>>(), all);
    let types: BTreeSet<_> = sent.iter().map(|request| body(request)["type"].to_string()).collect();
    assert_eq!(types.len(), 12, "{types:?}");
    for recorder in recorders {
        let requests = recorder.requests();
        assert!(requests.len() > 20, "only {}", requests.len());
    }
    let has_score = |request: &&Request| body(request)["data"]["spam_score"] == 15;
    let scored = of(recorders, "jetemail").requests();
    let text = String::from_utf8(scored.iter().find(has_score).unwrap().body.clone()).unwrap();
    assert!(text.contains(r#""score":15,"#), "{text}");
}

fn takes_what_is_genuine_and_nothing_else(server: &Server, recorder: &Recorder) {
    let requests = recorder.requests();
    let sent: BTreeSet<_> = requests.iter().map(id).collect();
    assert_eq!(server.accepted(), sent, "{server:?}");
    assert_eq!(server.refused(), 0, "{server:?}");

    let genuine = &requests[0];
    assert_eq!(recorder::post(&server.url(), genuine), 200, "{server:?}");
    assert_eq!(recorder::post(&server.url(), &tampered(genuine)), 401, "{server:?}");
    let mut unsigned = genuine.clone();
    unsigned.headers.retain(|(name, _)| !name.contains("signature"));
    assert_eq!(recorder::post(&server.url(), &unsigned), 401, "{server:?}");
}

/// `lettermint` 0.3.3, as a receiver in Rust uses it.
fn the_crate_of_lettermint_agrees(requests: &[Request]) {
    let webhook = Webhook::new(SECRET).unwrap();
    let verify = |request: &Request| {
        let header = |name: &str| request.header(name);
        let text = std::str::from_utf8(&request.body).unwrap();
        webhook.verify_headers(
            header("x-lettermint-signature").unwrap(),
            header("x-lettermint-delivery"),
            header("x-lettermint-event"),
            header("x-lettermint-attempt"),
            text,
        )
    };
    for request in requests {
        let event = verify(request).unwrap();
        assert_eq!(event.event.as_deref(), event.payload["event"].as_str());
        assert_eq!(event.attempt, Some(1));
        assert!(verify(&tampered(request)).is_err());
    }
}
