//! `completions` and `man`: made from the definition of the arguments.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{
    Failure,
    args::{Cli, ManArgs},
};

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    // Through a buffer: the generator panics when it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mailherald", &mut text);
    io::stdout().lock().write_all(&text).map_err(Failure::Output)
}

/// Prints the manual page of the program or of one of its commands, or writes all of them.
pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut program = Cli::command().disable_help_subcommand(true);
    if let Some(directory) = &args.dir {
        return clap_mangen::generate_to(program, directory).map_err(Failure::Output);
    }
    program.build();
    let mut command = &program;
    for name in &args.command {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Failure::NoCommand(args.command.join(" ")))?;
    }
    let page = clap_mangen::Man::new(command.clone());
    page.render(&mut io::stdout().lock()).map_err(Failure::Output)
}
