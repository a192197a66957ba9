//! Samples in, events out: which message, which recipient, and whether it may be believed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod signed;

use std::{fs, path::Path};

use super::*;
use crate::{
    clock::Clock,
    event::{
        BounceCategory, BounceType, Confidence, EventData, EventType, MessageUid, Method,
        TimeQuality,
    },
};

/// When all samples were written.
const DAY: &str = "2026-11-21T18:00:00Z";

/// It is always that time.
#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[derive(Debug, Clone, Default)]
struct Known(Arc<Vec<Event>>);

impl Stories for Known {
    async fn events(&self, clue: Clue, limit: usize) -> Result<Vec<Event>, Stopped> {
        Ok(self.0.iter().filter(|event| clue.fits(event)).take(limit).cloned().collect())
    }
}

/// A delivered message of ours to each of these.
fn message(number: u8, to: &[&str]) -> Vec<Event> {
    let nrcpt = u32::try_from(to.len()).ok();
    let event = |to: &&str| Event {
        id: crate::event::EventId::of(&[&[number], to.as_bytes()]),
        kind: EventType::OutboundDelivered,
        at_us: "2026-11-21T10:00:02Z".parse::<Timestamp>().unwrap().as_microsecond(),
        time_quality: TimeQuality::Exact,
        data: Box::new(EventData {
            uid: MessageUid([number; 16]),
            queue_id: Some("4jYB2l5Zt8zmwBB".into()),
            message_id: Some("<offers-17@sender.test>".into()),
            from: Some("news@sender.test".into()),
            to: Some((*to).into()),
            subject: Some("Offers of November".into()),
            user: Some("shop".into()),
            response: Some("250 ok".into()),
            attempt: Some(1),
            nrcpt,
            ..EventData::default()
        }),
    };
    to.iter().map(event).collect()
}

fn sample(name: &str) -> Vec<u8> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/reports"));
    fs::read(dir.join(format!("{name}.eml"))).unwrap()
}

fn settings() -> Reports {
    Reports { authserv_ids: vec!["mail.sender.test".into()], ..Reports::default() }
}

async fn read_with(settings: Reports, known: Vec<Event>, mail: &[u8]) -> Outcome {
    let clock = Arc::new(At(DAY.parse().unwrap()));
    let stories = Known(Arc::new(known));
    let reader = Reader { settings: Arc::new(settings), stories, clock };
    reader.read(mail, true).await.unwrap()
}

async fn read(name: &str, known: Vec<Event>) -> Outcome {
    read_with(settings(), known, &sample(name)).await
}

async fn only_event(name: &str, known: Vec<Event>) -> Event {
    let outcome = read(name, known).await;
    assert_eq!((outcome.told.len(), outcome.passed.len()), (1, 0), "{outcome:?}");
    outcome.told[0].0.clone()
}

fn found(event: &Event) -> Option<(Method, Confidence)> {
    let correlation = event.data.reported.as_ref().unwrap().correlation;
    correlation.map(|found| (found.method, found.confidence))
}

fn trusted(event: &Event) -> bool {
    event.data.reported.as_ref().unwrap().trusted
}

#[tokio::test]
async fn a_complaint_is_about_our_message_and_nothing_of_its_delivery_is_repeated() {
    let event = only_event("arf_yahoo", message(1, &["eve@good.test", "bob@good.test"])).await;
    let data = &event.data;
    assert_eq!(event.kind, EventType::OutboundComplaint);
    assert_eq!(event.at().to_string(), "2026-11-21T12:59:58Z");
    assert_eq!(data.uid, MessageUid([1; 16]));
    assert_eq!((data.to.as_deref(), data.user.as_deref()), (Some("eve@good.test"), Some("shop")));
    assert_eq!(data.subject.as_deref(), Some("Offers of November"));
    assert_eq!((&data.response, data.attempt), (&None, None));
    assert_eq!(found(&event), Some((Method::QueueId, Confidence::High)));
    assert!(trusted(&event), "its provider signed it, and our own verifier says so");
    let complaint = data.reported.as_ref().unwrap().complaint.clone().unwrap();
    assert_eq!(complaint.feedback_type, "abuse");
    assert_eq!(complaint.provider.as_deref(), Some("Yahoo!-Mail-Feedback/2.0"));
}

