//! Which event types a webhook wants: a [`TypeSet`] is what its `events` list means.
//!
//! [`super::subscription`] adds the other filters. What happens to a webhook without a list is the
//! configuration's business.

use thiserror::Error;

use crate::{
    event::{BounceType, Event, EventType, Head, Service},
    profile::Profile,
};

/// The wildcards of an `events` list.
const WILDCARDS: [&str; 3] = ["*", "outbound.*", "inbound.*"];

/// Soft bounces, which lettermint names apart from hard ones. The bit of
/// [`EventType::OutboundBounced`] itself then means the hard ones.
const SOFT_BOUNCES: u64 = 1 << 63;

const _: () = assert!(EventType::ALL.len() < 63, "one bit for each type, and one of its own");

/// Edits beyond which a known name is no longer worth suggesting.
const SUGGESTION_EDITS: usize = 4;

/// A set of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeSet(u64);

/// An entry of an `events` list that means nothing to its profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypeNameError {
    /// No such type, in any spelling the profile knows.
    #[error("unknown event type `{name}`{}", suggest(*nearest))]
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest known name, when one is near.
        nearest: Option<&'static str>,
    },
    /// The type exists, but the profile has no word for it, so it would never be sent.
    #[error("profile {} does not carry `{name}`", profile.name())]
    NotCarried {
        /// As it was given.
        name: String,
        /// The profile that was asked.
        profile: Profile,
    },
}

fn suggest(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (nearest known name: `{name}`)")).unwrap_or_default()
}

impl TypeSet {
    /// No type at all.
    #[must_use]
    pub fn empty() -> Self {
        Self(0)
    }

    /// What a list of names means: canonical names, the profile's own names (webhooks.md §1.7)
    /// and the wildcards of events.md §2. A wildcard means what the profile carries of it.
    ///
    /// # Errors
    /// The first name that is unknown, or that adds nothing the profile could send.
    pub fn parse<'a>(
        names: impl IntoIterator<Item = &'a str>,
        profile: Profile,
    ) -> Result<Self, TypeNameError> {
        let mut set = Self::empty();
        for name in names {
            set.0 |= Self::of_name(name, profile)?.0;
        }
        Ok(set)
    }

    /// Adds one type.
    pub fn insert(&mut self, kind: EventType) {
        self.0 |= bits(kind, BounceType::Hard) | bits(kind, BounceType::Soft);
    }

    /// Have the two no type in common?
    #[must_use]
    pub fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }

    /// The part of it that is of one service.
    #[must_use]
    pub fn of_service(self, service: Service) -> Self {
        let all = EventType::ALL.iter().filter(|kind| kind.service() == service);
        let mut mask = Self::empty();
        all.for_each(|kind| mask.insert(*kind));
        Self(self.0 & mask.0)
    }

    /// Is that type, or some part of it, in the set?
    #[must_use]
    pub fn contains(self, kind: EventType) -> bool {
        self.0 & (bits(kind, BounceType::Hard) | bits(kind, BounceType::Soft)) != 0
    }

    /// The types in the set, in the order of [`EventType::ALL`].
    pub fn types(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.iter().copied().filter(move |&kind| self.contains(kind))
    }

    /// Does the set hold events like this one? Sharper than [`Self::contains`] for bounces.
    #[must_use]
    pub fn contains_event(self, event: &Event) -> bool {
        self.contains_head(&Head::of(event))
    }

    /// As [`TypeSet::contains_event`].
    #[must_use]
    pub fn contains_head(self, event: &Head) -> bool {
        let bounce = event.bounce_type.unwrap_or(BounceType::Soft);
        self.0 & bits(event.kind, bounce) != 0
    }

    fn of_name(name: &str, profile: Profile) -> Result<Self, TypeNameError> {
        let canonical = EventType::from_name(name);
        let is_wildcard = WILDCARDS.contains(&name);
        let set = Self::carried(profile, |kind, bounce| match canonical {
            Some(named) => kind == named,
            None if profile.only_if_named(kind) => false,
            None if is_wildcard => wildcard_means(name, kind),
            None => profile.wire_name(kind, Some(bounce)) == Some(name),
        });
        if set != Self::empty() {
            Ok(set)
        } else if canonical.is_some() || is_wildcard {
            Err(TypeNameError::NotCarried { name: name.to_owned(), profile })
        } else {
            Err(TypeNameError::Unknown { name: name.to_owned(), nearest: nearest(name, profile) })
        }
    }

    /// What the profile carries and `wanted` picks.
    fn carried(profile: Profile, wanted: impl Fn(EventType, BounceType) -> bool) -> Self {
        let mut set = Self::empty();
        for &kind in EventType::ALL {
            for bounce in [BounceType::Hard, BounceType::Soft] {
                if profile.wire_name(kind, Some(bounce)).is_some() && wanted(kind, bounce) {
                    set.0 |= bits(kind, bounce);
                }
            }
        }
        set
    }
}

/// The bit of a type; `bounce` only matters for outbound bounces.
fn bits(kind: EventType, bounce: BounceType) -> u64 {
    match (kind, bounce) {
        (EventType::OutboundBounced, BounceType::Soft) => SOFT_BOUNCES,
        _ => 1 << kind as u64,
    }
}

