//! What is known about one message: where it came from and what became of each recipient.

use mailherald_parsers::{Parser, postfix::Peer};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    direction::is_loopback,
    emit::bounded,
    few::Few,
    finding::{Finding, FoundBefore},
    hold::Held,
};
use crate::{
    event::{Given, MessageUid, Service, TimeQuality},
    parse::Line,
};

/// One message in a queue, from its first line to its end.
///
/// It is moved with every line of it, so what few messages have is boxed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub struct Message {
    /// Identity across queue IDs.
    pub uid: MessageUid,
    /// Log time of its latest line, microseconds.
    pub seen_us: i64,
    /// How it came into the queue.
    pub origin: Origin,
    /// Outbound or inbound, once decided.
    pub class: Option<Class>,
    /// Envelope sender; empty for the null reverse-path.
    pub sender: Option<SmolStr>,
    /// Message-ID header.
    pub message_id: Option<SmolStr>,
    /// Authenticated or local user.
    pub user: Option<SmolStr>,
    /// Verified name of the client.
    pub client_name: Option<SmolStr>,
    /// Address of the client.
    pub client_address: Option<SmolStr>,
    /// Came in through a submission service.
    pub submitted: bool,
    /// Bytes.
    pub size: Option<u64>,
    /// Recipients in the queue file.
    pub nrcpt: Option<u32>,
    /// The line that put it into the active queue for the first time. Empty when that was before its
    /// source began: it tells nothing then.
    pub queue_line: Option<KeptLine>,
    /// Original recipients whose `queued` event was given.
    pub announced: Few<SmolStr, ()>,
    /// By (recipient, original recipient).
    pub recipients: Few<(SmolStr, Option<SmolStr>), Recipient>,
    /// Subject header, undecoded.
    pub subject: Option<SmolStr>,
    /// The recipient that a content check named last, which may not be the only one.
    pub last_recipient: Option<SmolStr>,
    /// What a filter has against it.
    pub finding: Option<Box<Finding>>,
    /// A milter had it kept for a person to decide.
    pub on_hold: bool,
    /// Its lines wait: it may be a stage of another story.
    pub held: Option<Box<Held>>,
    /// A pipe(8) service took it only to filter it. None until that is known, or until it has waited
    /// in vain for the next stage that an answer of this machine named.
    pub filtered_by_pipe: Option<bool>,
    /// Held local submissions that may be what the pipe made of it.
    pub resubmitted: Vec<SmolStr>,
    /// Some of its text was not UTF-8.
    pub lossy: bool,
    /// It left the queue.
    pub closed: bool,
    // Since the second stored form (`writer::live`):
    /// The service of the MTA that took it in, where a route asks for that.
    pub service: Option<Box<str>>,
    /// The stream that it belongs to, once known.
    pub route: Option<SmolStr>,
    // Since the third:
    /// What the client called itself.
    pub helo: Option<SmolStr>,
    /// What the sender set for its own use.
    pub given: Option<Box<Given>>,
    // Since the fourth:
    /// What the sender gave as ENVID.
    pub envelope_id: Option<SmolStr>,
    /// A program on this host handed it over, whoever its client is. A restart forgets it: its next line
    /// asks, and the answer of a message whose beginning is missing, which takes it for known then.
    #[serde(skip)]
    pub(crate) over_loopback: bool,
    /// What was found in it before it went through a filter. A restart forgets it.
    #[serde(skip)]
    pub(crate) found_before: Option<Box<FoundBefore>>,
    /// How the directory knows its Message-ID, if it does.
    #[serde(skip)]
    pub(crate) noted_as: Option<u64>,
    /// It is on the list of changed messages.
    #[serde(skip)]
    pub(crate) changed: bool,
    /// The store has it, as it is or was; the writer's business.
    #[serde(skip)]
    pub is_stored: bool,
}

/// How a message came into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Origin {
    /// Its beginning was not in the log, or has not been yet.
    #[default]
    Unknown,
    /// From an SMTP client.
    Network,
    /// From a local user, through pickup.
    Local,
    /// Made of another message by our own MTA: forwarded, requeued, filtered.
    Child,
    /// Made by our own MTA for itself: DSN, probe, notice. Gives no events.
    Internal,
}

