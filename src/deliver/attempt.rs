//! One delivery attempt, from the event to its outcome.
//!
//! Renders, signs, sends and judges. Decides neither when the next attempt is nor whether one is
//! left ([`crate::queue::schedule::next_due`]), and records nothing.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    client::{Answer, Client, TransportError},
    envelope::{Rendered, render},
    sign,
};
use crate::{
    clock::Clock,
    config::{Webhook, check_url},
    event::Event,
    queue::{
        outcome::{AttemptResult, Outcome, classify},
        schedule::retry_after,
    },
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
    /// Status code of the answer.
    pub status: Option<u16>,
    /// Why there is no answer, for a person; bounded, without the URL.
    pub error: Option<String>,
    /// Beginning of the answer's body, at most [`crate::limits::ANSWER_KEPT_BYTES`].
    pub excerpt: String,
}

/// Makes attempt `number` (from 1) to tell `webhook` of `event`. Always comes to an end, a little
/// after the webhook's timeout at the latest.
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
    let signed_at = clock.now();
    let started = Instant::now();
    let told = tell(client, webhook, event, number, signed_at).await;
    let ended_at = clock.now();
    let mut report = AttemptReport {
        number,
        outcome: told.outcome(webhook, number, ended_at),
        signed_at,
        ended_at,
        elapsed: started.elapsed(),
        status: None,
        error: None,
        excerpt: String::new(),
    };
    match told {
        Told::Answered(answer) => {
            report.status = Some(answer.status);
            report.excerpt = answer.body;
        }
        Told::Failed(error) => report.error = Some(error.to_string()),
        Told::Refused(error) | Told::Wordless(error) => report.error = Some(error),
    }
    report
}

/// How far it came.
enum Told {
    /// The receiver answered.
    Answered(Answer),
    /// It did not.
    Failed(TransportError),
    /// Not sent: the address is not allowed.
    Refused(String),
    /// Not sent: the profile has no word for the type. Only after a change of profile, for what
    /// was accepted under the former one.
    Wordless(String),
}

impl Told {
    fn outcome(&self, webhook: &Webhook, number: u32, ended_at: Timestamp) -> Outcome {
        let result = match self {
            Self::Answered(answer) => AttemptResult::Answered {
                status: answer.status,
                retry_after: answer.retry_after.as_deref().and_then(|it| retry_after(it, ended_at)),
            },
            Self::Failed(error) => AttemptResult::Failed(error.kind),
            Self::Refused(_) => AttemptResult::Refused,
            Self::Wordless(_) => return Outcome::Discarded,
        };
        classify(webhook.profile, &webhook.policy.codes, result, number)
    }
}

async fn tell(
    client: &Client,
    webhook: &Webhook,
    event: &Event,
    number: u32,
    signed_at: Timestamp,
) -> Told {
    if let Err(error) = check_url(&webhook.url, webhook.profile) {
        return Told::Refused(error.to_string());
    }
    let Some(rendered) = render(event, webhook.profile) else {
        let (profile, kind) = (webhook.profile.name(), event.kind.name());
        return Told::Wordless(format!("profile {profile} does not carry {kind}"));
    };
    send(client, webhook, rendered, number, signed_at.as_second()).await
}

async fn send(
    client: &Client,
    webhook: &Webhook,
    rendered: Rendered,
    number: u32,
    at: i64,
) -> Told {
    let headers = sign::headers(webhook.profile, &webhook.secret, &rendered, at, number);
    match client.post(&webhook.url, &headers, rendered.body, webhook.timeout).await {
        Ok(answer) => Told::Answered(answer),
        Err(error) => Told::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicI64, Ordering};

    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    use super::{
        super::{
            canonical::tests::bounced,
            peer::{Behaviour, Peer, Request},
        },
        *,
    };
    use crate::{
        config::WebhookId,
        event::EventType,
        profile::Profile,
        queue::{filter::TypeSet, policy::Policy, schedule::next_due},
        secret::Secret,
    };

    const START: i64 = 1_704_825_660;
    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

    /// Stands still until it is set.
    #[derive(Debug)]
    struct TestClock(AtomicI64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    fn clock() -> TestClock {
        TestClock(AtomicI64::new(START))
    }

    fn webhook(peer: &Peer, profile: Profile) -> Webhook {
        Webhook {
            id: WebhookId::of_name("test"),
            name: "test".into(),
            url: peer.url(),
            profile,
            events: TypeSet::parse(["*"], profile).unwrap(),
            secret: Secret::parse(SECRET, profile).unwrap(),
            filter_users: None,
            filter_domains: None,
            timeout: Duration::from_secs(20),
            schedule: profile.schedule().to_vec(),
            concurrency: 1,
            policy: Policy::default(),
        }
    }

    async fn once(profile: Profile, raw: &'static str) -> (Peer, AttemptReport) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let webhook = webhook(&peer, profile);
        let client = Client::new().unwrap();
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
            assert_eq!((report.status, report.excerpt.as_str()), (Some(200), "ok"));
            assert_eq!((report.error, report.signed_at.as_second()), (None, START));
        }
    }

    /// Attempts until the queue has no more, on a clock that jumps to each due time. Gives the
    /// offsets of the sends in seconds and the last outcome.
    async fn run(profile: Profile, raw: &'static str) -> (Vec<i64>, Outcome) {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let webhook = webhook(&peer, profile);
        let (client, clock) = (Client::new().unwrap(), clock());
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
        let peer = Peer::start(Behaviour::Reset).await;
        let webhook = webhook(&peer, Profile::Standard);
        let report = attempt(&Client::new().unwrap(), &webhook, &bounced(), 1, &clock()).await;
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
        let report = attempt(&Client::new().unwrap(), &webhook, &bounced(), 1, &clock()).await;
        assert_eq!(report.outcome, Outcome::Blocked);
        assert!(peer.requests().is_empty());
    }

    #[tokio::test]
    async fn a_type_without_a_word_in_the_profile_is_discarded_with_the_reason() {
        let peer = Peer::start(Behaviour::Silent).await;
        let webhook = webhook(&peer, Profile::Generic);
        let event = Event { kind: EventType::OutboundDropped, ..bounced() };
        let report = attempt(&Client::new().unwrap(), &webhook, &event, 1, &clock()).await;
        assert_eq!(report.outcome, Outcome::Discarded);
        assert_eq!(
            report.error.as_deref(),
            Some("profile generic does not carry outbound.dropped")
        );
        assert!(peer.requests().is_empty());
    }
}
