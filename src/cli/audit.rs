//! `audit`: who changed what, asked of the running daemon.

use super::{
    Failure,
    args::{AuditArgs, Global},
    client::Daemon,
    events::pages,
    show::{self, Table},
};
use crate::api::{
    audit::{Change, Changes},
    logs::PageOf,
};

/// Asks, and prints the answer.
pub(super) fn run(args: &AuditArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    let (changes, more) = pages(args.limit, |limit, cursor| {
        let page: Changes = daemon.get_of(&["audit"], &PageOf { limit: Some(limit), cursor })?;
        Ok((page.data, page.next_cursor))
    })?;
    show::all(&changes, global, &table(&changes))?;
    if more && !global.json {
        show::note(&format!("there are more than {}: --limit", args.limit));
    }
    Ok(())
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(["WHEN", "WHO", "FROM", "ACTION", "TARGET", "ANSWER"]);
    for Change { at, who, from, action, target, status, key_id: _ } in changes {
        let cells = [at, who, from, action, target].map(String::clone);
        let [at, who, from, action, target] = cells;
        table.row([at, who, from, action, target, status.to_string()]);
    }
    table
}
