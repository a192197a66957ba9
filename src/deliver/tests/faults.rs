//! What a receiver can do wrong on plain TCP (D16): each fault has its class.

use super::*;

/// Long enough for an answer over loopback, short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);

async fn meet(behaviour: Behaviour, timeout: Duration) -> (Peer, AttemptReport) {
    let peer = Peer::start(behaviour).await;
    let client = Client::new(Policy::default()).unwrap();
    let mut webhook = webhook(peer.url());
    webhook.timeout = timeout;
    let report = tokio::time::timeout(Duration::from_secs(20), tell(&client, &webhook)).await;
    (peer, report.unwrap())
}

#[tokio::test]
async fn a_head_that_drips_in_is_a_timeout() {
    let head =
        "HTTP/1.1 200 OK\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\ncontent-length: 0\r\n\r\n";
    let (_peer, report) = meet(Behaviour::Drip("", head), SHORT).await;
    assert_eq!(failed(&report), (Failure::Timeout, "no answer within 400ms"));
}

#[tokio::test]
async fn a_body_that_drips_in_is_cut_and_its_status_counts() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n";
    let body = "this takes longer than anybody waits for it to arrive, surely";
    let (_peer, report) = meet(Behaviour::Drip(head, body), SHORT).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let kept = &last(&report).body;
    assert!(body.starts_with(kept.as_str()) && kept.len() < 60, "{kept}");
}

#[tokio::test]
async fn a_reset_has_its_class_at_each_stage_before_the_status() {
    for behaviour in [
        Behaviour::CutAtOnce,
        Behaviour::Cut(""),
        Behaviour::Cut("HTTP/1."),
        Behaviour::Cut("HTTP/1.1 200 OK\r\ncontent-le"),
    ] {
        let (_peer, report) = meet(behaviour, Duration::from_secs(10)).await;
        assert_eq!(failed(&report).0, Failure::Reset, "{behaviour:?}");
        assert!(matches!(report.outcome, Outcome::Retry { .. }));
    }
}

#[tokio::test]
async fn a_reset_behind_the_status_changes_nothing() {
    let raw = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nha";
    let (_peer, report) = meet(Behaviour::Cut(raw), Duration::from_secs(10)).await;
    // The kernel may throw away what was written right before a reset.
    if report.status.is_some() {
        assert_eq!(report.outcome, Outcome::Delivered);
    } else {
        assert_eq!(failed(&report).0, Failure::Reset);
    }
}

#[tokio::test]
async fn a_close_without_an_answer_is_told_from_a_reset() {
    let (_peer, report) = meet(Behaviour::HalfClose, Duration::from_secs(10)).await;
    assert_eq!(failed(&report).0, Failure::Exchange);
}

#[tokio::test]
async fn endless_headers_end_in_bounded_memory() {
    for (head, part) in [
        ("HTTP/1.1 200 OK\r\n", "x-more: of the same\r\n"),
        ("HTTP/1.1 200 OK\r\nx-huge: ", "aaaaaaaaaaaaaaaa"),
        ("", "aaaaaaaaaaaaaaaa"),
    ] {
        let (mut peer, report) = meet(Behaviour::Endless(head, part), Duration::from_mins(1)).await;
        assert_eq!(failed(&report).0, Failure::Exchange, "{head}{part}");
        peer.hung_up().await;
    }
}

#[tokio::test]
async fn one_huge_header_is_cut_on_record() {
    let raw =
        format!("HTTP/1.1 503 No\r\nserver: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(99_000));
    let (_peer, report) = meet(Behaviour::Answer(raw.leak()), Duration::from_secs(10)).await;
    assert_eq!(report.status, Some(503));
    assert_eq!(last(&report).headers[0].1.len(), 256);
}

#[tokio::test]
async fn informational_answers_are_passed_over_and_a_storm_of_them_is_a_timeout() {
    let raw = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
    let (_peer, report) = meet(Behaviour::Answer(raw), Duration::from_secs(10)).await;
    assert_eq!(report.status, Some(204));
    let storm = Behaviour::Endless("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    let (mut peer, report) = meet(storm, SHORT).await;
    assert_eq!(failed(&report).0, Failure::Timeout);
    peer.hung_up().await;
}

#[tokio::test]
async fn an_endless_body_is_read_to_its_bound() {
    let endless = Behaviour::Endless("HTTP/1.1 500 No\r\n\r\n", "0123456789abcdef");
    let (mut peer, report) = meet(endless, Duration::from_mins(1)).await;
    assert_eq!((report.status, last(&report).body.len()), (Some(500), 8192));
    peer.hung_up().await;
}

#[tokio::test]
async fn nobody_listening_is_a_connect_failure_that_says_so() {
    let url = Peer::nobody().await;
    let report = tell(&Client::new(Policy::default()).unwrap(), &webhook(url)).await;
    let (class, text) = failed(&report);
    assert_eq!(class, Failure::Connect);
    assert!(text.contains("refused") && !text.contains("token"), "{text}");
}

#[tokio::test]
async fn a_name_without_addresses_is_a_dns_failure() {
    let peer = Peer::start(Behaviour::Silent).await;
    for names in [Names::of([]), Names::of([&[]])] {
        let report = tell(&client_by(names), &webhook(peer.url_by("gone.test"))).await;
        assert_eq!(failed(&report).0, Failure::Dns);
    }
}
