//! The messages of one queue: bookkeeping without meaning.
//!
//! Which line does what to a message is its siblings' business; here is only where a message is,
//! that it changed, that it ended, and when it is forgotten.

use std::collections::HashMap;

use super::{MOST, Message, lineage::Directory};

/// One queue: the messages of one instance on one host.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) host: Vec<u8>,
    pub(crate) instance: Vec<u8>,
    pub(crate) messages: HashMap<Box<str>, Message>,
    /// Messages changed since the last `Correlator::drain_changes`.
    pub(crate) changed: Vec<Box<str>>,
    /// Messages ended since the last step.
    pub(crate) ended: Vec<Box<str>>,
    /// More messages than this, and the most silent ones are ended. Grows with those that ended
    /// and linger, or each further line would end more.
    pub(crate) crowded_above: usize,
    /// Messages held since the last step.
    pub(crate) held: Vec<(i64, Box<str>)>,
    /// Messages that an operator deleted by name since the last total.
    pub(crate) deleted_by_name: u64,
}

impl System {
    /// Notes that a message is to be stored (or removed from the store).
    pub(crate) fn mark_changed(&mut self, queue_id: &str) {
        if let Some((key, message)) = self.messages.get_key_value(queue_id)
            && !message.changed
        {
            self.changed.push(key.clone());
        }
        if let Some(message) = self.messages.get_mut(queue_id) {
            message.changed = true;
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

    /// Queue IDs of the messages that are in the queue, in order.
    pub(crate) fn open(&self) -> Vec<Box<str>> {
        let open = self.messages.iter().filter(|(_, message)| !message.closed);
        let mut open: Vec<_> = open.map(|(queue_id, _)| queue_id.clone()).collect();
        open.sort_unstable();
        open
    }

    /// Drops an ended message, once its removal is in the store.
    pub(crate) fn forget(&mut self, queue_id: &str, directory: &mut Directory) {
        // A reused queue ID has a new, open message under the same name.
        let Some(message) = self.messages.get(queue_id).filter(|message| message.closed) else {
            return;
        };
        directory.forget(&self.host, &self.instance, queue_id, message);
        if message.changed {
            // Its removal is not in the store yet; it goes with the next round.
            self.ended.push(queue_id.into());
        } else {
            self.messages.remove(queue_id);
        }
    }

    /// Ends messages without a line since then; when there are too many, the most silent ones.
    pub(crate) fn end_silent(&mut self, silent_before_us: i64) {
        let mut open: Vec<(i64, Box<str>)> = self
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
