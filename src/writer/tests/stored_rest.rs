//! What the first stored forms have nothing of: attempts, webhooks that were made, keys, the audit log,
//! a journal, Haraka, a replay that was stopped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use serde_json::json;
use tokio::sync::oneshot;

use super::{
    Bench, Mode, Prefix, Store, batch_of, bench::webhook, delivered, lines, replay_set::stopped,
};
use crate::{
    config::Webhook,
    queue::{
        attempt::{Attempt, Exchange, ExchangeResult, RequestBody, Times},
        delivery::{Claim, Finished},
        endpoint::{Sighting, Signal},
    },
    secret::{ApiKey, Owned, Role, Sealing, TokenDigest},
    source::{Batch, JournalPosition},
    writer::{
        AuditRow, Change, Command,
        api_keys::{self, KeyAction},
        audit, journal_position, made_webhooks, replay_positions,
    },
};

const CURSOR: &str = "s=1;i=2;b=3";
const HARAKA: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";

/// Reports a delivery with its attempt.
pub(super) fn finish_on_record(bench: &mut Bench, claim: &Claim) {
    let sighting = Sighting {
        signal: Signal::Took,
        hold: std::time::Duration::ZERO,
        gone: false,
        moved: false,
    };
    let record = Some(Box::new(attempt()));
    let finished = vec![Finished { claim: claim.clone(), fate: delivered(), sighting, record }];
    let webhook = Bench::webhook_id();
    bench.writer.command(Command::Finish { webhook, finished }).unwrap();
}

fn attempt() -> Attempt {
    Attempt {
        number: 1,
        started_us: 1_772_359_200_000_000,
        elapsed_us: 1_500,
        url: "https://example.com/hook".into(),
        request: Some(RequestBody { bytes: 2, sha256: [7; 32] }),
        exchanges: vec![Exchange {
            key: Some("0a1b2c3d".into()),
            remote: Some(SocketAddr::from(([192, 0, 2, 1], 443))),
            by_proxy: false,
            times: Times { dns_us: Some(1), total_us: 1_500, ..Times::default() },
            result: ExchangeResult::Answered(204),
            headers: vec![("server".into(), "x".into())],
            body: "thanks".into(),
        }],
    }
}

/// All but attempts.
pub(super) fn write(dir: &Path) {
    let mut bench = Bench::open_with(dir, Mode::Live, &["test", "new"]);
    let (answer, _changed) = oneshot::channel();
    let changes = vec![Change::Put { webhook: Arc::new(made()), is_enabled: None }];
    bench.writer.command(Command::Change { changes, answer }).unwrap();
    let (answer, _made) = oneshot::channel();
    let action = KeyAction::Create(TokenDigest::of("token"), api_key());
    bench.writer.command(Command::ApiKey { action, answer }).unwrap();
    bench.writer.audit(&audit_row()).unwrap();
    take_in_of_journal(&mut bench, &begin_of_haraka());
    bench.writer.commit().unwrap();
    drop(bench);
    let mut bench = Bench::open(dir, stopped(false));
    bench.ingest(&lines(0, 2));
    bench.writer.commit().unwrap();
}

fn made() -> Webhook {
    let draft = json!({ "name": "made", "url": "https://example.com/", "events": ["bounced"] });
    let made = json!({ "draft": draft, "created_ms": 5, "modified_ms": 6 });
    Webhook { made: Some(serde_json::from_value(made).unwrap()), ..webhook("made") }
}

fn api_key() -> ApiKey {
    let (name, owned) = ("Graphs".to_owned(), Owned::default());
    ApiKey { name, role: Role::Read, created_ms: 5, owned }
}

fn audit_row() -> AuditRow {
    AuditRow {
        at_ms: 5,
        who: "root".into(),
        key: None,
        from: "unix socket".into(),
        action: "POST /v1/keys".into(),
        target: "Graphs".into(),
        status: 201,
    }
}

