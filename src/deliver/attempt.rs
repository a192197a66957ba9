//! One delivery attempt, from the event to its outcome.
//!
//! Renders, signs, sends and judges. Decides neither when the next attempt is nor whether one is
//! left ([`crate::queue::schedule::next_due`]), and keeps no record, but makes one.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    client::Client,
    envelope::{Rendered, render},
    failure::{PostError, bounded, one_line},
    http::{Posted, micros},
    privacy::veiled,
    sign::{Header, Signing},
    test_event::TestEvent,
};
use crate::{
    clock::Clock,
    config::{CustomHeader, Webhook},
    event::Event,
    queue::{
        attempt::{Attempt, Exchange, ExchangeResult, RequestBody, Times, URL_BYTES},
        outcome::{AttemptResult, Failure, Outcome, classify},
        schedule::{http_date, retry_after},
    },
    secret::{KeySet, Secret},
};

/// What an attempt came to, for the queue and for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptReport {
    /// Which attempt of the delivery, from 1.
    pub number: u32,
    /// What becomes of the delivery.
    pub outcome: Outcome,
    /// The time that is in the signature.
    pub signed_at: Timestamp,
    /// From when the wait for the next attempt counts.
    pub ended_at: Timestamp,
    /// From signing to the last byte read, monotonic.
    pub elapsed: Duration,
    /// Status code of the answer that decides.
    pub status: Option<u16>,
    /// Why there is no answer, for a person; bounded, without the URL.
    pub error: Option<String>,
    /// All of it, to be kept.
    pub record: Attempt,
}

/// Makes attempt `number` (from 1) to tell `webhook` of `event`. Always comes to an end, a little
/// after the webhook's timeout at the latest; after three times that when a receiver, while a former
/// secret is still good, refuses the new one, and is asked again with the former and with the new.
///
/// # Cancel safety
/// Dropped half-way, the request may have arrived or not: make the same attempt again.
pub async fn attempt(
    client: &Client,
    webhook: &Webhook,
    event: &Event,
    number: u32,
    clock: &dyn Clock,
) -> AttemptReport {
    let trial = Trial { client, webhook, number, signed_at: clock.now(), clock };
    trial.report(|| trial.words(event)).await
}

/// Tells `webhook` something that is about no message, once. As [`attempt`] otherwise.
pub async fn test(client: &Client, webhook: &Webhook, clock: &dyn Clock) -> AttemptReport {
    let trial = Trial { client, webhook, number: 1, signed_at: clock.now(), clock };
    let event = TestEvent::new(webhook.id, trial.signed_at);
    trial.report(|| Ok(event.render(webhook.profile))).await
}

/// Tells `webhook` what was rendered elsewhere, once. As [`attempt`] otherwise.
pub async fn forward(
    client: &Client,
    webhook: &Webhook,
    rendered: Rendered,
    clock: &dyn Clock,
) -> AttemptReport {
    let trial = Trial { client, webhook, number: 1, signed_at: clock.now(), clock };
    trial.report(|| Ok(rendered)).await
}

/// One attempt under way.
pub(super) struct Trial<'a> {
    pub(super) client: &'a Client,
    pub(super) webhook: &'a Webhook,
    pub(super) number: u32,
    /// The time that is in the signature.
    pub(super) signed_at: Timestamp,
    pub(super) clock: &'a dyn Clock,
}

