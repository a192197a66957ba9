//! Which events are about what: for a queue ID, a Message-ID, a recipient, a message or an event, the
//! places where events about it may be.
//!
//! The index of [`SEGMENT_EVENTS`] events in a row is one *segment*. It is made when the last of them
//! is there, and never changes. A *term* is a hash of what is looked for, a *posting* a term and a
//! block of [`BLOCK_EVENTS`] events one of which is about it: one number, the term above the block.
//! The postings of a segment lie in order, each but the first of a page as its distance from the one
//! before it:
//!
//! ```text
//! segment: version: u8 = 1 | Segment in postcard
//! page:    version: u8 = 1 | LEB128*           the key holds the first posting
//! ```
//!
//! So a lookup reads one page of each segment, and a term costs four bytes. Two things may have the
//! same term, by chance or by design of a stranger: whoever looks one up asks the events themselves.

use serde::{Deserialize, Serialize};

use super::{CodecError, Key, codec};
use crate::event::{Event, EventId, MessageUid, SenderToken};

/// Events of a segment at most. What is behind the last one has no index yet.
pub const SEGMENT_EVENTS: u64 = 32_768;

/// Events that a posting means together: fewer than are in a chunk, which is read as a whole.
pub const BLOCK_EVENTS: u64 = 8;

/// Bits of the block in a posting.
const BLOCK_BITS: u32 = (SEGMENT_EVENTS / BLOCK_EVENTS).trailing_zeros();

/// Version of both stored forms.
const VERSION: u8 = 1;

/// Bytes of a page: sixteen of them are in a leaf of the store, all of which is read at once.
const PAGE_BYTES: usize = 2048;

/// Bytes of a number in LEB128 at most.
const NUMBER_BYTES: usize = 10;

/// Bytes that are brought into lower case at once.
const PART_BYTES: usize = 64;

/// As messages name it.
const WHAT: &str = "page of postings";

/// What is looked for, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term(u32);

/// What a term is the term of: a message may be called as a recipient is.
#[derive(Debug, Clone, Copy)]
enum Field {
    QueueId = 1,
    MessageId,
    Recipient,
    SenderToken,
}

impl Term {
    /// The event with that id.
    #[must_use]
    pub fn event(EventId(id): EventId) -> Self {
        Self(head(&id))
    }

    /// Events of the message with that uid.
    #[must_use]
    pub fn message(MessageUid(uid): MessageUid) -> Self {
        Self(head(&uid))
    }

    /// Events of messages with that queue ID.
    #[must_use]
    pub fn queue_id(queue_id: &str) -> Self {
        Self::of(Field::QueueId, queue_id.as_bytes())
    }

    /// Events of messages with that Message-ID, in angle brackets or without.
    #[must_use]
    pub fn message_id(message_id: &str) -> Self {
        Self::of(Field::MessageId, bare(message_id).as_bytes())
    }

    /// Events about that recipient, in upper or lower case.
    #[must_use]
    pub fn recipient(address: &str) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(Field::Recipient as u32);
        for part in address.as_bytes().chunks(PART_BYTES) {
            let mut lower = [0; PART_BYTES];
            for (place, byte) in lower.iter_mut().zip(part) {
                *place = byte.to_ascii_lowercase();
            }
            hasher.update(lower.get(..part.len()).unwrap_or_default());
        }
        Self(hasher.finalize())
    }

    /// Events of messages whose envelope sender has that token.
    #[must_use]
    pub fn sender_token(token: &SenderToken) -> Self {
        Self::of(Field::SenderToken, token.as_bytes())
    }

    /// CRC-32: fast, and the same for ever. That it is easy to collide with costs a look at the event.
    fn of(field: Field, text: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(field as u32);
        hasher.update(text);
        Self(hasher.finalize())
    }

    fn posting(self, block: u64) -> u64 {
        (u64::from(self.0) << BLOCK_BITS) + block
    }
}

/// Everything that an event is found by.
#[derive(Debug, Clone, Copy)]
pub struct Terms([Option<Term>; 7]);

impl Terms {
    /// Those of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let data = &event.data;
        let token = data.from.as_deref().and_then(SenderToken::in_address);
        // What is about the service is about no message.
        let message = (!event.kind.is_operational()).then(|| Term::message(data.uid));
        Self([
            Some(Term::event(event.id)),
            message,
            data.queue_id.as_deref().map(Term::queue_id),
            data.message_id.as_deref().map(Term::message_id),
            data.to.as_deref().map(Term::recipient),
            data.orig_to.as_deref().map(Term::recipient),
            token.as_ref().map(Term::sender_token),
        ])
    }
}

