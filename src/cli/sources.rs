//! `sources`: how far the daemon is behind.

use super::{
    Failure,
    args::{Ask, Global},
    client::Daemon,
    show::{self, Table},
};
use crate::api::sources::{Source, Sources};

/// Asks, and prints the answer.
pub(super) fn run(ask: &Ask, global: &Global) -> Result<(), Failure> {
    let sources: Sources = Daemon::find(ask, global)?.get(&["sources"])?;
    let mut table = Table::new(["NAME", "STATE", "LAG", "BEHIND FOR", "PINNED", "NOTES"]);
    for source in &sources.data {
        table.row([
            source.name.clone(),
            source.state.clone(),
            indicatif::HumanBytes(source.lag_bytes).to_string(),
            format!("{} s", source.lag_seconds),
            indicatif::HumanBytes(source.pinned_bytes).to_string(),
            notes(source),
        ]);
    }
    show::all(&sources.data, global, &table)
}

/// What may be missing or was passed over, if anything.
fn notes(source: &Source) -> String {
    let counts = [
        (source.lines_truncated, "lines cut"),
        (source.duplicate_files, "duplicate files"),
        (source.truncations_without_copy, "truncations without a copy"),
        (source.gaps, "gaps in the journal"),
        (source.facts_dropped, "facts dropped"),
        (source.connections_refused, "connections refused"),
        (source.connections_broken, "connections broken off"),
        (source.reports, "reports taken"),
        (source.reports_dropped, "reports dropped"),
    ];
    let said = counts.iter().filter(|(count, _)| *count > 0);
    said.map(|(count, what)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")
}
