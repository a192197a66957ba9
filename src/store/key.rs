//! Keys of the one tree: a constructor for each table, and the way back.
//!
//! The layout is in the [room's table](super). A variable-length part stands behind its length
//! (four bytes), so a prefix names exactly the keys it should and hostile text cannot forge a
//! neighbour's key.

use crate::{config::checked::WebhookId, event::MessageUid, source::Fingerprint};

const META: u8 = b'm';
const POSITION: u8 = b'o';
const SOURCE_STATE: u8 = b's';
const JOURNAL: u8 = b'j';
const LIVE: u8 = b'l';
const ASIDE: u8 = b'w';
const HARAKA: u8 = b'n';
const CHUNK: u8 = b'e';
const CURSOR: u8 = b'c';
const RETRY: u8 = b'r';
const DEAD: u8 = b'd';
const POSTING: u8 = b'x';
const AGE: u8 = b't';

const OFFERED: u8 = b'b';
const REPLAY: u8 = b'p';
const ENDPOINT: u8 = b'h';
const PLACE: u8 = b'q';
const ATTEMPTS: u8 = b'a';
const RING: u8 = b'k';
const API_KEY: u8 = b'u';
const MADE: u8 = b'v';
const SEGMENT: u8 = b'g';
const TERMS: u8 = b'i';
const LOG: u8 = b'f';
const AUDIT: u8 = b'y';
const LEDGER: u8 = b'z';

/// A whole key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

/// The common beginning of all keys of a table, or of a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Vec<u8>);

/// The parts of a live message's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveKey<'a> {
    /// Host name in the log.
    pub host: &'a [u8],
    /// Instance of the MTA on that host (`postfix-out`).
    pub instance: &'a [u8],
    /// Queue ID, unique only together with the others.
    pub queue_id: &'a [u8],
    /// Number of this part of the message's value, from zero.
    pub part: u32,
}

impl Key {
    /// A singleton of that name.
    #[must_use]
    pub fn meta(name: &str) -> Self {
        Self(Writer::table(META).bytes(name.as_bytes()).0)
    }

    /// How far the generation with that fingerprint has been read.
    #[must_use]
    pub fn position(source: &str, fingerprint: Fingerprint) -> Self {
        Self(Writer::table(POSITION).bytes(source.as_bytes()).raw(&fingerprint.0).0)
    }

    /// How far a source has read the journal.
    #[must_use]
    pub fn journal(source: &str) -> Self {
        Self(Writer::table(JOURNAL).bytes(source.as_bytes()).0)
    }

    /// What the writer remembers of a source.
    #[must_use]
    pub fn source_state(source: &str) -> Self {
        Self(Writer::table(SOURCE_STATE).bytes(source.as_bytes()).0)
    }

    /// A page of the ledger of what is under way.
    #[must_use]
    pub fn ledger(number: u64) -> Self {
        Self(Writer::table(LEDGER).raw(&number.to_be_bytes()).0)
    }

    /// A message under way: its name in the ledger. Earlier versions kept each under keys of its own,
    /// one for each part of its value.
    #[must_use]
    pub fn live(host: &[u8], instance: &[u8], queue_id: &[u8], part: u32) -> Self {
        let key = Writer::table(LIVE).bytes(host).bytes(instance).bytes(queue_id);
        Self(key.raw(&part.to_be_bytes()).0)
    }

    /// A connection or transaction of Haraka under way, as [`Key::live`].
    #[must_use]
    pub fn haraka(name: &str, part: u32) -> Self {
        Self(Writer::table(HARAKA).bytes(name.as_bytes()).raw(&part.to_be_bytes()).0)
    }

    /// The `number`th line that waits for its message.
    #[must_use]
    pub fn aside(number: u64) -> Self {
        Self(Writer::table(ASIDE).raw(&number.to_be_bytes()).0)
    }

    /// The chunk whose first event has that sequence number.
    #[must_use]
    pub fn chunk(first_seq: u64) -> Self {
        Self(Writer::table(CHUNK).raw(&first_seq.to_be_bytes()).0)
    }

