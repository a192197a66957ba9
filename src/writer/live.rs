//! Open messages in the store, one value each, cut into parts where it is long, and the lines that
//! wait for a message.
//!
//! sled keeps values beyond a quarter of its segment in files of their own that it never syncs,
//! so no value may grow with the number of recipients.

use super::{error::WriterError, scope::Scope, stage::Stage, stories};
use crate::{
    correlate::{Correlator, Message},
    store::{CodecError, Key, Prefix, Store, codec, key},
};

/// Version of the stored form of a message.
const VERSION: u8 = 4;

/// The forms before it, which are still read: each ended before fields that came later. As many zero
/// bytes say that they are not known.
const FIRST_VERSION: u8 = 1;
const SECOND_VERSION: u8 = 2;
const THIRD_VERSION: u8 = 3;

/// `service`, `route`, `helo`, `given`, `envelope_id`.
const SINCE_FIRST: [u8; 5] = [0; 5];

/// `helo`, `given`, `envelope_id`.
const SINCE_SECOND: [u8; 3] = [0; 3];

/// `envelope_id`.
const SINCE_THIRD: [u8; 1] = [0; 1];

/// Version of the stored form of a line put aside.
const ASIDE_VERSION: u8 = 1;

/// Bytes of one part.
const PART_BYTES: usize = 6 * 1024;

/// Stages the changed messages; without a stage they are only marked as seen.
pub(super) fn stage(correlator: &mut Correlator, stage: Option<&mut Stage>) {
    let Some(stage) = stage else {
        correlator.drain_asides(|_, _| {});
        correlator.drain_haraka(|_, _, _| {});
        return correlator.drain_changes(|_, _, _, _, _| {});
    };
    let scope = stage.scope;
    correlator.drain_asides(|number, aside| {
        let key = scope.key(Key::aside(number));
        match aside {
            Some(aside) => stage.put(key, codec::encode(ASIDE_VERSION, aside)),
            None => stage.remove(key),
        }
    });
    correlator.drain_changes(|host, instance, queue_id, message, stored_parts| {
        let value = message.map_or_else(Vec::new, |message| codec::encode(VERSION, message));
        let key = |part| scope.key(Key::live(host, instance, queue_id.as_bytes(), part));
        put_parts(stage, key, &value, stored_parts);
    });
    stories::stage(correlator, stage);
}

/// Stages a value in as many parts as it needs, where so many were before.
pub(super) fn put_parts(
    stage: &mut Stage,
    key: impl Fn(u32) -> Key,
    value: &[u8],
    stored_parts: &mut u32,
) {
    let mut count = 0;
    for part in value.chunks(PART_BYTES) {
        stage.put(key(count), part.to_vec());
        count += 1;
    }
    for surplus in count..*stored_parts {
        stage.remove(key(surplus));
    }
    *stored_parts = count;
}

/// Gives all stored messages and lines back to the correlator.
pub(super) fn restore(
    store: &Store,
    scope: Scope,
    correlator: &mut Correlator,
) -> Result<(), WriterError> {
    for entry in store.scan(&scope.prefix(Prefix::asides()))? {
        let (key, bytes) = entry?;
        let Some(number) = key::parse_aside(scope.strip(&key)) else { continue };
        correlator.restore_aside(number, codec::decode("waiting line", ASIDE_VERSION, &bytes)?);
    }
    stories::restore(store, scope, correlator)?;
    let mut parts = Parts::default();
    for entry in store.scan(&scope.prefix(Prefix::live()))? {
        let (key, bytes) = entry?;
        let key = scope.strip(&key).to_vec();
        if key::parse_live(&key).is_some_and(|live| live.part == 0) {
            parts.restore(correlator)?;
            parts = Parts { first_key: key, value: bytes, count: 1 };
        } else {
            parts.value.extend_from_slice(&bytes);
            parts.count += 1;
        }
    }
    parts.restore(correlator)
}

/// The parts of one message, in key order.
#[derive(Default)]
struct Parts {
    first_key: Vec<u8>,
    value: Vec<u8>,
    count: u32,
}

impl Parts {
    fn restore(&self, correlator: &mut Correlator) -> Result<(), WriterError> {
        let Some(live) = key::parse_live(&self.first_key) else { return Ok(()) };
        let mut message = self.message()?;
        message.stored_parts = self.count;
        let queue_id = String::from_utf8_lossy(live.queue_id);
        correlator.restore(live.host, live.instance, &queue_id, message);
        Ok(())
    }

    fn message(&self) -> Result<Message, CodecError> {
        const WHAT: &str = "message";
        let (version, missing): (_, &[u8]) = match self.value.first() {
            Some(&FIRST_VERSION) => (FIRST_VERSION, &SINCE_FIRST),
            Some(&SECOND_VERSION) => (SECOND_VERSION, &SINCE_SECOND),
            Some(&THIRD_VERSION) => (THIRD_VERSION, &SINCE_THIRD),
            _ => return codec::decode(WHAT, VERSION, &self.value),
        };
        codec::decode(WHAT, version, &[&self.value[..], missing].concat())
    }
}
