//! A replay that was stopped goes on where it was.
//!
//! Its positions and open messages are stored with its events, as the daemon's are, but under keys
//! of their own, behind a mark that names the replay. One replay is kept at a time: another one
//! takes its place. It is forgotten once all is read and sent, and after a while if nobody goes on
//! with it.

use serde::{Deserialize, Serialize};

use super::{
    Writer,
    error::WriterError,
    scope::Scope,
    stage::{Stage, positions_in},
};
use crate::{
    source::Position,
    store::{Key, Prefix, Store, codec},
};

/// Name of the mark.
const MARK: &str = "replay";
/// Version of its stored form.
const VERSION: u8 = 1;
/// Keys removed in one commit: bounds the memory that this takes.
const REMOVED_AT_ONCE: usize = 10_000;

/// A replay that can be stopped and gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaySet {
    /// Equal for replays of the same logs into the same webhooks, with the same options.
    pub id: [u8; 16],
    /// Goes on with what is stored of it.
    pub is_resumed: bool,
}

/// The stored form of the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    id: [u8; 16],
    /// When it was begun or gone on with, milliseconds since the epoch.
    at_ms: u64,
}

/// How far the replay with that id has read `source`; None when it is not the one that is stored.
///
/// # Errors
/// When the store cannot be read, or holds what this version does not understand.
pub fn replay_positions(
    store: &Store,
    id: [u8; 16],
    source: &str,
) -> Result<Option<Vec<Position>>, WriterError> {
    match mark(store)? {
        Some(mark) if mark.id == id => Ok(Some(positions_in(store, Scope::Replay, source)?)),
        _ => Ok(None),
    }
}

/// When the stored replay was last begun or gone on with, milliseconds since the epoch.
pub(super) fn marked_at_ms(store: &Store) -> Result<Option<u64>, WriterError> {
    Ok(mark(store)?.map(|mark| mark.at_ms))
}

/// Is this the key of the mark?
pub(super) fn is_mark(key: &[u8]) -> bool {
    mark_key().as_bytes() == key
}

fn mark(store: &Store) -> Result<Option<Mark>, WriterError> {
    let stored = store.get(&mark_key())?;
    Ok(stored.map(|bytes| codec::decode("replay", VERSION, &bytes)).transpose()?)
}

fn mark_key() -> Key {
    Key::meta(MARK).of_replay()
}

impl Writer {
    /// Marks the replay as begun. What is stored of another one is forgotten.
    pub(super) fn begin_replay(&mut self, set: ReplaySet) -> Result<(), WriterError> {
        if !set.is_resumed {
            self.forget_replay()?;
        }
        let mark = Mark { id: set.id, at_ms: self.now_ms() };
        self.stage.put(mark_key(), codec::encode(VERSION, &mark));
        Ok(())
    }

    /// Forgets how far the stored replay has come, its mark first: without it, the rest is nothing.
    pub(super) fn forget_replay(&mut self) -> Result<(), WriterError> {
        self.commit()?;
        if self.mode.scope() == Some(Scope::Replay) {
            self.ledger.clear();
        }
        if marked_at_ms(&self.store)?.is_some() {
            self.stage.remove(mark_key());
            self.commit()?;
        }
        while remove_some(&self.store, &mut self.stage)? {
            self.commit()?;
        }
        Ok(())
    }
}

/// Stages the removal of some of what is left; false when nothing is.
fn remove_some(store: &Store, stage: &mut Stage) -> Result<bool, WriterError> {
    let mut is_left = false;
    for entry in store.scan(&Prefix::replay())?.take(REMOVED_AT_ONCE) {
        stage.remove(Key::from_stored(&entry?.0));
        is_left = true;
    }
    Ok(is_left)
}
