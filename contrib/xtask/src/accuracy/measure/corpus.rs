//! Directories of logs, and what the built program says to each log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    event,
    judge::judge,
    report::{Finding, LogReport, Report, Tally, Verdict},
    truth,
};

/// Measures `program` on every log of the directories, and of those below them.
///
/// # Errors
/// A directory holds no log with a truth beside it, a file cannot be read, or the program fails.
pub(crate) fn measure(program: &Path, directories: &[PathBuf]) -> Result<Report> {
    let mut report = Report::default();
    for directory in directories {
        let logs = logs_below(directory)?;
        ensure!(!logs.is_empty(), "no log in {} has a truth beside it", directory.display());
        for log in logs {
            report.add(log.measure(program)?);
        }
    }
    Ok(report)
}

/// A log and its truth.
struct Log {
    path: PathBuf,
    /// `05_hard_bounce_dsn`: the same truth stands for all forms of the log.
    scenario: String,
}

fn logs_below(directory: &Path) -> Result<Vec<Log>> {
    let failed = || format!("read {}", directory.display());
    let entries: Result<Vec<_>, _> = fs::read_dir(directory).with_context(failed)?.collect();
    let mut paths: Vec<_> = entries.with_context(failed)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    let mut logs = Vec::new();
    for path in paths {
        if path.is_dir() {
            logs.extend(logs_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let scenario = name.split('.').next().unwrap_or_default().to_owned();
            logs.push(Log { path, scenario });
        }
    }
    logs.retain(|log| log.truth().is_file());
    Ok(logs)
}

impl Log {
    fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    fn truth(&self) -> PathBuf {
        self.beside(&format!("{}.expected.jsonl", self.scenario))
    }

    fn measure(&self, program: &Path) -> Result<LogReport> {
        let path = self.truth();
        let rows = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let truth = truth::read(&rows).with_context(|| format!("read {}", path.display()))?;
        let output = self.run(program, &["replay", "--dry-run"])?;
        let events = event::read(&text(&output.stdout))?;
        let log = fs::read(&self.path).with_context(|| format!("read {}", self.path.display()))?;
        let (mut tally, mut findings) = judge(&truth, &events, &text(&log));
        for line in self.unrecognised(program, &text(&output.stderr))? {
            let found = unrecognised(line);
            tally.count(found.verdict);
            findings.push(found);
        }
        Ok(self.report(tally, findings))
    }

    fn report(&self, tally: Tally, findings: Vec<Finding>) -> LogReport {
        let log = self.path.display().to_string();
        LogReport { log, scenario: self.scenario.clone(), tally, findings }
    }

    /// Stamps without a zone are in UTC, as the hosts' clocks were.
    fn run(&self, program: &Path, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.beside("settings.toml")).arg("--json");
        command.args(words).arg(&self.path).env("TZ", "UTC");
        let output = command.output().with_context(|| format!("start {}", program.display()))?;
        let errors = text(&output.stderr);
        ensure!(output.status.success(), "{command:?} ended with {}: {errors}", output.status);
        Ok(output)
    }

    /// The lines of the mail system that were not understood. What a shell or a container runtime
    /// says into the same file has no syslog header and does not name Postfix.
    fn unrecognised(&self, program: &Path, summary: &str) -> Result<Vec<String>> {
        let sums = summary.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let count = sums.filter_map(|sum| sum.get("unrecognised")?.as_u64()).next_back();
        if count.context("the dry run told no sums")? == 0 {
            return Ok(Vec::new());
        }
        let mut lines = Vec::new();
        for record in text(&self.run(program, &["parse"])?.stdout).lines() {
            let record: Value = serde_json::from_str(record).context("read a parsed line")?;
            let line = record.get("line").and_then(Value::as_str).unwrap_or_default();
            match record.get("unrecognised").and_then(Value::as_str) {
                Some("header") if !line.to_ascii_lowercase().contains("postfix") => {}
                Some(_) => lines.push(line.to_owned()),
                None => {}
            }
        }
        Ok(lines)
    }
}

fn unrecognised(line: String) -> Finding {
    Finding {
        verdict: Verdict::Unrecognised,
        queue_id: None,
        recipient: None,
        expected: "a line that is understood".to_owned(),
        found: vec![line],
        reason: None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
