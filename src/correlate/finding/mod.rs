//! What a filter found in a message, and what became of the message for it.
//!
//! A filter's verdict and the line that tells the message's fate are two lines of two programs; one
//! event comes of both. Where the fate is sealed by Postfix (refused, discarded, bounced), the event
//! comes with Postfix's line and takes score and rules from the verdict; where the message goes on,
//! it has the identity of the verdict's line and comes with the first line of Postfix that names
//! the recipient. A filter's list of recipients alone never gives an event: it may hold aliases.
//!
//! * `join` — which message a verdict is about,
//! * `tell` — the events of mail that goes on all the same,
//! * `wait` — refusals whose verdict comes after them,
//! * `policy` — what policy servers say before there is a queue ID,
//! * `mailbox` — mail that a mailbox's own rules file as junk.

mod dns_list;
mod join;
mod mailbox;
mod policy;
mod tell;
mod wait;

use std::{collections::BTreeSet, sync::LazyLock};

use mailherald_parsers::{
    filters::{self, Engine, Kind, Verdict},
    postfix::{Delivery, FilterOutcome, Relay, Response, Status},
};
use regex::bytes::RegexSet;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    delivery::by_class,
    direction::is_loopback,
    emit::bounded,
    message::{Class, KeptLine, Message, Origin},
};
use crate::{
    event::{EventData, EventType, HeaderVerdict},
    parse::Line,
};

pub(crate) use policy::Policy;
pub(crate) use tell::FoundBefore;

/// Rules kept of one verdict.
const RULES: usize = 64;

/// What a filter says of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Spam or virus.
    pub found: Found,
    /// Points.
    pub score: Option<f64>,
    /// Rules that matched, or names of viruses, comma-separated.
    pub rules: Option<SmolStr>,
    /// Name of the program.
    pub engine: Option<SmolStr>,
    /// What the filter says it did; none when that is another's decision.
    pub fate: Option<Fate>,
    /// Recipients that the filter named, without the aliases that it may have made of them.
    pub recipients: BTreeSet<SmolStr>,
    /// Of others it said nothing, or something else.
    pub only_these: bool,
    /// The verdict's line, which events of mail that goes on take their identity from. None where
    /// only the words of a refusal told.
    pub line: Option<KeptLine>,
    /// Whom these events were given for.
    pub told: BTreeSet<(Found, SmolStr)>,
}

/// Kinds of finding that have an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Found {
    /// Spam.
    Spam,
    /// A virus.
    Virus,
}

/// What became of a message that a filter has something against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It went on.
    Passed,
    /// It went on with a mark, or into a folder for such.
    Tagged,
    /// It is kept for a person to decide.
    Quarantined,
    /// It was refused.
    Rejected,
    /// It was thrown away.
    Discarded,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Tagged => "tagged",
            Self::Quarantined => "quarantined",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
        }
    }

    fn of(action: filters::Action) -> Option<Self> {
        use filters::Action;
        match action {
            Action::Passed => Some(Self::Passed),
            Action::Tagged => Some(Self::Tagged),
            Action::Quarantined => Some(Self::Quarantined),
            Action::Rejected | Action::Bounced | Action::TempFailed => Some(Self::Rejected),
            Action::Discarded => Some(Self::Discarded),
            Action::Unknown => None,
        }
    }

    /// The message ends with it.
    fn is_end(self) -> bool {
        matches!(self, Self::Rejected | Self::Discarded)
    }
}

