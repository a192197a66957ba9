//! The ledger of what is under way ([`crate::store::ledger`]), as it is kept: what changed is written
//! behind the rest, and the oldest pages go.
//!
//! The oldest page goes when none of its records counts. Where all pages together are twice as long
//! as what counts in them, it is emptied first: what counts in it is written once more, behind the
//! rest. Never a page before an older one: it may say of a record in there that it is over.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use serde::Serialize;

use super::{error::WriterError, scope::Scope, stage::Stage};
use crate::{
    limits::REMOVES_PER_COMMIT,
    store::{
        Key, Prefix, Store, key,
        ledger::{self, PAGE_BYTES, PageReader},
    },
};

/// Bytes that may be of no use however little is under way.
const SLACK_BYTES: u64 = if cfg!(test) { 2 * PAGE_BYTES as u64 } else { 1024 * 1024 };

/// A shorter page counts as this long: each has a key, and a place in memory.
const LEAST_BYTES: u64 = 512;

/// Bytes written once more in one commit, beside four times what changed.
const MOVED_BYTES: u64 = 256 * 1024;

/// What is stored of all that is under way.
#[derive(Debug)]
pub(super) struct Ledger {
    scope: Scope,
    /// By number. Those that are not stored yet have no bytes of records.
    pages: BTreeMap<u64, Page>,
    /// Number of the next page to be stored.
    next: u64,
    /// Where the record of each name is that counts.
    places: HashMap<Box<[u8]>, Place, RandomState>,
    /// Bytes of records in all pages, [`LEAST_BYTES`] of each at least.
    bytes: u64,
    /// Bytes of the records that count.
    counting: u64,
    /// Records for the next commit.
    fresh: Vec<u8>,
}

#[derive(Debug, Default)]
struct Page {
    bytes: u64,
    /// Records that begin in it and count.
    counting: u32,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// [`ledger::Record::at`].
    at: u64,
    bytes: u64,
}