    /// A webhook's cursor.
    #[must_use]
    pub fn cursor(webhook: WebhookId) -> Self {
        Self(Writer::table(CURSOR).raw(&webhook.0).0)
    }

    /// What is known of a webhook's endpoint.
    #[must_use]
    pub fn endpoint(webhook: WebhookId) -> Self {
        Self(Writer::table(ENDPOINT).raw(&webhook.0).0)
    }

    /// The secrets of a webhook.
    #[must_use]
    pub fn ring(webhook: WebhookId) -> Self {
        Self(Writer::table(RING).raw(&webhook.0).0)
    }

    /// A webhook that was made through the API.
    #[must_use]
    pub fn made(webhook: WebhookId) -> Self {
        Self(Writer::table(MADE).raw(&webhook.0).0)
    }

    /// A key of the API, by its digest.
    #[must_use]
    pub fn api_key(digest: [u8; 32]) -> Self {
        Self(Writer::table(API_KEY).raw(&digest).0)
    }

    /// A row of the audit log.
    #[must_use]
    pub fn audit(number: u64) -> Self {
        Self(Writer::table(AUDIT).raw(&number.to_be_bytes()).0)
    }

    /// A delivery that waits until `due_ms`, milliseconds since the epoch.
    #[must_use]
    pub fn retry(webhook: WebhookId, due_ms: u64, seq: u64) -> Self {
        let key = Writer::table(RETRY).raw(&webhook.0).raw(&due_ms.to_be_bytes());
        Self(key.raw(&seq.to_be_bytes()).0)
    }

    /// A chunk of a webhook's attempts.
    #[must_use]
    pub fn attempts(webhook: WebhookId, number: u64) -> Self {
        Self(Writer::table(ATTEMPTS).raw(&webhook.0).raw(&number.to_be_bytes()).0)
    }

    /// The place of a delivery among those of its message, where one has to wait for another.
    #[must_use]
    pub fn place(webhook: WebhookId, uid: MessageUid, seq: u64) -> Self {
        let key = Writer::table(PLACE).raw(&webhook.0).raw(&uid.0);
        Self(key.raw(&seq.to_be_bytes()).0)
    }

    /// A delivery that was given up.
    #[must_use]
    pub fn dead(webhook: WebhookId, seq: u64) -> Self {
        Self(Writer::table(DEAD).raw(&webhook.0).raw(&seq.to_be_bytes()).0)
    }

    /// Which of the 32,768 events from `page * 32_768` on a replay has offered to a webhook that is
    /// younger than they are.
    #[must_use]
    pub fn offered(webhook: WebhookId, page: u64) -> Self {
        Self(Writer::table(OFFERED).raw(&webhook.0).raw(&page.to_be_bytes()).0)
    }

    /// Postings of an hour of log time (hours since the epoch), from the event `first_seq` on.
    #[must_use]
    pub fn posting(hour: u32, first_seq: u64) -> Self {
        Self(Writer::table(POSTING).raw(&hour.to_be_bytes()).raw(&first_seq.to_be_bytes()).0)
    }

    /// The index segment whose first event is `first_seq`.
    #[must_use]
    pub fn segment(first_seq: u64) -> Self {
        Self(Writer::table(SEGMENT).raw(&first_seq.to_be_bytes()).0)
    }

    /// The page of that segment's postings that begins with the posting `first`.
    #[must_use]
    pub fn terms(segment: u64, first: u64) -> Self {
        let key = Writer::table(TERMS).raw(&segment.to_be_bytes());
        Self(key.raw(&first.to_be_bytes()).0)
    }

    /// The log that the lines of events name by that number.
    #[must_use]
    pub fn log(number: u32) -> Self {
        Self(Writer::table(LOG).raw(&number.to_be_bytes()).0)
    }

    /// When the chunk that begins with `first_seq` was begun.
    #[must_use]
    pub fn age(first_seq: u64) -> Self {
        Self(Writer::table(AGE).raw(&first_seq.to_be_bytes()).0)
    }

    /// The same entry of a replay under way, which never mixes with those of the present.
    #[must_use]
    pub fn of_replay(self) -> Self {
        Self(Writer::table(REPLAY).raw(&self.0).0)
    }

