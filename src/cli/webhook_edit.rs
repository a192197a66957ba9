//! `webhooks create` and `webhooks update`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    Failure,
    args::Global,
    client::Daemon,
    show,
    webhook_args::{CreateWebhookArgs, UpdateWebhookArgs, WebhookKeyArgs},
    webhooks::details,
};
use crate::{
    api::{rotation::Shown, webhooks::EditedWebhook},
    config::read_secret_file,
};

/// Makes a webhook.
pub(super) fn create(
    daemon: &Daemon,
    args: &CreateWebhookArgs,
    global: &Global,
) -> Result<(), Failure> {
    let mut keys = keys(&args.keys)?;
    keys.insert("url".to_owned(), args.url.clone().into());
    keys.insert("events".to_owned(), args.events.clone().into());
    keys.insert("enabled".to_owned(), (!args.disabled).into());
    let made: EditedWebhook = daemon.post(&["webhooks"], &keys)?;
    shown(&made, global)?;
    if made.secret.is_some() {
        let name = show::quoted(&made.webhook.name);
        show::note(&format!(
            "Give the receiver the secret, then see whether it checks signatures:\n\
             mailherald webhooks verify {name}"
        ));
    }
    Ok(())
}

/// Changes a webhook.
pub(super) fn update(
    daemon: &Daemon,
    args: &UpdateWebhookArgs,
    global: &Global,
) -> Result<(), Failure> {
    let mut keys = keys(&args.keys)?;
    if let Some(url) = &args.url {
        keys.insert("url".to_owned(), url.clone().into());
    }
    if !args.events.is_empty() {
        keys.insert("events".to_owned(), args.events.clone().into());
    }
    let changed: EditedWebhook = daemon.patch(&["webhooks", &args.webhook], &keys)?;
    shown(&changed, global)
}

fn keys(args: &WebhookKeyArgs) -> Result<Map<String, Value>, Failure> {
    let mut keys: Map<String, Value> = args.set.iter().cloned().collect();
    for (key, value) in [("name", &args.name), ("profile", &args.profile)] {
        if let Some(value) = value {
            keys.insert(key.to_owned(), value.clone().into());
        }
    }
    if let Some(file) = &args.secret_file {
        keys.insert("secret".to_owned(), secret(file)?.into());
    }
    Ok(keys)
}

fn secret(file: &Path) -> Result<String, Failure> {
    Ok(read_secret_file(file).map_err(Failure::SecretFile)?.text)
}

fn shown(edited: &EditedWebhook, global: &Global) -> Result<(), Failure> {
    let mut table = details(&edited.webhook);
    if let Some(Shown(secret)) = &edited.secret {
        table.row(["new secret".to_owned(), format!("{secret} (shown this once)")]);
    }
    for warning in &edited.warnings {
        show::note(&format!("warning: {}: {}", warning.field, warning.message));
    }
    show::one(edited, global, &table)
}
