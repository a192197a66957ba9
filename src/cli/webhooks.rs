//! `webhooks`: who is told, asked of the running daemon.

use super::{
    Failure,
    args::{Global, WebhooksArgs, WebhooksCommand},
    client::Daemon,
    show::{self, Table},
};
use crate::api::webhooks::{Webhook, Webhooks};

/// Asks, and prints the answer.
pub(super) fn run(args: &WebhooksArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        WebhooksCommand::List => list(&daemon, global),
        WebhooksCommand::Show { name } => {
            let webhook: Webhook = daemon.get(&["webhooks", name])?;
            show::one(&webhook, global, &details(&webhook))
        }
    }
}

fn list(daemon: &Daemon, global: &Global) -> Result<(), Failure> {
    let webhooks: Webhooks = daemon.get(&["webhooks"])?;
    let mut table = Table::new(["NAME", "PROFILE", "URL"]);
    for webhook in &webhooks.data {
        table.row([webhook.name.clone(), webhook.profile.clone(), webhook.url.clone()]);
    }
    show::all(&webhooks.data, global, &table)
}

fn details(webhook: &Webhook) -> Table {
    let all = |list: &Option<Vec<String>>| {
        list.as_ref().map_or_else(|| "all".to_owned(), |list| list.join(", "))
    };
    let mut table = Table::plain();
    for (name, value) in [
        ("name", webhook.name.clone()),
        ("id", webhook.id.clone()),
        ("url", webhook.url.clone()),
        ("profile", webhook.profile.clone()),
        ("events", webhook.events.join(", ")),
        ("users", all(&webhook.filter_users)),
        ("domains", all(&webhook.filter_domains)),
    ] {
        table.row([name.to_owned(), value]);
    }
    table
}
