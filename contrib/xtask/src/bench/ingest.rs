//! `cargo xtask bench ingest`: what being durable costs, in time, memory and room.
//!
//! T10 (kills) is `cargo xtask crash`, and the table says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{Log, guided, make, measure, measure::Run};
use crate::{
    loggen::{Format, Truth},
    needs, run,
};

/// Of a log that pflogsumm, which is slow, reads as well.
const PEER_MEGABYTES: u64 = 100;

/// How far a replay gets before it is killed, in parts of a whole one.
const KILLED_AFTER: f64 = 0.7;

/// Requests of a round of T7; 200 come in a second.
const LATENCY_LINES: u32 = 600;

/// Messages that are in the queue at once for T9.
const UNDER_WAY: u64 = 10_000;

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Megabytes of generated log; the aim of T8 is meant for 4000
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Turns of each program; the fastest counts
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

/// The programs and the place of the store.
struct Bench {
    stages: PathBuf,
    durable: PathBuf,
    latency: PathBuf,
    program: PathBuf,
    store: PathBuf,
    runs: u32,
}

/// Measures and prints one table.
///
/// # Errors
/// A build fails, a log cannot be written, or a program that is measured fails.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let programs = guided::programs(&["mailherald", "stages", "durable", "latency"])?;
    let log = make("", options.megabytes, Format::Rfc3339)?;
    let small = make("-small", options.megabytes.min(PEER_MEGABYTES), Format::Rfc3339)?;
    println!("{}\n", log.truth.to_json());
    let bench = Bench {
        stages: programs.join("stages"),
        durable: programs.join("durable"),
        latency: programs.join("latency"),
        program: programs.join("mailherald"),
        store: run::target()?.join("bench/store"),
        runs: options.runs.max(1),
    };
    let mut measured = Vec::new();
    measured.extend(bench.peer(&small)?);
    measured.extend(bench.replay(&log)?);
    measured.push(bench.latency()?);
    measured.push(bench.under_way()?);
    measured.push(bench.without_history(&log)?);
    measured.push(bench.open_after_kill(&log)?);
    println!("\n{:<4} {:>8} {:>8} {:>8}", "", "measured", "floor", "goal");
    measured.sort_by_key(|one| (one.target.name.len(), one.target.name));
    measured.iter().for_each(Measured::print);
    println!("T10  kill -9 again and again: cargo xtask crash");
    Ok(())
}

/// What is wanted of a number.
struct Target {
    name: &'static str,
    floor: f64,
    goal: f64,
    what: &'static str,
}

/// The number.
struct Measured {
    target: &'static Target,
    value: f64,
}

const T3: Target = target("T3", 8.0, 12.0, "× lines/s of pflogsumm (at least), durable replay");
const T4: Target = target("T4", 8.0, 5.0, "× the time of parsing alone, durable replay");
const T7: Target =
    target("T7", 6.0, 2.5, "× without a commit: p99 from line to request, 200 lines/s");
const T8: Target = target("T8", 512.0, 150.0, "MB on disk, all delivered, retain = \"0s\"");
const T8_HISTORY: Target = target("T8", 2.0, 1.3, "× the packed events on disk, with history");
const T9: Target = target("T9", 128.0, 48.0, "MB resident at most, durable replay");
const T9_UNDER_WAY: Target =
    target("T9", 128.0, 48.0, "MB resident at most, 10,000 messages under way");
const T11: Target = target("T11", 4.0, 2.0, "× cat of the files: opening after a kill");

const fn target(name: &'static str, floor: f64, goal: f64, what: &'static str) -> Target {
    Target { name, floor, goal, what }
}

impl Measured {
    fn print(&self) {
        let Target { name, floor, goal, what } = self.target;
        // Where the goal is above the floor, more is better.
        let sign = (goal - floor).signum();
        let verdict = match self.value * sign {
            value if value >= goal * sign => "reached",
            value if value >= floor * sign => "above the floor",
            _ => "MISSED",
        };
        println!("{name:<4} {:>8.2} {floor:>8} {goal:>8} {what}: {verdict}", self.value);
    }
}

impl Bench {
    fn peer(&self, log: &Log) -> Result<Option<Measured>> {
        if !needs::optional("pflogsumm", "pflogsumm") {
            println!("T3: pflogsumm is not installed");
            return Ok(None);
        }
        let mut pflogsumm = Command::new("pflogsumm");
        pflogsumm.arg(&log.path);
        let (replayed, peer) = measure::fastest_in_turns(
            self.runs,
            || self.replayed(log),
            || measure::run(&mut pflogsumm, false),
        )?;
        show("durable replay, small", log, &replayed);
        show("pflogsumm, small", log, &peer);
        let value = peer.took.as_secs_f64() / replayed.took.as_secs_f64();
        Ok(Some(Measured { target: &T3, value }))
    }

    /// T4, T8 with history, T9.
    fn replay(&self, log: &Log) -> Result<[Measured; 3]> {
        let parsed = self.fastest(|| {
            measure::run(Command::new(&self.stages).arg("parse").arg(&log.path), true)
        })?;
        show("parse, all fields", log, &parsed);
        let replayed = self.fastest(|| self.replayed(log))?;
        show("durable replay", log, &replayed);
        let weighed =
            measure::run(Command::new(&self.durable).arg("weigh").arg(&self.store), true)?;
        let bytes = size(&self.store)?;
        let weights: Vec<u64> =
            weighed.printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [packed, stored] = weights[..] else { bail!("{}", weighed.printed) };
        println!(
            "with history: {:.0} MB on disk, {:.0} MB packed, which are {:.0} MB compressed; {} lines, \
             events, delivered",
            number(bytes) / 1e6,
            number(packed) / 1e6,
            number(stored) / 1e6,
            replayed.printed.trim()
        );
        let times = replayed.took.as_secs_f64() / parsed.took.as_secs_f64();
        Ok([
            Measured { target: &T4, value: times },
            Measured { target: &T8_HISTORY, value: number(bytes) / number(packed) },
            Measured { target: &T9, value: number(replayed.peak_bytes) / 1e6 },
        ])
    }

