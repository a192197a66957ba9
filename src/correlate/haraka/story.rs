//! What is known of a connection, and of a transaction and all that becomes of it.

use mailherald_parsers::haraka::Counts;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    super::message::{Class, Deferral, KeptLine},
    table::Story,
};
use crate::event::{MessageUid, text};

/// A client's connection, up to its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Connection {
    /// Log time of its latest line, microseconds.
    pub seen_us: i64,
    /// Address of the client; of its proxy until that has said whose it is.
    pub ip: Option<SmolStr>,
    /// Who authenticated, where a plugin logs it.
    pub user: Option<SmolStr>,
    /// The last verdict of a plugin against the client.
    pub objection: Option<Objection>,
    /// Verdicts of plugins are logged: the level is `INFO` at least.
    pub has_hooks: bool,
    /// Transactions that may have something left to tell at the end.
    pub open: Vec<u32>,
    /// Recipients that were accepted in transactions whose content was judged.
    pub accepted: u32,
    /// What was refused outside of any transaction.
    pub refusals: Vec<Refusal>,
    /// Since then something waits for the end.
    pub waits_until_us: Option<i64>,
    /// It began before its source: only what comes is told.
    pub is_past: bool,
}

/// A transaction: a message with its recipients, from `MAIL FROM` until each has its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub struct Transaction {
    /// Identity of the message.
    pub uid: MessageUid,
    /// Log time of its latest line, microseconds.
    pub seen_us: i64,
    /// Its beginning was in the log.
    pub is_begun: bool,
    /// Outbound or inbound, once decided.
    pub class: Option<Class>,
    /// Whether the client could send anywhere, once known.
    pub is_relayed: Option<bool>,
    /// Envelope sender; empty for the null reverse-path.
    pub sender: Option<SmolStr>,
    /// Message-ID header.
    pub message_id: Option<SmolStr>,
    /// Subject header, where somebody tells it.
    pub subject: Option<SmolStr>,
    /// Who authenticated.
    pub user: Option<SmolStr>,
    /// Address of the client.
    pub ip: Option<SmolStr>,
    /// Verified name of the client.
    pub client_name: Option<SmolStr>,
    /// What it greeted with.
    pub helo: Option<SmolStr>,
    /// Bytes.
    pub size: Option<u64>,
    /// The stream that it belongs to, once known.
    pub route: Option<SmolStr>,
    /// Recipients in the order of their acceptance.
    pub recipients: Vec<Recipient>,
    /// A plugin just vouched for the recipient that is answered next.
    pub is_vouched: bool,
    /// Lines that say `OK` to a recipient; fewer may have been accepted.
    pub answered_ok: u32,
    /// What became of the recipients, by the line that judged the content.
    pub counts: Option<[u32; 3]>,
    /// It is known which recipients were accepted.
    pub is_settled: bool,
    /// The last verdict of a plugin against it.
    pub objection: Option<Objection>,
    /// What a filter has against it.
    pub findings: Findings,
    /// What was refused and is not told yet, because the end of the connection tells more.
    pub refusals: Vec<Refusal>,
    /// The content was judged, or refused before.
    pub is_judged: bool,
    /// Where it was handed to.
    pub handover: Option<Handover>,
    /// The line that queued it.
    pub queued: Option<Queued>,
    /// Items that were made of it.
    pub items: Vec<Item>,
    /// Each recipient has an item of its own.
    pub is_split: bool,
    /// Until then something waits for a line that tells more.
    pub waits_until_us: Option<i64>,
    /// Its connection has ended.
    pub is_over: bool,
    /// Some of its text was not UTF-8.
    pub is_lossy: bool,
}

/// A recipient, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// The address.
    pub address: SmolStr,
    /// A plugin said that it is ours.
    pub is_vouched: bool,
    /// The client was refused after all.
    pub is_denied: bool,
    /// The line that answered `OK`, until it is known whether that was true.
    pub line: Option<Box<KeptLine>>,
    /// Its `queued` or `received` was told.
    pub is_announced: bool,
    /// Its end was told.
    pub is_done: bool,
    /// The item that it is in, where only a line of that names it.
    pub item: Option<u32>,
    /// Attempts that failed for now.
    pub deferrals: u32,
    /// The last deferral.
    pub last_deferral: Option<Box<Deferral>>,
    /// A server's answer in the attempt under way.
    pub answer: Option<Box<Answer>>,
}

/// A server's answer for a recipient, before the attempt has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The item.
    pub item: u32,
    /// The reply.
    pub reply: SmolStr,
    /// Refused for good.
    pub is_final: bool,
    /// It may be about another recipient of the item.
    pub is_doubtful: bool,
    /// The line.
    pub line: KeptLine,
}

/// An item of the queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Item {
    /// Its number.
    pub number: u32,
    /// Where it goes.
    pub domain: Option<SmolStr>,
    /// Why a server could not be reached in the attempt under way.
    pub cause: Option<SmolStr>,
}

/// How a message went on behind the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handover {
    /// Into Haraka's own queue: lines of it follow.
    Queued,
    /// To another server, while the client waited.
    Forwarded,
    /// It was thrown away.
    Dropped,
}

/// The line that queued a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// The line.
    pub line: KeptLine,
    /// What the client was told.
    pub reply: SmolStr,
}

/// A verdict of a plugin, which another one may override.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objection {
    /// Where.
    pub stage: Stage,
    /// Whose.
    pub plugin: SmolStr,
    /// Its words.
    pub text: SmolStr,
    /// For now.
    pub is_temporary: bool,
    /// The line.
    pub line: KeptLine,
}

