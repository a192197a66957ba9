//! What one message hands on to another that our own MTA made of it.
//!
//! A content filter, a second instance or local(8) gives a message a new queue ID, possibly in
//! another queue of the same host. The `Directory` knows, by host and Message-ID, the messages
//! that came from outside and are still open, so that the new ID can be recognised as a stage of
//! an old story.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::message::{Class, Message, Origin};
use crate::event::MessageUid;

/// Identity and origin of a story, as its later stages inherit them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// The first stage's uid.
    pub uid: MessageUid,
    /// Outbound or inbound, when decided.
    pub class: Option<Class>,
    /// Authenticated or local user.
    pub user: Option<String>,
    /// Came in through a submission service, or locally.
    pub submitted: bool,
    /// Verified name of the client.
    pub client_name: Option<String>,
    /// Address of the client.
    pub client_address: Option<String>,
    /// Subject header.
    pub subject: Option<String>,
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
        }
    }

    /// Makes `child` another stage of this story: one uid, one class, no second announcement.
    pub(crate) fn adopt(&self, child: &mut Message) {
        child.origin = Origin::Child;
        child.uid = self.uid;
        child.class = self.class;
        child.user.clone_from(&self.user);
        child.submitted = self.submitted;
        child.client_name.clone_from(&self.client_name);
        child.client_address.clone_from(&self.client_address);
        if child.subject.is_none() {
            child.subject.clone_from(&self.subject);
        }
    }
}

/// Open messages that came from outside, by host and Message-ID, and the stages they go through.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_message_id: HashMap<Place, Entry>,
    /// Uid of the story that a queue ID of a host continues, or may continue.
    stages: HashMap<Place, MessageUid>,
}

/// A host, and a Message-ID or queue ID on it.
type Place = (Box<[u8]>, Box<str>);

#[derive(Debug)]
struct Entry {
    instance: Box<[u8]>,
    queue_id: Box<str>,
    lineage: Lineage,
}

impl Directory {
    /// Notes (anew) what `message` would hand on.
    pub(crate) fn note(&mut self, host: &[u8], instance: &[u8], queue_id: &str, message: &Message) {
        let Some(message_id) = &message.message_id else { return };
        if !message.origin.is_from_outside() || message.is_held() {
            return;
        }
        let entry = Entry {
            instance: instance.into(),
            queue_id: queue_id.into(),
            lineage: Lineage::of(message),
        };
        self.by_message_id.insert((host.into(), message_id.as_str().into()), entry);
    }

    /// The story that another message of that host and Message-ID tells.
    pub(crate) fn story(
        &self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message_id: &str,
    ) -> Option<&Lineage> {
        let entry = self.by_message_id.get(&(host.into(), message_id.into()))?;
        let is_itself = *entry.instance == *instance && *entry.queue_id == *queue_id;
        (!is_itself).then_some(&entry.lineage)
    }

    /// Notes that a queue ID continues, or may continue, the story with that uid.
    pub(crate) fn note_stage(&mut self, host: &[u8], queue_id: &str, uid: MessageUid) {
        self.stages.insert((host.into(), queue_id.into()), uid);
    }

    /// Is that queue ID known as a possible stage of that story?
    pub(crate) fn is_stage(&self, host: &[u8], queue_id: &str, uid: MessageUid) -> bool {
        self.stages.get(&(host.into(), queue_id.into())) == Some(&uid)
    }

    /// Forgets a message that ended.
    pub(crate) fn forget(
        &mut self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message: &Message,
    ) {
        self.stages.remove(&(host.into(), queue_id.into()));
        let Some(message_id) = &message.message_id else { return };
        let key = (host.into(), message_id.as_str().into());
        let is_it = |entry: &Entry| *entry.instance == *instance && *entry.queue_id == *queue_id;
        if self.by_message_id.get(&key).is_some_and(is_it) {
            self.by_message_id.remove(&key);
        }
    }
}
