//! `cargo xtask crash`: the crash loop of `tests/crash` for as long as one likes.

use anyhow::Result;

use crate::run;

/// How long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Kills; about a quarter of a second each
    #[arg(long, default_value_t = 1000)]
    cycles: u64,
    /// The same seed gives the same moments and the same log, as far as the machine allows
    #[arg(long)]
    seed: Option<u64>,
}

/// Kills and checks.
///
/// # Errors
/// Something was lost or doubled, or cargo cannot be started.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["test", "--package", "mailherald", "--test", "crash", "--", "--nocapture"]);
    cargo.env("MAILHERALD_CRASH_CYCLES", options.cycles.to_string());
    if let Some(seed) = options.seed {
        cargo.env("MAILHERALD_CRASH_SEED", seed.to_string());
    }
    run::check(&mut cargo)
}