    /// The bytes, as [`super::View::scan`] returns them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For a key that a scan returned.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }
}

impl Prefix {
    /// All keys of all tables.
    pub(super) fn everything() -> Self {
        Self(Vec::new())
    }

    /// Every position of one source.
    #[must_use]
    pub fn positions(source: &str) -> Self {
        Self(Writer::table(POSITION).bytes(source.as_bytes()).0)
    }

    /// Every position of all sources.
    #[must_use]
    pub fn all_positions() -> Self {
        Self(vec![POSITION])
    }

    /// What is remembered of all sources.
    #[must_use]
    pub fn source_states() -> Self {
        Self(vec![SOURCE_STATE])
    }

    /// What waits for all webhooks.
    #[must_use]
    pub fn all_retries() -> Self {
        Self(vec![RETRY])
    }

    /// What was given up for all webhooks.
    #[must_use]
    pub fn all_dead() -> Self {
        Self(vec![DEAD])
    }

    /// The pages of all webhooks with what replays offered.
    #[must_use]
    pub fn all_offered() -> Self {
        Self(vec![OFFERED])
    }

    /// When chunks were begun, oldest first.
    #[must_use]
    pub fn ages() -> Self {
        Self(vec![AGE])
    }

    /// The ledger of what is under way, the oldest page first.
    #[must_use]
    pub fn ledger() -> Self {
        Self(vec![LEDGER])
    }

    /// Every message under way, as earlier versions kept them.
    #[must_use]
    pub fn live() -> Self {
        Self(vec![LIVE])
    }

    /// Every connection and transaction of Haraka under way, as earlier versions kept them.
    #[must_use]
    pub fn haraka() -> Self {
        Self(vec![HARAKA])
    }

    /// Every line that waits for its message.
    #[must_use]
    pub fn asides() -> Self {
        Self(vec![ASIDE])
    }

    /// Every chunk, oldest first.
    #[must_use]
    pub fn chunks() -> Self {
        Self(vec![CHUNK])
    }

    /// Every cursor.
    #[must_use]
    pub fn cursors() -> Self {
        Self(vec![CURSOR])
    }

    /// The secrets of all webhooks.
    #[must_use]
    pub fn rings() -> Self {
        Self(vec![RING])
    }

    /// The webhooks that were made through the API.
    #[must_use]
    pub fn made() -> Self {
        Self(vec![MADE])
    }

    /// What replays offered to one webhook.
    #[must_use]
    pub fn offered(webhook: WebhookId) -> Self {
        Self(Writer::table(OFFERED).raw(&webhook.0).0)
    }

    /// All keys of the API.
    #[must_use]
    pub fn api_keys() -> Self {
        Self(vec![API_KEY])
    }

    /// The audit log.
    #[must_use]
    pub fn audit() -> Self {
        Self(Writer::table(AUDIT).0)
    }

    /// What waits for one webhook, the earliest due first.
    #[must_use]
    pub fn retries(webhook: WebhookId) -> Self {
        Self(Writer::table(RETRY).raw(&webhook.0).0)
    }

    /// The attempts for all webhooks.
    #[must_use]
    pub fn all_attempts() -> Self {
        Self(vec![ATTEMPTS])
    }

    /// The attempts for one webhook, oldest first.
    #[must_use]
    pub fn attempts(webhook: WebhookId) -> Self {
        Self(Writer::table(ATTEMPTS).raw(&webhook.0).0)
    }

    /// The places of all deliveries, of all webhooks.
    #[must_use]
    pub fn all_places() -> Self {
        Self(vec![PLACE])
    }

    /// The places of one webhook's deliveries.
    #[must_use]
    pub fn places(webhook: WebhookId) -> Self {
        Self(Writer::table(PLACE).raw(&webhook.0).0)
    }

    /// Those of one message, oldest event first.
    #[must_use]
    pub fn places_of(webhook: WebhookId, uid: MessageUid) -> Self {
        Self(Writer::table(PLACE).raw(&webhook.0).raw(&uid.0).0)
    }

