//! Where the writer keeps its positions and open messages: those of the present, and apart from them
//! those of a replay under way.

use crate::store::{Key, Prefix, key};

/// Whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Scope {
    /// The daemon's.
    #[default]
    Live,
    /// A replay's.
    Replay,
}

impl Scope {
    /// The key of an entry here.
    pub(super) fn key(self, key: Key) -> Key {
        match self {
            Self::Live => key,
            Self::Replay => key.of_replay(),
        }
    }

    /// The beginning of the keys of entries here.
    pub(super) fn prefix(self, prefix: Prefix) -> Prefix {
        match self {
            Self::Live => prefix,
            Self::Replay => prefix.of_replay(),
        }
    }

    /// What [`Scope::key`] was made from.
    pub(super) fn strip(self, key: &[u8]) -> &[u8] {
        match self {
            Self::Live => key,
            Self::Replay => key::parse_replay(key).unwrap_or(key),
        }
    }
}
