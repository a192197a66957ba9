//! Which types of events lie where in the log of events: a webhook that names none of them comes
//! past many events at once, without a look at each. In memory only, for the newest events.

use std::collections::VecDeque;

use crate::{
    event::{Event, EventType},
    queue::filter::TypeSet,
};

/// Events that are known together.
const BLOCK_EVENTS: u64 = 64;
/// Blocks that are known: a million events, in 128 kB.
const BLOCKS: usize = 16 * 1024;

/// The types in each block of events.
#[derive(Debug)]
pub(super) struct Kinds {
    /// Number of the oldest block that is known.
    first: u64,
    blocks: VecDeque<TypeSet>,
}

impl Kinds {
    /// The next event gets the sequence number `next_seq`; what is before it is not known.
    pub(super) fn new(next_seq: u64) -> Self {
        Self { first: next_seq.div_ceil(BLOCK_EVENTS), blocks: VecDeque::new() }
    }

    /// Notes the next event.
    pub(super) fn note(&mut self, event: &Event, seq: u64) {
        let Some(place) = (seq / BLOCK_EVENTS).checked_sub(self.first) else { return };
        if place >= self.blocks.len() as u64 {
            self.blocks.push_back(TypeSet::empty());
        }
        if let Some(types) = self.blocks.back_mut() {
            types.insert(event.kind);
        }
        if self.blocks.len() > BLOCKS {
            self.blocks.pop_front();
            self.first += 1;
        }
    }

    /// From `from` up to and without this sequence number, at most `end`, nothing is of `types`, nor
    /// for everybody. `from` itself where that is not known.
    pub(super) fn end_of_others(&self, types: TypeSet, from: u64, end: u64) -> u64 {
        let mut behind = from;
        while behind < end && self.are_others(types, behind / BLOCK_EVENTS) {
            behind = (behind / BLOCK_EVENTS + 1) * BLOCK_EVENTS;
        }
        behind.min(end)
    }

    fn are_others(&self, types: TypeSet, block: u64) -> bool {
        let place = block.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.blocks.get(place)).is_some_and(|present| {
            present.is_disjoint(types) && !present.contains(EventType::WebhookTest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Notice, writer::notices};

    const OTHERS: EventType = EventType::OutboundDelivered;
    const NAMED: EventType = EventType::OutboundBounced;

    fn named() -> TypeSet {
        let mut types = TypeSet::empty();
        types.insert(NAMED);
        types
    }

    /// Events from `first` on, the last of which is of `kind`.
    fn kinds(first: u64, last: u64, kind: EventType) -> Kinds {
        let mut kinds = Kinds::new(first);
        for seq in first..=last {
            let kind = if seq == last { kind } else { OTHERS };
            kinds.note(&notices::event(kind, Notice::default(), 0, seq), seq);
        }
        kinds
    }

    #[test]
    fn blocks_without_a_named_type_are_passed_and_no_other() {
        let kinds = kinds(0, 200, NAMED);
        assert_eq!(kinds.end_of_others(named(), 3, 201), 192);
        assert_eq!(kinds.end_of_others(named(), 3, 70), 70);
        assert_eq!(kinds.end_of_others(named(), 193, 201), 193);
    }

    #[test]
    fn what_is_for_everybody_is_not_passed() {
        assert_eq!(kinds(0, 64, EventType::WebhookTest).end_of_others(named(), 0, 65), 64);
    }

    #[test]
    fn what_was_before_is_not_known_nor_what_comes() {
        let kinds = kinds(10, 130, OTHERS);
        assert_eq!(kinds.end_of_others(named(), 20, 131), 20);
        assert_eq!(kinds.end_of_others(named(), 64, 131), 131);
        assert_eq!(kinds.end_of_others(named(), 192, 999), 192);
    }

    #[test]
    fn of_many_events_the_newest_are_known() {
        let last = (BLOCKS as u64 + 1) * BLOCK_EVENTS;
        let kinds = kinds(0, last, OTHERS);
        assert_eq!(kinds.blocks.len(), BLOCKS);
        assert_eq!(kinds.end_of_others(named(), 0, last), 0);
        assert_eq!(kinds.end_of_others(named(), last - 70, last + 1), last + 1);
    }
}
