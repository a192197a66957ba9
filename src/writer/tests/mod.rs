//! The writer on a real store, step by step: nothing here runs a thread or waits for time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bench;
mod index;
mod keys;
mod model;
mod pulse;
mod replay_set;
mod reports;
mod retention;
mod stored_form;
mod stored_rest;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use tempfile::TempDir;

pub(super) use bench::webhook;
use bench::{Bench, HOUR_S, claims_of, dead, delivered, line, retry_at};

use super::{Command, Mode, Room};
use crate::{
    app::AppError,
    cli::Failure,
    config::WebhookId,
    event::{Event, EventType},
    source::{Batch, testing::batch_of},
    store::{
        Prefix, Store,
        testing::{TestDisk, Wait, open_on},
    },
    writer::{WriterError, positions, stage::Stage},
};

const REPLAY: Mode =
    Mode::Replay { since_us: i64::MIN, until_us: i64::MAX, only: None, resend: false, set: None };

/// Lines of `count` recipients in one second, each of which gives one event.
fn lines(second: i64, count: usize) -> String {
    (0..count).map(|number| line(second, number)).collect()
}

fn values_under(dir: &Path, prefix: &Prefix) -> Vec<Vec<u8>> {
    let store = Store::open(dir).unwrap();
    store.scan(prefix).unwrap().map(|entry| entry.unwrap().1).collect()
}

#[test]
fn events_are_handed_out_only_when_they_are_durable() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 3));
    assert!(bench.claim(10).claims.is_empty());
    bench.writer.commit().unwrap();
    assert_eq!(bench.claim(10).claims.len(), 3);
    assert!(bench.claim(10).claims.is_empty(), "each once");
}

#[test]
fn what_was_not_committed_is_gone_together_with_its_position() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    let kept = lines(0, 2);
    bench.ingest(&kept);
    bench.writer.commit().unwrap();
    bench.ingest(&lines(1, 5));
    drop(bench);
    let store = Store::open(dir.path()).unwrap();
    let stored = positions(&store, "test").unwrap();
    assert_eq!(stored.iter().map(|at| at.offset).collect::<Vec<_>>(), [kept.len() as u64]);
    drop(store);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!(bench.claim(10).claims.len(), 2);
}

#[test]
fn a_restart_goes_on_with_cursors_retries_and_dead_letters() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 4));
    bench.writer.commit().unwrap();
    let claims = bench.claim(4).claims;
    bench.finish(&claims[0], delivered());
    bench.finish(&claims[1], retry_at(500, 1));
    bench.finish(&claims[2], dead());
    bench.writer.commit().unwrap();
    drop(bench);

    let mut bench = Bench::open(dir.path(), Mode::Live);
    let early = bench.claim(10);
    assert_eq!(claims_of(&early), [(claims[3].seq, 1)], "only the one without a result");
    assert_eq!(early.next_due_ms, Some(500));
    bench.clock.set_ms(500);
    assert_eq!(claims_of(&bench.claim(10)), [(claims[1].seq, 2)]);
    drop(bench);
    assert_eq!(values_under(dir.path(), &Prefix::dead(Bench::webhook_id())).len(), 1);
}

#[test]
fn an_open_message_goes_on_after_a_restart_as_if_there_had_been_none() {
    let (begin, end) = (
        "2026-03-01T10:00:00+00:00 mx postfix/smtpd[1]: 3A6B2C8000: client=c.test[192.0.2.9]\n\
         2026-03-01T10:00:00+00:00 mx postfix/cleanup[1]: 3A6B2C8000: message-id=<m@c.test>\n\
         2026-03-01T10:00:00+00:00 mx postfix/qmgr[1]: 3A6B2C8000: from=<a@c.test>, size=9, nrcpt=1 (queue active)\n",
        "2026-03-01T10:00:01+00:00 mx postfix/smtp[1]: 3A6B2C8000: to=<b@d.test>, relay=d.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)\n\
         2026-03-01T10:00:01+00:00 mx postfix/qmgr[1]: 3A6B2C8000: removed\n",
    );
    let seen = |restart: bool| {
        let dir = TempDir::new().unwrap();
        let mut bench = Bench::open(dir.path(), Mode::Live);
        bench.ingest(begin);
        bench.writer.commit().unwrap();
        if restart {
            drop(bench);
            bench = Bench::open(dir.path(), Mode::Live);
        }
        bench.ingest(end);
        bench.writer.commit().unwrap();
        let events: Vec<_> =
            bench.claim(10).claims.iter().map(|claim| Event::clone(&claim.event)).collect();
        drop(bench);
        assert!(values_under(dir.path(), &Prefix::ledger()).is_empty(), "its state is cleaned up");
        events
    };
    let without = seen(false);
    assert_eq!(without.len(), 2, "received and delivered");
    assert_eq!(seen(true), without);
}

