//! What one message hands on to another that our own MTA made of it.
//!
//! A content filter, a second instance or local(8) gives a message a new queue ID, possibly in
//! another queue of the same host. The `Directory` knows, by host and Message-ID, the messages
//! that came from outside and are still open, so that the new ID can be recognised as a stage of
//! an old story.

use std::collections::hash_map::Entry::Occupied;

use serde::{Deserialize, Serialize};

use super::{
    message::{Class, Message, Origin},
    system::Map,
};
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
    /// The stream that it belongs to. A restart forgets this and the next of a message that is held
    /// just then.
    #[serde(skip)]
    pub route: Option<String>,
    /// The service that took it in, where a route asks for that.
    #[serde(skip)]
    pub service: Option<Box<str>>,
}

/// What a message turned out to be, when another line told.
#[derive(Debug)]
pub(crate) enum Kin {
    /// Another stage of that story.
    Stage(Lineage),
    /// A message of its own, which a before-queue filter passed on for that client.
    Client(Lineage),
    /// A message that a pipe(8) service filtered, and whose story goes on elsewhere.
    Filtered,
}

impl Kin {
    /// Makes `message` what it is.
    pub(crate) fn adopt(&self, message: &mut Message) {
        match self {
            Self::Stage(lineage) => lineage.adopt(message),
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
        }
    }

    /// Makes `child` another stage of this story: one uid, one class, no second announcement.
    pub(crate) fn adopt(&self, child: &mut Message) {
        child.origin = Origin::Child;
        child.uid = self.uid;
        child.class = self.class;
        child.route.clone_from(&self.route);
        self.speak_for(child);
        if child.subject.is_none() {
            child.subject.clone_from(&self.subject);
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

/// Bytes of a Message-ID that tell it from others.
const KEY_BYTES: usize = 512;

/// One form of a Message-ID for all programs that log it: spamd keeps what stands in brackets,
/// rspamd leaves the brackets out, and both write `?` for each byte that is not printable ASCII.
pub(crate) fn message_key(message_id: &[u8]) -> Box<str> {
    let inner = message_id.splitn(2, |byte| *byte == b'<').nth(1);
    let inner = inner.and_then(|inner| inner.split(|byte| *byte == b'>').next());
    let plain = |byte: &u8| match byte {
        b'!'..=b'~' if !matches!(byte, b'<' | b'>') => char::from(*byte),
        _ => '?',
    };
    inner.unwrap_or(message_id.trim_ascii()).iter().take(KEY_BYTES).map(plain).collect()
}

/// Open messages that came from outside, by host and Message-ID, and the stages they go through.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    name: Box<[u8]>,
    /// Instances that took mail from outside.
    instances: Vec<Box<[u8]>>,
    by_message_id: Map<Entry>,
    /// Instance and queue ID of what the MTA itself wrote, by Message-ID.
    own: Map<(Box<[u8]>, Box<str>)>,
    /// Uid of the story that a queue ID continues, or may continue.
    stages: Map<MessageUid>,
}

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
        let may_be_another = message.held.as_ref().is_some_and(|held| !held.for_pickup);
        if !message.origin.is_from_outside() || may_be_another {
            return;
        }
        let entry = Entry {
            instance: instance.into(),
            queue_id: queue_id.into(),
            lineage: Lineage::of(message),
        };
        let key = message_key(message_id.as_bytes());
        let host = self.host_mut(host);
        if !host.instances.iter().any(|known| **known == *instance) {
            host.instances.push(instance.into());
        }
        host.by_message_id.insert(key, entry);
    }

    /// Does another instance on that host take mail, too?
    pub(crate) fn has_another(&self, host: &[u8], instance: &[u8]) -> bool {
        let host = self.host(host);
        host.is_some_and(|host| host.instances.iter().any(|known| **known != *instance))
    }

    /// Notes what an instance of the MTA wrote for itself: it may hand it to another one.
    pub(crate) fn note_own(
        &mut self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message: &Message,
    ) {
        let message_id = message.message_id.as_ref();
        if let Some(message_id) = message_id.filter(|_| message.origin == Origin::Internal) {
            let key = message_key(message_id.as_bytes());
            self.host_mut(host).own.insert(key, (instance.into(), queue_id.into()));
        }
    }

    /// Did an instance on that host write the message with that Message-ID itself?
    pub(crate) fn is_own(&self, host: &[u8], message_id: &str) -> bool {
        let key = message_key(message_id.as_bytes());
        self.host(host).is_some_and(|host| host.own.contains_key(&key))
    }

    /// The story that another message of that host and Message-ID tells.
    pub(crate) fn story(
        &self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message_id: &str,
    ) -> Option<&Lineage> {
        let key = message_key(message_id.as_bytes());
        let entry = self.host(host)?.by_message_id.get(&key)?;
        let is_itself = *entry.instance == *instance && *entry.queue_id == *queue_id;
        (!is_itself).then_some(&entry.lineage)
    }

    /// Queue ID, in the same queue, of the message that [`Directory::story`] tells of.
    pub(crate) fn teller(&self, host: &[u8], instance: &[u8], message_id: &str) -> Option<&str> {
        let entry = self.host(host)?.by_message_id.get(&message_key(message_id.as_bytes()))?;
        (*entry.instance == *instance).then_some(&*entry.queue_id)
    }

    /// Instance and queue ID of the newest message with that [`message_key`].
    pub(crate) fn newest(&self, host: &[u8], key: &str) -> Option<(&[u8], &str)> {
        let entry = self.host(host)?.by_message_id.get(key)?;
        Some((&entry.instance, &entry.queue_id))
    }

    /// Notes that a queue ID continues, or may continue, the story with that uid.
    pub(crate) fn note_stage(&mut self, host: &[u8], queue_id: &str, uid: MessageUid) {
        self.host_mut(host).stages.insert(queue_id.into(), uid);
    }

    /// Is that queue ID known as a possible stage of that story?
    pub(crate) fn is_stage(&self, host: &[u8], queue_id: &str, uid: MessageUid) -> bool {
        self.host(host).and_then(|host| host.stages.get(queue_id)) == Some(&uid)
    }

    /// Forgets a message that ended.
    pub(crate) fn forget(
        &mut self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message: &Message,
    ) {
        let host = self.host_mut(host);
        host.stages.remove(queue_id);
        let Some(message_id) = &message.message_id else { return };
        let key = message_key(message_id.as_bytes());
        let is_it = |(of, id): &(Box<[u8]>, Box<str>)| **of == *instance && **id == *queue_id;
        if host.own.get(&key).is_some_and(is_it) {
            host.own.remove(&key);
        }
        if let Occupied(known) = host.by_message_id.entry(key)
            && *known.get().instance == *instance
            && *known.get().queue_id == *queue_id
        {
            known.remove();
        }
    }

    fn host(&self, name: &[u8]) -> Option<&Host> {
        self.hosts.iter().find(|host| *host.name == *name)
    }

    fn host_mut(&mut self, name: &[u8]) -> &mut Host {
        let known = self.hosts.iter().position(|host| *host.name == *name);
        let place = known.unwrap_or_else(|| {
            let (by_message_id, own, stages) = (Map::default(), Map::default(), Map::default());
            let instances = Vec::new();
            self.hosts.push(Host { name: name.into(), instances, by_message_id, own, stages });
            self.hosts.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found there, or pushed there")]
        &mut self.hosts[place]
    }
}
