//! The record of attempts.

use std::time::Duration;

use tempfile::TempDir;

use super::world::{Receivers, VirtualClock, World, hang, pass, status, webhook};
use crate::{
    profile::Profile,
    queue::{
        delivery::EndState,
        record::{Record, RecordEnd},
    },
    store::{Prefix, Store},
    writer::{Page, Wanted},
};

fn words(record: &Record) -> (u64, u32, String, RecordEnd) {
    let said = record.attempt.last().map(|last| last.result.words()).unwrap_or_default();
    (record.seq, record.attempt.number, said, record.end)
}

#[tokio::test(start_paused = true)]
async fn m15_m17_d16_each_attempt_is_on_record_by_webhook_and_by_event_also_after_a_restart() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| match (send.number, send.attempt) {
        (1, 1) => hang(Duration::from_secs(10)),
        (2, _) => status(404),
        _ => status(200),
    });
    let hook = webhook("a", Profile::Jetemail);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(3).await;
    pass(Duration::from_mins(5)).await;
    world.stop().await;
    let world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    let all = Wanted { limit: 99, ..Wanted::default() };
    let page = world.handle.attempts(hook.id, all).await.unwrap();
    let mut told: Vec<_> = page.records.iter().map(|(_, record)| words(record)).collect();
    assert_eq!(told.remove(0), (1, 2, "HTTP 200".into(), RecordEnd::Delivered), "the newest first");
    let (seq, number, said, end) = told.remove(0);
    assert_eq!((seq, number, said.as_str()), (1, 1, "timeout: x"));
    assert!(matches!(end, RecordEnd::Retry { .. }));
    assert_eq!(told[0], (2, 1, "HTTP 404".into(), RecordEnd::Ended(EndState::Discarded)));
    assert_eq!(told[1], (0, 1, "HTTP 200".into(), RecordEnd::Delivered));
    let of_one = world.handle.attempts(hook.id, Wanted { seq: Some(1), ..all }).await.unwrap();
    assert_eq!(of_one.records, page.records[..2]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_attempts_follow_each_other_without_gap_or_overlap_in_few_keys() {
    const EVENTS: usize = 3000;
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(200));
    let hook = webhook("a", Profile::Standard);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(EVENTS).await;
    pass(Duration::from_secs(10)).await;
    let (mut wanted, mut seqs) = (Wanted { limit: 170, ..Wanted::default() }, Vec::new());
    loop {
        let Page { records, next } = world.handle.attempts(hook.id, wanted).await.unwrap();
        assert!(records.len() <= 170);
        seqs.extend(records.iter().map(|(_, record)| record.seq));
        wanted.before = next;
        if next.is_none() {
            break;
        }
    }
    world.stop().await;
    seqs.sort_unstable();
    assert_eq!(seqs, (0..EVENTS as u64).collect::<Vec<_>>());
    let keys = Store::open(dir.path()).unwrap().scan(&Prefix::all_attempts()).unwrap().count();
    assert!(keys < EVENTS / 20, "{keys} keys");
}
