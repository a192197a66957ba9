//! The command line: what the operator typed in, an exit code out.
//!
//! Results go to standard output, talk goes to standard error. [`args`] holds exactly what was
//! typed, one file per subcommand does what was asked, and [`Failure`] is every way in which that
//! can go wrong. What needs the whole daemon is in `app`.

pub mod args;
mod audit;
mod check;
mod client;
mod dead;
mod deliveries;
mod demo;
mod doctor;
mod events;
mod explain;
mod failure;
mod generate;
mod ingest;
mod keys;
mod listen;
mod logs;
mod lookup_args;
mod parse;
mod progress;
mod recover;
mod replay;
mod report_args;
mod rotate_secret;
mod run;
mod show;
mod sources;
mod verp;
mod webhook_args;
mod webhook_edit;
mod webhooks;
mod when;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::Parser;

pub use args::{DemoArgs, Global, MtaChoice, ReplayArgs, RunArgs};
pub use client::DaemonError;
pub use failure::{EXIT_CODES, Failure};

use args::{Cli, Command};

use crate::{app, telemetry};

/// Parses the arguments, does what they ask, and says how it went.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => return usage(&answer),
    };
    telemetry::init(cli.global.verbosity(), cli.global.json);
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&mut std::io::stderr().lock());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let global = cli.global;
    match cli.command {
        Command::Run(args) => run::run(&args, &global),
        Command::Demo(args) => demo::run(&args, &global),
        Command::Replay(args) => replay::run(&args, &global),
        Command::Parse(args) => parse::run(&args),
        Command::Check => check::run(&global),
        Command::Doctor => doctor::run(&global),
        Command::Webhooks(args) => webhooks::run(&args, &global),
        Command::Explain(args) => explain::run(&args, &global),
        Command::Events(args) => events::run(&args, &global),
        Command::Deliveries(args) => deliveries::run(&args, &global),
        Command::Dead(args) => dead::run(&args, &global),
        Command::Ingest(args) => ingest::run(&args, &global),
        Command::Keys(args) => keys::run(&args, &global),
        Command::Verp(args) => verp::run(&args, &global),
        Command::Listen(args) => listen::run(&args, &global),
        Command::Audit(args) => audit::run(&args, &global),
        Command::Sources(ask) => sources::run(&ask, &global),
        Command::Completions(args) => generate::completions(args.shell),
        Command::Man(args) => generate::man(&args),
        Command::TryStore { state_dir } => Ok(app::try_store(&state_dir)?),
    }
}

/// Help and version are answers, everything else that clap says is a mistake in the arguments.
fn usage(answer: &clap::Error) -> ExitCode {
    // There is nobody left to tell when these streams are closed.
    let _closed = answer.print();
    let _closed = std::io::stdout().flush();
    if answer.use_stderr() { ExitCode::from(failure::USAGE) } else { ExitCode::SUCCESS }
}
