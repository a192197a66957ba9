//! One program, run and measured: time from outside, processor time and memory from proc(5).

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Between two looks at a program. What it does right before it ends is not seen. A look takes time
/// that the program would have.
const LOOK: Duration = Duration::from_millis(5);

/// What processor time is counted in (`USER_HZ`, which is 100 for programs on nearly all Linux).
const TICK: Duration = Duration::from_millis(10);

/// What one run took.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// From start to end.
    pub(super) took: Duration,
    /// On a processor, all threads together: what other programs at the same time hardly change.
    pub(super) cpu: Duration,
    /// Most memory that was resident at once, in bytes.
    pub(super) peak_bytes: u64,
    /// What it printed; nothing unless asked for.
    pub(super) printed: String,
}

/// Runs a program to its end. What it prints goes to `/dev/null`, unless it is to be `read`.
///
/// # Errors
/// It cannot be started or does not end well.
#[expect(clippy::disallowed_methods, reason = "measuring is what this task is for")]
pub(super) fn run(command: &mut Command, read: bool) -> Result<Run> {
    let nowhere = || fs::File::create("/dev/null").map(Stdio::from);
    command.stdout(if read { Stdio::piped() } else { nowhere()? }).stderr(nowhere()?);
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let (output, took, Seen { cpu, peak_bytes }) = watched(child, start)?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    let printed = String::from_utf8(output.stdout).context("read what it printed")?;
    Ok(Run { took, cpu, peak_bytes, printed })
}

/// Runs a program until it ends or is `done`, which is asked now and then; then it is killed. What
/// it prints goes to `/dev/null`. How it ends does not matter.
///
/// # Errors
/// It cannot be started, or `done` fails.
#[expect(clippy::disallowed_methods, reason = "measuring is what this task is for")]
pub(super) fn run_until(
    command: &mut Command,
    mut done: impl FnMut(Duration) -> Result<bool>,
) -> Result<Run> {
    let nowhere = || fs::File::create("/dev/null").map(Stdio::from);
    command.stdin(Stdio::null()).stdout(nowhere()?).stderr(nowhere()?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let mut run = Run::default();
    loop {
        run.cpu = cpu(child.id()).unwrap_or_default().max(run.cpu);
        run.peak_bytes = peak_bytes(child.id()).unwrap_or_default().max(run.peak_bytes);
        run.took = start.elapsed();
        if child.try_wait().context("look after a program")?.is_some() {
            return Ok(run);
        }
        let is_done = done(run.took);
        if !matches!(is_done, Ok(false)) {
            child.kill().context("end a program")?;
            child.wait().context("wait for a program")?;
            is_done?;
            return Ok(run);
        }
        thread::sleep(LOOK);
    }
}

/// The last look at a program.
#[derive(Debug, Default)]
struct Seen {
    cpu: Duration,
    peak_bytes: u64,
}

fn watched(child: Child, start: Instant) -> Result<(Output, Duration, Seen)> {
    let id = child.id();
    let (ended, end) = sync_channel(1);
    thread::scope(|scope| {
        let watcher = scope.spawn(move || watch(id, &end));
        let output = child.wait_with_output();
        let took = start.elapsed();
        drop(ended);
        let seen = watcher.join().unwrap_or_default();
        Ok((output.context("wait for a program")?, took, seen))
    })
}

/// Looks until the other side of `end` is gone.
fn watch(id: u32, end: &Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    loop {
        seen.cpu = cpu(id).unwrap_or_default().max(seen.cpu);
        seen.peak_bytes = peak_bytes(id).unwrap_or_default().max(seen.peak_bytes);
        if end.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
            return seen;
        }
    }
}

/// `proc_pid_stat(5)`: `utime` and `stime`, of threads that have ended as well, stand 11 and 12
/// fields behind the state, which follows the name in parentheses.
fn cpu(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u32 = times.map(str::parse::<u32>).sum::<Result<_, _>>().ok()?;
    Some(TICK * ticks)
}

/// proc(5): `VmHWM:      1234 kB`. Nothing once the program has ended.
fn peak_bytes(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The fastest of some turns.
pub(crate) fn fastest(runs: u32, mut measured: impl FnMut() -> Result<Run>) -> Result<Run> {
    (1..runs).try_fold(measured()?, |best, _| Ok(faster(best, measured()?)))
}

/// The fastest of some turns of each, where one follows the other: a slow moment of the machine is one
/// of both.
pub(crate) fn fastest_in_turns(
    runs: u32,
    mut one: impl FnMut() -> Result<Run>,
    mut other: impl FnMut() -> Result<Run>,
) -> Result<(Run, Run)> {
    (1..runs).try_fold((one()?, other()?), |(best_one, best_other), _| {
        Ok((faster(best_one, one()?), faster(best_other, other()?)))
    })
}

fn faster(one: Run, other: Run) -> Run {
    if other.took < one.took { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_programs_that_take_turns_the_fastest_turn_of_each_counts() {
        let taking = |seconds: [u64; 3]| {
            let mut turns = seconds.into_iter().map(Duration::from_secs);
            move || Ok(Run { took: turns.next().unwrap(), ..Run::default() })
        };
        let (one, other) = fastest_in_turns(3, taking([3, 1, 2]), taking([5, 6, 4])).unwrap();
        assert_eq!((one.took.as_secs(), other.took.as_secs()), (1, 4));
    }

    #[test]
    fn what_a_program_prints_and_needs_is_known() {
        let seen = run(Command::new("sh").args(["-c", "read x < /proc/self/stat; echo $x"]), true);
        let seen = seen.unwrap();
        assert!(seen.printed.contains("(sh)"), "{}", seen.printed);
        assert!(run(&mut Command::new("false"), false).is_err());
        let this = peak_bytes(std::process::id()).unwrap();
        assert!(this > 100_000, "{this}");
        assert!(cpu(std::process::id()).is_some());
    }
}
