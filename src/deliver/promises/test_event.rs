//! D13: the event that a person asks for.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::samples;
use crate::{config::WebhookId, deliver::test_event::TestEvent, profile::Profile};

pub(super) fn asked() -> TestEvent {
    TestEvent {
        id: [0x7f; 16],
        webhook: WebhookId([0x9f; 16]),
        at: Timestamp::from_millisecond(1_754_684_052_123).unwrap(),
    }
}

fn body(profile: Profile) -> Value {
    serde_json::from_slice(&asked().render(profile).body).unwrap()
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn d13_lettermint_gets_the_test_of_its_sample() {
    let (sent, sample) = (body(Profile::Lettermint), &samples::lettermint()[0]);
    assert_eq!(keys(&sent), keys(sample));
    assert_eq!(keys(&sent["data"]), keys(&sample["data"]));
    assert_eq!(sent["event"], sample["event"]);
    assert_eq!(sent["id"], "test-7f7f7f7f-7f7f-8f7f-bf7f-7f7f7f7f7f7f");
    assert_eq!(sent["data"]["webhook_id"], "9f9f9f9f-9f9f-8f9f-9f9f-9f9f9f9f9f9f");
    assert_eq!(asked().render(Profile::Lettermint).type_name, "webhook.test");
}

#[test]
fn d13_the_other_profiles_get_it_in_their_own_envelope() {
    let name = |profile| body(profile)["type"].clone();
    for profile in [Profile::Standard, Profile::Jetemail, Profile::Generic] {
        let sent = body(profile);
        assert_eq!(name(profile), "webhook.test");
        let id = asked().render(profile).id;
        assert_eq!(sent["id"], id.as_str());
        assert!(id.starts_with("evt_") && id.len() == 30, "{id}");
    }
    assert_eq!(body(Profile::Jetemail)["created_at"], 1_754_684_052);
    assert_eq!(body(Profile::Generic)["data"]["webhook_id"].as_str().unwrap().len(), 29);
}

#[test]
fn c22_every_time_in_a_test_is_the_same_instant() {
    for &profile in Profile::ALL {
        assert_eq!(body(profile)["data"]["timestamp"], 1_754_684_052, "{profile:?}");
    }
    let time = "2025-08-08T20:14:12.123Z";
    assert_eq!(body(Profile::Lettermint)["timestamp"], time);
    assert_eq!(body(Profile::Standard)["timestamp"], time);
    assert_eq!(body(Profile::Generic)["created_at"], json!(time));
}

#[test]
fn two_tests_are_not_one_repeated() {
    let asked = || TestEvent::new(WebhookId([0; 16]), Timestamp::UNIX_EPOCH);
    assert_ne!(asked().id, asked().id);
}
