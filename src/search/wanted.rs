//! Which events are looked for.

use crate::{
    event::{Event, EventId, MessageUid, SenderToken},
    queue::filter::TypeSet,
    store::index::{Term, bare},
};

/// Which events are looked for: those for which all holds that is given. Nothing in it is a pattern.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The one with this id.
    pub id: Option<EventId>,
    /// Of this message, across its queue IDs.
    pub uid: Option<MessageUid>,
    /// Of this queue ID.
    pub queue_id: Option<String>,
    /// Of messages with this Message-ID, in angle brackets or without.
    pub message_id: Option<String>,
    /// For this recipient, before or after alias expansion, in upper or lower case.
    pub to: Option<String>,
    /// From this envelope sender, in upper or lower case.
    pub from: Option<String>,
    /// From an envelope sender with this token.
    pub sender_token: Option<SenderToken>,
    /// Of this user.
    pub user: Option<String>,
    /// For recipients in this domain.
    pub domain: Option<String>,
    /// Of these types.
    pub types: Option<TypeSet>,
    /// That happened then or later, microseconds since the epoch.
    pub since_us: Option<i64>,
    /// That happened before.
    pub until_us: Option<i64>,
    /// Only what was stored before the event with this sequence number.
    pub before: Option<u64>,
    /// Only the event with this sequence number and what was stored behind it.
    pub from_seq: u64,
    /// How many at most.
    pub limit: usize,
}

impl Wanted {
    /// Is that event looked for?
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        let data = &event.data;
        let is_about_mail = !event.kind.is_operational();
        self.id.is_none_or(|id| id == event.id)
            && self.uid.is_none_or(|uid| is_about_mail && uid == data.uid)
            && is(self.queue_id.as_deref(), data.queue_id.as_deref(), |a, b| a == b)
            && is(self.message_id.as_deref(), data.message_id.as_deref(), |a, b| bare(a) == bare(b))
            && (is(self.to.as_deref(), data.to.as_deref(), str::eq_ignore_ascii_case)
                || is(self.to.as_deref(), data.orig_to.as_deref(), str::eq_ignore_ascii_case))
            && is(self.from.as_deref(), data.from.as_deref(), str::eq_ignore_ascii_case)
            && self.sender_token.is_none_or(|token| {
                data.from.as_deref().and_then(SenderToken::in_address) == Some(token)
            })
            && is(self.user.as_deref(), data.user.as_deref(), |a, b| a == b)
            && is(self.domain.as_deref(), data.domain.as_deref(), str::eq_ignore_ascii_case)
            && self.types.is_none_or(|types| types.contains(event.kind))
            && self.since_us.is_none_or(|since| event.at_us >= since)
            && self.until_us.is_none_or(|until| event.at_us < until)
    }

    /// The index leads to it.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        !self.terms().is_empty()
    }

    /// What the index is asked for; without any, all events are looked through.
    pub(super) fn terms(&self) -> Vec<Term> {
        let sender = self.from.as_deref().and_then(SenderToken::in_address);
        let terms = [
            self.id.map(Term::event),
            self.uid.map(Term::message),
            self.queue_id.as_deref().map(Term::queue_id),
            self.message_id.as_deref().map(Term::message_id),
            self.to.as_deref().map(Term::recipient),
            self.sender_token.or(sender).as_ref().map(Term::sender_token),
        ];
        terms.into_iter().flatten().collect()
    }

    /// May something be looked for that happened between those times?
    pub(super) fn may_be_between(&self, from_us: i64, until_us: i64) -> bool {
        self.since_us.is_none_or(|since| until_us >= since)
            && self.until_us.is_none_or(|until| from_us < until)
    }
}

fn is(wanted: Option<&str>, found: Option<&str>, same: impl Fn(&str, &str) -> bool) -> bool {
    wanted.is_none_or(|wanted| found.is_some_and(|found| same(wanted, found)))
}
