//! What the operator typed after `webhooks`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{args::Ask, when::when};
use crate::config::{PROFILE_NAMES, parse_duration};

/// Arguments of `webhooks`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WebhooksArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(subcommand)]
    pub(crate) command: WebhooksCommand,
}

/// What is done with webhooks.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// List all webhooks.
    List,
    /// Show one webhook.
    Show {
        /// Its name or id.
        name: String,
    },
    /// Make a webhook, which is told what happens from then on.
    ///
    /// Its secret is made and shown this once, unless one is given.
    Create(CreateWebhookArgs),
    /// Change a webhook that was made here or through the API. What is left out stays.
    Update(UpdateWebhookArgs),
    /// Delete a webhook that was made here or through the API. What waits for it is not sent.
    Delete {
        /// Its name or id.
        name: String,
    },
    /// Send to a webhook again that was disabled.
    ///
    /// What waited for it is sent, oldest first and slowly at the beginning.
    Enable {
        /// Its name or id.
        name: String,
        /// Do not send what waited.
        #[arg(long)]
        drop: bool,
    },
    /// Send nothing to a webhook until it is enabled. What comes for it waits.
    Disable {
        /// Its name or id.
        name: String,
    },
    /// Show the attempts that were made for a webhook, the newest first.
    Logs {
        /// Its name or id.
        name: String,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Send a test event now, and show what came of it. Exits with 1 when it was not taken.
    Test {
        /// Its name or id.
        name: String,
    },
    /// Find out whether a receiver checks what it is told.
    ///
    /// Sends test events that are right, changed on the way, ten minutes old, and repeated. Exits
    /// with 1 when the receiver believes what it should not, or does not take what it should.
    Verify {
        /// Its name or id.
        name: String,
    },
    /// Send again what a webhook did not get of a time range, as new deliveries of the same events.
    ///
    /// After an outage, say: what ended badly goes out anew from its first attempt on. What waits or is
    /// under way stays as it is.
    Recover(RecoverArgs),
    /// Sign with another secret from now on, and show it this once.
    ///
    /// The secret before it stays good for a while, so that no event is lost while the receiver
    /// learns the new one.
    RotateSecret(RotateSecretArgs),
}

/// Arguments of `webhooks create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateWebhookArgs {
    /// Where events are sent.
    pub(crate) url: String,

    /// Event types by their canonical or the profile's own names; `*`, `outbound.*` and `inbound.*`
    /// are wildcards.
    #[arg(long, value_name = "TYPE", value_delimiter = ',', required = true)]
    pub(crate) events: Vec<String>,

    /// Make it disabled: what comes for it waits.
    #[arg(long)]
    pub(crate) disabled: bool,

    #[command(flatten)]
    pub(crate) keys: WebhookKeyArgs,
}

/// Arguments of `webhooks update`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpdateWebhookArgs {
    /// Its name or id.
    pub(crate) webhook: String,

    /// Where events are sent.
    #[arg(long)]
    pub(crate) url: Option<String>,

    /// Event types, instead of those before.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) events: Vec<String>,

    #[command(flatten)]
    pub(crate) keys: WebhookKeyArgs,
}

/// What a webhook may be given besides its URL and event types.
#[derive(Debug, Clone, Args)]
pub(crate) struct WebhookKeyArgs {
    /// What it is called; a new one after its host if left out.
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// How the receiver wants to be spoken to; `generic` for a new one if left out.
    #[arg(long, value_name = "PROFILE", value_parser = PROFILE_NAMES)]
    pub(crate) profile: Option<String>,

    /// A file with its secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Any other key of a `[[webhook]]`, as in `timeout=10s` or `filter_users='["ann"]'`; null takes
    /// it away. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
}

/// A value is JSON, or else a text.
fn key_and_value(text: &str) -> Result<(String, serde_json::Value), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write it like timeout=10s")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((key.to_owned(), value))
}

/// Arguments of `webhooks recover`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecoverArgs {
    /// Its name or id.
    pub(crate) name: String,

    /// Of events that happened then or later: 2026-03-01T10:00:00Z, or 2026-03-01 by the clock of
    /// this machine, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) since: Timestamp,

    /// Of events that happened before then.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) until: Option<Timestamp>,

    /// In these states: dead, discarded, blocked, cancelled, expired, settled, delivered, or
    /// `not_offered` for what was stored before the webhook was there. The first three if left out.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) in_state: Vec<String>,

    /// Of events of these types, as in `events` of the webhook.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,

    /// Only say how many they are.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `webhooks rotate-secret`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RotateSecretArgs {
    /// Its name or id.
    pub(crate) name: String,

    /// How long the secret before it stays good, from 0s to 7d. With 0s no former secret is good
    /// any more.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
    pub(crate) grace: Duration,

    /// A file with the new secret; one is made without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

/// A length of time, as the configuration writes it.
fn span(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("write it like 30m, 24h or 7d")
}