impl Ledger {
    /// An empty one.
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            pages: BTreeMap::new(),
            next: 0,
            places: HashMap::default(),
            bytes: 0,
            counting: 0,
            fresh: Vec::new(),
        }
    }

    /// Goes on with what is stored, and gives name and value of all that is under way to `each`.
    pub(super) fn load(
        scope: Scope,
        store: &Store,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), WriterError>,
    ) -> Result<Self, WriterError> {
        let mut ledger = Self::new(scope);
        let mut reader = PageReader::default();
        for page in pages(scope, store)? {
            let (number, page) = page?;
            let bytes = reader.read(number, &page, |record| {
                let place = Place { at: record.at, bytes: record.bytes() };
                ledger.place(record.name, (!record.value.is_empty()).then_some(place));
                Ok::<_, WriterError>(())
            })?;
            ledger.hold(number, bytes);
        }
        reader.end()?;
        let mut reader = PageReader::default();
        for page in pages(scope, store)? {
            let (number, page) = page?;
            reader.read(number, &page, |record| match ledger.places.get(record.name) {
                Some(place) if place.at == record.at => each(record.name, record.value),
                _ => Ok(()),
            })?;
        }
        Ok(ledger)
    }

    /// That is known of `name` now, in format `version`.
    pub(super) fn put<T: Serialize>(&mut self, name: &[u8], version: u8, value: &T) {
        self.write(name, |fresh| ledger::append_value(name, version, value, fresh));
    }

    /// As [`Ledger::put`], with a value that was encoded.
    pub(super) fn put_bytes(&mut self, name: &[u8], value: &[u8]) {
        self.write(name, |fresh| ledger::append_bytes(name, value, fresh));
    }

    /// `name` is over.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if self.places.contains_key(name) {
            ledger::append_end(name, &mut self.fresh);
            self.place(name, None);
        }
    }

    /// Puts what changed into the commit.
    pub(super) fn stage(&mut self, store: &Store, stage: &mut Stage) -> Result<(), WriterError> {
        self.let_go(store, stage)?;
        let fresh = std::mem::take(&mut self.fresh);
        if self.places.is_empty() && self.pages.range(..self.next).next().is_none() {
            // What is over need not be said where nothing else is.
            self.pages.clear();
            return Ok(());
        }
        for (page, records) in ledger::pages(&fresh).zip(fresh.chunks(PAGE_BYTES)) {
            self.hold(self.next, records.len() as u64);
            stage.put(self.key(self.next - 1), page);
        }
        Ok(())
    }

    /// What is stored was removed.
    pub(super) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::new(self.scope) };
    }

    fn key(&self, number: u64) -> Key {
        self.scope.key(Key::ledger(number))
    }

    fn write(&mut self, name: &[u8], append: impl FnOnce(&mut Vec<u8>)) {
        let before = self.fresh.len();
        append(&mut self.fresh);
        let at = ledger::page_begin(self.next) + before as u64;
        self.place(name, Some(Place { at, bytes: (self.fresh.len() - before) as u64 }));
    }

    /// The record of `name` that counts is there, or there is none.
    fn place(&mut self, name: &[u8], place: Option<Place>) {
        let before = match place {
            Some(place) => {
                self.counting += place.bytes;
                self.pages.entry(ledger::page_of(place.at)).or_default().counting += 1;
                match self.places.get_mut(name) {
                    Some(known) => Some(std::mem::replace(known, place)),
                    None => self.places.insert(name.into(), place),
                }
            }
            None => self.places.remove(name),
        };
        if let Some(before) = before {
            self.counting -= before.bytes;
            if let Some(page) = self.pages.get_mut(&ledger::page_of(before.at)) {
                page.counting -= 1;
            }
        }
    }

    /// That page is stored, and none before it will be.
    fn hold(&mut self, number: u64, bytes: u64) {
        let bytes = bytes.max(LEAST_BYTES);
        self.pages.entry(number).or_default().bytes = bytes;
        self.bytes += bytes;
        self.next = number + 1;
    }

    /// Removes the oldest pages, as far as they are of no use, and not too many at once.
    fn let_go(&mut self, store: &Store, stage: &mut Stage) -> Result<(), WriterError> {
        let changed = self.fresh.len();
        let mut room = MOVED_BYTES + 4 * changed as u64;
        let most = (2 * changed / PAGE_BYTES).max(REMOVES_PER_COMMIT);
        for _ in 0..most {
            let Some((&oldest, page)) = self.pages.first_key_value() else { break };
            let is_too_long = self.bytes > 2 * self.counting + SLACK_BYTES;
            if oldest >= self.next || (page.counting > 0 && (!is_too_long || room == 0)) {
                break;
            }
            if page.counting > 0 {
                let before = self.fresh.len();
                self.write_once_more(oldest, store)?;
                room = room.saturating_sub((self.fresh.len() - before) as u64);
            }
            stage.remove(self.key(oldest));
            let page = self.pages.remove(&oldest).unwrap_or_default();
            self.bytes -= page.bytes;
        }
        Ok(())
    }

    /// Writes what counts in that page behind the rest.
    fn write_once_more(&mut self, oldest: u64, store: &Store) -> Result<(), WriterError> {
        let mut reader = PageReader::default();
        for number in oldest..self.next {
            let Some(page) = store.get(&self.key(number))? else { break };
            reader.read(number, &page, |record| {
                let counts = self.places.get(record.name).is_some_and(|it| it.at == record.at);
                if counts && record.page() == oldest {
                    self.put_bytes(record.name, record.value);
                }
                Ok::<_, WriterError>(())
            })?;
            if reader.begun_in() != Some(oldest) {
                break;
            }
        }
        // Or it would be gone with the page.
        let is_all = self.pages.get(&oldest).is_none_or(|page| page.counting == 0);
        if is_all { Ok(()) } else { Err(ledger::MALFORMED.into()) }
    }
}

