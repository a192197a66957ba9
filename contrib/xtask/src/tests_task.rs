//! `cargo xtask test`: every test, on a machine that may have had nothing but Rust.

use anyhow::Result;

use crate::{needs, run};

/// How to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Leave out the tests that need a real Postfix
    #[arg(long)]
    no_mta: bool,
    /// Passed on to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Installs what is needed and runs all tests.
///
/// # Errors
/// Something is missing and may not be installed, or a test fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.no_mta {
        needs::satisfy()?;
    }
    let mut cargo = run::cargo();
    cargo.args(["test", "--workspace"]).args(&options.arguments);
    if !options.no_mta {
        // From here on a test that skips itself is a failure.
        cargo.env("CI", "true");
    }
    run::check(&mut cargo)
}
