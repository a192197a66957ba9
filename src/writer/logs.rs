//! Numbers for the generations of logs: each event says in a few bytes where its line is.

use std::collections::HashMap;

use super::{error::WriterError, stage::Stage};
use crate::{
    source::{Fingerprint, Generation},
    store::{Key, Prefix, View, key, log},
};

/// Generations that have a number at most, the newest: as many days of one log as eleven years have.
const NUMBERED: u32 = 4096;

/// The generations that have a number.
#[derive(Debug, Default)]
pub(super) struct Logs {
    numbers: HashMap<Generation, u32>,
    next: u32,
}

impl Logs {
    /// Those of earlier runs.
    pub(super) fn load(view: &View) -> Result<Self, WriterError> {
        let mut logs = Self::default();
        for entry in view.scan(&Prefix::logs())? {
            let (key, value) = entry?;
            let Some(number) = key::parse_log(&key) else { continue };
            logs.numbers.insert(log::decode(&value)?, number);
            logs.next = logs.next.max(number.saturating_add(1));
        }
        Ok(logs)
    }

    /// The number of that generation; a new one goes with the next commit. None where lines have no
    /// place that could be found again.
    pub(super) fn number(
        &mut self,
        source: &str,
        fingerprint: Fingerprint,
        stage: &mut Stage,
    ) -> Option<u32> {
        if fingerprint == Fingerprint::NONE {
            return None;
        }
        let generation = Generation { source: source.to_owned(), fingerprint };
        if let Some(known) = self.numbers.get(&generation) {
            return Some(*known);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        stage.put(Key::log(number), log::encode(&generation));
        self.numbers.insert(generation, number);
        if let Some(surplus) = number.checked_sub(NUMBERED) {
            stage.remove(Key::log(surplus));
            self.numbers.retain(|_, number| *number != surplus);
        }
        Some(number)
    }
}
