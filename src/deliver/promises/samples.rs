//! The bodies that the providers print in their documentation, one a line, and the events that would
//! be said that way.

use serde_json::Value;

use crate::event::{
    BounceType, Event, EventData, EventId, EventType, Hit, MessageUid, TimeQuality,
};

/// The fifteen of `JetEmail`.
pub(super) fn jetemail() -> Vec<Value> {
    lines(include_str!("samples/jetemail.jsonl"))
}

/// Delivery and bounce of the generic guide.
pub(super) fn generic() -> Vec<Value> {
    lines(include_str!("samples/generic.jsonl"))
}

/// The test of Lettermint.
pub(super) fn lettermint() -> Vec<Value> {
    lines(include_str!("samples/lettermint.jsonl"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The event that a sample of `JetEmail` tells of.
pub(super) fn event(sample: &Value) -> Event {
    let kind = EventType::from_name(sample["type"].as_str().unwrap()).unwrap();
    Event {
        id: EventId::of(&[kind.name().as_bytes()]),
        kind,
        at_us: sample["created_at"].as_i64().unwrap() * 1_000_000,
        time_quality: TimeQuality::Exact,
        data: data(&sample["data"]),
    }
}

fn data(sample: &Value) -> EventData {
    let text = |key: &str| sample[key].as_str().map(str::to_owned);
    let bounce_type = match sample["bounce_type"].as_str() {
        Some("hard") => Some(BounceType::Hard),
        Some("soft") => Some(BounceType::Soft),
        _ => None,
    };
    EventData {
        uid: MessageUid::of(&[b"message-uid"]),
        from: text("from"),
        to: text("to"),
        subject: text("subject"),
        user: text("user"),
        domain: text("domain"),
        mx: text("mx"),
        host: text("host"),
        ip: text("ip"),
        response: text("response"),
        bounce_type,
        score: sample["score"].as_f64().or(sample["spam_score"].as_f64()),
        rules: text("rules").or(text("spam_report")),
        hit: hit(sample),
        ..EventData::default()
    }
}

fn hit(sample: &Value) -> Option<Box<Hit>> {
    let text = |key: &str| sample[key].as_str().map(str::to_owned);
    let hit = Hit {
        url: text("url"),
        country: text("country"),
        email_client: text("email_client"),
        user_agent: text("user_agent"),
        machine: false,
    };
    (hit != Hit::default()).then(|| Box::new(hit))
}
