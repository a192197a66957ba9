//! An event in the dialect of a receiver: one envelope for each profile (webhooks.md §1.3, §1.6).
//!
//! Deterministic: the same event and profile give the same bytes. Each `data` object begins with
//! the keys that the profile promises and goes on with whatever the canonical event knows beyond
//! them.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{canonical, json};
use crate::{
    event::{BounceType, Event, EventData, EventType, Service},
    limits::{BODY_BYTES, TEXT_BYTES},
    profile::Profile,
};

/// A request body, and what the headers say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The event's id as headers carry it: `evt_…`.
    pub id: String,
    /// The type's name in the profile.
    pub type_name: &'static str,
    /// The exact bytes to sign and send, at most [`BODY_BYTES`].
    pub body: Bytes,
}

/// The event as `profile` says it; None when the profile has no word for its type.
#[must_use]
pub fn render(event: &Event, profile: Profile) -> Option<Rendered> {
    let type_name = profile.wire_name(event.kind, event.data.bounce_type)?;
    let body = printed(event, profile, type_name)
        .unwrap_or_else(|| bounded(envelope(event, profile, type_name)));
    Some(Rendered { id: event.id.to_string(), type_name, body })
}

/// The body as it comes, where the profile lets it and nothing has to be cut; that is the cheapest.
fn printed(event: &Event, profile: Profile, type_name: &str) -> Option<Bytes> {
    if profile != Profile::Standard {
        return None;
    }
    let mut bytes = Vec::with_capacity(1024);
    json::append(&Standard { event, type_name }, &mut bytes);
    (bytes.len() <= BODY_BYTES).then(|| bytes.into())
}

/// The body of the profile that adds nothing to the canonical event, printed without being built
/// first. Standard Webhooks names the time `timestamp`.
struct Standard<'a> {
    event: &'a Event,
    /// As the profile calls it.
    type_name: &'a str,
}

impl Serialize for Standard<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, type_name } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &event.id.to_string())?;
        map.serialize_entry("service", event.kind.service().name())?;
        map.serialize_entry("type", type_name)?;
        map.serialize_entry("timestamp", &canonical::created_at(event))?;
        map.serialize_entry("data", &canonical::Data(event))?;
        map.end()
    }
}

fn envelope(event: &Event, profile: Profile, type_name: &'static str) -> Value {
    let (id, at, data) = match profile {
        Profile::Standard => {
            (event.id.to_string(), canonical::created_at(event), canonical::data(event))
        }
        Profile::Jetemail => (event.id.to_string(), String::new(), jetemail_data(event)),
        Profile::Generic => {
            (event.id.to_string(), canonical::created_at(event), generic_data(event))
        }
        Profile::Lettermint => {
            (event.id.to_uuid(), canonical::milliseconds(event.at()), lettermint_data(event))
        }
    };
    let service = event.kind.service();
    let at_s = event.at_us.div_euclid(1_000_000);
    Envelope { id, service, type_name, at, at_s, data }.of(profile)
}

/// What is around the `data` of every body.
pub(super) struct Envelope {
    /// As the profile prints it.
    pub(super) id: String,
    pub(super) service: Service,
    pub(super) type_name: &'static str,
    /// When it happened, as text.
    pub(super) at: String,
    /// The same in whole seconds since the epoch.
    pub(super) at_s: i64,
    pub(super) data: Map<String, Value>,
}

impl Envelope {
    /// Standard Webhooks names the time `timestamp`; the others are webhooks.md E1 to E3.
    pub(super) fn of(self, profile: Profile) -> Value {
        let id = ("id", self.id.into());
        let service = ("service", self.service.name().into());
        let data = ("data", self.data.into());
        match profile {
            Profile::Standard => {
                let timestamp = ("timestamp", self.at.into());
                json::object([id, service, ("type", self.type_name.into()), timestamp, data])
            }
            Profile::Jetemail => {
                let created_at = ("created_at", self.at_s.into());
                json::object([id, service, ("type", self.type_name.into()), created_at, data])
            }
            Profile::Generic => {
                let created_at = ("created_at", self.at.into());
                json::object([id, ("type", self.type_name.into()), created_at, data])
            }
            Profile::Lettermint => {
                let timestamp = ("timestamp", self.at.into());
                json::object([id, ("event", self.type_name.into()), timestamp, data])
            }
        }
    }
}

