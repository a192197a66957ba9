//! `sources`: how far the daemon is behind.

use super::{
    Failure,
    args::{Ask, Global},
    client::Daemon,
    show::{self, Table},
};
use crate::api::sources::Sources;

/// Asks, and prints the answer.
pub(super) fn run(ask: &Ask, global: &Global) -> Result<(), Failure> {
    let sources: Sources = Daemon::find(ask, global)?.get(&["sources"])?;
    let mut table = Table::new(["NAME", "STATE", "LAG", "BEHIND FOR", "PINNED"]);
    for source in &sources.data {
        table.row([
            source.name.clone(),
            source.state.clone(),
            indicatif::HumanBytes(source.lag_bytes).to_string(),
            format!("{} s", source.lag_seconds),
            indicatif::HumanBytes(source.pinned_bytes).to_string(),
        ]);
    }
    show::all(&sources.data, global, &table)
}
