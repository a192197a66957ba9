//! What the tests with real programs (Postfix, Haraka, logrotate, systemd's journal, receivers in Node, Python
//! and PHP, Prometheus' promtool) need of the machine, and how it gets there.
//!
//! Debian packages are installed only when they are missing and we are root. A freshly installed
//! Postfix must not begin to run: it is configured as "No configuration", and `policy-rc.d`
//! forbids the package to start a service while it is being installed. A machine that has a
//! Postfix keeps it untouched.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{receivers, run};

/// A program, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 20] = [
    ("postfix", "postfix"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("php", "php-cli"),
    ("python3", "python3"),
    ("wc", "coreutils"),
    ("systemd-analyze", "systemd"),
    ("logrotate", "logrotate"),
    ("gzip", "gzip"),
    ("setpriv", "util-linux"),
    ("miltertest", "miltertest"),
    ("opendkim", "opendkim"),
    ("opendkim-genkey", "opendkim-tools"),
    ("promtool", "prometheus"),
    ("curl", "curl"),
    ("spamass-milter", "spamass-milter"),
    ("spamc", "spamc"),
    ("spamd", "spamd"),
];

/// Writes journal files; it is not on the search path.
const JOURNAL_REMOTE: (&str, &str) =
    ("/lib/systemd/systemd-journal-remote", "systemd-journal-remote");

/// Asked by Debian's maintainer scripts before they start a service; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Sees to it that everything is there.
///
/// # Errors
/// Says exactly what is missing when it may not be installed, or why installing failed.
pub(crate) fn satisfy() -> Result<()> {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .chain([&JOURNAL_REMOTE])
        .filter(|(program, _)| !run::is_installed(program))
        .map(|(_, package)| *package)
        .chain((!has_venv()).then_some("python3-venv"))
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    receivers::install()?;
    receivers::install_harakas()
}

/// Debian has the part of Python that puts pip into a new environment in a package of its own.
fn has_venv() -> bool {
    let mut python = Command::new("python3");
    let output = python.args(["-c", "import ensurepip"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Sees to it that a program is there which a measurement can do without: whether it is.
pub(crate) fn optional(program: &str, package: &str) -> bool {
    run::is_installed(program) || add(package).is_ok()
}

fn add(package: &str) -> Result<()> {
    if !is_root()? || !run::is_installed("apt-get") {
        bail!("{package} cannot be installed");
    }
    run::check(apt().arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends", package];
    with_services_forbidden(|| run::check(apt().args(install)))
}

fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !is_root()? || !run::is_installed("apt-get") {
        bail!(
            "the tests with a real Postfix, logrotate, journal and receivers need {list}; \
             install them (Debian: `apt-get install --no-install-recommends {list}`), or run this \
             task as root on Debian"
        );
    }
    run::check(apt().arg("update"))?;
    with_services_forbidden(|| {
        no_postfix_configuration()?;
        run::check(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
    })
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

/// Answers the package's question beforehand; debconf is part of every Debian.
fn no_postfix_configuration() -> Result<()> {
    let answer = "postfix postfix/main_mailer_type select No configuration";
    let script = format!("echo '{answer}' | debconf-set-selections");
    run::check(Command::new("sh").args(["-c", &script]))
}

fn with_services_forbidden(action: impl FnOnce() -> Result<()>) -> Result<()> {
    let policy = Path::new(POLICY);
    if policy.exists() {
        return action();
    }
    fs::write(policy, "#!/bin/sh\nexit 101\n").context("forbid services to start")?;
    fs::set_permissions(policy, Permissions::from_mode(0o755)).context("forbid services")?;
    let done = action();
    fs::remove_file(policy).context("allow services to start again")?;
    done
}

fn is_root() -> Result<bool> {
    Ok(run::read(Command::new("id").arg("-u"))?.trim() == "0")
}
