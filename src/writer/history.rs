//! The attempts that were made for one webhook, many to a value of the store.
//!
//! The newest chunk is put again with each commit until it is full. The oldest goes when there are
//! more than [`ATTEMPT_CHUNKS`]; what is too old is the sweep's.
//!
//! A value of the store must not be large (storage-and-speed.md §3.2), and an answer may be: one
//! that does not fit is compressed. Whatever text it is, 8 KiB of it fit then.

use std::slice;

use super::{error::WriterError, stage::Stage};
use crate::{
    config::WebhookId,
    limits::{ATTEMPT_CHUNK_BYTES, ATTEMPT_CHUNKS},
    queue::record::Record,
    store::{CodecError, Key, Prefix, Store, codec, key},
};

/// Version of the stored form: a list of records.
const VERSION: u8 = 2;
/// The first form, which is still read: what it tells of the purpose of an attempt has not changed.
const FIRST_VERSION: u8 = 1;
/// The whole of another form, its version and all, compressed.
const COMPRESSED_VERSION: u8 = 3;
/// Bytes beyond which a value is compressed.
const PLAIN_BYTES: usize = 6 * 1024;
/// Bytes of a value at most: sixteen of them are in one leaf of the store, which must stay below
/// 128 kB.
const VALUE_BYTES: usize = 7 * 1024 + 512;
/// Bytes of a record as it comes from a sender, at most.
const RECORD_BYTES: usize = 64 * 1024;
/// Where the text is random, more effort gives nothing.
const EFFORT: i32 = 3;
/// As messages name it.
const WHAT: &str = "chunk of attempts";
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
    pub(super) fn append(&mut self, webhook: WebhookId, mut record: Record, stage: &mut Stage) {
        let bytes = fit(&mut record);
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
            stage.put(Key::attempts(webhook, self.number), value(&self.open));
        }
    }
}

/// Cuts a record until it can be stored by itself; gives its bytes.
fn fit(record: &mut Record) -> usize {
    for step in 0.. {
        let bytes = codec::encode(VERSION, record).len();
        if bytes <= PLAIN_BYTES
            || value(slice::from_ref(record)).len() <= VALUE_BYTES
            || !record.shorten(step)
        {
            return bytes;
        }
    }
    0
}

/// What is stored of these.
fn value(records: &[Record]) -> Vec<u8> {
    let plain = codec::encode(VERSION, records);
    if plain.len() <= PLAIN_BYTES {
        return plain;
    }
    // It fails only for want of memory.
    zstd::bulk::compress(&plain, EFFORT)
        .map_or(plain, |compressed| [&[COMPRESSED_VERSION][..], &compressed].concat())
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

pub(super) fn records(value: &[u8]) -> Result<Vec<Record>, CodecError> {
    match value.split_first() {
        Some((&FIRST_VERSION, _)) => codec::decode(WHAT, FIRST_VERSION, value),
        Some((&COMPRESSED_VERSION, compressed)) => {
            let plain = zstd::bulk::decompress(compressed, RECORD_BYTES);
            codec::decode(WHAT, VERSION, &plain.map_err(|_| CodecError::Malformed { what: WHAT })?)
        }
        _ => codec::decode(WHAT, VERSION, value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;
    use crate::{
        event::{EventId, EventType},
        limits::ANSWER_KEPT_BYTES,
        queue::{
            attempt::{
                Attempt, Exchange, ExchangeResult, HEADER_BYTES, KEPT_HEADERS, Times, URL_BYTES,
            },
            record::{Purpose, RecordEnd},
        },
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
        let purpose = Purpose::Delivery;
        Record { seq, event, kind, purpose, end: RecordEnd::Delivered, attempt }
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

    /// Answered so many times with that body.
    fn answered(times: usize, body: &str, header: &str) -> Record {
        let exchange = Exchange {
            key: None,
            remote: None,
            by_proxy: false,
            times: Times::default(),
            result: ExchangeResult::Answered(500),
            headers: KEPT_HEADERS.map(|name| (name.to_owned(), header.to_owned())).into(),
            body: body.to_owned(),
        };
        let mut record = record(1);
        record.attempt.exchanges = vec![exchange; times];
        record
    }

    /// As much as is kept, and each character one of `range`, in no order.
    fn random_text(range: std::ops::Range<u32>) -> String {
        let (mut text, mut state) = (String::new(), 1_u64);
        while text.len() + 4 <= ANSWER_KEPT_BYTES {
            // Marsaglia, xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let span = u64::from(range.end - range.start);
            text.extend(char::from_u32(range.start + u32::try_from(state % span).unwrap()));
        }
        text
    }

    /// Nothing takes more room than ASCII of which any character may be the next.
    #[test]
    fn eight_kib_of_an_answer_are_kept_whatever_is_in_them() {
        for range in [0..128, 0..1, 32..127, 0x80..0x800, 0x800..0xd800, 0x1_0000..0x11_0000] {
            let body = random_text(range.clone());
            let mut record = answered(1, &body, "");
            fit(&mut record);
            assert_eq!(record.attempt.exchanges[0].body, body, "{range:?}");
            let stored = value(&[record.clone()]);
            assert!(stored.len() <= VALUE_BYTES, "{} of {range:?}", stored.len());
            assert_eq!(records(&stored).unwrap(), [record]);
        }
    }

    /// The same three times over takes hardly more room than once; three that differ do.
    #[test]
    fn whatever_a_receiver_says_a_record_fits_into_a_value() {
        let (ascii, letters) = (random_text(0..128), random_text(32..127));
        let header: String = letters.chars().take(HEADER_BYTES).collect();
        for (bodies, header, kept) in [
            ([&ascii, &ascii, &ascii], "", ascii.len()),
            ([&ascii, &letters, &ascii], "", 4096),
            ([&letters, &ascii, &letters], header.as_str(), 4096),
        ] {
            let mut record = answered(3, "", header);
            record.attempt.url = "u".repeat(URL_BYTES);
            for (exchange, body) in record.attempt.exchanges.iter_mut().zip(bodies) {
                exchange.body.clone_from(body);
            }
            fit(&mut record);
            assert!(value(&[record.clone()]).len() <= VALUE_BYTES);
            let left: Vec<_> = record.attempt.exchanges.iter().map(|it| it.body.len()).collect();
            assert_eq!(left, [kept; 3]);
        }
    }

    #[test]
    fn the_first_form_is_read_and_another_one_refused() {
        let mut stored = codec::encode(FIRST_VERSION, &vec![record(7)]);
        assert_eq!(records(&stored).unwrap(), [record(7)]);
        stored[0] = COMPRESSED_VERSION + 1;
        assert!(matches!(records(&stored), Err(CodecError::UnknownVersion { .. })));
        stored[0] = COMPRESSED_VERSION;
        assert!(matches!(records(&stored), Err(CodecError::Malformed { .. })));
    }
}
