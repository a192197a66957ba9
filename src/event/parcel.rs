//! An event as it is handed on: packed until somebody looks inside.
//!
//! Most of what passes events on needs no more of one than its [`Head`]. An event that is not packed
//! is spread over a thousand bytes of memory in some ten places, all of which would have to be fetched
//! by one thread after another.

use std::{ops::Deref, sync::OnceLock};

use super::{BounceType, Event, EventId, EventType, MessageUid};

/// What of an event decides about its way, but for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Identity.
    pub id: EventId,
    /// The message.
    pub uid: MessageUid,
    /// When it happened by the log, microseconds since the epoch.
    pub at_us: i64,
    /// What happened.
    pub kind: EventType,
    /// Hard or soft.
    pub bounce_type: Option<BounceType>,
    /// Not a person but a machine opened or clicked.
    pub is_machine: bool,
    /// There was an attempt before this one.
    pub is_repeated: bool,
    /// The attempt before failed for the same reason.
    pub same_reason: bool,
}

impl Head {
    /// That of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let data = &*event.data;
        Self {
            id: event.id,
            uid: data.uid,
            at_us: event.at_us,
            kind: event.kind,
            bounce_type: data.bounce_type,
            is_machine: data.hit.as_ref().is_some_and(|hit| hit.machine),
            is_repeated: data.attempt.is_some_and(|attempt| attempt > 1),
            same_reason: data.same_reason,
        }
    }

    /// When it happened by the log, milliseconds since the epoch, 0 for what was before it.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        super::ms_of(self.at_us)
    }
}

/// An event. It is unpacked when it is first looked at, by whoever does.
#[derive(Debug, Clone)]
pub struct Parcel {
    head: Head,
    packed: Box<[u8]>,
    unpacked: OnceLock<Box<Event>>,
}

impl Parcel {
    /// What [`crate::store::chunk::pack`] made of the event with that head.
    #[must_use]
    pub fn new(head: Head, packed: &[u8]) -> Self {
        Self { head, packed: packed.into(), unpacked: OnceLock::new() }
    }

    /// What is known of it without a look inside.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }
}

impl From<Event> for Parcel {
    fn from(event: Event) -> Self {
        Self { head: Head::of(&event), packed: Box::default(), unpacked: Box::new(event).into() }
    }
}

impl Deref for Parcel {
    type Target = Event;

    fn deref(&self) -> &Event {
        #[expect(clippy::expect_used, reason = "these bytes never left the memory")]
        self.unpacked
            .get_or_init(|| postcard::from_bytes(&self.packed).expect("an event was packed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventData, Hit, TimeQuality},
        store::chunk,
    };

    #[test]
    fn what_was_packed_is_what_is_looked_at() {
        let data = EventData {
            uid: MessageUid([7; 16]),
            to: Some("a@b.test".into()),
            bounce_type: Some(BounceType::Hard),
            attempt: Some(2),
            same_reason: true,
            score: Some(f64::INFINITY),
            hit: Some(Box::new(Hit { machine: true, ..Hit::default() })),
            ..EventData::default()
        };
        let event = Event {
            id: EventId([3; 16]),
            kind: EventType::OutboundBounced,
            at_us: -5,
            time_quality: TimeQuality::Second,
            data: Box::new(data),
        };
        let mut packed = Vec::new();
        chunk::pack(&event, &mut packed);
        let parcel = Parcel::new(Head::of(&event), &packed);
        assert_eq!(*parcel, event);
        assert_eq!(*parcel.head(), Head::of(&parcel));
        assert!(parcel.head().is_machine && parcel.head().is_repeated);
    }
}