/// Webhooks.md E8: a virus is told in `response`. Of mail that was let through no server said
/// anything; then the name that the scanner gave stands there, as in the provider's sample.
fn jetemail_data(event: &Event) -> Map<String, Value> {
    let mut data = canonical::data(event);
    let is_virus = matches!(event.kind, EventType::OutboundVirus | EventType::InboundVirus);
    if let Some(name) = event.data.rules.as_deref().filter(|_| is_virus) {
        data.entry("response").or_insert_with(|| format!("Virus detected: {name}").into());
    }
    data
}

/// Webhooks.md E11.
fn generic_data(event: &Event) -> Map<String, Value> {
    let rest = canonical::data(event);
    if event.kind.is_operational() {
        return rest;
    }
    let mut data = Map::new();
    data.insert("email_id".into(), event.data.uid.to_string().into());
    take(&mut data, &rest, &["from", "to", "subject"]);
    match event.kind {
        EventType::OutboundDelivered => {
            data.insert("delivered_at".into(), canonical::created_at(event).into());
        }
        EventType::OutboundBounced => generic_bounce(&mut data, event, event.data.bounce_type),
        EventType::OutboundRejected => generic_bounce(&mut data, event, Some(BounceType::Hard)),
        EventType::OutboundDeferred => generic_bounce(&mut data, event, Some(BounceType::Soft)),
        _ => {}
    }
    fill(data, rest)
}

fn generic_bounce(data: &mut Map<String, Value>, event: &Event, bounce: Option<BounceType>) {
    let bounce = bounce.unwrap_or(BounceType::Soft);
    data.insert("bounce_type".into(), bounce.name().into());
    if let Some(code) = event.data.smtp_code {
        data.insert("bounce_code".into(), code.to_string().into());
    }
    if let Some(message) = without_codes(&event.data) {
        data.insert("bounce_message".into(), message.into());
    }
}

/// `User unknown` of `550 5.1.1 User unknown`; the whole response when nothing else is in it.
fn without_codes(data: &EventData) -> Option<&str> {
    let response = data.response.as_deref()?;
    let code = data.smtp_code.map(|code| code.to_string()).unwrap_or_default();
    let text = skip_word(response, &code);
    let text = skip_word(text, data.dsn.as_deref().unwrap_or_default());
    Some(if text.is_empty() { response } else { text })
}

/// What follows `word` and a space or hyphen (RFC 5321 §4.2.1); all of it if it begins otherwise.
fn skip_word<'a>(text: &'a str, word: &str) -> &'a str {
    match text.strip_prefix(word) {
        Some("") => "",
        Some(rest) if rest.starts_with([' ', '-']) => rest.trim_start_matches([' ', '-']),
        _ => text,
    }
}

/// Webhooks.md §1.4: the common data. `message_id` must identify the message to whoever sent it;
/// that is its Message-ID, and only when that is not in the log our own uid.
fn lettermint_data(event: &Event) -> Map<String, Value> {
    let rest = canonical::data(event);
    if event.kind.is_operational() {
        return rest;
    }
    let mut data = Map::new();
    let uid = event.data.uid.to_string();
    data.insert("message_id".into(), event.data.message_id.as_deref().unwrap_or(&uid).into());
    take(&mut data, &rest, &["subject"]);
    if let Some(to) = &event.data.to {
        data.insert("recipient".into(), to.as_str().into());
    }
    let response = lettermint_response(&event.data);
    if !response.is_empty() {
        data.insert("response".into(), response.into());
    }
    fill(data, rest)
}

