//! systemd's journal: does it outlive a reboot, and how many lines a second does it keep?
//!
//! Postfix's lines pass through it on every host with systemd, also where rsyslog writes files:
//! what its rate limit drops, no file ever has (journald.conf(5), `RateLimitBurst=`).

use std::fs;

use super::{Finding, Host};
use crate::source::journald::{Doubt, is_volatile};

/// Its configuration.
const FILE: &str = "/etc/systemd/journald.conf";

/// Where files are that override parts of it, the ones that win last.
const DROP_INS: [&str; 2] = ["/usr/lib/systemd/journald.conf.d", "/etc/systemd/journald.conf.d"];

/// Looks at the journal, if there is one.
pub(super) fn look(host: &Host<'_>) -> Vec<Finding> {
    if !host.path("/run/systemd/journal").is_dir() {
        return Vec::new();
    }
    let settings = settings(host);
    let mut findings = Vec::new();
    if is_volatile(host.root) {
        let doubt = Doubt::Volatile;
        findings.push(Finding::warning("journald", doubt.to_string()).mended_by(doubt.hint()));
    }
    if !is_unlimited(&settings) {
        let message = "drops lines of a program that logs many in a short time (by default more \
            than 10,000 in 30 s), and what it drops no log file has either";
        findings.push(Finding::warning("journald", message).mended_by(
            "in a drop-in of the MTA's unit (`systemctl edit postfix@-`): \
             [Service] LogRateLimitIntervalSec=0",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good("journald", "keeps every line, and over a reboot"));
    }
    findings
}

/// Assignments of all its files, the ones that win last.
fn settings(host: &Host<'_>) -> Vec<(String, String)> {
    let drop_ins = DROP_INS.iter().flat_map(|directory| {
        let entries = fs::read_dir(host.path(directory)).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files
    });
    let files = std::iter::once(host.path(FILE)).chain(drop_ins);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| assignments(&text)).collect()
}

fn assignments(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Either of the two keys at zero turns the limit off.
fn is_unlimited(settings: &[(String, String)]) -> bool {
    ["RateLimitIntervalSec", "RateLimitBurst"].iter().any(|key| {
        let last = settings.iter().rev().find(|(name, _)| name == key);
        last.is_some_and(|(_, value)| matches!(value.as_str(), "0" | "0s"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::{State, testing::host};

    fn looked(files: &[(&str, &str)]) -> Vec<(State, String)> {
        let dir = host(files);
        let found = look(&Host { root: dir.path() });
        found.into_iter().map(|finding| (finding.state, finding.message)).collect()
    }

    #[test]
    fn a_host_without_a_journal_has_nothing_to_say_about_it() {
        assert_eq!(looked(&[]), []);
    }

    #[test]
    fn a_volatile_journal_with_a_limit_is_two_warnings() {
        let found = looked(&[("run/systemd/journal/socket", ""), ("run/log/journal/x", "")]);
        assert_eq!(found.iter().filter(|(state, _)| *state == State::Warning).count(), 2);
    }

    #[test]
    fn a_drop_in_wins_over_the_main_file() {
        let files = [
            ("run/systemd/journal/socket", ""),
            ("var/log/journal/x", ""),
            ("etc/systemd/journald.conf", "[Journal]\n#RateLimitBurst=0\nRateLimitBurst=10000\n"),
            ("etc/systemd/journald.conf.d/mail.conf", "[Journal]\nRateLimitBurst=0\n"),
        ];
        let found = looked(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, State::Good);
        assert_eq!(looked(&files[..3])[0].0, State::Warning);
    }
}
