//! Stops taking lines in while the disk is nearly full. The logs keep them, also over a stop; what was
//! taken in is still delivered.

use crate::store::{Space, Store};

/// Whether there is room on the disk.
#[derive(Debug)]
pub(super) struct Room {
    /// Bytes that must be free; None for the default of the file system.
    min_free: Option<u64>,
    is_short: bool,
    /// At the last look, with what must be free.
    seen: Option<(Space, u64)>,
    /// The program is ending: the sources wait until what they still have is taken.
    is_ending: bool,
    /// Since it is ending, there was no room for it.
    is_closed: bool,
}

impl Room {
    pub(super) fn new(min_free: Option<u64>) -> Self {
        Self { min_free, is_short: false, seen: None, is_ending: false, is_closed: false }
    }

    /// What comes has no effect: the rest of the logs is for the next start. Once it is so it stays,
    /// because a line behind others that were passed over must not count.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// No line may be taken in now.
    pub(super) fn is_short(&self) -> bool {
        self.is_short && !self.is_ending
    }

    /// What there was at the last look, and how many bytes must be free.
    pub(super) fn seen(&self) -> Option<(Space, u64)> {
        self.seen
    }

    /// From now on everything is taken: the sources wait for that to end.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.is_closed |= self.is_short;
    }

    /// Looks, and says when it is another than before. Gives the free bytes when it has become
    /// short.
    pub(super) fn look(&mut self, store: &Store) -> Option<u64> {
        let space = store.space().ok()?;
        let min_free = self.min_free.unwrap_or_else(|| space.min_free());
        self.seen = Some((space, min_free));
        // Reading goes on only when there is a little more, so that it does not stop at once.
        let wanted = if self.is_short { min_free.saturating_add(min_free / 8) } else { min_free };
        let is_short = space.free < wanted;
        let mut low = None;
        if is_short != self.is_short {
            self.is_short = is_short;
            self.is_closed |= is_short && self.is_ending;
            let free = space.free;
            if is_short {
                low = Some(free);
                tracing::error!(
                    health = "degraded",
                    free,
                    min_free,
                    "disk nearly full: reading pauses"
                );
            } else {
                tracing::warn!(health = "ok", free, min_free, "reading goes on");
            }
        }
        if !is_short && let Err(error) = store.take_ballast(min_free) {
            tracing::debug!(%error, "no ballast");
        }
        low
    }
}
