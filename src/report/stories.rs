//! What is known of messages, and how they are looked for.

use std::{fmt::Debug, future::Future};

#[cfg(test)]
use super::story;
use crate::{
    event::{Event, MessageUid, SenderToken},
    search::{Search, Wanted},
    writer::Stopped,
};

/// Pages of the store that are looked through for one clue. Only where events have no index yet are there
/// several, and a stranger names many clues.
const PAGES: usize = 4;

/// What is known of messages.
pub trait Stories: Clone + Debug + Send + Sync + 'static {
    /// Events about mail, the newest first, at most `limit`. It sees what is durable.
    fn events(
        &self,
        clue: Clue,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Event>, Stopped>> + Send;
}

/// What an event is looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clue {
    /// Queue ID of its message.
    QueueId(String),
    /// Message-ID of its message, without brackets.
    MessageId(String),
    /// Its recipient, in whatever case, and the time from which on it happened, microseconds.
    Recipient(String, i64),
    /// Its message, and the recipient.
    Message(MessageUid, String),
    /// The token in the envelope sender of its message.
    SenderToken(SenderToken),
}

impl Stories for Search {
    async fn events(&self, clue: Clue, limit: usize) -> Result<Vec<Event>, Stopped> {
        let mut wanted = Wanted { limit, ..clue.wanted() };
        let mut events = Vec::new();
        for _ in 0..PAGES {
            let page = self.find(wanted.clone()).await.map_err(|error| {
                tracing::warn!(%error, "a report waits: nothing can be looked up");
                Stopped
            })?;
            events.extend(page.events.into_iter().map(|(_, event)| event));
            wanted.limit = limit.saturating_sub(events.len());
            wanted.before = page.next;
            if wanted.limit == 0 || page.next.is_none() {
                break;
            }
        }
        Ok(events)
    }
}

impl Clue {
    fn wanted(self) -> Wanted {
        let any = Wanted::default();
        match self {
            Self::QueueId(id) => Wanted { queue_id: Some(id), ..any },
            Self::MessageId(id) => Wanted { message_id: Some(id), ..any },
            Self::Recipient(to, since_us) => {
                Wanted { to: Some(to), since_us: Some(since_us), ..any }
            }
            Self::Message(uid, to) => Wanted { uid: Some(uid), to: Some(to), ..any },
            Self::SenderToken(token) => Wanted { sender_token: Some(token), ..any },
        }
    }

    /// Is that event looked for?
    #[cfg(test)]
    pub(super) fn fits(&self, event: &Event) -> bool {
        let data = &event.data;
        let is_to = |name: &str| {
            let own = [&data.to, &data.orig_to].into_iter().flatten();
            own.into_iter().any(|to| to.eq_ignore_ascii_case(name))
        };
        match self {
            Self::QueueId(id) => data.queue_id.as_deref() == Some(id),
            Self::MessageId(id) => data.message_id.as_deref().map(story::bare) == Some(id),
            Self::Recipient(to, since_us) => event.at_us >= *since_us && is_to(to),
            Self::Message(uid, to) => data.uid == *uid && is_to(to),
            Self::SenderToken(token) => {
                data.from.as_deref().and_then(SenderToken::in_address) == Some(*token)
            }
        }
    }
}
