//! Log files: are they there, may they be read, and what does their rotation lose?

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{Finding, Host, logrotate};
use crate::source::file::{Matches, matching};

/// Looks at what the patterns of one source match.
pub(super) fn look(host: &Host<'_>, patterns: &[String]) -> Vec<Finding> {
    let Matches { files, failures } = matching(patterns);
    let mut findings: Vec<_> = failures.iter().map(|(path, error)| refused(path, error)).collect();
    findings.extend(files.iter().filter_map(|path| unreadable(path)));
    match files.last() {
        None if findings.is_empty() => findings.push(missing(patterns)),
        None => {}
        Some(live) => {
            if findings.is_empty() {
                findings.push(Finding::good(live.display(), summary(&files)));
            }
            findings.extend(logrotate::look(host, live));
        }
    }
    findings
}

fn summary(files: &[PathBuf]) -> String {
    match files.len() {
        1 => "can be read".to_owned(),
        several => format!("can be read, and so can {} more of its source", several - 1),
    }
}

fn missing(patterns: &[String]) -> Finding {
    Finding::warning(patterns.join(", "), "matches no file; one that comes is waited for")
        .mended_by(
            "`postconf maillog_file` says whether Postfix writes a file of its own, and \
             `journalctl -t postfix/qmgr` whether it logs to systemd's journal",
        )
}

fn unreadable(path: &Path) -> Option<Finding> {
    File::open(path).err().map(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> Finding {
    let finding = Finding::bad(path.display(), format!("cannot be read: {error}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => finding.mended_by(way_in(path)),
        _ => finding,
    }
}

/// How the one who runs this gets to read the file.
fn way_in(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o040 != 0 => format!(
            "the group with ID {} may read it: `SupplementaryGroups=` in the unit, or \
             `usermod -a -G`",
            metadata.gid()
        ),
        Ok(_) => "only its owner may read it: \
             contrib/systemd/mailherald.service.d/maillog-file.conf gives the service the right"
            .to_owned(),
        Err(_) => format!("one of the directories above is closed: `namei -l {}`", path.display()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::app::doctor::{State, testing::host};

    fn looked(files: &[(&str, &str)], pattern: &str) -> Vec<Finding> {
        let dir = host(files);
        let pattern = dir.path().join(pattern).display().to_string();
        look(&Host { root: dir.path() }, &[pattern])
    }

    #[test]
    fn a_log_that_can_be_read_is_good() {
        let files = [("var/log/mail.log", "x\n"), ("var/log/mail.log.1", "y\n")];
        let found = looked(&files, "var/log/mail.log*");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].state, State::Good);
        assert!(found[0].message.contains("1 more"), "{found:?}");
    }

    #[test]
    fn a_log_that_is_not_there_is_a_warning_that_says_where_to_look() {
        let found = looked(&[], "var/log/mail.log");
        assert_eq!(found[0].state, State::Warning);
        assert!(found[0].mend.as_deref().unwrap().contains("postconf"), "{found:?}");
    }

    /// It once took them for logs, and the source does not read them.
    #[test]
    fn files_that_the_source_passes_over_are_no_logs() {
        let files = [("var/log/mail.log.swp", "x"), ("var/log/mail.log~", "x")];
        let found = looked(&files, "var/log/mail.log*");
        assert_eq!(found[0].state, State::Warning, "{found:?}");
    }

    #[test]
    fn the_way_in_depends_on_who_may_read_the_file() {
        let dir = host(&[("log", "")]);
        let path = dir.path().join("log");
        for (mode, expected) in [(0o640, "group"), (0o600, "maillog-file.conf")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(way_in(&path).contains(expected), "{mode:o}");
        }
    }
}