impl Trial<'_> {
    /// Makes the attempt.
    async fn report(
        &self,
        words: impl FnOnce() -> Result<Rendered, ExchangeResult>,
    ) -> AttemptReport {
        let started = Instant::now();
        let (request, exchanges) = match self.permitted().and_then(|()| words()) {
            Ok(rendered) => self.run(&rendered).await,
            Err(result) => (None, vec![unsent(result)]),
        };
        let (ended_at, elapsed) = (self.clock.now(), started.elapsed());
        let last = exchanges.last();
        let result = last.map(|exchange| &exchange.result);
        AttemptReport {
            number: self.number,
            outcome: last.map_or(Outcome::Discarded, |last| self.outcome(last, ended_at)),
            signed_at: self.signed_at,
            ended_at,
            elapsed,
            status: result.and_then(ExchangeResult::status),
            error: result.filter(|result| result.status().is_none()).map(ExchangeResult::words),
            record: Attempt {
                number: self.number,
                started_us: self.signed_at.as_microsecond(),
                elapsed_us: micros(elapsed),
                url: bounded(self.webhook.url.to_string(), URL_BYTES),
                request,
                exchanges,
            },
        }
    }

    async fn run(&self, rendered: &Rendered) -> (Option<RequestBody>, Vec<Exchange>) {
        let keys = self.webhook.keys(self.signed_at);
        let live: Vec<_> = keys.all().collect();
        let mut exchanges = vec![self.exchange(rendered, &live).await];
        // The secret may have been rotated while the receiver took its time.
        let keys_now = self.webhook.keys(self.signed_at);
        for key in worth_trying(&keys_now, keys.current()) {
            if exchanges.last().is_some_and(|last| is_auth_refusal(&last.result)) {
                exchanges.push(self.exchange(rendered, &[key]).await);
            }
        }
        (Some(request_body(&rendered.body)), exchanges)
    }

    /// May anything be sent there?
    fn permitted(&self) -> Result<(), ExchangeResult> {
        let checked = self.client.check(self.webhook);
        checked.map_err(|denied| ExchangeResult::Refused(one_line(&denied.to_string())))
    }

    /// What to say of an event.
    fn words(&self, event: &Event) -> Result<Rendered, ExchangeResult> {
        let webhook = self.webhook;
        // None only after a change of profile, for what was accepted under the former one.
        render(&veiled(event, &webhook.selection), webhook.profile).ok_or_else(|| {
            let (profile, kind) = (webhook.profile.name(), event.kind.name());
            ExchangeResult::Unsent(format!("profile {profile} does not carry {kind}"))
        })
    }

    async fn exchange(&self, rendered: &Rendered, keys: &[&Secret]) -> Exchange {
        self.send(rendered, rendered.body.clone(), keys).await
    }

    /// Signs what was rendered with the newest key, and sends `body`, whatever it is.
    pub(super) async fn post(&self, rendered: &Rendered, body: Bytes) -> Exchange {
        if let Err(result) = self.permitted() {
            return unsent(result);
        }
        let keys = self.webhook.keys(self.signed_at);
        let newest: Vec<_> = keys.all().take(1).collect();
        self.send(rendered, body, &newest).await
    }

    async fn send(&self, signed: &Rendered, body: Bytes, keys: &[&Secret]) -> Exchange {
        let transport = &self.webhook.transport;
        let http = match self.client.http(&transport.connection) {
            Ok(http) => http,
            Err(error) => return unsent(unusable(&error)),
        };
        let signing = Signing {
            profile: self.webhook.profile,
            transport,
            keys,
            at: self.signed_at.as_second(),
            number: self.number,
        };
        let headers = header_map(&transport.headers, &signing.headers(signed));
        let sent_at = self.clock.now();
        let posted = http.post(&self.webhook.url, headers, body, self.webhook.timeout).await;
        self.hear_time(&posted, sent_at);
        Exchange {
            key: keys.first().map(|key| key.id().to_string()),
            by_proxy: transport.connection.proxy.is_some(),
            ..recorded(posted)
        }
    }

    fn hear_time(&self, posted: &Posted, sent_at: Timestamp) {
        let date = posted.result.as_ref().ok().and_then(|answer| answer.header("date"));
        if let Some(date) = date.and_then(http_date)
            && let Some(host) = self.webhook.url.host_str()
        {
            let port = self.webhook.url.port_or_known_default().unwrap_or_default();
            let between = [sent_at, self.clock.now()];
            self.client.heard_time(&format!("{host}:{port}"), date, between);
        }
    }

    fn outcome(&self, last: &Exchange, ended_at: Timestamp) -> Outcome {
        let asked = last.headers.iter().find(|(name, _)| name == "retry-after");
        let result = match &last.result {
            ExchangeResult::Answered(status) => AttemptResult::Answered {
                status: *status,
                retry_after: asked.and_then(|(_, value)| retry_after(value, ended_at)),
            },
            ExchangeResult::Failed { class, .. } => AttemptResult::Failed(*class),
            ExchangeResult::Refused(_) => AttemptResult::Refused,
            ExchangeResult::Unsent(_) => return Outcome::Discarded,
        };
        classify(self.webhook.profile, &self.webhook.policy.codes, result, self.number)
    }
}

