//! The four dialects in which a webhook can be spoken to.
//!
//! A profile fixes envelope, type names, headers, signature, key reading, schedule and response
//! classes. Here stand only its name and its tables of constants (webhooks.md §1.6, §1.7);
//! rendering and signing are `deliver`'s, timing and response classes are `queue`'s.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{BounceType, EventType};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Standard Webhooks.
    #[default]
    Standard,
    /// `JetEmail`.
    Jetemail,
    /// The generic guide.
    Generic,
    /// Lettermint.
    Lettermint,
}

/// How the text of a secret becomes the key of the profile's own signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// The text without `whsec_`, base64-decoded.
    Decoded,
    /// The bytes of the whole text, a `whsec_` included.
    Literal,
}

/// Ten attempts in 75 h 35 min 5 s.
const STANDARD: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// Six attempts in 5 h 12 min 30 s (webhooks.md D8).
const JETEMAIL: &[Duration] = &[
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(4),
];

/// The first attempt and three retries (webhooks.md D9, C8).
const GENERIC: &[Duration] =
    &[Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(30)];

/// Twelve attempts in 14 h 13 min (webhooks.md D10).
const LETTERMINT: &[Duration] = &[
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(10),
    Duration::from_mins(15),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(6),
];

impl Profile {
    /// Every profile, in the order of the documentation.
    pub const ALL: &[Self] = &[Self::Standard, Self::Jetemail, Self::Generic, Self::Lettermint];

    /// The name in configuration and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Jetemail => "jetemail",
            Self::Generic => "generic",
            Self::Lettermint => "lettermint",
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|profile| profile.name() == name)
    }

    /// Waits before attempt 2, 3, …, each counted from the end of the attempt before. One
    /// attempt more than waits; then the delivery is dead.
    #[must_use]
    pub fn schedule(self) -> &'static [Duration] {
        match self {
            Self::Standard => STANDARD,
            Self::Jetemail => JETEMAIL,
            Self::Generic => GENERIC,
            Self::Lettermint => LETTERMINT,
        }
    }

    /// For the whole request, from connecting to the status line.
    #[must_use]
    pub fn timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Standard => 20,
            Self::Jetemail => 10,
            Self::Generic => 15,
            Self::Lettermint => 30,
        })
    }

    /// Refuses plain http, except to loopback (webhooks.md C13).
    #[must_use]
    pub fn requires_https(self) -> bool {
        matches!(self, Self::Standard | Self::Lettermint)
    }

    /// How the profile's own signature reads the secret (webhooks.md C5).
    #[must_use]
    pub fn key_mode(self) -> KeyMode {
        match self {
            Self::Standard => KeyMode::Decoded,
            Self::Jetemail | Self::Generic | Self::Lettermint => KeyMode::Literal,
        }
    }

    /// The name on the wire of an event of that type (webhooks.md §1.7); None where the profile
    /// has no word for it. `bounce` only matters for [`EventType::OutboundBounced`]; a bounce of
    /// unknown type counts as soft, which is never held against the address.
    #[must_use]
    pub fn wire_name(self, kind: EventType, bounce: Option<BounceType>) -> Option<&'static str> {
        match self {
            Self::Standard | Self::Jetemail => Some(kind.name()),
            Self::Generic => generic_name(kind),
            Self::Lettermint => lettermint_name(kind, bounce),
        }
    }

    /// A wildcard does not mean this type, nor does a wire name that it shares with others; only
    /// its canonical name does. A deferral that reads `bounced` would otherwise surprise.
    #[must_use]
    pub fn only_if_named(self, kind: EventType) -> bool {
        self == Self::Generic && kind == EventType::OutboundDeferred
    }
}

fn generic_name(kind: EventType) -> Option<&'static str> {
    Some(match kind {
        EventType::OutboundQueued => "queued",
        EventType::OutboundSending => "sending",
        EventType::OutboundDelivered => "delivered",
        EventType::OutboundDeferred | EventType::OutboundBounced | EventType::OutboundRejected => {
            "bounced"
        }
        EventType::OutboundComplaint => "complained",
        EventType::OutboundOpened => "opened",
        EventType::OutboundClicked => "clicked",
        EventType::WebhookTest
        | EventType::EndpointDisabled
        | EventType::EndpointEnabled
        | EventType::EndpointFailing
        | EventType::EndpointRecovered
        | EventType::DeliveryDead
        | EventType::DeliveryDiscarded
        | EventType::DeliveryExpired
        | EventType::DlqThreshold
        | EventType::SourceGap
        | EventType::StoreDiskLow
        | EventType::StoreReset
        | EventType::SourceStalled
        | EventType::SourceParseDrift
        | EventType::ClockSkew
        | EventType::KeyExpiring
        | EventType::EndpointCreated
        | EventType::EndpointUpdated
        | EventType::EndpointDeleted => kind.name(),
        EventType::OutboundDropped
        | EventType::OutboundSpam
        | EventType::OutboundVirus
        | EventType::InboundReceived
        | EventType::InboundDelivered
        | EventType::InboundSpam
        | EventType::InboundBlocked
        | EventType::InboundDeferred
        | EventType::InboundBounced
        | EventType::InboundVirus
        | EventType::InboundDropped => return None,
    })
}

