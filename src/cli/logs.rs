//! `webhooks logs`: the attempts that were made for a webhook.

use super::{
    Failure,
    args::Global,
    client::Daemon,
    events::pages,
    show::{self, Table},
};
use crate::api::logs::{Logs, PageOf};

/// Asks for the newest `limit`, and prints them.
pub(super) fn run(
    daemon: &Daemon,
    name: &str,
    limit: usize,
    global: &Global,
) -> Result<(), Failure> {
    let (logs, more) = pages(limit, |limit, cursor| {
        let page = PageOf { limit: Some(limit), cursor };
        let logs: Logs = daemon.get_of(&["webhooks", name, "logs"], &page)?;
        Ok((logs.data, logs.next_cursor))
    })?;
    let mut table =
        Table::new(["WHEN", "EVENT", "TYPE", "ATTEMPT", "STATUS", "ANSWER", "MS", "NEXT"]);
    for logged in &logs {
        let attempt = &logged.attempt;
        let number = match (logged.is_probe, logged.is_replay) {
            (true, _) => "probe".to_owned(),
            (false, true) => format!("{} (replay)", attempt.attempt),
            (false, false) => attempt.attempt.to_string(),
        };
        table.row([
            attempt.created_at.clone(),
            logged.event_id.clone(),
            logged.kind.clone(),
            number,
            logged.status.clone(),
            attempt.answer.as_ref().map(|answer| answer.words.clone()).unwrap_or_default(),
            format!("{:.1}", attempt.duration_ms),
            logged.next_retry_at.clone().unwrap_or_default(),
        ]);
    }
    show::all(&logs, global, &table)?;
    if more && !global.json {
        show::note(&format!("there are more than {limit}: --limit"));
    }
    Ok(())
}
