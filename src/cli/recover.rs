//! `webhooks recover`: what a webhook did not get, once more.

use super::{
    Failure,
    args::Global,
    client::Daemon,
    show::{self, Table},
    webhook_args::RecoverArgs,
};
use crate::api::recover::{Recover, Recovered};

/// Asks for it, and says how many deliveries it were.
pub(super) fn run(daemon: &Daemon, args: &RecoverArgs, global: &Global) -> Result<(), Failure> {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let asked = Recover {
        since: args.since,
        until: args.until,
        states: some(&args.in_state),
        types: some(&args.types),
        dry_run: args.dry_run,
    };
    let recovered: Recovered = daemon.post(&["webhooks", &args.name, "recover"], &asked)?;
    show::one(&recovered, global, &table(&recovered))
}

fn table(recovered: &Recovered) -> Table {
    let mut table = Table::plain();
    let what = if recovered.dry_run { "would be sent again" } else { "to be sent again" };
    table.row([what.to_owned(), recovered.count.to_string()]);
    for (state, count) in &recovered.states {
        table.row([format!("  {state}"), count.to_string()]);
    }
    table
}
