//! What a row of the truth allows: the table "Ground truth of the corpus → events".

use super::{
    by_hand,
    event::{Event, same_address},
    truth::{Recipient, Truth},
};

/// What the events about one recipient have to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expectation {
    /// Final events, all of these types.
    Final(&'static [&'static str]),
    /// `bounced`, softly: given up.
    GivenUp,
    /// Refused or thrown away before it was in the queue.
    Refused {
        /// With a 4xx, which is not final.
        temporary: bool,
    },
    /// At least one `deferred` and no final event.
    Waiting,
    /// No final event.
    Unfinished,
    /// No event at all.
    Nothing,
    /// None of its own: the mail system took another recipient of the message for it, which ends.
    Absorbed,
    /// None of its own: these addresses have final events.
    Expanded(Vec<String>),
    /// Nobody can say.
    Undecided,
}

/// How events meet an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    Right,
    Wrong,
    Missing,
}

/// An expectation, and the reason where the row alone does not give it.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) expectation: Expectation,
    pub(super) reason: Option<String>,
}

/// What the row allows. What was written by hand comes first. Where the row's word decides nothing
/// (or, for `deferred`, only what the servers saw before Postfix gave up), a DSN about the recipient
/// in the same run does.
pub(super) fn expected(row: &Recipient, truth: &Truth) -> Expected {
    if let Some((word, reason)) = by_hand::outcome(row) {
        return Expected { expectation: by_word(word, row), reason: Some(reason.to_owned()) };
    }
    let by_row = by_word(&row.outcome, row);
    if !matches!(by_row, Expectation::Undecided | Expectation::Waiting) {
        return Expected { expectation: by_row, reason: None };
    }
    if let Some(expectation) = by_notice(row, truth) {
        let reason = Some("the sender got a DSN about it".to_owned());
        return Expected { expectation, reason };
    }
    let reason = (by_row == Expectation::Undecided).then(|| {
        format!("`{}`: no DSN tells more, and no expectation was written by hand", row.outcome)
    });
    Expected { expectation: by_row, reason }
}

/// Thrown away: behind a `250`, or by an operator.
const DROPPED: Expectation = Expectation::Final(&["dropped", "spam", "virus"]);

fn by_word(word: &str, row: &Recipient) -> Expectation {
    use Expectation as E;
    match word {
        "delivered" | "delivered-local" => E::Final(&["delivered"]),
        "bounced" if row.verdict.is_some() => E::Final(&["bounced", "rejected", "spam", "virus"]),
        "bounced" => E::Final(&["bounced", "rejected"]),
        "expired" | "deferred-then-expired" | "force-expired" => E::GivenUp,
        "rejected" if row.stage.as_deref() == Some("AUTH") => E::Nothing,
        "rejected" => E::Refused { temporary: row.code.is_some_and(|code| code / 100 == 4) },
        "discarded" | "discarded-by-filter" | "deleted-by-admin" => DROPPED,
        "deferred" => E::Waiting,
        "expanded" => E::Expanded(row.expands_to.clone()),
        "nothing" | "aborted" => E::Nothing,
        "merged" | "redirected" => E::Absorbed,
        "stays-in-maildrop" => E::Unfinished,
        _ if word.starts_with("held then force-expired") => E::GivenUp,
        _ if word.starts_with("held then") => E::Undecided,
        _ if word.starts_with("held") => E::Unfinished,
        _ => E::Undecided,
    }
}

/// A DSN names an address and no message, so it decides only when there is one for every message
/// to that address whose sender could get one.
fn by_notice(row: &Recipient, truth: &Truth) -> Option<Expectation> {
    let has_sender = |row: &Recipient| row.sender.as_ref().is_some_and(|sender| !sender.is_empty());
    let messages = truth
        .recipients
        .iter()
        .filter(|other| has_sender(other) && same_address(&other.address, &row.address));
    let notices: Vec<_> =
        truth.notices.iter().filter(|notice| same_address(&notice.address, &row.address)).collect();
    if !has_sender(row) || notices.is_empty() || notices.len() < messages.count() {
        return None;
    }
    let given_up = notices.iter().all(|notice| notice.class == Some('4'));
    Some(if given_up { Expectation::GivenUp } else { Expectation::Final(&["bounced", "rejected"]) })
}

impl Expectation {
    /// Do the events about a recipient meet it?
    pub(super) fn met_by(&self, events: &[&Event]) -> Meets {
        let finals: Vec<_> = events.iter().copied().filter(|event| event.is_final()).collect();
        match self {
            Self::Final(names) => all_final(&finals, |event| names.contains(&event.name())),
            Self::GivenUp => all_final(&finals, is_given_up),
            Self::Refused { temporary } => refused(events, *temporary),
            Self::Expanded(addresses) => expanded(&finals, addresses),
            Self::Waiting if finals.is_empty() => {
                let waits = events.iter().any(|event| event.name() == "deferred");
                if waits { Meets::Right } else { Meets::Missing }
            }
            Self::Absorbed if finals.is_empty() => Meets::Missing,
            Self::Absorbed => Meets::Right,
            Self::Unfinished if finals.is_empty() => Meets::Right,
            Self::Nothing if events.is_empty() => Meets::Right,
            Self::Waiting | Self::Unfinished | Self::Nothing | Self::Undecided => Meets::Wrong,
        }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Final(names) => names.join(" or "),
            Self::GivenUp => "bounced soft".to_owned(),
            Self::Refused { temporary: true } => "refused, temporary".to_owned(),
            Self::Refused { temporary: false } => "refused".to_owned(),
            Self::Waiting => "deferred, and nothing final".to_owned(),
            Self::Unfinished => "nothing final".to_owned(),
            Self::Nothing => "no event".to_owned(),
            Self::Absorbed => "a final event of the message".to_owned(),
            Self::Expanded(addresses) => format!("final events of {}", addresses.join(", ")),
            Self::Undecided => "undecided".to_owned(),
        }
    }
}

fn is_given_up(event: &Event) -> bool {
    event.name() == "bounced" && event.data.bounce_type.as_deref() == Some("soft")
}

fn all_final(finals: &[&Event], allowed: impl Fn(&Event) -> bool) -> Meets {
    match finals {
        [] => Meets::Missing,
        _ if finals.iter().all(|event| allowed(event)) => Meets::Right,
        _ => Meets::Wrong,
    }
}

fn refused(events: &[&Event], temporary: bool) -> Meets {
    let is_right = |event: &&Event| event.is_refusal() && event.data.temporary == temporary;
    match events {
        [] => Meets::Missing,
        _ if events.iter().all(is_right) => Meets::Right,
        _ => Meets::Wrong,
    }
}

fn expanded(finals: &[&Event], addresses: &[String]) -> Meets {
    let ended = |address: &String| finals.iter().any(|event| event.is_about(address));
    if addresses.iter().all(ended) { Meets::Right } else { Meets::Missing }
}
