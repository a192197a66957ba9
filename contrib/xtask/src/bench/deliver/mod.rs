//! `cargo xtask bench deliver`: what sending costs, beside wrk and syslog-ng with the same receiver,
//! and what waits in memory for one that is down.
//!
//! The receiver is a process of its own on the same machine, and counts: requests a second are what
//! has arrived, on both sides of each ratio.

pub(super) mod herald;
mod memory;
pub(super) mod receiver;
mod syslog_ng;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{Log, guided, make, measure, measure::Run};
use crate::{loggen::Format, needs, run};
use herald::Herald;
use receiver::Receiver;

/// What is built for it.
const PROGRAMS: [&str; 3] = ["mailherald", "post", "receiver"];
/// Requests under way at once, of T6.
const CONCURRENCY: &str = "64";
/// Requests of a turn of T6.
const POSTS: u64 = 100_000;
/// How long wrk posts.
const WRK_SECONDS: &str = "3";
/// What wrk posts, `BYTES` of it.
const WRK_SCRIPT: &str = "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", BYTES)\n\
                          wrk.headers[\"Content-Type\"] = \"application/json\"\n";
/// Keys of the webhook that T5 sends to. It wants what syslog-ng is made to send: what became of
/// messages, and refusals, but not that they came in.
const BUSY: &str = "concurrency = 64\nevents = [\"outbound.delivered\", \"outbound.deferred\", \
                    \"outbound.bounced\", \"outbound.rejected\", \"outbound.dropped\", \
                    \"inbound.delivered\", \"inbound.deferred\", \"inbound.bounced\", \
                    \"inbound.blocked\", \"inbound.dropped\"]\n";
/// Webhooks that no event of the log is for.
const OTHERS: usize = 999;
/// When a program that was to send something is given up.
const PATIENCE: Duration = Duration::from_mins(5);

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Megabytes of generated log
    #[arg(long, default_value_t = 100)]
    megabytes: u64,
    /// Turns of each program; the fastest counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Deliveries that wait for a receiver that is down
    #[arg(long, default_value_t = 1_000_000)]
    pending: u64,
    /// Only this, and no more
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// T6: requests a second, beside wrk
    Post,
    /// T5: a log to requests, beside syslog-ng
    Pipeline,
    /// One webhook of a thousand is told
    Many,
    /// Deliveries that wait
    Pending,
}

struct Bench {
    programs: PathBuf,
    dir: PathBuf,
    log: Log,
    runs: u32,
}

/// Measures and prints one table.
///
/// # Errors
/// A build fails, a log cannot be written, or a program that is measured fails.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let programs = guided::programs(&PROGRAMS)?;
    let log = make("-deliver", options.megabytes, Format::Rfc3339)?;
    println!("{}\n", log.truth.to_json());
    let dir = run::target()?.join("bench/deliver");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let bench = Bench { programs, dir, log, runs: options.runs.max(1) };
    let is_wanted = |part| options.only.is_empty() || options.only.contains(&part);
    if is_wanted(Part::Post) {
        bench.post()?;
    }
    if is_wanted(Part::Pipeline) {
        bench.pipeline()?;
    }
    if is_wanted(Part::Many) {
        bench.many()?;
    }
    if is_wanted(Part::Pending) {
        memory::measure(&bench, options.pending)?;
    }
    Ok(())
}

impl Bench {
    /// T6.
    fn post(&self) -> Result<()> {
        let receiver = self.receiver(false)?;
        let mut bytes = 0;
        let ours = self.best(|| {
            let rate;
            (rate, bytes) = self.posted(&receiver)?;
            Ok(rate)
        })?;
        if !needs::optional("wrk", "wrk") {
            println!("T6: wrk is not installed");
            return Ok(());
        }
        let theirs = self.best(|| self.wrk(&receiver, bytes))?;
        verdict("T6", ours / theirs, [0.28, 0.35], "× requests/s of wrk, 64 at once");
        Ok(())
    }

    /// Requests a second of our sender, and bytes of a body on average.
    fn posted(&self, receiver: &Receiver) -> Result<(f64, u64)> {
        let mut command = Command::new(self.programs.join("post"));
        command.arg(&receiver.url).arg(&self.log.path).arg(POSTS.to_string()).arg(CONCURRENCY);
        let run = measure::run(&mut command, true)?;
        let words: Vec<&str> = run.printed.split_whitespace().collect();
        let [seconds, failed, bytes] = words[..] else { anyhow::bail!("{}", run.printed) };
        ensure!(failed == "0", "{failed} requests failed");
        let (rate, bytes) = (number(POSTS) / seconds.parse::<f64>()?, bytes.parse()?);
        let each_us = run.cpu.as_secs_f64() * 1e6 / number(POSTS);
        println!("our sender: {rate:.0} requests/s of {bytes} B, {each_us:.1} µs CPU each");
        Ok((rate, bytes))
    }

