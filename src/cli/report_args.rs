//! The arguments of what has to do with reports that come back as mail.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand};

use super::args::Ask;

/// Arguments of `ingest`.
#[derive(Debug, Clone, Args)]
pub(crate) struct IngestArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// The daemon's socket for reports (`reports.socket`), instead of the configured one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "api"])]
    pub(crate) socket: Option<PathBuf>,
    /// To whom the mail was sent, where the pipe knows it: local(8) of Postfix says so by itself.
    // Whatever the environment holds, mail must not be lost by it.
    #[arg(long, value_name = "ADDRESS", env = "ORIGINAL_RECIPIENT", hide_env_values = true)]
    pub(crate) recipient: Option<OsString>,
}

/// Arguments of `verp`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerpArgs {
    /// A file with the key, instead of those that are configured.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) key_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: VerpCommand,
}

/// What is done with an envelope sender.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum VerpCommand {
    /// Sign it for one message: with a token of today, and a random id.
    Sign {
        /// The envelope sender, LOCAL@DOMAIN.
        address: String,
    },
    /// Say which key signed it, and when. Exits with 1 unless a report would be believed by it.
    Verify {
        /// The envelope sender with its token.
        address: String,
    },
}