/// It was once sent 92 times: the store still listed it as waiting.
#[test]
fn a_retry_under_way_is_not_handed_out_again_before_its_end_is_durable() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 1));
    bench.writer.commit().unwrap();
    let first = bench.claim(1).claims.remove(0);
    bench.finish(&first, retry_at(10, 1));
    bench.writer.commit().unwrap();
    bench.clock.set_ms(10);
    let second = bench.claim(1).claims.remove(0);
    assert!(bench.claim(1).claims.is_empty(), "while it is under way");
    bench.writer.commit().unwrap();
    assert!(bench.claim(1).claims.is_empty(), "a commit without its end changes nothing");
    bench.finish(&second, retry_at(10, 2));
    let unsettled = bench.claim(1);
    assert!(unsettled.claims.is_empty() && !unsettled.settled, "before its end is durable");
    bench.writer.commit().unwrap();
    let third = bench.claim(1);
    assert_eq!(claims_of(&third), [(first.seq, 3)], "due again in the same millisecond");
    bench.finish(&third.claims[0], delivered());
    bench.writer.commit().unwrap();
    let last = bench.claim(1);
    assert!(last.claims.is_empty() && last.settled && last.next_due_ms.is_none());
}

#[test]
fn a_replay_stores_an_event_once_over_restarts_and_whatever_the_live_tail_stored() {
    let dir = TempDir::new().unwrap();
    let log: String = (0..7).map(|hour| lines(hour * HOUR_S, 90)).collect();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 90));
    bench.writer.commit().unwrap();
    drop(bench);
    for (new, known) in [(540, 90), (0, 630)] {
        let mut bench = Bench::open(dir.path(), REPLAY);
        bench.ingest(&log);
        bench.writer.commit().unwrap();
        let summary = bench.writer.summary;
        assert_eq!((summary.events, summary.known_events), (new, known));
    }
}

/// The hours of one commit were forgotten before they were in the store.
#[test]
fn an_event_that_is_only_staged_is_known_whatever_hours_came_between() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), REPLAY);
    bench.ingest(&lines(0, 300));
    (1..9).for_each(|hour| bench.ingest(&lines(hour * HOUR_S, 1)));
    bench.ingest(&lines(0, 300));
    assert_eq!(bench.writer.summary.known_events, 300);
}

/// The live tail reads from the beginning what a replay has sent already.
#[test]
fn what_a_replay_stored_is_not_sent_again_by_the_live_tail() {
    let dir = TempDir::new().unwrap();
    for (mode, new) in [(REPLAY, 5), (Mode::Live, 0)] {
        let mut bench = Bench::open(dir.path(), mode);
        bench.ingest(&lines(0, 5));
        bench.writer.commit().unwrap();
        assert_eq!(bench.writer.summary.events, new, "{mode:?}");
    }
}

#[test]
fn a_replay_keeps_to_its_bounds_and_leaves_no_position_and_no_open_message() {
    let dir = TempDir::new().unwrap();
    let bound = |second: i64| 1_772_359_200_000_000 + second * 1_000_000;
    let mode = Mode::Replay {
        since_us: bound(1),
        until_us: bound(3),
        only: None,
        resend: false,
        set: None,
    };
    let mut bench = Bench::open(dir.path(), mode);
    (0..5).for_each(|second| bench.ingest(&lines(second, 1)));
    bench.writer.commit().unwrap();
    assert_eq!(bench.writer.summary.events, 2);
    drop(bench);
    assert!(values_under(dir.path(), &Prefix::ledger()).is_empty());
    assert!(positions(&Store::open(dir.path()).unwrap(), "test").unwrap().is_empty());
}