    /// What was given up for one webhook, oldest event first.
    #[must_use]
    pub fn dead(webhook: WebhookId) -> Self {
        Self(Writer::table(DEAD).raw(&webhook.0).0)
    }

    /// Everything that is kept of a replay under way.
    #[must_use]
    pub fn replay() -> Self {
        Self(vec![REPLAY])
    }

    /// The same entries of a replay under way.
    #[must_use]
    pub fn of_replay(self) -> Self {
        Self(Writer::table(REPLAY).raw(&self.0).0)
    }

    /// Every index segment, oldest first.
    #[must_use]
    pub fn segments() -> Self {
        Self(vec![SEGMENT])
    }

    /// Every page of postings of all index segments.
    #[must_use]
    pub fn all_terms() -> Self {
        Self(vec![TERMS])
    }

    /// Every page of postings of an index segment.
    #[must_use]
    pub fn terms(segment: u64) -> Self {
        Self(Writer::table(TERMS).raw(&segment.to_be_bytes()).0)
    }

    /// Every log that lines of events are in, oldest first.
    #[must_use]
    pub fn logs() -> Self {
        Self(vec![LOG])
    }

    /// Every posting of one hour.
    #[must_use]
    pub fn postings(hour: u32) -> Self {
        Self(Writer::table(POSTING).raw(&hour.to_be_bytes()).0)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Source name and fingerprint of a [`Key::position`].
#[must_use]
pub fn parse_position(key: &[u8]) -> Option<(&str, Fingerprint)> {
    let mut fields = Fields::of(POSITION, key)?;
    let source = std::str::from_utf8(fields.bytes()?).ok()?;
    Some((source, Fingerprint(fields.array()?))).filter(|_| fields.done())
}

/// What [`Key::of_replay`] was made from.
#[must_use]
pub fn parse_replay(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&[REPLAY])
}

/// Number of a [`Key::aside`].
#[must_use]
pub fn parse_aside(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(ASIDE, key)?;
    fields.u64().filter(|_| fields.done())
}

/// Number of a [`Key::ledger`].
#[must_use]
pub fn parse_ledger(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(LEDGER, key)?;
    fields.u64().filter(|_| fields.done())
}

/// The parts of a [`Key::live`].
#[must_use]
pub fn parse_live(key: &[u8]) -> Option<LiveKey<'_>> {
    let mut fields = Fields::of(LIVE, key)?;
    let live = LiveKey {
        host: fields.bytes()?,
        instance: fields.bytes()?,
        queue_id: fields.bytes()?,
        part: fields.array().map(u32::from_be_bytes)?,
    };
    Some(live).filter(|_| fields.done())
}

/// Name and number of the part of a [`Key::haraka`].
#[must_use]
pub fn parse_haraka(key: &[u8]) -> Option<(&str, u32)> {
    let mut fields = Fields::of(HARAKA, key)?;
    let name = std::str::from_utf8(fields.bytes()?).ok()?;
    let part = fields.array().map(u32::from_be_bytes)?;
    fields.done().then_some((name, part))
}

/// First sequence number of a [`Key::chunk`].
#[must_use]
pub fn parse_chunk(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(CHUNK, key)?;
    fields.u64().filter(|_| fields.done())
}

/// Webhook of a [`Key::cursor`].
#[must_use]
pub fn parse_cursor(key: &[u8]) -> Option<WebhookId> {
    let mut fields = Fields::of(CURSOR, key)?;
    fields.array().map(WebhookId).filter(|_| fields.done())
}

/// Webhook of a [`Key::ring`].
#[must_use]
pub fn parse_ring(key: &[u8]) -> Option<WebhookId> {
    let mut fields = Fields::of(RING, key)?;
    fields.array().map(WebhookId).filter(|_| fields.done())
}

/// Webhook of a [`Key::made`].
#[must_use]
pub fn parse_made(key: &[u8]) -> Option<WebhookId> {
    let mut fields = Fields::of(MADE, key)?;
    fields.array().map(WebhookId).filter(|_| fields.done())
}

/// Digest of a [`Key::api_key`].
#[must_use]
pub fn parse_api_key(key: &[u8]) -> Option<[u8; 32]> {
    let mut fields = Fields::of(API_KEY, key)?;
    fields.array().filter(|_| fields.done())
}

