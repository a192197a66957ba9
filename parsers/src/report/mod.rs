//! Reports that come back by mail: what a receiver's server or a person's provider says later of a
//! message that had left.
//!
//! * feedback reports, "ARF" (RFC 5965, 6591, 9477): somebody calls the message spam,
//! * delivery status notifications, "DSN" (RFC 3464, 6533): a server gave up on it, or not yet,
//! * message disposition notifications, "MDN" (RFC 8098): somebody opened it, or not.
//!
//! The whole mail goes in, a [`Report`] comes out, or none where the mail has no part that a machine
//! was meant to read. Providers follow these RFCs roughly, so every field may be missing and none
//! that is malformed spoils another. Words in prose are never interpreted.
//!
//! Headers, content types and transfer encodings are `mail_parser`'s. Parts are split here, without
//! recursion: how deep a stranger nests them costs nothing. Everything kept is bounded; a mail that
//! was cut off gives what stood before the cut.
//!
//! Which message a report is about, and whether to believe it, is decided elsewhere.

mod authentication;
mod block;
mod delivery;
mod feedback;
mod mime;
mod returned;

pub use authentication::Authentication;
pub use delivery::{Action, Delivery, RecipientStatus};
pub use feedback::{Feedback, FeedbackType};
pub use returned::{Received, Returned};

use mime::{Found, Kind};

/// Bytes kept of any one value.
const VALUE_BYTES: usize = 2048;

/// What a mail reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who says it.
    pub head: Head,
    /// What is said.
    pub content: Content,
    /// The message that it is about, as far as it was returned.
    pub returned: Option<Returned>,
}

/// The headers of the report itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Its own Message-ID, without brackets.
    pub message_id: Option<String>,
    /// When it was written by its Date header, seconds since the epoch.
    pub written_at: Option<i64>,
    /// Address in its From header.
    pub from: Option<String>,
    /// What servers on its way found out about its sender, newest first. Anybody can write such a
    /// header: only those of a server that one trusts, and that removes forged ones, mean anything.
    pub authentication: Vec<Authentication>,
    /// To whom it was delivered, by `X-Original-To` and `Delivered-To`: what the server of its
    /// recipient writes, and anybody else can.
    pub delivered_to: Vec<String>,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A feedback report.
    Feedback(Feedback),
    /// A delivery status notification.
    Delivery(Delivery),
    /// A disposition notification. Nothing of it is read.
    Disposition,
}

/// The report in a mail, if it is one. The first part that is a report counts. A line
/// `From sender date` in front, as local(8) puts there, is skipped.
#[must_use]
pub fn parse(mail: &[u8]) -> Option<Report> {
    let mail = without_envelope_line(mail);
    let Found { head, kind, report, returned } = mime::find(mail)?;
    let returned = returned.map(|bytes| returned::read(&bytes));
    let content = match kind {
        Kind::Feedback => Content::Feedback(feedback::read(&report, returned.as_ref())),
        Kind::Delivery => Content::Delivery(delivery::read(&report)),
        Kind::Disposition => Content::Disposition,
    };
    Some(Report { head, content, returned })
}

fn without_envelope_line(mail: &[u8]) -> &[u8] {
    if !mail.starts_with(b"From ") {
        return mail;
    }
    let end = memchr::memchr(b'\n', mail).map_or(mail.len(), |end| end + 1);
    mail.get(end..).unwrap_or_default()
}

/// A value as text: trimmed, at most [`VALUE_BYTES`].
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii();
    let mut text = String::from_utf8_lossy(bytes.get(..VALUE_BYTES).unwrap_or(bytes)).into_owned();
    text.truncate(text.floor_char_boundary(VALUE_BYTES));
    text
}

/// What stands behind the type of an address, a server or a diagnostic: `rfc822; bob@good.test`,
/// `dns;mx.good.test`, `smtp; 550 no`. Servers leave the type out as well.
fn behind_type(value: &str) -> &str {
    let typed = value.split_once(';').filter(|(kind, _)| {
        let kind = kind.trim();
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    typed.map_or(value, |(_, rest)| rest).trim()
}

/// The address of a typed value, without brackets; none where there is no address.
fn address(value: &str) -> Option<String> {
    let address = behind_type(value);
    let bare = address.strip_prefix('<').map(|rest| rest.split('>').next().unwrap_or(rest));
    // A comment may follow.
    let bare = bare.unwrap_or_else(|| address.split_whitespace().next().unwrap_or_default());
    Some(bare.trim()).filter(|bare| !bare.is_empty()).map(str::to_owned)
}

/// The first word of a typed value, such as the name of a server.
fn name(value: &str) -> Option<String> {
    let word = behind_type(value).split_whitespace().next()?.trim_end_matches('.');
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_optional_and_brackets_and_comments_go() {
        for (value, expected) in [
            ("rfc822; bob@good.test", "bob@good.test"),
            ("RFC822;<bob@good.test>", "bob@good.test"),
            ("unknown; bob@good.test (relayed)", "bob@good.test"),
            ("bob@good.test", "bob@good.test"),
            ("<\"a;b\"@good.test>", "\"a;b\"@good.test"),
            ("utf-8; Grüße@good.test", "Grüße@good.test"),
        ] {
            assert_eq!(address(value).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(address("rfc822;"), None);
        assert_eq!(address("<>"), None);
        assert_eq!(name("dns; mx.good.test (192.0.2.1)").as_deref(), Some("mx.good.test"));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "ü".repeat(VALUE_BYTES);
        assert!(text(long.as_bytes()).len() <= VALUE_BYTES);
    }

    #[test]
    fn mail_without_a_report_is_none() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"From a@b Mon\n"), None);
        assert_eq!(parse(b"Subject: x\n\nAction: failed\nFinal-Recipient: rfc822;a@b\n"), None);
    }
}
