//! What header and body checks of cleanup tell of a message besides its end: its subject, what the
//! sender set for its own use, and what a filter before cleanup wrote into the headers.
//!
//! Which headers are checked is in the tables of Postfix, which of them mean something here in the
//! configuration. The end of a message is [`super::refusal`]'s.

use mailherald_parsers::{
    filters::{HeaderFinding, HeaderSaid, header},
    postfix::ContentCheck,
};

use super::{
    Step,
    emit::bounded,
    finding::Finding,
    message::{KeptLine, Message},
};
use crate::{
    event::{HeaderVerdict, text},
    limits,
};

impl Step<'_> {
    /// Takes in what a check tells of its message, whatever it does to the header: a sender's own tag is
    /// often told and taken out.
    pub(crate) fn keep_facts(&mut self, check: &ContentCheck<'_>) {
        let header = check.header();
        if header.is_none() && check.recipient.is_none() && check.sender.is_none() {
            return;
        }
        let mut message = self.take_or_new(check.queue_id);
        message.note_sender(check.sender);
        if let Some(recipient) = check.recipient {
            message.last_recipient = Some(bounded(recipient, &mut message.lossy));
        }
        if let Some((name, value)) = header {
            self.keep_header(name, value, check.by_milter, &mut message);
        }
        self.put(check.queue_id, message);
    }

    fn keep_header(&self, name: &[u8], value: &[u8], by_milter: bool, message: &mut Message) {
        let Ok(name) = std::str::from_utf8(name) else { return };
        if name.eq_ignore_ascii_case("subject") {
            message.subject = Some(bounded(value, &mut message.lossy));
        } else if name.eq_ignore_ascii_case(&self.direction.tag_header) {
            let tag = bounded(value, &mut message.lossy);
            message.given.get_or_insert_default().tag.get_or_insert(tag);
        } else if let Some(name) = self.direction.metadata_header(name) {
            let value = bounded(value, &mut message.lossy);
            message.given.get_or_insert_default().set(name, value);
        } else if by_milter && let Some(said) = header(name, value) {
            // Anybody may have written such a header, unless a milter added it just now.
            keep_verdict(said, self.line.into(), message);
        }
    }
}

/// What a filter says in several headers is one verdict; what another line told of it counts more.
fn keep_verdict(said: HeaderSaid, line: KeptLine, message: &mut Message) {
    let is_virus = match said.found {
        Some(HeaderFinding::Virus) => true,
        Some(HeaderFinding::Spam) => false,
        Some(HeaderFinding::Clean) | None => return,
    };
    if message.finding.is_none() {
        let rules = said.rules.map(|it| text::bounded(it.as_bytes(), limits::TEXT_BYTES).value);
        let verdict = HeaderVerdict { is_virus, score: said.score, rules };
        message.finding = Some(Box::new(Finding::of_headers(verdict, line)));
    }
}
