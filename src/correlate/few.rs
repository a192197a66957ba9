//! A map that mostly has one entry: most messages have one recipient, and a tree for it would be
//! most of the memory of the message.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ordered map whose only entry lies in it. Stored as any map; with `()` for values, as a set.
#[derive(Debug, Clone, PartialEq)]
pub enum Few<K, V> {
    /// At most one entry.
    One(Option<(K, V)>),
    /// More than one.
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self::One(None)
    }
}

impl<K: Ord, V> Few<K, V> {
    /// Has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::One(None))
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::One(only) => usize::from(only.is_some()),
            Self::Many(entries) => entries.len(),
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::One(only) => only.as_ref().filter(|(known, _)| known == key).map(|(_, it)| it),
            Self::Many(entries) => entries.get(key),
        }
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self {
            Self::One(only) => only.as_mut().filter(|(known, _)| known == key).map(|(_, it)| it),
            Self::Many(entries) => entries.get_mut(key),
        }
    }

    /// The value of `key`, which is a new one if there was none.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if let Self::One(only) = self
            && only.as_ref().is_some_and(|(known, _)| *known != key)
        {
            *self = Self::Many(only.take().into_iter().collect());
        }
        match self {
            Self::One(only) => &mut only.get_or_insert_with(|| (key, V::default())).1,
            Self::Many(entries) => entries.entry(key).or_default(),
        }
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (only, entries) = match self {
            Self::One(only) => (only.as_ref(), None),
            Self::Many(entries) => (None, Some(entries)),
        };
        only.map(|(key, value)| (key, value)).into_iter().chain(entries.into_iter().flatten())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Few<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: BTreeMap<K, V> = entries.into_iter().collect();
        if entries.len() > 1 { Self::Many(entries) } else { Self::One(entries.pop_first()) }
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for Few<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries: Vec<_> = self.iter().collect();
        serializer.collect_map(entries)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Few<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_is_a_map_at_every_size() {
        let mut few = Few::default();
        let mut map = BTreeMap::new();
        for key in [5, 5, 2, 9, 2, 7] {
            *few.get_or_default(key) += 1;
            *map.entry(key).or_insert(0) += 1;
            assert!(few.iter().eq(map.iter()), "{few:?}");
            assert_eq!(few.len(), map.len());
            assert_eq!((few.get(&2), few.get(&3)), (map.get(&2), None));
        }
    }

    #[test]
    fn it_is_stored_as_the_map_and_the_set_that_it_stands_for() {
        for size in 0..3 {
            let map: BTreeMap<u8, u8> = (0..size).map(|key| (key, key)).collect();
            let few: Few<u8, u8> = map.clone().into_iter().collect();
            let bytes = postcard::to_allocvec(&few).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&map).unwrap());
            assert_eq!(postcard::from_bytes::<Few<u8, u8>>(&bytes).unwrap(), few);
            let set: Few<u8, ()> = map.keys().map(|key| (*key, ())).collect();
            let names: std::collections::BTreeSet<u8> = map.into_keys().collect();
            let bytes = postcard::to_allocvec(&set).unwrap();
            assert_eq!(bytes, postcard::to_allocvec(&names).unwrap());
            assert_eq!(postcard::from_bytes::<Few<u8, ()>>(&bytes).unwrap(), set);
        }
    }
}
