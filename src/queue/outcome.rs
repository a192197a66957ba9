//! What the result of an attempt means for the delivery (webhooks.md §2.3).
//!
//! A pure function of profile, overrides, result and attempt number. Whether attempts are left, and
//! when the next is due, is [`super::schedule`]'s; what it means for the endpoint is
//! [`super::endpoint`]'s.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{policy::Codes, schedule::RETRY_AFTER_MAX};
use crate::profile::Profile;

/// In `standard`, how long an overloaded receiver that names no time is left alone.
const OVERLOAD_HOLD: Duration = Duration::from_mins(1);

/// In `standard`, attempts up to which a 401 or 403 may still be a secret that is being changed.
const REFUSALS_RETRIED: u32 = 2;

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered.
    Answered {
        /// Its status code.
        status: u16,
        /// What its `Retry-After` asks for.
        retry_after: Option<Duration>,
    },
    /// No answer came.
    Failed(Failure),
    /// Not sent: the egress policy forbids the address.
    Refused,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The name does not resolve.
    Dns,
    /// No connection: refused, unreachable.
    Connect,
    /// No trust or no common ground in the TLS handshake.
    Tls,
    /// No connection or no status line in time.
    Timeout,
    /// The receiver cut the connection.
    Reset,
    /// Anything else: no HTTP, closed without an answer.
    Exchange,
}

impl Failure {
    /// The class on record, one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Exchange => "exchange",
        }
    }
}

/// What becomes of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Delivered,
    /// To be tried again while the schedule has attempts left; then dead.
    Retry {
        /// Least wait from the end of the attempt, on top of which the schedule may ask more.
        not_before: Duration,
        /// The receiver named that time and means all deliveries, not only this one.
        hold: bool,
    },
    /// Refused for good.
    Discarded,
    /// The egress policy forbids the address: configuration must change.
    Blocked,
}

/// What `result` of attempt `number` (from 1) means in `profile`, where `codes` do not say otherwise.
#[must_use]
pub fn classify(profile: Profile, codes: &Codes, result: AttemptResult, number: u32) -> Outcome {
    match result {
        AttemptResult::Answered { status: 200..=299, .. } => Outcome::Delivered,
        AttemptResult::Answered { status, .. }
            if codes.is_final(status).unwrap_or_else(|| is_final(profile, status, number)) =>
        {
            Outcome::Discarded
        }
        AttemptResult::Answered { status, retry_after: Some(asked) } => Outcome::Retry {
            not_before: asked.min(RETRY_AFTER_MAX),
            hold: matches!(status, 429 | 503),
        },
        AttemptResult::Answered { .. } | AttemptResult::Failed(_) => {
            Outcome::Retry { not_before: spared(profile, result), hold: false }
        }
        AttemptResult::Refused => Outcome::Blocked,
    }
}

/// The receiver says with that status that it will never take anything again.
#[must_use]
pub fn is_gone(profile: Profile, codes: &Codes, status: u16) -> bool {
    profile == Profile::Standard && status == 410 && codes.is_final(status) != Some(false)
}

/// No later attempt can help. Only asked about statuses outside 200–299.
fn is_final(profile: Profile, status: u16, number: u32) -> bool {
    match profile {
        Profile::Generic | Profile::Lettermint => false,
        Profile::Jetemail => matches!(status, 400..=499) && status != 429,
        Profile::Standard => match status {
            // Counted by attempts of the delivery, whatever ended the earlier ones: no state
            // beyond the number is kept.
            401 | 403 => number > REFUSALS_RETRIED,
            408 | 409 | 423 | 425 | 429 => false,
            400..=499 | 501 | 505 => true,
            _ => false,
        },
    }
}

