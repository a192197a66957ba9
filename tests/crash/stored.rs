//! What lies in the store, read without the program.

use std::collections::{BTreeMap, BTreeSet};

use mailherald::{
    config::WebhookId,
    source::Fingerprint,
    store::{Key, Prefix, Store, chunk, key},
    writer::positions,
};

use crate::{
    herald::{Herald, SOURCE, WEBHOOK},
    receiver::Receiver,
};

/// Types that end a recipient's story, as far as the traffic has them.
const FINAL: [&str; 4] =
    ["outbound.delivered", "outbound.bounced", "inbound.delivered", "inbound.bounced"];

/// The content of a store.
pub(crate) struct Stored {
    /// Id and type.
    pub(crate) events: BTreeMap<String, String>,
    /// Ids of deliveries that were given up.
    pub(crate) dead: BTreeSet<String>,
    /// Deliveries that wait for a retry.
    pub(crate) waiting: usize,
    /// Bytes and lines read of the log, in one commit with the events.
    offset: u64,
    line_count: u64,
}

impl Stored {
    /// Opens the store as the next start would.
    pub(crate) fn read(herald: &Herald) -> Self {
        let store = Store::open(&herald.state()).unwrap();
        let by_seq = events(&store);
        let id = WebhookId::of_name(WEBHOOK);
        let mut dead = BTreeSet::new();
        for entry in store.scan(&Prefix::dead(id)).unwrap() {
            let (_, seq) = key::parse_dead(&entry.unwrap().0).unwrap();
            dead.insert(by_seq[&seq].0.clone());
        }
        let count = by_seq.len();
        let events: BTreeMap<_, _> = by_seq.into_values().collect();
        assert_eq!(events.len(), count, "an event is stored twice");
        let at = positions(&store, SOURCE).unwrap();
        let at = at.iter().find(|at| at.fingerprint != Fingerprint::NONE);
        let (offset, line_count) = at.map_or((0, 0), |at| (at.offset, at.line_count));
        let waiting = store.scan(&Prefix::retries(id)).unwrap().count();
        Self { events, dead, waiting, offset, line_count }
    }

    /// Position, events and deliveries tell the same story as the log and the receiver.
    pub(crate) fn agrees_with(&self, herald: &Herald, receiver: &Receiver) {
        let log = std::fs::read(herald.log()).unwrap();
        let read = &log[..usize::try_from(self.offset).unwrap()];
        assert!(read.is_empty() || read.ends_with(b"\n"), "the position is inside a line");
        let lines = read.split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(lines as u64, self.line_count, "lines up to the position");
        let expected = herald.events_of_the_log(self.offset);
        assert_eq!(self.events, expected, "events of the log up to the position");
        assert!(self.dead.is_subset(&receiver.refused_for_good()), "given up without an answer");
    }

    /// Recipients whose story has ended.
    pub(crate) fn ends(&self) -> usize {
        self.events.values().filter(|kind| FINAL.contains(&kind.as_str())).count()
    }
}

/// Id and type by sequence number, which has no gaps.
fn events(store: &Store) -> BTreeMap<u64, (String, String)> {
    let mut events = BTreeMap::new();
    for entry in store.scan(&Prefix::chunks()).unwrap() {
        let (key, value) = entry.unwrap();
        let first_seq = key::parse_chunk(&key).unwrap();
        assert_eq!(Key::chunk(first_seq).as_bytes(), key);
        assert_eq!(first_seq, events.len() as u64, "a gap between two chunks");
        for (seq, event) in chunk::decode(first_seq, &value).unwrap() {
            events.insert(seq, (event.id.to_string(), event.kind.name().to_owned()));
        }
    }
    events
}
