//! The state machine of one endpoint, on times that are just numbers.

use super::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

fn sighting(signal: Signal) -> Sighting {
    Sighting { signal, hold: Duration::ZERO, gone: false, moved: false }
}

fn saw(endpoint: &mut Endpoint, signal: Signal, now_ms: u64) -> Vec<Change> {
    endpoint.saw(sighting(signal), false, now_ms)
}

fn endpoint() -> Endpoint {
    Endpoint::new(None, &Policy::default(), 0)
}

fn opened() -> Endpoint {
    let mut endpoint = endpoint();
    (0..5).for_each(|_| drop(saw(&mut endpoint, Signal::Down, 0)));
    assert!(endpoint.is_down());
    endpoint.open(0);
    endpoint
}

/// As after a restart.
fn restarted(endpoint: &Endpoint, now_ms: u64) -> Endpoint {
    Endpoint::new(Some(endpoint.health().clone()), &Policy::default(), now_ms)
}

#[test]
fn nothing_is_stored_while_nothing_fails() {
    let mut endpoint = endpoint();
    assert_eq!(endpoint.gate(0), Gate::Open(usize::MAX));
    assert_eq!(saw(&mut endpoint, Signal::Took, 5), []);
    assert!(endpoint.changed().is_none());
    saw(&mut endpoint, Signal::Refused, 6);
    assert!(endpoint.changed().is_some() && endpoint.changed().is_none(), "once for each change");
}

#[test]
fn the_fourth_failure_in_a_row_is_news_and_so_is_the_success_after_it() {
    let mut endpoint = endpoint();
    let said: Vec<_> = (0..6).flat_map(|now| saw(&mut endpoint, Signal::Refused, now)).collect();
    assert_eq!(said, [Change::Failing { attempts: 4 }]);
    assert_eq!(saw(&mut endpoint, Signal::Took, 9), [Change::Recovered { attempts: 6 }]);
    (0..3).for_each(|now| assert_eq!(saw(&mut endpoint, Signal::Down, now), []));
    assert_eq!(saw(&mut endpoint, Signal::Took, 9), [], "it had not been said");
}

/// Webhooks.md §2.3: a redirect is told at first.
#[test]
fn a_receiver_that_begins_to_redirect_is_news_at_once_and_once() {
    let mut endpoint = endpoint();
    let moved = Sighting { moved: true, ..sighting(Signal::Refused) };
    let said: Vec<_> = (0..6).flat_map(|now| endpoint.saw(moved, false, now)).collect();
    assert_eq!(said, [Change::Redirected, Change::Failing { attempts: 4 }]);
    saw(&mut endpoint, Signal::Took, 9);
    assert_eq!(endpoint.saw(moved, false, 10), [Change::Redirected]);
}

#[test]
fn only_failures_to_reach_the_receiver_in_a_row_open_the_circuit() {
    let mut endpoint = endpoint();
    for signal in [Signal::Down, Signal::Down, Signal::Refused, Signal::Down, Signal::Down] {
        saw(&mut endpoint, signal, 0);
    }
    saw(&mut endpoint, Signal::Down, 0);
    saw(&mut endpoint, Signal::Down, 0);
    assert!(!endpoint.is_down(), "it answered in between");
    saw(&mut endpoint, Signal::Down, 0);
    assert!(endpoint.is_down());
}

#[test]
fn an_open_circuit_is_probed_after_30_s_and_then_twice_as_late_up_to_ten_minutes() {
    let mut endpoint = opened();
    let (mut now_ms, mut waits) = (0, Vec::new());
    for _ in 0..8 {
        let Gate::Shut { until_ms: Some(until_ms) } = endpoint.gate(now_ms) else {
            panic!("{:?}", endpoint.gate(now_ms));
        };
        waits.push((until_ms - now_ms) / 1000);
        now_ms = until_ms;
        assert_eq!(endpoint.gate(now_ms), Gate::Probe);
        endpoint.saw(sighting(Signal::Down), true, now_ms);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600, 600]);
}

#[test]
fn a_straggler_does_not_put_off_the_probe_and_any_answer_closes_the_circuit_for_a_slow_start() {
    let mut endpoint = opened();
    saw(&mut endpoint, Signal::Down, 10);
    assert_eq!(endpoint.gate(30_000), Gate::Probe);
    for signal in [Signal::Took, Signal::Refused] {
        let mut endpoint = restarted(&endpoint, 30_000);
        let changes = endpoint.saw(sighting(signal), true, 30_000);
        assert!(changes.contains(&Change::Closed), "{signal:?}");
        assert_eq!(endpoint.gate(30_000), Gate::Open(1));
        endpoint.sent(1);
        assert_eq!(endpoint.gate(30_000), Gate::Paced { until_ms: 30_100 });
    }
}

