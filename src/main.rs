//! The `mailherald` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailherald::cli::main(std::env::args_os())
}
