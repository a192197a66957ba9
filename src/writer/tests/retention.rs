//! What is let go of, when, and what never is. Time only moves when it is told to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{ops::Range, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    HOUR_S, Mode, REPLAY, Store,
    bench::{Bench, claims_of, dead_at, delivered, line, retry_at, webhook},
    lines,
};
use crate::{
    config::{Kept, Retention},
    store::{Prefix, key},
    writer::{Woken, positions},
};

const HOUR_MS: i64 = HOUR_S * 1000;
const DAY: Duration = Duration::from_hours(24);
/// Time enough for what is kept for a day to be let go of: its stretch of an hour is over, too.
const LATER_MS: i64 = 26 * HOUR_MS;

/// A day of everything.
fn a_day() -> Retention {
    let day = Kept { age: DAY, bytes: 4 << 30 };
    Retention { events: day, backlog: day, dead: DAY, attempts: DAY, positions: DAY }
}

fn open(dir: &Path, retention: Retention) -> Bench {
    let mut bench = Bench::open(dir, Mode::Live);
    bench.writer.retention = retention;
    bench
}

fn count(bench: &Bench, prefix: &Prefix) -> usize {
    bench.writer.store.scan(prefix).unwrap().count()
}

fn deliver_all(bench: &mut Bench) {
    loop {
        let claimed = bench.claim(64);
        if claimed.claims.is_empty() && !claimed.more {
            break;
        }
        claimed.claims.iter().for_each(|claim| bench.finish(claim, delivered()));
    }
    bench.writer.commit().unwrap();
}

/// Takes lines of these recipients in, each a second apart, and commits them.
fn take(bench: &mut Bench, numbers: Range<usize>) {
    let text: String = numbers.map(|number| line(i64::try_from(number).unwrap(), number)).collect();
    bench.ingest(&text);
    bench.writer.commit().unwrap();
}

#[test]
fn what_is_delivered_and_old_goes_with_its_postings_and_marks() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    take(&mut bench, 0..2000);
    deliver_all(&mut bench);
    bench.clock.set_ms(2 * HOUR_MS);
    take(&mut bench, 2000..2005);
    deliver_all(&mut bench);
    bench.forget();
    assert_eq!(bench.writer.events.first_seq(), 0, "nothing is old");
    bench.clock.set_ms(LATER_MS);
    bench.forget();
    assert_eq!(bench.writer.events.first_seq(), 2000);
    assert_eq!(count(&bench, &Prefix::chunks()), 1);
    assert_eq!(count(&bench, &Prefix::ages()), 1);
    assert_eq!(
        bench.writer.store.last(&Prefix::chunks()).unwrap().unwrap().0,
        [b'e', 0, 0, 0, 0, 0, 0, 0x07, 0xd0]
    );
    let hour = 1_772_359_200 / 3600;
    assert_eq!(count(&bench, &Prefix::postings(hour)), 1, "the one that names the events left");
}

#[test]
fn what_waits_for_a_cursor_stays_however_old_it_is_until_it_may_wait_no_longer() {
    let dir = TempDir::new().unwrap();
    let patient = Retention { backlog: Kept { age: DAY * 9, bytes: 4 << 30 }, ..a_day() };
    let mut bench = open(dir.path(), patient);
    take(&mut bench, 0..500);
    bench.clock.set_ms(LATER_MS * 5);
    take(&mut bench, 500..510);
    bench.forget();
    assert_eq!((bench.writer.events.first_seq(), bench.writer.summary.expired), (0, 0));
    bench.writer.retention.backlog.age = DAY;
    bench.forget();
    assert_eq!(bench.writer.summary.expired, 500, "each is counted");
    take(&mut bench, 510..511);
    bench.forget();
    assert_eq!(bench.writer.events.first_seq(), 500);
    let claimed = bench.claim(99).claims;
    assert_eq!(
        claimed.iter().map(|claim| claim.seq).collect::<Vec<_>>(),
        (500..511).collect::<Vec<_>>()
    );
}

#[test]
fn each_webhook_may_say_how_much_waits_for_it() {
    let dir = TempDir::new().unwrap();
    let mut short = webhook("short");
    short.policy.backlog = Some(DAY);
    let mut small = webhook("small");
    small.policy.backlog_bytes = Some(0);
    let mut bench = Bench::open_for(dir.path(), vec![short, small, webhook("test")]);
    take(&mut bench, 0..500);
    bench.clock.set_ms(2 * HOUR_MS);
    take(&mut bench, 500..510);
    bench.forget();
    let waiting = |bench: &mut Bench| {
        let mut waits = |endpoint| bench.claim_for(endpoint, 600).claims.len();
        [waits(0), waits(1), waits(2)]
    };
    assert_eq!(bench.writer.summary.expired, 500, "of one, behind too much");
    bench.clock.set_ms(LATER_MS);
    bench.forget();
    assert_eq!(bench.writer.summary.expired, 1000, "and of another, for too long");
    assert_eq!(waiting(&mut bench), [10, 10, 510]);
}

