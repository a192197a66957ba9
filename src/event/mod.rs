//! The public event model: what an event is, its types and its identity.
//!
//! How an event is rendered for a receiver is `deliver`'s business, when one is due is
//! `correlate`'s. The model is fixed by `contrib/docs/events.md`.

pub mod bounce;
pub mod facts;
pub mod id;
pub mod kind;
pub mod notice;
pub mod parcel;
pub mod report;
pub mod route;
pub mod sender_token;
pub mod text;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use facts::{Facts, Given, HeaderVerdict};
pub use id::{EventId, IdError, Identities, MessageUid};
pub use kind::{EventType, Service};
pub use notice::Notice;
pub use parcel::{Head, Parcel};
pub use report::{Complaint, Confidence, Correlation, Method, Reported};
pub use route::{Route, RouteHeader};
pub use sender_token::SenderToken;

/// One fact about one recipient of one message. Immutable.
///
/// Stored as it is (postcard), so fields are only ever added together with a new format version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Identity, from the content of the line that gave the event.
    pub id: EventId,
    /// What happened.
    pub kind: EventType,
    /// When it happened by the log, microseconds since the epoch, UTC.
    pub at_us: i64,
    /// How exact that is.
    pub time_quality: TimeQuality,
    /// All that is known about it.
    pub data: Box<EventData>,
}

impl Event {
    /// When it happened by the log.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.at_us).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The same in milliseconds since the epoch, 0 for what was before it.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        ms_of(self.at_us)
    }
}

/// Milliseconds since the epoch, 0 for what was before it.
fn ms_of(at_us: i64) -> u64 {
    u64::try_from(at_us / 1000).unwrap_or(0)
}

/// How exact an event's time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TimeQuality {
    /// The line gave the instant with a fraction.
    #[default]
    Exact,
    /// Whole seconds; year and zone were supplied.
    Second,
    /// The date and whole seconds; the zone was supplied.
    NoZone,
    /// The line had no stamp: time of reading.
    ReadTime,
}

/// The `data` object. `None` is "not known", and is left out when rendered.
///
/// Text is bounded and free of control characters ([`crate::limits`]). The stored form lists the
/// fields in this order, so new ones go to the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub struct EventData {
    /// The message, across queue IDs. Always known.
    pub uid: MessageUid,
    /// Queue ID of the line that gave the event.
    pub queue_id: Option<SmolStr>,
    /// Message-ID header, with its brackets.
    pub message_id: Option<SmolStr>,
    /// Envelope sender; empty for the null reverse-path.
    pub from: Option<SmolStr>,
    /// Envelope recipient.
    pub to: Option<SmolStr>,
    /// Recipient before alias expansion, when it differs.
    pub orig_to: Option<SmolStr>,
    /// Subject header.
    pub subject: Option<SmolStr>,
    /// Authenticated or local user that submitted the message.
    pub user: Option<SmolStr>,
    /// Domain of `to`.
    pub domain: Option<SmolStr>,
    /// Outbound: name of the server that answered.
    pub mx: Option<SmolStr>,
    /// Outbound: its address (its name when there is none). Inbound: the client's name.
    pub host: Option<SmolStr>,
    /// Port of the server that answered.
    pub port: Option<u16>,
    /// Outbound: our sending address. Inbound: the client's address.
    pub ip: Option<SmolStr>,
    /// What the server said.
    pub response: Option<SmolStr>,
    /// Reply code at the head of the response.
    pub smtp_code: Option<u16>,
    /// Enhanced status code.
    pub dsn: Option<SmolStr>,
    /// SMTP stage of a refusal: `RCPT TO`.
    pub stage: Option<SmolStr>,
    /// Hard or soft.
    pub bounce_type: Option<BounceType>,
    /// Why it bounced, or was deferred.
    pub bounce_category: Option<BounceCategory>,
    /// Microseconds from arrival to the outcome.
    pub delay_us: Option<u64>,
    /// Microseconds before the queue, in it, connecting, transmitting.
    pub delays_us: Option<[u64; 4]>,
    /// Number of this delivery attempt, from 1.
    pub attempt: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Number of recipients of the message.
    pub nrcpt: Option<u32>,
    /// HELO name of the client.
    pub helo: Option<SmolStr>,
    /// Verified name of the client.
    pub client_name: Option<SmolStr>,
    /// The refusal was for now (4xx).
    pub temporary: bool,
    /// Spam score.
    pub score: Option<f64>,
    /// Spam rules, comma-separated.
    pub rules: Option<SmolStr>,
    /// The filter that judged it.
    pub engine: Option<SmolStr>,
    /// What a filter did with the message.
    pub action: Option<SmolStr>,
    /// Identical occurrences that syslog folded into one line, when more than one.
    pub repeated: Option<u32>,
    /// Some text was not UTF-8.
    pub lossy: bool,
    /// The message's beginning was not in the log.
    pub incomplete: bool,
    // Since the second stored form (`store::chunk`):
    /// The stream that the message belongs to, by the configured routes.
    pub route: Option<SmolStr>,
    /// A deferral with the enhanced status code and the category of the one before it, for the
    /// same recipient. Not rendered; webhooks may leave such out.
    pub same_reason: bool,
    /// What a tracking hit tells. Few events have one, and all have room for it.
    pub hit: Option<Box<Hit>>,
    /// The line that gave the event, where a webhook asks for evidence.
    pub evidence: Option<SmolStr>,
    /// What an operational event tells; None for events about mail.
    pub notice: Option<Box<Notice>>,
    // Since the third stored form:
    /// The line that gave the event was not whole: its log ended in the middle of it, or it was too
    /// long. What was cut off is not known.
    pub partial: bool,
    // Since the fourth stored form:
    /// What the sender set for its own use. Few set something, and all have room for it.
    pub given: Option<Box<Given>>,
    /// The mail server may have charged the answer of another recipient of the message to this one.
    pub unreliable_rcpt: bool,
    // Since the fifth stored form:
    /// Where the line is with which the event came, if it is in a log: the one that gave it, or a later
    /// one that it had waited for. Not rendered: the same event may be read from another file.
    pub place: Option<LinePlace>,
    /// What the sender gave as ENVID (RFC 3461), which reports repeat.
    pub envelope_id: Option<SmolStr>,
    /// What a report that came by mail says. Few events have one, and all have room for it.
    pub reported: Option<Box<Reported>>,
}

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePlace {
    /// Number of the generation of a log, as the store knows it.
    pub log: u32,
    /// Offset of its first byte in there, decompressed.
    pub offset: u64,
}

