//! Delivery status notifications (RFC 3464).

use super::{
    VALUE_BYTES, address, behind_type,
    block::{Block, blocks},
    name,
};
use crate::status::{Dsn, reply_codes};

/// What a server says of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Original-Envelope-Id: what the sender gave as ENVID.
    pub envelope_id: Option<String>,
    /// The server that says it.
    pub reporting_mta: Option<String>,
    /// X-Postfix-Queue-ID: what the *reporting* server calls the message.
    pub postfix_queue_id: Option<String>,
    /// One for each recipient.
    pub recipients: Vec<RecipientStatus>,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientStatus {
    /// As the sender gave it.
    pub original: Option<String>,
    /// As it was in the end, behind aliases.
    pub last: Option<String>,
    /// What was done.
    pub action: Action,
    /// Enhanced status code, by its field or else by the diagnostic.
    pub status: Option<Dsn>,
    /// Reply code at the head of the diagnostic.
    pub smtp_code: Option<u16>,
    /// What the server said that refused it.
    pub diagnostic: Option<String>,
    /// That server.
    pub remote_mta: Option<String>,
}

/// What was done (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It could not be delivered, and will not be.
    Failed,
    /// Not yet.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It was handed to a server that tells nothing.
    Relayed,
    /// It went to several further addresses.
    Expanded,
    /// A word that nobody knows.
    Unknown,
}

impl Action {
    fn of(value: &str) -> Self {
        let word = value.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "failed" => Self::Failed,
            "delayed" => Self::Delayed,
            "delivered" => Self::Delivered,
            "relayed" => Self::Relayed,
            "expanded" => Self::Expanded,
            _ => Self::Unknown,
        }
    }
}

/// Reads the fields. A block that speaks of a recipient is a recipient's, wherever it stands.
pub(super) fn read(bytes: &[u8]) -> Delivery {
    let mut delivery = Delivery::default();
    for block in blocks(bytes) {
        if is_of_recipient(&block) {
            delivery.recipients.push(recipient(&block));
        }
        let text = |field| block.get(field).map(str::to_owned);
        let keep = |known: &mut Option<String>, value| *known = known.take().or(value);
        keep(&mut delivery.envelope_id, text("original-envelope-id"));
        keep(&mut delivery.reporting_mta, block.get("reporting-mta").and_then(name));
        keep(&mut delivery.postfix_queue_id, text("x-postfix-queue-id"));
    }
    delivery
}

fn is_of_recipient(block: &Block) -> bool {
    ["final-recipient", "original-recipient", "action"].iter().any(|name| block.get(name).is_some())
}

fn recipient(block: &Block) -> RecipientStatus {
    let diagnostic = block.get("diagnostic-code").map(behind_type).filter(|text| !text.is_empty());
    let codes = reply_codes(diagnostic.unwrap_or_default().as_bytes());
    let status = block.get("status").and_then(|value| value.split_whitespace().next());
    let status = status.and_then(|word| Dsn::parse(word.as_bytes()));
    RecipientStatus {
        original: block.get("original-recipient").and_then(address),
        last: block.get("final-recipient").and_then(address),
        action: block.get("action").map_or(Action::Unknown, Action::of),
        status: precise(status, codes.dsn),
        smtp_code: codes.code,
        diagnostic: diagnostic.map(|text| text.chars().take(VALUE_BYTES).collect()),
        remote_mta: block.get("remote-mta").and_then(name),
    }
}

/// `5.0.0` says nothing, and the server that refused may have said more.
fn precise(field: Option<Dsn>, said: Option<Dsn>) -> Option<Dsn> {
    match (field, said) {
        (Some(field), Some(said)) if field.class == said.class && is_vague(field) => Some(said),
        (field, said) => field.or(said),
    }
}

fn is_vague(dsn: Dsn) -> bool {
    (dsn.subject, dsn.detail) == (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_are_read_leniently() {
        let delivery = read(
            b"Final-Recipient: <a@good.test>\nAction: FAILED (gone)\nStatus: 5.0.0 (permanent)\n\
              Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n\
              Reporting-MTA: dns; mx.good.test\n\nAction: wait\nStatus: five\n",
        );
        let [first, second] = &delivery.recipients[..] else { panic!("{delivery:?}") };
        assert_eq!(first.last.as_deref(), Some("a@good.test"));
        assert_eq!((first.action, first.smtp_code), (Action::Failed, Some(550)));
        assert_eq!(first.status, Dsn::parse(b"5.1.1"));
        assert_eq!((second.action, second.status), (Action::Unknown, None));
        assert_eq!(delivery.reporting_mta.as_deref(), Some("mx.good.test"));
    }

    #[test]
    fn a_status_that_says_something_counts_more_than_the_diagnostic() {
        let status = |status: &str| {
            let block =
                format!("Action: failed\nStatus: {status}\nDiagnostic-Code: smtp; 550 5.7.1 no");
            read(block.as_bytes()).recipients[0].status.map(|dsn| dsn.to_string())
        };
        assert_eq!(status("5.1.1").as_deref(), Some("5.1.1"));
        assert_eq!(status("4.0.0").as_deref(), Some("4.0.0"));
        assert_eq!(status("").as_deref(), Some("5.7.1"));
    }
}
