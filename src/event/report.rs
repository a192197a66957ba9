//! What a report that came back by mail says of a message, in its event.
//!
//! Which message that is and whether to believe it is the business of `report`.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What an event of a report has beside the data of its message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reported {
    /// It was shown who wrote the report, and that the writer knows the message. Anybody may send
    /// another.
    pub trusted: bool,
    /// How its message was found; None when it was not.
    pub correlation: Option<Correlation>,
    /// Message-ID of the report, without brackets.
    pub report_id: Option<SmolStr>,
    /// The server that wrote it.
    pub reporting_mta: Option<SmolStr>,
    /// What a feedback report says; None for a late bounce or deferral.
    pub complaint: Option<Complaint>,
}

/// How the message of a report was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// By what.
    pub method: Method,
    /// How sure that is.
    pub confidence: Confidence,
}

/// What led to a message, the strongest first, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Our own queue ID in a `Received` header of the message that came back.
    QueueId,
    /// The envelope id (ENVID) that its sender gave.
    EnvelopeId,
    /// Its Message-ID.
    MessageId,
    /// A header that the configuration names.
    Header,
    /// The only message of late to that recipient.
    Recipient,
    /// A signed token in its envelope sender: the strongest. What is stored counts from the top.
    Verp,
}

impl Method {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueId => "queue_id",
            Self::EnvelopeId => "envelope_id",
            Self::MessageId => "message_id",
            Self::Header => "header",
            Self::Recipient => "recipient",
            Self::Verp => "verp",
        }
    }
}

/// How sure it is that a report is about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confidence {
    /// Two facts agree.
    High,
    /// One fact says so.
    Medium,
    /// It is likely.
    Low,
}

impl Confidence {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What a feedback report says (RFC 5965, RFC 9477).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Complaint {
    /// `abuse`, `fraud`, `virus`, `opt-out`, …
    pub feedback_type: SmolStr,
    /// Who passed it on: the program that wrote it, else the domain that it came from.
    pub provider: Option<SmolStr>,
    /// Envelope sender of the message, as reported.
    pub original_mail_from: Option<SmolStr>,
    /// Where the message came from, as reported.
    pub source_ip: Option<SmolStr>,
    /// When it came, as reported.
    pub arrival_date: Option<SmolStr>,
    /// How many complaints it stands for.
    pub incidents: Option<u32>,
    /// The first domain that it is about.
    pub reported_domain: Option<SmolStr>,
    /// The first link that it is about.
    pub reported_uri: Option<SmolStr>,
    /// What the sender gave the message to know it by (RFC 9477).
    pub cfbl_feedback_id: Option<SmolStr>,
}
