//! Messages whose envelope sender was signed.

use super::*;
use crate::secret::Hidden;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Of the day on which all samples were written.
const SIGNED: &str = "news+058ik001081g81860s4epnfktm6e51qo@sender.test";

fn settings_with_key() -> Reports {
    Reports { verp_keys: vec![Hidden::from(KEY)], ..Reports::default() }
}

/// A message from that sender.
fn message_from(sender: &str, number: u8, to: &[&str]) -> Vec<Event> {
    let mut events = message(number, to);
    for event in &mut events {
        event.data.from = Some(sender.into());
    }
    events
}

/// A late bounce that names nobody and returns nothing, sent to that address.
fn bare_bounce(to: &str) -> Vec<u8> {
    format!(
        "X-Original-To: {to}\nFrom: MAILER-DAEMON@mx.good.test\nMessage-ID: <dsn-1@mx.good.test>\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.good.test\n\n\
         Action: failed\nStatus: 5.2.1\n--b--\n"
    )
    .into_bytes()
}

async fn told_of(settings: Reports, known: Vec<Event>, mail: &[u8]) -> Event {
    let outcome = read_with(settings, known, mail).await;
    assert_eq!((outcome.told.len(), outcome.passed.len()), (1, 0), "{outcome:?}");
    outcome.told[0].0.clone()
}

const VERP: Option<(Method, Confidence)> = Some((Method::Verp, Confidence::High));

#[tokio::test]
async fn a_report_that_says_nothing_else_leads_to_the_message_and_is_trusted() {
    let known = message_from(SIGNED, 1, &["eve@good.test"]);
    for to in [SIGNED.to_owned(), SIGNED.to_uppercase()] {
        let event = told_of(settings_with_key(), known.clone(), &bare_bounce(&to)).await;
        assert_eq!(event.kind, EventType::OutboundBounced);
        assert_eq!(
            (event.data.uid, event.data.to.as_deref()),
            (MessageUid([1; 16]), Some("eve@good.test"))
        );
        assert_eq!((found(&event), trusted(&event)), (VERP, true));
    }
}

#[tokio::test]
async fn the_sender_that_a_complaint_or_the_returned_message_names_counts_as_well() {
    let known = || message_from(SIGNED, 1, &["eve@good.test"]);
    let about = "--b\nContent-Type: text/rfc822-headers\n\n";
    for part in [
        format!("Original-Mail-From: <{SIGNED}>\n\n"),
        format!("\n{about}Return-Path: <{SIGNED}>\nSubject: hello\n"),
    ] {
        let mail = format!(
            "From: <abuse@good.test>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\
             Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n{part}--b--\n"
        );
        let event = told_of(settings_with_key(), known(), mail.as_bytes()).await;
        assert_eq!((event.kind, found(&event)), (EventType::OutboundComplaint, VERP), "{mail}");
        assert_eq!((event.data.to.as_deref(), trusted(&event)), (Some("eve@good.test"), true));
    }
}

/// Whoever had it speaks for the one recipient and for nobody else.
#[tokio::test]
async fn a_token_speaks_for_the_recipient_of_its_message_and_for_nobody_else() {
    let mail = String::from_utf8(bare_bounce(SIGNED)).unwrap();
    let mail = mail.replace("Action:", "Final-Recipient: rfc822; victim@good.test\nAction:");
    let known = message_from(SIGNED, 1, &["eve@good.test"]);
    let event = told_of(settings_with_key(), known, mail.as_bytes()).await;
    assert_eq!((event.data.to.as_deref(), trusted(&event)), (Some("eve@good.test"), true));
    // Of two, either could speak for the other.
    let known = message_from(SIGNED, 1, &["eve@good.test", "victim@good.test"]);
    let event = told_of(settings_with_key(), known, mail.as_bytes()).await;
    assert_eq!(event.data.to.as_deref(), Some("victim@good.test"));
    assert_eq!((found(&event), trusted(&event)), (VERP, false));
}

