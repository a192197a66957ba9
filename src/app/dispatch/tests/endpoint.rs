//! What one endpoint's trouble does to its own deliveries, and to those of others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;

use super::{
    schedule::ends,
    world::{
        Answer, Receivers, Send, VirtualClock, World, hang, pass, retry_after, status, webhook,
    },
};
use crate::{
    config::{Webhook, WebhookId},
    profile::Profile,
    store::{Prefix, Store},
    writer::Resume,
};

const AN_HOUR: Duration = Duration::from_hours(1);

fn numbers(seen: &[Send]) -> Vec<u64> {
    seen.iter().map(|send| send.number).collect()
}

#[tokio::test(start_paused = true)]
async fn m20_what_comes_while_disabled_for_a_day_arrives_once_and_oldest_first_when_enabled() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(200));
    let mut hook = webhook("a", Profile::Standard);
    hook.concurrency = 1;
    let id = hook.id;
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    assert!(world.handle.disable(id).await.unwrap());
    assert!(!world.handle.disable(id).await.unwrap(), "it is already");
    for _ in 0..24 {
        world.take_in(10).await;
        pass(AN_HOUR).await;
    }
    world.stop().await;
    assert_eq!(receivers.seen(), []);
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    pass(AN_HOUR).await;
    assert_eq!(receivers.seen(), [], "a restart changes nothing");
    assert!(world.handle.enable(id, Resume::Replay).await.unwrap());
    world.take_in(1).await;
    assert!(!world.drain().await);
    assert_eq!(numbers(&receivers.seen()), (0..241).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_waited_is_not_sent_when_that_is_asked_for_and_what_comes_then_is() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number < 5 { 500 } else { 200 }));
    let hook = webhook("a", Profile::Standard);
    let id = hook.id;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(5).await;
    pass(Duration::from_secs(1)).await;
    assert!(world.handle.disable(id).await.unwrap());
    world.take_in(100).await;
    assert!(world.handle.enable(id, Resume::Drop).await.unwrap());
    world.take_in(3).await;
    pass(AN_HOUR).await;
    assert!(!world.drain().await, "nothing waits");
    assert_eq!(numbers(&receivers.seen()), [0, 1, 2, 3, 4, 105, 106, 107]);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_not_disabled_or_not_there_cannot_be_enabled() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(200));
    let hook = webhook("a", Profile::Standard);
    let world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    assert!(!world.handle.enable(hook.id, Resume::Drop).await.unwrap());
    assert!(!world.handle.disable(WebhookId::of_name("b")).await.unwrap());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_disabled_and_what_comes_waits() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| status(if send.number == 3 { 410 } else { 200 }));
    let mut hook = webhook("a", Profile::Standard);
    hook.concurrency = 1;
    let id = hook.id;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(10).await;
    pass(AN_HOUR).await;
    assert_eq!(numbers(&receivers.seen()), [0, 1, 2, 3]);
    assert!(world.handle.enable(id, Resume::Replay).await.unwrap());
    assert!(!world.drain().await);
    assert_eq!(numbers(&receivers.seen())[4..], [4, 5, 6, 7, 8, 9]);
    assert_eq!(ends(dir.path()).len(), 1, "the one that it refused for good");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_for_all_deliveries_of_the_endpoint_and_for_no_other() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |send| {
        if send.webhook == "a" && send.at_ms < 1000 { retry_after(503, 600) } else { status(200) }
    });
    let hooks = ["a", "b"].map(|name| webhook(name, Profile::Jetemail));
    let mut world = World::start(dir.path(), &clock, hooks.to_vec(), &receivers);
    world.take_in(1).await;
    pass(Duration::from_secs(1)).await;
    world.take_in(9).await;
    pass(AN_HOUR).await;
    world.stop().await;
    let of = |name: &str| -> Vec<_> {
        let seen = receivers.seen().into_iter().filter(|send| send.webhook == name);
        seen.map(|send| send.at_ms / 1000).collect()
    };
    assert_eq!(of("a"), [vec![0], vec![600; 10]].concat());
    assert_eq!(of("b"), [vec![0], vec![1; 9]].concat());
}