/// The receiver does not take our signature, perhaps because it does not know the new secret yet.
fn is_auth_refusal(result: &ExchangeResult) -> bool {
    matches!(result, ExchangeResult::Answered(401 | 403))
}

/// What is worth trying when a receiver refuses a request that `tried` signed. One that changes over
/// to the new secret between two requests refuses both: so the new one comes again.
fn worth_trying<'a>(keys: &'a KeySet, tried: &Secret) -> Vec<&'a Secret> {
    match keys.previous() {
        Some(previous) => vec![previous, keys.current()],
        None if keys.current() == tried => Vec::new(),
        None => vec![keys.current()],
    }
}

/// Only for a webhook that was changed at run time: those of a start were tried then.
fn unusable(error: &(dyn std::error::Error + 'static)) -> ExchangeResult {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let text = one_line(&format!("certificates, key or proxy cannot be used: {cause}"));
    ExchangeResult::Failed { class: Failure::Tls, text }
}

fn unsent(result: ExchangeResult) -> Exchange {
    Exchange {
        key: None,
        remote: None,
        by_proxy: false,
        times: Times::default(),
        result,
        headers: Vec::new(),
        body: String::new(),
    }
}

fn recorded(posted: Posted) -> Exchange {
    let Posted { remote, times, result } = posted;
    let common = |result| Exchange { remote, times, ..unsent(result) };
    match result {
        Ok(answer) => {
            let result = ExchangeResult::Answered(answer.status);
            Exchange { headers: answer.headers, body: answer.body, ..common(result) }
        }
        Err(PostError::Failed { class, text }) => common(ExchangeResult::Failed { class, text }),
        Err(PostError::Denied(denied)) => {
            common(ExchangeResult::Refused(one_line(&denied.to_string())))
        }
    }
}

fn request_body(body: &Bytes) -> RequestBody {
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    RequestBody { bytes, sha256: Sha256::digest(body).into() }
}

/// The operator's headers, then ours, which win. What is no header is left out: ours always are,
/// and the operator's were checked.
fn header_map(custom: &[CustomHeader], own: &[Header]) -> HeaderMap {
    let custom = custom.iter().filter_map(|header| {
        let mut value = HeaderValue::from_bytes(header.value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, value))
    });
    let own = own.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in custom.chain(own) {
        map.insert(name, value);
    }
    map
}

