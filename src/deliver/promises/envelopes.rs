//! E1 to E11: what is in a body, under which name, of which type.

use serde_json::{Map, Value, json};

use super::{rendered, samples, value};
use crate::{
    event::{BounceType, Event, EventType},
    profile::Profile,
};

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    object(value).keys().map(String::as_str).collect()
}

/// The sample of that type, and its event.
fn sample(kind: EventType) -> (Value, Event) {
    let found = samples::jetemail().into_iter().find(|sample| sample["type"] == kind.name());
    let sample = found.unwrap();
    let event = samples::event(&sample);
    (sample, event)
}

/// Every field of the sample is sent with its value, but for the message's identity, which is ours;
/// its type stays.
fn assert_says(sent: &Value, sample: &Value) {
    for (key, promised) in object(sample) {
        match key.as_str() {
            "uid" | "email_id" => assert!(sent[key].is_string(), "{key} of {sent}"),
            _ => assert_eq!(sent.get(key), Some(promised), "{key} of {sent}"),
        }
    }
}

fn assert_jetemail_says_as_sampled(kinds: &[EventType]) {
    for &kind in kinds {
        let (sample, event) = sample(kind);
        let sent = value(&event, Profile::Jetemail);
        assert_says(&sent["data"], &sample["data"]);
        for key in ["service", "type", "created_at"] {
            assert_eq!(sent[key], sample[key], "{key} of {sent}");
        }
    }
}

#[test]
fn e1_jetemail_has_id_service_type_unix_time_and_data() {
    for sample in samples::jetemail() {
        let sent = value(&samples::event(&sample), Profile::Jetemail);
        assert_eq!(keys(&sent), keys(&sample));
        assert!(sent["id"].as_str().unwrap().starts_with("evt_"));
        assert!(sent["created_at"].is_i64() && sent["data"].is_object(), "{sent}");
    }
}

#[test]
fn e2_generic_has_id_type_iso_time_and_data() {
    let event = sample(EventType::OutboundDelivered).1;
    for sample in samples::generic() {
        let sent = value(&event, Profile::Generic);
        assert_eq!(keys(&sent), keys(&sample));
        assert!(sent["id"].as_str().unwrap().starts_with("evt_"));
        assert_eq!(sent["created_at"], "2024-01-09T18:40:00Z");
    }
}

#[test]
fn e3_lettermint_has_uuid_event_time_with_milliseconds_and_data() {
    let sent = value(&sample(EventType::OutboundDelivered).1, Profile::Lettermint);
    assert_eq!(keys(&sent), keys(&samples::lettermint()[0]));
    let lengths: Vec<_> = sent["id"].as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert_eq!(sent["timestamp"], "2024-01-09T18:40:00.000Z");
}

#[test]
fn e4_c1_all_fifteen_types_are_sent_under_their_names_in_jetemail_and_standard() {
    let promised: Vec<_> = samples::jetemail().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(promised.len(), 15);
    for profile in [Profile::Jetemail, Profile::Standard] {
        let common = EventType::ALL.iter().filter(|kind| kind.is_common());
        let mut sent: Vec<_> = common.map(|&kind| sample(kind).1).collect();
        sent.sort_by_key(|event| promised.iter().position(|it| it == event.kind.name()));
        let names: Vec<_> = sent.iter().map(|it| value(it, profile)["type"].clone()).collect();
        assert_eq!(names, promised);
    }
}

fn wire_names(profile: Profile) -> Vec<&'static str> {
    let bounces = [BounceType::Hard, BounceType::Soft];
    let all = EventType::ALL.iter().flat_map(|&kind| bounces.map(|bounce| (kind, bounce)));
    let mut names: Vec<_> =
        all.filter_map(|(kind, bounce)| profile.wire_name(kind, Some(bounce))).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn e5_generic_knows_its_seven_types_and_the_test() {
    let promised = ["bounced", "clicked", "complained", "delivered", "opened", "queued", "sending"];
    assert_eq!(wire_names(Profile::Generic), [&promised[..], &["webhook.test"]].concat());
}

/// All that the provider lists but `message.unsubscribed`, which no mail log can tell.
#[test]
fn e6_lettermint_knows_its_types() {
    let promised = [
        "clicked",
        "created",
        "delivered",
        "failed",
        "hard_bounced",
        "inbound",
        "opened",
        "policy_rejected",
        "sent",
        "soft_bounced",
        "spam_complaint",
        "suppressed",
    ];
    let promised: Vec<_> = promised.iter().map(|name| format!("message.{name}")).collect();
    let names = wire_names(Profile::Lettermint);
    assert_eq!(names[..12], promised);
    assert_eq!(names[12..], ["webhook.test"]);
}

#[test]
fn e7_queued_delivered_bounced_rejected_and_deferred_have_the_fields_of_the_samples() {
    assert_jetemail_says_as_sampled(&[
        EventType::OutboundQueued,
        EventType::OutboundDelivered,
        EventType::OutboundBounced,
        EventType::OutboundRejected,
        EventType::OutboundDeferred,
    ]);
}

