//! When attempts are made, and how a delivery ends.

use std::{path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;

use super::world::{Answer, Receivers, VirtualClock, World, pass, retry_after, status, webhook};
use crate::{
    profile::Profile,
    queue::delivery::{DeadLetter, EndState},
    store::{Prefix, Store, codec},
};

/// One event for a receiver that always answers the same: seconds of the attempts, and the end.
async fn run(profile: Profile, answer: Answer) -> (Vec<u64>, Option<EndState>) {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, move |_| answer);
    let hook = webhook("a", profile);
    let long_enough = hook.schedule.iter().sum::<Duration>() * 2;
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(1).await;
    pass(long_enough).await;
    world.stop().await;
    let attempts: Vec<_> = receivers.seen().iter().map(|send| send.attempt).collect();
    assert_eq!(attempts, (1..=u32::try_from(attempts.len()).unwrap()).collect::<Vec<_>>());
    (receivers.offsets_s(), ends(dir.path()).first().map(|letter| letter.state))
}

/// What ended badly.
pub(super) fn ends(dir: &Path) -> Vec<DeadLetter> {
    let store = Store::open(dir).unwrap();
    let letters = store.scan(&Prefix::all_dead()).unwrap();
    letters.map(|entry| codec::decode("letter", 1, &entry.unwrap().1).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn d8_jetemail_sends_at_0_30_150_750_4350_18750_and_then_keeps_a_dead_letter() {
    let (offsets, end) = run(Profile::Jetemail, status(500)).await;
    assert_eq!((offsets, end), (vec![0, 30, 150, 750, 4350, 18_750], Some(EndState::Dead)));
}

#[tokio::test(start_paused = true)]
async fn d9_c8_generic_sends_at_0_60_360_2160_and_then_keeps_a_dead_letter() {
    let (offsets, end) = run(Profile::Generic, status(500)).await;
    assert_eq!((offsets, end), (vec![0, 60, 360, 2160], Some(EndState::Dead)));
}

#[tokio::test(start_paused = true)]
async fn d10_lettermint_sends_twelve_times_in_853_minutes_and_then_keeps_a_dead_letter() {
    let (offsets, end) = run(Profile::Lettermint, status(500)).await;
    let minutes: Vec<_> = offsets.iter().map(|at| at / 60).collect();
    assert_eq!(minutes, [0, 1, 3, 8, 18, 28, 43, 73, 133, 253, 493, 853]);
    assert_eq!(end, Some(EndState::Dead));
}

#[tokio::test(start_paused = true)]
async fn c9_waits_are_counted_from_the_end_of_the_attempt_before() {
    let slow = Answer { after: Duration::from_secs(9), ..status(500) };
    let (offsets, _) = run(Profile::Jetemail, slow).await;
    assert_eq!(offsets, [0, 39, 168, 777, 4386, 18_795]);
}

#[tokio::test(start_paused = true)]
async fn d4_d5_c10_a_404_is_discarded_at_once_by_jetemail_and_dead_after_twelve_by_lettermint() {
    let (offsets, end) = run(Profile::Jetemail, status(404)).await;
    assert_eq!((offsets, end), (vec![0], Some(EndState::Discarded)));
    let (offsets, end) = run(Profile::Lettermint, status(404)).await;
    assert_eq!((offsets.len(), end), (12, Some(EndState::Dead)));
}

#[tokio::test(start_paused = true)]
async fn d7_a_timeout_is_tried_again() {
    let (offsets, _) = run(Profile::Jetemail, super::world::hang(Duration::from_secs(10))).await;
    assert_eq!(offsets[..2], [0, 40]);
}

#[tokio::test(start_paused = true)]
async fn a_named_time_is_waited_for_and_never_shortens_the_schedule_or_adds_an_attempt() {
    let (offsets, _) = run(Profile::Jetemail, retry_after(429, 7)).await;
    assert_eq!(offsets, [0, 30, 150, 750, 4350, 18_750]);
    let (offsets, _) = run(Profile::Generic, retry_after(500, 100)).await;
    assert_eq!(offsets, [0, 100, 400, 2200]);
}

#[tokio::test(start_paused = true)]
async fn d11_a_crash_between_attempt_and_commit_repeats_the_attempt_with_its_number_and_id() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers =
        Receivers::new(&clock, |_| Answer { after: Duration::from_secs(1), ..status(200) });
    let hook = webhook("a", Profile::Standard);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(1).await;
    pass(Duration::from_millis(500)).await;
    world.crash().await;
    let world = World::start(dir.path(), &clock, vec![hook], &receivers);
    assert!(!world.drain().await);
    let seen = receivers.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].event, seen[0].attempt), (seen[1].event, seen[1].attempt));
}

/// Its retry would come three days late.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_does_not_put_retries_off() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(500));
    let hook = webhook("a", Profile::Jetemail);
    let mut world = World::start(dir.path(), &clock, vec![hook], &receivers);
    world.take_in(1).await;
    pass(Duration::from_secs(200)).await;
    clock.step(-3 * 24 * 3_600_000);
    pass(Duration::from_hours(6)).await;
    world.stop().await;
    assert_eq!(receivers.offsets_s(), [0, 30, 150, 750, 4350, 18_750]);
}

/// What a clock set years ahead has scheduled is not waited for once that is mended.
#[tokio::test(start_paused = true)]
async fn retries_that_a_wrong_clock_has_put_far_away_are_due_after_a_restart() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(500));
    let hook = webhook("a", Profile::Jetemail);
    clock.step(365 * 24 * 3_600_000);
    let mut world = World::start(dir.path(), &clock, vec![hook.clone()], &receivers);
    world.take_in(3).await;
    pass(Duration::from_secs(10)).await;
    world.stop().await;
    clock.step(-365 * 24 * 3_600_000);
    let world = World::start(dir.path(), &clock, vec![hook], &receivers);
    pass(Duration::from_secs(10)).await;
    world.stop().await;
    let attempts: Vec<_> = receivers.seen().iter().map(|send| send.attempt).collect();
    assert_eq!(attempts, [1, 1, 1, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let receivers = Receivers::new(&clock, |_| status(200));
    let mut hook = webhook("a", Profile::Standard);
    hook.policy.rate = std::num::NonZeroU32::new(20);
    let mut world = World::start(dir.path(), &clock, vec![hook], &Arc::clone(&receivers));
    world.take_in(100).await;
    assert!(!world.drain().await, "all of it is sent first");
    let seen = receivers.seen();
    assert_eq!(seen.len(), 100);
    for second in 0..4 {
        let count = seen.iter().filter(|send| send.at_ms / 1000 == second).count();
        assert!((18..=22).contains(&count), "{count} in second {second}");
    }
}
