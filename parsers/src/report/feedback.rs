//! Feedback reports (RFC 5965, RFC 6591, RFC 9477).

use super::{
    address,
    block::{Block, blocks},
    name,
    returned::Returned,
};

/// Values kept of a field that may come several times.
const VALUES: usize = 100;

/// Where Microsoft names the recipient: among the headers of the message that came back.
const MICROSOFT: &str = "x-hmxmroriginalrecipient";

/// What somebody has against a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feedback {
    /// What it is.
    pub kind: FeedbackType,
    /// The program that wrote the report.
    pub user_agent: Option<String>,
    /// The message's recipients. They may be hashed, or left out.
    pub recipients: Vec<String>,
    /// The message's envelope sender.
    pub mail_from: Option<String>,
    /// ENVID of the message.
    pub envelope_id: Option<String>,
    /// Where the message came from. Some write `x.x.x.x`, which is left out.
    pub source_ip: Option<String>,
    /// When it came, as written.
    pub arrived: Option<String>,
    /// How many complaints this stands for.
    pub incidents: Option<u32>,
    /// Domains that it is about.
    pub domains: Vec<String>,
    /// Links that it is about.
    pub uris: Vec<String>,
    /// The server that took the report in.
    pub reporting_mta: Option<String>,
    /// What the sender of the message wants to know it by (RFC 9477).
    pub cfbl_feedback_id: Option<String>,
    /// What was wrong, of a failed authentication (RFC 6591).
    pub auth_failure: Option<String>,
}

/// Kinds of feedback (RFC 5965 §7.3, RFC 6591, RFC 6430 and older words).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FeedbackType {
    /// Unwanted mail.
    #[default]
    Abuse,
    /// Somebody pretends.
    Fraud,
    /// A virus.
    Virus,
    /// Somebody does not want this sender's mail any more.
    OptOut,
    /// Somebody says that it is no spam.
    NotSpam,
    /// Its authentication failed.
    AuthFailure,
    /// Another word, in lower case.
    Other(String),
}

impl FeedbackType {
    /// As the registry writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Abuse => "abuse",
            Self::Fraud => "fraud",
            Self::Virus => "virus",
            Self::OptOut => "opt-out",
            Self::NotSpam => "not-spam",
            Self::AuthFailure => "auth-failure",
            Self::Other(word) => word,
        }
    }

    /// Somebody complains.
    #[must_use]
    pub fn is_complaint(&self) -> bool {
        !matches!(self, Self::NotSpam | Self::AuthFailure)
    }

    fn of(value: &str) -> Self {
        let word = value.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "abuse" => Self::Abuse,
            "fraud" => Self::Fraud,
            "virus" => Self::Virus,
            "opt-out" | "opt-out-list" | "unsubscribe" => Self::OptOut,
            "not-spam" => Self::NotSpam,
            "auth-failure" | "auth-failure-report" => Self::AuthFailure,
            _ => Self::Other(word.chars().take(64).collect()),
        }
    }
}

/// Reads the fields; some providers put empty lines between them.
pub(super) fn read(bytes: &[u8], returned: Option<&Returned>) -> Feedback {
    let all = blocks(bytes);
    let first = |field: &str| all.iter().find_map(|block| block.get(field));
    let text = |field: &str| first(field).map(str::to_owned);
    let header = |field: &str| returned.and_then(|message| message.header(field));
    let mut recipients = every(&all, "original-rcpt-to", address);
    if recipients.is_empty() {
        let other = first("removal-recipient").or_else(|| header(MICROSOFT));
        recipients.extend(other.and_then(address));
    }
    Feedback {
        kind: first("feedback-type").map(FeedbackType::of).unwrap_or_default(),
        user_agent: text("user-agent"),
        recipients,
        mail_from: first("original-mail-from").and_then(address),
        envelope_id: text("original-envelope-id"),
        source_ip: first("source-ip").and_then(ip),
        arrived: text("arrival-date").or_else(|| text("received-date")),
        incidents: first("incidents").and_then(|value| value.parse().ok()),
        domains: every(&all, "reported-domain", name),
        uris: every(&all, "reported-uri", |uri| Some(uri.to_owned())),
        reporting_mta: first("reporting-mta").and_then(name),
        cfbl_feedback_id: text("cfbl-feedback-id")
            .or_else(|| header("cfbl-feedback-id").map(str::to_owned)),
        auth_failure: text("auth-failure"),
    }
}

fn every(blocks: &[Block], field: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let values = blocks.iter().flat_map(|block| block.all(field));
    let mut found: Vec<String> = Vec::new();
    for value in values.filter_map(read).take(VALUES) {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// An address of either family, also as `[IPv6:2001:db8::1]`.
fn ip(value: &str) -> Option<String> {
    let word = value.split_whitespace().next()?.trim_matches(['[', ']']);
    let bare = word.strip_prefix("IPv6:").unwrap_or(word);
    bare.parse::<core::net::IpAddr>().ok().map(|ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_redacted_is_left_out() {
        let report = read(b"Source-IP: x.x.x.x\nIncidents: many\n\nFeedback-Type: Abuse\n", None);
        assert_eq!(report, Feedback::default());
    }

    #[test]
    fn only_a_complaint_is_one() {
        for (word, name, is_complaint) in [
            ("abuse", "abuse", true),
            ("opt-out-list", "opt-out", true),
            ("NOT-SPAM", "not-spam", false),
            ("auth-failure", "auth-failure", false),
            ("dislike", "dislike", true),
        ] {
            let kind = FeedbackType::of(word);
            assert_eq!((kind.name(), kind.is_complaint()), (name, is_complaint));
        }
    }

    #[test]
    fn addresses_of_machines_are_written_in_many_ways() {
        assert_eq!(ip("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(ip("[IPv6:2001:db8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(ip(""), None);
    }
}