impl Origin {
    /// It came from outside the mail system.
    #[must_use]
    pub fn is_from_outside(self) -> bool {
        matches!(self, Self::Network | Self::Local)
    }
}

/// Stored form of [`Service`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// From us to the world.
    Outbound,
    /// From the world to us.
    Inbound,
}

impl From<Class> for Service {
    fn from(class: Class) -> Self {
        match class {
            Class::Outbound => Self::Outbound,
            Class::Inbound => Self::Inbound,
        }
    }
}

/// What became of one recipient so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// Attempts that failed for now.
    pub deferrals: u32,
    /// Its final event was given, or it lives on in another message.
    pub done: bool,
    /// The last deferral: why, should Postfix give up. Few have one, and all have room for it.
    pub last_deferral: Option<Box<Deferral>>,
}

/// An attempt that failed for now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deferral {
    /// What the server said.
    pub response: SmolStr,
    /// Reply code.
    pub smtp_code: Option<u16>,
    /// Enhanced status code.
    pub dsn: SmolStr,
    /// SMTP stage.
    pub stage: Option<SmolStr>,
    /// Name of the server.
    pub mx: Option<SmolStr>,
    /// Address of the server.
    pub host: Option<SmolStr>,
    /// Port of the server.
    pub port: Option<u16>,
}

/// A line that is needed again: events of later lines take their identity from it, or it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLine {
    /// The line, without its end.
    pub bytes: Vec<u8>,
    /// Identical lines before it.
    pub occurrence: u64,
    /// When it was logged, microseconds.
    pub at_us: i64,
    /// How exact that is.
    pub quality: TimeQuality,
}

impl KeptLine {
    /// Reads the line again.
    pub(crate) fn read(&self, act: impl FnOnce(&Line<'_>)) {
        let mut parser = Parser::new();
        let record = parser.parse(&self.bytes);
        act(&Line {
            bytes: &self.bytes,
            occurrence: self.occurrence,
            at_us: self.at_us,
            quality: self.quality,
            // Time has gone on since.
            latest_us: i64::MIN,
            // Not kept: a line that is not whole is the last of its log, and hardly ever one that waits.
            partial: false,
            offset: 0,
            record: &record,
        });
    }
}

impl Message {
    /// Notes who the client is.
    pub(crate) fn note_peer(&mut self, peer: Peer<'_>) {
        self.client_name = Some(bounded(peer.name, &mut self.lossy));
        self.client_address = match peer.address {
            b"unknown" | b"" => None,
            address => Some(bounded(address, &mut self.lossy)),
        };
    }

    /// Notes the envelope sender of a line that may be the only one to name it.
    pub(crate) fn note_sender(&mut self, sender: Option<&[u8]>) {
        if let Some(sender) = sender.filter(|_| self.sender.is_none()) {
            self.sender = Some(bounded(sender, &mut self.lossy));
        }
    }

    /// A program on this host handed it over, as far as that is known.
    pub(crate) fn is_of_loopback(&self) -> bool {
        self.over_loopback || self.has_local_client()
    }

    /// Its client, as far as a program that handed it over told who that was, is on this host.
    pub(crate) fn has_local_client(&self) -> bool {
        let address = self.client_address.as_ref();
        address.is_some_and(|address| is_loopback(address.as_bytes()))
    }

    /// Is it known after a restart, too? What was made of another message is even when it has ended: the
    /// answer that names it may still come.
    pub(crate) fn is_remembered(&self) -> bool {
        !self.closed || self.origin == Origin::Child
    }

    /// Its beginning was not in the log.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.origin == Origin::Unknown
    }

    /// The line that put it into the active queue, if it may tell of it.
    pub(crate) fn telling_queue_line(&self) -> Option<&KeptLine> {
        self.queue_line.as_ref().filter(|line| !line.bytes.is_empty())
    }

    /// Its lines wait.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Recipients that wait for another attempt.
    pub fn pending(&self) -> impl Iterator<Item = &(SmolStr, Option<SmolStr>)> {
        self.recipients.iter().filter(|(_, recipient)| !recipient.done).map(|(key, _)| key)
    }
}