    /// Requests a second of wrk, with bodies of so many bytes.
    fn wrk(&self, receiver: &Receiver, bytes: u64) -> Result<f64> {
        let script = self.dir.join("post.lua");
        let text = WRK_SCRIPT.replace("BYTES", &bytes.to_string());
        fs::write(&script, text).context("write a script for wrk")?;
        let mut command = Command::new("wrk");
        command.args(["-t1", "-c", CONCURRENCY, "-d", WRK_SECONDS, "-s"]).arg(&script);
        let run = measure::run(command.arg(&receiver.url), true)?;
        let line = run.printed.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        let rate = line.context("wrk says nothing")?.trim().parse()?;
        println!("wrk: {rate:.0} requests/s of {bytes} B");
        Ok(rate)
    }

    /// T5.
    fn pipeline(&self) -> Result<()> {
        let ours = self.fastest(|| self.replayed("mailherald", BUSY, (0, "")))?;
        if !needs::optional("syslog-ng", "syslog-ng-mod-http") {
            println!("T5: syslog-ng is not installed");
            return Ok(());
        }
        let theirs = self.fastest(|| self.followed())?;
        let lines = theirs.took.as_secs_f64() / ours.took.as_secs_f64();
        verdict("T5", lines, [1.5, 2.5], "× lines/s of syslog-ng, one request for each event");
        let cpu = ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64();
        verdict("T5", cpu, [1.0, 0.5], "× CPU of syslog-ng");
        Ok(())
    }

    /// One that has everything to do, and others with nothing, because of what they ask for.
    fn many(&self) -> Result<()> {
        let one = self.fastest(|| self.replayed("1 webhook", BUSY, (0, "")))?;
        for (what, keys) in [
            ("other types", "events = [\"outbound.clicked\"]\n"),
            ("other users", "filter_users = [\"user{}\"]\nevents = [\"outbound.*\"]\n"),
            ("other domains", "filter_domains = [\"{}.test\"]\nevents = [\"inbound.*\"]\n"),
        ] {
            let many = self.fastest(|| self.replayed("1000 webhooks", BUSY, (OTHERS, keys)))?;
            let ratio = one.took.as_secs_f64() / many.took.as_secs_f64();
            verdict("1000", ratio, [0.8, 1.0], &format!("× lines/s of 1 webhook; 999 want {what}"));
        }
        Ok(())
    }

    fn replayed(&self, name: &str, keys: &str, others: (usize, &str)) -> Result<Run> {
        let mut receiver = self.receiver(false)?;
        let herald = Herald {
            program: &self.programs.join("mailherald"),
            dir: &self.dir.join("herald"),
            url: &receiver.url,
            keys,
            others,
        };
        let run = measure::run(&mut herald.replay(&self.log.path)?, false)?;
        self.show(name, &run, receiver.requests()?);
        Ok(run)
    }

    /// Everything that tells something, refusals too.
    fn followed(&self) -> Result<Run> {
        let truth = &self.log.truth;
        let telling = truth.sent + truth.handed_over + truth.deferred + truth.bounced;
        let telling = telling + truth.rejected;
        let mut receiver = self.receiver(false)?;
        let dir = self.dir.join("syslog-ng");
        let mut command = syslog_ng::follow(&dir, &self.log.path, &receiver.url)?;
        let run = measure::run_until(&mut command, |took| {
            ensure!(took < PATIENCE, "syslog-ng does not send {telling} requests");
            Ok(receiver.requests()? >= telling)
        })?;
        self.show("syslog-ng", &run, receiver.requests()?);
        Ok(run)
    }

    fn receiver(&self, mute: bool) -> Result<Receiver> {
        Receiver::start(&self.programs.join("receiver"), mute)
    }

    fn show(&self, name: &str, run: &Run, requests: u64) {
        let seconds = run.took.as_secs_f64();
        println!(
            "{name:<14} {seconds:>6.2} s {:>6.2} s CPU {:>8.0} lines/s {requests:>7} requests \
             {:>6.0}/s, at most {:>4.0} MB",
            run.cpu.as_secs_f64(),
            number(self.log.truth.lines) / seconds,
            number(requests) / seconds,
            number(run.peak_bytes) / 1e6
        );
    }

    fn best(&self, mut measured: impl FnMut() -> Result<f64>) -> Result<f64> {
        (0..self.runs).try_fold(0.0, |best: f64, _| Ok(best.max(measured()?)))
    }

    fn fastest(&self, measured: impl FnMut() -> Result<Run>) -> Result<Run> {
        measure::fastest(self.runs, measured)
    }
}

/// Where the goal is above the floor, more is better.
fn verdict(name: &str, value: f64, [floor, goal]: [f64; 2], what: &str) {
    let sign = (goal - floor).signum();
    let verdict = match value * sign {
        value if value >= goal * sign => "reached",
        value if value >= floor * sign => "above the floor",
        _ => "MISSED",
    };
    println!("{name} = {value:.2} {what} (floor {floor}, goal {goal}): {verdict}\n");
}

#[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn number(count: u64) -> f64 {
    count as f64
}
