//! Events as the dry run prints them, and the messages that they tell of.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One event, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    /// `outbound.bounced`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// What it says.
    pub(super) data: Data,
}

/// The event model's `data`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    pub(super) uid: String,
    pub(super) queue_id: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) orig_to: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) smtp_code: Option<i64>,
    pub(super) response: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) temporary: bool,
    pub(super) nrcpt: Option<usize>,
    pub(super) repeated: Option<usize>,
    pub(super) bounce_type: Option<String>,
    pub(super) action: Option<String>,
    #[serde(rename = "async")]
    pub(super) is_late: bool,
}

impl Event {
    /// The type without its direction: `bounced`.
    pub(super) fn name(&self) -> &str {
        self.kind.split_once('.').map_or(self.kind.as_str(), |(_, name)| name)
    }

    /// Does it end the story of its recipient?
    pub(super) fn is_final(&self) -> bool {
        match self.name() {
            "delivered" | "rejected" | "dropped" | "blocked" => !self.data.temporary,
            "bounced" => !self.data.is_late,
            "spam" | "virus" => {
                matches!(self.data.action.as_deref(), Some("rejected" | "discarded"))
            }
            _ => false,
        }
    }

    /// Is it about something that was refused or thrown away here?
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.name(), "blocked" | "dropped" | "spam" | "virus")
    }

    /// Was a message thrown away behind a `250`?
    pub(super) fn is_discard(&self) -> bool {
        let is_accepted = self.data.smtp_code.is_none_or(|code| code / 100 == 2);
        let is_drop = self.name() == "dropped" && !self.data.temporary && is_accepted;
        is_drop || self.data.action.as_deref() == Some("discarded")
    }

    /// Was a whole message refused or thrown away before it was in the queue? smtpd, cleanup and
    /// milters name one of its recipients then. What is told at RCPT is about one recipient, but for
    /// a discard, which takes the message along; status lines tell no stage of what succeeded.
    pub(super) fn is_of_whole_message(&self) -> bool {
        let stage = self.data.stage.as_deref();
        let is_behind_rcpt = matches!(stage, Some("DATA" | "BDAT" | "END-OF-MESSAGE"));
        self.is_refusal() && (is_behind_rcpt || (stage.is_some() && self.is_discard()))
    }

    /// Lines that it stands for.
    pub(super) fn times(&self) -> usize {
        self.data.repeated.unwrap_or(1)
    }

    /// What happens to each recipient of a message once at most.
    pub(super) fn milestone(&self) -> Option<&'static str> {
        match self.name() {
            _ if self.is_final() => Some("end"),
            "queued" | "received" => Some("arrival"),
            _ if self.is_refusal() && self.data.temporary => Some("refusal"),
            _ => None,
        }
    }

    /// About the message as a whole, and told only to those who ask.
    pub(super) fn is_sending(&self) -> bool {
        self.name() == "sending"
    }

    /// Is it about this recipient, as the client named it or as it was rewritten?
    pub(super) fn is_about(&self, address: &str) -> bool {
        let names = [&self.data.to, &self.data.orig_to];
        names.into_iter().flatten().any(|name| same_address(name, address))
    }

    /// `outbound.bounced soft`, for people.
    pub(super) fn shown(&self) -> String {
        let mut text = self.kind.clone();
        let marks = [self.data.bounce_type.as_deref(), self.data.action.as_deref()];
        for mark in marks.into_iter().flatten().chain(self.data.temporary.then_some("temporary")) {
            text.push(' ');
            text.push_str(mark);
        }
        text
    }
}

/// All events with one uid: a message on its way through the mail system.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Indices of its events, in order.
    pub(super) events: Vec<usize>,
    /// Names of the queue files that it was in.
    pub(super) queue_ids: Vec<String>,
    /// Message-IDs; more than one only if something is wrong.
    pub(super) header_ids: Vec<String>,
}

/// Reads what the dry run printed.
///
/// # Errors
/// A line is no event.
pub(super) fn read(text: &str) -> Result<Vec<Event>> {
    let lines = text.lines();
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("read {line}"))).collect()
}

/// Events by message, in order of the first event of each.
pub(super) fn messages(events: &[Event]) -> Vec<Message> {
    let mut places = HashMap::new();
    let mut messages: Vec<Message> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let place = *places.entry(event.data.uid.as_str()).or_insert_with(|| {
            messages.push(Message::default());
            messages.len() - 1
        });
        let Some(message) = messages.get_mut(place) else { continue };
        message.events.push(index);
        note(&mut message.queue_ids, event.data.queue_id.as_ref());
        note(&mut message.header_ids, event.data.message_id.as_ref());
    }
    messages
}

fn note(known: &mut Vec<String>, name: Option<&String>) {
    if let Some(name) = name.filter(|name| !known.contains(name)) {
        known.push(name.clone());
    }
}

/// Do two spellings name one mailbox? Clients send it as they like; Postfix quotes the local part
/// where RFC 5321 wants it, and takes addresses that differ only in case for one recipient.
pub(super) fn same_address(left: &str, right: &str) -> bool {
    plain(left) == plain(right)
}

/// One spelling for all of them.
pub(super) fn plain(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"'));
    let local = quoted.map_or_else(|| local.to_owned(), unescaped);
    format!("{local}@{domain}").to_lowercase()
}

fn unescaped(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}
