//! How logrotate treats a log: `copytruncate` loses what is written between the copy and the
//! truncation, for every reader and for the archive.

use std::{fs, path::Path};

use glob::Pattern;

use super::{Finding, Host};

/// Bytes read of one file of logrotate's.
const BYTES: usize = 64 * 1024;

/// Looks for the rule that rotates `log`.
pub(super) fn look(host: &Host<'_>, log: &Path) -> Vec<Finding> {
    let directory = fs::read_dir(host.path("/etc/logrotate.d")).into_iter().flatten().flatten();
    let mut files: Vec<_> = directory.map(|entry| entry.path()).collect();
    files.push(host.path("/etc/logrotate.conf"));
    files.sort();
    let rules = files.iter().filter_map(|file| {
        let text = fs::read(file).ok()?;
        let text = String::from_utf8_lossy(text.get(..BYTES).unwrap_or(&text)).into_owned();
        copies(&text, log).then(|| finding(file, log))
    });
    rules.collect()
}

fn finding(file: &Path, log: &Path) -> Finding {
    let message = format!(
        "rotates {} by `copytruncate`: lines that are written between the copy and the truncation \
         are lost",
        log.display()
    );
    Finding::warning(file.display(), message).mended_by(
        "replace `copytruncate` by `create`, with a `postrotate` that tells the writer to reopen \
         the file; for a `maillog_file`: `postfix logrotate`",
    )
}

/// Does a rule for `log` in this text copy and truncate?
fn copies(text: &str, log: &Path) -> bool {
    let plain: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut rest = plain.as_str();
    while let Some((names, after)) = rest.split_once('{') {
        let (rule, behind) = after.split_once('}').unwrap_or((after, ""));
        let is_ours = names.split_whitespace().any(|name| matches(name, log));
        if is_ours && rule.split_whitespace().any(|word| word == "copytruncate") {
            return true;
        }
        rest = behind;
    }
    false
}

fn matches(name: &str, log: &Path) -> bool {
    let name = name.trim_matches('"');
    Pattern::new(name).is_ok_and(|pattern| pattern.matches_path(log))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::app::doctor::{State, testing::host};

    const RULES: &str = "# copytruncate in words {\n\
        /var/log/mail.log\n\"/var/log/mail/*.log\"\n{\n\trotate 4\n\tcopytruncate # why not\n}\n\
        /var/log/syslog {\n  create\n  postrotate\n    kill -HUP 1\n  endscript\n}\n";

    #[test]
    fn a_rule_is_found_by_the_log_that_it_names() {
        for (log, expected) in [
            ("/var/log/mail.log", true),
            ("/var/log/mail/a.log", true),
            ("/var/log/syslog", false),
            ("/var/log/mail.err", false),
        ] {
            assert_eq!(copies(RULES, Path::new(log)), expected, "{log}");
        }
    }

    #[test]
    fn copytruncate_is_a_warning_that_names_the_file_to_change() {
        let dir = host(&[("etc/logrotate.d/rsyslog", RULES)]);
        let found = look(&Host { root: dir.path() }, Path::new("/var/log/mail.log"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, State::Warning);
        assert!(found[0].subject.ends_with("etc/logrotate.d/rsyslog"), "{found:?}");
        assert!(look(&Host { root: dir.path() }, Path::new("/var/log/syslog")).is_empty());
    }
}
