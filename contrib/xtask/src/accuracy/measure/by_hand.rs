//! Expectations written by hand, with the reason: for rows of which nothing external can prove what
//! became of the recipient, and for recipients that no client named.
//!
//! Queue IDs differ from run to run, so a scenario and a recipient name the row. Where the mail
//! server never logs what the client was told, its reply (or the word of the truth alone) does. A row
//! that is not in the list stays as it is.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{event::same_address, truth::Recipient};

/// One expectation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Absent: in every scenario.
    scenario: Option<String>,
    /// Absent: every recipient.
    rcpt_to: Option<String>,
    /// The word of the truth that is decided here.
    outcome: Option<String>,
    /// Absent: wherever in the session the client was refused.
    stage: Option<String>,
    /// Part of the reply to the client. Absent: any, or none.
    response: Option<String>,
    /// The recipient is in no row, but beside this one of the same message.
    beside: Option<String>,
    /// The word that the truth would have, had it seen everything.
    is: String,
    /// Why.
    reason: String,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let lines = include_str!("by_hand.jsonl").lines();
    #[expect(clippy::expect_used, reason = "a constant, held by a test")]
    lines.map(|line| serde_json::from_str(line).expect("an entry is JSON")).collect()
});

/// What the row would say had its writer seen everything, and why.
pub(super) fn outcome(row: &Recipient) -> Option<(&'static str, &'static str)> {
    let is_it = |entry: &&Entry| {
        entry.outcome.as_ref() == Some(&row.outcome)
            && entry.scenario.as_ref().is_none_or(|scenario| *scenario == row.scenario)
            && entry.stage.as_ref().is_none_or(|stage| row.stage.as_ref() == Some(stage))
            && entry.response.as_ref().is_none_or(|part| row.was_told(part))
            && entry.rcpt_to.as_ref().is_none_or(|address| same_address(address, &row.address))
    };
    ENTRIES.iter().find(is_it).map(|entry| (entry.is.as_str(), entry.reason.as_str()))
}

/// Adds the recipients that no client named to the messages that they belong to.
pub(super) fn add_recipients(rows: &mut Vec<Recipient>) {
    for entry in ENTRIES.iter() {
        let (Some(beside), Some(address)) = (&entry.beside, &entry.rcpt_to) else { continue };
        let is_it = |row: &&Recipient| {
            entry.scenario.as_ref() == Some(&row.scenario) && same_address(&row.address, beside)
        };
        let (address, outcome) = (address.clone(), entry.is.clone());
        if let Some(row) = rows.iter().find(is_it).cloned() {
            rows.push(Recipient { address, outcome, code: None, ..row });
        }
    }
}
