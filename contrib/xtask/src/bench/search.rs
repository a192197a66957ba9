//! `cargo xtask bench search`: how long it takes to find one message among millions, beside reading
//! all of them.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::run;

/// Among how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Events in the store
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Days over which they are spread
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// Lookups of each kind
    #[arg(long, default_value_t = 200)]
    times: u64,
    /// Look into the store of the run before
    #[arg(long)]
    again: bool,
}

/// Builds the store, and looks things up in it.
///
/// # Errors
/// The release build fails, or the store cannot be written or read, or one lookup in a hundred takes more
/// than one fiftieth of the time of reading all.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let build = ["build", "--release", "--package", "mailherald-bench", "--bin", "search"];
    run::check(run::cargo().args(build))?;
    let target = run::target()?;
    let (program, dir) = (target.join("release/search"), target.join("bench/search"));
    let (events, days) = (options.events.to_string(), options.days.to_string());
    if !options.again {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        run::check(Command::new(&program).arg("build").arg(&dir).args([&events, &days]))?;
    }
    let times = options.times.to_string();
    run::check(Command::new(&program).arg("look").arg(&dir).args([&events, &times]))
}
