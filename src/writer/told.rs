//! Events that lines told, on their way to the log of events.
//!
//! Each comes with what is stored of it, packed while it is at hand: later, and on another thread, all
//! of it would have to be fetched from memory once more.

use std::ops::Range;

use crate::{event::Event, store::chunk};

/// Events in order, without a place in the log of events yet.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) events: Vec<Fresh>,
    /// What is stored of all of them.
    pub(super) packed: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Fresh {
    /// The source whose line gave it; None for one that came of silence.
    pub(super) source: Option<usize>,
    pub(super) event: Event,
    /// Where it is in [`Told::packed`].
    pub(super) packed: Range<usize>,
}

impl Told {
    /// Its memory, for others.
    pub(super) fn emptied(mut self) -> Self {
        self.events.clear();
        self.packed.clear();
        self
    }

    /// Adds an event.
    pub(super) fn push(&mut self, source: Option<usize>, event: Event) {
        let start = self.packed.len();
        chunk::pack(&event, &mut self.packed);
        self.events.push(Fresh { source, event, packed: start..self.packed.len() });
    }

    /// Adds those that come behind these.
    pub(super) fn append(&mut self, behind: Self) {
        if self.events.is_empty() {
            *self = behind;
            return;
        }
        let start = self.packed.len();
        self.packed.extend_from_slice(&behind.packed);
        self.events.extend(behind.events.into_iter().map(|fresh| {
            let packed = start + fresh.packed.start..start + fresh.packed.end;
            Fresh { packed, ..fresh }
        }));
    }
}
