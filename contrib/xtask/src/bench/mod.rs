//! `cargo xtask bench`: numbers beside what the machine can do at all.
//!
//! Only ratios within one run mean something on another machine, so everything is measured in
//! turns on the same log, and the fastest turn of each program counts.

pub(crate) mod deliver;
pub(crate) mod guided;
pub(crate) mod ingest;
mod measure;
pub(crate) mod milter;
pub(crate) mod search;
mod table;

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    loggen::{
        Format, Truth,
        haraka::{self, Layout},
    },
    make_log, needs, run,
};
use measure::Run;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Lines a second of parsing, correlating and a dry run, beside other programs on the same log
    Parse(ParseOptions),
    /// Time, memory and room of a durable replay, beside pflogsumm on the same log
    Ingest(ingest::Options),
    /// Requests a second, and memory behind receivers that are down, beside wrk and syslog-ng
    Deliver(deliver::Options),
    /// What our milter adds to the time that Postfix takes for a message
    Milter(milter::Options),
    /// How long it takes to find one message among millions, beside reading all of them
    Search(search::Options),
}

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct ParseOptions {
    /// Megabytes of generated log
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Turns of each program; the fastest counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Megabytes for the programs that would take minutes, and the other size that memory is
/// compared at.
const SMALL_MEGABYTES: u64 = 100;

/// Counts lines with a fixed string: the least that a search through a log can do.
const GREP: [&str; 2] = ["-c", "status=sent"];

/// A program to be measured.
struct Subject {
    name: &'static str,
    command: Command,
    log: Log,
    /// What it prints is read, not thrown away.
    read: bool,
    best: Run,
}

/// A generated log.
#[derive(Debug, Clone)]
struct Log {
    path: PathBuf,
    truth: Truth,
}

/// Measures and prints one table.
///
/// # Errors
/// A build fails, a log cannot be written, or a program that is measured fails.
pub(crate) fn parse(options: &ParseOptions) -> Result<()> {
    let programs = guided::programs(&["mailherald", "stages"])?;
    let small_megabytes = options.megabytes.min(SMALL_MEGABYTES);
    let log = make("", options.megabytes, Format::Rfc3339)?;
    let small = make("-small", small_megabytes, Format::Rfc3339)?;
    let old = make("-old", small_megabytes, Format::Traditional)?;
    println!("{}", log.truth.to_json());

    let haraka = [
        (table::HARAKA_DEFAULT, make_haraka("default", small_megabytes, Layout::Default)?),
        (table::HARAKA_JSON, make_haraka("json", small_megabytes, Layout::Json)?),
    ];

    let mut subjects = subjects(&programs, &log, &small, &old);
    let stages = programs.join("stages");
    for (name, log) in &haraka {
        subjects.push(Subject::new(name, Command::new(&stages), &["parse"], log).read());
    }
    for _ in 0..options.runs.max(1) {
        for subject in &mut subjects {
            subject.turn()?;
        }
    }
    table::print(&subjects);
    Ok(())
}

fn make(name: &str, megabytes: u64, format: Format) -> Result<Log> {
    let directory = run::target()?.join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let path = directory.join(format!("parse{name}.log"));
    let truth = make_log::make(&path, megabytes * 1_000_000, 1, format)?;
    Ok(Log { path, truth })
}

fn make_haraka(name: &str, megabytes: u64, layout: Layout) -> Result<Log> {
    let directory = run::target()?.join("bench");
    let path = directory.join(format!("parse-haraka-{name}.log"));
    let failed = || format!("write {}", path.display());
    let file = BufWriter::with_capacity(1 << 20, File::create(&path).with_context(failed)?);
    let (lines, bytes) =
        haraka::generate(megabytes * 1_000_000, 1, layout, file).with_context(failed)?;
    Ok(Log { path, truth: Truth { lines, bytes, ..Truth::default() } })
}

/// In the order of the table.
fn subjects(programs: &Path, log: &Log, small: &Log, old: &Log) -> Vec<Subject> {
    let (stages, herald) = (programs.join("stages"), programs.join("mailherald"));
    let mut c_grep = Command::new("grep");
    c_grep.env("LC_ALL", "C");
    let mut all = vec![
        Subject::new(table::FLOOR, Command::new("wc"), &["-l"], log),
        // grep stops at the first match when it writes to /dev/null.
        Subject::new("LC_ALL=C grep -c status=sent", c_grep, &GREP, log).read(),
        Subject::new("grep -c status=sent", Command::new("grep"), &GREP, log).read(),
        Subject::new(table::PARSE, Command::new(&stages), &["parse"], log).read(),
        Subject::new(table::EVENTS, Command::new(&stages), &["events"], log).read(),
        Subject::new(table::REPLAY, Command::new(&herald), &["replay", "--dry-run"], log),
        Subject::new(table::SMALL_EVENTS, Command::new(&stages), &["events"], small).read(),
        Subject::new(table::SMALL_REPLAY, Command::new(&herald), &["replay", "--dry-run"], small),
        // It knows no other stamp.
        Subject::new("postfix-log-parser, small", Command::new(&stages), &["crate"], old).read(),
    ];
    if needs::optional("pflogsumm", "pflogsumm") {
        all.push(Subject::new("pflogsumm, small", Command::new("pflogsumm"), &[], small));
    } else {
        println!("pflogsumm: not installed");
    }
    all
}

impl Subject {
    fn new(name: &'static str, mut command: Command, arguments: &[&str], log: &Log) -> Self {
        command.args(arguments).arg(&log.path);
        Self { name, command, log: log.clone(), read: false, best: Run::default() }
    }

    fn read(self) -> Self {
        Self { read: true, ..self }
    }

    /// Keeps the least of each time, and the highest peak.
    fn turn(&mut self) -> Result<()> {
        let run = measure::run(&mut self.command, self.read)?;
        let best = &self.best;
        let least =
            |best: Duration, now: Duration| if best.is_zero() { now } else { best.min(now) };
        let (took, cpu) = (least(best.took, run.took), least(best.cpu, run.cpu));
        let peak_bytes = run.peak_bytes.max(best.peak_bytes);
        self.best = Run { took, cpu, peak_bytes, ..run };
        Ok(())
    }
}
