//! Haraka's connections and transactions in the store, as [`super::live`] keeps Postfix's messages.

use super::{error::WriterError, live::put_parts, scope::Scope, stage::Stage};
use crate::{
    correlate::{
        Correlator,
        haraka::{Name, Restored, Stored},
    },
    store::{CodecError, Key, Prefix, Store, codec, key},
};

/// Version of the stored form of either.
const VERSION: u8 = 1;

/// Stages what changed.
pub(super) fn stage(correlator: &mut Correlator, stage: &mut Stage) {
    let scope = stage.scope;
    correlator.drain_haraka(|name, story, stored_parts| {
        let value = match story {
            Stored::Connection(story) => codec::encode(VERSION, story),
            Stored::Transaction(story) => codec::encode(VERSION, story),
            Stored::Gone => Vec::new(),
        };
        let name = name.to_string();
        let key = |part| scope.key(Key::haraka(&name, part));
        put_parts(stage, key, &value, stored_parts);
    });
}

/// Gives all of them back to the correlator.
pub(super) fn restore(
    store: &Store,
    scope: Scope,
    correlator: &mut Correlator,
) -> Result<(), WriterError> {
    let mut read: Option<(Name, Vec<u8>, u32)> = None;
    for entry in store.scan(&scope.prefix(Prefix::haraka()))? {
        let (key, part) = entry?;
        let Some((name, number)) = key::parse_haraka(scope.strip(&key)) else { continue };
        let Some(name) = Name::parse(name) else { continue };
        match &mut read {
            Some((_, value, parts)) if number > 0 => {
                value.extend_from_slice(&part);
                *parts += 1;
            }
            _ => {
                give_back(read.take(), correlator)?;
                read = Some((name, part, 1));
            }
        }
    }
    give_back(read, correlator).map_err(WriterError::from)
}

fn give_back(
    read: Option<(Name, Vec<u8>, u32)>,
    correlator: &mut Correlator,
) -> Result<(), CodecError> {
    let Some((name, value, parts)) = read else { return Ok(()) };
    let story = if name.is_transaction() {
        Restored::Transaction(codec::decode("Haraka transaction", VERSION, &value)?)
    } else {
        Restored::Connection(codec::decode("Haraka connection", VERSION, &value)?)
    };
    correlator.restore_haraka(name, story, parts);
    Ok(())
}