/// Down from the beginning until it is said to be up.
fn outage(hook: &Webhook, up: &Arc<AtomicBool>) -> impl Fn(&Send) -> Answer + use<> {
    let (up, timeout) = (Arc::clone(up), hook.timeout);
    move |_| if up.load(Ordering::SeqCst) { status(200) } else { hang(timeout) }
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_costs_no_attempts_and_no_rows_and_ends_in_a_slow_start() {
    const EVENTS: usize = 6000;
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let (hook, up) = (webhook("a", Profile::Jetemail), Arc::new(AtomicBool::new(false)));
    let receivers = Receivers::new(&clock, outage(&hook, &up));
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    for _ in 0..6 {
        world.take_in(EVENTS / 6).await;
        pass(Duration::from_hours(2)).await;
    }
    world.stop().await;
    let in_vain = receivers.seen();
    let rows = Store::open(dir.path()).unwrap().scan(&Prefix::all_retries()).unwrap().count();
    assert!(rows <= hook.concurrency, "{rows} deliveries wait in rows of their own");
    let probes = in_vain.len() - hook.concurrency;
    assert!((60..=80).contains(&probes), "{probes} probes in twelve hours");
    assert!(in_vain.iter().all(|send| send.attempt <= 2), "a probe burns no attempt");

    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    up.store(true, Ordering::SeqCst);
    world.take_in(1).await;
    pass(Duration::from_mins(11)).await;
    world.stop().await;
    let after = &receivers.seen()[in_vain.len()..];
    assert_eq!(receivers.taken().len(), EVENTS + 1, "each arrives");
    assert!(receivers.taken().values().all(|count| *count == 1), "once");
    assert_eq!(ends(dir.path()).len(), 0);
    let first_ms = after[0].at_ms;
    let within = |ms| after.iter().filter(|send| send.at_ms < first_ms + ms).count();
    assert!(within(1000) <= 12 && within(2000) <= 33, "{} {}", within(1000), within(2000));
}

#[tokio::test(start_paused = true)]
async fn without_a_circuit_every_delivery_keeps_its_schedule_through_an_outage() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(500));
    let mut hook = webhook("a", Profile::Generic);
    hook.policy.circuit = false;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(300).await;
    pass(AN_HOUR).await;
    world.stop().await;
    let seen = receivers.seen();
    assert_eq!(seen.len(), 1200);
    for number in [0, 150, 299] {
        let offsets: Vec<_> =
            seen.iter().filter(|it| it.number == number).map(|it| it.at_ms / 1000).collect();
        assert_eq!(offsets, [0, 60, 360, 2160]);
    }
    assert_eq!(ends(dir.path()).len(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_small_backlog_keeps_its_schedule_whatever_happens() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(500));
    let hook = webhook("a", Profile::Jetemail);
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(50).await;
    pass(Duration::from_hours(6)).await;
    world.stop().await;
    for number in 0..50 {
        let seen = receivers.seen().into_iter().filter(|send| send.number == number);
        let offsets: Vec<_> = seen.map(|send| send.at_ms / 1000).collect();
        assert_eq!(offsets, [0, 30, 150, 750, 4350, 18_750]);
    }
}

/// Milliseconds from being taken in to being taken, the 99th percentile, of a healthy receiver
/// beside `dead` ones that let every attempt hang.
async fn p99_beside(dead: usize) -> u64 {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let names: Vec<_> = (0..dead).map(|number| format!("dead{number}")).collect();
    let hooks = names.iter().map(String::as_str).chain(["healthy"]).map(|name| {
        let mut hook = webhook(name, Profile::Lettermint);
        hook.policy.circuit = false;
        hook
    });
    let receivers = Receivers::new(&clock, |send| match send.webhook.as_str() {
        "healthy" => Answer { after: Duration::from_millis(20), ..status(200) },
        _ => hang(Duration::from_secs(30)),
    });
    let mut world = World::start_with(dir.path(), &clock, hooks.collect(), &receivers, 64);
    let mut waits = Vec::new();
    for second in 0..120 {
        world.take_in(8).await;
        pass(Duration::from_secs(1)).await;
        let seen = receivers.seen().into_iter().filter(|send| send.webhook == "healthy");
        waits = seen.map(|send| send.at_ms - send.number / 8 * 1000).collect();
        assert!(waits.len() <= (second + 1) * 8);
    }
    world.crash().await;
    assert_eq!(waits.len(), 960, "all of them");
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[tokio::test(start_paused = true)]
async fn receivers_that_hang_do_not_delay_a_healthy_one() {
    let alone = p99_beside(0).await;
    for dead in [1, 7] {
        assert_eq!(p99_beside(dead).await, alone, "beside {dead}");
    }
}