#[tokio::test]
async fn a_late_bounce_says_what_the_server_said() {
    let event = only_event("dsn_postfix_failed", message(1, &["eve@good.test"])).await;
    let data = &event.data;
    assert_eq!(event.kind, EventType::OutboundBounced);
    assert_eq!((data.dsn.as_deref(), data.smtp_code), (Some("5.1.1"), Some(550)));
    let response = "550 5.1.1 <eve@good.test>: Recipient address rejected: User unknown";
    assert_eq!(data.response.as_deref(), Some(response));
    assert_eq!(data.bounce_type, Some(BounceType::Hard));
    assert_eq!(data.bounce_category, Some(BounceCategory::InvalidRecipient));
    assert_eq!(data.mx.as_deref(), Some("box.good.test"));
    assert!(!trusted(&event), "nobody showed who wrote it");
}

#[tokio::test]
async fn of_several_recipients_each_has_its_event() {
    let outcome =
        read("dsn_two_recipients", message(1, &["bob@good.test", "carol@good.test"])).await;
    let told: Vec<_> = outcome
        .told
        .iter()
        .map(|(event, _)| (event.kind, event.data.to.as_deref().unwrap(), event.data.bounce_type))
        .collect();
    assert_eq!(
        told,
        [
            (EventType::OutboundBounced, "bob@good.test", Some(BounceType::Hard)),
            (EventType::OutboundDeferred, "carol@good.test", Some(BounceType::Soft)),
        ]
    );
    assert_ne!(outcome.told[0].0.id, outcome.told[1].0.id);
}

#[tokio::test]
async fn a_server_that_gives_only_a_general_code_is_understood_by_its_words() {
    let event = only_event("dsn_exim_failed", message(1, &["eve@good.test"])).await;
    assert_eq!(event.data.dsn.as_deref(), Some("5.2.2"));
    assert_eq!(event.data.bounce_category, Some(BounceCategory::MailboxFull));
    assert_eq!(event.data.bounce_type, Some(BounceType::Soft));
}

#[tokio::test]
async fn each_sample_becomes_the_events_that_it_should() {
    use EventType::{OutboundBounced as B, OutboundComplaint as C, OutboundDeferred as D};
    let expected: [(&str, &[EventType], &[Passed]); 23] = [
        ("arf_rfc5965_minimal", &[C], &[]),
        ("arf_rfc5965_full", &[C], &[]),
        ("arf_yahoo", &[C], &[]),
        ("arf_microsoft_jmrp", &[C], &[]),
        ("arf_google_style_redacted", &[C], &[]),
        ("arf_cfbl_rfc9477", &[C], &[]),
        ("arf_bare_feedback_report", &[C], &[]),
        ("arf_not_spam", &[], &[Passed::NotSpam]),
        ("arf_auth_failure_rfc6591", &[], &[Passed::AuthFailure]),
        ("forged_authentication", &[C], &[]),
        ("dsn_postfix_failed", &[B], &[]),
        ("dsn_postfix_delayed_headers_only", &[D], &[]),
        ("dsn_postfix_success", &[], &[Passed::NotFailed; 3]),
        ("dsn_exim_failed", &[B], &[]),
        ("dsn_exchange_online", &[B], &[]),
        ("dsn_exchange_onprem_text_status", &[B], &[]),
        ("dsn_google", &[B], &[]),
        ("dsn_two_recipients", &[B, D], &[]),
        ("dsn_smtputf8_rfc6533", &[], &[Passed::Unmatched]),
        ("dsn_cut_off", &[B], &[]),
        ("dsn_in_wrapper", &[B], &[]),
        ("mdn_displayed", &[], &[Passed::Disposition]),
        ("no_report_qmail", &[], &[Passed::NoReport]),
    ];
    for (name, kinds, passed) in expected {
        let outcome = read(name, message(1, &["eve@good.test"])).await;
        let told: Vec<_> = outcome.told.iter().map(|(event, _)| event.kind).collect();
        let why: Vec<_> = outcome.passed.iter().map(|(why, _)| *why).collect();
        assert_eq!((&told[..], &why[..]), (kinds, passed), "{name}");
    }
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/reports");
    assert_eq!(fs::read_dir(dir).unwrap().count(), expected.len(), "a sample is not in the table");
}

