//! `cargo xtask accuracy`: how much of what really happened the built program tells, and how
//! rightly.

mod measure;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::run;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directories with logs, their truth beside them, and settings.toml
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// The program to measure, instead of this working tree's: its release build if there is one,
    /// else its debug build, made now
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Print one JSON object for programs
    #[arg(long)]
    json: bool,
    /// Also print each recipient that is not simply right
    #[arg(short, long)]
    verbose: bool,
}

/// Measures and prints one table.
///
/// # Errors
/// A recipient is wrong, missing or invented, or a line of the mail system is not understood; or
/// something cannot be read or run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let program = options.program.clone().map_or_else(program, Ok)?;
    eprintln!("measuring {}", program.display());
    let report = measure::measure(&program, &options.directories)?;
    if options.json {
        println!("{}", serde_json::to_string(&report).context("print as JSON")?);
    } else {
        if options.verbose {
            print!("{}", report.details());
        }
        print!("{report}");
    }
    ensure!(report.total().is_clean(), "not everything is told as it was");
    Ok(())
}

/// The release build if there is one; a debug build is made when there is none.
fn program() -> Result<PathBuf> {
    let released = run::target()?.join("release/mailherald");
    if released.is_file() {
        return Ok(released);
    }
    run::read(run::cargo().args(["build", "--quiet", "--bin", "mailherald"]))?;
    Ok(run::target()?.join("debug/mailherald"))
}