#[test]
fn e8_verdicts_drops_hits_and_complaints_have_the_fields_of_the_samples() {
    assert_jetemail_says_as_sampled(&[
        EventType::OutboundSpam,
        EventType::OutboundVirus,
        EventType::OutboundDropped,
        EventType::OutboundOpened,
        EventType::OutboundClicked,
        EventType::OutboundComplaint,
    ]);
}

#[test]
fn e8_a_virus_that_no_server_answered_has_its_name_as_the_response() {
    let (sample, mut event) = sample(EventType::OutboundVirus);
    event.data.response = None;
    event.data.rules = Some("Eicar-Test-Signature".into());
    let sent = value(&event, Profile::Jetemail);
    assert_eq!(sent["data"]["response"], sample["data"]["response"]);
    assert_eq!(value(&event, Profile::Standard)["data"].get("response"), None);
}

#[test]
fn e9_inbound_events_have_the_fields_of_the_samples() {
    assert_jetemail_says_as_sampled(&[
        EventType::InboundReceived,
        EventType::InboundDelivered,
        EventType::InboundSpam,
        EventType::InboundBlocked,
    ]);
}

#[test]
fn e10_the_uid_is_in_every_event_and_what_is_not_known_in_none() {
    for sample in samples::jetemail() {
        let event = samples::event(&sample);
        for &profile in Profile::ALL {
            let Some(name) = profile.wire_name(event.kind, event.data.bounce_type) else {
                continue;
            };
            let data = value(&event, profile)["data"].clone();
            assert!(data["uid"].is_string(), "{name} of {profile:?}");
            assert!(object(&data).values().all(|field| !field.is_null()), "{data}");
        }
    }
}

#[test]
fn e11_a_delivery_has_the_fields_of_the_generic_sample_in_their_order() {
    let mut event = sample(EventType::OutboundDelivered).1;
    let promised = &samples::generic()[0]["data"];
    event.data.from = Some("sender@yourdomain.com".into());
    event.data.subject = Some("Hello".into());
    event.at_us = 1_705_314_605_000_000;
    let sent = value(&event, Profile::Generic);
    assert_says(&sent["data"], promised);
    assert_eq!(keys(&sent["data"])[..5], keys(promised));
}

#[test]
fn e11_a_bounce_has_the_fields_of_the_generic_sample_in_their_order() {
    let mut event = sample(EventType::OutboundBounced).1;
    event.data.from = Some("sender@yourdomain.com".into());
    event.data.smtp_code = Some(550);
    let promised = &samples::generic()[1]["data"];
    let sent = value(&event, Profile::Generic);
    assert_says(&sent["data"], promised);
    assert_eq!(keys(&sent["data"])[..6], keys(promised));
    assert_eq!(sent["type"], "bounced");
}

#[test]
fn c11_one_identity_has_the_form_of_each_dialect() {
    let event = sample(EventType::OutboundDelivered).1;
    for (profile, id, time) in [
        (Profile::Standard, event.id.to_string(), json!("2024-01-09T18:40:00Z")),
        (Profile::Jetemail, event.id.to_string(), json!(1_704_825_600)),
        (Profile::Generic, event.id.to_string(), json!("2024-01-09T18:40:00Z")),
        (Profile::Lettermint, event.id.to_uuid(), json!("2024-01-09T18:40:00.000Z")),
    ] {
        let sent = value(&event, profile);
        let at = sent.get("created_at").or(sent.get("timestamp"));
        assert_eq!((sent["id"].as_str(), at), (Some(id.as_str()), Some(&time)), "{profile:?}");
        assert_eq!(rendered(&event, profile).id, event.id.to_string());
    }
}

#[test]
fn c15_spam_has_its_score_and_rules_under_both_names() {
    for kind in [EventType::OutboundSpam, EventType::InboundSpam] {
        let data = value(&sample(kind).1, Profile::Jetemail)["data"].clone();
        assert!(data["score"].is_number() && data["score"] == data["spam_score"], "{data}");
        assert!(data["rules"].is_string() && data["rules"] == data["spam_report"], "{data}");
    }
}

#[test]
fn c16_host_is_the_server_s_address_outbound_and_the_client_s_name_inbound() {
    let data = |kind| value(&sample(kind).1, Profile::Jetemail)["data"].clone();
    let outbound = data(EventType::OutboundDelivered);
    assert_eq!(outbound["host"], "2404:6800:4003:c1a::1b");
    assert_eq!(outbound["ip"], "2001:df4:2980:15::1", "ours");
    let inbound = data(EventType::InboundReceived);
    assert_eq!(
        (&inbound["host"], &inbound["ip"]),
        (&json!("mail.sender.com"), &json!("203.0.113.1"))
    );
}
