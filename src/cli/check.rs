//! `check`: everything that is wrong with the configuration.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{Failure, args::Global};
use crate::{
    clock,
    config::{
        self, Code, Config, ConfigError, Loaded, Problem, Purpose, Severity, Source, SourceKind,
        postconf,
    },
    source::journald,
};

/// Reads the configuration and prints its problems: on standard output, because they are the
/// result.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let (problems, usable) = match config::load(global.config_path(), Purpose::Check) {
        Ok(loaded) => (with_notes(loaded), true),
        Err(ConfigError::Invalid { problems, .. }) => (problems, false),
        Err(error @ ConfigError::Read { .. }) => return Err(error.into()),
    };
    let mut out = io::stdout().lock();
    print(&mut out, global.config_path(), &problems, global.json).map_err(Failure::Output)?;
    if usable { Ok(()) } else { Err(Failure::ProblemsFound) }
}

/// What the host will not give of a journal.
fn journal_doubts(source: &Source) -> Vec<Problem> {
    let SourceKind::Journald(journal) = &source.kind else { return Vec::new() };
    let doubts = journald::doubts(journal.directory.as_deref()).into_iter();
    let warning = |doubt: journald::Doubt| Problem {
        severity: Severity::Warning,
        line: None,
        column: None,
        key: format!("source {:?}", source.name),
        message: doubt.to_string(),
        hint: Some(doubt.hint().to_owned()),
        code: Code::default(),
    };
    doubts.map(warning).collect()
}

/// A certificate of the API that is not valid now, or soon will not be.
fn certificate_doubt(config: &Config) -> Option<Problem> {
    let identity = config.api.as_ref()?.tls.as_ref()?;
    let validity = identity.validity(clock::system().now())?;
    Some(Problem {
        severity: Severity::Warning,
        line: None,
        column: None,
        key: "api.tls_cert".to_owned(),
        message: validity.to_string(),
        hint: Some("renew it, and `systemctl reload mailherald`".to_owned()),
        code: Code::default(),
    })
}

/// What is odd, and what a start would take from Postfix.
fn with_notes(mut loaded: Loaded) -> Vec<Problem> {
    let mut found = loaded.warnings;
    found.extend(loaded.config.sources.iter().flat_map(journal_doubts));
    found.extend(certificate_doubt(&loaded.config));
    match postconf::complete(&mut loaded.config.mail, &loaded.config.sources) {
        Ok(Some(answer)) => found.extend(answer.notes()),
        Ok(None) => {}
        Err(error) => found.push(error.warning()),
    }
    found
}

fn print(out: &mut impl Write, path: &Path, problems: &[Problem], json: bool) -> io::Result<()> {
    for problem in problems {
        if json {
            serde_json::to_writer(&mut *out, problem)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}:{problem}", path.display())?;
        }
    }
    if !json {
        writeln!(out, "{}: {}", path.display(), verdict(problems))?;
    }
    out.flush()
}

fn verdict(problems: &[Problem]) -> String {
    let count = |severity| problems.iter().filter(|found| found.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, {warnings} to look at"),
        (errors, 0) => format!("{errors} to mend"),
        (errors, warnings) => format!("{errors} to mend, {warnings} to look at"),
    }
}
