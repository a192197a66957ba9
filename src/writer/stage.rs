//! What the next commit will hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::time::Instant;

use super::{error::WriterError, scope::Scope, told::Told};
use crate::{
    event::{EventType, Notice},
    limits,
    parse::{Occurrences, State},
    source::{Batch, Fingerprint, JournalPosition, Position},
    store::{CodecError, Commit, Key, Prefix, Store, codec, log},
};

/// Version of the stored positions in the journal.
const VERSION: u8 = 1;
/// Version of the stored source states.
const STATE_VERSION: u8 = 3;

/// Lines with which a commit is due, about.
const COMMIT_LINES: usize = 10_000;
/// Bytes of lines with which it is: what ten thousand lines have, and some more.
const COMMIT_BYTES: usize = 2 * 1024 * 1024;

/// Commits' worth of lines that are taken in while one is written, about: as long as nobody waits.
/// One more takes some seven megabytes.
const MOST_COMMITS: usize = 2;

/// What is wrong with the lines of a source, by its index.
pub(super) type Alarm = (usize, EventType, Notice);

/// Effects that wait for the next commit.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Where positions and open messages go.
    pub(super) scope: Scope,
    commit: Commit,
    /// Latest position of each generation, by source name.
    positions: BTreeMap<(String, Fingerprint), Position>,
    /// Latest position in the journal, by source name.
    journals: BTreeMap<String, JournalPosition>,
    states: BTreeMap<String, State>,
    /// What the lines told.
    pub(super) told: Told,
    /// Not told yet.
    pub(super) alarms: Vec<Alarm>,
    /// Lines staged.
    pub(super) lines: usize,
    /// Bytes of those lines.
    pub(super) bytes: usize,
    /// When the last batch was read there was nothing more.
    pub(super) is_last: bool,
    /// Since when something waits.
    pub(super) since: Option<Instant>,
}

impl Stage {
    /// Nothing waits yet.
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// More should not wait.
    pub(super) fn is_full(&self) -> bool {
        self.commits() >= 1
    }

    /// No more can wait.
    pub(super) fn is_overfull(&self) -> bool {
        self.commits() >= MOST_COMMITS
    }

    /// Commits' worth of lines that wait.
    pub(super) fn commits(&self) -> usize {
        (self.lines / COMMIT_LINES).max(self.bytes / COMMIT_BYTES)
    }

    /// Something waits from now on.
    pub(super) fn touch(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.touch();
        self.commit.put(key, value);
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.touch();
        self.commit.remove(key);
    }

    /// What comes behind this one. Without its place, that goes there.
    pub(super) fn begin_next(&mut self, with_place: bool) -> Self {
        let mut next = Self::new(self.scope);
        if !with_place {
            next.positions = std::mem::take(&mut self.positions);
            next.journals = std::mem::take(&mut self.journals);
        }
        next
    }

    /// Adds what was staged elsewhere, of the lines behind those that are staged here.
    pub(super) fn join(&mut self, behind: Self) {
        let Self { scope: _, commit, positions, journals, states, told, alarms, .. } = behind;
        self.commit.append(commit);
        self.positions.extend(positions);
        self.journals.extend(journals);
        self.states.extend(states);
        self.told.append(told);
        self.alarms.extend(alarms);
        self.lines += behind.lines;
        self.bytes += behind.bytes;
        if behind.since.is_some() {
            self.is_last = behind.is_last;
        }
        self.since = self.since.into_iter().chain(behind.since).min();
    }

    /// Notes where a source is once this batch is durable.
    pub(super) fn position(&mut self, source: &str, batch: &Batch) {
        if let Some(position) = &batch.journal {
            self.journals.insert(source.to_owned(), position.clone());
        } else {
            let position = batch.position.clone();
            self.positions.insert((source.to_owned(), position.fingerprint), position);
        }
    }

    /// Notes what must be remembered of a source with its position.
    pub(super) fn source_state(&mut self, source: &str, state: &State) {
        self.touch();
        let occurrences = state.occurrences.newest(limits::OCCURRENCES_STORED);
        let (unfinished, years) = (state.unfinished.clone(), state.years.clone());
        let state = State { occurrences, unfinished, years, ..*state };
        self.states.insert(source.to_owned(), state);
    }

