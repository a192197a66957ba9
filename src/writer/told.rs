//! Events that lines told, on their way to the log of events.
//!
//! Each comes with what is stored of it, packed while it is at hand: later, and on another thread, all
//! of it would have to be fetched from memory once more.

use crate::{event::Event, store::chunk};

/// Events in order, without a place in the log of events yet.
#[derive(Debug, Default)]
pub(super) struct Told {
    events: Vec<(Fresh, usize)>,
    /// What is stored of all of them: as many bytes of each as are beside it.
    packed: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Fresh {
    /// The source whose line gave it; None for one that came of silence.
    pub(super) source: Option<usize>,
    pub(super) event: Event,
}

impl Told {
    /// Adds an event.
    pub(super) fn push(&mut self, source: Option<usize>, event: Event) {
        let before = self.packed.len();
        chunk::pack(&event, &mut self.packed);
        self.events.push((Fresh { source, event }, self.packed.len() - before));
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

    /// Takes all out, each with what is stored of it. What is left is [`Told::emptied`].
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Fresh, &[u8])> {
        let mut rest = self.packed.as_slice();
        self.events.drain(..).map_while(move |(fresh, bytes)| {
            let (packed, behind) = rest.split_at_checked(bytes)?;
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
