//! What each event type looks like: its names, its fields as JSON Schema, a sample of it in each
//! profile, and what makes it. For those who write receivers.
//!
//! * `fields` — every field of `data`;
//! * `sample` — an event of each type.

mod fields;
mod sample;

use serde_json::{Map, Value, json};

use super::{canonical::append_canonical, envelope::render};
use crate::{
    event::{BounceType, Event, EventType},
    profile::Profile,
};

pub use sample::sample;

/// What makes an event of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// Lines of a mail server's or filter's log.
    Log,
    /// A milter.
    Milter,
    /// Our plugin for Haraka.
    HarakaPlugin,
    /// Reports that come back by mail.
    Report,
    /// A hit of a tracker.
    Tracker,
    /// The service itself.
    Service,
    /// A person who asks for it.
    Person,
}

impl Maker {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Milter => "milter",
            Self::HarakaPlugin => "haraka-plugin",
            Self::Report => "report",
            Self::Tracker => "tracker",
            Self::Service => "service",
            Self::Person => "person",
        }
    }

    /// Of events of that type.
    #[must_use]
    pub fn of(kind: EventType) -> &'static [Self] {
        match kind {
            EventType::OutboundQueued | EventType::InboundReceived => {
                &[Self::Log, Self::Milter, Self::HarakaPlugin]
            }
            EventType::OutboundBounced | EventType::OutboundDeferred => {
                &[Self::Log, Self::HarakaPlugin, Self::Report]
            }
            EventType::OutboundComplaint => &[Self::Report],
            EventType::OutboundOpened | EventType::OutboundClicked => &[Self::Tracker],
            EventType::WebhookTest => &[Self::Person],
            _ if kind.is_operational() => &[Self::Service],
            _ => &[Self::Log, Self::HarakaPlugin],
        }
    }
}

/// The names of a type in a profile: none, one, or one for each kind of bounce.
#[must_use]
pub fn names(kind: EventType, profile: Profile) -> Vec<&'static str> {
    let bounces = [Some(BounceType::Hard), Some(BounceType::Soft)];
    let mut names: Vec<_> =
        bounces.iter().filter_map(|bounce| profile.wire_name(kind, *bounce)).collect();
    names.dedup();
    names
}

/// The canonical form of events of a type as JSON Schema (2020-12). Fields may be added, so others are
/// no error.
#[must_use]
pub fn schema(kind: EventType) -> Value {
    let data = if kind.is_operational() { fields::NOTICE } else { fields::MAIL };
    let properties: Map<_, _> =
        data.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
    let required: &[&str] = if kind.is_operational() { &[] } else { &["uid"] };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "service", "type", "created_at", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^evt_[0-9a-z]{26}$"},
            "service": {"const": kind.service().name()},
            "type": {"const": kind.name()},
            "created_at": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "required": required, "properties": properties},
        },
    })
}

/// A sample in its canonical form.
#[must_use]
pub fn canonical(event: &Event) -> Value {
    let mut bytes = Vec::new();
    append_canonical(event, &mut bytes);
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The body that a webhook of that profile is sent; None if it has no word for the type.
#[must_use]
pub fn body(event: &Event, profile: Profile) -> Option<Value> {
    let rendered = render(event, profile)?;
    serde_json::from_slice(&rendered.body).ok()
}

/// Every type, in the order of the documentation, but for the test, whose body is its own.
pub fn types() -> impl Iterator<Item = EventType> {
    EventType::ALL.iter().copied().filter(|kind| *kind != EventType::WebhookTest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::event::{EventData, Given, Reported, TimeQuality};

    /// As much of JSON Schema as these schemas use.
    fn fits(value: &Value, schema: &Value) -> bool {
        let is_of_type = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        let list = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
        let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
        let known = schema["properties"].as_object().cloned().unwrap_or_default();
        let inner = |(name, value): (&String, &Value)| {
            known.get(name).is_some_and(|schema| fits(value, schema))
        };
        is_of_type
            && schema.get("const").is_none_or(|expected| expected == value)
            && schema.get("enum").is_none_or(|_| list("enum").contains(value))
            && list("required").iter().all(has)
            && (known.is_empty() || value.as_object().is_none_or(|it| it.iter().all(inner)))
    }

    /// A field that is rendered and not described, or described otherwise, fails here.
    #[test]
    fn every_sample_is_as_its_schema_says_and_has_no_field_that_is_not_in_it() {
        for kind in types() {
            let value = canonical(&sample(kind));
            assert!(fits(&value, &schema(kind)), "{}: {value}", kind.name());
            let mut wrong = value.clone();
            wrong["data"]["never_heard_of"] = true.into();
            assert!(!fits(&wrong, &schema(kind)), "the check above can fail");
        }
    }

    #[test]
    fn fields_that_no_sample_has_are_described_too() {
        let data = EventData {
            orig_to: Some("a".into()),
            helo: Some("h".into()),
            client_name: Some("c".into()),
            temporary: true,
            repeated: Some(2),
            lossy: true,
            incomplete: true,
            partial: true,
            unreliable_rcpt: true,
            route: Some("shop".into()),
            envelope_id: Some("e".into()),
            reported: Some(Box::new(Reported::default())),
            evidence: Some("line".into()),
            given: Some(Box::new(Given {
                metadata: vec![("order".into(), "7".into())],
                tag: Some("t".into()),
            })),
            ..*sample(EventType::OutboundBounced).data
        };
        let quality = TimeQuality::Second;
        let event = Event {
            data: Box::new(data),
            time_quality: quality,
            ..sample(EventType::OutboundBounced)
        };
        let value = canonical(&event);
        assert_eq!(value["data"]["metadata"]["order"], "7");
        assert!(fits(&value, &schema(EventType::OutboundBounced)), "{value}");
    }

    #[test]
    fn every_profile_that_has_a_word_for_a_type_has_a_sample_of_it() {
        for kind in types() {
            for profile in Profile::ALL {
                let body = body(&sample(kind), *profile);
                assert_eq!(body.is_some(), !names(kind, *profile).is_empty(), "{}", kind.name());
                let Some(body) = body else { continue };
                let name = body["type"].as_str().or(body["event"].as_str()).unwrap();
                assert!(names(kind, *profile).contains(&name), "{name} of {}", kind.name());
            }
        }
    }

    #[test]
    fn a_bounce_has_two_names_in_lettermint_and_one_elsewhere() {
        let names = |profile| names(EventType::OutboundBounced, profile);
        assert_eq!(names(Profile::Lettermint), ["message.hard_bounced", "message.failed"]);
        assert_eq!(names(Profile::Generic), ["bounced"]);
    }
}
