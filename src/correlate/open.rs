//! Messages that are open: what is known of them before all events are there.

use smol_str::SmolStr;

use super::{Correlator, directory::message_key, haraka::Name, message::Message, system::System};
use crate::event::MessageUid;

/// Messages looked at for one that is not asked for by its queue ID.
const LOOKED_AT: usize = 100_000;
/// Messages told of at most.
const TOLD: usize = 16;
/// Recipients told of each at most.
const RECIPIENTS: usize = 100;

/// Which messages are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Those of that queue ID.
    QueueId(String),
    /// Those with that Message-ID.
    MessageId(String),
    /// The one with that uid, at each of its queue IDs.
    Uid(MessageUid),
}

/// A message that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Identity across queue IDs.
    pub uid: MessageUid,
    /// Host in whose log it is.
    pub host: String,
    /// Instance of the mail server there; empty for the main one, and for Haraka.
    pub instance: String,
    /// What the log calls it now.
    pub queue_id: String,
    /// Message-ID header.
    pub message_id: Option<SmolStr>,
    /// Envelope sender.
    pub sender: Option<SmolStr>,
    /// Time of its latest line, microseconds.
    pub seen_us: i64,
    /// Recipients, and whether each has come to its end.
    pub recipients: Vec<(SmolStr, bool)>,
    /// Recipients that the queue file has, if that was logged.
    pub nrcpt: Option<u32>,
    /// Its lines wait: it may be a stage of another message.
    pub is_held: bool,
    /// Somebody has to decide about it.
    pub is_on_hold: bool,
}

impl Correlator {
    /// The open messages that are asked for, a few at most. A message that is not asked for by queue
    /// ID may not be found among very many.
    #[must_use]
    pub fn open(&self, sought: &Sought) -> Vec<Open> {
        let mut found: Vec<Open> = match sought {
            Sought::QueueId(queue_id) => {
                let of = |system: &System| {
                    let message = system.messages.get(queue_id).filter(|it| !it.closed)?;
                    Some(open(system, queue_id, message))
                };
                self.systems.iter().filter_map(of).collect()
            }
            Sought::MessageId(message_id) => {
                let key = message_key(message_id.as_bytes());
                let is = |known: &SmolStr| message_key(known.as_bytes()) == key;
                self.all_open(|message| message.message_id.as_ref().is_some_and(is))
            }
            Sought::Uid(uid) => self.all_open(|message| message.uid == *uid),
        };
        found.extend(self.open_of_haraka(sought));
        found.truncate(TOLD);
        found
    }

    fn all_open(&self, is_sought: impl Fn(&Message) -> bool) -> Vec<Open> {
        let all = self.systems.iter().flat_map(|system| {
            system.messages.iter().map(move |(queue_id, message)| (system, queue_id, message))
        });
        all.take(LOOKED_AT)
            .filter(|(_, _, message)| !message.closed && is_sought(message))
            .map(|(system, queue_id, message)| open(system, queue_id, message))
            .take(TOLD)
            .collect()
    }

    fn open_of_haraka(&self, sought: &Sought) -> Option<Open> {
        let Sought::QueueId(text) = sought else { return None };
        let name = Name::parse(text).filter(|name| name.is_transaction())?;
        let transaction = self.haraka.open(name)?;
        let recipients = transaction.recipients.iter().take(RECIPIENTS);
        Some(Open {
            uid: transaction.uid,
            host: String::new(),
            instance: String::new(),
            queue_id: text.clone(),
            message_id: transaction.message_id.clone(),
            sender: transaction.sender.clone(),
            seen_us: transaction.seen_us,
            recipients: recipients.map(|it| (it.address.clone(), false)).collect(),
            nrcpt: None,
            is_held: false,
            is_on_hold: false,
        })
    }
}

fn open(system: &System, queue_id: &str, message: &Message) -> Open {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let recipients = message.recipients.iter().take(RECIPIENTS);
    Open {
        uid: message.uid,
        host: text(&system.host),
        instance: text(&system.instance),
        queue_id: queue_id.to_owned(),
        message_id: message.message_id.clone(),
        sender: message.sender.clone(),
        seen_us: message.seen_us,
        recipients: recipients.map(|((to, _), state)| (to.clone(), state.done)).collect(),
        nrcpt: message.nrcpt,
        is_held: message.is_held(),
        is_on_hold: message.on_hold,
    }
}
