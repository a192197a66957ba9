//! What one message hands on to another that our own MTA made of it.
//!
//! A content filter, a second instance or local(8) gives a message a new queue ID, possibly in
//! another queue of the same host. Which queue ID continues which story is the directory's.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    finding::FoundBefore,
    message::{Class, Message, Origin},
};
use crate::event::{Given, MessageUid};

/// Identity and origin of a story, as its later stages inherit them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// The first stage's uid.
    pub uid: MessageUid,
    /// Outbound or inbound, when decided.
    pub class: Option<Class>,
    /// Authenticated or local user.
    pub user: Option<SmolStr>,
    /// Came in through a submission service, or locally.
    pub submitted: bool,
    /// Verified name of the client.
    pub client_name: Option<SmolStr>,
    /// Address of the client.
    pub client_address: Option<SmolStr>,
    /// Subject header.
    pub subject: Option<SmolStr>,
    /// The stream that it belongs to. Of the story that a held message may belong to only the uid is
    /// asked, and nothing else is stored: the line that tells what it is brings the rest.
    #[serde(skip)]
    pub route: Option<SmolStr>,
    /// The service that took it in, where a route asks for that.
    #[serde(skip)]
    pub service: Option<Box<str>>,
    /// What the sender set for its own use. A restart forgets it as it does `route`.
    #[serde(skip)]
    pub given: Option<Box<Given>>,
    /// What the sender gave as ENVID. A restart forgets it, too.
    #[serde(skip)]
    pub envelope_id: Option<SmolStr>,
    /// What was found in it, and is told of it there. A restart forgets it, too.
    #[serde(skip)]
    pub(crate) found: Option<Box<FoundBefore>>,
}

/// What a message turned out to be, when another line told.
#[derive(Debug)]
pub(crate) enum Kin {
    /// Another stage of that story, and so is what else waits for it.
    Stage(Lineage),
    /// Another stage of that story. Other open messages have its Message-ID, so that what else waits
    /// may be theirs.
    OneStage(Lineage),
    /// A message of its own, which a before-queue filter passed on for that client.
    Client(Lineage),
    /// A message that a pipe(8) service filtered, and whose story goes on elsewhere.
    Filtered,
}

impl Kin {
    /// Makes `message` what it is.
    pub(crate) fn adopt(&self, message: &mut Message) {
        match self {
            Self::Stage(lineage) | Self::OneStage(lineage) => lineage.adopt(message),
            Self::Client(client) => client.speak_for(message),
            Self::Filtered => message.filtered_by_pipe = Some(true),
        }
    }
}

impl Lineage {
    /// What `message` hands on.
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            uid: message.uid,
            class: message.class,
            user: message.user.clone(),
            submitted: message.submitted || message.origin == Origin::Local,
            client_name: message.client_name.clone(),
            client_address: message.client_address.clone(),
            subject: message.subject.clone(),
            route: message.route.clone(),
            service: message.service.clone(),
            given: message.given.clone(),
            envelope_id: message.envelope_id.clone(),
            found: FoundBefore::of(message),
        }
    }

    /// Makes `child` another stage of this story: one uid, one class, no second announcement.
    pub(crate) fn adopt(&self, child: &mut Message) {
        child.origin = Origin::Child;
        child.uid = self.uid;
        child.class = self.class;
        child.route.clone_from(&self.route);
        child.found_before.clone_from(&self.found);
        self.speak_for(child);
        if child.subject.is_none() {
            child.subject.clone_from(&self.subject);
        }
        if child.given.is_none() {
            child.given.clone_from(&self.given);
        }
        if child.envelope_id.is_none() {
            child.envelope_id.clone_from(&self.envelope_id);
        }
    }

    /// The client of `message` is really this one.
    fn speak_for(&self, message: &mut Message) {
        message.user.clone_from(&self.user);
        message.submitted = self.submitted;
        message.service.clone_from(&self.service);
        message.client_name.clone_from(&self.client_name);
        message.client_address.clone_from(&self.client_address);
    }
}