#[test]
fn a_hold_keeps_everything_back_the_longest_one_and_six_hours_at_most() {
    let mut endpoint = endpoint();
    for (asked_s, held_ms) in [(60, 60_000), (7, 60_000), (90_000, 6 * HOUR_MS)] {
        let hold = Duration::from_secs(asked_s);
        endpoint.saw(
            Sighting { signal: Signal::Refused, hold, gone: false, moved: false },
            false,
            0,
        );
        assert_eq!(endpoint.gate(0), Gate::Shut { until_ms: Some(held_ms) });
    }
    assert!(endpoint.is_shut(0) && !endpoint.is_shut(6 * HOUR_MS));
    assert_eq!(endpoint.gate(6 * HOUR_MS), Gate::Open(usize::MAX));
}

#[test]
fn only_failures_for_five_days_disable_it() {
    let mut endpoint = endpoint();
    let failures: Vec<_> = (0..=5 * 24).map(|hour| hour * HOUR_MS).collect();
    let (last, before) = failures.split_last().expect("some");
    for now in before {
        saw(&mut endpoint, Signal::Down, *now);
    }
    assert!(endpoint.health().disabled.is_none());
    let changes = saw(&mut endpoint, Signal::Down, *last);
    assert_eq!(changes, [Change::Disabled(DisabledReason::Failing)]);
    assert_eq!(endpoint.gate(u64::MAX), Gate::Shut { until_ms: None });
    let restarted = restarted(&endpoint, 6 * DAY_MS);
    assert_eq!(restarted.health().disabled.map(|it| it.reason), Some(DisabledReason::Failing));
}

#[test]
fn a_success_in_between_begins_the_five_days_anew() {
    let mut endpoint = endpoint();
    for hour in 0..8 * 24 {
        let signal = if hour == 4 * 24 { Signal::Took } else { Signal::Down };
        saw(&mut endpoint, signal, hour * HOUR_MS);
    }
    assert!(endpoint.health().disabled.is_none());
}

#[test]
fn failures_of_an_hour_and_one_after_days_of_silence_disable_nothing() {
    let mut endpoint = endpoint();
    for now_ms in [0, MINUTE_MS, HOUR_MS, 6 * DAY_MS] {
        saw(&mut endpoint, Signal::Down, now_ms);
    }
    assert!(endpoint.health().disabled.is_none());
    saw(&mut endpoint, Signal::Down, 6 * DAY_MS + 1);
    assert!(endpoint.health().disabled.is_some());
}

#[test]
fn a_receiver_that_is_gone_is_disabled_at_once_and_enabling_forgets_all() {
    let mut endpoint = endpoint();
    let gone = Sighting { gone: true, ..sighting(Signal::Refused) };
    assert_eq!(endpoint.saw(gone, false, 0), [Change::Disabled(DisabledReason::Gone)]);
    assert_eq!(endpoint.saw(gone, false, 0), [], "said once");
    assert!(!endpoint.disable(DisabledReason::Operator, 0));
    assert!(endpoint.enable(1000) && !endpoint.enable(1000));
    assert_eq!(endpoint.health(), &Health::default());
    assert_eq!(endpoint.gate(1000), Gate::Open(1), "slowly");
}

#[test]
fn what_was_never_asked_says_nothing_about_it() {
    let mut endpoint = endpoint();
    (0..9).for_each(|now| assert_eq!(saw(&mut endpoint, Signal::Unsent, now), []));
    assert_eq!(endpoint.health(), &Health::default());
}

#[test]
fn times_that_a_wrong_clock_left_behind_are_brought_back() {
    let mut endpoint = Endpoint::new(None, &Policy::default(), 100 * DAY_MS);
    let hold = Duration::from_hours(1);
    endpoint.saw(Sighting { hold, ..sighting(Signal::Down) }, false, 100 * DAY_MS);
    endpoint.open(100 * DAY_MS);
    let mut after = restarted(&endpoint, DAY_MS);
    assert_eq!(after.gate(DAY_MS), Gate::Shut { until_ms: Some(DAY_MS + 6 * HOUR_MS) });
    assert_eq!(after.gate(DAY_MS + 6 * HOUR_MS), Gate::Probe);
    assert!(after.health().failing.is_some_and(|failing| failing.since_ms <= DAY_MS));
}

#[test]
fn an_attempt_tells_whether_the_receiver_is_there() {
    let retry = Outcome::Retry { not_before: Duration::from_secs(9), hold: false };
    let asked = Outcome::Retry { not_before: Duration::from_secs(9), hold: true };
    for (outcome, status, signal, hold_s) in [
        (Outcome::Delivered, Some(204), Signal::Took, 0),
        (retry, Some(500), Signal::Down, 0),
        (asked, Some(503), Signal::Down, 9),
        (Outcome::Discarded, Some(501), Signal::Down, 0),
        (retry, None, Signal::Down, 0),
        (asked, Some(429), Signal::Refused, 9),
        (Outcome::Discarded, Some(404), Signal::Refused, 0),
        (Outcome::Discarded, None, Signal::Unsent, 0),
        (Outcome::Blocked, None, Signal::Unsent, 0),
    ] {
        let expected =
            Sighting { signal, hold: Duration::from_secs(hold_s), gone: false, moved: false };
        assert_eq!(Sighting::of(outcome, status, false), expected, "{outcome:?} {status:?}");
    }
}
