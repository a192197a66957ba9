//! One line on its way into the stories, and the events that it gives.
//!
//! An event's identity is the fact and not the line: `C.N.K`, what happened, to whom. So the same
//! fact is the same event in whichever layout it was logged, with a stamp or without.

use std::fmt::Display;

use mailherald_parsers::{
    haraka::Text,
    status::{Dsn, reply_codes},
};
use smol_str::SmolStr;

use super::{
    super::{
        direction::Direction,
        emit::{dsn_text, set_recipient},
        message::{Class, KeptLine},
    },
    Name,
    story::Transaction,
};
use crate::{
    event::{Event, EventData, EventType, Identities, route::Traits, text},
    limits,
    parse::Line,
};

/// Whose facts these are: names Haraka where a route asks for an instance, and in the identities.
const INSTANCE: &[u8] = b"haraka";

/// Makes events.
#[derive(Debug)]
pub(crate) struct Teller {
    identities: Identities,
    /// Events carry the line that gave them.
    pub(crate) evidence: bool,
}

impl Default for Teller {
    fn default() -> Self {
        // No host: a UUID is unique everywhere.
        Self { identities: Identities::of_system(b"", INSTANCE), evidence: false }
    }
}

/// What a step has at hand beside the story.
pub(crate) struct Scene<'a> {
    pub(crate) teller: &'a Teller,
    pub(crate) direction: &'a Direction,
    pub(crate) events: &'a mut Vec<Event>,
}

/// What makes an event one of its kind.
pub(crate) struct Fact<'a> {
    /// What it is about and what happened: `C.N.1 deferred …`.
    pub(crate) what: &'a dyn Display,
    pub(crate) occurrence: u32,
    pub(crate) line: &'a KeptLine,
}

impl Teller {
    /// Identity of the message of a transaction, or of a client that never got so far.
    pub(crate) fn uid(&self, name: Name) -> crate::event::MessageUid {
        self.identities.message(&[name.to_string().as_bytes()])
    }

    /// The line as far as later events need it.
    pub(crate) fn keep(&self, line: &Line<'_>) -> KeptLine {
        let Line { bytes, at_us, quality, .. } = *line;
        let bytes = if self.evidence { bytes.to_vec() } else { Vec::new() };
        KeptLine { bytes, occurrence: 0, at_us, quality }
    }
}

impl Scene<'_> {
    /// Gives an event about `to`, which is empty when no recipient is known.
    pub(crate) fn tell(
        &mut self,
        fact: &Fact<'_>,
        kind: EventType,
        to: &SmolStr,
        mut data: Box<EventData>,
    ) {
        if !to.is_empty() {
            set_recipient(&mut data, to, None);
        }
        let id = self.teller.identities.event(&[
            fact.what.to_string().as_bytes(),
            &fact.occurrence.to_be_bytes(),
            kind.name().as_bytes(),
            to.as_bytes(),
        ]);
        let KeptLine { bytes, at_us, quality, .. } = fact.line;
        if self.teller.evidence && !bytes.is_empty() {
            data.evidence = Some(text::bounded(bytes, limits::RESPONSE_BYTES).value);
        }
        self.events.push(Event { id, kind, at_us: *at_us, time_quality: *quality, data });
    }

    /// The class of a message; decided now if it was not before, and then kept (events.md §4).
    pub(crate) fn class(&self, story: &mut Transaction, is_lmtp: bool) -> Class {
        let class = story.class.unwrap_or_else(|| self.decide(story, is_lmtp));
        story.class = Some(class);
        if story.route.is_none() {
            story.route = self.route(story.user.as_deref(), story.sender.as_deref());
        }
        class
    }

    fn decide(&self, story: &Transaction, is_lmtp: bool) -> Class {
        if story.is_relayed == Some(true) || story.user.is_some() {
            return Class::Outbound;
        }
        match &story.ip {
            Some(ip) => self.direction.class_of_client(ip),
            None if story.is_relayed == Some(false) || is_lmtp => Class::Inbound,
            None => {
                let is_ours = |to: &SmolStr| self.is_local(to);
                let is_inbound = story.accepted().any(|(_, it)| is_ours(&it.address))
                    || story.items.iter().any(|item| {
                        item.domain.as_ref().is_some_and(|domain| self.is_local_domain(domain))
                    });
                if is_inbound { Class::Inbound } else { Class::Outbound }
            }
        }
    }

    /// Is the recipient's mailbox here, as far as the configuration says?
    pub(crate) fn is_local(&self, address: &str) -> bool {
        text::domain(address).is_some_and(|domain| self.is_local_domain(&domain))
    }

    fn is_local_domain(&self, domain: &str) -> bool {
        self.direction.local_domains.iter().any(|local| local == domain)
    }

    fn route(&self, user: Option<&str>, sender: Option<&str>) -> Option<SmolStr> {
        let traits = Traits { user, instance: INSTANCE, sender, ..Traits::default() };
        let mut routes = self.direction.routes.iter();
        routes.find(|route| route.leads(traits)).map(|route| (*route.name).into())
    }
}

/// What every event of a message carries.
pub(crate) fn message_data(name: Name, story: &Transaction, class: Class) -> Box<EventData> {
    let mut data = Box::new(EventData {
        uid: story.uid,
        queue_id: Some(name.to_string().into()),
        message_id: story.message_id.clone(),
        subject: story.subject.clone(),
        from: story.sender.clone(),
        user: story.user.clone(),
        size: story.size,
        lossy: story.is_lossy,
        incomplete: !story.is_begun,
        route: story.route.clone(),
        given: story.given.clone(),
        ..EventData::default()
    });
    match class {
        Class::Outbound => data.client_name.clone_from(&story.client_name),
        Class::Inbound => {
            data.host.clone_from(&story.client_name);
            data.ip.clone_from(&story.ip);
        }
    }
    data
}

/// Text for a field; notes when it had to be repaired.
pub(crate) fn field(text: Text<'_>, is_lossy: &mut bool) -> SmolStr {
    super::super::emit::bounded(&text.bytes(), is_lossy)
}

/// As [`field`]; none when it is empty.
pub(crate) fn known(text: Text<'_>, is_lossy: &mut bool) -> Option<SmolStr> {
    Some(field(text, is_lossy)).filter(|text| !text.is_empty())
}

/// What a server or we said.
pub(crate) fn words(text: Text<'_>, is_lossy: &mut bool) -> SmolStr {
    let words = text::bounded(&text.bytes(), limits::RESPONSE_BYTES);
    *is_lossy |= words.lossy;
    words.value
}

/// A reply, and the codes at its head.
pub(crate) fn set_reply(data: &mut EventData, reply: &SmolStr) -> Option<Dsn> {
    let codes = reply_codes(reply.as_bytes());
    data.response = Some(reply.clone());
    data.smtp_code = codes.code;
    data.dsn = codes.dsn.map(dsn_text);
    let class = codes.code.and_then(|code| u8::try_from(code / 100).ok());
    codes.dsn.or(class.map(|class| Dsn { class, subject: 0, detail: 0 }))
}
