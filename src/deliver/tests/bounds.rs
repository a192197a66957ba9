//! Webhooks.md §2.4: a request body has at most 256 KiB.

use super::{super::envelope::render, *};
use crate::{event::Event, limits::BODY_BYTES};

/// An event from elsewhere, with every text as long as a body may be and as costly as JSON knows.
fn monstrous() -> Event {
    let mut event = bounced();
    let text = || Some("\u{1}".repeat(BODY_BYTES));
    let data = &mut event.data;
    for field in [
        &mut data.queue_id,
        &mut data.message_id,
        &mut data.from,
        &mut data.to,
        &mut data.orig_to,
        &mut data.subject,
        &mut data.user,
        &mut data.domain,
        &mut data.mx,
        &mut data.host,
        &mut data.ip,
        &mut data.response,
        &mut data.dsn,
        &mut data.stage,
        &mut data.helo,
        &mut data.client_name,
        &mut data.rules,
        &mut data.engine,
        &mut data.action,
    ] {
        *field = text();
    }
    event
}

#[test]
fn a_body_stays_within_its_bound_whatever_the_event_holds() {
    for &profile in Profile::ALL {
        let body = render(&monstrous(), profile).unwrap().body;
        assert!(body.len() <= BODY_BYTES, "{profile:?}: {}", body.len());
        assert!(body.ends_with(br#""truncated":true}}"#), "{profile:?}");
    }
}

#[tokio::test]
async fn the_largest_body_is_sent_whole() {
    let peer = Peer::start(Behaviour::Answer(OK)).await;
    let client = Client::new(Policy::default()).unwrap();
    let webhook = webhook(peer.url());
    let report = attempt(&client, &webhook, &monstrous(), 1, &clock()).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let sent = peer.requests()[0].body.len();
    assert_eq!(report.record.request.unwrap().bytes as usize, sent);
    assert!(sent > 64 * 1024);
}
