//! Haraka's connections and transactions on their way into the store and back, as [`super::live`] has
//! Postfix's messages.

use super::ledger::Ledger;
use crate::{
    correlate::{
        Correlator,
        haraka::{Name, Restored, Stored},
    },
    store::{CodecError, Key, codec, key},
};

/// Version of the stored form of either.
const VERSION: u8 = 1;

/// Puts what changed into the ledger.
pub(super) fn put(correlator: &mut Correlator, ledger: &mut Ledger) {
    correlator.drain_haraka(|name, story, is_stored| {
        *is_stored = !matches!(story, Stored::Gone);
        let name = Key::haraka(&name.to_string(), 0);
        match story {
            Stored::Connection(story) => ledger.put(name.as_bytes(), VERSION, story),
            Stored::Transaction(story) => ledger.put(name.as_bytes(), VERSION, story),
            Stored::Gone => ledger.remove(name.as_bytes()),
        }
    });
}

/// Gives one of them back to the correlator.
pub(super) fn give_back(
    name: &[u8],
    value: &[u8],
    correlator: &mut Correlator,
) -> Result<(), CodecError> {
    let name = key::parse_haraka(name).and_then(|(name, _)| Name::parse(name));
    let name = name.ok_or(CodecError::Malformed { what: "name of what is under way" })?;
    let story = if name.is_transaction() {
        Restored::Transaction(codec::decode("Haraka transaction", VERSION, value)?)
    } else {
        Restored::Connection(codec::decode("Haraka connection", VERSION, value)?)
    };
    correlator.restore_haraka(name, story);
    Ok(())
}