/// Where in the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "commands of SMTP")]
pub enum Stage {
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    Content,
}

impl Stage {
    /// As the events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Helo => "EHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Content => "END-OF-MESSAGE",
        }
    }

    /// The code of the reply there, if nobody gave another (`connection.js`).
    #[must_use]
    pub fn code(self, is_temporary: bool) -> u16 {
        match (self, is_temporary) {
            (Self::Connect | Self::Data, false) => 554,
            (_, false) => 550,
            (Self::Connect, true) => 421,
            (Self::Data, true) => 451,
            (_, true) => 450,
        }
    }
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where.
    pub stage: Stage,
    /// The recipient; none when all are meant.
    pub recipient: Option<SmolStr>,
    /// Reply code.
    pub code: u16,
    /// The words of the reply.
    pub text: SmolStr,
    /// The plugin behind it.
    pub plugin: Option<SmolStr>,
    /// A filter's verdict.
    pub finding: Option<Finding>,
    /// How many alike came before.
    pub occurrence: u32,
    /// The line.
    pub line: KeptLine,
}

/// What filters found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Spam.
    pub spam: Option<Finding>,
    /// A virus.
    pub virus: Option<Finding>,
}

/// What a filter found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A virus, and not spam.
    pub is_virus: bool,
    /// The filter.
    pub engine: SmolStr,
    /// Its score.
    pub score: Option<f64>,
    /// Rules that matched, or the name of the virus.
    pub rules: Option<SmolStr>,
}

impl Story for Connection {
    fn seen_us(&self) -> i64 {
        self.seen_us
    }
}

impl Story for Transaction {
    fn seen_us(&self) -> i64 {
        self.seen_us
    }
}

impl Transaction {
    /// Notes what became of the recipients.
    pub(crate) fn set_counts(&mut self, counts: Counts) {
        self.counts = Some([counts.accepted, counts.deferred, counts.refused]);
    }

    /// Recipients that were accepted.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = (usize, &Recipient)> {
        self.recipients.iter().enumerate().filter(|(_, recipient)| !recipient.is_denied)
    }

    /// How many recipients the message has.
    pub(crate) fn nrcpt(&self) -> Option<u32> {
        self.is_begun.then(|| u32::try_from(self.accepted().count()).unwrap_or(u32::MAX))
    }

    /// Nothing is left to be told.
    pub(crate) fn is_finished(&self) -> bool {
        let is_done = self.accepted().all(|(_, recipient)| recipient.is_done);
        let is_ended = match self.queued {
            Some(_) => is_done && self.is_settled,
            None => !self.is_begun && is_done && !self.recipients.is_empty(),
        };
        self.refusals.is_empty()
            && (is_ended || (self.is_over && self.queued.is_none() && self.items.is_empty()))
    }

    /// The item of that number, made if there is none.
    pub(crate) fn item_mut(&mut self, number: u32) -> Option<&mut Item> {
        if !self.items.iter().any(|item| item.number == number) {
            self.items.push(Item { number, ..Item::default() });
        }
        self.items.iter_mut().find(|item| item.number == number)
    }

    /// The accepted recipients of an item, done or not: those of the K-th domain, or the K-th.
    pub(crate) fn members(&self, number: u32) -> Vec<usize> {
        let place = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        if !self.is_begun {
            let own = self.accepted().filter(|(_, recipient)| recipient.item == Some(number));
            return own.map(|(index, _)| index).collect();
        }
        if self.is_split {
            return self.accepted().nth(place).map(|(index, _)| index).into_iter().collect();
        }
        let Some(domain) = self.domain_of_item(number, place) else { return Vec::new() };
        let is_there =
            |recipient: &Recipient| text::domain(&recipient.address).unwrap_or_default() == domain;
        self.accepted().filter(|(_, it)| is_there(it)).map(|(index, _)| index).collect()
    }

    /// Domains in the order of their first recipients.
    pub(crate) fn domains(&self) -> Vec<SmolStr> {
        let mut domains: Vec<SmolStr> = Vec::new();
        for (_, recipient) in self.accepted() {
            let domain = text::domain(&recipient.address).unwrap_or_default();
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }

    /// The domain that a line named, if a recipient has it; domains that are no ASCII are logged in
    /// another form, and their place tells.
    fn domain_of_item(&self, number: u32, place: usize) -> Option<SmolStr> {
        let named = self.items.iter().find(|item| item.number == number);
        let named = named.and_then(|item| item.domain.as_ref());
        let has = |domain: &SmolStr| {
            self.accepted().any(|(_, it)| text::domain(&it.address).as_ref() == Some(domain))
        };
        let known = named.filter(|domain| has(domain)).cloned();
        known.or_else(|| self.domains().get(place).cloned())
    }

    /// Members of an item that have no end yet.
    pub(crate) fn pending(&self, number: u32) -> Vec<usize> {
        let mut members = self.members(number);
        members.retain(|index| self.recipients.get(*index).is_some_and(|it| !it.is_done));
        members
    }

    /// The accepted recipient of that address.
    pub(crate) fn find(&self, address: &str) -> Option<usize> {
        let by = |is_it: &dyn Fn(&str) -> bool| {
            self.accepted().find(|(_, it)| is_it(&it.address)).map(|(index, _)| index)
        };
        by(&|it| it == address).or_else(|| by(&|it| it.eq_ignore_ascii_case(address)))
    }
}
