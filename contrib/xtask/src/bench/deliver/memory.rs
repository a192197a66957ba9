//! How much memory deliveries take that wait for a receiver that is down: no more than the same
//! events take for which nobody waits. What grows is the store.

use std::{
    fs::File,
    io::{BufWriter, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    Bench, Herald,
    measure::{Run, run_until},
    number,
};

/// In hundredths of all that is to wait.
const PARTS: [u64; 3] = [10, 50, 100];
/// Every delivery is tried once and then waits; a receiver that says nothing is soon left.
const KEYS: &str = "concurrency = 64\ntimeout = \"1s\"\nschedule = [\"0s\", \"12h\"]\n";
/// Longer than it takes to read the log that tells so many, for each of them.
const EACH: Duration = Duration::from_micros(40);
/// What trying all of them gets in any case.
const TRYING: Duration = Duration::from_secs(20);

/// How a receiver is down.
#[derive(Debug, Clone, Copy)]
enum Down {
    /// It is not, but wants none of this.
    Uninterested,
    Refuses,
    SaysNothing,
}

/// Prints a line for each way to be down.
pub(super) fn measure(bench: &Bench, pending: u64) -> Result<()> {
    let logs: Vec<(u64, PathBuf)> =
        PARTS.iter().map(|part| log(&bench.dir, pending * part / 100)).collect::<Result<_>>()?;
    println!("Most memory with so many deliveries pending, MB:");
    for down in [Down::Uninterested, Down::Refuses, Down::SaysNothing] {
        for circuit in [true, false] {
            print!("{:<14} circuit {circuit:<5}", format!("{down:?}"));
            for (count, log) in &logs {
                let run = bench.left_alone(down, circuit, log, *count)?;
                let (megabytes, seconds) = (number(run.peak_bytes) / 1e6, run.took.as_secs());
                print!("  {count:>8}: {megabytes:>4.0} ({seconds} s)");
            }
            println!();
        }
    }
    Ok(())
}

impl Bench {
    /// Until it ends because everything waits. Where every delivery is tried that would take very
    /// long, so until all is read and many were tried.
    fn left_alone(&self, down: Down, circuit: bool, log: &Path, count: u64) -> Result<Run> {
        let receiver = self.receiver(true)?;
        let url = match down {
            Down::Refuses => nobody()?,
            Down::SaysNothing | Down::Uninterested => receiver.url.clone(),
        };
        let uninterested = "events = [\"outbound.clicked\"]\n";
        let events = if matches!(down, Down::Uninterested) { uninterested } else { "" };
        let herald = Herald {
            program: &self.programs.join("mailherald"),
            dir: &self.dir.join("herald"),
            url: &url,
            keys: &format!("{KEYS}{events}circuit = {circuit}\n"),
            others: (0, ""),
        };
        let some = TRYING + EACH * u32::try_from(count)?;
        let limit = if circuit { super::PATIENCE } else { some };
        run_until(&mut herald.replay(log)?, |took| Ok(took > limit))
    }
}

/// Where nobody listens: a port that was free a moment ago.
fn nobody() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    Ok(format!("http://{}/", listener.local_addr().context("the own address")?))
}

/// So many refusals: events that leave no open message behind, which would take memory as well.
fn log(dir: &Path, count: u64) -> Result<(u64, PathBuf)> {
    let path = dir.join(format!("pending{count}.log"));
    let mut file = BufWriter::new(File::create(&path).context("write a log")?);
    for number in 0..count {
        let (minute, second) = (number / 60_000 % 60, number / 1000 % 60);
        writeln!(
            file,
            "2026-11-20T10:{minute:02}:{second:02}.{:03}000+00:00 mx postfix/smtpd[1]: NOQUEUE: \
             reject: RCPT from unknown[192.0.2.7]: 550 5.1.1 <user{number}@d.test>: Recipient \
             address rejected: User unknown; from=<a@b.test> to=<user{number}@d.test> proto=ESMTP \
             helo=<c.test>",
            number % 1000
        )
        .context("write a log")?;
    }
    file.flush().context("write a log")?;
    Ok((count, path))
}