/// As a content filter does it, each part of the message has one recipient.
#[tokio::test]
async fn a_message_that_was_split_on_its_way_is_still_one_to_several() {
    let mut known = message_from(SIGNED, 1, &["eve@good.test"]);
    known.extend(message_from(SIGNED, 1, &["victim@good.test"]));
    let event = told_of(settings_with_key(), known, &bare_bounce(SIGNED)).await;
    assert_eq!((found(&event), trusted(&event)), (VERP, false));
    assert_eq!(event.data.to, None);
}

#[tokio::test]
async fn a_token_that_was_used_for_several_messages_stands_for_none() {
    let mut known = message_from(SIGNED, 1, &["eve@good.test"]);
    known.extend(message_from(SIGNED, 2, &["bob@good.test"]));
    let settings = Reports { unmatched: Unmatched::All, ..settings_with_key() };
    let event = told_of(settings, known, &bare_bounce(SIGNED)).await;
    assert_eq!((found(&event), trusted(&event)), (None, false));
}

#[tokio::test]
async fn a_forged_or_old_token_and_one_without_a_key_lead_nowhere() {
    let forged = SIGNED.replace("ktm", "ktn");
    let known = || {
        let mut known = message_from(SIGNED, 1, &["eve@good.test"]);
        known.extend(message_from(&forged, 2, &["bob@good.test"]));
        known
    };
    let other_key = Reports { verp_keys: vec![Hidden::from("another")], ..Reports::default() };
    for (settings, to) in
        [(settings_with_key(), forged.as_str()), (other_key, SIGNED), (Reports::default(), SIGNED)]
    {
        let outcome = read_with(settings, known(), &bare_bounce(to)).await;
        assert_eq!(outcome.passed, [(Passed::Unmatched, None)], "{to}");
    }
    let late = Arc::new(At("2027-01-21T00:00:00Z".parse().unwrap()));
    let (settings, stories) = (Arc::new(settings_with_key()), Known(Arc::new(known())));
    let reader = Reader { settings, stories, clock: late };
    let mail = String::from_utf8(bare_bounce(SIGNED)).unwrap();
    let mail = mail.replace("Sat, 21 Nov 2026", "Thu, 21 Jan 2027");
    let outcome = reader.read(mail.as_bytes(), true).await.unwrap();
    assert_eq!(outcome.passed, [(Passed::Unmatched, None)]);
}

#[tokio::test]
async fn what_anybody_on_this_host_could_have_written_is_not_trusted_by_its_token() {
    let clock = Arc::new(At(DAY.parse().unwrap()));
    let stories = Known(Arc::new(message_from(SIGNED, 1, &["eve@good.test"])));
    let reader = Reader { settings: Arc::new(settings_with_key()), stories, clock };
    let outcome = reader.read(&bare_bounce(SIGNED), false).await.unwrap();
    let event = &outcome.told[0].0;
    assert_eq!((found(event), trusted(event)), (VERP, false));
}

/// Nobody else can have sent it under our name, and the application knows it by its sender.
#[tokio::test]
async fn a_bounce_of_a_signed_message_that_is_not_known_any_more_is_told() {
    let event = told_of(settings_with_key(), Vec::new(), &bare_bounce(SIGNED)).await;
    assert_eq!((event.data.from.as_deref(), event.data.incomplete), (Some(SIGNED), true));
    assert_eq!((found(&event), trusted(&event)), (None, false));
    let none = Reports { unmatched: Unmatched::None, ..settings_with_key() };
    assert_eq!(read_with(none, Vec::new(), &bare_bounce(SIGNED)).await.told, []);
}

/// It was told of whichever of them was stored last, and could be trusted.
#[tokio::test]
async fn a_hidden_recipient_of_a_message_id_that_was_used_for_several_is_nobody() {
    let mut known = message(1, &["eve@good.test"]);
    known.extend(message(2, &["bob@good.test"]));
    let event = only_event("arf_google_style_redacted", known).await;
    assert!(event.data.to.as_deref().unwrap().ends_with("@redacted.invalid"), "{event:?}");
    assert_eq!(found(&event), Some((Method::MessageId, Confidence::Medium)));
    assert!(!trusted(&event));
}
