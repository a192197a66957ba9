//! Which open messages came from outside, and which queue IDs continue their stories.
//!
//! By host and Message-ID, so that a new queue ID can be recognised as a stage of an old story. What
//! one hands on to the other is `lineage`'s.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry::Occupied},
    hash::BuildHasher,
    sync::Arc,
};

use foldhash::fast::RandomState;
use smol_str::SmolStr;

use super::{
    lineage::Lineage,
    message::{Message, Origin},
    system::Map,
};
use crate::event::MessageUid;

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
    /// What was made of one, by its Message-ID: it knows the story when the message itself is forgotten.
    by_child: HashMap<u64, Entry, RandomState>,
    /// The others, oldest first, where there are any.
    rivals: HashMap<u64, Vec<Entry>, RandomState>,
    /// What the MTA itself wrote, by Message-ID.
    own: HashMap<u64, Place, RandomState>,
    /// The story that a queue ID continues, or may continue.
    stages: Map<Stage>,
    /// How many messages wait that have a Message-ID.
    held: HashMap<u64, usize, RandomState>,
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
        let is_child = message.origin == Origin::Child;
        if !(message.origin.is_from_outside() || is_child) || may_be_another {
            return;
        }
        let key = self.key(message_id);
        if is_child && message.message_id.is_some() {
            let entry =
                Entry { place: Place::new(instance, queue_id), lineage: Lineage::of(message) };
            self.host_mut(host).by_child.insert(key, entry);
            return;
        }
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
        let host = self.host(host).filter(|host| !host.rivals.is_empty());
        let is_rivaled =
            |host: &Host| self.key_of(message).is_some_and(|key| host.rivals.contains_key(&key));
        host.is_some_and(is_rivaled)
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
        let (host, key) = (self.host(host)?, self.key(message_id));
        let entry = host.by_message_id.get(&key).or_else(|| host.by_child.get(&key))?;
        (!entry.place.is(instance, queue_id)).then_some(&entry.lineage)
    }

    /// Notes that the lines of `message` wait.
    pub(crate) fn note_held(&mut self, host: &[u8], message: &Message) {
        if let Some(key) = self.key_of(message) {
            *self.host_mut(host).held.entry(key).or_default() += 1;
        }
    }

    /// Notes that the lines of `message` do not wait any more.
    pub(crate) fn forget_held(&mut self, host: &[u8], message: &Message) {
        let key = self.key_of(message);
        let held = &mut self.host_mut(host).held;
        if let Some(key) = key
            && let Occupied(mut known) = held.entry(key)
        {
            *known.get_mut() -= 1;
            if *known.get() == 0 {
                known.remove();
            }
        }
    }

    /// Do the lines of a message with that Message-ID wait? What comes of it is not told yet.
    pub(crate) fn is_held(&self, host: &[u8], message_id: &str) -> bool {
        let host = self.host(host).filter(|host| !host.held.is_empty());
        host.is_some_and(|host| host.held.contains_key(&self.key(message_id)))
    }

    /// Queue IDs, in that queue, of the open messages with that Message-ID: the newest first.
    pub(crate) fn tellers(
        &self,
        host: &[u8],
        instance: &[u8],
        message_id: &str,
    ) -> impl Iterator<Item = &str> {
        let key = self.key(message_id);
        let host = self.host(host);
        let newest = host.and_then(|host| host.by_message_id.get(&key));
        let rivals = host.and_then(|host| host.rivals.get(&key));
        let all = newest.into_iter().chain(rivals.into_iter().flatten().rev());
        let here = all.map(|entry| &entry.place).filter(move |it| *it.instance == *instance);
        here.map(|place| &*place.queue_id)
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
        // What local(8) made is no return from a filter.
        if message.origin != Origin::Network {
            return;
        }
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
        stage.is_some_and(|stage| {
            let key = self.key_of(message);
            // What has no Message-ID may get one on its way.
            let is_nameless = key == Some(self.key(NAMELESS));
            stage.uid == message.uid || (stage.key.is_some() && (stage.key == key || is_nameless))
        })
    }

    /// Is that queue ID known as a stage of some story, or as a possible one?
    pub(crate) fn knows_stage(&self, host: &[u8], queue_id: &str) -> bool {
        self.host(host).is_some_and(|host| host.stages.contains_key(queue_id))
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

    /// May a message without a Message-ID be on its way to that instance by SMTP, from another one or
    /// from a filter?
    pub(crate) fn is_nameless_away(&self, host: &[u8], instance: &[u8], queue_id: &str) -> bool {
        let Some(host) = self.host(host) else { return false };
        let nameless = host.by_message_id.get(&self.key(NAMELESS)).map(|entry| &entry.place);
        nameless.is_some_and(|place| {
            let is_piped = host.filters_by_pipe && *place.instance == *instance;
            !is_piped && !place.is(instance, queue_id)
        })
    }

    /// Forgets a message that ended.
    pub(crate) fn forget(
        &mut self,
        host: &[u8],
        instance: &[u8],
        queue_id: &str,
        message: &Message,
    ) {
        if message.is_held() {
            self.forget_held(host, message);
        }
        let child = Some(message).filter(|message| message.origin == Origin::Child);
        let child = child.and_then(|child| self.key_of(child));
        let host = self.host_mut(host);
        if let Some(Occupied(child)) = child.map(|key| host.by_child.entry(key))
            && child.get().place.is(instance, queue_id)
        {
            child.remove();
        }
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

    /// By what its stages know a message.
    fn key_of(&self, message: &Message) -> Option<u64> {
        message.noted_as.or_else(|| message.message_id.as_ref().map(|id| self.key(id)))
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
