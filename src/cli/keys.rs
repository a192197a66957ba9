//! `keys`: who may ask the daemon over the network.

use super::{
    Failure,
    args::{Global, KeysArgs, KeysCommand},
    client::Daemon,
    show::{self, Table},
};
use crate::api::keys::{Key, Keys, MadeKey, NewKey};

/// Asks, and prints the answer.
pub(super) fn run(args: &KeysArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        KeysCommand::Create { name, admin } => create(&daemon, name, *admin, global),
        KeysCommand::List => list(&daemon, global),
        KeysCommand::Revoke { name } => {
            daemon.remove(&["keys", name])?;
            show::note(&format!("{name} lets nobody in any more"));
            Ok(())
        }
    }
}

fn create(daemon: &Daemon, name: &str, admin: bool, global: &Global) -> Result<(), Failure> {
    let role = if admin { "admin" } else { "read" }.to_owned();
    let made: MadeKey = daemon.post(&["keys"], &NewKey { name: name.to_owned(), role })?;
    let mut table = Table::plain();
    for (label, value) in [
        ("key", format!("{} (shown this once)", made.key.0)),
        ("id", made.about.id.clone()),
        ("role", made.about.role.clone()),
    ] {
        table.row([label.to_owned(), value]);
    }
    show::one(&made, global, &table)
}

fn list(daemon: &Daemon, global: &Global) -> Result<(), Failure> {
    let keys: Keys = daemon.get(&["keys"])?;
    let mut table = Table::new(["NAME", "ID", "ROLE", "CREATED"]);
    for Key { id, name, role, created_at } in &keys.data {
        table.row([name.clone(), id.clone(), role.clone(), created_at.clone()]);
    }
    show::all(&keys.data, global, &table)
}
