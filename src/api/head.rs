//! What a message is called and says of itself: gathered from its events, and from what is known of
//! it while it is under way. What became of it is told elsewhere.

use smol_str::SmolStr;

use crate::{correlate::Open, event::Event};

/// What a message is called and says of itself. Of what is told more than once the first holds.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// What the logs called it, the first one first.
    pub(super) queue_ids: Vec<String>,
    /// Message-ID header.
    pub(super) message_id: Option<String>,
    /// Envelope sender; empty for the null sender.
    pub(super) from: Option<String>,
    /// Subject header.
    pub(super) subject: Option<String>,
    /// Who submitted it.
    pub(super) user: Option<String>,
}

impl Head {
    /// What events of the message tell, in the order in which they happened.
    pub(super) fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut head = Self::default();
        for event in events {
            let data = &event.data;
            head.add_queue_id(text(data.queue_id.as_ref()));
            head.message_id = head.message_id.or_else(|| text(data.message_id.as_ref()));
            head.from = head.from.or_else(|| text(data.from.as_ref()));
            head.subject = head.subject.or_else(|| text(data.subject.as_ref()));
            head.user = head.user.or_else(|| text(data.user.as_ref()));
        }
        head
    }

    /// The same, and what is known of it while it is under way.
    pub(super) fn with_open(mut self, open: &[Open]) -> Self {
        for message in open {
            self.add_queue_id(Some(message.queue_id.clone()));
            self.message_id = self.message_id.or_else(|| text(message.message_id.as_ref()));
            self.from = self.from.or_else(|| text(message.sender.as_ref()));
        }
        self
    }

    fn add_queue_id(&mut self, queue_id: Option<String>) {
        self.queue_ids.extend(queue_id.filter(|it| !self.queue_ids.contains(it)));
    }
}

fn text(text: Option<&SmolStr>) -> Option<String> {
    text.map(ToString::to_string)
}
