//! `cargo xtask bench ingest`: what a durable replay costs, in time, memory and room.
//!
//! T7 (latency of one line) and T10 (kills, `cargo xtask crash`) are measured elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{Log, make, measure, measure::Run};
use crate::{loggen::Format, needs, run};

/// Of a log that pflogsumm, which is slow, reads as well.
const PEER_MEGABYTES: u64 = 100;

/// How far a replay gets before it is killed, in parts of a whole one.
const KILLED_AFTER: f64 = 0.7;

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Megabytes of generated log
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Turns of each program; the fastest counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// The programs and the place of the store.
struct Bench {
    stages: PathBuf,
    durable: PathBuf,
    store: PathBuf,
    runs: u32,
}

/// Measures and prints one table.
///
/// # Errors
/// The release build fails, a log cannot be written, or a program that is measured fails.
pub(crate) fn measure(options: &Options) -> Result<()> {
    run::check(run::cargo().args(["build", "--release", "--package", "mailherald-bench"]))?;
    let log = make("", options.megabytes, Format::Rfc3339)?;
    let small = make("-small", options.megabytes.min(PEER_MEGABYTES), Format::Rfc3339)?;
    println!("{}\n", log.truth.to_json());
    let release = run::target()?.join("release");
    let bench = Bench {
        stages: release.join("stages"),
        durable: release.join("durable"),
        store: run::target()?.join("bench/store"),
        runs: options.runs.max(1),
    };
    bench.peer(&small)?;
    let (parsed, replayed) = bench.replay(&log)?;
    let ratio = replayed.took.as_secs_f64() / parsed.took.as_secs_f64();
    println!("T4 = durable replay / parse: {ratio:.1} (≤ 8 floor, ≤ 5)");
    let megabytes = number(replayed.peak_bytes) / 1e6;
    println!("T9 = resident at most: {megabytes:.0} MB (≤ 128 floor, ≤ 48)");
    bench.open_after_kill(&log, replayed.took)
}

impl Bench {
    /// T3.
    fn peer(&self, log: &Log) -> Result<()> {
        let replayed = self.fastest(|| self.replayed(log))?;
        show("durable replay, small", log, &replayed);
        if !needs::optional("pflogsumm", "pflogsumm") {
            println!("T3: pflogsumm is not installed");
            return Ok(());
        }
        let peer =
            self.fastest(|| measure::run(Command::new("pflogsumm").arg(&log.path), false))?;
        show("pflogsumm, small", log, &peer);
        let ratio = peer.took.as_secs_f64() / replayed.took.as_secs_f64();
        println!("T3 = lines/s of durable replay / pflogsumm: {ratio:.1} (≥ 8 floor, ≥ 12)");
        Ok(())
    }

    /// Parse alone, and the whole.
    fn replay(&self, log: &Log) -> Result<(Run, Run)> {
        let parsed = self.fastest(|| {
            measure::run(Command::new(&self.stages).arg("parse").arg(&log.path), true)
        })?;
        show("parse, all fields", log, &parsed);
        let replayed = self.fastest(|| self.replayed(log))?;
        show("durable replay", log, &replayed);
        let bytes = size(&self.store)?;
        println!(
            "disk with all history: {:.0} MB for {} (lines, events, delivered)",
            number(bytes) / 1e6,
            replayed.printed.trim()
        );
        Ok((parsed, replayed))
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

    /// T11.
    #[expect(clippy::disallowed_methods, reason = "killed in the middle of its work")]
    fn open_after_kill(&self, log: &Log, whole: Duration) -> Result<()> {
        self.clear()?;
        let mut child = self.replay_command(log).stdout(Stdio::null()).spawn()?;
        std::thread::sleep(whole.mul_f64(KILLED_AFTER));
        child.kill().context("kill the replay")?;
        child.wait().context("wait for the replay")?;
        let bytes = size(&self.store)?;
        let opened = measure::run(Command::new(&self.durable).arg("open").arg(&self.store), true)?;
        let script = format!("find {} -type f -exec cat {{}} + > /dev/null", self.store.display());
        let read =
            self.fastest(|| measure::run(Command::new("sh").args(["-c", &script]), false))?;
        let ratio = opened.took.as_secs_f64() / read.took.as_secs_f64();
        println!(
            "T11 = open after a kill / cat of the {:.0} MB: {ratio:.1} (≤ 4 floor, ≤ 2); {:.2} s",
            number(bytes) / 1e6,
            opened.took.as_secs_f64()
        );
        self.clear()
    }

    fn fastest(&self, mut measured: impl FnMut() -> Result<Run>) -> Result<Run> {
        let mut best = measured()?;
        for _ in 1..self.runs {
            let run = measured()?;
            if run.took < best.took {
                best = run;
            }
        }
        Ok(best)
    }

    fn clear(&self) -> Result<()> {
        if self.store.exists() {
            fs::remove_dir_all(&self.store).context("remove the store")?;
        }
        fs::create_dir_all(&self.store).context("make a place for the store")
    }
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
