//! Events packed many to a value: one key per event would cost several times the time and never
//! give its space back (sled frees no emptied leaves).
//!
//! ```text
//! version: u8 = 7 | crc32 of the rest: u32 | bytes of the body: u32 | body as an LZ4 block
//! version: u8 = 6 | crc32 of the rest: u32 | body
//! body = { length: u32 | event in postcard }*
//! ```
//!
//! The second form is for a body that does not get shorter. sled writes each value about three
//! times until its leaf is full, so half the bytes are worth the time of making them.
//!
//! An event of an earlier version ends before the fields that came later: as many zero bytes are
//! their stored form when they are not known.
//!
//! Numbers are big-endian. The key holds the sequence number of the first event; the others
//! follow without gaps. The writer keeps the newest chunk open and puts it again under the same
//! key, longer each time, until it is full.
//!
//! How many bytes of events a chunk takes is chosen for what mail logs are compressed to. sled
//! stands no longer values, and strangers may write what cannot be compressed: such a chunk is cut.

use std::borrow::Cow;

use crate::{
    event::Event,
    limits::{CHUNK_BYTES, CHUNK_VALUE_BYTES},
};

use super::{CodecError, squeeze};

/// The format that is written, and that of a body which does not get shorter.
const VERSION: u8 = 7;
const PLAIN_VERSION: u8 = 6;

/// The formats before them, which are still read.
const FIRST_VERSION: u8 = 1;
const SECOND_VERSION: u8 = 2;
const THIRD_VERSION: u8 = 3;
const FOURTH_VERSION: u8 = 4;
const FIFTH_VERSION: u8 = 5;

/// Fields of an event that [`FIRST_VERSION`] did not have: `route`, `same_reason`, `hit`, `evidence`,
/// `notice`, `partial`, `given`, `unreliable_rcpt`, `place`, `envelope_id`, `reported`.
const SINCE_FIRST: [u8; 11] = [0; 11];

/// Of those, what [`SECOND_VERSION`] did not have: `partial`, `given`, `unreliable_rcpt`, `place`,
/// `envelope_id`, `reported`.
const SINCE_SECOND: [u8; 6] = [0; 6];

/// Of those, what [`THIRD_VERSION`] did not have: `given`, `unreliable_rcpt`, `place`, `envelope_id`,
/// `reported`.
const SINCE_THIRD: [u8; 5] = [0; 5];

/// Of those, what [`FOURTH_VERSION`] and [`FIFTH_VERSION`], its compressed form, did not have:
/// `place`, `envelope_id`, `reported`.
const SINCE_FOURTH: [u8; 3] = [0; 3];

/// Version byte and checksum.
const HEADER_BYTES: usize = 5;

/// Length in front of each event.
const LENGTH_BYTES: usize = 4;

/// Why a chunk cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the event chunk that begins with sequence number {first_seq}")]
pub struct ChunkError {
    first_seq: u64,
    #[source]
    kind: CodecError,
}

impl ChunkError {
    /// Another version of this program wrote it: that is no damage.
    pub(super) fn is_of_other_version(&self) -> bool {
        matches!(self.kind, CodecError::UnknownVersion { .. })
    }
}

/// A chunk that is being filled.
#[derive(Debug, Clone)]
pub struct ChunkBuilder {
    first_seq: u64,
    count: u64,
    /// What is behind the header.
    body: Vec<u8>,
}

impl ChunkBuilder {
    /// An empty chunk whose first event will have the sequence number `first_seq`.
    #[must_use]
    pub fn new(first_seq: u64) -> Self {
        Self { first_seq, count: 0, body: Vec::with_capacity(CHUNK_BYTES) }
    }

    /// Appends `event`, as [`ChunkBuilder::push_packed`] does.
    #[must_use]
    pub fn push(&mut self, event: &Event) -> bool {
        let mut packed = Vec::new();
        pack(event, &mut packed);
        self.push_packed(&packed)
    }

    /// Appends an event that was packed. False, and nothing changed, when the chunk would exceed
    /// [`CHUNK_BYTES`]; an event larger than that still fits alone.
    #[must_use]
    pub fn push_packed(&mut self, packed: &[u8]) -> bool {
        let bytes = self.packed_bytes() + LENGTH_BYTES + packed.len();
        let Ok(length) = u32::try_from(packed.len()) else { return false };
        if bytes > CHUNK_BYTES && !self.is_empty() {
            return false;
        }
        self.body.extend_from_slice(&length.to_be_bytes());
        self.body.extend_from_slice(packed);
        self.count += 1;
        true
    }

