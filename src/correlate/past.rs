//! Messages that were under way when a source began.
//!
//! A correlator of their own reads the lines before the start, and its events are thrown away. What it
//! knows at the start goes on in the one that tells. What would still tell of a line before the start
//! stays behind: lines put aside, messages that wait or that a filter has judged; of those as much is
//! known as if nothing before the start had been read.

use super::{Correlator, Message};

impl Correlator {
    /// An empty one for the lines before a start.
    #[must_use]
    pub fn of_the_past(&self) -> Self {
        Self::new(self.direction.clone(), false)
    }

    /// Goes on with the messages that are under way in `past`.
    pub fn take_over(&mut self, mut past: Self) {
        self.take_over_haraka(&mut past.haraka);
        for mut system in past.systems {
            for queue_id in system.open() {
                let message = system.messages.remove(&queue_id);
                let Some(message) = message.and_then(|message| without_past(*message)) else {
                    continue;
                };
                let index = self.system_index(&system.host, &system.instance);
                let is_known = |it: &super::System| it.messages.get(&queue_id).is_some();
                if self.systems.get(index).is_some_and(is_known) {
                    continue;
                }
                self.restore(&system.host, &system.instance, &queue_id, message);
                if let Some(system) = self.systems.get_mut(index) {
                    system.mark_changed(&queue_id);
                }
            }
        }
    }
}

/// The message, if it has nothing to tell but what is still to come.
fn without_past(mut message: Message) -> Option<Message> {
    if message.is_held() || message.finding.is_some() {
        return None;
    }
    if let Some(line) = &mut message.queue_line {
        line.bytes.clear();
    }
    message.changed = false;
    message.noted_as = None;
    Some(message)
}
