//! Every field of `data` in its canonical form (`contrib/docs/events.md`).

use serde_json::{Value, json};

/// A field.
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    shape: Shape,
    text: &'static str,
}

/// What it holds.
enum Shape {
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    Whole,
    Number,
    /// It is so, or is left out.
    Flag,
    Truth,
    /// Numbers by these names.
    Numbers(&'static [&'static str]),
    /// Words by these names.
    Words(&'static [&'static str]),
    /// Texts by any name.
    Texts,
    Lines,
}

impl Field {
    /// As JSON Schema.
    pub(super) fn schema(&self) -> Value {
        let mut schema = match &self.shape {
            Shape::Text => json!({"type": "string"}),
            Shape::Word(words) => json!({"type": "string", "enum": words}),
            Shape::Whole => json!({"type": "integer", "minimum": 0}),
            Shape::Number => json!({"type": "number"}),
            Shape::Flag => json!({"const": true}),
            Shape::Numbers(names) => {
                let each = names.iter().map(|name| ((*name).to_owned(), json!({"type": "number"})));
                json!({"type": "object", "properties": each.collect::<serde_json::Map<_, _>>()})
            }
            Shape::Words(names) => {
                let each = names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"})));
                json!({"type": "object", "properties": each.collect::<serde_json::Map<_, _>>()})
            }
            Shape::Truth => json!({"type": "boolean"}),
            Shape::Texts => {
                json!({"type": "object", "additionalProperties": {"type": "string"}})
            }
            Shape::Lines => json!({"type": "array", "items": {"type": "string"}}),
        };
        if let Value::Object(keys) = &mut schema {
            keys.insert("description".to_owned(), self.text.into());
        }
        schema
    }
}

const fn field(name: &'static str, shape: Shape, text: &'static str) -> Field {
    Field { name, shape, text }
}

/// Of events about mail.
pub(super) const MAIL: &[Field] = &[
    field("uid", Shape::Text, "The message, across queue IDs."),
    field("queue_id", Shape::Text, "Queue ID of the line that gave the event."),
    field("message_id", Shape::Text, "The Message-ID header."),
    field("from", Shape::Text, "Envelope sender; empty for bounces."),
    field("to", Shape::Text, "Envelope recipient."),
    field("orig_to", Shape::Text, "Recipient before aliases, when it differs."),
    field("subject", Shape::Text, "The Subject header."),
    field("user", Shape::Text, "Who submitted the message."),
    field("domain", Shape::Text, "Domain of `to`."),
    field("mx", Shape::Text, "Name of the server that answered."),
    field("host", Shape::Text, "Outbound: its address. Inbound: the client's name."),
    field("port", Shape::Whole, "Its port."),
    field("ip", Shape::Text, "Outbound: our address. Inbound: the client's address."),
    field("response", Shape::Text, "What the server said."),
    field("smtp_code", Shape::Whole, "Its reply code."),
    field("dsn", Shape::Text, "Its enhanced status code (RFC 3463)."),
    field("stage", Shape::Text, "SMTP stage of a refusal."),
    field("bounce_type", Shape::Word(&["hard", "soft"]), "Whether the address is to blame."),
    field("bounce_category", Shape::Text, "Why it bounced or was deferred."),
    field("delay", Shape::Number, "Seconds from arrival to the outcome."),
    field(
        "delays",
        Shape::Numbers(&["before_queue", "in_queue", "connect", "transmit"]),
        "Where they went.",
    ),
    field("attempt", Shape::Whole, "Number of the delivery attempt, from 1."),
    field("nrcpt", Shape::Whole, "Recipients of the message."),
    field("size", Shape::Whole, "Bytes of the message."),
    field("helo", Shape::Text, "HELO name of the client."),
    field("client_name", Shape::Text, "Verified name of the client."),
    field("temporary", Shape::Flag, "The refusal was only for now."),
    field("score", Shape::Number, "A filter's points."),
    field("rules", Shape::Text, "Rules that matched, or the name of a virus."),
    field("spam_score", Shape::Number, "As `score`."),
    field("spam_report", Shape::Text, "As `rules`."),
    field("engine", Shape::Text, "The filter."),
    field("action", Shape::Text, "What became of the message."),
    field("repeated", Shape::Whole, "Identical occurrences that syslog folded into one line."),
    field("route", Shape::Text, "The stream that the message belongs to."),
    field("metadata", Shape::Texts, "What the sender set for its own use."),
    field("tag", Shape::Text, "The sender's own mark."),
    field("envelope_id", Shape::Text, "What the sender gave to know the message by (ENVID)."),
    field("async", Shape::Flag, "It came back by mail after the message was delivered."),
    field("trusted", Shape::Truth, "It was shown who wrote the report."),
    field(
        "correlation",
        Shape::Words(&["method", "confidence"]),
        "How the message of a report was found, and how sure that is.",
    ),
    field("feedback_type", Shape::Text, "Kind of a complaint: `abuse`, `fraud`, …"),
    field("provider", Shape::Text, "Who passed a complaint on."),
    field("original_mail_from", Shape::Text, "Envelope sender, as reported."),
    field("source_ip", Shape::Text, "Where the message came from, as reported."),
    field("arrival_date", Shape::Text, "When it came, as reported."),
    field("incidents", Shape::Whole, "Complaints that the report stands for."),
    field("reported_domain", Shape::Text, "The first domain that a complaint is about."),
    field("reported_uri", Shape::Text, "The first link that a complaint is about."),
    field("cfbl_feedback_id", Shape::Text, "What the sender gave to know it by (RFC 9477)."),
    field("reporting_mta", Shape::Text, "The server that wrote the report."),
    field("report_message_id", Shape::Text, "Message-ID of the report."),
    field("url", Shape::Text, "The link that was clicked."),
    field("country", Shape::Text, "Where the client is."),
    field("email_client", Shape::Text, "The mail program."),
    field("user_agent", Shape::Text, "The client's own name."),
    field("machine", Shape::Flag, "No person opened or clicked."),
    field("lossy", Shape::Flag, "Some text was not UTF-8."),
    field("incomplete", Shape::Flag, "The log began in the middle of the message."),
    field("partial", Shape::Flag, "The line that gave the event was not whole."),
    field(
        "unreliable_rcpt",
        Shape::Flag,
        "The mail server may have charged another recipient's answer to this one.",
    ),
    field(
        "time_quality",
        Shape::Word(&["second", "no_zone", "read_time"]),
        "How exact the time is, when it is not.",
    ),
    field("evidence", Shape::Lines, "The line that gave the event."),
];

/// Of events about the service.
pub(super) const NOTICE: &[Field] = &[
    field("webhook", Shape::Text, "Name of the webhook that it is about."),
    field("source", Shape::Text, "Name of the source that it is about."),
    field("event_id", Shape::Text, "The event whose delivery it is about."),
    field("reason", Shape::Text, "Why, in one word."),
    field("error", Shape::Text, "What the last attempt met."),
    field("attempts", Shape::Whole, "Attempts made."),
    field("count", Shape::Whole, "How many: deliveries, lines, bytes, seconds."),
];
