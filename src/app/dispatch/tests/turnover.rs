//! Webhooks that come, change and go while events are on their way.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::world::{Answer, Receivers, Send, VirtualClock, World, hang, pass, status, webhook};
use crate::{
    config::Webhook,
    profile::Profile,
    store::{Prefix, Store},
    writer::Change,
};

fn put(webhook: &Webhook) -> Change {
    Change::Put { webhook: Arc::new(webhook.clone()), is_enabled: None }
}

async fn change(world: &World, change: Change) {
    world.handle.change(vec![change]).await.unwrap().unwrap();
}

/// Numbers of the events that came for the webhook of that name.
fn came(receivers: &Receivers, name: &str) -> Vec<u64> {
    let seen = receivers.seen();
    let mut numbers: Vec<_> =
        seen.iter().filter(|send| send.webhook == name).map(|send| send.number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(start_paused = true)]
async fn a_new_webhook_is_told_what_happens_from_then_on() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(200));
    let mut world = World::start(dir.path(), &clock, Vec::new(), &receivers);
    world.take_in(3).await;
    change(&world, put(&webhook("a", Profile::Jetemail))).await;
    world.take_in(2).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(came(&receivers, "a"), [3, 4]);
    assert!(!world.drain().await);
}

/// Those that have begun go on as they are; so their retries do not.
#[tokio::test(start_paused = true)]
async fn attempts_that_begin_after_a_change_are_made_as_it_says() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let behaviour = |send: &Send| match send.webhook.as_str() {
        "before" => hang(Duration::from_secs(10)),
        _ => status(200),
    };
    let receivers = Receivers::new(&clock, behaviour);
    let mut hook =
        Webhook { name: "before".into(), concurrency: 2, ..webhook("a", Profile::Jetemail) };
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(20).await;
    pass(Duration::from_secs(1)).await;
    hook.name = "after".into();
    hook.concurrency = 8;
    change(&world, put(&hook)).await;
    pass(Duration::from_mins(1)).await;
    assert_eq!(came(&receivers, "before").len(), 2, "no more than were under way");
    let after = came(&receivers, "after");
    assert_eq!(after, (0..20).collect::<Vec<_>>(), "each once, those that failed before too");
    assert!(!world.drain().await);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_does_not_hold_up_the_one_after_it() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let behaviour = |send: &Send| match send.webhook.as_str() {
        "before" => hang(Duration::from_mins(5)),
        _ => status(200),
    };
    let receivers = Receivers::new(&clock, behaviour);
    let mut hook =
        Webhook { name: "before".into(), concurrency: 1, ..webhook("a", Profile::Jetemail) };
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(3).await;
    pass(Duration::from_secs(1)).await;
    (hook.name, hook.concurrency) = ("after".into(), 2);
    change(&world, put(&hook)).await;
    world.take_in(1).await;
    pass(Duration::from_secs(10)).await;
    // The slot of the attempt that hangs is its own.
    assert_eq!(came(&receivers, "after"), [1, 2, 3]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_deleted_webhook_is_cancelled_and_leaves_the_store() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let behaviour = |send: &Send| match (send.webhook.as_str(), send.number) {
        ("a", 9) => Answer { after: Duration::from_secs(30), ..status(200) },
        ("a", _) => status(500),
        _ => status(200),
    };
    let receivers = Receivers::new(&clock, behaviour);
    let hooks = [webhook("a", Profile::Jetemail), webhook("b", Profile::Jetemail)];
    let mut world = World::start(dir.path(), &clock, hooks.to_vec(), &receivers);
    world.take_in(10).await;
    pass(Duration::from_secs(1)).await;
    change(&world, Change::Delete(hooks[0].id)).await;
    world.take_in(5).await;
    pass(Duration::from_hours(9)).await;
    assert_eq!(came(&receivers, "a"), (0..10).collect::<Vec<_>>(), "one attempt each, no retry");
    assert_eq!(came(&receivers, "b"), (0..15).collect::<Vec<_>>());
    assert!(!world.drain().await);
    let store = Store::open(dir.path()).unwrap();
    let left = |prefix: Prefix| store.scan(&prefix).unwrap().count();
    assert_eq!(left(Prefix::all_retries()) + left(Prefix::all_places()), 0);
    assert_eq!(left(Prefix::cursors()), 1, "that of `b`");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_leaves_the_file_and_comes_back_goes_on_where_it_was() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let slow = |_: &Send| Answer { after: Duration::from_secs(5), ..status(200) };
    let receivers = Receivers::new(&clock, slow);
    let hook = Webhook { concurrency: 2, ..webhook("a", Profile::Jetemail) };
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    for wait in [1, 7, 60] {
        // Also while attempts are under way, and before anybody has noticed.
        world.take_in(6).await;
        pass(Duration::from_secs(1)).await;
        change(&world, Change::Retire(hook.id)).await;
        pass(Duration::from_secs(wait - 1)).await;
        let before = receivers.seen().len();
        pass(Duration::from_millis(900)).await;
        assert_eq!(receivers.seen().len(), before, "nothing begins");
        world.take_in(2).await;
        change(&world, put(&hook)).await;
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(came(&receivers, "a"), (0..24).collect::<Vec<_>>(), "each once");
    assert!(!world.drain().await);
}