    /// The other half of T9: messages whose end is still to come.
    fn under_way(&self) -> Result<Measured> {
        let log = log_of_open_messages(&self.store.with_file_name("under-way.log"))?;
        let replayed = self.replayed(&log)?;
        show("under way", &log, &replayed);
        let value = number(replayed.peak_bytes) / 1e6;
        Ok(Measured { target: &T9_UNDER_WAY, value })
    }

    fn latency(&self) -> Result<Measured> {
        let mut command = Command::new(&self.latency);
        command.arg(&self.program).arg(self.store.with_file_name("latency"));
        command.args([LATENCY_LINES.to_string(), self.runs.to_string()]);
        let run = measure::run(&mut command, true)?;
        let numbers: Vec<f64> =
            run.printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [p50, p99, bare_p50, bare_p99] = numbers[..] else { bail!("{}", run.printed) };
        println!(
            "line to request: p50 {p50:.0} µs, p99 {p99:.0} µs; without a commit {bare_p50:.0}, \
             {bare_p99:.0}"
        );
        Ok(Measured { target: &T7, value: p99 / bare_p99 })
    }

    fn without_history(&self, log: &Log) -> Result<Measured> {
        self.clear()?;
        let mut command = Command::new(&self.durable);
        command.arg("replay-and-forget").arg(&log.path).arg(&self.store);
        let replayed = measure::run(&mut command, true)?;
        show("durable, no history", log, &replayed);
        let value = number(size(&self.store)?) / 1e6;
        Ok(Measured { target: &T8, value })
    }

    fn replayed(&self, log: &Log) -> Result<Run> {
        self.clear()?;
        measure::run(&mut self.replay_command(log), true)
    }

    fn replay_command(&self, log: &Log) -> Command {
        let mut command = Command::new(&self.durable);
        command.arg("replay").arg(&log.path).arg(&self.store);
        command
    }

    fn open_after_kill(&self, log: &Log) -> Result<Measured> {
        let whole = self.replayed(log)?.took;
        self.kill_at(log, whole.mul_f64(KILLED_AFTER))?;
        let bytes = size(&self.store)?;
        let opened = measure::run(Command::new(&self.durable).arg("open").arg(&self.store), true)?;
        let script = format!("find {} -type f -exec cat {{}} + > /dev/null", self.store.display());
        let read =
            self.fastest(|| measure::run(Command::new("sh").args(["-c", &script]), false))?;
        println!(
            "open after a kill: {:.0} MB in {:.2} s",
            number(bytes) / 1e6,
            opened.took.as_secs_f64()
        );
        self.clear()?;
        let value = opened.took.as_secs_f64() / read.took.as_secs_f64();
        Ok(Measured { target: &T11, value })
    }

    #[expect(clippy::disallowed_methods, reason = "killed in the middle of its work")]
    fn kill_at(&self, log: &Log, after: Duration) -> Result<()> {
        self.clear()?;
        let mut child = self.replay_command(log).stdout(Stdio::null()).spawn()?;
        std::thread::sleep(after);
        child.kill().context("kill the replay")?;
        child.wait().context("wait for the replay")?;
        Ok(())
    }

    fn fastest(&self, measured: impl FnMut() -> Result<Run>) -> Result<Run> {
        measure::fastest(self.runs, measured)
    }

    fn clear(&self) -> Result<()> {
        if self.store.exists() {
            fs::remove_dir_all(&self.store).context("remove the store")?;
        }
        fs::create_dir_all(&self.store).context("make a place for the store")
    }
}

/// Messages that were queued and whose deliveries have not ended.
fn log_of_open_messages(path: &Path) -> Result<Log> {
    let message = |number: u64| {
        let (minute, second) = (number / 600 % 60, number / 10 % 60);
        let stamp = format!("2026-03-01T10:{minute:02}:{second:02}+00:00 mx postfix");
        let id = format!("3F0B2C8{number:05X}");
        format!(
            "{stamp}/smtpd[1]: {id}: client=c.test[192.0.2.9], sasl_username=user{number}\n\
             {stamp}/cleanup[2]: {id}: message-id=<{number}@c.test>\n\
             {stamp}/qmgr[3]: {id}: from=<user{number}@c.test>, size=900, nrcpt=1 (queue active)\n"
        )
    };
    let text: String = (0..UNDER_WAY).map(message).collect();
    fs::write(path, &text).with_context(|| format!("write {}", path.display()))?;
    let (lines, bytes) = (3 * UNDER_WAY, text.len() as u64);
    Ok(Log { path: path.to_owned(), truth: Truth { lines, bytes, ..Truth::default() } })
}

fn show(name: &str, log: &Log, run: &Run) {
    let seconds = run.took.as_secs_f64();
    println!(
        "{name:<24} {:>6.0} MB {seconds:>8.2} s {:>10.0} lines/s, at most {:>5.0} MB resident",
        number(log.truth.bytes) / 1e6,
        number(log.truth.lines) / seconds,
        number(run.peak_bytes) / 1e6
    );
}

/// Bytes of all files below.
fn size(directory: &Path) -> Result<u64> {
    let output =
        Command::new("du").args(["--summarize", "--block-size=1"]).arg(directory).output()?;
    ensure!(output.status.success(), "du {}", directory.display());
    let text = String::from_utf8(output.stdout).context("read what du says")?;
    text.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("du says nothing")
}

#[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn number(count: u64) -> f64 {
    count as f64
}
