//! What `contrib/receivers` depends on, the Harakas that the tests run and Schemathesis, put beside the
//! build with the versions of their lock files.
//!
//! Nothing is installed again while the lock files are the same.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::run;

/// Sees to it that the libraries of all receivers are there.
///
/// # Errors
/// A client of a package registry fails, or a file cannot be written.
pub(crate) fn install() -> Result<()> {
    let (from, to) = (run::root().join("contrib/receivers"), run::target()?.join("receivers"));
    install_modules(&from, &to)?;
    fs::copy(from.join("requirements.txt"), to.join("requirements.txt")).context("copy a list")?;
    once(&from.join("requirements.txt"), &to.join("python"), || pip(&to))
}

/// Sees to it that Schemathesis is there.
///
/// # Errors
/// As [`install`].
pub(crate) fn install_schemathesis() -> Result<()> {
    let from = run::root().join("contrib/schemathesis/requirements.txt");
    let to = run::target()?.join("schemathesis");
    fs::create_dir_all(&to).with_context(|| format!("create {}", to.display()))?;
    fs::copy(&from, to.join("requirements.txt")).context("copy a list")?;
    once(&from, &to.join("python"), || pip(&to))
}

/// The releases of Haraka that the tests run, by the directories of their lock files.
const HARAKAS: [&str; 3] = ["2.8", "3.0", "3.3"];

/// Sees to it that the releases of Haraka are there, each in a directory of its own.
///
/// # Errors
/// As [`install`].
pub(crate) fn install_harakas() -> Result<()> {
    for release in HARAKAS {
        let from = run::root().join("contrib/haraka/test/harakas").join(release);
        install_modules(&from, &run::target()?.join("harakas").join(release))?;
    }
    Ok(())
}

/// What a `package.json` and its lock file name, in `to`.
fn install_modules(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    once(&from.join("package-lock.json"), &to.join("node_modules"), || {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(from.join(name), to.join(name)).with_context(|| format!("copy {name}"))?;
        }
        npm(to)
    })
}

/// Does `install` unless `installed` was made from this very lock file. That is noted last, so that
/// what failed half-way is done again.
fn once(lock: &Path, installed: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let note = installed.with_extension("installed");
    if installed.is_dir() && same(lock, &note) {
        return Ok(());
    }
    install()?;
    fs::copy(lock, &note).with_context(|| format!("write {}", note.display()))?;
    Ok(())
}

fn npm(directory: &Path) -> Result<()> {
    // Haraka can do without its thirty optional plugins, and so can the tests.
    let quiet = ["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
    run::check(Command::new("npm").args(quiet).current_dir(directory).stdin(Stdio::null()))
}

fn pip(directory: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    run::check(python.args(["-m", "venv", "--clear", "python"]).current_dir(directory))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let locked = ["--require-hashes", "--requirement", "requirements.txt"];
    let mut python = Command::new(directory.join("python/bin/python"));
    run::check(python.args(quiet).args(locked).current_dir(directory).stdin(Stdio::null()))
}

fn same(left: &Path, right: &Path) -> bool {
    matches!((fs::read(left), fs::read(right)), (Ok(left), Ok(right)) if left == right)
}