    /// The commit, when there is anything to commit.
    pub(super) fn take(&mut self) -> Option<Commit> {
        self.since.take()?;
        self.lines = 0;
        self.bytes = 0;
        for ((source, fingerprint), position) in std::mem::take(&mut self.positions) {
            let key = self.scope.key(Key::position(&source, fingerprint));
            self.commit.put(key, log::encode_position(&position));
        }
        for (source, position) in std::mem::take(&mut self.journals) {
            let key = self.scope.key(Key::journal(&source));
            self.commit.put(key, codec::encode(VERSION, &position));
        }
        for (source, state) in std::mem::take(&mut self.states) {
            let key = self.scope.key(Key::source_state(&source));
            self.commit.put(key, codec::encode(STATE_VERSION, &state));
        }
        Some(std::mem::take(&mut self.commit))
    }
}

/// How far one source has been read.
///
/// # Errors
/// When the store cannot be read, or holds what this version does not understand.
pub fn positions(store: &Store, source: &str) -> Result<Vec<Position>, WriterError> {
    positions_in(store, Scope::Live, source)
}

/// The same in one scope.
pub(super) fn positions_in(
    store: &Store,
    scope: Scope,
    source: &str,
) -> Result<Vec<Position>, WriterError> {
    let mut positions = Vec::new();
    for entry in store.scan(&scope.prefix(Prefix::positions(source)))? {
        positions.push(log::decode_position(&entry?.1)?);
    }
    Ok(positions)
}

/// How far one source has read the journal; None when it never did.
///
/// # Errors
/// When the store cannot be read, or holds what this version does not understand.
pub fn journal_position(
    store: &Store,
    source: &str,
) -> Result<Option<JournalPosition>, WriterError> {
    let stored = store.get(&Key::journal(source))?;
    Ok(stored.map(|bytes| codec::decode("journal position", VERSION, &bytes)).transpose()?)
}

/// What must be remembered of one source; None at its very first start.
pub(super) fn source_state(
    store: &Store,
    scope: Scope,
    source: &str,
) -> Result<Option<State>, WriterError> {
    let stored = store.get(&scope.key(Key::source_state(source)))?;
    Ok(stored.map(|bytes| decode_state(&bytes)).transpose()?)
}

/// What was stored first: year and month of the last stamp without a year in place of its time.
#[derive(Deserialize)]
struct FirstState {
    #[expect(dead_code, reason = "a stamp means its year by itself")]
    year: Option<(i16, u8)>,
    occurrences: Occurrences,
    since_us: Option<i64>,
}

/// What was stored next: nothing of one generation.
#[derive(Deserialize)]
struct SecondState {
    latest_us: Option<i64>,
    occurrences: Occurrences,
    since_us: Option<i64>,
}

fn decode_state(value: &[u8]) -> Result<State, CodecError> {
    const WHAT: &str = "source state";
    match value.first() {
        Some(1) => {
            let FirstState { occurrences, since_us, .. } = codec::decode(WHAT, 1, value)?;
            Ok(State { occurrences, since_us, ..State::default() })
        }
        Some(2) => {
            let SecondState { latest_us, occurrences, since_us } = codec::decode(WHAT, 2, value)?;
            Ok(State { latest_us, occurrences, since_us, ..State::default() })
        }
        _ => codec::decode(WHAT, STATE_VERSION, value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn source_states_of_earlier_forms_are_read() {
        let mut occurrences = Occurrences::default();
        occurrences.count(b"a line", 7);
        let first = codec::encode(1, &(Some((2026_i16, 11_u8)), &occurrences, Some(5_i64)));
        let second = codec::encode(2, &(Some(9_i64), &occurrences, Some(5_i64)));
        let expected = State { occurrences, since_us: Some(5), ..State::default() };
        assert_eq!(decode_state(&first).unwrap(), expected);
        let expected = State { latest_us: Some(9), ..expected };
        assert_eq!(decode_state(&second).unwrap(), expected);
        assert_eq!(decode_state(&codec::encode(STATE_VERSION, &expected)).unwrap(), expected);
        assert!(decode_state(first.get(..3).unwrap()).is_err());
    }
}
