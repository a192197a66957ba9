//! What the newest events are about, in blocks ([`Gist`]): a webhook that wants none of a block
//! comes past it at once, without a look at each event. In memory only.

use std::collections::VecDeque;

use crate::queue::gist::{Gist, Interest, Mark};

/// Events that are known together.
const BLOCK_EVENTS: u64 = 64;
/// Blocks that are known: a million events, in 2 MB.
const BLOCKS: usize = 16 * 1024;

/// What each block of events is about.
#[derive(Debug)]
pub(super) struct Gists {
    /// Number of the oldest block that is known.
    first: u64,
    blocks: VecDeque<Gist>,
}

impl Gists {
    /// The next event gets the sequence number `next_seq`; what is before it is not known.
    pub(super) fn new(next_seq: u64) -> Self {
        Self { first: next_seq.div_ceil(BLOCK_EVENTS), blocks: VecDeque::new() }
    }

    /// Notes the next event.
    pub(super) fn note(&mut self, mark: &Mark, seq: u64) {
        let Some(place) = (seq / BLOCK_EVENTS).checked_sub(self.first) else { return };
        if place >= self.blocks.len() as u64 {
            self.blocks.push_back(Gist::default());
        }
        if let Some(block) = self.blocks.back_mut() {
            block.add(mark);
        }
        if self.blocks.len() > BLOCKS {
            self.blocks.pop_front();
            self.first += 1;
        }
    }

    /// From `from` up to and without this sequence number, at most `end`, nothing is for `who`, nor
    /// for everybody. `from` itself where that is not known.
    pub(super) fn end_of_others(&self, who: &Interest, from: u64, end: u64) -> u64 {
        let mut behind = from;
        while behind < end && self.are_others(who, behind / BLOCK_EVENTS) {
            behind = (behind / BLOCK_EVENTS + 1) * BLOCK_EVENTS;
        }
        behind.min(end)
    }

    fn are_others(&self, who: &Interest, block: u64) -> bool {
        let place = block.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.blocks.get(place)).is_some_and(|gist| !gist.may_interest(who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventType, Notice},
        queue::{
            filter::TypeSet,
            subscription::{Deferrals, Subscription},
        },
        writer::notices,
    };

    const OTHERS: EventType = EventType::OutboundDelivered;
    const NAMED: EventType = EventType::OutboundBounced;

    fn named() -> Interest {
        let mut types = TypeSet::empty();
        types.insert(NAMED);
        let (deferrals, machine) = (Deferrals::Every, false);
        let wanted =
            Subscription { types, users: &[], domains: &[], routes: &[], deferrals, machine };
        Interest::of(&wanted)
    }

    /// Events from `first` on, the last of which is of `kind`.
    fn gists(first: u64, last: u64, kind: EventType) -> Gists {
        let mut gists = Gists::new(first);
        for seq in first..=last {
            let kind = if seq == last { kind } else { OTHERS };
            gists.note(&Mark::of(&notices::event(kind, Notice::default(), 0, seq)), seq);
        }
        gists
    }

    #[test]
    fn blocks_without_a_named_type_are_passed_and_no_other() {
        let gists = gists(0, 200, NAMED);
        assert_eq!(gists.end_of_others(&named(), 3, 201), 192);
        assert_eq!(gists.end_of_others(&named(), 3, 70), 70);
        assert_eq!(gists.end_of_others(&named(), 193, 201), 193);
    }

    #[test]
    fn what_is_for_everybody_is_not_passed() {
        assert_eq!(gists(0, 64, EventType::WebhookTest).end_of_others(&named(), 0, 65), 64);
    }

    #[test]
    fn what_was_before_is_not_known_nor_what_comes() {
        let gists = gists(10, 130, OTHERS);
        assert_eq!(gists.end_of_others(&named(), 20, 131), 20);
        assert_eq!(gists.end_of_others(&named(), 64, 131), 131);
        assert_eq!(gists.end_of_others(&named(), 192, 999), 192);
    }

    #[test]
    fn of_many_events_the_newest_are_known() {
        let last = (BLOCKS as u64 + 1) * BLOCK_EVENTS;
        let gists = gists(0, last, OTHERS);
        assert_eq!(gists.blocks.len(), BLOCKS);
        assert_eq!(gists.end_of_others(&named(), 0, last), 0);
        assert_eq!(gists.end_of_others(&named(), last - 70, last + 1), last + 1);
    }
}
