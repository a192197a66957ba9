//! `webhooks`: who is told, asked of the running daemon.

use super::{
    Failure,
    args::Global,
    client::Daemon,
    logs, recover, rotate_secret,
    show::{self, Table},
    webhook_args::{WebhooksArgs, WebhooksCommand},
    webhook_edit,
};
use crate::{
    api::{
        attempts::{Answer, Attempt},
        webhooks::{Decided, Enable, Probes, Webhook, Webhooks},
    },
    deliver::Verdict,
};

/// Asks, and prints the answer.
pub(super) fn run(args: &WebhooksArgs, global: &Global) -> Result<(), Failure> {
    let daemon = Daemon::find(&args.ask, global)?;
    match &args.command {
        WebhooksCommand::List => list(&daemon, global),
        WebhooksCommand::Show { name } => {
            let webhook: Webhook = daemon.get(&["webhooks", name])?;
            show::one(&webhook, global, &details(&webhook))
        }
        WebhooksCommand::Create(args) => webhook_edit::create(&daemon, args, global),
        WebhooksCommand::Update(args) => webhook_edit::update(&daemon, args, global),
        WebhooksCommand::Delete { name } => {
            daemon.remove(&["webhooks", name])?;
            show::note(&format!("{name} is deleted"));
            Ok(())
        }
        WebhooksCommand::Enable { name, drop } => {
            let resume = if *drop { "drop" } else { "replay" };
            let how = Enable { resume: resume.to_owned() };
            let webhook: Webhook = daemon.post(&["webhooks", name, "enable"], &how)?;
            show::one(&webhook, global, &details(&webhook))
        }
        WebhooksCommand::Disable { name } => {
            let webhook: Webhook = daemon.post(&["webhooks", name, "disable"], &())?;
            show::one(&webhook, global, &details(&webhook))
        }
        WebhooksCommand::Logs { name, limit } => logs::run(&daemon, name, *limit, global),
        WebhooksCommand::Test { name } => test(&daemon, name, global),
        WebhooksCommand::Verify { name } => verify(&daemon, name, global),
        WebhooksCommand::Recover(args) => recover::run(&daemon, args, global),
        WebhooksCommand::RotateSecret(args) => rotate_secret::run(&daemon, args, global),
    }
}

fn list(daemon: &Daemon, global: &Global) -> Result<(), Failure> {
    let webhooks: Webhooks = daemon.get(&["webhooks"])?;
    let mut table = Table::new(["NAME", "STATE", "WAITING", "PROFILE", "URL"]);
    for webhook in &webhooks.data {
        table.row([
            webhook.name.clone(),
            webhook.state.clone(),
            webhook.backlog.to_string(),
            webhook.profile.clone(),
            webhook.url.clone(),
        ]);
    }
    show::all(&webhooks.data, global, &table)
}

fn state(webhook: &Webhook) -> String {
    match &webhook.disabled_reason {
        Some(reason) => {
            let name = show::quoted(&webhook.name);
            format!("disabled ({reason}); mailherald webhooks enable {name}")
        }
        None if webhook.failures > 0 => {
            format!("{}: {} attempts in a row failed", webhook.state, webhook.failures)
        }
        None => webhook.state.clone(),
    }
}

pub(super) fn details(webhook: &Webhook) -> Table {
    let all = |list: &Option<Vec<String>>| {
        list.as_ref().map_or_else(|| "all".to_owned(), |list| list.join(", "))
    };
    let mut table = Table::plain();
    for (name, value) in [
        ("name", webhook.name.clone()),
        ("id", webhook.id.clone()),
        ("state", state(webhook)),
        ("waiting", webhook.backlog.to_string()),
        ("url", webhook.url.clone()),
        ("profile", webhook.profile.clone()),
        ("events", webhook.events.join(", ")),
        ("secret", format!("…{}", webhook.secret_hint)),
        ("former secrets", rotate_secret::former(&webhook.former_secrets)),
        ("users", all(&webhook.filter_users)),
        ("domains", all(&webhook.filter_domains)),
    ] {
        table.row([name.to_owned(), value]);
    }
    for Decided { is_told, reason, count, latest_event_id } in &webhook.decisions {
        let name = if *is_told { "told" } else { "not told" };
        let value = format!("{count} events: {reason}; the latest is {latest_event_id}");
        table.row([name.to_owned(), value]);
    }
    table
}

/// Sends a test event; a receiver that does not take it makes the command fail.
fn test(daemon: &Daemon, name: &str, global: &Global) -> Result<(), Failure> {
    let attempt: Attempt = daemon.post(&["webhooks", name, "test"], &())?;
    let mut table = Table::plain();
    table.row(["sent to".to_owned(), attempt.url.clone()]);
    if let Some(answer) = &attempt.answer {
        told(answer, &mut table);
    }
    show::one(&attempt, global, &table)?;
    if attempt.is_good() { Ok(()) } else { Err(Failure::ProblemsFound) }
}

fn told(answer: &Answer, table: &mut Table) {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    for (name, value) in [
        ("answer", answer.words.clone()),
        ("body", answer.response_body.clone()),
        ("address", answer.remote.clone().unwrap_or_default()),
        ("name found in", ms(answer.dns_ms)),
        ("connected in", ms(answer.connect_ms)),
        ("answered in", ms(answer.first_byte_ms)),
        ("all in", ms(Some(answer.total_ms))),
    ] {
        if !value.is_empty() {
            table.row([name.to_owned(), value]);
        }
    }
}

/// Probes a receiver; one that believes what it should not makes the command fail.
fn verify(daemon: &Daemon, name: &str, global: &Global) -> Result<(), Failure> {
    let probes: Probes = daemon.post(&["webhooks", name, "verify"], &())?;
    let mut table = Table::new(["VERDICT", "SENT", "ANSWER", "A CAREFUL RECEIVER"]);
    for probe in &probes.data {
        let verdict = match probe.verdict {
            Verdict::Good => "ok",
            Verdict::Doubtful => "doubtful",
            Verdict::Bad => "bad",
            Verdict::Unknown => "unknown",
        };
        let cells = [verdict, &probe.name, &probe.answer, &probe.expected];
        table.row(cells.map(str::to_owned));
    }
    show::all(&probes.data, global, &table)?;
    let is_well = |verdict| matches!(verdict, Verdict::Good | Verdict::Doubtful);
    if probes.data.iter().all(|probe| is_well(probe.verdict)) {
        Ok(())
    } else {
        Err(Failure::ProblemsFound)
    }
}
