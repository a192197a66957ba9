//! Which messages of the events are which messages of the truth.
//!
//! The queue ID comes from the reply to the client; a filter in front of the queue may have changed
//! it, and then the Message-ID tells. What was refused has neither: sender, recipient, reply code
//! and client tell, as far as the line names them, and the order for what looks the same.

use super::{
    event::{Event, Message, same_address},
    truth::{Recipient, Truth},
};

/// For each message of the events its number in the truth.
pub(super) type Owners = Vec<Option<usize>>;

/// Assigns the messages.
pub(super) fn owners(truth: &Truth, events: &[Event], messages: &[Message]) -> Owners {
    let mut assigning =
        Assigning { rows: &truth.recipients, events, messages, owners: vec![None; messages.len()] };
    // Queue IDs are used again, so who also has the Message-ID comes first.
    assigning.by_names(|row, message| has_queue_id(row, message) && has_message_id(row, message));
    assigning.by_names(has_queue_id);
    assigning.by_names(has_message_id);
    for alike in LIKENESS {
        assigning.refusals(alike);
    }
    assigning.owners
}

fn has_queue_id(row: &Recipient, message: &Message) -> bool {
    row.queue_id.as_ref().is_some_and(|queue_id| message.queue_ids.contains(queue_id))
}

fn has_message_id(row: &Recipient, message: &Message) -> bool {
    row.message_id.as_ref().is_some_and(|message_id| message.header_ids.contains(message_id))
}

struct Assigning<'a> {
    rows: &'a [Recipient],
    events: &'a [Event],
    messages: &'a [Message],
    owners: Owners,
}

impl Assigning<'_> {
    fn by_names(&mut self, is_it: impl Fn(&Recipient, &Message) -> bool) {
        for row in self.rows {
            for (message, owner) in self.messages.iter().zip(&mut self.owners) {
                if owner.is_none() && is_it(row, message) {
                    *owner = Some(row.message);
                }
            }
        }
    }

    /// Gives each refused recipient without an event the first refusal that is nobody's and alike.
    /// Of a message refused as a whole, the line names any one recipient.
    fn refusals(&mut self, alike: Alike) {
        for row in self.rows {
            if !row.is_refused() || self.is_answered(row) {
                continue;
            }
            let rows = self.ended_with(row);
            let is_it = |event: &Event| {
                let is_alike = |row: &&Recipient| fits(row, event) && alike(row, event);
                rows.iter().any(is_alike) && !self.is_of_another_class(row, event)
            };
            let free = self.messages.iter().zip(&self.owners).position(|(message, owner)| {
                owner.is_none() && events_of(message, self.events).any(is_it)
            });
            if let Some(owner) = free.and_then(|free| self.owners.get_mut(free)) {
                *owner = Some(row.message);
            }
        }
    }

    /// The recipients that one refusal can stand for.
    fn ended_with(&self, row: &Recipient) -> Vec<&Recipient> {
        let is_whole = row.is_discarded() || is_behind_rcpt(row);
        let is_with = |other: &&Recipient| {
            let is_same = other.message == row.message && other.word() == row.word();
            std::ptr::eq(*other, row) || (is_whole && is_same && other.stage == row.stage)
        };
        self.rows.iter().filter(is_with).collect()
    }

    /// Is there an event about the recipient, or about its message as a whole?
    fn is_answered(&self, row: &Recipient) -> bool {
        let own: Vec<_> = self.events_for(row.message).collect();
        let nameless = own.iter().filter(|event| event.data.to.is_none());
        let nameless: usize = nameless.map(|event| event.times()).sum();
        own.iter().any(|event| event.is_about(&row.address))
            || own.iter().any(|event| event.is_of_whole_message() && fits(row, event))
            || nameless > nameless_before(self.rows, row, &own)
    }

    /// A client whose address is told sends inbound mail, and what names no address is outbound.
    fn is_of_another_class(&self, row: &Recipient, event: &Event) -> bool {
        let is_told = |client: &String| {
            self.events.iter().any(|event| event.data.ip.as_ref() == Some(client))
        };
        event.data.ip.is_none()
            && event.data.from.is_none()
            && event.data.to.is_none()
            && row.client.as_ref().is_some_and(is_told)
    }

    fn events_for(&self, number: usize) -> impl Iterator<Item = &Event> {
        let own = self.messages.iter().zip(&self.owners);
        own.filter(move |(_, owner)| **owner == Some(number))
            .flat_map(|(message, _)| events_of(message, self.events))
    }
}

/// Events without a recipient, among those of its message, that stand for recipients before this
/// one. At RCPT there is one for each; elsewhere one for all.
pub(super) fn nameless_before(rows: &[Recipient], row: &Recipient, own: &[&Event]) -> usize {
    let is_at_rcpt = |row: &Recipient| row.stage.as_deref() == Some("RCPT");
    let is_named = |row: &Recipient| own.iter().any(|event| event.is_about(&row.address));
    if !is_at_rcpt(row) {
        return 0;
    }
    let before = rows.iter().take_while(|other| !std::ptr::eq(*other, row));
    before
        .filter(|other| other.message == row.message && is_at_rcpt(other) && !is_named(other))
        .count()
}

/// Can an event of this kind be the end of the recipient?
fn fits(row: &Recipient, event: &Event) -> bool {
    if row.is_discarded() { event.is_discard() } else { event.is_refusal() }
}

fn is_behind_rcpt(row: &Recipient) -> bool {
    matches!(row.stage.as_deref(), Some("DATA" | "BDAT" | "END-OF-MESSAGE"))
}

fn events_of<'a>(message: &'a Message, events: &'a [Event]) -> impl Iterator<Item = &'a Event> {
    message.events.iter().filter_map(|index| events.get(*index))
}

type Alike = fn(&Recipient, &Event) -> bool;

/// How a refusal can look like that of a recipient, surest first.
const LIKENESS: [Alike; 4] = [
    |row, event| event.is_about(&row.address) && has_sender(row, event) && has_code(row, event),
    |row, event| event.is_about(&row.address) && has_sender(row, event),
    |row, event| {
        let names_sender_only = event.data.to.is_none() && event.data.from.is_some();
        names_sender_only && has_sender(row, event) && has_code(row, event)
    },
    |row, event| {
        let names_nobody = event.data.to.is_none() && event.data.from.is_none();
        names_nobody && has_client(row, event) && (has_code(row, event) || is_greeting(row, event))
    },
];

fn has_sender(row: &Recipient, event: &Event) -> bool {
    match (&row.sender, &event.data.from) {
        (Some(sender), Some(from)) => same_address(sender, from),
        _ => true,
    }
}

fn has_code(row: &Recipient, event: &Event) -> bool {
    match (row.code, event.data.smtp_code) {
        (Some(code), Some(logged)) => code == logged,
        _ => true,
    }
}

/// A refused greeting is a 554 for the client, whatever reply the milter gave.
fn is_greeting(row: &Recipient, event: &Event) -> bool {
    row.stage.as_deref() == Some("CONNECT") && event.data.stage.as_deref() == Some("CONNECT")
}

/// Outbound events do not tell the client's address: then only a refusal before MAIL is alike.
fn has_client(row: &Recipient, event: &Event) -> bool {
    match (&row.client, &event.data.ip) {
        (Some(client), Some(ip)) => client == ip,
        (None, Some(_)) => false,
        (_, None) => matches!(row.stage.as_deref(), Some("CONNECT" | "HELO" | "EHLO" | "MAIL")),
    }
}
