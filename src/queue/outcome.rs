//! What the result of an attempt means for the delivery (webhooks.md §2.3).
//!
//! A pure function of profile, result and attempt number. Whether attempts are left, and when the
//! next is due, is [`super::schedule`]'s.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::RETRY_AFTER_MAX;
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
    },
    /// Refused for good.
    Discarded,
    /// The egress policy forbids the address: configuration must change.
    Blocked,
}

/// What `result` of attempt `number` (from 1) means in `profile`.
#[must_use]
pub fn classify(profile: Profile, result: AttemptResult, number: u32) -> Outcome {
    match result {
        AttemptResult::Answered { status: 200..=299, .. } => Outcome::Delivered,
        AttemptResult::Answered { status, .. } if is_final(profile, status, number) => {
            Outcome::Discarded
        }
        AttemptResult::Answered { retry_after: Some(asked), .. } => {
            Outcome::Retry { not_before: asked.min(RETRY_AFTER_MAX) }
        }
        AttemptResult::Answered { .. } | AttemptResult::Failed(_) => {
            Outcome::Retry { not_before: hold(profile, result) }
        }
        AttemptResult::Refused => Outcome::Blocked,
    }
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
fn hold(profile: Profile, result: AttemptResult) -> Duration {
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
        classify(profile, AttemptResult::Answered { status, retry_after: None }, number)
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
                assert_eq!(answered(profile, status, 1), Outcome::Retry { not_before: held });
            }
            let timeout = classify(profile, AttemptResult::Failed(Failure::Timeout), 1);
            assert_eq!(timeout, Outcome::Retry { not_before: held });
            let plain = Outcome::Retry { not_before: Duration::ZERO };
            assert_eq!(answered(profile, 500, 1), plain);
            assert_eq!(answered(profile, 503, 1), plain);
        }
    }

    #[test]
    fn a_named_time_replaces_the_hold_even_when_it_is_shorter() {
        let retry_after = Some(Duration::from_secs(7));
        let result = AttemptResult::Answered { status: 429, retry_after };
        let expected = Outcome::Retry { not_before: Duration::from_secs(7) };
        assert_eq!(classify(Profile::Standard, result, 1), expected);
    }

    #[test]
    fn a_named_time_does_not_save_a_final_status() {
        let retry_after = Some(Duration::from_secs(7));
        let result = AttemptResult::Answered { status: 404, retry_after };
        let discarded = Outcome::Discarded;
        assert_eq!(classify(Profile::Jetemail, result, 1), discarded);
    }

    #[test]
    fn every_failure_is_retried_and_every_refusal_is_blocked() {
        for &profile in Profile::ALL {
            for failure in FAILURES {
                let outcome = classify(profile, AttemptResult::Failed(failure), 1);
                assert!(matches!(outcome, Outcome::Retry { .. }), "{failure:?}");
            }
            assert_eq!(classify(profile, AttemptResult::Refused, 1), Outcome::Blocked);
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
            let outcome = classify(profile, AttemptResult::Answered { status, retry_after }, number);
            prop_assert_eq!(outcome == Outcome::Delivered, (200..300).contains(&status));
            if let Outcome::Retry { not_before } = outcome {
                prop_assert!(not_before <= RETRY_AFTER_MAX);
            }
        }
    }
}
