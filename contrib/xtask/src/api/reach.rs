//! What of the API was reached: whoever only ever gets refusals has not tried it.
//!
//! What is made up is the same in each run, but ids are not, nor what was deleted when: a few operations
//! are reached in one run and not in the next. Tests of the running program have each of them answered
//! well; here most must be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Of a hundred operations so many have to be reached.
const ENOUGH: usize = 75;

/// Operations, each with the statuses that it answered.
type Answered = BTreeMap<String, BTreeSet<u16>>;

/// Reads what was asked and answered, prints it by operation, and fails when too few of
/// them were answered well, unless it was cut short, or when an answer is not as described.
///
/// # Errors
/// The report cannot be read, or too little was reached.
pub(super) fn check(report: &Path, is_whole: bool) -> Result<()> {
    let text = fs::read_to_string(report).context("read what schemathesis has done")?;
    let mut answered = Answered::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).context("read a line of the report")?;
        let status = event.pointer("/ScenarioFinished/status").and_then(Value::as_str);
        ensure!(!matches!(status, Some("failure" | "error")), "not as described: {line}");
        gather(&event, &mut answered);
    }
    ensure!(!answered.is_empty(), "the report tells of no answer");
    for (operation, statuses) in &answered {
        println!("{operation}: {statuses:?}");
    }
    let is_reached = |statuses: &BTreeSet<u16>| statuses.iter().any(|it| (200..300).contains(it));
    let missed = answered.iter().filter(|(_, it)| !is_reached(it)).map(|(operation, _)| operation);
    let missed: Vec<_> = missed.collect();
    let (count, reached) = (answered.len(), answered.len() - missed.len());
    println!("{reached} of {count} operations were answered well, and these never: {missed:?}");
    ensure!(!is_whole || 100 * reached >= ENOUGH * count, "that is too little");
    Ok(())
}

/// Of the lines, those tell of answers that end a round of one operation.
fn gather(event: &Value, answered: &mut Answered) {
    let round = event.pointer("/ScenarioFinished/recorder");
    let Some((operation, interactions)) = round
        .and_then(|it| Some((it.get("label")?.as_str()?, it.get("interactions")?.as_object()?)))
    else {
        return;
    };
    let statuses = interactions.values().filter_map(|it| it.pointer("/response/status_code"));
    let statuses = statuses.filter_map(|status| u16::try_from(status.as_u64()?).ok());
    answered.entry(operation.to_owned()).or_default().extend(statuses);
}