fn take_in_of_journal(bench: &mut Bench, texts: &[String]) {
    let journal = Some(JournalPosition::Behind(CURSOR.to_owned()));
    let batch = Batch { journal, idle: false, is_past: false, ..batch_of(texts) };
    bench.writer.ingest(&batch).unwrap();
    bench.writer.stage_events().unwrap();
}

fn haraka(texts: &[&str]) -> Vec<String> {
    let line = |text: &&str| format!("2026-03-01T10:00:00.000Z [NOTICE] [{HARAKA}{text}");
    texts.iter().map(line).collect()
}

fn begin_of_haraka() -> Vec<String> {
    haraka(&[
        "] [core] connect ip=192.0.2.7 port=50625 local_ip=192.0.2.1 local_port=25",
        ".1] [core] sender <a@sender.test> code=CONT msg=\"\"",
        ".1] [core] recipient <b@ok.test> code=OK msg=\"\" sender=a@sender.test",
    ])
}

fn end_of_haraka() -> Vec<String> {
    haraka(&[
        ".1] [core] message mid=<6@sender.test> size=202 rcpts=1/0/0 delay=0.046 code=CONT msg=\"\"",
        &format!(".1] [core] queue code=OK msg=\"Message Queued ({HARAKA}.1)\""),
        "] [core] disconnect ip=192.0.2.7 rdns=sender.test helo=sender.test relay=Y early=N esmtp=Y \
         tls=N pipe=N errors=0 txns=1 rcpts=1/0/0 msgs=1/0/0 bytes=202 lr=\"\" time=0.1",
        ".1.1] [outbound]  delivered file=1_1_0_1_F_2_vm domain=ok.test host=mx1.ok.test ip=192.0.2.9 \
         port=25 mode=SMTP tls=N auth=N response=\"Ok: queued as 13\" delay=0.1 fails=0 rcpts=1/0/0",
    ])
}

/// Was it written by [`write`]?
pub(super) fn is_in(dir: &Path) -> bool {
    Store::open(dir).unwrap().scan(&Prefix::made()).unwrap().next().is_some()
}

/// What was written is there.
pub(super) fn check(dir: &Path) {
    let store = Store::open(dir).unwrap();
    assert!(store.scan(&Prefix::all_attempts()).unwrap().next().is_some());
    let [(_, made_webhook)] = &made_webhooks(&store, &Sealing::default()).unwrap()[..] else {
        panic!()
    };
    assert_eq!(Some(made_webhook), made().made.as_ref());
    let keys = api_keys::load(&store).unwrap();
    assert_eq!(keys.known().get(&TokenDigest::of("token")), Some(&api_key()));
    let (_, row) = store.scan(&Prefix::audit()).unwrap().next().unwrap().unwrap();
    assert_eq!(audit::row(&row).unwrap(), audit_row());
    let journal = journal_position(&store, "test").unwrap();
    assert_eq!(journal, Some(JournalPosition::Behind(CURSOR.to_owned())));
    let Mode::Replay { set: Some(set), .. } = stopped(true) else {
        panic!("a set is what it is of")
    };
    let replayed = replay_positions(&store, set.id, "test").unwrap().unwrap();
    assert_eq!(replayed[0].line_count, 12);
}

/// The attempt is shown, and what Haraka was about goes on.
pub(super) fn check_goes_on(dir: &Path) {
    let mut bench = Bench::open_with(dir, Mode::Live, &["test", "new"]);
    take_in_of_journal(&mut bench, &end_of_haraka());
    bench.release_all();
    bench.writer.commit().unwrap();
    let claims = bench.claim(99).claims;
    let to_b = |claim: &&Claim| claim.event.data.to.as_deref() == Some("b@ok.test");
    let told = claims.iter().find(to_b).unwrap();
    assert_eq!(told.event.data.from.as_deref(), Some("a@sender.test"), "its story is whole");
}
