//! `[[webhook]]`: how its deliveries are treated.

use std::num::NonZeroU32;

use super::{
    choice,
    store::{backlog_age, backlog_bytes},
};
use crate::{
    config::{problem::Problems, raw::RawWebhook, value::At},
    queue::policy::{Codes, Ordering, Policy},
};

/// Attempts a second; beyond it a limit is none.
const RATES: std::ops::RangeInclusive<u32> = 1..=100_000;

/// Checks the keys that make the policy of one webhook.
pub(super) fn check(raw: &RawWebhook, problems: &mut Problems<'_>) -> Policy {
    let default = Policy::default();
    let orderings = [("none", Ordering::None), ("message", Ordering::Message)];
    Policy {
        codes: codes(raw, problems),
        jitter: raw.jitter.as_ref().map_or(default.jitter, |at| at.value),
        circuit: raw.circuit.as_ref().map_or(default.circuit, |at| at.value),
        rate: rate(raw.rate.as_ref(), problems),
        ordering: choice(raw.ordering.as_ref(), "webhook.ordering", &orderings, problems)
            .unwrap_or_default(),
        backlog: backlog_age(raw.backlog.clone(), "webhook.backlog", problems),
        backlog_bytes: backlog_bytes(raw.backlog_bytes.clone(), "webhook.backlog_bytes", problems),
    }
}

fn codes(raw: &RawWebhook, problems: &mut Problems<'_>) -> Codes {
    let finals = list(raw.final_codes.as_ref(), "webhook.final_codes", problems);
    let retries = list(raw.retry_codes.as_ref(), "webhook.retry_codes", problems);
    if let Some(At { span, value }) = &raw.retry_codes
        && let Some(code) = value.iter().find(|code| finals.contains(&code.value))
    {
        let code = code.value;
        problems.error(span, "webhook.retry_codes", format!("{code} is in `final_codes`, too"));
    }
    Codes { finals, retries }
}

fn list(raw: Option<&At<Vec<At<u16>>>>, key: &str, problems: &mut Problems<'_>) -> Vec<u16> {
    let codes = raw.map(|at| at.value.as_slice()).unwrap_or_default();
    for At { span, value } in codes {
        match value {
            200..=299 => {
                problems.error(span, key, format!("{value} means that the event has arrived"));
            }
            300..=599 => {}
            _ => {
                problems.error(span, key, format!("{value} is no code from 300 to 599"));
            }
        }
    }
    codes.iter().map(|code| code.value).collect()
}

fn rate(raw: Option<&At<usize>>, problems: &mut Problems<'_>) -> Option<NonZeroU32> {
    let At { span, value } = raw?;
    let rate = u32::try_from(*value).ok().filter(|rate| RATES.contains(rate));
    if rate.is_none() {
        problems.error(span, "webhook.rate", "must be from 1 to 100000");
    }
    rate.and_then(NonZeroU32::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;
    use crate::config::{Purpose, load::check_text};

    /// The policy, or the problems without their places.
    fn policy(lines: &str) -> Result<Policy, Vec<String>> {
        let text = format!(
            "[[source]]\ninclude = [\"/\"]\n[[webhook]]\nname = \"w\"\nurl = \"https://x.test/\"\n\
             secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n{lines}\n"
        );
        match check_text(&text, Purpose::Check, false) {
            Ok(mut loaded) => Ok(loaded.config.webhooks.remove(0).policy),
            Err(problems) => {
                Err(problems.iter().map(|it| format!("{}: {}", it.key, it.message)).collect())
            }
        }
    }

    #[test]
    fn every_key_of_the_policy_is_read() {
        let lines = "final_codes = [404]\nretry_codes = [410, 501]\njitter = false\ncircuit = false\n\
                     rate = 50\nordering = \"message\"\nbacklog = \"2d\"\nbacklog_bytes = \"64MiB\"";
        let expected = Policy {
            codes: Codes { finals: vec![404], retries: vec![410, 501] },
            jitter: false,
            circuit: false,
            rate: NonZeroU32::new(50),
            ordering: Ordering::Message,
            backlog: Some(Duration::from_hours(48)),
            backlog_bytes: Some(64 << 20),
        };
        assert_eq!(policy(lines), Ok(expected));
        assert_eq!(policy(""), Ok(Policy::default()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (line, problem) in [
            ("final_codes = [204]", "webhook.final_codes: 204 means that the event has arrived"),
            ("retry_codes = [99]", "webhook.retry_codes: 99 is no code from 300 to 599"),
            ("retry_codes = [70000]", "webhook.retry_codes: 70000 is out of range"),
            (
                "final_codes = [404]\nretry_codes = [404]",
                "webhook.retry_codes: 404 is in `final_codes`, too",
            ),
            ("rate = 0", "webhook.rate: must be from 1 to 100000"),
            ("ordering = \"mesage\"", "webhook.ordering: \"mesage\" is none of none, message"),
            ("backlog = \"59m\"", "webhook.backlog: must be at least 1h"),
            ("backlog_bytes = \"1KiB\"", "webhook.backlog_bytes: must be at least 1MiB"),
            ("jitter = 0", "webhook.jitter: must be of type boolean, but is of type integer"),
        ] {
            assert_eq!(policy(line), Err(vec![problem.to_owned()]));
        }
    }
}
