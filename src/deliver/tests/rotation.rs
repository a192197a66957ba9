//! Webhooks.md §2.6: a new secret, and receivers that do not know it yet.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::{super::peer::Request, *};
use crate::{
    deliver::attempt::{SECRET, START},
    secret::{FormerKey, KeyRing, Secret},
};

const FORMER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn former(until: i64) -> FormerKey {
    let secret = Secret::parse(FORMER, Profile::Standard).unwrap();
    FormerKey { secret, valid_until: Timestamp::from_second(until).unwrap() }
}

fn has_former(webhook: &Webhook, former: FormerKey) {
    let secret = webhook.secret.clone();
    webhook.transport.keys.set(KeyRing::restored(secret.id(), secret, vec![former]));
}

/// Takes only what is signed with the former secret, as a receiver of one of these profiles does.
fn knows_only_the_former(request: &Request) -> bool {
    let hmac = |message: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(FORMER.as_bytes()).unwrap();
        HEXLOWER.encode(&mac.chain_update(message).finalize().into_bytes())
    };
    if let Some(given) = request.header("x-lettermint-signature") {
        let at = request.header("x-lettermint-delivery").unwrap();
        let signed = [at.as_bytes(), b".", &request.body].concat();
        return given == format!("t={at},v1={}", hmac(&signed));
    }
    request.header("x-webhook-signature") == Some(&format!("sha256={}", hmac(&request.body)))
}

async fn tell_strict(profile: Profile, former: FormerKey) -> (Peer, AttemptReport) {
    let peer = Peer::start(Behaviour::Verify(knows_only_the_former)).await;
    let webhook = webhook_at(peer.url(), profile);
    has_former(&webhook, former);
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    (peer, report)
}

#[tokio::test]
async fn a_receiver_that_knows_only_the_former_secret_is_asked_again_with_it_at_once() {
    for profile in [Profile::Jetemail, Profile::Generic, Profile::Lettermint] {
        let (peer, report) = tell_strict(profile, former(START + 1)).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{profile:?}");
        assert_eq!((report.number, peer.requests().len()), (1, 2));
        let [first, second] = &report.record.exchanges[..] else { panic!("{report:?}") };
        let id = |text| Some(Secret::parse(text, Profile::Generic).unwrap().id().to_string());
        assert_eq!((&first.key, &second.key), (&id(SECRET), &id(FORMER)));
        assert_eq!(first.result, ExchangeResult::Answered(401));
        assert_eq!(second.result, ExchangeResult::Answered(200));
    }
}

#[tokio::test]
async fn a_former_secret_that_has_expired_rescues_nothing() {
    let (peer, report) = tell_strict(Profile::Jetemail, former(START)).await;
    assert_eq!(report.outcome, Outcome::Discarded);
    assert_eq!((peer.requests().len(), report.record.exchanges.len()), (1, 1));
}

#[tokio::test]
async fn a_refusal_of_both_secrets_is_a_refusal_and_another_status_is_no_reason_to_ask_again() {
    for (raw, asked) in [
        ("HTTP/1.1 403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 3),
        ("HTTP/1.1 400 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 1),
    ] {
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        let webhook = webhook_at(peer.url(), Profile::Jetemail);
        has_former(&webhook, former(START + 1));
        let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
        assert_eq!(report.outcome, Outcome::Discarded);
        assert_eq!(peer.requests().len(), asked);
    }
}

/// Webhooks.md §3.1, 6.
#[tokio::test]
async fn a_receiver_that_flips_from_the_former_to_the_new_secret_discards_nothing() {
    let knows_only_the_new: fn(&Request) -> bool = |request| !knows_only_the_former(request);
    for knows in [knows_only_the_former as fn(&Request) -> bool, knows_only_the_new] {
        let peer = Peer::start(Behaviour::Verify(knows)).await;
        let webhook = webhook_at(peer.url(), Profile::Jetemail);
        has_former(&webhook, former(START + 1));
        let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
        assert_eq!(report.outcome, Outcome::Delivered);
    }
}

/// It happened with a few of many events: the receiver changed over between the two requests of an
/// attempt, so it refused both.
#[tokio::test]
async fn a_receiver_that_flips_between_two_requests_of_an_attempt_discards_nothing() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    fn flips_after_the_first(request: &Request) -> bool {
        let is_first = SEEN.fetch_add(1, Ordering::SeqCst) == 0;
        is_first == knows_only_the_former(request)
    }
    let peer = Peer::start(Behaviour::Verify(flips_after_the_first)).await;
    let webhook = webhook_at(peer.url(), Profile::Jetemail);
    has_former(&webhook, former(START + 1));
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let keys: Vec<_> = report.record.exchanges.iter().map(|exchange| &exchange.key).collect();
    assert_eq!((keys.len(), keys[0] == keys[2], keys[0] == keys[1]), (3, true, false));
}

/// A request that was under way when the secret was rotated, to a receiver that changed over before
/// it looked at it.
#[tokio::test]
async fn an_attempt_that_a_rotation_overtakes_goes_on_with_the_new_secret() {
    static SEEN: Mutex<Option<Webhook>> = Mutex::new(None);
    fn rotates_at_first(request: &Request) -> bool {
        if let Some(webhook) = SEEN.lock().unwrap().take() {
            let former = webhook.ring().current().clone();
            let new = Secret::parse(FORMER, Profile::Jetemail).unwrap();
            let valid_until = Timestamp::from_second(START + 1).unwrap();
            let former = vec![FormerKey { secret: former, valid_until }];
            webhook.transport.keys.set(KeyRing::restored(new.id(), new, former));
        }
        // It is the new one here.
        knows_only_the_former(request)
    }
    let peer = Peer::start(Behaviour::Verify(rotates_at_first)).await;
    let webhook = webhook_at(peer.url(), Profile::Jetemail);
    *SEEN.lock().unwrap() = Some(webhook.clone());
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    assert_eq!(report.outcome, Outcome::Delivered);
}

/// Standard Webhooks has room for both, but a receiver may look at the first alone.
#[tokio::test]
async fn standard_carries_both_signatures_and_then_the_former_alone() {
    let takes_one: fn(&Request) -> bool =
        |request| !request.header("webhook-signature").unwrap().contains(' ');
    let peer = Peer::start(Behaviour::Verify(takes_one)).await;
    let webhook = webhook_at(peer.url(), Profile::Standard);
    has_former(&webhook, former(START + 1));
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let requests = peer.requests();
    let signatures = |index: usize| requests[index].header("webhook-signature").unwrap();
    assert_eq!(signatures(0).split(' ').nth(1), Some(signatures(1)));
}
