//! `doctor`: looks at the host for what would keep events from being seen or kept.
//!
//! It reads and changes nothing. Each finding says what is there and, where it is not well, the
//! command or the lines that mend it. What is wrong with the configuration file itself is `check`'s
//! business.
//!
//! * `files` — log files: are they there, may they be read, how are they rotated,
//! * `postfix` — what the MTA on this host does with its log,
//! * `milter` — whether mail could be stopped or stalled by ours,
//! * `journal` — whether systemd's journal keeps what the MTA says,
//! * `journald` — a journal that is a source: may it be read, and is there anything of mail in it,
//! * `certificate` — that of the API,
//! * `state` — the state directory: rights, who has the store, room.

mod certificate;
mod files;
mod journal;
mod journald;
mod logrotate;
mod milter;
mod postfix;
mod state;

use std::{fmt, path::Path};

use serde::Serialize;

use crate::{
    clock,
    config::{Config, SourceKind},
};

/// How well it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, and something can be lost or late.
    Warning,
    /// Events will be missing.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How well it is.
    pub state: State,
    /// What it is about: a path, a program, a source.
    pub subject: String,
    /// What was found, one line.
    pub message: String,
    /// What mends it: commands or lines of configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn new(state: State, subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { state, subject: subject.to_string(), message: message.into(), mend: None }
    }

    fn good(subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(State::Good, subject, message)
    }

    fn warning(subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(State::Warning, subject, message)
    }

    fn bad(subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(State::Bad, subject, message)
    }

    fn mended_by(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// The directories of the host that are looked into; others only in tests.
#[derive(Debug, Clone, Copy)]
struct Host<'a> {
    root: &'a Path,
}

impl Host<'_> {
    fn path(&self, absolute: &str) -> std::path::PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }
}

/// Looks at everything that the configuration touches.
#[must_use]
pub fn doctor(config: &Config) -> Vec<Finding> {
    let host = Host { root: Path::new("/") };
    let mut findings = Vec::new();
    for source in &config.sources {
        match &source.kind {
            SourceKind::File(file) => findings.extend(files::look(&host, &file.include)),
            SourceKind::Journald(journal) => findings.extend(journald::look(&source.name, journal)),
            SourceKind::Stdin | SourceKind::Milter(_) => {}
        }
    }
    findings.extend(postfix::look(config));
    findings.extend(milter::look(&host, config));
    findings.extend(journal::look(&host));
    findings.extend(state::look(config));
    findings.extend(certificate::look(config, clock::system().now()));
    findings
}

#[cfg(test)]
mod testing {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use tempfile::TempDir;

    /// A directory with these files: path and content.
    pub(super) fn host(files: &[(&str, &str)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }
}
