//! Events that lines told, on their way to the log of events.
//!
//! All that the writer needs of one is taken from it where it was made, while it is at hand, and the
//! event itself goes no further: later, and on another thread, all of it would have to be fetched from
//! memory once more.

use crate::{
    event::{Event, Head, Parcel},
    queue::gist::Mark,
    store::{chunk, index::Terms},
};

/// Events in order, without a place in the log of events yet.
#[derive(Debug, Default)]
pub(super) struct Told {
    events: Vec<(Fresh, usize)>,
    /// What is stored of all of them: as many bytes of each as are beside it.
    packed: Vec<u8>,
}

/// What of an event is not in its packed form, or is needed without a look inside.
#[derive(Debug)]
pub(super) struct Fresh {
    /// The source whose line gave it; None for one that came of silence.
    pub(super) source: Option<usize>,
    pub(super) head: Head,
    /// Whom it may concern.
    pub(super) mark: Mark,
    /// What it is found by.
    pub(super) terms: Terms,
}

impl Fresh {
    pub(super) fn of(event: &Event, source: Option<usize>) -> Self {
        let (head, mark, terms) = (Head::of(event), Mark::of(event), Terms::of(event));
        Self { source, head, mark, terms }
    }

    /// The event that was packed so.
    pub(super) fn parcel(&self, packed: &[u8]) -> Parcel {
        Parcel::new(self.head, packed)
    }
}

impl Told {
    /// Adds an event.
    pub(super) fn push(&mut self, source: Option<usize>, event: &Event) {
        let before = self.packed.len();
        chunk::pack(event, &mut self.packed);
        self.events.push((Fresh::of(event, source), self.packed.len() - before));
    }

    /// Adds those that come behind these.
    pub(super) fn append(&mut self, mut behind: Self) {
        if self.events.is_empty() {
            *self = behind;
        } else {
            self.events.append(&mut behind.events);
            self.packed.append(&mut behind.packed);
        }
    }

    /// Each with what is stored of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Fresh, &[u8])> {
        let mut rest = self.packed.as_slice();
        self.events.iter().map_while(move |(fresh, bytes)| {
            let (packed, behind) = rest.split_at_checked(*bytes)?;
            rest = behind;
            Some((fresh, packed))
        })
    }

    /// Its memory, for others.
    pub(super) fn emptied(mut self) -> Self {
        self.events.clear();
        self.packed.clear();
        self
    }

    /// Bytes that it has room for.
    pub(super) fn room(&self) -> usize {
        self.packed.capacity()
    }
}
