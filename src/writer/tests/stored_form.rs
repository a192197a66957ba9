//! Stores written by released versions open, hold what they held, and go on.
//!
//! `MAILHERALD_BLESS=1 cargo test --lib stored_form` writes the one of this version anew, to
//! `fixtures/stores/<version>`: its files as they lie in a state directory, each compressed. Do that
//! only before a release; after it, a stored form that changes needs a version of its own and a
//! reader for the old one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tempfile::TempDir;

use super::{
    Bench, Mode, REPLAY, Store, claims_of, dead, delivered, lines, positions, replay_to, retry_at,
    stored_rest,
};
use crate::{
    event::EventType,
    search::{Wanted, find},
    store::Prefix,
};

const STAMP: &str = "2026-03-01T10:00:00+00:00 mx postfix";
const QUEUE_ID: &str = "3A6B2C8000";
/// When the retry is due, and when the old store is opened.
const DUE_MS: u64 = 5_000;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores")
}

/// Something in every table that a start reads: seven events, four of which are left to the two webhooks together.
fn write(dir: &Path) {
    let mut bench = Bench::open_with(dir, Mode::Live, &["test"]);
    bench.ingest(&lines(0, 5));
    bench.ingest(&open_message());
    bench.writer.commit().unwrap();
    let claims = bench.claim(4).claims;
    stored_rest::finish_on_record(&mut bench, &claims[0]);
    bench.finish(&claims[1], retry_at(DUE_MS, 1));
    bench.finish(&claims[2], dead());
    bench.writer.commit().unwrap();
    drop(bench);
    // A younger webhook is told by a replay of two events that it missed.
    let mut bench = Bench::open_with(dir, replay_to("new", false), &["test", "new"]);
    bench.ingest(&lines(0, 2));
    bench.writer.commit().unwrap();
    drop(bench);
    stored_rest::write(dir);
}

/// A message in the queue with one recipient to come, and a line put aside.
fn open_message() -> String {
    format!(
        "{STAMP}/smtpd[1]: {QUEUE_ID}: client=c.test[192.0.2.9], sasl_username=bob\n\
         {STAMP}/cleanup[1]: {QUEUE_ID}: message-id=<m@c.test>\n\
         {STAMP}/qmgr[1]: {QUEUE_ID}: from=<a@c.test>, size=9, nrcpt=2 (queue active)\n\
         {STAMP}/smtp[1]: {QUEUE_ID}: to=<b@d.test>, relay=d.test[192.0.2.1]:25, delay=1, \
         delays=0/0/0/1, dsn=4.7.1, status=deferred (451 later)\n\
         {STAMP}/smtpd[22]: NOQUEUE: discard: RCPT from c.test[192.0.2.9]: <c@lab.test>: gone; \
         from=<a@sender.test> to=<c@lab.test> proto=ESMTP helo=<h>\n"
    )
}

fn end_of_message() -> String {
    format!(
        "{STAMP}/smtp[1]: {QUEUE_ID}: to=<b@d.test>, relay=d.test[192.0.2.1]:25, delay=1, \
         delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)\n\
         {STAMP}/qmgr[1]: {QUEUE_ID}: removed\n"
    )
}

fn check(dir: &Path) {
    // The first forms have none of it.
    let has_rest = stored_rest::is_in(dir);
    if has_rest {
        stored_rest::check(dir);
    }
    check_tables(dir);
    known_and_not_sent_again(dir);
    goes_on(dir);
    if has_rest {
        stored_rest::check_goes_on(dir);
    }
}

