//! The arguments, as typed: no file is touched and nothing is decided here.

use std::path::{Path, PathBuf};

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use jiff::{Timestamp, civil::Date};
use url::Url;

use super::{
    failure,
    lookup_args::{DeliveriesArgs, EventsArgs, ExplainArgs},
    report_args::{IngestArgs, VerpArgs},
    webhook_args::WebhooksArgs,
    when::when,
};
use crate::config::PROFILE_NAMES;

/// Where the configuration is, unless said otherwise.
pub const CONFIG_FILE: &str = "/etc/mailherald/mailherald.toml";

/// Delivery webhooks for self-hosted mail servers.
///
/// Reads the logs of a mail server beside which it runs, turns every queued, delivered, deferred,
/// bounced and refused message into an event, and POSTs the events, signed, to your webhooks. No
/// event is lost over restarts and log rotation, and none is made up.
#[derive(Debug, Parser)]
#[command(name = "mailherald", version, after_long_help = failure::exit_codes_help())]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Arguments that every command has.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration file, instead of /etc/mailherald/mailherald.toml.
    #[arg(long, global = true, value_name = "FILE", env = "MAILHERALD_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print results and logs as JSON, one object a line.
    #[arg(long, global = true)]
    pub json: bool,

    /// Say more; twice for everything.
    ///
    /// The environment variable `MAILHERALD_LOG` chooses in detail, as in
    /// `info,mailherald::deliver=debug`.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say less: only warnings; twice for errors only.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub quiet: u8,
}

