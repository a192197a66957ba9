//! Sums and findings, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    ops::AddAssign,
};

use serde::Serialize;

/// How many recipients were told how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Tally {
    /// As it was.
    pub(crate) right: u64,
    /// Otherwise than it was.
    pub(crate) wrong: u64,
    /// Not at all, or without an end.
    pub(crate) missing: u64,
    /// That do not exist, or twice.
    pub(crate) invented: u64,
    /// Nobody can say whether rightly.
    pub(crate) undecided: u64,
    /// Lines (not recipients) of the mail system that were not understood.
    pub(crate) unrecognised: u64,
}

impl Tally {
    /// Nothing is to be put right.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong + self.missing + self.invented + self.unrecognised == 0
    }

    pub(super) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Wrong => self.wrong += 1,
            Verdict::Missing => self.missing += 1,
            Verdict::Invented => self.invented += 1,
            Verdict::Undecided => self.undecided += 1,
            Verdict::Unrecognised => self.unrecognised += 1,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missing += other.missing;
        self.invented += other.invented;
        self.undecided += other.undecided;
        self.unrecognised += other.unrecognised;
    }
}

/// What is to be said of a recipient or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Wrong,
    Missing,
    Invented,
    Undecided,
    Unrecognised,
}

/// Something that was not simply right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipient: Option<String>,
    pub(super) expected: String,
    /// Events, or the line.
    pub(super) found: Vec<String>,
    /// Why that is expected, or why nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// One log.
#[derive(Debug, Serialize)]
pub(super) struct LogReport {
    pub(super) log: String,
    pub(super) scenario: String,
    #[serde(flatten)]
    pub(super) tally: Tally,
    pub(super) findings: Vec<Finding>,
}

/// All logs, and their sum.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    logs: Vec<LogReport>,
    total: Tally,
}

impl Report {
    pub(super) fn add(&mut self, log: LogReport) {
        self.total += log.tally;
        self.logs.push(log);
    }

    /// The sum of all logs.
    pub(crate) fn total(&self) -> Tally {
        self.total
    }

    /// Each finding with all that is known about it.
    pub(crate) fn details(&self) -> String {
        let mut text = String::new();
        for log in &self.logs {
            for finding in &log.findings {
                // Writing to a String cannot fail.
                let _never_fails = writeln!(text, "{}: {finding}", log.log);
            }
        }
        text
    }

    /// Why recipients are undecided, and how many.
    fn doubts(&self) -> BTreeMap<&str, u64> {
        let mut doubts = BTreeMap::new();
        let findings = self.logs.iter().flat_map(|log| &log.findings);
        for finding in findings.filter(|finding| finding.verdict == Verdict::Undecided) {
            *doubts.entry(finding.reason.as_deref().unwrap_or("no reason")).or_default() += 1;
        }
        doubts
    }

    fn by_scenario(&self) -> BTreeMap<&str, Tally> {
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        for log in &self.logs {
            *sums.entry(&log.scenario).or_default() += log.tally;
        }
        sums
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = format!("{:?}", self.verdict).to_lowercase();
        let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
        write!(f, "{verdict} {} {}", known(&self.queue_id), known(&self.recipient))?;
        let found = if self.found.is_empty() { "nothing".into() } else { self.found.join(", ") };
        write!(f, ": expected {}; found {found}", self.expected)?;
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// A table with one row for each scenario.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.logs.iter().map(|log| log.scenario.len()).max().unwrap_or(0).max(8);
        writeln!(
            f,
            "{:<width$} {:>7} {:>7} {:>7} {:>8} {:>9} {:>12}",
            "scenario", "right", "wrong", "missing", "invented", "undecided", "unrecognised"
        )?;
        let sums = self.by_scenario().into_iter().chain([("total", self.total)]);
        for (scenario, sum) in sums {
            writeln!(
                f,
                "{scenario:<width$} {:>7} {:>7} {:>7} {:>8} {:>9} {:>12}",
                sum.right, sum.wrong, sum.missing, sum.invented, sum.undecided, sum.unrecognised
            )?;
        }
        for (reason, count) in self.doubts() {
            writeln!(f, "undecided, {count}: {reason}")?;
        }
        Ok(())
    }
}
