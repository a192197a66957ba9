//! `completions` and `man`: made from the definition of the arguments.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Failure, args::Cli};

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    // Through a buffer: the generator panics when it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mailherald", &mut text);
    io::stdout().lock().write_all(&text).map_err(Failure::Output)
}

/// Prints the manual page: the program, then each command.
pub(super) fn man() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(Failure::Output)
}
