//! `headers` and `extra_headers` of a `[[webhook]]`.

use crate::{
    config::{
        CustomHeader,
        problem::{Problems, nearest},
        value::{At, Pairs},
    },
    secret::Hidden,
};

const KEY: &str = "webhook.headers";

/// Headers of a webhook.
const COUNT: usize = 32;

/// Bytes of a header's value.
const VALUE_BYTES: usize = 4096;

/// What frames a request or says who sends it (webhooks.md §2.4; RFC 9110 §7.6.1).
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "http2-settings",
];

/// What signs a request or tells of it: ours in every profile, so that a change of profile never
/// changes what a header means.
const OURS: [&str; 8] = [
    "idempotency-key",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-webhook-attempt",
    "x-webhook-id",
    "x-webhook-signature",
    "x-webhook-timestamp",
];

/// Checks the headers that an operator adds.
pub(super) fn custom(raw: Option<At<Pairs>>, problems: &mut Problems<'_>) -> Vec<CustomHeader> {
    let Some(At { span, value: Pairs(pairs) }) = raw else { return Vec::new() };
    if pairs.len() > COUNT {
        problems.error(&span, KEY, format!("has more than {COUNT} headers"));
    }
    let mut headers: Vec<CustomHeader> = Vec::new();
    for (name, value) in pairs {
        let lower = name.value.to_ascii_lowercase();
        if headers.iter().any(|header| header.name == lower) {
            problems.error(&name.span, KEY, format!("{lower:?} is there twice"));
        }
        if check_name(&name, &lower, problems) && check_value(&lower, &value, problems) {
            headers.push(CustomHeader { name: lower, value: Hidden::from(value.value) });
        }
    }
    headers
}

fn check_name(raw: &At<String>, name: &str, problems: &mut Problems<'_>) -> bool {
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
        problems.error(&raw.span, KEY, format!("{:?} is not the name of a header", raw.value));
        return false;
    }
    let is_ours = OURS.contains(&name) || name.starts_with("x-lettermint-");
    if is_ours || RESERVED.contains(&name) || name.starts_with("content-") {
        problems.error(&raw.span, KEY, format!("{name:?} cannot be set"));
        return false;
    }
    true
}

/// Never repeats the value, which may be a secret.
fn check_value(name: &str, value: &At<String>, problems: &mut Problems<'_>) -> bool {
    let visible = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    let fits = value.value.len() <= VALUE_BYTES && value.value.bytes().all(visible);
    if !fits {
        let wrong = format!("{name:?} must have up to {VALUE_BYTES} visible ASCII characters");
        problems.error(&value.span, KEY, wrong);
    }
    fits
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Which of a few words the list holds: one flag for each, in the order of `words`.
pub(super) fn chosen<const N: usize>(
    raw: Option<&At<Vec<At<String>>>>,
    key: &str,
    words: [&'static str; N],
    problems: &mut Problems<'_>,
) -> Option<[bool; N]> {
    let list = &raw?.value;
    for At { span, value } in list {
        if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
            problems
                .error(span, key, format!("{value:?} is none of {}", words.join(", ")))
                .did_you_mean(nearest(value, words));
        }
    }
    Some(words.map(|word| list.iter().any(|at| at.value.eq_ignore_ascii_case(word))))
}
