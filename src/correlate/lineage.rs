//! What one message hands on to another that our own MTA made of it.
//!
//! A content filter, a second instance or local(8) gives a message a new queue ID, possibly in
//! another queue of the same host. The `Directory` knows, by host and Message-ID, the messages
//! that came from outside and are still open, so that the new ID can be recognised as a stage of
//! an old story.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry::Occupied},
    hash::BuildHasher,
    sync::Arc,
};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    finding::FoundBefore,
    message::{Class, Message, Origin},
    system::Map,
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

/// Stands for the Message-ID of messages that have none.
const NAMELESS: &str = "";

/// Bytes of a Message-ID that tell it from others.
const KEY_BYTES: usize = 512;

/// Open messages of one Message-ID that are known beside the newest: a list server has one for each
/// subscriber.
const RIVALS: usize = 16;

/// Queue IDs of one message that came back from a filter.
const RETURNS: usize = 64;

/// One form of a Message-ID for all programs that log it: spamd keeps what stands in brackets,
/// rspamd leaves the brackets out, and both write `?` for each byte that is not printable ASCII.
pub(crate) fn message_key(message_id: &[u8]) -> Cow<'_, str> {
    let inner = message_id.splitn(2, |byte| *byte == b'<').nth(1);
    let inner = inner.and_then(|inner| inner.split(|byte| *byte == b'>').next());
    let inner = inner.unwrap_or(message_id.trim_ascii());
    let inner = inner.get(..KEY_BYTES).unwrap_or(inner);
    let is_plain = |byte: &u8| matches!(byte, b'!'..=b'~' if !matches!(byte, b'<' | b'>'));
    match std::str::from_utf8(inner) {
        Ok(text) if inner.iter().all(is_plain) => text.into(),
        _ => {
            inner.iter().map(|byte| if is_plain(byte) { char::from(*byte) } else { '?' }).collect()
        }
    }
}

/// Open messages that came from outside, by host and Message-ID, and the stages they go through.
///
/// A Message-ID is known by the hash of its [`message_key`]: 64 bits with a random seed, which no
/// sender can aim at, and which are at hand when a message is forgotten, long after its texts have
/// left the processor's cache.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    hosts: Vec<Host>,
    seed: RandomState,
}

#[derive(Debug, Default)]
struct Host {
    name: Box<[u8]>,
    /// Instances that took mail from outside.
    instances: Vec<Arc<[u8]>>,
    /// The newest message of each Message-ID.
    by_message_id: HashMap<u64, Entry, RandomState>,
    /// The others, oldest first, where there are any.
    rivals: HashMap<u64, Vec<Entry>, RandomState>,
    /// What the MTA itself wrote, by Message-ID.
    own: HashMap<u64, Place, RandomState>,
    /// The story that a queue ID continues, or may continue.
    stages: Map<Stage>,
    /// Queue IDs that wait because they may be of a story.
    waiting: HashMap<MessageUid, Vec<SmolStr>, RandomState>,
    /// Queue IDs that a filter returned one as. A restart forgets them.
    returned: Map<Vec<SmolStr>>,
    /// A pipe(8) service was seen to filter its mail.
    filters_by_pipe: bool,
}

impl Host {
    fn forget_stage(&mut self, queue_id: &str) {
        let Some(stage) = self.stages.remove(queue_id) else { return };
        if let Occupied(mut waiting) = self.waiting.entry(stage.uid) {
            waiting.get_mut().retain(|known| known != queue_id);
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
    }

    /// A message is the newest of its Message-ID.
    fn put(&mut self, key: u64, entry: Entry) {
        let Some(before) = self.by_message_id.insert(key, entry) else { return };
        let Some(newest) = self.by_message_id.get(&key) else { return };
        let is_it = |other: &Entry| other.place == newest.place;
        if !self.rivals.is_empty()
            && let Some(rivals) = self.rivals.get_mut(&key)
        {
            rivals.retain(|rival| !is_it(rival));
        }
        if !is_it(&before) {
            let rivals = self.rivals.entry(key).or_default();
            if rivals.len() == RIVALS {
                rivals.remove(0);
            }
            rivals.push(before);
        }
    }

    /// A message ended; if it was the newest of its Message-ID, the one before it is.
    fn remove(&mut self, key: u64, instance: &[u8], queue_id: &str) {
        let is_it = |entry: &Entry| entry.place.is(instance, queue_id);
        let rivals = Some(&mut self.rivals).filter(|all| !all.is_empty());
        let rivals = rivals.and_then(|all| all.get_mut(&key));
        match self.by_message_id.entry(key) {
            Occupied(mut known) if is_it(known.get()) => match rivals.and_then(Vec::pop) {
                Some(rival) => drop(known.insert(rival)),
                None => drop(known.remove()),
            },
            _ => rivals.into_iter().for_each(|all| all.retain(|rival| !is_it(rival))),
        }
        if !self.rivals.is_empty() && self.rivals.get(&key).is_some_and(Vec::is_empty) {
            self.rivals.remove(&key);
        }
    }
}

/// What is known of a message that may be a later stage of another.
#[derive(Debug)]
struct Stage {
    /// The story's uid.
    uid: MessageUid,
    /// Its Message-ID, where only that says so: of messages that share one, another may be meant.
    key: Option<u64>,
}

/// Where a message is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    instance: Arc<[u8]>,
    queue_id: SmolStr,
}

