//! What is under way as it was stored before there was a ledger: each message, and each of Haraka's
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

/// Gives all that is stored so to `each`. A start that has brought it into the ledger leaves none.
pub(super) fn read(
    store: &Store,
    scope: Scope,
    mut each: impl FnMut(Former) -> Result<(), WriterError>,
) -> Result<(), WriterError> {
    let mut begun: Option<Former> = None;
    for prefix in [Prefix::live(), Prefix::haraka()] {
        for entry in store.scan(&scope.prefix(prefix))? {
            let (key, part) = entry?;
            let name = scope.strip(&key).to_vec();
            let key = Key::from_stored(&key);
            match (part_number(&name), &mut begun) {
                (None, _) => {}
                (Some(1..), Some(former)) => {
                    former.keys.push(key);
                    former.value.extend_from_slice(&part);
                }
                (Some(_), _) => {
                    let former = begun.replace(Former { keys: vec![key], name, value: part });
                    former.map_or(Ok(()), &mut each)?;
                }
            }
        }
    }
    begun.map_or(Ok(()), each)
}

fn part_number(name: &[u8]) -> Option<u32> {
    let live = key::parse_live(name).map(|live| live.part);
    live.or_else(|| key::parse_haraka(name).map(|(_, part)| part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        correlate::{Correlator, Direction, Message, haraka::Connection},
        store::{Commit, codec},
        writer::{ledger::Ledger, live, stage::Stage},
    };

    const CONNECTION: &str = "046261E6-06CD-432C-B6CD-619CD774B20F";

    /// As it was written: parts of 6 KiB.
    fn put(commit: &mut Commit, value: &[u8], key: impl Fn(u32) -> Key) {
        for (number, part) in (0..).zip(value.chunks(6 * 1024)) {
            commit.put(key(number), part.to_vec());
        }
    }

    fn message() -> Message {
        let subject = Some("s".repeat(15_000).into());
        Message { subject, sender: Some("a@b.test".into()), ..Message::default() }
    }

    fn write(store: &Store, scope: Scope) {
        let mut commit = Commit::new();
        let long = codec::encode(4, &message());
        assert!(long.len() > 2 * 6 * 1024, "three parts");
        put(&mut commit, &long, |part| {
            scope.key(Key::live(b"mx", b"postfix", b"3A6B2C8000", part))
        });
        let short = codec::encode(4, &Message::default());
        put(&mut commit, &short, |part| {
            scope.key(Key::live(b"mx", b"postfix", b"4B6B2C8000", part))
        });
        let connection = codec::encode(1, &Connection::default());
        put(&mut commit, &connection, |part| scope.key(Key::haraka(CONNECTION, part)));
        store.apply(commit).unwrap();
    }

    /// What lies in the ledger after a start, and how much is under way for the correlator.
    fn start(store: &Store, scope: Scope) -> (BTreeMap<Vec<u8>, Vec<u8>>, usize) {
        let mut correlator = Correlator::new(Direction::default(), false);
        let mut stage = Stage::new(scope);
        let mut ledger = live::restore(store, &mut correlator, &mut stage).unwrap();
        ledger.stage(store, &mut stage).unwrap();
        if let Some(commit) = stage.take() {
            store.apply(commit).unwrap();
        }
        let mut stored = BTreeMap::new();
        let each = |name: &[u8], value: &[u8]| {
            stored.insert(name.to_vec(), value.to_vec());
            Ok(())
        };
        Ledger::load(scope, store, each).unwrap();
        (stored, correlator.len())
    }

    #[test]
    fn what_lay_under_keys_of_its_own_comes_into_the_ledger_once_and_stays_there() {
        for scope in [Scope::Live, Scope::Replay] {
            let dir = TempDir::new().unwrap();
            let store = Store::open(dir.path()).unwrap();
            write(&store, scope);
            for round in 0..3 {
                let (stored, under_way) = start(&store, scope);
                assert_eq!((stored.len(), under_way), (3, 3), "start {round}");
                let name = Key::live(b"mx", b"postfix", b"3A6B2C8000", 0);
                assert_eq!(stored.get(name.as_bytes()), Some(&codec::encode(4, &message())));
                for former in [Prefix::live(), Prefix::haraka()] {
                    assert_eq!(store.scan(&scope.prefix(former)).unwrap().count(), 0);
                }
            }
        }
    }
}