impl Finding {
    /// The finding of a verdict, if it is one that has an event type.
    pub(crate) fn of(verdict: &Verdict<'_>, line: &Line<'_>, lossy: &mut bool) -> Option<Self> {
        let found = match verdict.kind {
            Kind::Spam => Found::Spam,
            Kind::Virus => Found::Virus,
            _ => return None,
        };
        let virus = verdict.detail.filter(|_| found == Found::Virus);
        let virus = virus.map(|name| bounded(name, lossy));
        Some(Self {
            found,
            score: verdict.score,
            rules: virus.or_else(|| rules(verdict, lossy)),
            engine: Some(verdict.engine.name().into()),
            fate: Fate::of(verdict.action),
            recipients: recipients(verdict, lossy),
            // amavis has a line for each of its actions, Proxmox Mail Gateway for each recipient.
            only_these: matches!(verdict.engine, Engine::Amavis | Engine::Pmg),
            line: Some(KeptLine::from(line)),
            told: BTreeSet::new(),
        })
    }

    /// What a filter wrote into the headers of a message that it let pass. `line` is the one that put the
    /// message into the queue: the filter wrote none.
    pub(crate) fn of_headers(verdict: HeaderVerdict, line: KeptLine) -> Self {
        Self {
            found: if verdict.is_virus { Found::Virus } else { Found::Spam },
            score: verdict.score,
            rules: verdict.rules,
            engine: None,
            fate: Some(Fate::Tagged),
            recipients: BTreeSet::new(),
            only_these: false,
            line: Some(line),
            told: BTreeSet::new(),
        }
    }

    /// What the words of a refusal say, when no verdict was seen.
    pub(crate) fn of_words(text: &[u8]) -> Option<Self> {
        let first = WORDS.matches(text).into_iter().next()?;
        Some(Self {
            found: if first == 0 { Found::Virus } else { Found::Spam },
            score: None,
            rules: None,
            engine: None,
            fate: None,
            recipients: BTreeSet::new(),
            only_these: false,
            line: None,
            told: BTreeSet::new(),
        })
    }

    /// What is behind an end in those words: the verdict that asked for it, else the words. A
    /// filter that let the message pass did not ask for it, unless they say the same.
    pub(crate) fn behind(known: Option<&Self>, words: &[u8]) -> Option<Self> {
        let said = Self::of_words(words);
        match (known, &said) {
            (Some(known), _) if known.may_end() => Some(known.clone()),
            (Some(known), Some(said)) if known.found == said.found => Some(known.clone()),
            _ => said,
        }
    }

    /// The message may have ended for it.
    pub(crate) fn may_end(&self) -> bool {
        self.fate.is_none_or(Fate::is_end)
    }

    /// What the filter did with the copy of a recipient whom it named behind an answer that it took it:
    /// all recipients get one answer (amavis, `one_response_for_all()`), or quarantine is one like any
    /// other (Proxmox Mail Gateway).
    pub(crate) fn blocked(&self, delivery: &Delivery<'_>, answer: &Response<'_>) -> Option<Fate> {
        let is_taken =
            answer.filter.is_some_and(|filter| filter.outcome == FilterOutcome::Accepted);
        let is_split = self.only_these
            && delivery.status == Status::Sent
            && (answer.queued_as.is_some() || is_taken)
            && is_filter(delivery, answer);
        self.fate.filter(|fate| is_split && fate.is_end() && self.is_about(delivery))
    }

    /// Is it about the recipient of `delivery`?
    fn is_about(&self, delivery: &Delivery<'_>) -> bool {
        let text = |address| std::str::from_utf8(address).unwrap_or_default();
        !self.only_these
            || self.names(text(delivery.recipient))
            || delivery.orig_recipient.is_some_and(|original| self.names(text(original)))
    }

    /// Recipients that the filter named beside `named`, which is the mail server's word. A list
    /// without that one is not of this message.
    pub(crate) fn others(&self, named: Option<&str>) -> Vec<SmolStr> {
        let Some(named) = named else { return self.recipients.iter().cloned().collect() };
        let is_named = |to: &&SmolStr| to.eq_ignore_ascii_case(named);
        let is_known = self.recipients.iter().any(|to| {
            is_named(&to) || mailbox_of(to).is_some_and(|to| to.eq_ignore_ascii_case(named))
        });
        let others = self.recipients.iter().filter(|to| is_known && !is_named(to));
        others.cloned().collect()
    }

