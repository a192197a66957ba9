//! What the operator typed in to look something up: `explain`, `events` and `deliveries`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{args::Ask, when::when};

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Queue ID, Message-ID, uid, event id or recipient.
    pub(crate) query: String,
}

/// Arguments of `events`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(subcommand)]
    pub(crate) command: EventsCommand,
}

/// What is done with events.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum EventsCommand {
    /// List events, the latest stored first.
    List(EventsWhich),
    /// Show one event.
    Show {
        /// Its id, as in `evt_…`.
        id: String,
    },
    /// Send an event again, as new deliveries with the same event id.
    Replay {
        /// Its id, as in `evt_…`.
        id: String,
        /// Only to this webhook, by name or id, whatever its filters say; may be given several
        /// times. Without it, to all that want the event.
        #[arg(long, value_name = "NAME")]
        webhook: Vec<String>,
    },
}

/// Which events.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsWhich {
    /// Of these types: names and wildcards, with commas between them.
    #[arg(long = "type", value_name = "TYPES")]
    pub(crate) kind: Option<String>,
    /// Of the message with this uid.
    #[arg(long, value_name = "UID")]
    pub(crate) uid: Option<String>,
    /// Of this queue ID.
    #[arg(long, value_name = "ID")]
    pub(crate) queue_id: Option<String>,
    /// Of messages with this Message-ID, in angle brackets or without.
    #[arg(long, value_name = "ID")]
    pub(crate) message_id: Option<String>,
    /// From this envelope sender.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// For this recipient, before or after alias expansion.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<String>,
    /// Of messages that this user submitted.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// For recipients in this domain.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// That happened then or later: 2026-03-01T10:00:00Z, or 2026-03-01 by the clock of
    /// this machine, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) since: Option<Timestamp>,
    /// That happened before then.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) until: Option<Timestamp>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

/// Arguments of `deliveries`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(subcommand)]
    pub(crate) command: DeliveriesCommand,
}

/// What is done with deliveries.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// List deliveries by their events, the latest stored first.
    List(DeliveriesWhich),
    /// Show one delivery with every attempt.
    Show {
        /// Its id, as a list shows it.
        id: String,
    },
    /// Send its event to its webhook again, from the first attempt on.
    Retry {
        /// Its id.
        id: String,
    },
    /// Call a delivery off that waits.
    Cancel {
        /// Its id.
        id: String,
    },
}

/// Which deliveries.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeliveriesWhich {
    /// To this webhook, by name or id.
    #[arg(long, value_name = "NAME")]
    pub(crate) webhook: Option<String>,
    /// In this state: pending, held, `in_flight`, delivered, dead, discarded, blocked, cancelled,
    /// expired or settled.
    #[arg(long, value_name = "STATE")]
    pub(crate) in_state: Option<String>,
    /// Of events of these types, as for a list of events.
    #[arg(long = "type", value_name = "TYPES")]
    pub(crate) kind: Option<String>,
    /// Of the event with this id.
    #[arg(long, value_name = "ID")]
    pub(crate) event: Option<String>,
    /// Of events of the message with this uid.
    #[arg(long, value_name = "UID")]
    pub(crate) uid: Option<String>,
    /// Of events for this recipient.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<String>,
    /// Of events that happened then or later: 2026-03-01T10:00:00Z, or 2026-03-01 by the clock of
    /// this machine, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) since: Option<Timestamp>,
    /// Of events that happened before then.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) until: Option<Timestamp>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}