#[tokio::test]
async fn a_hidden_recipient_is_the_only_one_or_nobody() {
    let name = "arf_google_style_redacted";
    let event = only_event(name, message(1, &["eve@good.test"])).await;
    assert_eq!(event.data.to.as_deref(), Some("eve@good.test"));
    assert_eq!(found(&event), Some((Method::MessageId, Confidence::High)));
    let several = message(1, &["eve@good.test", "bob@good.test"]);
    let event = only_event(name, several).await;
    assert!(event.data.to.as_deref().unwrap().ends_with("@redacted.invalid"));
    assert_eq!(found(&event), Some((Method::MessageId, Confidence::Medium)));
}

#[tokio::test]
async fn each_way_leads_to_the_message() {
    let strip = |mail: &[u8], lines: &[&str]| {
        let text = String::from_utf8(mail.to_vec()).unwrap();
        let keeps = |line: &&str| !lines.iter().any(|begin| line.starts_with(begin));
        text.lines().filter(keeps).collect::<Vec<_>>().join("\n")
    };
    let mail = sample("dsn_postfix_delayed_headers_only");
    let mut known = message(1, &["eve@good.test"]);
    known[0].data.envelope_id = Some("batch+2B17".into());
    let given = crate::event::Given {
        metadata: vec![("X-Order".into(), "17".into())],
        ..crate::event::Given::default()
    };
    known[0].data.given = Some(Box::new(given));
    let settings = Reports { id_header: Some("X-Order".into()), ..settings() };
    for (stripped, method) in [
        (&[][..], Method::QueueId),
        (&["\tby mail.sender.test"], Method::EnvelopeId),
        (&["\tby mail.sender.test", "Original-Envelope-Id"], Method::MessageId),
        (&["\tby mail.sender.test", "Original-Envelope-Id", "Message-ID"], Method::Header),
        (
            &["\tby mail.sender.test", "Original-Envelope-Id", "Message-ID", "X-Order"],
            Method::Recipient,
        ),
    ] {
        let mail = strip(&mail, stripped);
        let outcome = read_with(settings.clone(), known.clone(), mail.as_bytes()).await;
        assert_eq!(found(&outcome.told[0].0).unwrap().0, method, "without {stripped:?}");
    }
}

#[tokio::test]
async fn a_recipient_who_got_two_messages_does_not_tell_which() {
    let mut known = message(1, &["eve@small.test"]);
    known.extend(message(2, &["eve@small.test"]));
    let event = only_event("arf_bare_feedback_report", known.clone()).await;
    assert_eq!(found(&event), None);
    let event = only_event("arf_bare_feedback_report", known[..1].to_vec()).await;
    assert_eq!(found(&event), Some((Method::Recipient, Confidence::Low)));
}

#[tokio::test]
async fn another_servers_queue_id_that_is_the_same_by_chance_leads_nowhere() {
    let mut known = message(1, &["eve@good.test"]);
    known[0].data.message_id = Some("<another@sender.test>".into());
    known[0].at_us -= 30 * 86_400 * 1_000_000;
    let outcome = read("dsn_postfix_failed", known).await;
    assert_eq!(outcome.passed, [(Passed::Unmatched, Some("eve@good.test".into()))]);
}

#[tokio::test]
async fn what_nobody_here_sent_is_told_as_the_configuration_says() {
    for (unmatched, complaint, bounce) in
        [(Unmatched::Complaints, 1, 0), (Unmatched::All, 1, 1), (Unmatched::None, 0, 0)]
    {
        let settings = Reports { unmatched, ..settings() };
        for (name, expected) in [("arf_rfc5965_full", complaint), ("dsn_google", bounce)] {
            let outcome = read_with(settings.clone(), Vec::new(), &sample(name)).await;
            assert_eq!(outcome.told.len(), expected, "{unmatched:?} {name}");
        }
    }
    let event = only_event("arf_rfc5965_full", Vec::new()).await;
    assert_eq!(event.data.to.as_deref(), Some("eve@good.test"));
    assert_eq!(event.data.from.as_deref(), Some("news@sender.test"));
    assert_eq!(event.data.message_id.as_deref(), Some("<offers-17@sender.test>"));
    assert!(event.data.incomplete && !trusted(&event));
}

#[tokio::test]
async fn what_came_in_is_no_message_of_ours() {
    let mut known = message(1, &["eve@good.test"]);
    known[0].kind = EventType::InboundDelivered;
    assert_eq!(found(&only_event("arf_yahoo", known).await), None);
}

