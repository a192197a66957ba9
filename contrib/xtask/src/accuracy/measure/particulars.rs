//! What a row knows beyond how its recipient ended: which way the message went, that it was taken,
//! how often it was put off, and what a filter said. And what no line of the log could tell.

use super::{event::Event, report::Verdict, truth::Recipient};

/// What is wrong with events that end as they should.
pub(super) fn problem(row: &Recipient, found: &[&Event], log: &str) -> Option<(Verdict, String)> {
    if let Some(event) = found.iter().find(|event| !is_of(row, event)) {
        return Some((Verdict::Wrong, format!("{} goes the other way", event.shown())));
    }
    let has = |names: &[&str]| found.iter().any(|event| names.contains(&event.name()));
    if row.arrives && !has(&["queued", "received"]) {
        return Some((Verdict::Missing, "nothing says that it was taken".to_owned()));
    }
    if let Some(expected) = row.deferrals.as_ref().filter(|_| row.doubt.is_none()) {
        let told = found.iter().filter(|event| event.name() == "deferred").count();
        if !expected.contains(&told) {
            let is_more = told > *expected.end();
            let verdict = if is_more { Verdict::Invented } else { Verdict::Missing };
            return Some((verdict, format!("put off {expected:?} times, and {told} told")));
        }
    }
    let verdict = row.verdict.as_deref().filter(|_| row.engine.is_some())?;
    if has(&[verdict]) || !is_scanned(row, log) {
        return None;
    }
    let verdict = if is_notice_only(log) { Verdict::Undecided } else { Verdict::Missing };
    Some((verdict, NO_SUMMARY.to_owned()))
}

/// Why nothing else can be expected of the log.
pub(super) fn doubt(row: &Recipient, found: &[&Event], log: &str) -> Option<&'static str> {
    let is_untold = !found.iter().any(|event| event.is_final());
    let is_bounce = matches!(row.outcome.as_str(), "bounced" | "expired");
    if row.doubt.is_some() {
        return row.doubt;
    }
    (is_bounce && row.engine.is_none() && row.is_late && is_untold && is_notice_only(log))
        .then_some(NO_BOUNCE)
}

const NO_BOUNCE: &str =
    "below the level INFO no line tells a bounce, unless the server refused the recipient itself";

const NO_SUMMARY: &str = "below the level INFO no line tells what a filter found";

fn is_of(row: &Recipient, event: &Event) -> bool {
    row.service.as_ref().is_none_or(|service| {
        event.kind.split_once('.').is_none_or(|(prefix, _)| prefix == service)
    })
}

/// Did the filter have its say? It is not loaded in every run.
fn is_scanned(row: &Recipient, log: &str) -> bool {
    let engine = row.engine.as_deref().unwrap_or_default();
    let words =
        [format!("[{engine}]"), format!("origin={engine}"), format!("\"origin\":\"{engine}\"")];
    is_notice_only(log) || words.iter().any(|words| log.contains(words.as_str()))
}

/// Is there no record of the level INFO?
fn is_notice_only(log: &str) -> bool {
    const INFO: [&str; 3] = ["[INFO] [", "level=INFO ", "\"level\":\"INFO\""];
    !INFO.iter().any(|words| log.contains(words))
}