/// A Message-ID without its angle brackets.
#[must_use]
pub fn bare(message_id: &str) -> &str {
    let text = message_id.trim();
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    inner.unwrap_or(text)
}

/// The ids are hashes themselves.
fn head(id: &[u8; 16]) -> u32 {
    id.first_chunk().map_or(0, |head| u32::from_be_bytes(*head))
}

/// Which events a segment is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The first one.
    pub first_seq: u64,
    /// Behind the last one.
    pub end_seq: u64,
    /// The earliest by the log, microseconds since the epoch.
    pub from_us: i64,
    /// The latest.
    pub until_us: i64,
}

/// A segment that is being filled.
#[derive(Debug, Clone)]
pub struct SegmentBuilder {
    segment: Segment,
    postings: Vec<u64>,
}

impl SegmentBuilder {
    /// Without events; the first will have the sequence number `first_seq`.
    #[must_use]
    pub fn new(first_seq: u64) -> Self {
        let (from_us, until_us) = (i64::MAX, i64::MIN);
        let segment = Segment { first_seq, end_seq: first_seq, from_us, until_us };
        Self { segment, postings: Vec::new() }
    }

    /// Notes the next event: when it happened by the log, in microseconds, and what it is found by.
    pub fn push(&mut self, at_us: i64, terms: &Terms) {
        let Segment { first_seq, end_seq, from_us, until_us } = &mut self.segment;
        let block = (*end_seq - *first_seq) / BLOCK_EVENTS;
        self.postings.extend(terms.0.into_iter().flatten().map(|term| term.posting(block)));
        *end_seq += 1;
        *from_us = at_us.min(*from_us);
        *until_us = at_us.max(*until_us);
    }

    /// As [`SegmentBuilder::push`], where events before it may be missing.
    pub fn push_at(&mut self, seq: u64, event: &Event) {
        self.pass_to(seq);
        self.push(event.at_us, &Terms::of(event));
    }

    /// There are no events up to that one.
    pub fn pass_to(&mut self, seq: u64) {
        self.segment.end_seq = self.segment.end_seq.max(seq);
    }

    /// What it is of so far.
    #[must_use]
    pub fn segment(&self) -> Segment {
        self.segment
    }

    /// What is to be stored: keys and values.
    #[must_use]
    pub fn finish(mut self) -> Vec<(Key, Vec<u8>)> {
        self.postings.sort_unstable();
        self.postings.dedup();
        let first_seq = self.segment.first_seq;
        let mut stored = vec![(Key::segment(first_seq), codec::encode(VERSION, &self.segment))];
        let mut rest = self.postings.as_slice();
        while let Some((&first, others)) = rest.split_first() {
            let (page, count) = page(first, others);
            stored.push((Key::terms(first_seq, first), page));
            rest = others.get(count..).unwrap_or_default();
        }
        stored
    }
}

/// A page that begins with `first`, and how many of `others` are in it.
fn page(first: u64, others: &[u64]) -> (Vec<u8>, usize) {
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    bytes.push(VERSION);
    let (mut before, mut count) = (first, 0);
    for &posting in others {
        if bytes.len() + NUMBER_BYTES > PAGE_BYTES {
            break;
        }
        append(posting - before, &mut bytes);
        before = posting;
        count += 1;
    }
    (bytes, count)
}