/// Number of a [`Key::audit`].
#[must_use]
pub fn parse_audit(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(AUDIT, key)?;
    fields.u64().filter(|_| fields.done())
}

/// Webhook, due time in milliseconds since the epoch, and sequence number of a [`Key::retry`].
#[must_use]
pub fn parse_retry(key: &[u8]) -> Option<(WebhookId, u64, u64)> {
    let mut fields = Fields::of(RETRY, key)?;
    Some((WebhookId(fields.array()?), fields.u64()?, fields.u64()?)).filter(|_| fields.done())
}

/// Webhook and number of a [`Key::attempts`].
#[must_use]
pub fn parse_attempts(key: &[u8]) -> Option<(WebhookId, u64)> {
    let mut fields = Fields::of(ATTEMPTS, key)?;
    Some((WebhookId(fields.array()?), fields.u64()?)).filter(|_| fields.done())
}

/// Webhook, message and sequence number of a [`Key::place`].
#[must_use]
pub fn parse_place(key: &[u8]) -> Option<(WebhookId, MessageUid, u64)> {
    let mut fields = Fields::of(PLACE, key)?;
    Some((WebhookId(fields.array()?), MessageUid(fields.array()?), fields.u64()?))
        .filter(|_| fields.done())
}

/// Webhook and sequence number of a [`Key::dead`].
#[must_use]
pub fn parse_dead(key: &[u8]) -> Option<(WebhookId, u64)> {
    let mut fields = Fields::of(DEAD, key)?;
    Some((WebhookId(fields.array()?), fields.u64()?)).filter(|_| fields.done())
}

/// Hour and first sequence number of a [`Key::posting`].
#[must_use]
pub fn parse_posting(key: &[u8]) -> Option<(u32, u64)> {
    let mut fields = Fields::of(POSTING, key)?;
    let hour = fields.array().map(u32::from_be_bytes)?;
    Some((hour, fields.u64()?)).filter(|_| fields.done())
}

/// First sequence number of a [`Key::segment`].
#[must_use]
pub fn parse_segment(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(SEGMENT, key)?;
    fields.u64().filter(|_| fields.done())
}

/// Segment and first posting of a [`Key::terms`].
#[must_use]
pub fn parse_terms(key: &[u8]) -> Option<(u64, u64)> {
    let mut fields = Fields::of(TERMS, key)?;
    Some((fields.u64()?, fields.u64()?)).filter(|_| fields.done())
}

/// Number of a [`Key::log`].
#[must_use]
pub fn parse_log(key: &[u8]) -> Option<u32> {
    let mut fields = Fields::of(LOG, key)?;
    fields.array().map(u32::from_be_bytes).filter(|_| fields.done())
}

/// First sequence number of a [`Key::age`].
#[must_use]
pub fn parse_age(key: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(AGE, key)?;
    fields.u64().filter(|_| fields.done())
}

/// Source name of a [`Key::source_state`].
#[must_use]
pub fn parse_source_state(key: &[u8]) -> Option<&str> {
    let mut fields = Fields::of(SOURCE_STATE, key)?;
    let source = std::str::from_utf8(fields.bytes()?).ok()?;
    Some(source).filter(|_| fields.done())
}

/// Webhook and page of a [`Key::offered`].
#[must_use]
pub fn parse_offered(key: &[u8]) -> Option<(WebhookId, u64)> {
    let mut fields = Fields::of(OFFERED, key)?;
    Some((WebhookId(fields.array()?), fields.u64()?)).filter(|_| fields.done())
}

/// Builds a key, field by field.
struct Writer(Vec<u8>);