#[test]
fn what_a_sender_has_is_not_taken_from_it() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    take(&mut bench, 0..300);
    let claim = bench.claim(1).claims.remove(0);
    bench.clock.set_ms(LATER_MS);
    take(&mut bench, 300..310);
    bench.forget();
    assert_eq!(bench.writer.summary.expired, 299);
    assert_eq!(bench.writer.events.first_seq(), 0, "it may have to be sent once more");
    bench.finish(&claim, retry_at(u64::try_from(LATER_MS).unwrap(), 1));
    bench.writer.commit().unwrap();
    take(&mut bench, 310..311);
    bench.forget();
    assert_eq!(bench.writer.events.first_seq(), 300);
}

/// It would have been found waiting at each claim, for ever.
#[test]
fn a_retry_whose_event_is_gone_is_given_up_and_counted() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    take(&mut bench, 0..600);
    let claims = bench.claim(600).claims;
    let far = u64::try_from(LATER_MS * 9).unwrap();
    for claim in &claims {
        bench.finish(claim, retry_at(far, 1));
    }
    deliver_all(&mut bench);
    bench.clock.set_ms(LATER_MS);
    take(&mut bench, 600..603);
    deliver_all(&mut bench);
    bench.forget();
    assert_eq!(count(&bench, &Prefix::retries(Bench::webhook_id())), 0);
    assert_eq!(bench.writer.summary.expired, claims.len() as u64);
}

#[test]
fn a_claim_gives_up_due_retries_of_deleted_events_by_itself() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    take(&mut bench, 0..3);
    deliver_all(&mut bench);
    (0..700).for_each(|number| bench.put_retry(number, 1_000_000 + number));
    bench.writer.commit().unwrap();
    bench.clock.set_ms(800);
    let first = bench.claim(8);
    assert!(first.claims.is_empty() && first.more, "in steps");
    deliver_all(&mut bench);
    assert_eq!(count(&bench, &Prefix::retries(Bench::webhook_id())), 0);
}

#[test]
fn a_dead_letter_stays_for_its_time_and_old_positions_go() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    take(&mut bench, 0..2);
    let claims = bench.claim(2).claims;
    bench.finish(&claims[0], dead_at(0));
    bench.finish(&claims[1], dead_at(u64::try_from(LATER_MS).unwrap()));
    bench.put_position("test", 7, 0);
    bench.put_position("test", 8, 27 * HOUR_S);
    bench.put_position("former", 9, 0);
    bench.writer.commit().unwrap();
    bench.clock.set_ms(28 * HOUR_MS);
    bench.forget();
    let store = &bench.writer.store;
    let left = store.scan(&Prefix::dead(Bench::webhook_id())).unwrap();
    let left: Vec<_> = left.map(|entry| key::parse_dead(&entry.unwrap().0).unwrap().1).collect();
    assert_eq!(left, [claims[1].seq]);
    let seen: Vec<_> = positions(store, "test").unwrap().iter().map(|at| at.seen_at).collect();
    assert_eq!(seen, [27 * HOUR_S]);
    assert!(positions(store, "former").unwrap().is_empty());
    assert_eq!(count(&bench, &Prefix::source_states()), 1, "of the source that is configured");
}

#[test]
fn a_replay_of_what_was_let_go_of_is_news_again() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    bench.ingest(&lines(0, 400));
    bench.writer.commit().unwrap();
    deliver_all(&mut bench);
    bench.clock.set_ms(LATER_MS);
    bench.ingest(&lines(5, 1));
    bench.writer.commit().unwrap();
    deliver_all(&mut bench);
    bench.forget();
    drop(bench);
    let mut bench = Bench::open(dir.path(), REPLAY);
    bench.ingest(&(lines(0, 400) + &lines(5, 1)));
    assert_eq!((bench.writer.summary.events, bench.writer.summary.known_events), (400, 1));
}

