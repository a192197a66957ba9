//! Finds out whether a receiver really checks what it is told: the signature, how old it is, and
//! whether it bears to be told twice.
//!
//! Sends test events that are right, changed on the way, old, and repeated, and compares the answer
//! with what a careful receiver says. Changes nothing on our side, and is counted nowhere.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{attempt::Trial, client::Client, envelope::Rendered, test_event::TestEvent};
use crate::{
    clock::Clock,
    config::Webhook,
    profile::Profile,
    queue::attempt::{Exchange, ExchangeResult},
};

/// Older than any receiver should take: twice the tolerance of 300 s that all libraries have.
const STALE: SignedDuration = SignedDuration::from_secs(600);

/// One request of a probe and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Probe {
    /// What was sent: `good`, `tampered`, `stale` or `duplicate`.
    pub name: String,
    /// What a careful receiver does with it.
    pub expected: String,
    /// What it did.
    pub answer: String,
    /// Whether that is well.
    pub verdict: Verdict,
}

/// Whether an answer is what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It may be, but is not as safe as it could be.
    Doubtful,
    /// The receiver believes what it should not, or does not take what it should.
    Bad,
    /// Nothing was learned: no answer, or an answer that says something else.
    Unknown,
}

/// Probes the receiver of `webhook`. Four requests at most; the first decides whether there are more.
pub async fn probe(client: &Client, webhook: &Webhook, clock: &dyn Clock) -> Vec<Probe> {
    let now = clock.now();
    let sender = Sender { client, webhook, clock };
    let letter = TestEvent::new(webhook.id, now).render(webhook.profile);
    let good = sender.post(&letter, letter.body.clone(), now).await;
    let mut probes = vec![judge_good("good", "accepts it", &good)];
    if !is_taken(&good) {
        return probes;
    }
    let tampered = sender.post(&letter, tampered(&letter.body), now).await;
    probes.push(judge_refused("tampered", "refuses it: the signature does not fit", &tampered));
    let at = now.checked_sub(STALE).unwrap_or(now);
    let old = TestEvent::new(webhook.id, at).render(webhook.profile);
    let stale = sender.post(&old, old.body.clone(), at).await;
    probes.push(judge_stale(webhook.profile, &stale));
    let again = sender.post(&letter, letter.body.clone(), clock.now()).await;
    probes.push(judge_good("duplicate", "accepts it, and does nothing about it again", &again));
    probes
}

struct Sender<'a> {
    client: &'a Client,
    webhook: &'a Webhook,
    clock: &'a dyn Clock,
}

impl Sender<'_> {
    /// Signs the letter as of `at`, and sends `body`.
    async fn post(&self, letter: &Rendered, body: Bytes, at: Timestamp) -> Exchange {
        let Self { client, webhook, clock } = *self;
        Trial { client, webhook, number: 1, signed_at: at, clock }.post(letter, body).await
    }
}

/// One digit of the time differs: what it says is still JSON of the same shape.
fn tampered(body: &Bytes) -> Bytes {
    let mut changed = body.to_vec();
    if let Some(digit) = changed.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'1' { b'2' } else { b'1' };
    }
    changed.into()
}

fn is_taken(exchange: &Exchange) -> bool {
    matches!(exchange.result, ExchangeResult::Answered(200..=299))
}

fn judge_good(name: &str, expected: &str, exchange: &Exchange) -> Probe {
    let verdict = match exchange.result {
        ExchangeResult::Answered(200..=299) => Verdict::Good,
        ExchangeResult::Answered(_) => Verdict::Bad,
        _ => Verdict::Unknown,
    };
    told(name, expected, exchange, verdict)
}

fn judge_refused(name: &str, expected: &str, exchange: &Exchange) -> Probe {
    let verdict = match exchange.result {
        ExchangeResult::Answered(200..=299) => Verdict::Bad,
        ExchangeResult::Answered(400..=499) => Verdict::Good,
        _ => Verdict::Unknown,
    };
    told(name, expected, exchange, verdict)
}

/// A signature over the body alone says nothing of its age, and the providers' own guides do not
/// ask their receivers to look at the headers that do.
fn judge_stale(profile: Profile, exchange: &Exchange) -> Probe {
    let expected = "refuses it: it was signed ten minutes ago";
    let mut probe = judge_refused("stale", expected, exchange);
    let covers_time = matches!(profile, Profile::Standard | Profile::Lettermint);
    if probe.verdict == Verdict::Bad && !covers_time {
        probe.verdict = Verdict::Doubtful;
    }
    probe
}

fn told(name: &str, expected: &str, exchange: &Exchange, verdict: Verdict) -> Probe {
    let (name, expected) = (name.to_owned(), expected.to_owned());
    Probe { name, expected, answer: exchange.result.words(), verdict }
}