    /// The values to store, each under [`super::Key::chunk`] of the number beside it: one, or as
    /// many as it takes for none to have more than [`CHUNK_VALUE_BYTES`]. An event that has more by
    /// itself is one of them.
    #[must_use]
    pub fn values(&self) -> Vec<(u64, Vec<u8>)> {
        let mut values = Vec::with_capacity(1);
        append_values(self.first_seq, &self.body, &mut values);
        values
    }

    /// Bytes of [`ChunkBuilder::values`] at most, but for those of a cut.
    #[must_use]
    pub fn packed_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// Sequence number of its first event.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Sequence number that the next pushed event gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count)
    }

    /// Holds no event yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Appends what a chunk holds of `event`.
pub fn pack(event: &Event, packed: &mut Vec<u8>) {
    super::codec::append(event, packed);
}

fn append_values(first_seq: u64, body: &[u8], values: &mut Vec<(u64, Vec<u8>)>) {
    let value = value(body);
    match (value.len() > CHUNK_VALUE_BYTES).then(|| halves(body)).flatten() {
        Some((front_events, front, back)) => {
            append_values(first_seq, front, values);
            append_values(first_seq.saturating_add(front_events), back, values);
        }
        None => values.push((first_seq, value)),
    }
}

/// The stored form of a body.
fn value(body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + squeeze::most(body.len()));
    // Where the header comes last of all.
    value.resize(HEADER_BYTES, 0);
    let version = if squeeze::append(body, &mut value) {
        VERSION
    } else {
        value.extend_from_slice(body);
        PLAIN_VERSION
    };
    if let Some((header, rest)) = value.split_first_chunk_mut::<HEADER_BYTES>() {
        let [a, b, c, d] = crc32fast::hash(rest).to_be_bytes();
        *header = [version, a, b, c, d];
    }
    value
}

/// Cuts a body behind the event that is in its middle, or before it where that is the last one: how
/// many events are in front, and both parts. None when it is a single event.
fn halves(body: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (mut front_events, mut cut, mut place) = (0, 0, 0);
    while cut < body.len() / 2 {
        let length = body.get(place..)?.first_chunk::<LENGTH_BYTES>()?;
        place += LENGTH_BYTES + usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if place >= body.len() {
            break;
        }
        (front_events, cut) = (front_events + 1, place);
    }
    let (front, back) = body.split_at_checked(cut)?;
    (front_events > 0).then_some((front_events, front, back))
}

/// Bytes of the events of a stored chunk before they were compressed; None when it is damaged.
#[must_use]
pub fn packed_bytes(value: &[u8]) -> Option<usize> {
    let (&version, rest) = value.split_first()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    if is_compressed(version) {
        squeeze::expanded(rest).map(|body| body.len())
    } else {
        Some(rest.len())
    }
}

/// The events of a chunk with their sequence numbers, in order.
///
/// # Errors
///
/// [`ChunkError`] when the version is not known, the checksum is wrong or the content is not
/// events.
pub fn decode(first_seq: u64, value: &[u8]) -> Result<Vec<(u64, Event)>, ChunkError> {
    events(value)
        .map(|events| (first_seq..).zip(events).collect())
        .map_err(|kind| ChunkError { first_seq, kind })
}

fn events(value: &[u8]) -> Result<Vec<Event>, CodecError> {
    const WHAT: &str = "event chunk";
    let malformed = CodecError::Malformed { what: WHAT };
    let (&found, rest) = value.split_first().ok_or(CodecError::Empty { what: WHAT })?;
    if !(FIRST_VERSION..=VERSION).contains(&found) {
        return Err(CodecError::UnknownVersion { what: WHAT, found, supported: VERSION });
    }
    let (crc, rest) = rest.split_first_chunk::<4>().ok_or(malformed.clone())?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*crc) {
        return Err(malformed);
    }
    let body = match found {
        version if is_compressed(version) => {
            Cow::Owned(squeeze::expanded(rest).ok_or(malformed.clone())?)
        }
        _ => Cow::Borrowed(rest),
    };
    let mut body = &*body;
    let mut events = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (packed, rest) = rest.split_at_checked(length).ok_or(malformed.clone())?;
        events.push(event(found, packed).map_err(|_| malformed.clone())?);
        body = rest;
    }
    if body.is_empty() { Ok(events) } else { Err(malformed) }
}

fn is_compressed(version: u8) -> bool {
    matches!(version, VERSION | FIFTH_VERSION)
}