#[test]
fn a_message_to_ten_thousand_recipients_survives_a_restart_in_small_parts() {
    const RECIPIENTS: usize = 10_000;
    let stamp = "2026-03-01T10:00:00+00:00 mx postfix";
    let mut log = format!(
        "{stamp}/smtpd[1]: 3A6B2C8000: client=c.test[192.0.2.9]\n\
         {stamp}/qmgr[1]: 3A6B2C8000: from=<a@c.test>, size=9, nrcpt={RECIPIENTS} (queue active)\n"
    );
    for number in 0..RECIPIENTS {
        writeln!(log, "{stamp}/smtp[1]: 3A6B2C8000: to=<user{number}@d.test>, relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (connect to d.test[192.0.2.1]:25: Connection timed out)").unwrap();
    }
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&log);
    bench.writer.commit().unwrap();
    drop(bench);
    let parts = values_under(dir.path(), &Prefix::ledger());
    assert!(parts.len() > 50 && parts.iter().all(|part| part.len() < 8192));

    let mut bench = Bench::open(dir.path(), Mode::Live);
    let before = bench.writer.summary.events;
    bench.ingest(&format!("{stamp}/qmgr[1]: 3A6B2C8000: from=<a@c.test>, status=expired, returned to sender\n{stamp}/qmgr[1]: 3A6B2C8000: removed\n"));
    assert_eq!(bench.writer.summary.events - before, RECIPIENTS as u64);
    bench.writer.commit().unwrap();
    drop(bench);
    assert!(values_under(dir.path(), &Prefix::ledger()).is_empty());
}

#[test]
fn a_message_that_shrank_leaves_nothing_of_its_former_self() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    let stamp = "2026-03-01T10:00:00+00:00 mx postfix";
    let mut log = String::new();
    for number in 0..300 {
        writeln!(log, "{stamp}/smtp[1]: 3A6B2C8000: to=<user{number}@d.test>, relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (x)").unwrap();
    }
    bench.ingest(&log);
    bench.writer.commit().unwrap();
    // The short ID is used again, and nobody told of the first one's end.
    bench.ingest(&format!("{stamp}/smtpd[1]: 3A6B2C8000: client=c.test[192.0.2.9]\n"));
    bench.writer.commit().unwrap();
    drop(bench);
    assert_eq!(values_under(dir.path(), &Prefix::ledger()).len(), 1);
    drop(Bench::open(dir.path(), Mode::Live));
}

#[test]
fn a_hundred_thousand_waiting_retries_are_not_looked_at_by_a_claim() {
    const WAITING: u64 = 100_000;
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 1));
    bench.writer.commit().unwrap();
    let claim = bench.claim(1).claims.remove(0);
    bench.finish(&claim, delivered());
    for number in 0..WAITING {
        bench.put_retry(1_000_000 + number, claim.seq);
    }
    bench.writer.commit().unwrap();
    #[expect(clippy::disallowed_methods, reason = "measures real time")]
    let started = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(bench.claim(64).next_due_ms, Some(1_000_000));
    }
    // Each would have to read all of them otherwise: ten million values.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn two_webhooks_do_not_share_progress() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open_with(dir.path(), Mode::Live, &["one", "two"]);
    bench.ingest(&lines(0, 2));
    bench.writer.commit().unwrap();
    let first: BTreeSet<_> = bench.claim_for(0, 9).claims.iter().map(|claim| claim.seq).collect();
    let second: BTreeSet<_> = bench.claim_for(1, 9).claims.iter().map(|claim| claim.seq).collect();
    assert_eq!((first.len(), first), (2, second));
}