#[test]
fn without_history_only_what_is_still_to_be_sent_is_kept() {
    let dir = TempDir::new().unwrap();
    let nothing = Kept { age: Duration::ZERO, bytes: 0 };
    let mut bench = open(dir.path(), Retention { events: nothing, ..a_day() });
    take(&mut bench, 0..3000);
    bench.forget();
    assert_eq!(bench.writer.events.first_seq(), 0, "nothing was sent");
    for claim in bench.claim(500).claims {
        bench.finish(&claim, delivered());
    }
    bench.writer.commit().unwrap();
    bench.forget();
    let first = bench.writer.events.first_seq();
    assert!(first <= 500 && first > 400, "{first}");
    drop(bench);
    let mut bench = Bench::open(dir.path(), Mode::Live);
    assert_eq!(claims_of(&bench.claim(1)), [(500, 1)], "a restart finds all that is left");
}

#[test]
fn too_many_bytes_go_oldest_first_whatever_their_age() {
    let dir = TempDir::new().unwrap();
    let mut bench = open(dir.path(), a_day());
    for hour in 0..6 {
        bench.clock.set_ms(hour * HOUR_MS);
        let start = usize::try_from(hour).unwrap() * 300;
        take(&mut bench, start..start + 300);
        deliver_all(&mut bench);
    }
    let chunks = count(&bench, &Prefix::chunks());
    let stored = bench.writer.store.scan(&Prefix::chunks()).unwrap();
    let bytes: usize = stored.map(|entry| entry.unwrap().1.len()).sum();
    bench.writer.retention.events.bytes = bytes as u64 / 2;
    bench.forget();
    let left = count(&bench, &Prefix::chunks());
    assert!(left > chunks / 4 && left < chunks * 3 / 4, "{left} of {chunks}");
}

#[test]
fn forty_days_of_load_with_every_kind_of_end_do_not_make_the_store_grow() {
    const DAYS: usize = 40;
    const AN_HOUR: usize = 30;
    let dir = TempDir::new().unwrap();
    let two_days = Kept { age: DAY * 2, bytes: 4 << 30 };
    let retention = Retention {
        events: two_days,
        backlog: two_days,
        dead: DAY * 3,
        attempts: DAY,
        positions: DAY,
    };
    let mut bench = open(dir.path(), retention);
    let mut sizes = Vec::new();
    for hour in 0..DAYS * 24 {
        let second = i64::try_from(hour).unwrap() * HOUR_S;
        let now_ms = u64::try_from(second).unwrap() * 1000;
        bench.clock.set_ms(second * 1000);
        let text: String =
            (0..AN_HOUR).map(|number| line(second, hour * AN_HOUR % 90_000 + number)).collect();
        bench.ingest(&text);
        // Rotated every six hours.
        bench.put_position("test", u8::try_from(hour / 6 % 200 + 20).unwrap(), second);
        bench.writer.commit().unwrap();
        for claim in bench.claim(25).claims {
            let fate = match claim.seq % 10 {
                0 => dead_at(now_ms),
                1..4 => retry_at(now_ms + 7_200_000, claim.attempt),
                _ => delivered(),
            };
            bench.finish(&claim, fate);
        }
        bench.writer.commit().unwrap();
        bench.forget();
        if hour % 24 == 23 {
            let store = &bench.writer.store;
            sizes.push((store.key_count(), store.size_on_disk().unwrap()));
        }
    }
    let most = |days: Range<usize>| {
        let keys = sizes[days.clone()].iter().map(|(keys, _)| *keys).max().unwrap();
        (keys, sizes[days].iter().map(|(_, bytes)| *bytes).max().unwrap())
    };
    let (early, late) = (most(4..10), most(DAYS - 6..DAYS));
    assert!(late.0 < early.0 * 5 / 4, "keys grow: {sizes:?}");
    assert!(late.1 < early.1 * 3 / 2, "files grow: {sizes:?}");
    assert!(bench.writer.summary.expired > 1000, "its receiver was too slow: {sizes:?}");
    drop(bench);
    drop(Store::open(dir.path()).unwrap());
}

/// While history is read, a commit is full as soon as the one before it is written. What was kept for
/// long enough stayed for ever then, and the store grew with the log.
#[tokio::test]
async fn upkeep_has_its_turn_while_every_commit_is_full() {
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open_with(dir.path(), Mode::Live, &["test"]);
    bench.writer.stage.lines = usize::MAX;
    bench.writer.upkeep_at = Instant::now() + Duration::from_hours(1);
    assert!(matches!(bench.writer.wait(true).await, Woken::CommitDue));
    bench.writer.upkeep_at = Instant::now();
    assert!(matches!(bench.writer.wait(true).await, Woken::UpkeepDue));
    bench.writer.keep_up().unwrap();
    assert!(matches!(bench.writer.wait(true).await, Woken::CommitDue));
}