impl Global {
    /// The configuration file: the one that was named, else the usual one.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(CONFIG_FILE))
    }

    /// Above 0 to say more, below to say less.
    #[must_use]
    pub fn verbosity(&self) -> i16 {
        i16::from(self.verbose) - i16::from(self.quiet)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon.
    ///
    /// Without a configuration file, `run --log FILE --webhook URL` is enough: the secret is made,
    /// kept in the state directory and printed once, and a log that does not exist yet is waited
    /// for.
    Run(RunArgs),
    /// Show the whole way on this machine: a real log, a receiver, verified signatures.
    ///
    /// Plays a bundled log line by line into a file in a temporary directory, tails it, stores,
    /// signs and sends what happened to a receiver on loopback, and prints each event as it
    /// arrives there. Needs nothing installed and ends by itself.
    Demo(DemoArgs),
    /// Read historical logs, rotated and compressed ones too.
    ///
    /// Sends what they tell through the same store and queue as the daemon, so events that were
    /// sent already are not sent again. One that was stopped or killed goes on where it was when it
    /// is started again with the same logs and options. With --dry-run nothing is stored or sent:
    /// every event is printed as one JSON object a line.
    Replay(ReplayArgs),
    /// Show what each line of a log is understood as, one JSON object a line.
    ///
    /// A line that is not understood gives an object with "unrecognised", why, and "line".
    Parse(ParseArgs),
    /// Say everything that is wrong with the configuration.
    ///
    /// Exits with 1 when there is an error in it. Warnings do not count.
    Check,
    /// Look at the host for what would keep events from being seen or kept.
    ///
    /// Log files and their rotation, what Postfix does with its log, systemd's journal, whether the state
    /// directory can be written to and who uses it. Changes nothing. Each finding that is not well says what mends it. Exits with 1
    /// when events will be missing. Run it as the user that the daemon runs as.
    Doctor,
    /// Ask the running daemon about webhooks.
    Webhooks(WebhooksArgs),
    /// Tell the story of a message: its lines, its way, its events, who was told and who was not.
    ///
    /// By queue ID, Message-ID, uid (msg_…), event id (evt_…), or recipient: then of the latest few
    /// messages. Lines are read where they are now, in rotated and compressed logs too.
    Explain(ExplainArgs),
    /// List events, show one, or send one again.
    Events(EventsArgs),
    /// List deliveries, show one with every attempt, send one again, or call one off.
    Deliveries(DeliveriesArgs),
    /// List deliveries that ended badly, send them again, or clear them away.
    Dead(DeadArgs),
    /// Take in a complaint or a late bounce that came as mail, from standard input.
    ///
    /// For a pipe of the mail server: `fbl: "|mailherald ingest"` in its aliases. Mail that is no
    /// report is passed over. Exits with 75 while the daemon cannot take it, so that the mail
    /// server keeps it and tries again, and with 0 when what came of it is on disk.
    Ingest(IngestArgs),
    /// Sign an envelope sender as an application would, or look at one that is signed.
    ///
    /// With the keys of `reports.verp_key_files`. Nothing is asked of the daemon, and nothing is sent.
    Verp(VerpArgs),
    /// Make, list and revoke keys of the API, for those who ask over the network.
    Keys(KeysArgs),
    /// List who changed what, the latest first.
    Audit(AuditArgs),
    /// Show how far the running daemon is behind its logs.
    Sources(Ask),
    /// Show what happens while it does, one line an event.
    ///
    /// Asks the running daemon. With --forward-to each event is sent to a receiver under development, as
    /// a webhook would be: rendered and signed as a profile does it, once, whatever is configured.
    Listen(ListenArgs),
    /// Print the completions for a shell.
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them.
    Man(ManArgs),
    /// Open the store and read everything in it. For the program itself, after a crash.
    #[command(hide = true, name = crate::app::TRY_STORE)]
    TryStore {
        /// The state directory; whoever calls holds its lock.
        state_dir: PathBuf,
    },
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A live log; its rotated generations are found beside it. Instead of a configuration file.
    #[arg(long, value_name = "FILE", requires = "webhook", num_args = 1..)]
    pub log: Vec<PathBuf>,

    /// Where to send events. Instead of a configuration file.
    #[arg(long, value_name = "URL", requires = "log")]
    pub webhook: Option<String>,

    /// The file that holds the secret; one is made without it.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub secret_file: Option<PathBuf>,

    /// How the receiver wants to be spoken to.
    #[arg(long, value_name = "PROFILE", requires = "webhook", value_parser = PROFILE_NAMES)]
    pub profile: Option<String>,

    /// Directory of the store and of the generated secret.
    #[arg(long, value_name = "DIR", requires = "webhook")]
    pub state: Option<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Leave everything running at the end, until it is interrupted.
    #[arg(long)]
    pub keep: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Logs: plain, gzip, zstd, xz or bzip2; globs; "-" for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Store and send nothing; print every event as one JSON object a line.
    #[arg(long)]
    pub dry_run: bool,

    /// Only show which files would be read, in which order.
    #[arg(long, conflicts_with = "dry_run")]
    pub plan: bool,

    /// Only events from then on: 2026-03-01T10:00:00Z, or 2026-03-01 by the clock of
    /// this machine, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub since: Option<Timestamp>,

    /// Only events before then.
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub until: Option<Timestamp>,

    /// Only to the webhook of that name. To a new one, what the others were told before, too.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dry_run", "plan"])]
    pub webhook: Option<String>,

    /// Send at most so many events a second.
    #[arg(long, value_name = "N", conflicts_with_all = ["dry_run", "plan"])]
    pub rate: Option<std::num::NonZeroU32>,

    /// Send again what was sent before.
    #[arg(long, conflicts_with_all = ["dry_run", "plan"])]
    pub resend: bool,

    /// Whose lines these are.
    #[arg(long, value_enum, default_value_t)]
    pub mta: MtaChoice,

    /// Stamps without a year are not later than this day. Default: when the file was written.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub year_of: Option<Date>,

    /// Domains whose mailboxes are here; instead of the configured ones and of what Postfix says.
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub local_domains: Option<Vec<String>>,

    /// Networks whose clients submit outbound mail; instead of the configured ones and of what
    /// Postfix says.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub mynetworks: Option<Vec<IpNet>>,
}

/// Whose log lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MtaChoice {
    /// Decide line by line.
    #[default]
    Auto,
    /// Postfix and the filters around it.
    Postfix,
    /// Haraka.
    Haraka,
}