/// It is known by its name, and its cursor waits for it.
#[test]
fn a_webhook_that_was_left_out_for_a_while_gets_what_it_missed_and_a_new_one_starts_now() {
    let dir = TempDir::new().unwrap();
    drop(Bench::open_with(dir.path(), Mode::Live, &["old"]));
    let mut without = Bench::open_with(dir.path(), Mode::Live, &[]);
    without.ingest(&lines(0, 3));
    without.writer.commit().unwrap();
    drop(without);
    let mut bench = Bench::open_with(dir.path(), Mode::Live, &["old", "new"]);
    assert_eq!(bench.claim_for(0, 9).claims.len(), 3);
    assert!(bench.claim_for(1, 9).claims.is_empty());
}

#[test]
fn a_batch_without_lines_still_moves_its_position() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest("");
    bench.writer.commit().unwrap();
    drop(bench);
    assert_eq!(positions(&Store::open(dir.path()).unwrap(), "test").unwrap().len(), 1);
}

/// A stop while the disk was nearly full once filled it with what the sources still had.
#[test]
fn row_30_what_comes_to_an_end_without_room_is_left_in_the_log() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    bench.ingest(&lines(0, 3));
    bench.writer.room = Room::new(Some(u64::MAX));
    bench.writer.room.look(&bench.writer.store);
    bench.writer.command(Command::Ending).unwrap();
    bench.ingest(&lines(1, 3));
    bench.stop();
    let bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!(bench.durable_lines(), 3);
}

/// Nothing for either webhook.
const NOBODY: [Vec<u64>; 2] = [vec![], vec![]];

fn replay_to(only: &str, resend: bool) -> Mode {
    let only = Some(WebhookId::of_name(only));
    Mode::Replay { since_us: i64::MIN, until_us: i64::MAX, only, resend, set: None }
}

/// Sequence numbers that a replay of `log` in `mode` hands out to each of two webhooks.
fn replayed(dir: &TempDir, mode: Mode, log: &str) -> [Vec<u64>; 2] {
    let mut bench = Bench::open_with(dir.path(), mode, &["old", "new"]);
    bench.ingest(log);
    bench.writer.commit().unwrap();
    let handed = [0, 1].map(|endpoint| {
        let claims = bench.claim_for(endpoint, 99).claims;
        let seqs = claims.iter().map(|claim| claim.seq).collect();
        for claim in &claims {
            bench.finish_for(endpoint, claim, delivered());
        }
        seqs
    });
    bench.writer.commit().unwrap();
    handed
}

#[test]
fn a_replay_offers_a_younger_webhook_what_the_others_had_before_and_only_once() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open_with(dir.path(), Mode::Live, &["old"]);
    bench.ingest(&lines(0, 3));
    bench.writer.commit().unwrap();
    bench.claim(9).claims.iter().for_each(|claim| bench.finish(claim, delivered()));
    bench.writer.commit().unwrap();
    drop(bench);
    assert_eq!(replayed(&dir, replay_to("new", false), &lines(0, 3)), [vec![], vec![0, 1, 2]]);
    assert_eq!(replayed(&dir, replay_to("new", false), &lines(0, 3)), NOBODY);
    assert_eq!(replayed(&dir, REPLAY, &lines(0, 3)), NOBODY);
    assert_eq!(replayed(&dir, replay_to("old", true), &lines(0, 3)), [vec![0, 1, 2], vec![]]);
}

#[test]
fn what_is_replayed_to_one_webhook_is_passed_over_by_the_others_for_good() {
    let dir = TempDir::new().unwrap();
    assert_eq!(replayed(&dir, replay_to("new", false), &lines(0, 2)), [vec![], vec![0, 1]]);
    assert_eq!(replayed(&dir, Mode::Live, &lines(9, 1)), [vec![2], vec![2]]);
}

#[test]
fn row_36_a_source_gives_nothing_from_before_its_first_start_and_later_starts_change_nothing() {
    let dir = TempDir::new().unwrap();
    let bound = |second: i64| Some(1_772_359_200_000_000 + second * 1_000_000);
    let mut bench = Bench::open_since(dir.path(), Mode::Live, &["test"], bound(2));
    (0..4).for_each(|second| bench.ingest(&lines(second, 1)));
    bench.writer.commit().unwrap();
    assert_eq!(bench.writer.summary.events, 2);
    drop(bench);
    let mut bench = Bench::open_since(dir.path(), Mode::Live, &["test"], bound(99));
    (4..6).for_each(|second| bench.ingest(&lines(second, 1)));
    bench.writer.commit().unwrap();
    assert_eq!(bench.writer.summary.events, 2, "what was missed while it was down is wanted");
}

