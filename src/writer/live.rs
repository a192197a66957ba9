//! What is under way, on its way into the store and back: open messages, Haraka's stories
//! ([`super::stories`]), and the lines that wait for a message.

use super::{
    error::WriterError,
    former::{self, Former},
    ledger::Ledger,
    stage::Stage,
    stories,
};
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

/// Takes what changed from the correlator; where nothing is kept it is only marked as seen. What goes
/// into the ledger is staged by that.
pub(super) fn take(correlator: &mut Correlator, kept: Option<(&mut Ledger, &mut Stage)>) {
    let Some((ledger, stage)) = kept else {
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
    correlator.drain_changes(|host, instance, queue_id, message, is_stored| {
        let name = Key::live(host, instance, queue_id.as_bytes(), 0);
        match message {
            Some(message) => ledger.put(name.as_bytes(), VERSION, message),
            None => ledger.remove(name.as_bytes()),
        }
        *is_stored = message.is_some();
    });
    stories::put(correlator, ledger);
}

/// Gives all that is stored back to the correlator. What an earlier version stored is staged in the
/// form of this one.
pub(super) fn restore(
    store: &Store,
    correlator: &mut Correlator,
    stage: &mut Stage,
) -> Result<Ledger, WriterError> {
    let scope = stage.scope;
    for entry in store.scan(&scope.prefix(Prefix::asides()))? {
        let (key, bytes) = entry?;
        let Some(number) = key::parse_aside(scope.strip(&key)) else { continue };
        correlator.restore_aside(number, codec::decode("waiting line", ASIDE_VERSION, &bytes)?);
    }
    let mut ledger =
        Ledger::load(scope, store, |name, value| Ok(give_back(name, value, correlator)?))?;
    former::read(store, scope, |Former { keys, name, value }| {
        give_back(&name, &value, correlator)?;
        ledger.put_bytes(&name, &value);
        for key in keys {
            stage.remove(key);
        }
        Ok(())
    })?;
    Ok(ledger)
}

fn give_back(name: &[u8], value: &[u8], correlator: &mut Correlator) -> Result<(), CodecError> {
    let Some(live) = key::parse_live(name) else {
        return stories::give_back(name, value, correlator);
    };
    let message = Message { is_stored: true, ..message(value)? };
    let queue_id = String::from_utf8_lossy(live.queue_id);
    correlator.restore(live.host, live.instance, &queue_id, message);
    Ok(())
}

fn message(value: &[u8]) -> Result<Message, CodecError> {
    const WHAT: &str = "message";
    let (version, missing): (_, &[u8]) = match value.first() {
        Some(&FIRST_VERSION) => (FIRST_VERSION, &SINCE_FIRST),
        Some(&SECOND_VERSION) => (SECOND_VERSION, &SINCE_SECOND),
        Some(&THIRD_VERSION) => (THIRD_VERSION, &SINCE_THIRD),
        _ => return codec::decode(WHAT, VERSION, value),
    };
    codec::decode(WHAT, version, &[value, missing].concat())
}
