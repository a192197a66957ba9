//! For any set of events, looking for something finds exactly the events that are about it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Page, Search, SearchError, Wanted, among, find};
use crate::{
    event::{Event, EventData, EventId, EventType, MessageUid, SenderToken, TimeQuality},
    queue::filter::TypeSet,
    store::{
        ChunkBuilder, Commit, Key, Store,
        index::{SegmentBuilder, Terms},
    },
};

/// What events are about; few, so that many are about the same.
const NAMES: [&str; 8] = [
    "a@x.test",
    "B@x.test",
    "b@X.test",
    "<m@x.test>",
    "c",
    "a+058ik001081g81860s4epnfktm6e51qo@x.test",
    "b+058IK001081G81860S4EPNFKTM6E51QO@y.test",
    "a+058im001081g81860s41n2aqf8brmm1u@x.test",
];
const KINDS: [EventType; 3] =
    [EventType::OutboundDelivered, EventType::OutboundBounced, EventType::EndpointFailing];

/// Places in [`NAMES`]; beyond them there is none.
type About = [usize; 5];

fn event(number: u64, kind: usize, uid: u8, about: About) -> Event {
    let [queue_id, message_id, to, orig_to, from] =
        about.map(|place| NAMES.get(place).map(|name| (*name).into()));
    let data = EventData {
        uid: MessageUid([uid; 16]),
        queue_id,
        message_id,
        to,
        orig_to,
        user: from.clone(),
        domain: from.clone(),
        from,
        ..EventData::default()
    };
    Event {
        id: EventId::of(&[&number.to_be_bytes()]),
        kind: KINDS[kind],
        at_us: i64::try_from(number).unwrap() * 1000,
        time_quality: TimeQuality::Exact,
        data: Box::new(data),
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0..KINDS.len(), 0u8..4, prop::array::uniform5(0usize..10));
    prop::collection::vec(one, 0..120).prop_map(|all| {
        let numbered = (0..).zip(all);
        numbered.map(|(number, (kind, uid, about))| event(number, kind, uid, about)).collect()
    })
}

/// Keeps them in a store from `first` on; events between two `borders` have an index together, every
/// second time.
fn stored(events: &[Event], first: u64, borders: &[usize]) -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut commit = Commit::new();
    let mut chunk = ChunkBuilder::new(first);
    for (place, event) in events.iter().enumerate() {
        // Some in each.
        if place % 7 == 6 {
            put(&mut commit, &chunk);
            chunk = ChunkBuilder::new(chunk.next_seq());
        }
        assert!(chunk.push(event));
    }
    if !chunk.is_empty() {
        put(&mut commit, &chunk);
    }
    let mut borders: Vec<_> = borders.iter().map(|border| (*border).min(events.len())).collect();
    borders.sort_unstable();
    for pair in borders.chunks_exact(2) {
        let mut segment = SegmentBuilder::new(first + pair[0] as u64);
        events[pair[0]..pair[1]]
            .iter()
            .for_each(|event| segment.push(event.at_us, &Terms::of(event)));
        if pair[0] < pair[1] {
            segment.finish().into_iter().for_each(|(key, value)| commit.put(key, value));
        }
    }
    store.apply(commit).unwrap();
    (dir, store)
}

fn put(commit: &mut Commit, chunk: &ChunkBuilder) {
    chunk.values().into_iter().for_each(|(first, value)| commit.put(Key::chunk(first), value));
}

/// Everything that is found, page by page.
fn all(store: &Store, wanted: &Wanted) -> Vec<u64> {
    pages(wanted, |wanted| find(store, wanted).unwrap())
}