#[test]
fn lines_read_while_a_commit_is_written_belong_to_the_next_one() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let mut bench = Bench::open_on(open_on(dir.path(), &disk), Mode::Live, &["test"], None);
    bench.ingest(&lines(0, 3));
    bench.send(&lines(1, 2));
    let sent = bench.batches.clone();
    let until_read: Wait = Box::new(move || {
        while sent.capacity() < sent.max_capacity() {
            std::thread::yield_now();
        }
    });
    *disk.waits.lock().unwrap() = Some(until_read);
    bench.writer.commit_and_read_ahead().unwrap();
    bench.end_reading_ahead();
    assert_eq!(bench.writer.summary.events, 5, "all are read");
    assert_eq!(bench.claim(9).claims.len(), 3, "what is durable");
    drop(bench);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!((bench.durable_lines(), bench.claim(9).claims.len()), (3, 3));
    bench.ingest(&lines(1, 2));
    bench.writer.commit().unwrap();
    assert_eq!(bench.claim(9).claims.len(), 2);
}

#[test]
fn the_intake_takes_in_what_one_commit_is_about_and_more_until_it_is_awaited() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Mode::Live);
    let mut commits = |is_awaited: bool| {
        let (intake, _) = bench.writer.intake_and_stage().unwrap();
        while intake.next().is_some() {}
        for _ in 0..8 {
            bench.batches.try_send(half_a_commit()).unwrap();
        }
        let (intake, _) = bench.writer.intake_and_stage().unwrap();
        let mut stage = Stage::default();
        intake.take_in_what_waits(&mut stage, || is_awaited);
        (stage.commits(), stage.is_full())
    };
    assert_eq!([false, true].map(&mut commits), [(2, true), (1, true)]);
}

/// By its bytes; none of its lines is looked at.
fn half_a_commit() -> Batch {
    Batch { bytes: vec![0; 1024 * 1024], ..batch_of([""; 0]) }
}

#[test]
fn after_a_failed_sync_what_was_read_ahead_does_not_count_either() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let mut bench = Bench::open_on(open_on(dir.path(), &disk), Mode::Live, &["test"], None);
    bench.ingest(&lines(0, 3));
    bench.send(&lines(1, 2));
    disk.failing.store(true, Ordering::SeqCst);
    assert!(bench.writer.commit_and_read_ahead().is_err());
    bench.end_reading_ahead();
    assert!(bench.writer.commit().is_err(), "poisoned");
    assert_eq!(*bench.writer.durable.borrow(), 0, "nothing is released");
}

/// A message from this client, in the queue since the first second, with two recipients: one has it
/// in the second that is 1, the other when it is 3.
fn message_under_way(client: &str) -> String {
    let sent = |second: i64, to: &str| {
        format!(
            "2026-03-01T10:00:0{second}+00:00 mx postfix/smtp[1]: 3A6B2C8000: to=<{to}@d.test>, \
             relay=d.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, \
             status=sent (250 ok)\n"
        )
    };
    let stamp = "2026-03-01T10:00:00+00:00 mx postfix";
    format!(
        "{stamp}/smtpd[1]: 3A6B2C8000: client={client}\n\
         {stamp}/cleanup[1]: 3A6B2C8000: message-id=<m@c.test>\n\
         {stamp}/qmgr[1]: 3A6B2C8000: from=<a@c.test>, size=9, nrcpt=2 (queue active)\n{}{}",
        sent(1, "early"),
        sent(3, "late")
    )
}

#[test]
fn row_36_lines_before_the_start_tell_of_messages_under_way_and_give_no_events() {
    let dir = TempDir::new().unwrap();
    let since = Some(1_772_359_202_000_000);
    let mut bench = Bench::open_since(dir.path(), Mode::Live, &["test"], since);
    bench.ingest(&message_under_way("c.test[192.0.2.9], sasl_username=bob"));
    bench.writer.commit().unwrap();
    let claims = bench.claim(9).claims;
    let [claim] = &claims[..] else { panic!("{claims:?}") };
    let data = &claim.event.data;
    assert_eq!(data.to.as_deref(), Some("late@d.test"));
    assert_eq!((data.from.as_deref(), data.user.as_deref()), (Some("a@c.test"), Some("bob")));
    assert!(!data.incomplete);
}