#[cfg(test)]
pub(super) use tests::{SECRET, START, clock, webhook_at};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicI64, Ordering};

    use data_encoding::{BASE64, HEXLOWER};
    use reqwest::Url;
    use sha2::{Digest, Sha256};

    use super::{
        super::{
            canonical::tests::bounced,
            peer::{Behaviour, Peer, Request},
        },
        *,
    };
    use crate::{
        config::{Selection, Transport, WebhookId},
        egress::Policy,
        event::EventType,
        profile::Profile,
        queue::{filter::TypeSet, policy, schedule::next_due},
        secret::Secret,
    };

    pub(in crate::deliver) const START: i64 = 1_704_825_660;
    pub(in crate::deliver) const SECRET: &str =
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

    /// Stands still until it is set.
    #[derive(Debug)]
    pub(in crate::deliver) struct TestClock(AtomicI64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    fn client() -> Client {
        Client::new(Policy::default()).unwrap()
    }

    fn excerpt(report: &AttemptReport) -> &str {
        &report.record.last().unwrap().body
    }

    pub(in crate::deliver) fn clock() -> TestClock {
        TestClock(AtomicI64::new(START))
    }

    fn webhook(peer: &Peer, profile: Profile) -> Webhook {
        webhook_at(peer.url(), profile)
    }

    pub(in crate::deliver) fn webhook_at(url: Url, profile: Profile) -> Webhook {
        Webhook {
            id: WebhookId::of_name("test"),
            name: "test".into(),
            url,
            profile,
            events: TypeSet::parse(["*"], profile).unwrap(),
            secret: Secret::parse(SECRET, profile).unwrap(),
            filter_users: None,
            filter_domains: None,
            timeout: Duration::from_secs(20),
            schedule: profile.schedule().to_vec(),
            concurrency: 1,
            policy: policy::Policy::default(),
            transport: Transport::default(),
            selection: Selection::default(),
            made: None,
        }
    }

    async fn once(profile: Profile, raw: &'static str) -> (Peer, AttemptReport) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let webhook = webhook(&peer, profile);
        let client = client();
        let report = attempt(&client, &webhook, &bounced(), 1, &clock()).await;
        (peer, report)
    }

    /// RFC 2104 by hand, so that the signer is not checked against its own library.
    fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
        assert!(key.len() <= 64);
        let pad = |byte: u8| {
            let padded = key.iter().copied().chain(std::iter::repeat(0)).take(64);
            padded.map(|key| key ^ byte).collect::<Vec<_>>()
        };
        let inner = Sha256::digest([&pad(0x36), message].concat());
        Sha256::digest([&pad(0x5c), &inner[..]].concat()).to_vec()
    }

    /// What each header must be, from nothing but the request and the secret.
    fn expected_headers(profile: Profile, request: &Request) -> Vec<(&'static str, String)> {
        let id = bounced().id.to_string();
        let at = START.to_string();
        let body = &request.body[..];
        let decoded: Vec<u8> = (0..32).collect();
        let content = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
        let trio = vec![
            ("webhook-id", id.clone()),
            ("webhook-timestamp", at.clone()),
            ("webhook-signature", format!("v1,{}", BASE64.encode(&hmac(&decoded, &content)))),
        ];
        let plain = format!("sha256={}", HEXLOWER.encode(&hmac(SECRET.as_bytes(), body)));
        let timed = hmac(SECRET.as_bytes(), &[at.as_bytes(), b".", body].concat());
        match profile {
            Profile::Standard => trio,
            Profile::Generic => [vec![("x-webhook-signature", plain)], trio].concat(),
            Profile::Jetemail => {
                let own = vec![
                    ("x-webhook-id", id),
                    ("x-webhook-timestamp", at),
                    ("x-webhook-signature", plain),
                ];
                [own, trio].concat()
            }
            Profile::Lettermint => vec![
                ("x-lettermint-signature", format!("t={at},v1={}", HEXLOWER.encode(&timed))),
                ("x-lettermint-event", "message.hard_bounced".into()),
                ("x-lettermint-delivery", at),
                ("x-lettermint-attempt", "1".into()),
            ],
        }
    }

    #[tokio::test]
    async fn each_profile_sends_its_bytes_with_headers_that_verify() {
        for &profile in Profile::ALL {
            let (peer, report) = once(profile, OK).await;
            let requests = peer.requests();
            assert_eq!(requests.len(), 1);
            let request = requests.first().unwrap();
            assert_eq!(request.body, render(&bounced(), profile).unwrap().body);
            assert_eq!(request.header("content-type"), Some("application/json"));
            let common = [
                "content-type",
                "host",
                "accept",
                "accept-encoding",
                "user-agent",
                "content-length",
            ];
            let own = request.headers().filter(|(name, _)| !common.contains(name));
            let own: Vec<_> = own.map(|(name, value)| (name, value.to_owned())).collect();
            assert_eq!(own, expected_headers(profile, request), "{profile:?}");

            assert_eq!(report.outcome, Outcome::Delivered);
            assert_eq!((report.status, excerpt(&report)), (Some(200), "ok"));
            assert_eq!((report.error, report.signed_at.as_second()), (None, START));
        }
    }

    /// Attempts until the queue has no more, on a clock that jumps to each due time. Gives the
    /// offsets of the sends in seconds and the last outcome.
    async fn run(profile: Profile, raw: &'static str) -> (Vec<i64>, Outcome) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let webhook = webhook(&peer, profile);
        let (client, clock) = (client(), clock());
        let mut offsets = Vec::new();
        for number in 1.. {
            let report = attempt(&client, &webhook, &bounced(), number, &clock).await;
            offsets.push(report.signed_at.as_second() - START);
            let Outcome::Retry { not_before, .. } = report.outcome else {
                return (offsets, report.outcome);
            };
            match next_due(&webhook.schedule, number, report.ended_at, not_before, 0.0) {
                Some(due) => clock.0.store(due.as_second(), Ordering::Relaxed),
                None => return (offsets, report.outcome),
            }
        }
        unreachable!("a schedule ends")
    }

    const BROKEN: &str = "HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const ABSENT: &str = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_receiver_that_always_fails_is_tried_by_the_published_timetable() {
        let (offsets, _) = run(Profile::Jetemail, BROKEN).await;
        assert_eq!(offsets, [0, 30, 150, 750, 4350, 18_750]);
        let (offsets, _) = run(Profile::Generic, BROKEN).await;
        assert_eq!(offsets, [0, 60, 360, 2160]);
        let (offsets, _) = run(Profile::Lettermint, BROKEN).await;
        assert_eq!((offsets.len(), offsets.last()), (12, Some(&51_180)));
        let (offsets, _) = run(Profile::Standard, BROKEN).await;
        assert_eq!((offsets.len(), offsets.last()), (10, Some(&272_105)));
    }

    #[tokio::test]
    async fn not_found_ends_jetemail_at_once_and_lettermint_after_twelve_sends() {
        let (offsets, outcome) = run(Profile::Jetemail, ABSENT).await;
        assert_eq!((offsets.len(), outcome), (1, Outcome::Discarded));
        let (offsets, outcome) = run(Profile::Lettermint, ABSENT).await;
        assert_eq!(offsets.len(), 12);
        assert!(matches!(outcome, Outcome::Retry { .. }));
    }

    #[tokio::test]
    async fn an_absurd_retry_after_holds_for_six_hours_and_adds_no_attempt() {
        let raw = "HTTP/1.1 429 No\r\nretry-after: 99999999999\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (offsets, _) = run(Profile::Generic, raw).await;
        assert_eq!(offsets, [0, 21_600, 43_200, 64_800]);
    }

    #[tokio::test]
    async fn a_short_retry_after_does_not_shorten_the_schedule() {
        let raw =
            "HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (offsets, _) = run(Profile::Jetemail, raw).await;
        assert_eq!(offsets, [0, 30, 150, 750, 4350, 18_750]);
    }

    #[tokio::test]
    async fn a_failure_is_reported_in_words_and_retried() {
        let peer = Peer::start(Behaviour::Cut("")).await;
        let webhook = webhook(&peer, Profile::Standard);
        let report = attempt(&client(), &webhook, &bounced(), 1, &clock()).await;
        assert_eq!(report.outcome, Outcome::Retry { not_before: Duration::ZERO, hold: false });
        assert_eq!(report.status, None);
        let error = report.error.unwrap();
        assert!(error.starts_with("reset: ") && !error.contains("token"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_is_not_allowed_is_blocked_with_nothing_sent() {
        let peer = Peer::start(Behaviour::Silent).await;
        let mut webhook = webhook(&peer, Profile::Standard);
        webhook.url.set_username("user").unwrap();
        let report = attempt(&client(), &webhook, &bounced(), 1, &clock()).await;
        assert_eq!(report.outcome, Outcome::Blocked);
        assert!(peer.requests().is_empty());
    }

    #[tokio::test]
    async fn a_type_without_a_word_in_the_profile_is_discarded_with_the_reason() {
        let peer = Peer::start(Behaviour::Silent).await;
        let webhook = webhook(&peer, Profile::Generic);
        let event = Event { kind: EventType::OutboundDropped, ..bounced() };
        let report = attempt(&client(), &webhook, &event, 1, &clock()).await;
        assert_eq!(report.outcome, Outcome::Discarded);
        assert_eq!(
            report.error.as_deref(),
            Some("profile generic does not carry outbound.dropped")
        );
        assert!(peer.requests().is_empty());
    }
}