fn lettermint_name(kind: EventType, bounce: Option<BounceType>) -> Option<&'static str> {
    Some(match kind {
        EventType::OutboundQueued => "message.created",
        EventType::OutboundSending => "message.sent",
        EventType::OutboundDelivered => "message.delivered",
        EventType::OutboundDeferred => "message.soft_bounced",
        EventType::OutboundBounced if bounce == Some(BounceType::Hard) => "message.hard_bounced",
        EventType::OutboundBounced => "message.failed",
        EventType::OutboundRejected => "message.hard_bounced",
        EventType::OutboundDropped => "message.suppressed",
        EventType::OutboundSpam | EventType::OutboundVirus => "message.policy_rejected",
        EventType::OutboundComplaint => "message.spam_complaint",
        EventType::OutboundOpened => "message.opened",
        EventType::OutboundClicked => "message.clicked",
        EventType::InboundReceived => "message.inbound",
        EventType::WebhookTest
        | EventType::EndpointDisabled
        | EventType::EndpointEnabled
        | EventType::EndpointFailing
        | EventType::EndpointRecovered
        | EventType::DeliveryDead
        | EventType::DeliveryDiscarded
        | EventType::DeliveryExpired
        | EventType::DlqThreshold
        | EventType::SourceGap
        | EventType::StoreDiskLow
        | EventType::StoreReset
        | EventType::SourceStalled
        | EventType::SourceParseDrift
        | EventType::ClockSkew
        | EventType::KeyExpiring
        | EventType::EndpointCreated
        | EventType::EndpointUpdated
        | EventType::EndpointDeleted => kind.name(),
        EventType::InboundDelivered
        | EventType::InboundSpam
        | EventType::InboundBlocked
        | EventType::InboundDeferred
        | EventType::InboundBounced
        | EventType::InboundVirus
        | EventType::InboundDropped => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name() {
        for &profile in Profile::ALL {
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
        }
        assert_eq!(Profile::from_name("Standard"), None);
    }

    #[test]
    fn schedules_have_the_promised_number_of_attempts_and_span() {
        let shape = |profile: Profile| {
            let waits = profile.schedule();
            (waits.len() + 1, waits.iter().sum::<Duration>().as_secs())
        };
        assert_eq!(shape(Profile::Standard), (10, 272_105));
        assert_eq!(shape(Profile::Jetemail), (6, 18_750));
        assert_eq!(shape(Profile::Generic), (4, 2_160));
        assert_eq!(shape(Profile::Lettermint), (12, 51_180));
    }

    #[test]
    fn lettermint_tells_a_hard_bounce_from_one_that_gave_up() {
        let name = |bounce| Profile::Lettermint.wire_name(EventType::OutboundBounced, bounce);
        assert_eq!(name(Some(BounceType::Hard)), Some("message.hard_bounced"));
        assert_eq!(name(Some(BounceType::Soft)), Some("message.failed"));
        assert_eq!(name(None), Some("message.failed"));
    }

    #[test]
    fn standard_and_jetemail_carry_every_type_under_its_canonical_name() {
        for &kind in EventType::ALL {
            assert_eq!(Profile::Standard.wire_name(kind, None), Some(kind.name()));
            assert_eq!(Profile::Jetemail.wire_name(kind, None), Some(kind.name()));
        }
    }

    #[test]
    fn generic_and_lettermint_carry_only_what_they_have_a_word_for() {
        let mail = || EventType::ALL.iter().copied().filter(|kind| !kind.is_operational());
        let carried = |profile: Profile| {
            mail().filter(|&kind| profile.wire_name(kind, None).is_some()).count()
        };
        assert_eq!(carried(Profile::Generic), 10);
        assert_eq!(carried(Profile::Lettermint), 14);
    }
}