fn pages(wanted: &Wanted, find: impl Fn(&Wanted) -> Page) -> Vec<u64> {
    let mut wanted = wanted.clone();
    let mut found = Vec::new();
    loop {
        let Page { events, next } = find(&wanted);
        assert!(events.len() <= wanted.limit);
        found.extend(events.iter().map(|(seq, _)| *seq));
        match next {
            None => return found,
            Some(next) => {
                assert!(wanted.before.is_none_or(|before| next < before), "it goes on");
                wanted.before = Some(next);
            }
        }
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let name = || prop::option::weighted(0.3, prop::sample::select(&NAMES).prop_map(str::to_owned));
    let names = (name(), name(), name(), name(), name(), name());
    let uid = prop::option::weighted(0.3, (0u8..4).prop_map(|uid| MessageUid([uid; 16])));
    let id = prop::option::weighted(0.1, 0u64..120);
    let time = || prop::option::weighted(0.2, 0i64..120_000);
    let kind = prop::option::weighted(0.2, prop::sample::select(&KINDS));
    let tokens: Vec<_> = NAMES.iter().filter_map(|name| SenderToken::in_address(name)).collect();
    let token = prop::option::weighted(0.2, prop::sample::select(tokens));
    (names, uid, id, time(), time(), kind, token, 1usize..20).prop_map(
        |(
            (queue_id, message_id, to, from, user, domain),
            uid,
            id,
            since_us,
            until_us,
            kind,
            sender_token,
            limit,
        )| {
            let types = kind.map(|kind| {
                let mut types = TypeSet::empty();
                types.insert(kind);
                types
            });
            let id = id.map(|number| EventId::of(&[&number.to_be_bytes()]));
            let before = None;
            Wanted {
                id,
                uid,
                queue_id,
                message_id,
                to,
                from,
                sender_token,
                user,
                domain,
                types,
                since_us,
                until_us,
                before,
                from_seq: 0,
                limit,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn exactly_the_events_that_are_about_it_are_found(
        events in events(),
        first in prop::sample::select(&[0u64, 1, 40_000]),
        borders in prop::collection::vec(0usize..120, 0..7),
        wanted in prop::collection::vec(wanted(), 1..12),
        floor in 0u64..120,
        named in prop::collection::btree_set(0u64..130, 0..40),
    ) {
        let (_dir, store) = stored(&events, first, &borders);
        for wanted in wanted {
            let mut model: Vec<u64> = (first..).zip(&events)
                .filter(|(_, event)| wanted.takes(event))
                .map(|(seq, _)| seq)
                .collect();
            model.reverse();
            prop_assert_eq!(all(&store, &wanted), &model[..], "{:?}", wanted);
            // Only from there on, and only among some.
            let from_seq = first + floor;
            let above = Wanted { from_seq, ..wanted.clone() };
            let expected: Vec<u64> = model.iter().copied().filter(|seq| *seq >= from_seq).collect();
            prop_assert_eq!(all(&store, &above), expected, "{:?}", above);
            let is_named = |seq: &u64| named.contains(&(seq - first));
            let expected: Vec<u64> = model.iter().copied().filter(is_named).collect();
            let found = pages(&wanted, |wanted| {
                let before = wanted.before.unwrap_or(u64::MAX);
                let named = named.iter().rev().map(|number| first + number);
                among(&store, wanted, named.filter(|seq| *seq < before)).unwrap()
            });
            prop_assert_eq!(found, expected, "{:?}", wanted);
        }
    }
}

#[test]
fn addresses_are_the_same_in_any_case_and_brackets_of_a_message_id_do_not_matter() {
    let events = [event(0, 0, 1, [9, 3, 1, 9, 9]), event(1, 0, 2, [4, 9, 9, 2, 0])];
    let (_dir, store) = stored(&events, 0, &[0, 2]);
    let to = Wanted { to: Some("b@x.TEST".into()), limit: 9, ..Wanted::default() };
    assert_eq!(all(&store, &to), [1, 0], "also before alias expansion");
    let message_id = Wanted { message_id: Some("m@x.test".into()), limit: 9, ..Wanted::default() };
    assert_eq!(all(&store, &message_id), [0]);
    let other = Wanted { queue_id: Some("C".into()), limit: 9, ..Wanted::default() };
    assert_eq!(all(&store, &other), [0; 0], "queue IDs are as they are");
}

/// The index is asked first: of what it knows not to be there, nothing is read.
#[test]
fn what_the_index_does_not_know_costs_no_look_at_events() {
    let events: Vec<_> = (0..100).map(|number| event(number, 0, 1, [0; 5])).collect();
    let (_dir, store) = stored(&events, 0, &[0, 100]);
    let mut commit = Commit::new();
    // Whoever read them would find none.
    store
        .scan(&crate::store::Prefix::chunks())
        .unwrap()
        .for_each(|entry| commit.put(Key::from_stored(&entry.unwrap().0), vec![255]));
    store.apply(commit).unwrap();
    let absent = Wanted { queue_id: Some("nowhere".into()), limit: 9, ..Wanted::default() };
    assert_eq!(all(&store, &absent), [0; 0]);
}

/// Retention may take chunks away under a reader.
#[test]
fn events_that_were_deleted_are_not_there_which_is_no_error() {
    let events: Vec<_> = (0..50).map(|number| event(number, 0, 1, [0; 5])).collect();
    let (_dir, store) = stored(&events, 0, &[0, 40]);
    let mut commit = Commit::new();
    for first in [0, 6, 13] {
        commit.remove(Key::chunk(first));
    }
    store.apply(commit).unwrap();
    let wanted = Wanted { to: Some(NAMES[0].into()), limit: 9, ..Wanted::default() };
    assert_eq!(all(&store, &wanted), (20..50).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn once_the_store_is_closed_nobody_reads_it() {
    let (_dir, store) = stored(&[event(0, 0, 1, [0; 5])], 0, &[]);
    let search = Search::start(store.reader()).unwrap();
    let wanted = Wanted { limit: 1, ..Wanted::default() };
    assert_eq!(search.find(wanted.clone()).await.unwrap().events.len(), 1);
    drop(store);
    assert!(matches!(search.find(wanted).await, Err(SearchError::Stopped)));
}
