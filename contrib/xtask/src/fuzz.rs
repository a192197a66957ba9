//! Runs the fuzzers of the parsers, one after the other.
//!
//! Needs a nightly compiler and cargo-fuzz, which nothing else does. What they find lies in
//! `parsers/fuzz/artifacts`; put it among the seeds, smaller (`cargo fuzz tmin`), together with a
//! named test.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::run;

/// Longest input: lines of Postfix end at 2,000 bytes.
const MAX_LENGTH: usize = 4096;

/// Seconds after which one input is too slow.
const TOO_SLOW: usize = 5;

/// How long, and which.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this one
    target: Option<String>,
}

/// Fuzzes one target, or all.
///
/// # Errors
/// A tool is missing, there is no such target, or something was found.
pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = targets()?;
    if let Some(target) = &options.target {
        ensure!(targets.contains(target), "no target {target}; there are {}", targets.join(", "));
        return fuzz(target, options.seconds);
    }
    targets.iter().try_for_each(|target| fuzz(target, options.seconds))
}

/// Every target has seeds (`parsers/tests/fuzz_seeds.rs`).
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(run::root().join("parsers/fuzz/seeds")).context("list the seeds")? {
        targets.push(entry.context("list the seeds")?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    Ok(targets)
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    let parsers = run::root().join("parsers");
    fs::create_dir_all(parsers.join(&corpus)).with_context(|| format!("create {corpus}"))?;
    // The parsers have no unsafe code, so a sanitizer would only slow them down.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", "run", "--sanitizer", "none", target, &corpus, &seeds, "--"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={MAX_LENGTH}")).arg(format!("-timeout={TOO_SLOW}"));
    run::check(command.current_dir(parsers))
}
