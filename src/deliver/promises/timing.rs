//! D4 to D10: which answers are retried, when, and how often.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    profile::Profile,
    queue::{
        outcome::{AttemptResult, Failure, Outcome, classify},
        schedule::next_due,
    },
};

fn answered(status: u16) -> AttemptResult {
    AttemptResult::Answered { status, retry_after: None }
}

/// By the table of the profile alone.
fn judged(profile: Profile, result: AttemptResult, number: u32) -> Outcome {
    classify(profile, result, number)
}

fn outcome(profile: Profile, status: u16) -> Outcome {
    judged(profile, answered(status), 1)
}

fn is_retried(profile: Profile, result: AttemptResult) -> bool {
    matches!(judged(profile, result, 1), Outcome::Retry { .. })
}

/// How a delivery ended.
#[derive(Debug, PartialEq)]
enum End {
    Delivered,
    Discarded,
    Dead,
}

/// When a receiver that always answers so is tried, in seconds from the first time, by the exact
/// schedule, and how it ends. Attempts take a second each, which the schedule does not count.
fn sends(profile: Profile, result: AttemptResult) -> (Vec<i64>, End) {
    const TAKES: Duration = Duration::from_secs(1);
    let mut now = Timestamp::UNIX_EPOCH;
    let mut sent = Vec::new();
    for number in 1.. {
        sent.push(now.as_second() - i64::from(number - 1));
        let ended = now + TAKES;
        let due = match judged(profile, result, number) {
            Outcome::Delivered => return (sent, End::Delivered),
            Outcome::Discarded | Outcome::Blocked => return (sent, End::Discarded),
            Outcome::Retry { not_before } => {
                next_due(profile.schedule(), number, ended, not_before, 0.0)
            }
        };
        match due {
            Some(due) => now = due,
            None => break,
        }
    }
    (sent, End::Dead)
}

#[test]
fn d4_jetemail_takes_2xx_retries_429_and_5xx_and_discards_other_4xx() {
    for status in 200..600 {
        let expected = match status {
            200..=299 => Outcome::Delivered,
            400..=499 if status != 429 => Outcome::Discarded,
            _ => Outcome::Retry { not_before: Duration::ZERO },
        };
        assert_eq!(outcome(Profile::Jetemail, status), expected, "{status}");
    }
}

#[test]
fn d5_lettermint_retries_whatever_is_not_2xx() {
    for status in 200..600 {
        let is_retried = is_retried(Profile::Lettermint, answered(status));
        assert_eq!(is_retried, !(200..300).contains(&status), "{status}");
    }
    assert!(is_retried(Profile::Lettermint, AttemptResult::Failed(Failure::Timeout)));
}

#[test]
fn d6_generic_retries_what_fails() {
    for status in [300, 400, 401, 404, 410, 422, 429, 500, 503] {
        assert!(is_retried(Profile::Generic, answered(status)), "{status}");
    }
    for failure in [Failure::Dns, Failure::Connect, Failure::Tls, Failure::Reset] {
        assert!(is_retried(Profile::Generic, AttemptResult::Failed(failure)), "{failure:?}");
    }
}

#[test]
fn d7_c6_timeouts_are_10_15_and_30_seconds_and_are_retried() {
    let timeouts = Profile::ALL.iter().map(|profile| profile.timeout().as_secs());
    assert_eq!(timeouts.collect::<Vec<_>>(), [20, 10, 15, 30]);
    for &profile in Profile::ALL {
        assert!(is_retried(profile, AttemptResult::Failed(Failure::Timeout)));
    }
}

#[test]
fn d8_jetemail_sends_at_0_30_150_750_4350_18750_and_then_gives_up() {
    let promised = vec![0, 30, 150, 750, 4350, 18_750];
    for result in [answered(500), answered(429), AttemptResult::Failed(Failure::Timeout)] {
        assert_eq!(sends(Profile::Jetemail, result), (promised.clone(), End::Dead));
    }
}

#[test]
fn d9_c8_generic_sends_once_and_three_times_more_at_60_360_2160() {
    assert_eq!(sends(Profile::Generic, answered(500)), (vec![0, 60, 360, 2160], End::Dead));
}

#[test]
fn d10_lettermint_sends_12_times_in_853_minutes() {
    let minutes = [0, 1, 3, 8, 18, 28, 43, 73, 133, 253, 493, 853];
    let promised = minutes.map(|minute| minute * 60).to_vec();
    for status in [500, 404] {
        assert_eq!(sends(Profile::Lettermint, answered(status)), (promised.clone(), End::Dead));
    }
}

#[test]
fn c7_a_404_is_final_or_retried_as_the_profile_says() {
    assert_eq!(outcome(Profile::Jetemail, 404), Outcome::Discarded);
    assert_eq!(outcome(Profile::Standard, 404), Outcome::Discarded);
    assert!(is_retried(Profile::Generic, answered(404)));
    assert!(is_retried(Profile::Lettermint, answered(404)));
}

#[test]
fn c9_jetemail_has_no_seventh_send() {
    assert_eq!(sends(Profile::Jetemail, answered(503)).0.len(), 6);
}

#[test]
fn c10_what_is_refused_and_what_runs_out_end_differently() {
    assert_eq!(sends(Profile::Jetemail, answered(400)), (vec![0], End::Discarded));
    assert_eq!(sends(Profile::Jetemail, answered(500)).1, End::Dead);
    assert_eq!(sends(Profile::Jetemail, answered(204)), (vec![0], End::Delivered));
}
