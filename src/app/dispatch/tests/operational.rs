//! Events about the service itself.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::world::{Receivers, SILENCE, VirtualClock, World, pass, status, webhook};
use crate::{
    config::Webhook,
    event::{EventType, Notice},
    profile::Profile,
    queue::filter::TypeSet,
    writer::{Resume, Wanted},
};

const NAMES: [&str; 7] = [
    "endpoint.disabled",
    "endpoint.enabled",
    "endpoint.failing",
    "endpoint.recovered",
    "delivery.dead",
    "delivery.discarded",
    "dlq.threshold",
];

/// A webhook that is told of the service, and of nothing else.
fn watcher(name: &str) -> Webhook {
    let mut hook = webhook(name, Profile::Jetemail);
    hook.events = TypeSet::parse(NAMES, hook.profile).unwrap();
    hook
}

fn told(receivers: &Arc<Receivers>, name: &str) -> Vec<EventType> {
    let seen = receivers.seen().into_iter().filter(|send| send.webhook == name);
    seen.map(|send| send.kind).collect()
}

#[tokio::test(start_paused = true)]
async fn d15_what_happens_to_a_webhook_is_told_to_those_who_want_to_know() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        status(match (send.webhook.as_str(), send.number) {
            ("a", 0) => 500,
            ("a", 1..=3) => 404,
            _ => 200,
        })
    });
    let hooks = vec![webhook("a", Profile::Jetemail), watcher("ops")];
    let id = hooks[0].id;
    let mut world = World::start(dir.path(), &clock, hooks, &receivers);
    world.take_in(1).await;
    pass(Duration::from_hours(6)).await;
    world.take_in(3).await;
    pass(Duration::from_mins(1)).await;
    world.take_in(1).await;
    pass(Duration::from_mins(1)).await;
    world.handle.disable(id).await.unwrap();
    world.handle.enable(id, Resume::Replay).await.unwrap();
    pass(Duration::from_mins(1)).await;
    world.stop().await;
    assert_eq!(
        told(&receivers, "ops"),
        [
            EventType::EndpointFailing,
            EventType::DeliveryDead,
            EventType::DeliveryDiscarded,
            EventType::EndpointRecovered,
            EventType::EndpointDisabled,
            EventType::EndpointEnabled,
        ]
    );
    assert!(told(&receivers, "a").iter().all(|kind| !kind.is_operational()));
}

/// Two webhooks that are told of each other's failures, and fail.
#[tokio::test(start_paused = true)]
async fn nothing_is_told_about_the_deliveries_of_what_is_told() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(500));
    let hooks = vec![watcher("x"), watcher("y"), webhook("a", Profile::Jetemail)];
    let ids = [hooks[0].id, hooks[1].id];
    let mut world = World::start(dir.path(), &clock, hooks, &receivers);
    world.take_in(1).await;
    pass(Duration::from_hours(24)).await;
    for id in ids {
        let wanted = Wanted { limit: 999, ..Wanted::default() };
        let page = world.handle.attempts(id, wanted).await.unwrap();
        // That `a` is failing, and that its delivery is dead.
        assert_eq!(page.records.len(), 2 * 6);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_pile_up_are_told_at_a_hundred() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers =
        Receivers::new(&clock, |send| status(if send.webhook == "a" { 404 } else { 200 }));
    let hooks = vec![webhook("a", Profile::Jetemail), watcher("ops")];
    let mut world = World::start(dir.path(), &clock, hooks.clone(), &receivers);
    world.take_in(60).await;
    pass(Duration::from_secs(1)).await;
    world.stop().await;
    let count = |kind| told(&receivers, "ops").iter().filter(|it| **it == kind).count();
    assert_eq!(count(EventType::DlqThreshold), 0);
    let mut world = World::start(dir.path(), &clock, hooks, &receivers);
    world.take_in(60).await;
    pass(Duration::from_secs(1)).await;
    world.stop().await;
    assert_eq!((count(EventType::DlqThreshold), count(EventType::DeliveryDiscarded)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_is_told_once_and_what_the_program_sees_elsewhere_too() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let mut ops = watcher("ops");
    ops.events = TypeSet::parse(["source.stalled", "clock_skew"], ops.profile).unwrap();
    let receivers = Receivers::new(&clock, |_| status(200));
    let mut world = World::start(dir.path(), &clock, vec![ops], &receivers);
    world.take_in(1).await;
    pass(SILENCE - Duration::from_secs(2)).await;
    assert_eq!(told(&receivers, "ops"), []);
    pass(SILENCE).await;
    assert_eq!(told(&receivers, "ops"), [EventType::SourceStalled]);
    world.take_in(1).await;
    pass(SILENCE + Duration::from_secs(2)).await;
    world.handle.tell(EventType::ClockSkew, Notice::default()).await;
    pass(Duration::from_secs(2)).await;
    world.stop().await;
    let all = [EventType::SourceStalled, EventType::SourceStalled, EventType::ClockSkew];
    assert_eq!(told(&receivers, "ops"), all);
}