fn lettermint_response(data: &EventData) -> Map<String, Value> {
    let known = [
        ("status_code", data.smtp_code.map(Value::from)),
        ("enhanced_status_code", data.dsn.as_deref().map(Value::from)),
        ("content", data.response.as_deref().map(Value::from)),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Copies the keys that are known, in that order.
fn take(data: &mut Map<String, Value>, from: &Map<String, Value>, keys: &[&str]) {
    for &key in keys {
        if let Some(value) = from.get(key) {
            data.insert(key.to_owned(), value.clone());
        }
    }
}

/// Adds what the profile does not promise; its own keys win.
fn fill(mut data: Map<String, Value>, rest: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in rest {
        data.entry(key).or_insert(value);
    }
    data
}

/// The bytes of an envelope. Texts are bounded long before, so the cap is only ever met by an
/// event from elsewhere; then evidence is left out, every text is cut and the receiver told.
fn bounded(mut envelope: Value) -> Bytes {
    let bytes = json::to_bytes(&envelope);
    if bytes.len() <= BODY_BYTES {
        return bytes.into();
    }
    if let Some(data) = envelope.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("evidence");
        data.values_mut().for_each(cut);
        data.insert("truncated".into(), true.into());
    }
    json::to_bytes(&envelope).into()
}

/// Cuts texts, at any depth, to [`TEXT_BYTES`].
fn cut(value: &mut Value) {
    match value {
        Value::String(text) => text.truncate(text.floor_char_boundary(TEXT_BYTES)),
        Value::Array(items) => items.iter_mut().for_each(cut),
        Value::Object(fields) => fields.values_mut().for_each(cut),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::{super::canonical::tests::bounced, *};
    use crate::event::TimeQuality;

    #[test]
    fn what_is_printed_as_it_comes_is_what_is_built_first() {
        let event = bounced();
        let name = "outbound.bounced";
        let built = bounded(envelope(&event, Profile::Standard, name));
        assert_eq!(printed(&event, Profile::Standard, name), Some(built));
    }

    fn body(event: &Event, profile: Profile) -> String {
        String::from_utf8(render(event, profile).unwrap().body.to_vec()).unwrap()
    }

    fn value(event: &Event, profile: Profile) -> Value {
        serde_json::from_str(&body(event, profile)).unwrap()
    }

    /// A small event of any type, whole seconds.
    fn small(kind: EventType) -> Event {
        let data = EventData {
            uid: bounced().data.uid,
            from: Some("sender@example.com".into()),
            to: Some("recipient@example.com".into()),
            response: Some("250 2.0.0 OK".into()),
            smtp_code: Some(250),
            dsn: Some("2.0.0".into()),
            ..EventData::default()
        };
        let at_us = 1_704_825_600_000_000;
        Event { kind, at_us, time_quality: TimeQuality::Exact, data: data.into(), ..bounced() }
    }

    fn golden(event: &Event, text: &str) -> String {
        text.replace("EVT", &event.id.to_string())
            .replace("UUID", &event.id.to_uuid())
            .replace("UID", &event.data.uid.to_string())
    }

    #[test]
    fn a_delivery_reads_as_each_profile_promises() {
        let event = small(EventType::OutboundDelivered);
        let rest = r#""from":"sender@example.com","to":"recipient@example.com""#;
        let answer = r#""response":"250 2.0.0 OK","smtp_code":250,"dsn":"2.0.0""#;
        for (profile, expected) in [
            (
                Profile::Standard,
                format!(
                    r#"{{"id":"EVT","service":"outbound","type":"outbound.delivered","timestamp":"2024-01-09T18:40:00Z","data":{{"uid":"UID",{rest},{answer}}}}}"#
                ),
            ),
            (
                Profile::Jetemail,
                format!(
                    r#"{{"id":"EVT","service":"outbound","type":"outbound.delivered","created_at":1704825600,"data":{{"uid":"UID",{rest},{answer}}}}}"#
                ),
            ),
            (
                Profile::Generic,
                format!(
                    r#"{{"id":"EVT","type":"delivered","created_at":"2024-01-09T18:40:00Z","data":{{"email_id":"UID",{rest},"delivered_at":"2024-01-09T18:40:00Z","uid":"UID",{answer}}}}}"#
                ),
            ),
            (
                Profile::Lettermint,
                format!(
                    r#"{{"id":"UUID","event":"message.delivered","timestamp":"2024-01-09T18:40:00.000Z","data":{{"message_id":"UID","recipient":"recipient@example.com","response":{{"status_code":250,"enhanced_status_code":"2.0.0","content":"250 2.0.0 OK"}},"uid":"UID",{rest},"smtp_code":250,"dsn":"2.0.0"}}}}"#
                ),
            ),
        ] {
            assert_eq!(body(&event, profile), golden(&event, &expected), "{profile:?}");
        }
    }

    #[test]
    fn a_bounce_has_the_keys_of_the_generic_guide() {
        let value = value(&bounced(), Profile::Generic);
        let data = value["data"].as_object().unwrap();
        let promised: Vec<_> = data.iter().take(7).collect();
        let expected = json!({
            "email_id": bounced().data.uid.to_string(),
            "from": "bob@sender.test",
            "to": "nouser@good.test",
            "subject": "Hello",
            "bounce_type": "hard",
            "bounce_code": "550",
            "bounce_message": "User unknown",
        });
        assert_eq!(promised, expected.as_object().unwrap().iter().collect::<Vec<_>>());
        assert_eq!(value["type"], "bounced");
        assert_eq!(data["bounce_category"], "invalid_recipient");
    }

    #[test]
    fn generic_calls_a_rejection_a_hard_and_a_deferral_a_soft_bounce() {
        for (kind, bounce) in
            [(EventType::OutboundRejected, "hard"), (EventType::OutboundDeferred, "soft")]
        {
            let value = value(&small(kind), Profile::Generic);
            assert_eq!(
                (&value["type"], &value["data"]["bounce_type"]),
                (&json!("bounced"), &json!(bounce))
            );
        }
    }

    #[test]
    fn a_bounce_message_is_the_response_without_its_codes() {
        let message = |response: &str, code, dsn: Option<&str>| {
            let data = EventData {
                response: Some(response.into()),
                smtp_code: code,
                dsn: dsn.map(Into::into),
                ..EventData::default()
            };
            without_codes(&data).unwrap().to_owned()
        };
        assert_eq!(message("550 User unknown", Some(550), Some("5.1.1")), "User unknown");
        assert_eq!(message("550-5.7.1 Blocked", Some(550), Some("5.7.1")), "Blocked");
        assert_eq!(message("5502 strange", Some(550), None), "5502 strange");
        assert_eq!(message("550 5.1.1", Some(550), Some("5.1.1")), "550 5.1.1");
        assert_eq!(message("Host not found", None, Some("5.4.4")), "Host not found");
    }

    #[test]
    fn lettermint_keeps_the_message_id_and_an_answer_object() {
        let value = value(&bounced(), Profile::Lettermint);
        assert_eq!(value["event"], "message.hard_bounced");
        assert_eq!(value["timestamp"], "2026-11-21T01:17:30.084Z");
        assert_eq!(value["data"]["message_id"], "<a@b>");
        assert_eq!(
            value["data"]["response"],
            json!({"status_code": 550, "enhanced_status_code": "5.1.1", "content": "550 5.1.1 User unknown"})
        );
    }

    #[test]
    fn jetemail_spam_has_the_keys_of_its_samples() {
        let mut event = small(EventType::InboundSpam);
        event.data.score = Some(12.5);
        event.data.rules = Some("URIBL_BLOCKED,BAYES_99".into());
        let value = value(&event, Profile::Jetemail);
        assert_eq!(value["service"], "inbound");
        assert_eq!(value["data"]["spam_score"], 12.5);
        assert_eq!(value["data"]["spam_report"], "URIBL_BLOCKED,BAYES_99");
    }

    #[test]
    fn every_type_that_a_profile_carries_is_rendered_under_its_name_and_no_other_is() {
        for &profile in Profile::ALL {
            for &kind in EventType::ALL {
                let event = small(kind);
                let rendered = render(&event, profile);
                let name = profile.wire_name(kind, None);
                assert_eq!(rendered.as_ref().map(|rendered| rendered.type_name), name);
                let Some(rendered) = rendered else { continue };
                let value: Value = serde_json::from_slice(&rendered.body).unwrap();
                let key = if profile == Profile::Lettermint { "event" } else { "type" };
                assert_eq!(value[key].as_str(), name);
                assert_eq!(render(&event, profile), Some(rendered));
            }
        }
    }

    #[test]
    fn a_time_before_1970_rounds_down() {
        let event = Event { at_us: -1, ..small(EventType::OutboundQueued) };
        assert_eq!(value(&event, Profile::Jetemail)["created_at"], -1);
    }

    #[test]
    fn a_body_beyond_the_cap_is_cut_and_says_so() {
        let mut event = bounced();
        event.data.subject = Some("é".repeat(BODY_BYTES).into());
        for &profile in Profile::ALL {
            let body = body(&event, profile);
            assert!(body.len() <= BODY_BYTES);
            assert!(body.ends_with(r#""truncated":true}}"#), "{profile:?}");
            assert_eq!(value(&event, profile)["data"]["to"], "nouser@good.test");
        }
    }
}
