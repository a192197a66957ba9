//! Whether a webhook is told of an event, and why not.
//!
//! Pure: the event and what the webhook asked for decide, nothing else. What an `events` list means
//! is [`super::filter`]'s.

use serde::{Deserialize, Serialize};

use super::filter::TypeSet;
use crate::event::{Event, EventData, EventId, EventType, Head, Parcel, Service};

/// Which deferrals a webhook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferrals {
    /// All.
    #[default]
    Every,
    /// The first one of each recipient of each message.
    First,
    /// Those with another status code or category than the one before.
    OnChange,
}

/// Everything that decides whether a webhook is told of an event.
#[derive(Debug, Clone, Copy)]
pub struct Subscription<'a> {
    /// Types that it names.
    pub types: TypeSet,
    /// Outbound events only of these users; empty for all (webhooks.md D12, C18).
    pub users: &'a [String],
    /// Inbound events only for these domains, lower case; empty for all.
    pub domains: &'a [String],
    /// Only events of these streams; empty for all.
    pub routes: &'a [String],
    /// Which deferrals.
    pub deferrals: Deferrals,
    /// Also opens and clicks that no person made.
    pub machine: bool,
}

/// What becomes of an event. The first reason in this order counts.
///
/// Their numbers are stored: they never change, and a new one is the highest, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The webhook is told.
    Wanted = 0,
    /// It does not name the type.
    OtherType = 1,
    /// Another user's message, or nobody's that is known.
    OtherUser = 2,
    /// A message for another domain, or for none that is known.
    OtherDomain = 3,
    /// A message of another stream, or of none.
    OtherRoute = 4,
    /// Not a person but a machine opened or clicked.
    Machine = 5,
    /// The deferral says nothing new.
    RepeatedDeferral = 6,
}

impl Decision {
    /// Every decision, in the order of their checks.
    pub const ALL: [Self; 7] = [
        Self::Wanted,
        Self::OtherType,
        Self::OtherUser,
        Self::OtherDomain,
        Self::OtherRoute,
        Self::Machine,
        Self::RepeatedDeferral,
    ];

    /// The reason for a person, with the key that decided.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Wanted => "it is wanted",
            Self::OtherType => "its type is not in `events`",
            Self::OtherUser => "its user is not in `filter_users`",
            Self::OtherDomain => "its domain is not in `filter_domains`",
            Self::OtherRoute => "its route is not in `routes`",
            Self::Machine => "a machine did it, and `include_machine_events` is off",
            Self::RepeatedDeferral => "`deferrals` leaves out what repeats",
        }
    }
}

impl Subscription<'_> {
    /// Is the webhook to be told?
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        self.decide(event) == Decision::Wanted
    }

    /// As [`Subscription::wants`].
    #[must_use]
    pub fn wants_parcel(&self, event: &Parcel) -> bool {
        self.decide_parcel(event) == Decision::Wanted
    }

    /// As [`Subscription::decide`], with a look inside only where a name decides.
    #[must_use]
    pub fn decide_parcel(&self, event: &Parcel) -> Decision {
        self.decide_by(event.head(), || &event.data)
    }

    /// What becomes of the event. One whose user, domain or route is not known passes no filter by
    /// it; what was asked for by a person passes all (webhooks.md C24), and so does, for who named
    /// its type, what is about no mail.
    #[must_use]
    pub fn decide(&self, event: &Event) -> Decision {
        self.decide_by(&Head::of(event), || &event.data)
    }

    fn decide_by<'a>(&self, event: &Head, data: impl Fn() -> &'a EventData) -> Decision {
        if event.kind == EventType::WebhookTest {
            return Decision::Wanted;
        }
        let service = event.kind.service();
        if !self.types.contains_head(event) {
            Decision::OtherType
        } else if service == Service::Operational {
            Decision::Wanted
        } else if service != Service::Inbound
            && !passes(self.users, || data().user.as_deref(), |a, b| a == b)
        {
            Decision::OtherUser
        } else if service != Service::Outbound
            && !passes(self.domains, || data().domain.as_deref(), str::eq_ignore_ascii_case)
        {
            Decision::OtherDomain
        } else if !passes(self.routes, || data().route.as_deref(), |a, b| a == b) {
            Decision::OtherRoute
        } else if event.is_machine && !self.machine {
            Decision::Machine
        } else if self.repeats(event) {
            Decision::RepeatedDeferral
        } else {
            Decision::Wanted
        }
    }

    fn repeats(&self, event: &Head) -> bool {
        let is_deferral =
            matches!(event.kind, EventType::OutboundDeferred | EventType::InboundDeferred);
        is_deferral
            && match self.deferrals {
                Deferrals::Every => false,
                Deferrals::First => event.is_repeated,
                Deferrals::OnChange => event.same_reason,
            }
    }
}