/// Arguments of `parse`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ParseArgs {
    /// Logs: plain, gzip, zstd, xz or bzip2; globs; "-" for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Where the daemon is that a command asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ask {
    /// The daemon's state directory, instead of the configured one.
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "api")]
    pub(crate) state: Option<PathBuf>,
    /// Where the daemon's API is, as in `http://127.0.0.1:8025`, instead of its unix socket. The key
    /// is taken from `MAILHERALD_API_KEY`.
    #[arg(long, global = true, value_name = "URL", value_parser = api_url)]
    pub(crate) api: Option<Url>,
    /// The authority of that API's certificate, or the certificate itself (PEM), when the system does
    /// not know it.
    #[arg(long, global = true, value_name = "FILE", requires = "api")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where an API may be.
fn api_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or("write it like http://127.0.0.1:8025 or https://mx.example.com:8025")
}

/// Arguments of `keys`.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

/// What is done with keys of the API.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, and show it this once.
    Create(CreateKeyArgs),
    /// List all keys.
    List,
    /// End a key: nobody is let in with it any more.
    Revoke {
        /// Its name or id.
        name: String,
    },
}

/// Arguments of `keys create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateKeyArgs {
    /// What it is for.
    pub(crate) name: String,

    /// It may change everything. Otherwise it may only see everything.
    #[arg(long)]
    pub(crate) admin: bool,

    /// For webhooks that are told of this user's outbound events only; may be given several times. A
    /// key for a part of the mail sees its own webhooks and nothing else.
    #[arg(long = "owned-user", value_name = "USER")]
    pub(crate) owned_users: Vec<String>,

    /// The same of this domain's inbound events.
    #[arg(long = "owned-domain", value_name = "DOMAIN")]
    pub(crate) owned_domains: Vec<String>,
}

/// Arguments of `audit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

/// Arguments of `dead`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    #[command(subcommand)]
    pub(crate) command: DeadCommand,
}

/// What is done with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeadCommand {
    /// List deliveries that ended badly.
    List {
        #[command(flatten)]
        which: DeadWhich,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Send them again, as new deliveries of the same events with the same ids.
    #[command(group = ArgGroup::new("meant").required(true).multiple(true))]
    Retry {
        #[command(flatten)]
        which: DeadWhich,
        /// All of them.
        #[arg(long, group = "meant")]
        all: bool,
        /// Only say how many they are.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove them for good.
    #[command(group = ArgGroup::new("meant").required(true).multiple(true))]
    Purge {
        #[command(flatten)]
        which: DeadWhich,
        /// All of them.
        #[arg(long, group = "meant")]
        all: bool,
        /// Only say how many they are.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadWhich {
    /// Of this webhook, by name or id.
    #[arg(long, value_name = "NAME", group = "meant")]
    pub(crate) webhook: Option<String>,
    /// That ended so: dead, discarded, blocked or cancelled.
    #[arg(long, value_name = "HOW", group = "meant")]
    pub(crate) ended: Option<String>,
    /// That ended then or later: 2026-03-01T10:00:00Z, or 2026-03-01 by the clock of
    /// this machine, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", group = "meant", value_parser = when)]
    pub(crate) since: Option<Timestamp>,
    /// That ended before then.
    #[arg(long, value_name = "TIME", group = "meant", value_parser = when)]
    pub(crate) until: Option<Timestamp>,
}

/// Arguments of `listen`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Send each event to this URL, and show the answer.
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: Option<Url>,
    /// How that receiver wants to be spoken to.
    #[arg(long, value_name = "PROFILE", requires = "forward_to", value_parser = PROFILE_NAMES)]
    #[arg(default_value = "standard")]
    pub(crate) profile: String,
    /// The file that holds its secret; one is made and shown without it.
    #[arg(long, value_name = "FILE", requires = "forward_to")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Only events of this type; may be repeated, and be a wildcard as in `outbound.*`.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only what this webhook is told of, by name or id.
    #[arg(long, value_name = "NAME")]
    pub(crate) webhook: Option<String>,
    /// Only of messages that this user submitted.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only of messages to this domain.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Attempts to deliver, too.
    #[arg(long, conflicts_with = "forward_to")]
    pub(crate) attempts: bool,
}

/// Arguments of `man`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// Of this command, as in `man webhooks create`; of the program if left out.
    pub(crate) command: Vec<String>,

    /// Write the pages of the program and of all commands into this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) dir: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
