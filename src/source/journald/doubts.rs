//! What can be seen beforehand of a journal that will not give all that is hoped for.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::journalctl;

/// Where journald keeps what survives a boot, and what does not (systemd-journald.service(8)), from
/// the root of the file system.
const PERSISTENT: &str = "var/log/journal";
const VOLATILE: &str = "run/log/journal";

/// Something about this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The program that reads the journal is not there.
    NoJournalctl,
    /// The directory that was configured is not there.
    NoDirectory(PathBuf),
    /// The journal is kept in memory.
    Volatile,
}

impl Doubt {
    /// What can be done.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoJournalctl => {
                "it is part of systemd; without systemd, read Postfix's log file: kind = \"file\""
            }
            Self::NoDirectory(_) => {
                "in a container, mount the host's /var/log/journal and /etc/machine-id"
            }
            Self::Volatile => "keep it: mkdir /var/log/journal && journalctl --flush",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJournalctl => f.write_str("there is no journalctl in PATH"),
            Self::NoDirectory(path) => write!(f, "{} is not there now", path.display()),
            Self::Volatile => f.write_str(
                "the journal is kept in memory only: what is not read before a reboot is lost",
            ),
        }
    }
}

/// Looks at the host.
#[must_use]
pub fn doubts(directory: Option<&Path>) -> Vec<Doubt> {
    let mut found = Vec::new();
    if journalctl::program().is_none() {
        found.push(Doubt::NoJournalctl);
    }
    match directory {
        Some(directory) if !directory.is_dir() => {
            found.push(Doubt::NoDirectory(directory.to_owned()));
        }
        None if is_volatile(Path::new("/")) => {
            found.push(Doubt::Volatile);
        }
        _ => {}
    }
    found
}

/// The journal of the host whose files are below `root` is kept in memory.
#[must_use]
pub fn is_volatile(root: &Path) -> bool {
    root.join(VOLATILE).is_dir() && !root.join(PERSISTENT).is_dir()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_journal_is_volatile_when_it_is_only_in_memory() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_volatile(root.path()), "there is no journal");
        std::fs::create_dir_all(root.path().join(VOLATILE)).unwrap();
        assert!(is_volatile(root.path()));
        std::fs::create_dir_all(root.path().join(PERSISTENT)).unwrap();
        assert!(!is_volatile(root.path()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let doubt = Doubt::NoDirectory("/nowhere".into());
        assert!(doubts(Some(Path::new("/nowhere"))).contains(&doubt));
        assert!(doubt.to_string().starts_with("/nowhere "));
    }
}
