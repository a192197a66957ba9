//! The command lines of `journalctl(1)`.

use std::{env, path::PathBuf};

use tokio::process::Command;

use super::JournalPosition;

/// What Postfix and the filters around it log, and `SD_MESSAGE_JOURNAL_DROPPED` (systemd
/// `sd-messages.h`): journald's notice that it dropped entries.
const MATCHES: [&str; 4] =
    ["SYSLOG_FACILITY=2", "_TRANSPORT=syslog", "+", "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"];

/// The program, and the journal that it is to read.
#[derive(Debug, Clone)]
pub(super) struct Journalctl {
    pub(super) program: PathBuf,
    pub(super) directory: Option<PathBuf>,
}

impl Journalctl {
    /// The one in `PATH`.
    pub(super) fn find(directory: Option<PathBuf>) -> Option<Self> {
        program().map(|program| Self { program, directory })
    }

    /// The newest entry. The only run that is not quiet: it says what it may not see.
    pub(super) fn newest(&self) -> Command {
        self.command(&["--lines=1"])
    }

    /// Every entry from `position` on, the one that it names included.
    pub(super) fn from(&self, position: &JournalPosition) -> Command {
        let from = match position {
            JournalPosition::Beginning => return self.command(&["--quiet"]),
            JournalPosition::Since(second) => format!("--since=@{second}"),
            JournalPosition::Behind(cursor) => format!("--cursor={cursor}"),
        };
        self.command(&["--quiet", &from])
    }

    /// The same, and then those to come.
    pub(super) fn follow(&self, cursor: &str) -> Command {
        self.command(&["--quiet", "--follow", "--no-tail", &format!("--cursor={cursor}")])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--output=export", "--all", "--no-pager"]).args(arguments);
        if let Some(directory) = &self.directory {
            command.arg("--directory").arg(directory);
        }
        command.args(MATCHES);
        command
    }
}

/// `journalctl`, if it is there.
pub(super) fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join("journalctl")).find(|program| program.is_file())
}