impl Writer {
    fn table(tag: u8) -> Self {
        Self(vec![tag])
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Variable-length: its length goes in front.
    fn bytes(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.raw(&length.to_be_bytes()).raw(bytes)
    }
}

/// Takes a key apart again, field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn of(tag: u8, key: &'a [u8]) -> Option<Self> {
        key.strip_prefix(&[tag]).map(Self)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u32::from_be_bytes)?;
        let (field, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(field)
    }

    fn done(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_parsed_key_gives_its_parts_back() {
        let hook = WebhookId([7; 16]);
        let print = Fingerprint([9; 16]);
        assert_eq!(parse_retry(Key::retry(hook, 5, 6).as_bytes()), Some((hook, 5, 6)));
        let uid = MessageUid([3; 16]);
        assert_eq!(parse_attempts(Key::attempts(hook, 6).as_bytes()), Some((hook, 6)));
        assert_eq!(parse_place(Key::place(hook, uid, 6).as_bytes()), Some((hook, uid, 6)));
        assert_eq!(parse_dead(Key::dead(hook, 6).as_bytes()), Some((hook, 6)));
        assert_eq!(parse_cursor(Key::cursor(hook).as_bytes()), Some(hook));
        assert_eq!(parse_ring(Key::ring(hook).as_bytes()), Some(hook));
        assert_eq!(parse_made(Key::made(hook).as_bytes()), Some(hook));
        assert_eq!(parse_api_key(Key::api_key([5; 32]).as_bytes()), Some([5; 32]));
        assert_eq!(parse_audit(Key::audit(9).as_bytes()), Some(9));
        assert_eq!(parse_chunk(Key::chunk(77).as_bytes()), Some(77));
        assert_eq!(parse_aside(Key::aside(78).as_bytes()), Some(78));
        assert_eq!(parse_ledger(Key::ledger(79).as_bytes()), Some(79));
        assert_eq!(parse_haraka(Key::haraka("C.1", 7).as_bytes()), Some(("C.1", 7)));
        assert_eq!(parse_posting(Key::posting(3, 4).as_bytes()), Some((3, 4)));
        assert_eq!(parse_age(Key::age(5).as_bytes()), Some(5));
        assert_eq!(parse_offered(Key::offered(hook, 8).as_bytes()), Some((hook, 8)));
        assert_eq!(parse_source_state(Key::source_state("a").as_bytes()), Some("a"));
        assert_eq!(parse_position(Key::position("a", print).as_bytes()), Some(("a", print)));
        assert_eq!(parse_chunk(Key::cursor(hook).as_bytes()), None);
        let (plain, replayed) = (Key::chunk(77), Key::chunk(77).of_replay());
        assert_eq!(parse_replay(replayed.as_bytes()), Some(plain.as_bytes()));
        assert_eq!(parse_chunk(replayed.as_bytes()), None);
    }

    #[test]
    fn key_order_is_the_order_of_due_times_and_sequence_numbers() {
        let hook = WebhookId([1; 16]);
        assert!(Key::retry(hook, 255, 9) < Key::retry(hook, 256, 0));
        assert!(Key::chunk(255) < Key::chunk(256));
        assert!(Key::dead(hook, u64::MAX - 1) < Key::dead(hook, u64::MAX));
    }

    #[test]
    fn a_source_prefix_does_not_cover_a_source_with_a_longer_name() {
        let longer = Key::position("mail2", Fingerprint([0; 16]));
        assert!(!longer.as_bytes().starts_with(Prefix::positions("mail").as_bytes()));
        let same = Key::position("mail", Fingerprint([0; 16]));
        assert!(same.as_bytes().starts_with(Prefix::positions("mail").as_bytes()));
    }

    proptest! {
        #[test]
        fn live_keys_of_hostile_parts_never_collide_and_always_come_back(
            a in any::<(Vec<u8>, Vec<u8>, Vec<u8>, u32)>(),
            b in any::<(Vec<u8>, Vec<u8>, Vec<u8>, u32)>(),
        ) {
            let key = Key::live(&a.0, &a.1, &a.2, a.3);
            prop_assert_eq!(a == b, key == Key::live(&b.0, &b.1, &b.2, b.3));
            let expected =
                LiveKey { host: &a.0, instance: &a.1, queue_id: &a.2, part: a.3 };
            prop_assert_eq!(parse_live(key.as_bytes()), Some(expected));
        }

        #[test]
        fn any_bytes_parse_without_a_panic(key in any::<Vec<u8>>()) {
            let _ = (parse_live(&key), parse_retry(&key), parse_position(&key));
        }
    }
}