impl Place {
    fn new(instance: &Arc<[u8]>, queue_id: &str) -> Self {
        Self { instance: Arc::clone(instance), queue_id: queue_id.into() }
    }

    fn is(&self, instance: &[u8], queue_id: &str) -> bool {
        *self.instance == *instance && self.queue_id == queue_id
    }
}

#[derive(Debug)]
struct Entry {
    place: Place,
    lineage: Lineage,
}

impl Directory {
    /// Notes (anew) what `message` would hand on.
    pub(crate) fn note(
        &mut self,
        host: &[u8],
        instance: &Arc<[u8]>,
        queue_id: &str,
        message: &mut Message,
    ) {
        // Once it is in the queue, no Message-ID comes any more.
        let nameless = message.queue_line.is_some().then_some(NAMELESS);
        let Some(message_id) = message.message_id.as_deref().or(nameless) else { return };
        let may_be_another = message.held.as_ref().is_some_and(|held| !held.for_pickup);
        if !message.origin.is_from_outside() || may_be_another {
            return;
        }
        let key = self.key(message_id);
        let before = message.noted_as.replace(key);
        let entry = Entry { place: Place::new(instance, queue_id), lineage: Lineage::of(message) };
        let host = self.host_mut(host);
        if !host.instances.iter().any(|known| known == instance) {
            host.instances.push(Arc::clone(instance));
        }
        if let Some(before) = before.filter(|before| *before != key) {
            host.remove(before, instance, queue_id);
        }
        host.put(key, entry);
    }

    /// Are several messages with the Message-ID of that one open on that host?
    pub(crate) fn is_shared(&self, host: &[u8], message: &Message) -> bool {
        let key =
            || message.noted_as.or_else(|| message.message_id.as_ref().map(|id| self.key(id)));
        let host = self.host(host).filter(|host| !host.rivals.is_empty());
        host.is_some_and(|host| key().is_some_and(|key| host.rivals.contains_key(&key)))
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
        instance: &Arc<[u8]>,
        queue_id: &str,
        message: &mut Message,
    ) {
        let message_id = message.message_id.as_ref();
        if let Some(message_id) = message_id.filter(|_| message.origin == Origin::Internal) {
            let key = self.key(message_id);
            message.noted_as = Some(key);
            self.host_mut(host).own.insert(key, Place::new(instance, queue_id));
        }
    }

    /// Did an instance on that host write the message with that Message-ID itself?
    pub(crate) fn is_own(&self, host: &[u8], message_id: &str) -> bool {
        self.host(host).is_some_and(|host| host.own.contains_key(&self.key(message_id)))
    }

    /// The story that another message of that host and Message-ID tells.
    pub(crate) fn story(
        &self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message_id: &str,
    ) -> Option<&Lineage> {
        let entry = self.host(host)?.by_message_id.get(&self.key(message_id))?;
        (!entry.place.is(instance, queue_id)).then_some(&entry.lineage)
    }

    /// Queue ID, in the same queue, of the message that [`Directory::story`] tells of.
    pub(crate) fn teller(&self, host: &[u8], instance: &[u8], message_id: &str) -> Option<&str> {
        let place = &self.host(host)?.by_message_id.get(&self.key(message_id))?.place;
        (*place.instance == *instance).then_some(&*place.queue_id)
    }

    /// Instance and queue ID of the newest message with that [`message_key`].
    pub(crate) fn newest(&self, host: &[u8], key: &str) -> Option<(&[u8], &str)> {
        let place = &self.host(host)?.by_message_id.get(&self.seed.hash_one(key))?.place;
        Some((&place.instance, &place.queue_id))
    }