fn passes<'a>(
    list: &[String],
    value: impl Fn() -> Option<&'a str>,
    same: impl Fn(&str, &str) -> bool,
) -> bool {
    list.is_empty() || value().is_some_and(|value| list.iter().any(|listed| same(listed, value)))
}

/// How often each decision was made, and the latest event that it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Made>", into = "Vec<Made>")]
pub struct Tally {
    made: [(u64, EventId); Decision::ALL.len()],
}

/// The stored form of a decision that was made: its number, how often, and the latest event.
type Made = (u8, u64, EventId);

impl Tally {
    /// Counts a decision.
    pub fn count(&mut self, decision: Decision, event: EventId) {
        self.count_many(decision, 1, event);
    }

    /// Counts a decision that was made of many events; `event` is the latest.
    pub fn count_many(&mut self, decision: Decision, events: u64, event: EventId) {
        if let Some((count, latest)) = self.made.get_mut(decision as usize) {
            *count = count.saturating_add(events);
            *latest = event;
        }
    }

    /// Decisions that were made, with their number and latest event.
    pub fn made(&self) -> impl Iterator<Item = (Decision, u64, EventId)> {
        let made = Decision::ALL.into_iter().zip(self.made);
        made.filter(|(_, (count, _))| *count > 0).map(|(what, (count, id))| (what, count, id))
    }
}

impl From<Vec<Made>> for Tally {
    /// Of decisions that this version does not know, nothing is kept.
    fn from(stored: Vec<Made>) -> Self {
        let mut tally = Self::default();
        for (number, count, latest) in stored {
            if let Some(made) = tally.made.get_mut(usize::from(number)) {
                *made = (count, latest);
            }
        }
        tally
    }
}

impl From<Tally> for Vec<Made> {
    fn from(tally: Tally) -> Self {
        tally.made().map(|(what, count, latest)| (what as u8, count, latest)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        event::{EventData, Hit, TimeQuality},
        profile::Profile,
    };

    fn event(kind: EventType, data: EventData) -> Event {
        Event {
            id: EventId::default(),
            kind,
            at_us: 0,
            time_quality: TimeQuality::Exact,
            data: Box::new(data),
        }
    }

    fn everything() -> Subscription<'static> {
        Subscription {
            types: TypeSet::parse(["*", "inbound.deferred"], Profile::Standard).unwrap(),
            users: &[],
            domains: &[],
            routes: &[],
            deferrals: Deferrals::Every,
            machine: false,
        }
    }

    fn by(user: Option<&str>, domain: Option<&str>, route: Option<&str>) -> EventData {
        EventData {
            user: user.map(Into::into),
            domain: domain.map(Into::into),
            route: route.map(Into::into),
            ..EventData::default()
        }
    }

    #[test]
    fn d12_users_filter_only_outbound_and_domains_only_inbound() {
        let (users, domains) = (["alice".to_owned()], ["example.com".to_owned()]);
        let picky = Subscription { users: &users, domains: &domains, ..everything() };
        let outbound = |user, domain| {
            picky.decide(&event(EventType::OutboundDelivered, by(user, domain, None)))
        };
        let inbound = |user, domain| {
            picky.decide(&event(EventType::InboundDelivered, by(user, domain, None)))
        };

        assert_eq!(outbound(Some("alice"), Some("other.test")), Decision::Wanted);
        assert_eq!(outbound(Some("bob"), Some("example.com")), Decision::OtherUser);
        assert_eq!(outbound(None, None), Decision::OtherUser);
        assert_eq!(inbound(Some("bob"), Some("Example.COM")), Decision::Wanted);
        assert_eq!(inbound(Some("alice"), Some("other.test")), Decision::OtherDomain);
        assert_eq!(inbound(None, None), Decision::OtherDomain);
    }

    #[test]
    fn d12_c18_an_empty_filter_means_everything() {
        for kind in [EventType::InboundDelivered, EventType::OutboundDelivered] {
            assert!(everything().wants(&event(kind, EventData::default())));
        }
    }

