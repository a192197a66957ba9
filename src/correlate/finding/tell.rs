//! Events of mail that goes on although a filter has something against it.
//!
//! Once for each recipient, with the first line that names it, however many filters say the same.

use std::collections::BTreeSet;

use mailherald_parsers::{filters::Engine, postfix::Relay};
use smol_str::SmolStr;

use super::{Fate, Finding, Found};
use crate::correlate::{
    Step,
    emit::{message_data, set_recipient},
    message::Message,
};

/// Recipient, and original recipient where it differs.
type Key = (SmolStr, Option<SmolStr>);

impl Step<'_> {
    /// A line names a recipient of a message that went on.
    pub(crate) fn warn(&mut self, queue_id: &str, message: &mut Message, key: &Key) {
        let Some(mut finding) = message.finding.take() else { return };
        self.warn_of(&mut finding, queue_id, message, key);
        message.finding = Some(finding);
    }

    fn warn_of(&mut self, finding: &mut Finding, queue_id: &str, message: &mut Message, key: &Key) {
        let (Some(fate), Some(name), Some(line)) =
            (went_on(message, finding), finding.name_of(key), &finding.line)
        else {
            return;
        };
        if message.found_before.as_ref().is_some_and(|before| before.covers(finding.found, key)) {
            return;
        }
        let class = self.class(message, name, Relay::None);
        let mut data = message_data(message, queue_id, class);
        let original = key.1.as_ref().filter(|original| *original != name);
        set_recipient(&mut data, name, original);
        let kind = finding.event(class, fate, &mut data);
        self.events.push(self.system.event(kind, line.into(), name, data));
        finding.told.insert((finding.found, name.clone()));
    }

    /// As [`Step::warn`], for all recipients that lines have named already. Of a message on hold
    /// only milter and filter have named any.
    pub(crate) fn warn_known(&mut self, queue_id: &str, message: &mut Message) {
        let mut keys: Vec<Key> = message.recipients.iter().map(|(key, _)| key.clone()).collect();
        if message.on_hold {
            let named = message.finding.iter().flat_map(|finding| finding.recipients.clone());
            let named = named.chain(message.last_recipient.clone());
            keys.extend(named.map(|to| (to, None)));
        }
        for key in keys {
            self.warn(queue_id, message, &key);
        }
    }
}

/// How the message went on, if it did.
fn went_on(message: &Message, finding: &Finding) -> Option<Fate> {
    match finding.fate {
        _ if message.on_hold => Some(Fate::Quarantined),
        Some(fate) if fate.is_end() => None,
        Some(fate) => Some(fate),
        None => Some(Fate::Passed),
    }
}

/// What was found in a message before it went through a filter, and told there: what is found in it
/// behind the filter is the same once more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundBefore {
    found: Found,
    /// Only in that of these; of all when empty.
    recipients: BTreeSet<SmolStr>,
}

impl FoundBefore {
    /// What the next stage of `message` has to know.
    pub(crate) fn of(message: &Message) -> Option<Box<Self>> {
        let told = |finding: &&Finding| went_on(message, finding).is_some();
        let Some(finding) = message.finding.as_deref().filter(told) else {
            return message.found_before.clone();
        };
        let only_these =
            if finding.only_these { finding.recipients.clone() } else { BTreeSet::new() };
        Some(Box::new(Self { found: finding.found, recipients: only_these }))
    }

    pub(super) fn covers(&self, found: Found, (to, original): &Key) -> bool {
        let is_it = |named: &SmolStr| {
            named.eq_ignore_ascii_case(to)
                || original.as_ref().is_some_and(|original| named.eq_ignore_ascii_case(original))
        };
        self.found == found && (self.recipients.is_empty() || self.recipients.iter().any(is_it))
    }
}

impl Finding {
    /// Takes the place of what an earlier verdict on the same message said.
    pub(super) fn join(mut self, message: &mut Message) {
        match message.finding.as_deref_mut() {
            Some(known) if !self.outweighs(known) => {}
            Some(known) => {
                self.told = std::mem::take(&mut known.told);
                *known = self;
            }
            None => message.finding = Some(Box::new(self)),
        }
    }

    /// Is `other` about other recipients of the message, of whom this one says nothing?
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.only_these && other.only_these && self.recipients.is_disjoint(&other.recipients)
    }

    /// Was an event given for that recipient?
    pub(super) fn is_told(&self, to: &SmolStr) -> bool {
        self.told.contains(&(self.found, to.clone()))
    }

    /// Is it that filter's, and was an event given for somebody?
    pub(super) fn is_told_by(&self, engine: Engine) -> bool {
        self.engine.as_deref() == Some(engine.name()) && !self.told.is_empty()
    }

    /// A virus is worse than spam. spamd is asked by others, whose own verdict counts.
    fn outweighs(&self, known: &Self) -> bool {
        let is_asked = |finding: &Self| finding.engine.as_deref() == Some("spamassassin");
        match (self.found, known.found) {
            (Found::Virus, Found::Spam) => true,
            (Found::Spam, Found::Virus) => false,
            _ => is_asked(known) || !is_asked(self),
        }
    }

    /// The name to give the event for, unless it was given or the verdict is about others.
    fn name_of<'a>(&self, (to, original): &'a Key) -> Option<&'a SmolStr> {
        let names = [Some(to), original.as_ref()];
        let mut names = names.into_iter().flatten();
        if names.clone().any(|name| self.told.contains(&(self.found, name.clone()))) {
            return None;
        }
        if self.only_these {
            return names.find(|name| self.names(name));
        }
        Some(original.as_ref().unwrap_or(to))
    }

    pub(super) fn names(&self, address: &str) -> bool {
        self.recipients.iter().any(|named| named.eq_ignore_ascii_case(address))
    }
}
