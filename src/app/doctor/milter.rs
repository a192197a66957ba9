//! Whether Postfix asks our milter, and whether mail could be stopped or stalled by it.
//!
//! Postfix puts mail off when a milter fails, and waits minutes for one that hangs, unless it is told
//! otherwise (`milter_default_action`, `milter_content_timeout`).

use std::{fs, path::Path, time::Duration};

use super::{Finding, Host};
use crate::config::{Config, Listen, MilterSource, SourceKind, parse_duration, postconf};

/// What is asked.
const PARAMETERS: [&str; 8] = [
    "smtpd_milters",
    "non_smtpd_milters",
    "queue_directory",
    "milter_default_action",
    "milter_connect_timeout",
    "milter_command_timeout",
    "milter_content_timeout",
    "enable_original_recipient",
];

/// Longer than this, a milter that hangs is felt by whoever sends mail.
const LONGEST: Duration = Duration::from_secs(5);

const LINES: &str = "smtpd_milters = { unix:mailherald/milter.sock, connect_timeout=1s, \
                     command_timeout=2s, content_timeout=3s, default_action=accept }";

/// Asks Postfix about each milter that is configured here.
pub(super) fn look(host: &Host<'_>, config: &Config) -> Vec<Finding> {
    let milters = || {
        config.sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Milter(milter) => Some(milter),
            _ => None,
        })
    };
    if milters().next().is_none() {
        return Vec::new();
    }
    let mut findings: Vec<_> = milters().filter_map(|milter| place(host, milter)).collect();
    // No answer of Postfix is told elsewhere.
    if let Ok(Some(values)) = postconf::values(&PARAMETERS) {
        findings.extend(milters().flat_map(|milter| judge(&values, milter)));
    }
    findings
}

/// The directory of a socket: there, and closed to others, who could put another socket there.
fn place(host: &Host<'_>, milter: &MilterSource) -> Option<Finding> {
    let Listen::Unix(path) = &milter.listen else { return None };
    let directory = path.parent()?;
    let name = directory.display();
    let found = fs::metadata(host.path(directory.to_str()?));
    Some(match found {
        Err(error) => {
            Finding::bad(name, format!("the milter cannot listen there: {error}")).mended_by(
                format!("install -d -o mailherald -g postfix -m 2750 {}", directory.display()),
            )
        }
        Ok(found) if is_open(&found) => {
            Finding::warning(name, "anybody may put another socket in the place of the milter's")
                .mended_by(format!("chmod o-w {}", directory.display()))
        }
        Ok(_) => Finding::good(name, "is there for the milter's socket"),
    })
}

fn is_open(directory: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    directory.permissions().mode() & 0o002 != 0
}

/// `values` in the order of [`PARAMETERS`].
fn judge(values: &[String], milter: &MilterSource) -> Vec<Finding> {
    let [smtpd, local, queue, action, connect, command, content, original] = values else {
        return Vec::new();
    };
    let subject = milter.listen.to_string();
    let asked = entries(smtpd).into_iter().find(|entry| is_it(entry.place, &milter.listen, queue));
    let Some(entry) = asked else {
        let finding = Finding::warning(subject, "Postfix does not ask it (smtpd_milters)");
        return vec![finding.mended_by(LINES)];
    };
    let mut findings = Vec::new();
    let action = entry.option("default_action").unwrap_or(action);
    if action != "accept" {
        let message = format!("mail is stopped when it is down: Postfix would `{action}`");
        findings.push(Finding::bad(&subject, message).mended_by(LINES));
    }
    let waits =
        [("connect_timeout", connect), ("command_timeout", command), ("content_timeout", content)];
    for (name, default) in waits {
        let wait = entry.option(name).unwrap_or(default);
        if parse_duration(wait).is_none_or(|wait| wait > LONGEST) {
            let message = format!("mail would wait {wait} for it if it hung ({name})");
            findings.push(Finding::warning(&subject, message).mended_by(LINES));
        }
    }
    if original == "no" {
        let message = "Postfix does not log recipients as they were before aliases, so that some are told twice";
        let mend = "postconf -e enable_original_recipient=yes && postfix reload";
        findings.push(Finding::warning(&subject, message).mended_by(mend));
    }
    let is_asked = |entry: &Entry<'_>| is_it(entry.place, &milter.listen, queue);
    if !local.contains("$smtpd_milters") && !entries(local).iter().any(is_asked) {
        let message = "Postfix does not ask it about mail of sendmail(1)";
        findings.push(
            Finding::warning(&subject, message).mended_by("non_smtpd_milters = $smtpd_milters"),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            subject,
            "is asked by Postfix, and can neither stop nor stall mail",
        ));
    }
    findings
}