    /// Only `queued` of the providers' samples shows `user`, and the filter is for all outbound
    /// events: the event knows it, whatever a payload shows.
    #[test]
    fn c17_the_user_of_every_outbound_type_counts() {
        let users = ["alice".to_owned()];
        let picky = Subscription { users: &users, ..everything() };
        let outbound = |kind: &&EventType| kind.is_common() && kind.service() == Service::Outbound;
        for &kind in EventType::ALL.iter().filter(outbound) {
            assert!(picky.wants(&event(kind, by(Some("alice"), None, None))), "{kind:?}");
            assert!(!picky.wants(&event(kind, by(Some("bob"), None, None))), "{kind:?}");
        }
    }

    #[test]
    fn an_event_of_another_route_or_of_none_is_left_out() {
        let routes = ["news".to_owned(), "shop".to_owned()];
        let picky = Subscription { routes: &routes, ..everything() };
        let decide =
            |route| picky.decide(&event(EventType::OutboundBounced, by(None, None, route)));
        assert_eq!(decide(Some("shop")), Decision::Wanted);
        assert_eq!(decide(Some("other")), Decision::OtherRoute);
        assert_eq!(decide(None), Decision::OtherRoute);
        assert!(everything().wants(&event(EventType::OutboundBounced, by(None, None, Some("x")))));
    }

    #[test]
    fn d14_opens_and_clicks_by_machines_are_left_out_unless_asked_for() {
        for kind in [EventType::OutboundOpened, EventType::OutboundClicked] {
            for (machine, asked, expected) in [
                (true, false, Decision::Machine),
                (true, true, Decision::Wanted),
                (false, false, Decision::Wanted),
            ] {
                let hit = Some(Box::new(Hit { machine, ..Hit::default() }));
                let event = event(kind, EventData { hit, ..EventData::default() });
                let asking = Subscription { machine: asked, ..everything() };
                assert_eq!(asking.decide(&event), expected);
            }
        }
    }

    #[test]
    fn deferrals_are_told_every_time_the_first_time_or_when_they_change() {
        for kind in [EventType::OutboundDeferred, EventType::InboundDeferred] {
            let deferral = |attempt, same_reason| {
                let attempt = Some(attempt);
                event(kind, EventData { attempt, same_reason, ..EventData::default() })
            };
            let story = [deferral(1, false), deferral(2, true), deferral(3, false)];
            let told = |deferrals| {
                story
                    .each_ref()
                    .map(|event| Subscription { deferrals, ..everything() }.wants(event))
            };
            assert_eq!(told(Deferrals::Every), [true, true, true]);
            assert_eq!(told(Deferrals::First), [true, false, false]);
            assert_eq!(told(Deferrals::OnChange), [true, false, true]);
        }
    }

    #[test]
    fn what_is_no_deferral_is_no_repetition() {
        let data = EventData { attempt: Some(3), same_reason: true, ..EventData::default() };
        let first = Subscription { deferrals: Deferrals::First, ..everything() };
        assert!(first.wants(&event(EventType::OutboundBounced, data)));
    }

    #[test]
    fn c24_a_test_passes_every_filter() {
        let list = ["nobody".to_owned()];
        let nothing = Subscription {
            types: TypeSet::empty(),
            users: &list,
            domains: &list,
            routes: &list,
            ..everything()
        };
        assert!(nothing.wants(&event(EventType::WebhookTest, EventData::default())));
    }

    #[test]
    fn what_is_about_no_mail_passes_every_filter_of_who_named_it() {
        let users = ["alice".to_owned()];
        let types = TypeSet::parse(["endpoint.disabled"], Profile::Standard).unwrap();
        let picky = Subscription { types, users: &users, domains: &users, ..everything() };
        assert!(picky.wants(&event(EventType::EndpointDisabled, EventData::default())));
        assert!(!picky.wants(&event(EventType::EndpointEnabled, EventData::default())));
    }

    #[test]
    fn decisions_are_counted_with_their_latest_event() {
        let mut tally = Tally::default();
        let id = |number: u8| EventId([number; 16]);
        tally.count(Decision::Wanted, id(1));
        tally.count(Decision::Machine, id(2));
        tally.count(Decision::Wanted, id(3));
        let made: Vec<_> = tally.made().collect();
        assert_eq!(made, [(Decision::Wanted, 2, id(3)), (Decision::Machine, 1, id(2))]);
        for (place, decision) in Decision::ALL.into_iter().enumerate() {
            assert_eq!(decision as usize, place, "counted apart: {}", decision.reason());
        }
    }
}