    /// Notes that a queue ID continues the story with that uid.
    pub(crate) fn note_stage(&mut self, host: &[u8], queue_id: &str, uid: MessageUid) {
        self.host_mut(host).stages.insert(queue_id.into(), Stage { uid, key: None });
    }

    /// Notes that a held message may continue a story, or that of another message with its
    /// Message-ID, or that of one without.
    pub(crate) fn note_possible_stage(&mut self, host: &[u8], queue_id: &str, message: &Message) {
        let Some(held) = &message.held else { return };
        let key = self.key(message.message_id.as_deref().unwrap_or(NAMELESS));
        let stage = Stage { uid: held.story.uid, key: Some(key) };
        let host = self.host_mut(host);
        host.stages.insert(queue_id.into(), stage);
        let waiting = host.waiting.entry(held.story.uid).or_default();
        if waiting.len() < RETURNS && !waiting.iter().any(|known| known == queue_id) {
            waiting.push(queue_id.into());
        }
    }

    /// Notes that `parent` came back as `child`.
    pub(crate) fn note_return(&mut self, host: &[u8], parent: &str, child: &str) {
        let returned = self.host_mut(host).returned.entry(parent.into()).or_default();
        if returned.len() < RETURNS && !returned.iter().any(|known| known == child) {
            returned.push(child.into());
        }
    }

    /// Did a filter return that queue ID?
    pub(crate) fn has_returned(&self, host: &[u8], parent: &str) -> bool {
        self.host(host).is_some_and(|host| host.returned.contains_key(parent))
    }

    /// Queue IDs that wait because they may be of that story.
    pub(crate) fn waiting(&self, host: &[u8], story: MessageUid) -> &[SmolStr] {
        let waiting = self.host(host).and_then(|host| host.waiting.get(&story));
        waiting.map(Vec::as_slice).unwrap_or_default()
    }

    /// A message is no stage of another after all.
    pub(crate) fn forget_stage(&mut self, host: &[u8], queue_id: &str) {
        self.host_mut(host).forget_stage(queue_id);
    }

    /// Is that queue ID known as a possible stage of the story of `message`?
    pub(crate) fn is_stage(&self, host: &[u8], queue_id: &str, message: &Message) -> bool {
        let stage = self.host(host).and_then(|host| host.stages.get(queue_id));
        // What has no Message-ID may get one on its way.
        let is_nameless = message.noted_as == Some(self.key(NAMELESS));
        stage.is_some_and(|stage| {
            let is_of_key = stage.key == message.noted_as || is_nameless;
            stage.uid == message.uid || (stage.key.is_some() && is_of_key)
        })
    }

    /// A message without a Message-ID was answered elsewhere than here: it is on its way to no filter.
    pub(crate) fn forget_nameless(
        &mut self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message: &mut Message,
    ) {
        let key = self.key(NAMELESS);
        if message.noted_as == Some(key) {
            self.host_mut(host).remove(key, instance, queue_id);
            message.noted_as = None;
        }
    }

    /// A pipe(8) service filters the mail of that host.
    pub(crate) fn note_pipe(&mut self, host: &[u8]) {
        self.host_mut(host).filters_by_pipe = true;
    }

    /// May a message without a Message-ID be in a filter on that host, which returns it by SMTP?
    pub(crate) fn is_nameless_away(&self, host: &[u8], instance: &[u8], queue_id: &str) -> bool {
        self.host(host).is_some_and(|host| !host.filters_by_pipe)
            && self.story(host, instance, queue_id, NAMELESS).is_some()
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
        host.forget_stage(queue_id);
        if !host.returned.is_empty() {
            host.returned.remove(queue_id);
        }
        let Some(key) = message.noted_as else { return };
        if let Occupied(known) = host.own.entry(key)
            && known.get().is(instance, queue_id)
        {
            known.remove();
        }
        host.remove(key, instance, queue_id);
    }

    fn key(&self, message_id: &str) -> u64 {
        self.seed.hash_one(&*message_key(message_id.as_bytes()))
    }

    fn host(&self, name: &[u8]) -> Option<&Host> {
        self.hosts.iter().find(|host| *host.name == *name)
    }

    fn host_mut(&mut self, name: &[u8]) -> &mut Host {
        let known = self.hosts.iter().position(|host| *host.name == *name);
        let place = known.unwrap_or_else(|| {
            self.hosts.push(Host { name: name.into(), ..Host::default() });
            self.hosts.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found there, or pushed there")]
        &mut self.hosts[place]
    }
}