/// A message was opened, or a link in it clicked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hit {
    /// The link that was clicked.
    pub url: Option<SmolStr>,
    /// Where the client is, ISO 3166-1 alpha-2.
    pub country: Option<SmolStr>,
    /// The mail program, by its usual name.
    pub email_client: Option<SmolStr>,
    /// The client's `User-Agent` header.
    pub user_agent: Option<SmolStr>,
    /// A bot, privacy proxy or scanner was behind it, not a person.
    pub machine: bool,
}

/// Whether the address is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BounceType {
    /// Refused for good.
    Hard,
    /// Gave up, or a reason that says nothing against the address.
    Soft,
}

impl BounceType {
    /// `hard` or `soft`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// Why a delivery failed (events.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation; the table is in events.md §5")]
pub enum BounceCategory {
    InvalidRecipient,
    InactiveMailbox,
    MailboxFull,
    InvalidDomain,
    NoMx,
    Connection,
    Timeout,
    Dns,
    Tls,
    Policy,
    SpamBlock,
    Reputation,
    Authentication,
    RateLimited,
    Greylisted,
    MessageTooLarge,
    Content,
    Protocol,
    RelayDenied,
    Loop,
    MailSystem,
    Expired,
    Other,
}

impl BounceCategory {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRecipient => "invalid_recipient",
            Self::InactiveMailbox => "inactive_mailbox",
            Self::MailboxFull => "mailbox_full",
            Self::InvalidDomain => "invalid_domain",
            Self::NoMx => "no_mx",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Policy => "policy",
            Self::SpamBlock => "spam_block",
            Self::Reputation => "reputation",
            Self::Authentication => "authentication",
            Self::RateLimited => "rate_limited",
            Self::Greylisted => "greylisted",
            Self::MessageTooLarge => "message_too_large",
            Self::Content => "content",
            Self::Protocol => "protocol",
            Self::RelayDenied => "relay_denied",
            Self::Loop => "loop",
            Self::MailSystem => "mail_system",
            Self::Expired => "expired",
            Self::Other => "other",
        }
    }
}
