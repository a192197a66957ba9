//! The messages of one queue: bookkeeping without meaning.
//!
//! Which line does what to a message is its siblings' business; here is only where a message is,
//! that it changed, that it ended, and when it is forgotten.

use std::{collections::BTreeSet, sync::Arc};

use smol_str::SmolStr;

use super::{MOST, Message, directory::Directory, ending::Deletions, messages::Messages};
use crate::event::Identities;

/// A map with keys from the log. Its seed is random and nobody sees the order of its keys or how
/// long a lookup took, so that strangers cannot choose keys that collide.
pub(crate) type Map<V> = std::collections::HashMap<SmolStr, V, foldhash::fast::RandomState>;

/// One queue: the messages of one instance on one host.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) host: Vec<u8>,
    pub(crate) instance: Arc<[u8]>,
    /// What the ids of its events and messages have in common.
    pub(crate) identities: Identities,
    /// Events carry the line that gave them.
    pub(crate) evidence: bool,
    pub(crate) messages: Messages,
    /// Messages changed since the last `Correlator::drain_changes`.
    pub(crate) changed: Vec<SmolStr>,
    /// Messages that are no more in memory, and still in the store.
    pub(crate) gone: Vec<SmolStr>,
    /// Messages ended since the last step.
    pub(crate) ended: Vec<SmolStr>,
    /// More messages than this, and the most silent ones are ended. Grows with those that ended
    /// and linger, or each further line would end more.
    pub(crate) crowded_above: usize,
    /// Messages held since the last step.
    pub(crate) held: Vec<(i64, SmolStr)>,
    /// Messages without a Message-ID that a pipe made, or took: those that are still held count.
    pub(crate) nameless: BTreeSet<SmolStr>,
    /// Messages that are held since a filter, or another instance, may have passed them on.
    pub(crate) passed_on: BTreeSet<SmolStr>,
    pub(crate) deletions: Deletions,
}

impl System {
    pub(crate) fn new(host: &[u8], instance: &[u8]) -> Self {
        let identities = Identities::of_system(host, instance);
        Self { host: host.into(), instance: instance.into(), identities, ..Self::default() }
    }

    /// Notes that a message is to be stored (or removed from the store).
    pub(crate) fn mark_changed(&mut self, queue_id: &str) {
        if let Some(message) = self.messages.get_mut(queue_id)
            && !std::mem::replace(&mut message.changed, true)
        {
            self.changed.push(queue_id.into());
        }
    }

    /// Ends a message: late lines still find it for a while.
    pub(crate) fn close(&mut self, queue_id: &str) {
        if let Some(message) = self.messages.get_mut(queue_id)
            && !message.closed
        {
            message.closed = true;
            self.ended.push(queue_id.into());
            self.mark_changed(queue_id);
        }
    }

    /// Queue IDs of the messages that did not end, in order.
    pub(crate) fn open(&self) -> Vec<SmolStr> {
        self.open_that(|_| true)
    }

    /// Queue IDs of the messages that are in the queue, in order. Of others a client got an ID and hung
    /// up.
    pub(crate) fn queued(&self) -> Vec<SmolStr> {
        self.open_that(|message| {
            message.queue_line.is_some() || message.on_hold || !message.recipients.is_empty()
        })
    }

    fn open_that(&self, is_it: impl Fn(&Message) -> bool) -> Vec<SmolStr> {
        let all = self.messages.iter().filter(|(_, message)| !message.closed && is_it(message));
        let mut all: Vec<_> = all.map(|(queue_id, _)| queue_id.clone()).collect();
        all.sort_unstable();
        all
    }

    /// Takes an ended message out. A reused queue ID has a new, open message under the same name.
    pub(crate) fn take_closed(&mut self, queue_id: &str) -> Option<Box<Message>> {
        self.messages.remove_if(queue_id, |message| message.closed)
    }

    /// Forgets what is known of a message that was taken out.
    pub(crate) fn forget(&mut self, queue_id: &str, message: &Message, directory: &mut Directory) {
        directory.forget(&self.host, &self.instance, queue_id, message);
        // It is in the store. What came and went since the last time never was there: a replay stores
        // its place so seldom that those are nearly all.
        if message.is_stored {
            self.gone.push(queue_id.into());
        }
    }

    /// Ends messages without a line since then; when there are too many, the most silent ones.
    pub(crate) fn end_silent(&mut self, silent_before_us: i64) {
        let mut open: Vec<(i64, SmolStr)> = self
            .messages
            .iter()
            .filter(|(_, message)| !message.closed)
            .map(|(queue_id, message)| (message.seen_us, queue_id.clone()))
            .collect();
        open.sort_unstable();
        let surplus = if open.len() > MOST { open.len() - MOST / 10 * 9 } else { 0 };
        let lingering = self.messages.len() - open.len() + surplus;
        self.crowded_above = MOST + lingering;
        for (place, (seen_us, queue_id)) in open.into_iter().enumerate() {
            if seen_us < silent_before_us || place < surplus {
                self.close(&queue_id);
            }
        }
    }
}
