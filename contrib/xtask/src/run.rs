//! Other programs: run, and told apart when they fail. And where things lie.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// The root of the working tree.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where cargo puts what it builds: this program is `<target>/<profile>/xtask`.
///
/// # Errors
/// The system does not say where this program is.
pub(crate) fn target() -> Result<PathBuf> {
    let this = env::current_exe().context("find the build directory")?;
    Ok(this.ancestors().nth(2).unwrap_or(root()).to_owned())
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command, says so, and fails when it fails.
///
/// # Errors
/// It cannot be started or does not end well.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    println!("+ {}", shown(command));
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Runs a command and gives what it prints.
///
/// # Errors
/// It cannot be started, does not end well or does not print UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {}", shown(command)))?;
    ensure!(output.status.success(), "{} ended with {}", shown(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("read {}", shown(command)))
}

/// Runs a script of the working tree.
///
/// # Errors
/// As [`check`].
pub(crate) fn script(path: &str) -> Result<()> {
    check(Command::new(root().join(path)).current_dir(root()))
}

/// The program is found on the search path, or where its absolute path says.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    words.join(" ")
}
