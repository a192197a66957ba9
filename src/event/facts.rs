//! What is known of a message from elsewhere than its log: a milter sees what no log says.
//!
//! Who saw it is `source`'s business, and which message of the log it is, `correlate`'s.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::limits;

/// What the sender of a message set for its own use, in headers that the configuration names: each
/// event of the message hands it back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Given {
    /// Names, as configured, and values. At most [`limits::METADATA_BYTES`].
    pub metadata: Vec<(SmolStr, SmolStr)>,
    /// One word, or more.
    pub tag: Option<SmolStr>,
}

impl Given {
    /// Nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.tag.is_none()
    }

    /// Adds metadata, unless it was set before or there is too much already.
    pub fn set(&mut self, name: &str, value: SmolStr) {
        let is_known = self.metadata.iter().any(|(known, _)| known == name);
        let bytes: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if !is_known && bytes + name.len() + value.len() <= limits::METADATA_BYTES {
            self.metadata.push((name.into(), value));
        }
    }
}

/// What a filter wrote into the headers of a message: something was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeaderVerdict {
    /// A virus; else spam.
    pub is_virus: bool,
    /// Points.
    pub score: Option<f64>,
    /// Rules that matched, or the name of the virus.
    pub rules: Option<SmolStr>,
}

/// Facts about one message that was complete. Text is bounded, as in an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// What the log calls the message.
    pub queue_id: SmolStr,
    /// When it was complete, microseconds.
    pub at_us: i64,
    /// Verified name of the client.
    pub client_name: Option<SmolStr>,
    /// Its address.
    pub client_address: Option<SmolStr>,
    /// Its own name for itself.
    pub helo: Option<SmolStr>,
    /// Who authenticated.
    pub user: Option<SmolStr>,
    /// What the client gave as ENVID.
    pub envelope_id: Option<SmolStr>,
    /// Envelope recipients as the client gave them, in order, without brackets.
    pub recipients: Vec<SmolStr>,
    /// There were more.
    pub more_recipients: bool,
    /// Message-ID header.
    pub message_id: Option<SmolStr>,
    /// Subject header, decoded.
    pub subject: Option<SmolStr>,
    /// What the sender set for its own use.
    pub given: Given,
    /// What an earlier filter found.
    pub verdict: Option<HeaderVerdict>,
    /// The mail server will put it into mailboxes here, or pass all or some of it on.
    pub stays_here: Option<bool>,
    /// Headers that routes ask for: names in lower case, and values.
    pub headers: Vec<(SmolStr, SmolStr)>,
    /// Some of it was not UTF-8.
    pub lossy: bool,
}

impl Facts {
    /// About the memory that it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts = [&self.client_name, &self.client_address, &self.helo, &self.user];
        let more = [&self.message_id, &self.subject, &self.given.tag, &self.envelope_id];
        let pairs = self.given.metadata.iter().chain(&self.headers);
        let single: usize = texts.into_iter().chain(more).flatten().map(SmolStr::len).sum();
        let pairs: usize = pairs.map(|(name, value)| PLACE + name.len() + value.len()).sum();
        let recipients: usize = self.recipients.iter().map(|to| PLACE + to.len()).sum();
        size_of::<Self>() + single + pairs + recipients
    }
}

/// Of a text in a list.
const PLACE: usize = size_of::<SmolStr>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_metadata_the_first_counts_and_no_more_than_fits_is_kept() {
        let mut given = Given::default();
        given.set("X-Order", "1".into());
        given.set("X-Order", "2".into());
        given.set("X-Long", "x".repeat(limits::METADATA_BYTES).into());
        given.set("X-Shop", "a".into());
        let expected = [("X-Order".into(), "1".into()), ("X-Shop".into(), "a".into())];
        assert_eq!(given.metadata, expected);
    }
}