/// A mailbox of bounces that is piped in gets those of our own Postfix as well.
#[tokio::test]
async fn what_our_own_postfix_says_was_told_by_its_log() {
    let mail = String::from_utf8(sample("dsn_postfix_failed")).unwrap();
    let own =
        mail.replace("X-Postfix-Queue-ID: 4jYB2m3kQpz4xQ7", "X-Postfix-Queue-ID: 4jYB2l5Zt8zmwBB");
    assert_ne!(own, mail);
    let known = message(1, &["eve@good.test"]);
    let outcome = read_with(settings(), known.clone(), own.as_bytes()).await;
    assert_eq!((outcome.told, outcome.passed), (vec![], vec![(Passed::Own, None)]));
    assert_eq!(read_with(settings(), known, mail.as_bytes()).await.told.len(), 1);
}

#[tokio::test]
async fn a_forged_report_is_never_trusted() {
    let known = || message(1, &["eve@good.test", "victim@good.test"]);
    for name in ["forged_authentication", "arf_rfc5965_full", "dsn_postfix_failed"] {
        assert!(!trusted(&only_event(name, known()).await), "{name}");
    }
    // Not without a verifier, not by a guess, not for somebody who never got the message, and not by
    // the word of whoever brings it.
    let yahoo = sample("arf_yahoo");
    let outcome = read_with(Reports::default(), known(), &yahoo).await;
    assert!(!trusted(&outcome.told[0].0));
    assert!(!trusted(&only_event("arf_yahoo", Vec::new()).await));
    let text = String::from_utf8(yahoo.clone()).unwrap();
    let mallory = text.replace("Original-Rcpt-To: eve@", "Original-Rcpt-To: mallory@");
    let outcome = read_with(settings(), known(), mallory.as_bytes()).await;
    assert!(!trusted(&outcome.told[0].0));
    let clock = Arc::new(At(DAY.parse().unwrap()));
    let stories = Known(Arc::new(known()));
    let reader = Reader { settings: Arc::new(settings()), stories, clock };
    assert!(!trusted(&reader.read(&yahoo, false).await.unwrap().told[0].0));
}

#[tokio::test]
async fn where_only_trusted_ones_are_wanted_others_are_passed_over() {
    let settings = Reports { trusted_only: true, ..settings() };
    let known = || message(1, &["eve@good.test"]);
    let outcome = read_with(settings.clone(), known(), &sample("arf_rfc5965_full")).await;
    assert_eq!(outcome.passed, [(Passed::Untrusted, Some("eve@good.test".into()))]);
    assert_eq!(read_with(settings, known(), &sample("arf_yahoo")).await.told.len(), 1);
}

#[tokio::test]
async fn the_same_report_has_the_same_id_whatever_is_known_and_however_it_comes() {
    let with = only_event("arf_yahoo", message(1, &["eve@good.test"])).await;
    let without = only_event("arf_yahoo", Vec::new()).await;
    assert_eq!((with.id, with.at_us), (without.id, without.at_us));
    let piped =
        [b"From x Sat\nX-Original-To: fbl@sender.test\n", &sample("arf_yahoo")[..]].concat();
    let piped = read_with(settings(), Vec::new(), &piped).await;
    assert_eq!(piped.told[0].0.id, with.id);
    let other = String::from_utf8(sample("arf_yahoo")).unwrap().replace("1795265998.4711", "other");
    let other = read_with(settings(), Vec::new(), other.as_bytes()).await;
    assert_ne!(other.told[0].0.id, with.id);
}

#[tokio::test]
async fn reports_of_long_ago_are_not_told_and_those_of_tomorrow_are_of_now() {
    let dated = |date: &str| {
        let text = String::from_utf8(sample("arf_rfc5965_minimal")).unwrap();
        text.replacen("Sat, 21 Nov 2026 12:00:00 +0000", date, 1).into_bytes()
    };
    let read = |mail: Vec<u8>| async move { read_with(settings(), Vec::new(), &mail).await };
    let old = read(dated("Sat, 01 Aug 2026 12:00:00 +0000")).await;
    assert_eq!(old.passed, [(Passed::TooOld, None)]);
    for odd in ["Sat, 21 Nov 2099 12:00:00 +0000", "yesterday"] {
        let now: Timestamp = DAY.parse().unwrap();
        assert_eq!(read(dated(odd)).await.told[0].0.at(), now, "{odd}");
    }
}