fn append(mut number: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Reads a stored segment.
///
/// # Errors
/// [`CodecError`] for another version, or damage.
pub fn segment(value: &[u8]) -> Result<Segment, CodecError> {
    codec::decode("index segment", VERSION, value)
}

/// The keys between which the postings of `term` in a segment begin, the end exclusive. The page
/// before them may have some as well.
#[must_use]
pub fn keys(segment: u64, term: Term) -> (Key, Key) {
    (Key::terms(segment, 0), Key::terms(segment, term.posting(1 << BLOCK_BITS)))
}

/// A page may have postings of `term` behind it, in the page before it; `first` is its first posting.
#[must_use]
pub fn may_begin_before(first: u64, term: Term) -> bool {
    first > term.posting(0)
}

/// The blocks of a page in which events about `term` may be, in order.
///
/// # Errors
/// [`CodecError`] for another version, or damage.
pub fn blocks(first: u64, page: &[u8], term: Term) -> Result<Vec<u64>, CodecError> {
    let (&found, mut rest) = page.split_first().ok_or(CodecError::Empty { what: WHAT })?;
    if found != VERSION {
        return Err(CodecError::UnknownVersion { what: WHAT, found, supported: VERSION });
    }
    let mut blocks = Vec::new();
    let mut posting = first;
    loop {
        if posting >> BLOCK_BITS > u64::from(term.0) {
            return Ok(blocks);
        }
        if posting >> BLOCK_BITS == u64::from(term.0) {
            blocks.push(posting & ((1 << BLOCK_BITS) - 1));
        }
        if rest.is_empty() {
            return Ok(blocks);
        }
        let (distance, behind) = number(rest).ok_or(CodecError::Malformed { what: WHAT })?;
        let next = posting.checked_add(distance).ok_or(CodecError::Malformed { what: WHAT })?;
        (posting, rest) = (next, behind);
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (place, &byte) in bytes.iter().enumerate().take(NUMBER_BYTES) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(place * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::store::key;

    fn blocks_of(stored: &[(Key, Vec<u8>)], term: Term) -> Vec<u64> {
        let pages = stored.iter().skip(1);
        pages
            .flat_map(|(key, page)| {
                let (_, first) = key::parse_terms(key.as_bytes()).unwrap();
                blocks(first, page, term).unwrap()
            })
            .collect()
    }

    #[test]
    fn what_people_write_differently_is_the_same() {
        assert_eq!(Term::message_id("<a@b>"), Term::message_id(" a@b"));
        assert_eq!(Term::recipient("Bob@Example.COM"), Term::recipient("bob@example.com"));
        assert_ne!(Term::queue_id("3A6B2C8000"), Term::queue_id("3a6b2c8000"));
        assert_ne!(Term::queue_id("x"), Term::message_id("x"));
        let long = "x".repeat(200);
        assert_eq!(Term::recipient(&long), Term::recipient(&long.to_uppercase()));
        assert_ne!(Term::recipient(&long), Term::recipient(&"x".repeat(199)));
    }

    /// What is stored must never change its meaning.
    #[test]
    fn terms_are_what_they_were() {
        assert_eq!(Term::queue_id("3A6B2C8000"), Term(crc(1, b"3A6B2C8000")));
        assert_eq!(Term::recipient("Bob@d.test"), Term(crc(3, b"bob@d.test")));
        assert_eq!(Term::event(EventId([7; 16])), Term(0x0707_0707));
    }

    fn crc(field: u32, text: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(field);
        hasher.update(text);
        hasher.finalize()
    }

    /// It may be the first posting of a page that tells of it.
    #[test]
    fn the_keys_of_a_term_reach_to_the_next_one() {
        for term in [0, 1, 2, 76, 77, u32::MAX].map(Term) {
            let (from, to) = keys(5, term);
            assert!(from <= Key::terms(5, term.posting(0)));
            assert!(Key::terms(5, term.posting((1 << BLOCK_BITS) - 1)) < to);
            assert!(to <= Key::terms(5, (u64::from(term.0) + 1) << BLOCK_BITS));
        }
    }

    #[test]
    fn a_page_that_is_damaged_is_no_panic() {
        let term = Term(u32::MAX);
        assert!(blocks(0, &[], term).is_err());
        assert!(blocks(0, &[VERSION + 1], term).is_err());
        assert!(blocks(u64::MAX >> 1, &[VERSION, 0x80], Term(u32::MAX)).is_ok());
        assert!(blocks(0, &[VERSION, 0x80], term).is_err());
        assert!(blocks(0, &[&[VERSION][..], &[0xff; 12]].concat(), term).is_err());
    }

    proptest! {
        #[test]
        fn postings_come_back_from_pages(numbers in prop::collection::vec(0u64..(1 << 44), 1..3000)) {
            let builder = SegmentBuilder { postings: numbers.clone(), ..SegmentBuilder::new(5) };
            let stored = builder.finish();
            for (_, page) in &stored[1..] {
                prop_assert!(page.len() <= PAGE_BYTES);
            }
            for posting in numbers.iter().take(50) {
                let term = Term(u32::try_from(posting >> BLOCK_BITS).unwrap());
                let block = posting & ((1 << BLOCK_BITS) - 1);
                prop_assert!(blocks_of(&stored, term).contains(&block));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            first: u64,
            term: u32,
        ) {
            let _total = blocks(first, &bytes, Term(term));
        }
    }
}
