//! What is under way as versions before the ledger stored it: each message, and each of Haraka's
//! stories, under keys of its own, one for each part of its value.

use super::{error::WriterError, scope::Scope};
use crate::store::{Key, Prefix, Store, key};

/// One of them.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) keys: Vec<Key>,
    /// Its name in the ledger.
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// All that is stored so. Of what was written since there is none: it is read once, at the first
/// start of a version that has a ledger.
pub(super) fn read(store: &Store, scope: Scope) -> Result<Vec<Former>, WriterError> {
    let mut found: Vec<Former> = Vec::new();
    for prefix in [Prefix::live(), Prefix::haraka()] {
        for entry in store.scan(&scope.prefix(prefix))? {
            let (key, part) = entry?;
            let name = scope.strip(&key).to_vec();
            let live = key::parse_live(&name).map(|live| live.part);
            let number = live.or_else(|| key::parse_haraka(&name).map(|(_, number)| number));
            let key = Key::from_stored(&key);
            match (number, found.last_mut()) {
                (None, _) => {}
                (Some(1..), Some(former)) => {
                    former.keys.push(key);
                    former.value.extend_from_slice(&part);
                }
                (Some(_), _) => found.push(Former { keys: vec![key], name, value: part }),
            }
        }
    }
    Ok(found)
}
