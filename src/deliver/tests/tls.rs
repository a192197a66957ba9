//! Certificates, versions and HTTP/2 (D16).

use super::{
    tls_peer::{Authority, Identity, TlsPeer},
    *,
};
use crate::{config::Connection, secret::Hidden};

const NAME: &str = "receiver.test";

/// To a receiver with this certificate, trusting this authority besides those of the system.
async fn meet(peer: &TlsPeer, authority: &Authority) -> AttemptReport {
    meet_with(peer, Connection { ca: Some(Hidden::from(&authority.pem)), ..Connection::default() })
        .await
}

async fn meet_with(peer: &TlsPeer, connection: Connection) -> AttemptReport {
    let mut webhook = webhook(peer.url());
    webhook.transport.connection = connection;
    tell(&client_by(Names::of([&["127.0.0.1"]])), &webhook).await
}

#[tokio::test]
async fn a_certificate_of_an_authority_of_ca_file_is_taken() {
    let authority = Authority::new();
    let peer = TlsPeer::start(&authority.signs(NAME, 2099), None).await;
    let report = meet(&peer, &authority).await;
    assert_eq!(report.outcome, Outcome::Delivered, "{report:?}");
    assert!(last(&report).times.connect_us.is_some());
}

#[tokio::test]
async fn each_wrong_certificate_is_a_tls_failure_that_says_what_is_wrong() {
    let authority = Authority::new();
    for (identity, expected) in [
        (authority.signs(NAME, 2020), "expired"),
        (authority.signs("other.test", 2099), "not valid for name"),
        (Identity::self_signed(NAME), "UnknownIssuer"),
        (Authority::called("another").signs(NAME, 2099), "UnknownIssuer"),
    ] {
        let peer = TlsPeer::start(&identity, None).await;
        let report = meet(&peer, &authority).await;
        let (class, text) = failed(&report);
        assert_eq!(class, Failure::Tls, "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(matches!(report.outcome, Outcome::Retry { .. }));
    }
}

#[tokio::test]
async fn verification_is_skipped_only_for_the_webhook_that_says_so() {
    let peer = TlsPeer::start(&Identity::self_signed("other.test"), None).await;
    let client = client_by(Names::of([&["127.0.0.1"]]));
    let mut skipping = webhook(peer.url());
    skipping.transport.connection.skips_verification = true;
    assert_eq!(tell(&client, &skipping).await.outcome, Outcome::Delivered);
    let report = tell(&client, &webhook(peer.url())).await;
    assert_eq!(failed(&report).0, Failure::Tls);
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_gets_ours() {
    let authority = Authority::new();
    let peer = TlsPeer::start(&authority.signs(NAME, 2099), Some(&authority)).await;
    let ca = Some(Hidden::from(&authority.pem));
    let ours = Hidden::from(&authority.signs("client.test", 2099).pem);
    let with = Connection { ca: ca.clone(), identity: Some(ours), ..Connection::default() };
    assert_eq!(meet_with(&peer, with).await.outcome, Outcome::Delivered);
    let report = meet_with(&peer, Connection { ca, ..Connection::default() }).await;
    assert!(failed(&report).1.contains("CertificateRequired"), "{report:?}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_fails_the_attempt_and_the_start() {
    let peer = TlsPeer::start(&Identity::self_signed(NAME), None).await;
    let mut webhook = webhook(peer.url());
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    webhook.transport.connection.ca = Some(Hidden::from(nonsense));
    let client = client_by(Names::of([&["127.0.0.1"]]));
    assert!(client.prepare(&webhook).is_err());
    let report = tell(&client, &webhook).await;
    assert!(failed(&report).1.starts_with("certificates, key or proxy cannot be used"));
    assert_eq!(last(&report).key, None, "nothing was signed");
}

/// A receiver that chooses TLS 1.1 (RFC 4346): the beginning of its `ServerHello`.
#[tokio::test]
async fn tls_1_1_is_refused() {
    let hello = "\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\x00\x2f\x00";
    let peer = Peer::start(Behaviour::Greet(hello)).await;
    let mut webhook = webhook(peer.url());
    webhook.url.set_scheme("https").unwrap();
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook).await;
    let (class, text) = failed(&report);
    assert_eq!(class, Failure::Tls);
    assert!(text.contains("Tls12Or13"), "{text}");
}

/// HTTP/2 frames (RFC 9113 §4.1): empty SETTINGS, and GOAWAY for stream 0 with an error code.
const GOAWAY_AT_ONCE: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x00";
const GOAWAY_IN_ANGER: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
/// SETTINGS, then HEADERS of stream 1 that claim to be 16 MiB long (RFC 9113 §4.2).
const HUGE_FRAME: &[u8] = b"\0\0\0\x04\0\0\0\0\0\xff\xff\xff\x01\x04\0\0\0\x01";
/// SETTINGS, `RST_STREAM` of stream 1 with `INTERNAL_ERROR`.
const STREAM_RESET: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02";

#[tokio::test]
async fn http_2_that_goes_wrong_fails_the_attempt_and_no_more() {
    let authority = Authority::new();
    let identity = authority.signs(NAME, 2099);
    for raw in
        [GOAWAY_AT_ONCE, GOAWAY_IN_ANGER, HUGE_FRAME, STREAM_RESET, b"HTTP/1.1 200 OK\r\n\r\n"]
    {
        let peer = TlsPeer::speaking_h2(&identity, raw).await;
        let report = tokio::time::timeout(Duration::from_secs(20), meet(&peer, &authority)).await;
        let report = report.unwrap();
        assert_eq!(failed(&report).0, Failure::Exchange, "{report:?}");
        assert!(matches!(report.outcome, Outcome::Retry { .. }));
    }
}

/// SETTINGS, then HEADERS of stream 1: `:status: 200` from the static table (RFC 7541), `END_STREAM`.
const H2_OK: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x88";

#[tokio::test]
async fn http_2_is_spoken_where_the_receiver_does() {
    let authority = Authority::new();
    let peer = TlsPeer::speaking_h2(&authority.signs(NAME, 2099), H2_OK).await;
    let report = meet(&peer, &authority).await;
    assert_eq!(report.status, Some(200), "{report:?}");
}
