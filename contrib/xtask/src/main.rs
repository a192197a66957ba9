//! Development tasks of mailherald: `cargo xtask <task>`.
//!
//! Plain Rust instead of a maze of scripts. Each task has one file; this one only chooses.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to its user")]

mod accuracy;
mod api;
mod bench;
mod crash;
mod fuzz;
#[path = "../../bench/loggen.rs"]
mod loggen;
mod make_log;
mod needs;
mod receivers;
mod run;
mod soak;
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
    /// Kill the program again and again over a growing log, and check what it left
    Crash(crash::Options),
    /// Run all that CI runs
    Ci,
    /// Let the running program live through many random lives of a log
    Soak(soak::Options),
    /// Fuzz the parsers (needs a nightly compiler and cargo-fuzz)
    Fuzz(fuzz::Options),
    /// Make a Postfix log of any size, with its truth beside it
    Loggen(make_log::Options),
    /// Ask the running daemon for all that its API document describes
    Api(api::Options),
    /// Measure how rightly recorded logs are told
    Accuracy(accuracy::Options),
    /// Build mailherald for release, guided by a profile
    Build,
    /// Measure speed
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Tidy => tidy::check(),
        Task::Test(options) => tests_task::run(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Ci => run::script(".ci/run"),
        Task::Soak(options) => soak::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Loggen(options) => make_log::run(&options),
        Task::Api(options) => api::run(&options),
        Task::Accuracy(options) => accuracy::run(&options),
        Task::Build => bench::guided::build(),
        Task::Bench(bench::Bench::Parse(options)) => bench::parse(&options),
        Task::Bench(bench::Bench::Ingest(options)) => bench::ingest::measure(&options),
        Task::Bench(bench::Bench::Deliver(options)) => bench::deliver::measure(&options),
        Task::Bench(bench::Bench::Milter(options)) => bench::milter::measure(&options),
        Task::Bench(bench::Bench::Search(options)) => bench::search::measure(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
