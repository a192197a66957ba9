//! Webhooks.md §2.7: nothing is sent where the policy does not let us.

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::{config::Connection, egress::Origin, secret::Hidden};

fn by_api(mut webhook: Webhook) -> Webhook {
    webhook.transport.connection.origin = Origin::Api;
    webhook
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_connected_to() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let port = peer.url().port().unwrap();
    let client = Client::new(Policy::default()).unwrap();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost"]
    {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        let report = tell(&client, &by_api(webhook(url))).await;
        assert!(refused(&report).contains("allow_cidrs") || host == "0.0.0.0", "{host}");
        assert_eq!(last(&report).times.connect_us, None);
    }
    assert!(peer.requests().is_empty());
}

#[tokio::test]
async fn a_webhook_of_the_file_may_name_this_machine_and_only_by_its_own_names() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let strict = Client::new(Policy::default()).unwrap();
    for url in [peer.url(), peer.url_by("localhost")] {
        assert_eq!(tell(&strict, &webhook(url)).await.outcome, Outcome::Delivered);
    }
    let strict = Client::with_lookup(Policy::default(), Names::of([&["127.0.0.1"]]));
    let report = tell(&strict, &webhook(peer.url_by("receiver.test"))).await;
    let why = refused(&report);
    assert!(why.starts_with("127.0.0.1 is loopback; to allow it, add its network to"), "{why}");
    assert_eq!(peer.requests().len(), 2);
}

#[tokio::test]
async fn a_name_that_rebinds_between_two_connections_is_refused_with_nothing_sent() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let names = Names::of([&["127.0.0.1"], &["169.254.169.254"], &["10.0.0.1"]]);
    let client = client_by(names);
    let webhook = by_api(webhook(peer.url_by("rebinds.test")));
    assert_eq!(tell(&client, &webhook).await.outcome, Outcome::Delivered);
    assert!(refused(&tell(&client, &webhook).await).starts_with("169.254.169.254 is link-local"));
    assert!(
        refused(&tell(&client, &webhook).await).starts_with("10.0.0.1 is in a private network")
    );
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn of_many_addresses_only_those_that_are_allowed_are_connected_to() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    // Somebody listens where we must not go.
    let trap = TcpListener::bind(("127.0.0.2", peer.url().port().unwrap())).await.unwrap();
    let client = Client::with_lookup(
        open(&["127.0.0.1/32"]),
        Names::of([&["127.0.0.2", "10.0.0.1", "127.0.0.1", "fe80::1"]]),
    );
    let report = tell(&client, &by_api(webhook(peer.url_by("many.test")))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!(last(&report).remote.unwrap().ip().to_string(), "127.0.0.1");
    let nobody = std::future::poll_fn(|context| match trap.poll_accept(context) {
        std::task::Poll::Pending => std::task::Poll::Ready(true),
        std::task::Poll::Ready(_) => std::task::Poll::Ready(false),
    });
    assert!(nobody.await);
}

#[tokio::test]
async fn the_daemon_itself_is_refused_by_literal_and_by_name() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let own = vec![([127, 0, 0, 1], peer.url().port().unwrap()).into()];
    let policy = Policy { own, ..open(&["127.0.0.0/8"]) };
    let client = Client::with_lookup(policy, Names::of([&["127.0.0.1"]]));
    for url in [peer.url(), peer.url_by("localhost"), peer.url_by("receiver.test")] {
        let report = tell(&client, &webhook(url)).await;
        assert!(refused(&report).contains("is this daemon itself"));
    }
    assert!(peer.requests().is_empty());
    let other = Peer::start(Behaviour::Answer(OK)).await;
    let report = tell(&client, &webhook(other.url_by("receiver.test"))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn a_redirect_to_loopback_is_not_followed() {
    let target = Peer::start(Behaviour::Answer(OK)).await;
    let raw =
        format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url());
    let peer = Peer::start(Behaviour::Answer(raw.leak())).await;
    let client = Client::new(Policy::default()).unwrap();
    let report = tell(&client, &webhook(peer.url())).await;
    assert_eq!(report.status, Some(302));
    assert!(target.requests().is_empty());
    let location = last(&report).headers.iter().find(|(name, _)| name == "location");
    assert!(location.unwrap().1.starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn an_open_connection_of_a_webhook_of_the_file_is_not_for_one_of_the_api() {
    let keep = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let peer = Peer::start(Behaviour::Stall(keep)).await;
    let client = Client::new(Policy::default()).unwrap();
    let url = peer.url_by("localhost");
    assert_eq!(tell(&client, &webhook(url.clone())).await.outcome, Outcome::Delivered);
    assert!(refused(&tell(&client, &by_api(webhook(url))).await).contains("is loopback"));
}

#[tokio::test]
async fn behind_a_proxy_literals_are_judged_and_names_are_flagged() {
    let proxy = Peer::start(Behaviour::Answer(OK)).await;
    let strict = Client::with_lookup(Policy::default(), Names::of([&["127.0.0.1"]]));
    let through = |url: &str| {
        let mut webhook = by_api(webhook(url.parse().unwrap()));
        let proxy = Hidden::from(proxy.url_by("proxy.test").as_str());
        webhook.transport.connection =
            Connection { proxy: Some(proxy), ..webhook.transport.connection };
        webhook
    };
    let report = tell(&strict, &through("http://10.0.0.1/")).await;
    assert!(refused(&report).starts_with("10.0.0.1 is in a private network"));
    assert!(proxy.requests().is_empty());

    let report = tell(&strict, &through("http://receiver.test/hook")).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(last(&report).by_proxy);
    assert_eq!(proxy.requests()[0].line(), "POST http://receiver.test/hook HTTP/1.1");
}

/// Accepts nothing, and has no room for more: whoever connects waits. The streams keep it full.
async fn dead_listener(address: &str) -> Option<(TcpListener, Vec<TcpStream>)> {
    let address: std::net::SocketAddr = address.parse().unwrap();
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() };
    let socket = socket.ok()?;
    socket.bind(address).ok()?;
    let listener = socket.listen(1).ok()?;
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 64);
    }
    Some((listener, waiting))
}

#[tokio::test]
async fn a_dead_ipv6_address_does_not_keep_us_from_the_ipv4_one() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let port = peer.url().port().unwrap();
    let Some(_dead) = dead_listener(&format!("[::1]:{port}")).await else {
        return; // This machine has no IPv6.
    };
    let client = client_by(Names::of([&["::1", "127.0.0.1"]]));
    let report = tell(&client, &webhook(peer.url_by("dual.test"))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(last(&report).remote.unwrap().is_ipv4());
}

#[tokio::test]
async fn a_dead_address_leaves_time_for_the_next_one() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let port = peer.url().port().unwrap();
    let _dead = dead_listener(&format!("127.0.0.2:{port}")).await.unwrap();
    let client = client_by(Names::of([&["127.0.0.2", "127.0.0.1"]]));
    let report = tell(&client, &webhook(peer.url_by("two.test"))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn only_dead_addresses_are_a_timeout() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let port = peer.url().port().unwrap();
    let _dead = dead_listener(&format!("127.0.0.2:{port}")).await.unwrap();
    let client = client_by(Names::of([&["127.0.0.2"]]));
    let mut webhook = webhook(peer.url_by("dead.test"));
    webhook.timeout = Duration::from_millis(300);
    let report = tell(&client, &webhook).await;
    assert_eq!(failed(&report).0, Failure::Timeout);
    assert!(last(&report).times.dns_us.is_some());
    assert_eq!(last(&report).times.first_byte_us, None);
}