#[test]
fn a_message_that_is_under_way_at_the_start_is_known_and_only_what_follows_is_told() {
    let text = message_under_way("c.test[192.0.2.9], sasl_username=bob");
    let (past, late) = text.split_at(text.find("2026-03-01T10:00:03").unwrap());
    let again = text.lines().find(|line| line.contains("queue active")).unwrap();
    for is_restarted in [false, true] {
        let dir = TempDir::new().unwrap();
        let mut bench = Bench::open_with(dir.path(), Mode::Live, &["test"]);
        bench.ingest_past(past);
        bench.writer.commit().unwrap();
        assert_eq!(bench.writer.summary.events, 0);
        if is_restarted {
            drop(bench);
            bench = Bench::open_with(dir.path(), Mode::Live, &["test"]);
        }
        // Back in the active queue: that is not when it was queued.
        bench.ingest(&format!("{again}\n{late}"));
        bench.writer.commit().unwrap();
        let claims = bench.claim(9).claims;
        let [claim] = &claims[..] else { panic!("{claims:?}") };
        assert_eq!(claim.event.kind, EventType::OutboundDelivered);
        let data = &claim.event.data;
        assert_eq!(data.to.as_deref(), Some("late@d.test"));
        assert_eq!((data.from.as_deref(), data.user.as_deref()), (Some("a@c.test"), Some("bob")));
        assert!(!data.incomplete);
    }
}

#[test]
fn what_waits_at_the_start_is_not_told_later() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open_with(dir.path(), Mode::Live, &["test"]);
    let other = message_under_way("c.test[192.0.2.9]").replace("3A6B2C8000", "3A6B2C9000");
    let (other, _) = other.split_once("2026-03-01T10:00:01").unwrap();
    bench.ingest_past(&format!("{other}{}", message_under_way("localhost[127.0.0.1]")));
    bench.release_all();
    assert_eq!(bench.writer.summary.events, 0);
}

/// It waits because it has the Message-ID of another one and may be a stage of it, and is told when
/// nothing comes.
#[test]
fn row_36_a_message_that_waited_gives_no_events_from_before_the_start_either() {
    for (since, events) in [(None, 4), (Some(1_772_359_202_000_000), 1)] {
        let dir = TempDir::new().unwrap();
        let mut bench = Bench::open_since(dir.path(), Mode::Live, &["test"], since);
        let other = message_under_way("c.test[192.0.2.9]").replace("3A6B2C8000", "3A6B2C9000");
        let (other, _) = other.split_once("2026-03-01T10:00:01").unwrap();
        bench.ingest(&format!("{other}{}", message_under_way("localhost[127.0.0.1]")));
        assert_eq!(bench.writer.summary.events, 0, "it waits");
        bench.release_all();
        assert_eq!(bench.writer.summary.events, events);
    }
}

/// After a failed sync nobody knows what is on the disk: going on could report lost data as kept.
#[test]
fn a_failed_sync_ends_the_writer_with_the_documented_exit_code_and_loses_nothing_said_to_be_kept() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(TestDisk::default());
    let mut bench = Bench::open_on(open_on(dir.path(), &disk), Mode::Live, &["test"], None);
    bench.ingest(&lines(0, 3));
    bench.writer.commit().unwrap();
    disk.failing.store(true, Ordering::SeqCst);
    bench.ingest(&lines(1, 2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = bench.writer.run(runtime.handle()).unwrap_err();
    assert!(matches!(&error, WriterError::Store(store) if !store.is_disk_full()), "{error:?}");
    let failure = Failure::App(AppError::Writer(error));
    assert_eq!(failure.exit_code(), 74);
    let noted = std::fs::read_to_string(dir.path().join("commits")).unwrap();
    assert!(noted.ends_with("open"), "the next start looks through everything: {noted}");
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert!(bench.claim(9).claims.len() >= 3);
}