    /// The type of the event, whose data this fills in.
    pub(crate) fn event(&self, class: Class, fate: Fate, data: &mut EventData) -> EventType {
        data.score = self.score;
        data.rules.clone_from(&self.rules);
        data.engine.clone_from(&self.engine);
        data.action = Some(fate.name().into());
        match self.found {
            Found::Spam => by_class(class, EventType::OutboundSpam, EventType::InboundSpam),
            Found::Virus => by_class(class, EventType::OutboundVirus, EventType::InboundVirus),
        }
    }
}

/// The rules that matched, comma-separated. What a stranger's words in the options of one made look
/// like another is none.
fn rules(verdict: &Verdict<'_>, lossy: &mut bool) -> Option<SmolStr> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"{}();,".contains(byte);
    let names = verdict.rules.iter().filter(|rule| rule.name.iter().all(plain));
    let names = names.take(RULES).map(|rule| bounded(rule.name, lossy));
    let rules = names.collect::<Vec<_>>().join(",");
    (!rules.is_empty()).then(|| rules.into())
}

/// The recipients of a verdict. rspamd also lists the mailboxes that it takes addresses for, whether
/// or not these are recipients: such are left out.
fn recipients(verdict: &Verdict<'_>, lossy: &mut bool) -> BTreeSet<SmolStr> {
    let named = verdict.recipients.iter().filter(|recipient| !recipient.is_empty());
    let all: BTreeSet<_> = named.map(|recipient| bounded(recipient, lossy)).collect();
    if verdict.engine != Engine::Rspamd {
        return all;
    }
    let mailboxes: BTreeSet<_> = all.iter().filter_map(|address| mailbox_of(address)).collect();
    all.into_iter().filter(|to| !mailboxes.contains(&*to.to_ascii_lowercase())).collect()
}

/// The mailbox, in lower case, that rspamd takes an address for, when that is another address
/// (`lualib/lua_util.lua`, `remove_email_aliases`): without `+tag`, and at Google without dots.
fn mailbox_of(address: &str) -> Option<String> {
    let address = address.to_ascii_lowercase();
    let (local, domain) = address.rsplit_once('@')?;
    let user = local.split_once('+').map_or(local, |(user, _)| user);
    let mailbox = match domain {
        "gmail.com" | "googlemail.com" => format!("{}@gmail.com", user.replace('.', "")),
        _ => format!("{user}@{domain}"),
    };
    (mailbox != address).then_some(mailbox)
}

/// The event for a recipient whom a content filter did not pass the message on to: it swallowed it
/// behind a `250`, returned it to the sender itself, or refused it.
pub(crate) fn filter_outcome(
    message: &Message,
    delivery: &Delivery<'_>,
    answer: &Response<'_>,
    class: Class,
    data: &mut EventData,
    service: &[u8],
) -> Option<EventType> {
    match service {
        b"cleanup" => return refused_submission(message, delivery, class, data),
        b"pipe" => return refused_by_command(message, delivery, class, data),
        _ => {}
    }
    let known = message.finding.as_deref().filter(|finding| finding.is_about(delivery));
    let blocked = known.and_then(|finding| finding.blocked(delivery, answer));
    if !is_filter(delivery, answer) || (answer.queued_as.is_some() && blocked.is_none()) {
        return None;
    }
    let outcome = answer.filter.map(|filter| filter.outcome).or_else(|| clamsmtp(answer.reply));
    // A mailbox that does not exist is none for what a filter says (RFC 3463, X.1.X).
    let is_refused = || known.is_some_and(Finding::may_end) && delivery.dsn.subject != 1;
    let fate = match (delivery.status, outcome) {
        _ if blocked.is_some() => blocked?,
        (Status::Sent, Some(FilterOutcome::Discarded)) => Fate::Discarded,
        (Status::Sent, Some(FilterOutcome::Bounced))
        | (Status::Bounced, Some(FilterOutcome::Rejected)) => Fate::Rejected,
        (Status::Bounced, _) if is_refused() => Fate::Rejected,
        _ => return None,
    };
    Some(match Finding::behind(known, answer.reply) {
        Some(finding) => finding.event(class, fate, data),
        None => by_class(class, EventType::OutboundDropped, EventType::InboundDropped),
    })
}

