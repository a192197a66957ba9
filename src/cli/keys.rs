//! `keys`: who may ask the daemon over the network.

use super::{
    Failure,
    args::{CreateKeyArgs, Global, KeysArgs, KeysCommand},
    client::Daemon,
    show::{self, Table},
};
use crate::api::keys::{Key, Keys, MadeKey, NewKey};

/// Asks, and prints the answer.
pub(super) fn run(args: &KeysArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        KeysCommand::Create(args) => create(&daemon, args, global),
        KeysCommand::List => list(&daemon, global),
        KeysCommand::Revoke { name } => {
            daemon.remove(&["keys", name])?;
            show::note(&format!("{name} lets nobody in any more"));
            Ok(())
        }
    }
}

fn create(daemon: &Daemon, args: &CreateKeyArgs, global: &Global) -> Result<(), Failure> {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let new = NewKey {
        name: args.name.clone(),
        role: if args.admin { "admin" } else { "read" }.to_owned(),
        owned_users: some(&args.owned_users),
        owned_domains: some(&args.owned_domains),
    };
    let made: MadeKey = daemon.post(&["keys"], &new)?;
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
    let mut table = Table::new(["NAME", "ID", "ROLE", "FOR", "CREATED"]);
    for key in &keys.data {
        let Key { id, name, role, created_at, .. } = key;
        table.row([name.clone(), id.clone(), role.clone(), owned(key), created_at.clone()]);
    }
    show::all(&keys.data, global, &table)
}

/// What of the mail it is for.
fn owned(key: &Key) -> String {
    let lists = [("users", &key.owned_users), ("domains", &key.owned_domains)];
    let one = |(what, list): (&str, &Option<Vec<String>>)| {
        list.as_ref().map(|list| format!("{what} {}", list.join(", ")))
    };
    let owned: Vec<_> = lists.into_iter().filter_map(one).collect();
    if owned.is_empty() { "all".to_owned() } else { owned.join("; ") }
}
