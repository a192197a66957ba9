//! What is stored of deliveries, for those who read beside the writer: retries that wait, dead
//! letters, attempts. What the writer alone knows is a [`super::Course`].

use std::collections::{BTreeMap, BTreeSet};

use super::{ages, deliveries, error::WriterError, history};
use crate::{
    config::WebhookId,
    queue::{
        delivery::{DeadLetter, EndState, Waiting},
        record::Record,
    },
    store::{Key, Prefix, View, codec, key},
};

/// Retries read at once: of more than these nothing is told.
const RETRIES_READ: usize = 20_000;
/// Chunks of attempts read at once: a tenth of a second.
const CHUNKS_READ: usize = 2048;

/// A delivery that failed and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// When it is due, milliseconds since the epoch.
    pub due_ms: u64,
    /// What the attempts before met.
    pub waiting: Waiting,
}

/// Attempts by the events they were made for.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    /// In the order in which they were made.
    pub by_seq: BTreeMap<u64, Vec<Record>>,
    /// Nothing was left out because it would have taken too long to look for it.
    pub is_whole: bool,
}

/// The deliveries of a webhook that failed and wait, by their events.
///
/// # Errors
/// When the store cannot be read, or holds what this version does not understand.
pub fn retries(view: &View, webhook: WebhookId) -> Result<BTreeMap<u64, Retry>, WriterError> {
    let mut found = BTreeMap::new();
    for entry in view.scan(&Prefix::retries(webhook))?.take(RETRIES_READ) {
        let (key, value) = entry?;
        let Some((_, due_ms, seq)) = key::parse_retry(&key) else { continue };
        found.insert(seq, Retry { due_ms, waiting: deliveries::waiting(&value)? });
    }
    Ok(found)
}

/// What became of a delivery that ended badly.
///
/// # Errors
/// As [`retries`].
pub fn dead_letter(
    view: &View,
    webhook: WebhookId,
    seq: u64,
) -> Result<Option<DeadLetter>, WriterError> {
    let stored = view.get(&Key::dead(webhook, seq))?;
    let decode = |value: Vec<u8>| codec::decode("dead letter", deliveries::VERSION, &value);
    Ok(stored.map(decode).transpose()?)
}

/// Events that have a dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letters {
    /// The latest stored first.
    pub seqs: Vec<u64>,
    /// There may be more below it; None at the end.
    pub next: Option<u64>,
}

/// The events below `before` whose delivery to a webhook ended in one of these ways. Looks at so many
/// dead letters and no more.
///
/// # Errors
/// As [`retries`].
pub fn dead_below(
    view: &View,
    webhook: WebhookId,
    before: u64,
    ends: &[EndState],
    most: usize,
) -> Result<Letters, WriterError> {
    let range = (Key::dead(webhook, 0), Key::dead(webhook, before));
    let (mut found, mut last) = (Letters::default(), before);
    for (count, entry) in view.scan_range(&range.0, &range.1)?.rev().enumerate() {
        if count == most {
            found.next = Some(last);
            break;
        }
        let (key, value) = entry?;
        let Some((_, seq)) = key::parse_dead(&key) else { continue };
        last = seq;
        let letter: DeadLetter = codec::decode("dead letter", deliveries::VERSION, &value)?;
        if ends.contains(&letter.state) {
            found.seqs.push(seq);
        }
    }
    Ok(found)
}

/// The attempts that were made for some events, each with the time when it happened by the log in
/// milliseconds.
///
/// # Errors
/// As [`retries`].
pub fn attempts(
    view: &View,
    webhook: WebhookId,
    events: &BTreeMap<u64, u64>,
) -> Result<Attempts, WriterError> {
    let mut found = Attempts { is_whole: true, ..Attempts::default() };
    let Some((&first, &at_ms)) = events.first_key_value() else { return Ok(found) };
    let wanted: BTreeSet<u64> = events.keys().copied().collect();
    let from_ms = ages::stored_after_ms(view, first, at_ms)?;
    let begin = first_chunk_behind(view, webhook, from_ms)?;
    let range = (Key::attempts(webhook, begin), Key::attempts(webhook, u64::MAX));
    for (count, entry) in view.scan_range(&range.0, &range.1)?.enumerate() {
        if count == CHUNKS_READ {
            found.is_whole = false;
            break;
        }
        let records = history::records(&entry?.1)?;
        for record in records.into_iter().filter(|record| wanted.contains(&record.seq)) {
            found.by_seq.entry(record.seq).or_default().push(record);
        }
    }
    Ok(found)
}

/// Number of the first chunk that has an attempt of that time or later.
fn first_chunk_behind(view: &View, webhook: WebhookId, ms: u64) -> Result<u64, WriterError> {
    let chunks = Prefix::attempts(webhook);
    let number = |key: &[u8]| key::parse_attempts(key).map(|(_, number)| number);
    let Some(first) = view.scan(&chunks)?.next().transpose()? else { return Ok(0) };
    let Some(last) = view.last(&chunks)? else { return Ok(0) };
    let (Some(mut low), Some(mut high)) = (number(&first.0), number(&last.0)) else {
        return Ok(0);
    };
    while low < high {
        let middle = low + (high - low) / 2;
        let is_older = match view.get(&Key::attempts(webhook, middle))? {
            Some(value) => history::newest_ms(&value)? < ms,
            None => true,
        };
        if is_older {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