fn event(version: u8, packed: &[u8]) -> postcard::Result<Event> {
    match version {
        FIRST_VERSION => postcard::from_bytes(&[packed, &SINCE_FIRST].concat()),
        SECOND_VERSION => postcard::from_bytes(&[packed, &SINCE_SECOND].concat()),
        THIRD_VERSION => postcard::from_bytes(&[packed, &SINCE_THIRD].concat()),
        FOURTH_VERSION | FIFTH_VERSION => postcard::from_bytes(&[packed, &SINCE_FOURTH].concat()),
        _ => postcard::from_bytes(packed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::event::{
        Complaint, EventData, EventId, EventType, Given, Hit, LinePlace, MessageUid, Notice,
        Reported, TimeQuality,
    };

    fn event(number: u8, response_bytes: usize) -> Event {
        Event {
            id: EventId([number; 16]),
            kind: EventType::OutboundBounced,
            at_us: 1_700_000_000_000_000 + i64::from(number),
            time_quality: TimeQuality::Exact,
            data: Box::new(EventData {
                uid: MessageUid([number; 16]),
                response: Some("x".repeat(response_bytes).into()),
                score: Some(4.5),
                ..EventData::default()
            }),
        }
    }

    /// The one value of a chunk that is not cut.
    fn value(chunk: &ChunkBuilder) -> Vec<u8> {
        let [(first_seq, value)] = <[_; 1]>::try_from(chunk.values()).unwrap();
        assert_eq!(first_seq, chunk.first_seq());
        value
    }

    #[test]
    fn events_come_back_with_consecutive_sequence_numbers_at_every_length_of_the_chunk() {
        let mut chunk = ChunkBuilder::new(41);
        for number in 0..5 {
            assert!(chunk.push(&event(number, 20)));
            let read = decode(41, &value(&chunk)).unwrap();
            assert_eq!(read.len(), usize::from(number) + 1);
            let (seq, last) = read.last().unwrap();
            assert_eq!((*seq, last), (41 + u64::from(number), &event(number, 20)));
        }
        assert_eq!(chunk.next_seq(), 46);
    }

    #[test]
    fn a_full_chunk_refuses_and_stays_as_it_was() {
        let mut chunk = ChunkBuilder::new(0);
        let mut pushed = 0;
        while chunk.push(&event(1, 300)) {
            pushed += 1;
        }
        assert!(pushed > 5);
        assert!(value(&chunk).len() < chunk.packed_bytes() / 2);
        assert!(chunk.packed_bytes() <= CHUNK_BYTES);
        assert_eq!(packed_bytes(&value(&chunk)), Some(chunk.packed_bytes() - HEADER_BYTES));
        assert_eq!(decode(0, &value(&chunk)).unwrap().len(), pushed);
    }

    #[test]
    fn an_event_larger_than_a_chunk_still_fits_alone() {
        let mut chunk = ChunkBuilder::new(9);
        assert!(chunk.push(&event(1, CHUNK_BYTES * 2)));
        assert!(!chunk.push(&event(2, 1)));
        assert_eq!(decode(9, &value(&chunk)).unwrap(), vec![(9, event(1, CHUNK_BYTES * 2))]);
    }

    #[test]
    fn a_chunk_that_cannot_be_compressed_is_cut_into_values_that_the_store_stands() {
        let mut state = 1_u64;
        let mut chunk = ChunkBuilder::new(100);
        let random = |state: &mut u64, bytes: u64| {
            let mut letter = |_| {
                // Marsaglia, xorshift.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                char::from(b' ' + u8::try_from(*state % 95).unwrap())
            };
            (0..bytes).map(&mut letter).collect::<String>()
        };
        let mut pushed = Vec::new();
        for bytes in [300, 6000, 20, 900, 700, 1, 2000, 400, 5000] {
            let mut event = event(1, 0);
            event.data.response = Some(random(&mut state, bytes).into());
            assert!(chunk.push(&event));
            pushed.push(event);
        }
        let values = chunk.values();
        assert!(values.len() > 2);
        let mut read = Vec::new();
        for (first_seq, value) in values {
            assert!(value.len() <= CHUNK_VALUE_BYTES, "{}", value.len());
            read.extend(decode(first_seq, &value).unwrap());
        }
        assert_eq!(read, (100..).zip(pushed).collect::<Vec<_>>());
    }

    #[test]
    fn events_longer_than_a_value_are_cut_off_from_their_neighbours() {
        // Far more than is ever let into an event.
        let long: String = (0..4000_u32)
            .flat_map(|number| (number * 7919).to_string().into_bytes())
            .map(char::from)
            .collect();
        for sizes in [[1, 2, 0], [0, 1, 2], [1, 0, 2]] {
            let mut chunk = ChunkBuilder::new(5);
            let sized = sizes.map(|size| match size {
                0 => Event {
                    data: Box::new(EventData {
                        response: Some(long.as_str().into()),
                        ..EventData::default()
                    }),
                    ..event(0, 0)
                },
                other => event(other, 1),
            });
            let mut values = Vec::new();
            for event in &sized {
                if !chunk.push(event) {
                    values.extend(chunk.values());
                    chunk = ChunkBuilder::new(chunk.next_seq());
                    assert!(chunk.push(event));
                }
            }
            values.extend(chunk.values());
            let read = values.iter().flat_map(|(first, value)| decode(*first, value).unwrap());
            assert_eq!(read.collect::<Vec<_>>(), (5..).zip(sized).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let mut chunk = ChunkBuilder::new(7);
        assert!(chunk.push(&event(1, 5)) && chunk.push(&event(2, 5)));
        let value = value(&chunk);
        for place in 0..value.len() {
            let mut damaged = value.clone();
            damaged[place] ^= 0x41;
            assert!(decode(7, &damaged).is_err(), "byte {place} flipped");
            assert!(decode(7, &value[..place]).is_err(), "cut at {place}");
        }
        let mut newer = value;
        newer[0] = VERSION + 1;
        let error = std::error::Error::source(&decode(7, &newer).unwrap_err()).unwrap().to_string();
        assert_eq!(error, "a stored event chunk has format 8, but this version reads format 7");
    }

    #[test]
    fn what_does_not_get_shorter_is_stored_as_it_is() {
        // Of each byte once, nothing comes twice.
        let answer: String = (' '..'\u{7f}').collect();
        let mut chunk = ChunkBuilder::new(7);
        let event = Event {
            data: Box::new(EventData { response: Some(answer.into()), ..EventData::default() }),
            ..event(1, 0)
        };
        assert!(chunk.push(&event));
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert!(!squeeze::append(&bytes, &mut vec![0; HEADER_BYTES]));
        assert_eq!(decode(7, &value(&chunk)).unwrap(), [(7, event)]);
    }

    #[test]
    fn a_block_that_claims_to_be_longer_than_it_can_be_is_refused() {
        let rest = [&u32::MAX.to_be_bytes()[..], &[0; 4]].concat();
        assert_eq!(squeeze::expanded(&rest), None);
        let value = [&[VERSION], &crc32fast::hash(&rest).to_be_bytes()[..], &rest].concat();
        assert!(decode(7, &value).is_err());
    }

    #[test]
    fn events_of_earlier_formats_are_read_without_the_fields_that_came_later() {
        let packed = postcard::to_allocvec(&event(1, 5)).unwrap();
        for (version, since) in [
            (1, &SINCE_FIRST[..]),
            (2, &SINCE_SECOND),
            (3, &SINCE_THIRD),
            (4, &SINCE_FOURTH),
            (5, &SINCE_FOURTH),
        ] {
            let earlier = packed.strip_suffix(since).unwrap();
            let length = u32::try_from(earlier.len()).unwrap().to_be_bytes();
            let mut body = [&length, earlier, &length, earlier].concat();
            if is_compressed(version) {
                let plain = std::mem::take(&mut body);
                assert!(squeeze::append(&plain, &mut body));
            }
            let value = [&[version], &crc32fast::hash(&body).to_be_bytes()[..], &body].concat();
            assert_eq!(decode(7, &value).unwrap(), vec![(7, event(1, 5)), (8, event(1, 5))]);
        }
    }

    #[test]
    fn what_came_later_comes_back() {
        let hit = Hit { country: Some("AU".into()), machine: true, ..Hit::default() };
        let data = EventData {
            route: Some("news".into()),
            same_reason: true,
            hit: Some(Box::new(hit)),
            evidence: Some("a line".into()),
            notice: Some(Box::new(Notice::about("a"))),
            partial: true,
            given: Some(Box::new(Given { tag: Some("a".into()), ..Given::default() })),
            unreliable_rcpt: true,
            place: Some(LinePlace { log: 300, offset: 1 << 40 }),
            envelope_id: Some("batch-17".into()),
            reported: Some(Box::new(Reported {
                trusted: true,
                complaint: Some(Complaint::default()),
                ..Reported::default()
            })),
            ..EventData::default()
        };
        let event = Event { data: Box::new(data), ..event(1, 1) };
        let mut chunk = ChunkBuilder::new(0);
        assert!(chunk.push(&event));
        assert_eq!(decode(0, &value(&chunk)).unwrap(), [(0, event)]);
    }
}
