//! What a filter found in a message, and what became of the message for it.
//!
//! A filter's verdict and the line that tells the message's fate are two lines of two programs; one
//! event comes of both. Where the fate is sealed by Postfix (refused, discarded, bounced), the event
//! comes with Postfix's line and takes score and rules from the verdict; where the message goes on,
//! it comes with the verdict.

use std::sync::LazyLock;

use mailherald_parsers::{
    filters::{self, Kind, Verdict},
    postfix::{Delivery, FilterOutcome, QueueId, Relay, Response, Status},
};
use regex::bytes::RegexSet;
use serde::{Deserialize, Serialize};

use super::{
    Step,
    delivery::by_class,
    direction::is_loopback,
    emit::{bounded, message_data, set_recipient},
    message::{Class, Message, Origin},
};
use crate::event::{EventData, EventType};

/// Rules kept of one verdict.
const RULES: usize = 64;

/// What a filter says of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Spam or virus.
    pub found: Found,
    /// Points.
    pub score: Option<f64>,
    /// Rules that matched, comma-separated.
    pub rules: Option<String>,
    /// Name of the program.
    pub engine: Option<String>,
}

/// Kinds of finding that have an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// Spam.
    Spam,
    /// A virus.
    Virus,
}

/// What became of a message that a filter has something against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    Tagged,
    Rejected,
    Discarded,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Tagged => "tagged",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
        }
    }
}

impl Step<'_> {
    /// A filter judged a message. Where the message goes on all the same, that is an event for
    /// each recipient that the filter names.
    pub(crate) fn finding(&mut self, queue_id: QueueId<'_>, verdict: &Verdict<'_>) {
        let mut lossy = false;
        let Some(finding) = Finding::of(verdict, &mut lossy) else { return };
        let mut message = self.take_or_new(queue_id);
        message.lossy |= lossy;
        if let (Some(fate), true) = (goes_on(verdict), message.origin != Origin::Internal) {
            for recipient in verdict.recipients.iter() {
                let to = bounded(recipient, &mut message.lossy);
                let class = self.class(&mut message, &to, Relay::None);
                let mut data = message_data(&message, queue_id.as_str(), class);
                set_recipient(&mut data, &to, None);
                let kind = finding.event(class, fate, &mut data);
                let event = self.system.event(kind, self.line.into(), &to, data);
                self.events.push(event);
            }
        }
        message.finding = Some(Box::new(finding));
        self.put(queue_id, message);
    }
}

impl Finding {
    /// The finding of a verdict, if it is one that has an event type.
    pub(crate) fn of(verdict: &Verdict<'_>, lossy: &mut bool) -> Option<Self> {
        let found = match verdict.kind {
            Kind::Spam => Found::Spam,
            Kind::Virus => Found::Virus,
            _ => return None,
        };
        let names = verdict.rules.iter().take(RULES).map(|rule| bounded(rule.name, lossy));
        let rules: Vec<_> = names.collect();
        Some(Self {
            found,
            score: verdict.score,
            rules: Some(rules.join(",")).filter(|rules| !rules.is_empty()),
            engine: Some(verdict.engine.name().to_owned()),
        })
    }

    /// What the words of a refusal say, when no verdict was seen.
    pub(crate) fn of_words(text: &[u8]) -> Option<Self> {
        let first = WORDS.matches(text).into_iter().next()?;
        let found = if first == 0 { Found::Virus } else { Found::Spam };
        Some(Self { found, score: None, rules: None, engine: None })
    }

    /// The type of the event, whose data this fills in.
    pub(crate) fn event(&self, class: Class, fate: Fate, data: &mut EventData) -> EventType {
        data.score = self.score;
        data.rules.clone_from(&self.rules);
        data.engine.clone_from(&self.engine);
        data.action = Some(fate.name().to_owned());
        match self.found {
            Found::Spam => by_class(class, EventType::OutboundSpam, EventType::InboundSpam),
            Found::Virus => by_class(class, EventType::OutboundVirus, EventType::InboundVirus),
        }
    }
}

/// Did the message go on with the filter's word against it?
pub(crate) fn goes_on(verdict: &Verdict<'_>) -> Option<Fate> {
    match verdict.action {
        filters::Action::Passed => Some(Fate::Passed),
        filters::Action::Tagged => Some(Fate::Tagged),
        _ => None,
    }
}

/// The event for a recipient whom a content filter did not pass the message on to: it swallowed it
/// behind a `250`, returned it to the sender itself, or refused it.
pub(crate) fn filter_outcome(
    message: &Message,
    delivery: &Delivery<'_>,
    answer: &Response<'_>,
    class: Class,
    data: &mut EventData,
) -> Option<EventType> {
    let Relay::Host(relay) = delivery.relay else { return None };
    if !std::str::from_utf8(relay.address).is_ok_and(is_loopback) || answer.queued_as.is_some() {
        return None;
    }
    let outcome = answer.filter.map(|filter| filter.outcome);
    let fate = match (delivery.status, outcome) {
        (Status::Sent, Some(FilterOutcome::Discarded)) => Fate::Discarded,
        (Status::Sent, Some(FilterOutcome::Bounced))
        | (Status::Bounced, Some(FilterOutcome::Rejected)) => Fate::Rejected,
        (Status::Bounced, _) if message.finding.is_some() => Fate::Rejected,
        _ => return None,
    };
    let known = message.finding.as_deref().cloned();
    let finding = known.or_else(|| Finding::of_words(answer.reply));
    Some(match finding {
        Some(finding) => finding.event(class, fate, data),
        None => by_class(class, EventType::OutboundDropped, EventType::InboundDropped),
    })
}

/// Virus first: `Blocked by SpamAssassin` and `virus found` never meet, `INFECTED … spam` may.
static WORDS: LazyLock<RegexSet> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "constant patterns, held by a test")]
    RegexSet::new([
        r"(?i)\b(?:virus|infected|malware|eicar|trojan)\b",
        r"(?i)\bspam\b|\bspam(?:assassin|my)\b|\bjunk mail\b|\bunsolicited\b",
    ])
    .expect("patterns compile")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_real_filters_are_understood() {
        let found = |text: &str| Finding::of_words(text.as_bytes()).map(|finding| finding.found);
        assert_eq!(found("5.7.1 Spam message rejected"), Some(Found::Spam));
        assert_eq!(found("5.7.1 Blocked by SpamAssassin"), Some(Found::Spam));
        assert_eq!(found("5.7.1 clamav: virus found: \"Eicar\""), Some(Found::Virus));
        assert_eq!(found("554 5.7.0 Reject, id=1-2 - INFECTED: Eicar"), Some(Found::Virus));
        assert_eq!(found("5.7.1 rejected by DMARC policy for a.test"), None);
        assert_eq!(found("5.7.1 Command rejected"), None);
    }
}