fn check_tables(dir: &Path) {
    let store = Store::open(dir).unwrap();
    let count = |prefix: &Prefix| store.scan(prefix).unwrap().count();
    let tables = [
        Prefix::chunks(),
        Prefix::ages(),
        Prefix::cursors(),
        Prefix::all_retries(),
        Prefix::all_dead(),
        Prefix::all_offered(),
        Prefix::all_positions(),
        Prefix::source_states(),
        Prefix::asides(),
        Prefix::postings(1_772_359_200 / 3600),
    ];
    for table in tables {
        assert!(count(&table) > 0, "nothing in {table:?}");
    }
    // One or the other, by the version.
    assert!(count(&Prefix::live()) + count(&Prefix::ledger()) > 0, "no open message");
    assert_eq!(positions(&store, "test").unwrap()[0].line_count, 10);
    // Whether it has an index or not.
    for (to, count) in [("user1@d.test", 1), ("B@D.test", 2), ("nobody@d.test", 0)] {
        let wanted = Wanted { to: Some(to.to_owned()), limit: 9, ..Wanted::default() };
        assert_eq!(find(&store, &wanted).unwrap().events.len(), count, "{to}");
    }
}

/// What it holds is known to a replay.
fn known_and_not_sent_again(dir: &Path) {
    let mut bench = Bench::open_with(dir, REPLAY, &["test"]);
    bench.ingest(&lines(0, 5));
    assert_eq!((bench.writer.summary.events, bench.writer.summary.known_events), (0, 5));
}

fn goes_on(dir: &Path) {
    let mut bench = Bench::open_with(dir, Mode::Live, &["test", "new"]);
    assert_eq!(bench.claim_for(1, 99).claims.len(), 2, "what the replay offered");
    bench.clock.set_ms(i64::try_from(DUE_MS).unwrap());
    let claimed = bench.claim(99);
    let attempts: Vec<_> = claims_of(&claimed);
    assert_eq!(attempts[..3], [(1, 2), (3, 1), (4, 1)], "a retry, and what nobody had claimed");
    for claim in &claimed.claims {
        bench.finish(claim, delivered());
    }
    bench.ingest(&end_of_message());
    bench.writer.commit().unwrap();
    let ends = bench.claim(99).claims;
    let delivered = |kind| kind == EventType::OutboundDelivered;
    let end = ends.iter().find(|claim| delivered(claim.event.kind)).unwrap();
    assert_eq!(end.event.data.message_id.as_deref(), Some("<m@c.test>"), "its story is whole");
    assert_eq!(end.event.data.user.as_deref(), Some("bob"));
    assert_eq!(bench.durable_lines(), 12);
}

/// All files below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn pack(state: &Path, fixture: &Path) {
    if fixture.exists() {
        fs::remove_dir_all(fixture).unwrap();
    }
    for file in files(state).iter().filter(|file| file.file_name().unwrap() != "lock") {
        let name = file.strip_prefix(state).unwrap().to_str().unwrap().to_owned() + ".gz";
        fs::create_dir_all(fixture.join(&name).parent().unwrap()).unwrap();
        let target = File::create(fixture.join(name)).unwrap();
        let mut packer = GzEncoder::new(target, Compression::best());
        packer.write_all(&fs::read(file).unwrap()).unwrap();
        packer.finish().unwrap();
    }
}

fn unpack(fixture: &Path) -> TempDir {
    let state = TempDir::new().unwrap();
    for file in files(fixture) {
        let name = file.strip_prefix(fixture).unwrap().with_extension("");
        fs::create_dir_all(state.path().join(&name).parent().unwrap()).unwrap();
        let mut whole = File::create(state.path().join(name)).unwrap();
        io::copy(&mut GzDecoder::new(File::open(&file).unwrap()), &mut whole).unwrap();
    }
    state
}

#[test]
fn stored_form_of_each_version_opens_is_read_and_goes_on() {
    let own = fixtures().join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("MAILHERALD_BLESS").is_some() {
        let state = TempDir::new().unwrap();
        write(state.path());
        pack(state.path(), &own);
    }
    assert!(own.exists(), "MAILHERALD_BLESS=1 cargo test --lib stored_form");
    for version in fs::read_dir(fixtures()).unwrap() {
        check(unpack(&version.unwrap().path()).path());
    }
}

/// So that a change of the test itself shows before a release does.
#[test]
fn stored_form_of_today_is_read_and_goes_on() {
    let state = TempDir::new().unwrap();
    write(state.path());
    assert!(stored_rest::is_in(state.path()));
    check(state.path());
}
