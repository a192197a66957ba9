//! `ordering = "message"`.

use std::time::Duration;

use tempfile::TempDir;

use super::world::{Answer, Receivers, Send, VirtualClock, World, pass, status, webhook};
use crate::{
    config::Webhook,
    profile::Profile,
    queue::policy::Ordering,
    store::{Prefix, Store},
};

fn ordered() -> Webhook {
    let mut hook = webhook("a", Profile::Jetemail);
    hook.policy.ordering = Ordering::Message;
    hook
}

fn taken(seen: &[Send]) -> Vec<(u64, u64)> {
    seen.iter().filter(|send| send.taken).map(|send| (send.number, send.at_ms / 1000)).collect()
}

#[tokio::test(start_paused = true)]
async fn later_events_of_a_message_wait_for_earlier_ones_also_across_retries_and_a_restart() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        status(if send.number == 0 && send.attempt < 3 { 500 } else { 200 })
    });
    let mut world = World::start(dir.path(), &clock, vec![ordered()], &receivers);
    world.take_in_of(6, |number| usize::from(number >= 4)).await;
    pass(Duration::from_mins(1)).await;
    world.stop().await;
    assert_eq!(taken(&receivers.seen()), [(4, 0), (5, 0)], "another message does not wait");
    let mut world = World::start(dir.path(), &clock, vec![ordered()], &receivers);
    world.take_in_of(1, |_| 0).await;
    pass(Duration::from_hours(1)).await;
    world.stop().await;
    assert_eq!(taken(&receivers.seen())[2..], [(0, 150), (1, 150), (2, 150), (3, 150), (6, 150)]);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.scan(&Prefix::all_places()).unwrap().count(), 0, "no row is left");
    assert_eq!(store.scan(&Prefix::all_retries()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_of_a_message_is_under_way_and_others_go_side_by_side() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers =
        Receivers::new(&clock, |_| Answer { after: Duration::from_secs(1), ..status(200) });
    let mut world = World::start(dir.path(), &clock, vec![ordered()], &receivers);
    world.take_in_of(40, |number| number % 8).await;
    assert!(!world.drain().await);
    let mut seen = receivers.seen();
    assert_eq!(seen.len(), 40);
    for message in 0..8 {
        let of: Vec<_> = seen.iter().filter(|send| send.number % 8 == message).collect();
        assert!(of.is_sorted_by_key(|send| send.number), "in order");
        assert!(of.windows(2).all(|pair| pair[1].at_ms >= pair[0].at_ms + 1000), "one by one");
    }
    seen.sort_by_key(|send| send.at_ms);
    assert!(seen[39].at_ms < 8000, "but not all one after the other: {}", seen[39].at_ms);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ends_badly_does_not_hold_its_message_up_for_ever() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number == 0 { 500 } else { 200 }));
    let mut world = World::start(dir.path(), &clock, vec![ordered()], &receivers);
    world.take_in_of(3, |_| 0).await;
    pass(Duration::from_hours(6)).await;
    world.stop().await;
    assert_eq!(taken(&receivers.seen()), [(1, 18_750), (2, 18_750)]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_goes_out_when_the_order_is_given_up() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number == 0 { 500 } else { 200 }));
    let mut world = World::start(dir.path(), &clock, vec![ordered()], &receivers);
    world.take_in_of(3, |_| 0).await;
    pass(Duration::from_secs(1)).await;
    world.stop().await;
    let hook = webhook("a", Profile::Jetemail);
    let world = World::start(dir.path(), &clock, vec![hook], &receivers);
    pass(Duration::from_secs(1)).await;
    world.stop().await;
    assert_eq!(taken(&receivers.seen()), [(1, 1), (2, 1)]);
}
