//! `[[source]]` with `kind = "journald"`, and what it may not stand beside.

use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::config::{
    checked::{JournaldSource, SourceKind},
    postconf,
    problem::{Problems, Span},
    raw::RawSource,
    value::At,
};

/// Where syslog daemons put what journald has, too: the rules that Debian, Red Hat, SUSE and Arch
/// ship.
const OF_SYSLOG: [&str; 9] = [
    "/var/log/mail.log",
    "/var/log/mail.info",
    "/var/log/mail.warn",
    "/var/log/mail.err",
    "/var/log/mail",
    "/var/log/maillog",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/everything.log",
];

/// Where this host's own journal is.
const OF_THIS_HOST: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// The keys of one such source.
pub(super) fn source(raw: &RawSource, problems: &mut Problems<'_>) -> SourceKind {
    if let Some(include) = &raw.include {
        problems
            .error(&include.span, "source.include", "the journal has no such files")
            .hint("use directory for a journal elsewhere, or kind = \"file\" for log files");
    }
    let directory = raw.directory.as_ref().map(|at| directory(at, problems));
    SourceKind::Journald(JournaldSource { directory })
}

fn directory(raw: &At<String>, problems: &mut Problems<'_>) -> PathBuf {
    let path = PathBuf::from(&raw.value);
    if !path.is_absolute() {
        problems.error(&raw.span, "source.directory", "must be an absolute path");
    }
    path
}

/// Refuses `directory` where it means nothing.
pub(super) fn refuse_directory(raw: &RawSource, problems: &mut Problems<'_>) {
    if let Some(directory) = &raw.directory {
        problems.error(
            &directory.span,
            "source.directory",
            "is for journals and for the plugin only",
        );
    }
}

/// The name of a source that was given none.
pub(super) fn derived_name(source: &JournaldSource) -> String {
    match &source.directory {
        None => "journald".to_owned(),
        Some(directory) => format!("journald {}", directory.display()),
    }
}

/// Do both read the same journal?
pub(super) fn is_same(one: &JournaldSource, other: &JournaldSource) -> bool {
    canonical(one) == canonical(other)
}

/// The directory; None for this host's own, however it is written.
fn canonical(source: &JournaldSource) -> Option<PathBuf> {
    let path = source.directory.as_ref()?;
    let path = path.canonicalize().unwrap_or_else(|_| path.clone());
    (!OF_THIS_HOST.iter().any(|own| path.starts_with(Path::new(own)))).then_some(path)
}

/// Where the Postfix of this host logs to (postconf(5), `maillog_file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Maillog {
    /// To this file, by itself: the journal has none of it.
    File(String),
    /// To syslog, and so into the journal.
    Syslog,
    /// There is no Postfix, it gives no answer, or it may not be asked.
    Unknown,
}

/// Asks Postfix.
pub(super) fn maillog() -> Maillog {
    let answer = postconf::values(&["maillog_file"]).ok().flatten();
    match answer.as_deref() {
        Some([file]) if file.is_empty() => Maillog::Syslog,
        Some([file]) => Maillog::File(file.clone()),
        _ => Maillog::Unknown,
    }
}

/// A log file and a journal of one mail system would tell every message twice, because the same
/// line looks different in each: sure for a log that a syslog daemon writes when Postfix logs to
/// that, possible for others, and impossible for the file that Postfix writes itself.
pub(super) fn beside_a_file(
    patterns: &[Pattern],
    maillog: &Maillog,
    later: &Span,
    problems: &mut Problems<'_>,
) {
    let reads = |log: &str| patterns.iter().any(|one| one.matches(log));
    let of_syslog = OF_SYSLOG.iter().find(|log| reads(log));
    match (of_syslog, maillog) {
        (_, Maillog::File(file)) if reads(file) => {}
        (Some(log), Maillog::Syslog) => {
            problems
                .error(later, "source.kind", format!("{log} holds what the journal holds"))
                .hint("keep one of the two: both would report every message twice");
        }
        _ => {
            problems
                .warn(later, "source.kind", "a log file and the journal are read")
                .hint("if one Postfix is in both, every message is reported twice: keep one");
        }
    }
}