/// All pages that are stored, the oldest first, with their numbers.
fn pages(
    scope: Scope,
    store: &Store,
) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>), WriterError>>, WriterError> {
    let stored = store.scan(&scope.prefix(Prefix::ledger()))?;
    Ok(stored.filter_map(move |entry| match entry {
        Ok((key, page)) => Some(Ok((key::parse_ledger(scope.strip(&key))?, page))),
        Err(error) => Some(Err(error.into())),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::store::testing::random;

    /// What is under way.
    type Known = BTreeMap<Vec<u8>, Vec<u8>>;

    struct Bench {
        store: Store,
        ledger: Ledger,
        known: Known,
        _dir: TempDir,
    }

    impl Bench {
        fn new(scope: Scope) -> Self {
            let dir = TempDir::new().unwrap();
            let store = Store::open(dir.path()).unwrap();
            Self { store, ledger: Ledger::new(scope), known: Known::new(), _dir: dir }
        }

        fn put(&mut self, name: u8, bytes: usize, seed: u8) {
            // What is stored of it is as long as what counts.
            let (name, value) = (vec![name; 30], random(bytes, seed));
            self.ledger.put_bytes(&name, &value);
            self.known.insert(name, value);
        }

        fn remove(&mut self, name: u8) {
            self.ledger.remove(&[name; 30]);
            self.known.remove(&[name; 30][..]);
        }

        fn commit(&mut self) {
            let mut stage = Stage::new(self.ledger.scope);
            self.ledger.stage(&self.store, &mut stage).unwrap();
            if let Some(commit) = stage.take() {
                self.store.apply(commit).unwrap();
            }
        }

        /// What another start finds, which goes on from there.
        fn restart(&mut self) -> Known {
            let mut read = Known::new();
            let each = |name: &[u8], value: &[u8]| {
                assert_eq!(read.insert(name.to_vec(), value.to_vec()), None, "given once");
                Ok(())
            };
            self.ledger = Ledger::load(self.ledger.scope, &self.store, each).unwrap();
            read
        }

        fn stored_bytes(&self) -> u64 {
            let pages = pages(self.ledger.scope, &self.store).unwrap();
            pages.map(|page| page.unwrap().1.len() as u64).sum()
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Put(u8, usize, u8),
        Remove(u8),
        Commit,
        Restart,
    }

    fn act() -> impl Strategy<Value = Act> {
        let bytes = prop_oneof![9 => 1usize..900, 1 => 1usize..20_000];
        prop_oneof![
            8 => (0u8..12, bytes, any::<u8>()).prop_map(|(name, bytes, byte)| Act::Put(name, bytes, byte)),
            4 => (0u8..12).prop_map(Act::Remove),
            4 => Just(Act::Commit),
            1 => Just(Act::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_start_finds_what_was_under_way_and_the_pages_do_not_grow(
            acts in prop::collection::vec(act(), 1..200),
            is_replay: bool,
        ) {
            let mut bench = Bench::new(if is_replay { Scope::Replay } else { Scope::Live });
            for act in acts {
                match act {
                    Act::Put(name, bytes, byte) => bench.put(name, bytes, byte),
                    Act::Remove(name) => bench.remove(name),
                    Act::Commit => bench.commit(),
                    Act::Restart => {
                        bench.commit();
                        prop_assert_eq!(bench.restart(), bench.known.clone());
                    }
                }
            }
            for _ in 0..3 {
                bench.commit();
                prop_assert_eq!(bench.restart(), bench.known.clone());
            }
            let counting: u64 = bench.ledger.counting;
            // A page is let go of as a whole.
            prop_assert!(bench.stored_bytes() <= 2 * counting + SLACK_BYTES + 2 * PAGE_BYTES as u64);
            (0..12).for_each(|name| bench.remove(name));
            bench.commit();
            prop_assert_eq!((bench.stored_bytes(), bench.restart()), (0, Known::new()));
        }
    }

    /// One that never changes must not keep the pages of those that came and went behind it.
    #[test]
    fn what_stays_for_long_moves_along() {
        let mut bench = Bench::new(Scope::Live);
        bench.put(0, 500, 0);
        for round in 0..500 {
            let name = 1 + u8::try_from(round % 3).unwrap();
            bench.put(name, 3000, name);
            bench.commit();
            bench.remove(name);
        }
        assert!(bench.stored_bytes() < SLACK_BYTES + 4 * PAGE_BYTES as u64);
        assert!(bench.ledger.pages.len() < 10);
        bench.commit();
        assert_eq!(bench.restart(), bench.known);
        assert_eq!(bench.known.len(), 1);
    }
}
