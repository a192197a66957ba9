//! What one commit changes.

use std::collections::BTreeMap;

use super::Key;

/// Puts and removes that become durable together. The later of two changes of one key stands.
#[derive(Debug, Default)]
pub struct Commit {
    /// In key order; an empty value removes.
    pub(super) changes: BTreeMap<Key, Vec<u8>>,
}

impl Commit {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `value` under `key`. Values open with a format version byte; an empty one removes.
    pub fn put(&mut self, key: Key, value: Vec<u8>) {
        self.changes.insert(key, value);
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: Key) {
        self.changes.insert(key, Vec::new());
    }

    /// Adds what another one changes; of the same key, its value counts.
    pub fn append(&mut self, mut other: Self) {
        self.changes.append(&mut other.changes);
    }

    /// Changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
