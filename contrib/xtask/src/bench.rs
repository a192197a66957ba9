//! `cargo xtask bench`: numbers beside what the machine can do at all.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{loggen::Format, make_log, run};

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Lines a second of `replay --dry-run`, beside `wc -l` on the same file
    Parse(ParseOptions),
}

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct ParseOptions {
    /// Megabytes of generated log
    #[arg(long, default_value_t = 100)]
    megabytes: u64,
    /// Runs of each program; the fastest counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Measures and prints one table.
///
/// # Errors
/// The release build fails, or a program that is measured does.
pub(crate) fn parse(options: &ParseOptions) -> Result<()> {
    run::check(run::cargo().args(["build", "--release", "--bin", "mailherald"]))?;
    let directory = run::target()?.join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let log = directory.join(format!("{}mb.log", options.megabytes));
    let truth = make_log::make(&log, options.megabytes * 1_000_000, 1, Format::Rfc3339)?;
    println!("{} lines, {} bytes: {}\n", truth.lines, truth.bytes, truth.to_json());

    let herald = run::target()?.join("release/mailherald");
    let mut count = Command::new("wc");
    count.arg("-l").arg(&log);
    let mut replay = Command::new(herald);
    replay.args(["replay", "--dry-run"]).arg(&log);
    let floor = fastest(&mut count, options.runs)?;
    println!("{:<28} {:>9} {:>12} {:>8} {:>7}", "program", "seconds", "lines/s", "MB/s", "× wc");
    for (name, command) in [("wc -l", &mut count), ("mailherald replay --dry-run", &mut replay)] {
        let seconds = fastest(command, options.runs)?.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
        let (lines, bytes) = (truth.lines as f64 / seconds, truth.bytes as f64 / 1e6 / seconds);
        let times = seconds / floor.as_secs_f64();
        println!("{name:<28} {seconds:>9.3} {lines:>12.0} {bytes:>8.0} {times:>7.1}");
    }
    Ok(())
}

fn fastest(command: &mut Command, runs: u32) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..runs.max(1) {
        best = best.min(timed(command)?);
    }
    Ok(best)
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this task is for")]
fn timed(command: &mut Command) -> Result<Duration> {
    let nowhere = || File::create(Path::new("/dev/null")).map(Stdio::from);
    command.stdout(nowhere()?).stderr(nowhere()?);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    let took = start.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}
