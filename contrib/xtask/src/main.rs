//! Development tasks of mailherald: `cargo xtask <task>`.
//!
//! Plain Rust instead of a maze of scripts. Each task has one file; this one only chooses.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to its user")]

mod bench;
#[path = "../../bench/loggen.rs"]
mod loggen;
mod make_log;
mod needs;
mod run;
mod tests_task;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of mailherald.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Task {
    /// Check what compilers do not: direction of dependencies, provenance of fixtures, sizes
    Tidy,
    /// Install what the tests with a real Postfix need, then run every test
    Test(tests_task::Options),
    /// Run all that CI runs
    Ci,
    /// Make a Postfix log of any size, with its truth beside it
    Loggen(make_log::Options),
    /// Measure speed
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Tidy => tidy::check(),
        Task::Test(options) => tests_task::run(&options),
        Task::Ci => run::script(".ci/run"),
        Task::Loggen(options) => make_log::run(&options),
        Task::Bench(bench::Bench::Parse(options)) => bench::parse(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
