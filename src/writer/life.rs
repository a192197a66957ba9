//! When the program last was at work, so that a start can tell that it was away.

use super::{error::WriterError, stage::Stage};
use crate::store::{Key, Store, codec};

/// Name of the stored time.
const ALIVE: &str = "alive";
/// Version of its stored form.
const VERSION: u8 = 1;
/// Between two notes. They go with commits that are made anyway.
const NOTED_EVERY_MS: u64 = 10_000;
/// A restart takes less. A host without mail leaves no notes either, but then little has piled up.
const AWAY_MS: u64 = 60_000;

/// The last note.
#[derive(Debug, Default)]
pub(super) struct Life {
    noted_ms: Option<u64>,
}

impl Life {
    /// Notes that we are at work, if that was not done a moment ago.
    pub(super) fn stage(&mut self, now_ms: u64, stage: &mut Stage) {
        if self.noted_ms.is_none_or(|noted| now_ms.abs_diff(noted) >= NOTED_EVERY_MS) {
            self.noted_ms = Some(now_ms);
            stage.put(Key::meta(ALIVE), codec::encode(VERSION, &now_ms));
        }
    }
}

/// Was there nobody at work for a while? Not if there never was.
pub(super) fn was_away(store: &Store, now_ms: u64) -> Result<bool, WriterError> {
    let Some(bytes) = store.get(&Key::meta(ALIVE))? else { return Ok(false) };
    let noted_ms: u64 = codec::decode("time of the last commit", VERSION, &bytes)?;
    Ok(now_ms.saturating_sub(noted_ms) >= AWAY_MS)
}

/// Was there never anybody at work?
pub(super) fn is_new(store: &Store) -> Result<bool, WriterError> {
    Ok(store.get(&Key::meta(ALIVE))?.is_none())
}
