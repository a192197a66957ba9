//! `webhooks rotate-secret`: another secret, shown once, and what is to be done with it.

use std::io::{self, Write};

use super::{
    Failure,
    args::Global,
    client::Daemon,
    show::{self, Table},
    webhook_args::RotateSecretArgs,
};
use crate::{
    api::{
        rotation::{FormerSecret, Rotate, Rotated, Shown},
        webhooks::Webhook,
    },
    config::read_secret_file,
};

/// Rotates, prints the result, and says what is next.
pub(super) fn run(
    daemon: &Daemon,
    args: &RotateSecretArgs,
    global: &Global,
) -> Result<(), Failure> {
    let given = args.secret_file.as_deref().map(read_secret_file).transpose();
    let given = given.map_err(Failure::SecretFile)?;
    let asked = Rotate {
        grace_seconds: Some(args.grace.as_secs()),
        secret: given.map(|secret| Shown(secret.text)),
    };
    let rotated: Rotated = daemon.post(&["webhooks", &args.name, "rotate-secret"], &asked)?;
    show::one(&rotated, global, &table(&rotated))?;
    let webhook: Result<Webhook, _> = daemon.get(&["webhooks", &args.name]);
    let is_of_file = webhook.is_ok_and(|webhook| webhook.created_at.is_none());
    // Talk that nobody listens to does not undo what was done.
    let _closed = io::stderr().lock().write_all(next_steps(&rotated, is_of_file).as_bytes());
    Ok(())
}

/// The former secrets that are still good, on one line.
pub(super) fn former(secrets: &[FormerSecret]) -> String {
    if secrets.is_empty() {
        return "none".to_owned();
    }
    let one = |former: &FormerSecret| {
        format!("…{} good until {}", former.secret_hint, former.valid_until)
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn table(rotated: &Rotated) -> Table {
    let secret = match &rotated.secret {
        Some(Shown(secret)) => format!("{secret} (shown this once)"),
        None => format!("…{}", rotated.secret_hint),
    };
    let mut table = Table::plain();
    for (name, value) in [
        ("secret", secret),
        ("key", rotated.key.clone()),
        ("former secrets", former(&rotated.former_secrets)),
    ] {
        table.row([name.to_owned(), value]);
    }
    table
}

/// One that was made through the API has its secret in the store, and nowhere else.
fn next_steps(rotated: &Rotated, is_of_file: bool) -> String {
    let name = &rotated.name;
    let until = match rotated.former_secrets.first() {
        Some(former) => format!("until {} the former one is tried, too", former.valid_until),
        None => "the former one is not tried any more".to_owned(),
    };
    let into_file = if is_of_file {
        "Put it into the configuration, too (secret or secret_file), which names another one: it holds \
         when the store is lost.\n"
    } else {
        ""
    };
    format!(
        "{name} is signed for with the new secret from now on.\n\
         Give the receiver the new secret; {until}.\n{into_file}"
    )
}
