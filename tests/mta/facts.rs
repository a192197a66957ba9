//! Events boiled down to what can be compared: what happened to whom.

use std::collections::BTreeMap;

use serde_json::Value;

/// What happened to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    /// Canonical type.
    pub(crate) kind: String,
    /// Recipient.
    pub(crate) to: String,
    /// What the sender wrote, where it was something else.
    pub(crate) orig_to: Option<String>,
    /// `hard` or `soft`, of a bounce.
    pub(crate) detail: Option<String>,
}

impl Fact {
    /// With that detail.
    pub(crate) fn with(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    /// Of a canonical event, or of the body of a webhook of profile `standard`.
    pub(crate) fn of_event(event: &Value) -> Self {
        let kind = text(event, "/type").expect("every event has a type");
        let begins = kind.ends_with(".queued") || kind.ends_with(".received");
        let bounced = kind.ends_with(".bounced");
        Self {
            to: text(event, "/data/to").expect("each mail of these tests has one recipient a line"),
            orig_to: text(event, "/data/orig_to").filter(|_| !begins),
            detail: text(event, "/data/bounce_type").filter(|_| bounced),
            kind,
        }
    }

    /// Ends the story of its recipient (events.md §2, the invariant).
    pub(crate) fn is_final(&self) -> bool {
        let name = self.kind.rsplit('.').next().unwrap_or_default();
        matches!(name, "delivered" | "bounced" | "rejected" | "dropped" | "blocked")
    }

    /// What a webhook of that profile calls it when it asked for `*`; none where the profile has
    /// no word for it (webhooks.md §1.7).
    pub(crate) fn name_in(&self, profile: &str) -> Option<&'static str> {
        let hard = self.detail.as_deref() == Some("hard");
        let names = match self.kind.as_str() {
            "outbound.queued" => ["outbound.queued", "queued", "message.created"],
            "outbound.delivered" => ["outbound.delivered", "delivered", "message.delivered"],
            // The generic guide calls it `bounced`, and only those get it who ask by name.
            "outbound.deferred" => ["outbound.deferred", "", "message.soft_bounced"],
            "outbound.bounced" if hard => ["outbound.bounced", "bounced", "message.hard_bounced"],
            "outbound.bounced" => ["outbound.bounced", "bounced", "message.failed"],
            "outbound.rejected" => ["outbound.rejected", "bounced", "message.hard_bounced"],
            "outbound.dropped" => ["outbound.dropped", "", "message.suppressed"],
            "inbound.received" => ["inbound.received", "", "message.inbound"],
            "inbound.delivered" => ["inbound.delivered", "", ""],
            "inbound.blocked" => ["inbound.blocked", "", ""],
            other => panic!("{other} is not expected in these tests"),
        };
        let column = ["jetemail", "generic", "lettermint"].iter().position(|name| *name == profile);
        let name = names[column.expect("the profile is one of the three")];
        (!name.is_empty()).then_some(name)
    }
}

/// How often each fact was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally<T: Ord = Fact>(BTreeMap<T, usize>);

impl<T: Ord> FromIterator<T> for Tally<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut counts = BTreeMap::new();
        for item in items {
            *counts.entry(item).or_default() += 1;
        }
        Self(counts)
    }
}

impl<T: Ord + std::fmt::Debug> Tally<T> {
    /// Says what is missing and what is too much, one a line; empty when the two are equal.
    pub(crate) fn difference(&self, wanted: &Self) -> String {
        let count = |tally: &Self, key: &T| tally.0.get(key).copied().unwrap_or_default();
        let keys = self.0.keys().chain(wanted.0.keys().filter(|key| !self.0.contains_key(key)));
        let mut lines = Vec::new();
        for key in keys.filter(|key| count(self, key) != count(wanted, key)) {
            lines.push(format!("{} instead of {}: {key:?}", count(self, key), count(wanted, key)));
        }
        lines.join("\n")
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

#[test]
fn a_difference_names_what_is_missing_and_what_is_too_much() {
    let got: Tally<&str> = ["a", "a", "b"].into_iter().collect();
    let wanted: Tally<&str> = ["a", "b", "c"].into_iter().collect();
    assert_eq!(got.difference(&wanted), "2 instead of 1: \"a\"\n0 instead of 1: \"c\"");
    assert_eq!(got.difference(&got.clone()), "");
}
