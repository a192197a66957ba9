//! `cargo xtask soak`: many random lives of a log beside the running program.

use anyhow::Result;

use crate::run;

/// How long to soak.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Lives of each kind; one takes some seconds
    #[arg(long, default_value_t = 100)]
    lives: u64,
    /// The first seed; the others count up from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs them.
///
/// # Errors
/// A line was lost or doubled; the message names the seed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["test", "--package", "mailherald", "--test", "e2e", "--", "lives::"]);
    cargo.env("MAILHERALD_LIVES", options.lives.to_string());
    run::check(cargo.env("MAILHERALD_SEED", options.seed.to_string()))
}