/// A milter in a list of Postfix: a place, or `{ place, name=value, … }`.
struct Entry<'a> {
    place: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split([',', ' ', '\t']).filter(|part| !part.is_empty());
        let place = parts.next().unwrap_or_default();
        Self { place, options: parts.filter_map(|part| part.split_once('=')).collect() }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// The milters of a list, whose items have commas or blanks between them.
fn entries(list: &str) -> Vec<Entry<'_>> {
    let (mut found, mut rest) = (Vec::new(), list);
    while let Some((before, inside)) = rest.split_once('{') {
        found.extend(plain(before));
        let (inside, behind) = inside.split_once('}').unwrap_or((inside, ""));
        found.push(Entry::of(inside));
        rest = behind;
    }
    found.extend(plain(rest));
    found
}

fn plain(list: &str) -> impl Iterator<Item = Entry<'_>> {
    list.split([',', ' ', '\t', '\n']).filter(|item| !item.is_empty()).map(Entry::of)
}

/// Is that where we listen? Postfix's path is relative to its queue directory, and in a chroot an
/// absolute one is, too.
fn is_it(place: &str, listen: &Listen, queue: &str) -> bool {
    match (place.split_once(':'), listen) {
        (Some(("unix" | "local", path)), Listen::Unix(ours)) => {
            let below = Path::new(queue).join(path.trim_start_matches('/'));
            below == *ours || Path::new(path) == ours
        }
        (Some(("inet", place)), Listen::Inet(ours)) => {
            let place = place.replacen("localhost", "127.0.0.1", 1);
            place.parse() == Ok(*ours)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::State;

    const GOOD: &str = "unix:/run/spamass.sock, { unix:mailherald/milter.sock, connect_timeout=1s, command_timeout=2s, content_timeout=3s, default_action=accept }, inet:localhost:8891";

    fn milter() -> MilterSource {
        let listen = Listen::Unix("/var/spool/postfix/mailherald/milter.sock".into());
        MilterSource { listen, mode: 0o660, ..MilterSource::default() }
    }

    fn judged(smtpd: &str, local: &str) -> Vec<(State, String)> {
        let rest = ["/var/spool/postfix", "tempfail", "30s", "30s", "300s", "yes"];
        let values = [smtpd, local].into_iter().chain(rest).map(str::to_owned);
        let values: Vec<_> = values.collect();
        let findings = judge(&values, &milter());
        findings.into_iter().map(|finding| (finding.state, finding.message)).collect()
    }

    #[test]
    fn the_shipped_lines_are_good() {
        let shipped = include_str!("../../../contrib/postfix/milter.cf");
        let lines: String = shipped.lines().filter(|line| !line.starts_with('#')).collect();
        let (_, list) = lines.split_once("smtpd_milters =").unwrap_or_default();
        let (list, _) = list.split_once("non_smtpd_milters").unwrap_or_default();
        assert_eq!(judged(list, "$smtpd_milters")[0].0, State::Good, "{list}");
        assert_eq!(judged(GOOD, GOOD)[0].0, State::Good);
    }

    #[test]
    fn a_milter_that_could_stop_mail_is_bad_and_one_that_could_stall_it_a_warning() {
        let states = |smtpd: &str| -> Vec<State> {
            judged(smtpd, "$smtpd_milters").into_iter().map(|(state, _)| state).collect()
        };
        assert_eq!(
            states("unix:mailherald/milter.sock"),
            [State::Bad, State::Warning, State::Warning, State::Warning]
        );
        let slow = GOOD.replace("content_timeout=3s", "content_timeout=1m");
        assert_eq!(states(&slow), [State::Warning]);
        assert_eq!(states(&GOOD.replace("=accept", "=reject")), [State::Bad]);
    }

    #[test]
    fn a_milter_that_nobody_asks_is_said() {
        assert_eq!(judged("unix:other.sock", "").len(), 1);
        let told = judged(GOOD, "");
        assert_eq!(
            told,
            [(State::Warning, "Postfix does not ask it about mail of sendmail(1)".to_owned())]
        );
    }

    #[test]
    fn a_place_is_the_same_in_a_chroot_and_outside() {
        let ours = milter().listen;
        for place in [
            "unix:mailherald/milter.sock",
            "unix:/mailherald/milter.sock",
            "local:mailherald/milter.sock",
            "unix:/var/spool/postfix/mailherald/milter.sock",
        ] {
            assert!(is_it(place, &ours, "/var/spool/postfix"), "{place}");
        }
        assert!(!is_it("unix:milter.sock", &ours, "/var/spool/postfix"));
        let inet = Listen::Inet(([127, 0, 0, 1], 8895).into());
        assert!(is_it("inet:localhost:8895", &inet, "") && is_it("inet:127.0.0.1:8895", &inet, ""));
        assert!(!is_it("inet:8895@localhost", &inet, ""));
    }
}
