//! Webhooks.md §2.4, D16: what is on record of an attempt.

use sha2::{Digest, Sha256};

use super::*;
use crate::{config::CustomHeader, secret::Hidden};

#[tokio::test]
async fn d16_an_attempt_leaves_address_times_answer_body_hash_and_key() {
    let raw = "HTTP/1.1 503 No\r\nServer: x\r\nRetry-After: 7\r\nSet-Cookie: secret\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsorry";
    let peer = Peer::start(Behaviour::Answer(raw)).await;
    let webhook = webhook(peer.url_by("receiver.test"));
    let report = tell(&client_by(Names::of([&["127.0.0.1"]])), &webhook).await;
    let record = &report.record;
    assert_eq!((record.number, record.url.as_str()), (1, webhook.url.as_str()));
    assert_eq!(record.started_us, report.signed_at.as_microsecond());
    let request = record.request.unwrap();
    let sent = &peer.requests()[0].body;
    assert_eq!(request.sha256[..], Sha256::digest(sent)[..]);
    assert_eq!(request.bytes as usize, sent.len());

    let [exchange] = &record.exchanges[..] else { panic!("{record:?}") };
    assert_eq!(exchange.key, Some(webhook.secret.id().to_string()));
    assert_eq!(
        exchange.remote.unwrap().to_string(),
        format!("127.0.0.1:{}", peer.url().port().unwrap())
    );
    assert_eq!(exchange.result, ExchangeResult::Answered(503));
    let kept = [("retry-after", "7"), ("server", "x")];
    assert_eq!(exchange.headers, kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(exchange.body, "sorry");
    let times = exchange.times;
    let parts = times.dns_us.unwrap() + times.connect_us.unwrap();
    assert!(
        parts <= times.first_byte_us.unwrap() && times.first_byte_us.unwrap() <= times.total_us
    );
}

#[tokio::test]
async fn an_open_connection_has_no_time_for_name_and_connect() {
    let keep = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let peer = Peer::start(Behaviour::Keep(keep)).await;
    let client = client_by(Names::of([&["127.0.0.1"]]));
    let webhook = webhook(peer.url_by("receiver.test"));
    let first = tell(&client, &webhook).await;
    assert!(last(&first).times.connect_us.is_some() && last(&first).times.dns_us.is_some());
    let second = tell(&client, &webhook).await;
    let times = last(&second).times;
    assert_eq!((times.dns_us, times.connect_us), (None, None));
    assert!(times.first_byte_us.is_some() && last(&second).remote.is_some());
}

#[tokio::test]
async fn the_headers_of_the_operator_are_sent_beside_ours() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let mut webhook = webhook(peer.url());
    let header = |name: &str, value| CustomHeader { name: name.into(), value: Hidden::from(value) };
    webhook.transport.headers =
        vec![header("authorization", "Bearer abc"), header("webhook-id", "forged")];
    webhook.transport.attempt_header = true;
    tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    let request = &peer.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer abc"));
    assert_eq!(request.header("x-webhook-attempt"), Some("1"));
    let ids = request.headers().filter(|(name, _)| *name == "webhook-id");
    assert_eq!(ids.map(|(_, value)| value).collect::<Vec<_>>(), [bounced().id.to_string()]);
}

#[tokio::test]
async fn the_clock_is_compared_with_the_dates_of_three_receivers() {
    let client = Client::new(Policy::default()).unwrap();
    // Two minutes before what our clock says, which is 18:41:00.
    let raw = "HTTP/1.1 200 OK\r\nDate: Tue, 09 Jan 2024 18:39:00 GMT\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let news = client.skew_news();
    for number in 1..=3 {
        assert_eq!(client.clock_skew(), None, "before {number}");
        assert!(!news.has_changed().unwrap());
        let peer = Peer::start(Behaviour::Answer(raw)).await;
        tell(&client, &webhook(peer.url())).await;
    }
    let ahead = jiff::SignedDuration::from_secs(119);
    assert_eq!(client.clock_skew(), Some(ahead));
    assert!(news.borrow().is_some_and(|skew| skew.is_off() && skew.ahead == ahead));
}

#[tokio::test]
async fn attempts_at_once_share_one_lookup_of_a_name() {
    #[derive(Debug, Default)]
    struct Slow(Mutex<usize>);

    impl Lookup for Slow {
        fn addresses(&self, _name: String) -> Found {
            *self.0.lock().unwrap() += 1;
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(vec![[127, 0, 0, 1].into()])
            })
        }
    }

    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let slow = Arc::new(Slow::default());
    let lookup: Arc<dyn Lookup> = Arc::<Slow>::clone(&slow);
    let client = Client::with_lookup(open(&["127.0.0.0/8"]), lookup);
    let webhook = webhook(peer.url_by("receiver.test"));
    let (one, other) = tokio::join!(tell(&client, &webhook), tell(&client, &webhook));
    assert_eq!((one.outcome, other.outcome), (Outcome::Delivered, Outcome::Delivered));
    assert_eq!(*slow.0.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_lookup_that_dies_is_asked_again() {
    #[derive(Debug, Default)]
    struct Dies(Mutex<bool>);

    impl Lookup for Dies {
        fn addresses(&self, _name: String) -> Found {
            let died = std::mem::replace(&mut *self.0.lock().unwrap(), true);
            Box::pin(async move {
                assert!(died, "the first one dies, on purpose");
                Ok(vec![[127, 0, 0, 1].into()])
            })
        }
    }

    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let client = Client::with_lookup(open(&["127.0.0.0/8"]), Arc::new(Dies::default()));
    let webhook = webhook(peer.url_by("receiver.test"));
    assert_eq!(failed(&tell(&client, &webhook).await).0, Failure::Dns);
    assert_eq!(tell(&client, &webhook).await.outcome, Outcome::Delivered);
}
