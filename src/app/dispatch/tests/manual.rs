//! What a person does with deliveries.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::world::{Receivers, VirtualClock, World, hang, pass, status, webhook};
use crate::{
    config::WebhookId,
    profile::Profile,
    queue::{delivery::EndState, policy::Ordering},
    writer::{Cancelled, Cleared, Replayed, Selector, Wanted},
};

const ALL: Selector =
    Selector { after: None, seq: None, state: None, since_ms: None, until_ms: None };

fn id() -> WebhookId {
    WebhookId::of_name("a")
}

fn sends(receivers: &Arc<Receivers>) -> Vec<(u64, u32)> {
    receivers.seen().iter().map(|send| (send.number, send.attempt)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_a_new_delivery_of_the_same_event_and_replaces_a_retry_that_waits() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        status(if send.number == 1 && send.at_ms < 1000 { 500 } else { 200 })
    });
    let mut world =
        World::start(dir.path(), &clock, vec![webhook("a", Profile::Jetemail)], &receivers);
    world.take_in(2).await;
    pass(Duration::from_secs(5)).await;
    for seq in [0, 1] {
        assert_eq!(world.handle.replay(id(), seq).await.unwrap(), Replayed::Due);
    }
    assert_eq!(world.handle.replay(id(), 2).await.unwrap(), Replayed::Unknown);
    assert!(!world.drain().await, "no retry is left over");
    let seen = receivers.seen();
    assert_eq!(sends(&receivers), [(0, 1), (1, 1), (0, 1), (1, 1)]);
    assert_eq!((seen[0].event, seen[1].event), (seen[2].event, seen[3].event));
}

/// Webhooks.md §2.1: the mark stays over failures and restarts.
#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_replay_is_on_record_as_one() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        status(if (20_000..40_000).contains(&send.at_ms) { 500 } else { 200 })
    });
    let hook = webhook("a", Profile::Jetemail);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(1).await;
    pass(Duration::from_secs(21)).await;
    assert_eq!(world.handle.replay(id(), 0).await.unwrap(), Replayed::Due);
    pass(Duration::from_secs(1)).await;
    world.stop().await;
    let world = World::start(dir.path(), &clock, vec![hook], &receivers);
    pass(Duration::from_hours(1)).await;
    let page = world.handle.attempts(id(), Wanted { limit: 9, ..Wanted::default() }).await.unwrap();
    let told: Vec<_> = page
        .records
        .iter()
        .map(|(_, record)| (record.attempt.number, record.purpose.is_replay()))
        .collect();
    assert_eq!(told, [(2, true), (1, true), (1, false)], "the newest first");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_or_not_sent_yet_is_not_replayed_on_top() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| hang(Duration::from_secs(10)));
    let mut hook = webhook("a", Profile::Jetemail);
    hook.concurrency = 1;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(200).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.handle.replay(id(), 0).await.unwrap(), Replayed::UnderWay);
    assert_eq!(world.handle.replay(id(), 150).await.unwrap(), Replayed::Pending);
    assert_eq!(world.handle.cancel(id(), 0).await.unwrap(), Cancelled::UnderWay);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_called_off_is_not_sent_and_stays_on_record() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number == 0 { 500 } else { 200 }));
    let hook = webhook("a", Profile::Jetemail);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(2).await;
    pass(Duration::from_secs(1)).await;
    assert!(world.handle.disable(id()).await.unwrap());
    world.take_in(3).await;
    for (seq, expected) in [
        (0, Cancelled::Done),
        (1, Cancelled::NotPending),
        (3, Cancelled::Done),
        (3, Cancelled::NotPending),
        (9, Cancelled::NotPending),
    ] {
        assert_eq!(world.handle.cancel(id(), seq).await.unwrap(), expected, "{seq}");
    }
    world.stop().await;
    let world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.handle.enable(id(), crate::writer::Resume::Replay).await.unwrap();
    let page = world.handle.dead(id(), ALL, 9).await.unwrap();
    let letters: Vec<_> =
        page.letters.iter().map(|it| (it.seq, it.letter.state, it.letter.attempts)).collect();
    assert_eq!(letters, [(0, EndState::Cancelled, 1), (3, EndState::Cancelled, 0)]);
    assert!(!world.drain().await);
    assert_eq!(sends(&receivers), [(0, 1), (1, 1), (2, 1), (4, 1)]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_by_pages_sent_again_and_purged() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        status(match send.number {
            _ if send.at_ms > 3_600_000 => 200,
            0..5 => 404,
            _ => 500,
        })
    });
    let mut hook = webhook("a", Profile::Jetemail);
    hook.schedule = vec![Duration::from_secs(1)];
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(12).await;
    pass(Duration::from_secs(3601)).await;
    let handle = world.handle.clone();
    let first = handle.dead(id(), ALL, 8).await.unwrap();
    let behind = Selector { after: first.next, ..ALL };
    let rest = handle.dead(id(), behind, 8).await.unwrap();
    let seqs: Vec<_> = first.letters.iter().chain(&rest.letters).map(|it| it.seq).collect();
    assert_eq!((seqs, rest.next), ((0..12).collect(), None));
    let dead = Selector { state: Some(EndState::Dead), ..ALL };
    let one = Selector { seq: Some(2), ..ALL };
    assert_eq!(handle.retry_dead(id(), dead).await.unwrap(), Cleared { count: 7, next: None });
    assert_eq!(handle.retry_dead(id(), one).await.unwrap(), Cleared { count: 1, next: None });
    let late = Selector { since_ms: Some(u64::MAX), ..ALL };
    assert_eq!(handle.purge_dead(id(), late).await.unwrap().count, 0);
    assert_eq!(handle.purge_dead(id(), ALL).await.unwrap().count, 4);
    assert!(!world.drain().await);
    assert_eq!(receivers.taken().into_keys().collect::<Vec<_>>(), [2, 5, 6, 7, 8, 9, 10, 11]);
    assert!(receivers.seen().iter().filter(|send| send.taken).all(|send| send.attempt == 1));
    assert_eq!(super::schedule::ends(dir.path()), []);
}

#[tokio::test(start_paused = true)]
async fn calling_off_the_first_of_a_message_lets_the_others_go() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number == 0 { 500 } else { 200 }));
    let mut hook = webhook("a", Profile::Jetemail);
    hook.policy.ordering = Ordering::Message;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in_of(4, |_| 0).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.handle.cancel(id(), 2).await.unwrap(), Cancelled::Done, "it waits itself");
    assert_eq!(world.handle.cancel(id(), 0).await.unwrap(), Cancelled::Done);
    assert!(!world.drain().await);
    assert_eq!(sends(&receivers), [(0, 1), (1, 1), (3, 1)]);
}
