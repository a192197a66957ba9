//! How the requests of a `[[webhook]]` travel.

use url::Url;

use super::{headers, pem_file};
use crate::{
    config::{Connection, Transport, problem::Problems, raw::RawWebhook, value::At},
    egress::Origin,
    secret::{Hidden, LiveKeys},
};

/// Checks its keys. What is left out keeps its default.
pub(super) fn check(
    raw: &mut RawWebhook,
    origin: Origin,
    problems: &mut Problems<'_>,
) -> Transport {
    let extra = raw.extra_headers.take();
    let names = ["x-webhook-attempt", "idempotency-key"];
    let [attempt_header, idempotency_key] =
        headers::chosen(extra.as_ref(), "webhook.extra_headers", names, problems)
            .unwrap_or_default();
    let signatures = raw.extra_signatures.take();
    let key = "webhook.extra_signatures";
    let standard = headers::chosen(signatures.as_ref(), key, ["standard"], problems);
    Transport {
        headers: headers::custom(raw.headers.take(), problems),
        connection: connection(raw, origin, problems),
        standard_signature: standard.map(|[standard]| standard),
        attempt_header,
        idempotency_key,
        keys: LiveKeys::default(),
    }
}

fn connection(raw: &mut RawWebhook, origin: Origin, problems: &mut Problems<'_>) -> Connection {
    let ca = raw.ca_file.take();
    let ca = ca.and_then(|file| pem_file::certificates(&file, "webhook.ca_file", problems));
    let skip = raw.insecure_skip_verify.take().filter(|skip| skip.value);
    if let Some(At { span, .. }) = &skip {
        problems
            .warn(span, "webhook.insecure_skip_verify", "the receiver's certificate is not checked")
            .hint("whoever is on the way can read and answer; name its authority in ca_file");
    }
    Connection {
        origin,
        ca: ca.map(Hidden::from),
        identity: identity(raw.client_cert.take(), raw.client_key.take(), problems),
        proxy: raw.proxy.take().and_then(|proxy| self::proxy(&proxy, problems)),
        skips_verification: skip.is_some(),
    }
}

/// Certificate and key, one behind the other.
fn identity(
    cert: Option<At<String>>,
    key: Option<At<String>>,
    problems: &mut Problems<'_>,
) -> Option<Hidden> {
    const CERT: &str = "webhook.client_cert";
    let Some(cert) = cert else {
        if let Some(key) = key {
            problems.error(&key.span, "webhook.client_key", "`client_cert` is missing");
        }
        return None;
    };
    let mut pem = pem_file::certificates(&cert, CERT, problems)?;
    let Some(key) = key else {
        pem_file::private_key(&cert, CERT, problems)?;
        return Some(Hidden::from(pem));
    };
    pem.push(b'\n');
    pem.extend(pem_file::private_key(&key, "webhook.client_key", problems)?);
    Some(Hidden::from(pem))
}

/// Never repeats it: it may hold a password.
fn proxy(raw: &At<String>, problems: &mut Problems<'_>) -> Option<Hidden> {
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if Url::parse(&raw.value).is_ok_and(|url| is_http(&url)) {
        return Some(Hidden::from(&raw.value));
    }
    problems
        .error(&raw.span, "webhook.proxy", "is not the URL of an HTTP proxy")
        .hint("write it like \"http://proxy.example.com:3128\"");
    None
}