fn wildcard_means(wildcard: &str, kind: EventType) -> bool {
    match wildcard {
        "*" => kind.is_common(),
        _ => {
            kind != EventType::OutboundSending
                && wildcard.strip_suffix('*').is_some_and(|prefix| kind.name().starts_with(prefix))
        }
    }
}

fn nearest(name: &str, profile: Profile) -> Option<&'static str> {
    let spellings = EventType::ALL.iter().flat_map(|&kind| {
        [
            Some(kind.name()),
            profile.wire_name(kind, Some(BounceType::Hard)),
            profile.wire_name(kind, None),
        ]
    });
    spellings
        .flatten()
        .chain(WILDCARDS)
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|&(edits, known)| edits <= SUGGESTION_EDITS && edits < known.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::event::{EventData, EventId, TimeQuality};

    fn event(kind: EventType, data: EventData) -> Event {
        Event {
            id: EventId::default(),
            kind,
            at_us: 0,
            time_quality: TimeQuality::Exact,
            data: data.into(),
        }
    }

    fn names(profile: Profile, list: &[&str]) -> Vec<&'static str> {
        let set = TypeSet::parse(list.iter().copied(), profile).unwrap();
        EventType::ALL.iter().filter(|&&kind| set.contains(kind)).map(|kind| kind.name()).collect()
    }

    fn bounce(bounce_type: BounceType) -> Event {
        let data = EventData { bounce_type: Some(bounce_type), ..EventData::default() };
        event(EventType::OutboundBounced, data)
    }

    #[test]
    fn the_star_means_the_fifteen_common_types() {
        let all = names(Profile::Standard, &["*"]);
        assert_eq!(all.len(), 15);
        assert!(!all.contains(&"outbound.sending") && !all.contains(&"inbound.deferred"));
        assert!(!all.contains(&"webhook.test"));
    }

    #[test]
    fn operational_events_are_only_for_those_who_name_them() {
        for list in [&["*"][..], &["outbound.*", "inbound.*"]] {
            let got = names(Profile::Standard, list);
            assert!(
                got.iter()
                    .all(|name| name.starts_with("outbound.") || name.starts_with("inbound."))
            );
        }
        for &profile in Profile::ALL {
            let set = TypeSet::parse(["endpoint.disabled"], profile).unwrap();
            assert!(set.contains(EventType::EndpointDisabled));
            assert!(!set.contains(EventType::EndpointEnabled));
        }
    }

    #[test]
    fn a_prefix_wildcard_means_all_of_that_prefix_but_sending() {
        let outbound = names(Profile::Jetemail, &["outbound.*"]);
        assert_eq!(outbound.len(), 11);
        assert!(!outbound.contains(&"outbound.sending"));
        let inbound = names(Profile::Jetemail, &["inbound.*"]);
        assert_eq!(inbound.len(), 8);
        assert!(inbound.contains(&"inbound.dropped"));
    }

    #[test]
    fn generic_sends_deferrals_as_bounces_only_to_those_who_name_them() {
        for list in [&["*"][..], &["outbound.*"], &["bounced"]] {
            let got = names(Profile::Generic, list);
            assert!(!got.contains(&"outbound.deferred"), "{list:?}");
            assert!(got.contains(&"outbound.rejected"), "{list:?}");
        }
        assert_eq!(names(Profile::Generic, &["outbound.deferred"]), ["outbound.deferred"]);
    }

    #[test]
    fn lettermint_hard_bounces_and_failures_are_subscribed_apart() {
        let hard = TypeSet::parse(["message.hard_bounced"], Profile::Lettermint).unwrap();
        assert!(hard.contains_event(&bounce(BounceType::Hard)));
        assert!(!hard.contains_event(&bounce(BounceType::Soft)));
        assert!(hard.contains(EventType::OutboundRejected));
        let failed = TypeSet::parse(["message.failed"], Profile::Lettermint).unwrap();
        assert!(!failed.contains_event(&bounce(BounceType::Hard)));
        assert!(failed.contains_event(&bounce(BounceType::Soft)));
    }

    #[test]
    fn a_canonical_name_means_both_kinds_of_bounce_in_every_profile() {
        for &profile in Profile::ALL {
            let set = TypeSet::parse(["outbound.bounced"], profile).unwrap();
            assert!(set.contains_event(&bounce(BounceType::Hard)));
            assert!(set.contains_event(&bounce(BounceType::Soft)));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_known_one() {
        let error = TypeSet::parse(["outbound.delivred"], Profile::Standard).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown event type `outbound.delivred` (nearest known name: `outbound.delivered`)"
        );
        let error = TypeSet::parse(["message.opend"], Profile::Lettermint).unwrap_err();
        assert!(error.to_string().contains("`message.opened`"), "{error}");
        let error = TypeSet::parse(["zebra crossing"], Profile::Standard).unwrap_err();
        assert_eq!(error.to_string(), "unknown event type `zebra crossing`");
        assert!(TypeSet::parse(["delivered"], Profile::Standard).is_err());
    }

    #[test]
    fn a_type_that_the_profile_cannot_send_is_refused_when_named() {
        for name in ["inbound.delivered", "inbound.*", "outbound.dropped"] {
            let error = TypeSet::parse([name], Profile::Generic).unwrap_err();
            assert!(matches!(error, TypeNameError::NotCarried { .. }), "{name}");
        }
    }
}