/// The seeds' schedules stay exact; only `standard` spares an overloaded receiver.
fn spared(profile: Profile, result: AttemptResult) -> Duration {
    let overloaded = matches!(
        result,
        AttemptResult::Answered { status: 429 | 502 | 504, .. }
            | AttemptResult::Failed(Failure::Timeout)
    );
    if profile == Profile::Standard && overloaded { OVERLOAD_HOLD } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILURES: [Failure; 6] = [
        Failure::Dns,
        Failure::Connect,
        Failure::Tls,
        Failure::Timeout,
        Failure::Reset,
        Failure::Exchange,
    ];

    fn answered(profile: Profile, status: u16, number: u32) -> Outcome {
        judged(profile, AttemptResult::Answered { status, retry_after: None }, number)
    }

    fn judged(profile: Profile, result: AttemptResult, number: u32) -> Outcome {
        classify(profile, &Codes::default(), result, number)
    }

    fn retry(not_before: Duration) -> Outcome {
        Outcome::Retry { not_before, hold: false }
    }

    /// One letter for each profile in the order of [`Profile::ALL`].
    fn row(status: u16) -> String {
        let letter = |&profile: &Profile| match answered(profile, status, 1) {
            Outcome::Delivered => 'o',
            Outcome::Retry { .. } => 'r',
            Outcome::Discarded => 'd',
            Outcome::Blocked => 'b',
        };
        Profile::ALL.iter().map(letter).collect()
    }

    #[test]
    fn the_table_of_response_classes_holds() {
        // standard, jetemail, generic, lettermint
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "oooo"),
            (&[101, 301, 302, 304, 307, 308], "rrrr"),
            (&[400, 402, 404, 405, 406, 411, 413, 414, 415, 418, 422, 451, 499], "ddrr"),
            (&[401, 403, 408, 409, 423, 425], "rdrr"),
            (&[410], "ddrr"),
            (&[429], "rrrr"),
            (&[500, 502, 503, 504, 507, 599, 600, 999], "rrrr"),
            (&[501, 505], "drrr"),
        ] {
            for &status in statuses {
                assert_eq!(row(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn standard_retries_an_auth_refusal_twice_and_then_discards() {
        for status in [401, 403] {
            for (number, gives_up) in [(1, false), (2, false), (3, true), (9, true)] {
                let outcome = answered(Profile::Standard, status, number);
                assert_eq!(outcome == Outcome::Discarded, gives_up);
            }
        }
    }

    #[test]
    fn only_standard_holds_back_from_an_overloaded_receiver() {
        for &profile in Profile::ALL {
            let held = if profile == Profile::Standard { OVERLOAD_HOLD } else { Duration::ZERO };
            for status in [429, 502, 504] {
                assert_eq!(answered(profile, status, 1), retry(held));
            }
            let timeout = judged(profile, AttemptResult::Failed(Failure::Timeout), 1);
            assert_eq!(timeout, retry(held));
            let plain = retry(Duration::ZERO);
            assert_eq!(answered(profile, 500, 1), plain);
            assert_eq!(answered(profile, 503, 1), plain);
        }
    }

    #[test]
    fn a_named_time_replaces_the_hold_even_when_it_is_shorter() {
        let retry_after = Some(Duration::from_secs(7));
        let result = AttemptResult::Answered { status: 429, retry_after };
        let expected = Outcome::Retry { not_before: Duration::from_secs(7), hold: true };
        assert_eq!(judged(Profile::Standard, result, 1), expected);
    }

    #[test]
    fn a_named_time_does_not_save_a_final_status() {
        let retry_after = Some(Duration::from_secs(7));
        let result = AttemptResult::Answered { status: 404, retry_after };
        let discarded = Outcome::Discarded;
        assert_eq!(judged(Profile::Jetemail, result, 1), discarded);
    }

    #[test]
    fn every_failure_is_retried_and_every_refusal_is_blocked() {
        for &profile in Profile::ALL {
            for failure in FAILURES {
                let outcome = judged(profile, AttemptResult::Failed(failure), 1);
                assert!(matches!(outcome, Outcome::Retry { .. }), "{failure:?}");
            }
            assert_eq!(judged(profile, AttemptResult::Refused, 1), Outcome::Blocked);
        }
    }

    #[test]
    fn a_webhook_overrides_any_cell_of_the_table() {
        let codes = Codes { finals: vec![503, 302], retries: vec![404, 410, 501] };
        for &profile in Profile::ALL {
            let outcome = |status| {
                let result = AttemptResult::Answered { status, retry_after: None };
                classify(profile, &codes, result, 9)
            };
            for status in [302, 503] {
                assert_eq!(outcome(status), Outcome::Discarded, "{status}");
            }
            for status in [404, 410, 501] {
                assert_eq!(outcome(status), retry(Duration::ZERO), "{status}");
            }
            assert!(!is_gone(profile, &codes, 410), "it is to be tried again");
        }
    }

    #[test]
    fn only_standard_takes_410_as_a_farewell() {
        let codes = Codes::default();
        for &profile in Profile::ALL {
            assert_eq!(is_gone(profile, &codes, 410), profile == Profile::Standard);
            assert!(!is_gone(profile, &codes, 404));
        }
    }

    #[test]
    fn a_time_that_an_overloaded_receiver_names_is_meant_for_all_deliveries() {
        let retry_after = Some(Duration::from_secs(7));
        for (status, holds) in [(429, true), (503, true), (500, false), (302, false)] {
            let result = AttemptResult::Answered { status, retry_after };
            let Outcome::Retry { hold, .. } = judged(Profile::Lettermint, result, 1) else {
                panic!("lettermint retries {status}");
            };
            assert_eq!(hold, holds, "{status}");
        }
    }

    proptest! {
        #[test]
        fn only_2xx_delivers_and_no_wait_passes_six_hours(
            status in any::<u16>(), asked in any::<Option<u64>>(), number in any::<u32>(),
            which in 0usize..4,
        ) {
            let profile = Profile::ALL.get(which).copied().unwrap_or_default();
            let retry_after = asked.map(Duration::from_secs);
            let outcome = judged(profile, AttemptResult::Answered { status, retry_after }, number);
            prop_assert_eq!(outcome == Outcome::Delivered, (200..300).contains(&status));
            if let Outcome::Retry { not_before, .. } = outcome {
                prop_assert!(not_before <= RETRY_AFTER_MAX);
            }
        }
    }
}
