//! `dead`: deliveries that ended badly, asked of the running daemon.

use super::{
    Failure,
    args::{DeadArgs, DeadCommand, DeadWhich, Global},
    client::Daemon,
    events::pages,
    show::{self, Table},
};
use crate::api::dead::{Cleared, DeadLetters, Which};

/// Asks, and prints the answer.
pub(super) fn run(args: &DeadArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        DeadCommand::List { which, limit } => list(&daemon, which, *limit, global),
        DeadCommand::Retry { which, all: _, dry_run } => {
            let asked = Which { dry_run: Some(*dry_run), ..meant(which) };
            let cleared = daemon.post(&["dead", "retry"], &asked)?;
            say(if *dry_run { "would be sent again" } else { "to be sent again" }, cleared, global)
        }
        DeadCommand::Purge { which, all: _, dry_run } => {
            let asked = Which { dry_run: Some(*dry_run), ..meant(which) };
            let cleared = daemon.delete(&["dead"], &asked)?;
            say(if *dry_run { "would be removed" } else { "removed" }, cleared, global)
        }
    }
}

fn meant(which: &DeadWhich) -> Which {
    Which {
        webhook: which.webhook.clone(),
        state: which.ended.clone(),
        since: which.since,
        until: which.until,
        ..Which::default()
    }
}

fn list(daemon: &Daemon, which: &DeadWhich, limit: usize, global: &Global) -> Result<(), Failure> {
    let (letters, more) = pages(limit, |limit, cursor| {
        let asked = Which { limit: Some(limit), cursor, ..meant(which) };
        let page: DeadLetters = daemon.get_of(&["dead"], &asked)?;
        Ok((page.data, page.next_cursor))
    })?;
    let mut table =
        Table::new(["WEBHOOK", "ENDED", "STATE", "EVENT", "TYPE", "TO", "ATTEMPTS", "LAST ERROR"]);
    for letter in &letters {
        table.row([
            letter.webhook.clone(),
            letter.ended_at.clone(),
            letter.state.clone(),
            letter.event_id.clone().unwrap_or_else(|| "deleted".to_owned()),
            letter.kind.clone().unwrap_or_default(),
            letter.to.clone().unwrap_or_default(),
            letter.attempts.to_string(),
            letter.last_error.clone(),
        ]);
    }
    show::all(&letters, global, &table)?;
    if more && !global.json {
        show::note(&format!("there are more than {limit}: --limit, --webhook, --since"));
    }
    Ok(())
}

fn say(what: &str, cleared: Cleared, global: &Global) -> Result<(), Failure> {
    let mut table = Table::plain();
    table.row([what.to_owned(), cleared.count.to_string()]);
    show::one(&cleared, global, &table)
}