/// What a milter refuses of a local submission, cleanup bounces. The words alone, which an operator
/// may have written, do not make that a filter's verdict.
fn refused_submission(
    message: &Message,
    delivery: &Delivery<'_>,
    class: Class,
    data: &mut EventData,
) -> Option<EventType> {
    let is_refused = message.origin == Origin::Local && delivery.status == Status::Bounced;
    let finding = message.finding.as_deref().filter(|finding| finding.may_end());
    finding.filter(|_| is_refused).map(|finding| finding.event(class, Fate::Rejected, data))
}

/// A command behind pipe(8) that asks a filter refuses mail with `EX_UNAVAILABLE`, as Postfix's
/// `FILTER_README` has it, or `EX_NOPERM` (`global/pipe_command.c`, `sys_exits.c`).
fn refused_by_command(
    message: &Message,
    delivery: &Delivery<'_>,
    class: Class,
    data: &mut EventData,
) -> Option<EventType> {
    let is_refused = delivery.status == Status::Bounced
        && (delivery.text.starts_with(b"service unavailable") || delivery.dsn.subject == 7);
    let finding = message.finding.as_deref().filter(|finding| finding.may_end());
    finding.filter(|_| is_refused).map(|finding| finding.event(class, Fate::Rejected, data))
}

/// What clamsmtpd and proxsmtpd answer for a message with a virus (`clamsmtpd.c`).
fn clamsmtp(reply: &[u8]) -> Option<FilterOutcome> {
    match reply {
        b"250 Virus Detected; Discarded Email" => Some(FilterOutcome::Discarded),
        b"550 Virus Detected; Content Rejected" => Some(FilterOutcome::Rejected),
        _ => None,
    }
}

/// A filter that answers so has not ended the message itself.
pub(crate) fn is_passed_on(answer: &Response<'_>) -> bool {
    let outcome = answer.filter.map(|filter| filter.outcome).or_else(|| clamsmtp(answer.reply));
    outcome.is_none_or(|outcome| outcome == FilterOutcome::Accepted)
}

/// Does this answer come from a filter on this host? What is behind a socket may be a mailbox as well,
/// unless it answers as amavis does.
fn is_filter(delivery: &Delivery<'_>, answer: &Response<'_>) -> bool {
    let names_filter = answer.filter.is_some() || answer.queued_as.is_some();
    is_asked_here(delivery) || (names_filter && is_socket(delivery))
}

/// Was it handed to a server behind a socket of this host?
pub(crate) fn is_socket(delivery: &Delivery<'_>) -> bool {
    matches!(delivery.relay, Relay::Host(relay) if relay.address.contains(&b'/'))
}

/// Was it handed to a server on this host, which may be a filter?
pub(crate) fn is_asked_here(delivery: &Delivery<'_>) -> bool {
    match delivery.relay {
        Relay::Host(relay) => is_loopback(relay.address),
        _ => false,
    }
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

    /// Recipients that nobody had named were told for Google's addresses.
    #[test]
    fn a_mailbox_that_rspamd_takes_an_address_for_is_known() {
        for (address, mailbox) in [
            ("ok+s41a@x.test", Some("ok@x.test")),
            ("a.b@x.test", None),
            ("colonel.wohc@gmail.com", Some("colonelwohc@gmail.com")),
            ("A.B+c@googlemail.com", Some("ab@gmail.com")),
            ("Ok@x.test", None),
        ] {
            assert_eq!(mailbox_of(address).as_deref(), mailbox, "{address}");
        }
    }
}
