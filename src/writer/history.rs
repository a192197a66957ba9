//! The attempts that were made for one webhook, many to a value of the store.
//!
//! The newest chunk is put again with each commit until it is full. The oldest goes when there are
//! more than [`ATTEMPT_CHUNKS`]; what is too old is the sweep's.

use super::{error::WriterError, stage::Stage};
use crate::{
    config::WebhookId,
    limits::{ATTEMPT_CHUNK_BYTES, ATTEMPT_CHUNKS},
    queue::record::Record,
    store::{Key, Prefix, Store, codec, key},
};

/// Version of the stored form: a list of records.
const VERSION: u8 = 1;
/// Chunks read for one page: one that is looked for must not hold up the writer.
const CHUNKS_READ: usize = 512;

/// The history of one webhook.
#[derive(Debug)]
pub(super) struct History {
    /// Number of the open chunk.
    number: u64,
    open: Vec<Record>,
    open_bytes: usize,
    is_changed: bool,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of its chunk.
    pub chunk: u64,
    /// Its place in it.
    pub index: usize,
}

/// Some attempts, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Each with its place.
    pub records: Vec<(Place, Record)>,
    /// Behind which to go on; None at the end.
    pub next: Option<Place>,
}

/// Which attempts are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only of the event with this sequence number.
    pub seq: Option<u64>,
    /// Only what is older than that one.
    pub before: Option<Place>,
    /// How many at most.
    pub limit: usize,
}

impl History {
    /// Goes on behind what is stored.
    pub(super) fn load(webhook: WebhookId, store: &Store) -> Result<Self, WriterError> {
        let last = store.last(&Prefix::attempts(webhook))?;
        let last = last.and_then(|(key, _)| key::parse_attempts(&key));
        let number = last.map_or(0, |(_, number)| number.saturating_add(1));
        Ok(Self { number, open: Vec::new(), open_bytes: 0, is_changed: false })
    }

    /// Appends a record; it is stored with the next commit.
    pub(super) fn append(&mut self, webhook: WebhookId, record: Record, stage: &mut Stage) {
        let bytes = codec::encode(VERSION, &record).len();
        if self.open_bytes + bytes > ATTEMPT_CHUNK_BYTES && !self.open.is_empty() {
            self.stage(webhook, stage);
            self.begin_chunk(webhook, stage);
        }
        self.open.push(record);
        self.open_bytes += bytes;
        self.is_changed = true;
    }

    fn begin_chunk(&mut self, webhook: WebhookId, stage: &mut Stage) {
        self.open.clear();
        self.open_bytes = 0;
        self.number += 1;
        if let Some(surplus) = self.number.checked_sub(ATTEMPT_CHUNKS) {
            stage.remove(Key::attempts(webhook, surplus));
        }
    }

    /// Puts the open chunk into the next commit, if it grew.
    pub(super) fn stage(&mut self, webhook: WebhookId, stage: &mut Stage) {
        if std::mem::take(&mut self.is_changed) {
            let value = codec::encode(VERSION, &self.open);
            stage.put(Key::attempts(webhook, self.number), value);
        }
    }
}

/// Attempts for a webhook, the newest first.
pub(super) fn read(webhook: WebhookId, wanted: Wanted, store: &Store) -> Result<Page, WriterError> {
    let before = wanted.before.unwrap_or(Place { chunk: u64::MAX, index: 0 });
    let end = Key::attempts(webhook, before.chunk.saturating_add(1));
    let chunks = store.scan_range(&Key::attempts(webhook, 0), &end)?.rev();
    let mut page = Page::default();
    for (count, entry) in chunks.enumerate() {
        let (key, value) = entry?;
        let Some((_, chunk)) = key::parse_attempts(&key) else { continue };
        if count == CHUNKS_READ {
            page.next = Some(Place { chunk, index: usize::MAX });
            return Ok(page);
        }
        for (index, record) in records(&value)?.into_iter().enumerate().rev() {
            let place = Place { chunk, index };
            if place >= before || wanted.seq.is_some_and(|seq| seq != record.seq) {
                continue;
            }
            if page.records.len() >= wanted.limit {
                page.next = page.records.last().map(|(last, _)| *last).or(wanted.before);
                return Ok(page);
            }
            page.records.push((place, record));
        }
    }
    Ok(page)
}

/// When the newest attempt of a stored chunk was made, milliseconds since the epoch.
pub(super) fn newest_ms(value: &[u8]) -> Result<u64, WriterError> {
    Ok(records(value)?.last().map_or(0, Record::at_ms))
}

fn records(value: &[u8]) -> Result<Vec<Record>, WriterError> {
    Ok(codec::decode("chunk of attempts", VERSION, value)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;
    use crate::{
        event::{EventId, EventType},
        queue::{attempt::Attempt, record::RecordEnd},
    };

    fn record(seq: u64) -> Record {
        let attempt = Attempt {
            number: 1,
            started_us: 0,
            elapsed_us: 1,
            url: "u".repeat(1500),
            request: None,
            exchanges: Vec::new(),
        };
        let (event, kind) = (EventId::default(), EventType::OutboundDelivered);
        Record { seq, event, kind, is_probe: false, end: RecordEnd::Delivered, attempt }
    }

    #[test]
    fn the_oldest_chunk_goes_when_there_are_too_many() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let webhook = WebhookId::of_name("a");
        let mut history = History::load(webhook, &store).unwrap();
        for step in [0, ATTEMPT_CHUNKS - 4] {
            history.number += step;
            let mut stage = Stage::default();
            (0..6).for_each(|seq| history.append(webhook, record(seq), &mut stage));
            history.stage(webhook, &mut stage);
            store.apply(stage.take().unwrap()).unwrap();
        }
        let chunks: Vec<_> = store.scan(&Prefix::attempts(webhook)).unwrap().collect();
        let numbers =
            chunks.iter().map(|it| key::parse_attempts(&it.as_ref().unwrap().0).unwrap().1);
        let numbers: Vec<_> = numbers.collect();
        assert_eq!(numbers.last().unwrap() - numbers[0], ATTEMPT_CHUNKS - 1, "{numbers:?}");
        assert!(numbers[0] > 0);
    }
}
