//! What many events are about, in few bytes: a webhook that none of them is for comes past all of
//! them without a look at each.
//!
//! A [`Gist`] knows the types of its events exactly and the names in them, users, domains and
//! routes, by a Bloom filter. So it never says of an event that is wanted that it is not; that it
//! takes one for wanted that is not costs a look. What is wanted in truth is
//! [`super::subscription`]'s.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{filter::TypeSet, subscription::Subscription};
use crate::event::{Event, EventType, Service};

/// Words of the filter. With the names of 64 events, two each, one name in 20 that is not there
/// seems to be.
const WORDS: usize = 16;

/// What some events are about.
#[derive(Debug, Clone, Default)]
pub struct Gist {
    types: TypeSet,
    names: [u64; WORDS],
}

/// What one event adds to a [`Gist`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    kind: EventType,
    /// Hashes of its names.
    names: [Option<u64>; 3],
}

/// What a webhook asked for, as a [`Gist`] is held against it.
#[derive(Debug, Clone)]
pub struct Interest {
    outbound: TypeSet,
    inbound: TypeSet,
    operational: TypeSet,
    users: Vec<Name>,
    domains: Vec<Name>,
    routes: Vec<Name>,
}

/// The two bits of a name: each the number of a word, and the bit in it.
type Name = [(usize, u64); 2];

/// What a name is the name of: a user may be called as a domain is.
#[derive(Clone, Copy, Hash)]
enum Field {
    User,
    Domain,
    Route,
}

impl Gist {
    /// One event more.
    pub fn add(&mut self, mark: &Mark) {
        self.types.insert(mark.kind);
        for (word, bit) in mark.names.into_iter().flatten().flat_map(bits) {
            if let Some(word) = self.names.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether one of the events may be wanted. What is for everybody is.
    #[must_use]
    pub fn may_interest(&self, who: &Interest) -> bool {
        let has = |types: TypeSet| !self.types.is_disjoint(types);
        let is_about = |names: &[Name]| names.is_empty() || names.iter().any(|it| self.has(it));
        self.types.contains(EventType::WebhookTest)
            || has(who.operational)
            || (((has(who.outbound) && is_about(&who.users))
                || (has(who.inbound) && is_about(&who.domains)))
                && is_about(&who.routes))
    }

    fn has(&self, name: &Name) -> bool {
        name.iter().all(|(word, bit)| self.names.get(*word).is_some_and(|word| word & bit != 0))
    }
}

impl Mark {
    /// That of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let (data, service) = (&event.data, event.kind.service());
        let sender = data.user.as_deref().filter(|_| service == Service::Outbound);
        let domain = data.domain.as_deref().filter(|_| service == Service::Inbound);
        let names = [
            sender.map(|text| hash(Field::User, text)),
            domain.map(|text| hash(Field::Domain, text)),
            data.route.as_deref().map(|text| hash(Field::Route, text)),
        ];
        Self { kind: event.kind, names }
    }
}

impl Interest {
    /// What passes the filters by type, user, domain and route.
    #[must_use]
    pub fn of(subscription: &Subscription<'_>) -> Self {
        let of = |service| subscription.types.of_service(service);
        let names = |field, list: &[String]| {
            list.iter().map(|text| bits(hash(field, text))).collect::<Vec<_>>()
        };
        Self {
            outbound: of(Service::Outbound),
            inbound: of(Service::Inbound),
            operational: of(Service::Operational),
            users: names(Field::User, subscription.users),
            domains: names(Field::Domain, subscription.domains),
            routes: names(Field::Route, subscription.routes),
        }
    }
}

/// Domains are the same in any case.
fn hash(field: Field, text: &str) -> u64 {
    match field {
        Field::Domain => FixedState::default().hash_one((field, text.to_ascii_lowercase())),
        Field::User | Field::Route => FixedState::default().hash_one((field, text)),
    }
}

fn bits(hash: u64) -> Name {
    [hash, hash >> 32].map(|half| {
        let word = usize::try_from(half >> 6).unwrap_or_default() % WORDS;
        (word, 1 << (half % 64))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::{EventData, EventId, TimeQuality},
        queue::subscription::Deferrals,
    };

    const SOME: [&str; 4] = ["a", "b.test", "B.Test", "c"];

    fn event(kind: EventType, user: usize, domain: usize, route: usize) -> Event {
        // Beyond the names there are, it has none.
        let name = |index: usize| SOME.get(index).map(|&name| name.into());
        let (user, domain, route) = (name(user), name(domain), name(route));
        let data = Box::new(EventData { user, domain, route, ..EventData::default() });
        Event { id: EventId::default(), kind, at_us: 0, time_quality: TimeQuality::Exact, data }
    }

    fn names() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(prop::sample::select(&SOME), 0..3)
            .prop_map(|names| names.into_iter().map(str::to_owned).collect())
    }

    fn kind() -> impl Strategy<Value = EventType> {
        prop::sample::select(EventType::ALL)
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_never_passed(
            events in prop::collection::vec((kind(), 0usize..6, 0usize..6, 0usize..6), 1..9),
            types in prop::collection::vec(kind(), 0..4),
            (users, domains, routes) in (names(), names(), names()),
        ) {
            let mut set = TypeSet::empty();
            for kind in types {
                set.insert(kind);
            }
            let wanted = Subscription {
                types: set,
                users: &users,
                domains: &domains,
                routes: &routes,
                deferrals: Deferrals::Every,
                machine: true,
            };
            let mut gist = Gist::default();
            let mut is_any_wanted = false;
            for (kind, user, domain, route) in events {
                let event = event(kind, user, domain, route);
                is_any_wanted |= wanted.wants(&event);
                gist.add(&Mark::of(&event));
            }
            prop_assert!(!is_any_wanted || gist.may_interest(&Interest::of(&wanted)));
        }
    }

    #[test]
    fn what_is_for_others_is_passed_by_type_by_user_by_domain_and_by_route() {
        let (mine, none) = (["mine".to_owned()], []);
        let all = TypeSet::parse(["*"], crate::profile::Profile::Standard);
        let everything = Subscription {
            types: all.unwrap_or_default(),
            users: &none,
            domains: &none,
            routes: &none,
            deferrals: Deferrals::Every,
            machine: false,
        };
        let (outbound, inbound) = (EventType::OutboundBounced, EventType::InboundDelivered);
        for (wanted, kind, is_passed) in [
            (everything, outbound, false),
            (everything, EventType::OutboundSending, true),
            (Subscription { users: &mine, ..everything }, outbound, true),
            (Subscription { users: &mine, ..everything }, inbound, false),
            (Subscription { domains: &mine, ..everything }, inbound, true),
            (Subscription { domains: &mine, ..everything }, outbound, false),
            (Subscription { routes: &mine, ..everything }, outbound, true),
            (Subscription { routes: &mine, ..everything }, EventType::WebhookTest, false),
        ] {
            let mut gist = Gist::default();
            // Of so many names, few bits are those of another one.
            (0..3).for_each(|place| gist.add(&Mark::of(&event(kind, place, place, place))));
            let interest = Interest::of(&wanted);
            assert_eq!(gist.may_interest(&interest), !is_passed, "{kind:?} {wanted:?}");
        }
    }
}
