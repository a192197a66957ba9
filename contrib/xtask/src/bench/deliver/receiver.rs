//! The receiver that all senders are measured with, a process of its own.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result};

/// It listens for as long as this lives.
pub(in crate::bench) struct Receiver {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(in crate::bench) url: String,
}

impl Receiver {
    /// One that says yes to everything, or, if `mute`, nothing.
    pub(in crate::bench) fn start(program: &Path, mute: bool) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(mute.then_some("mute")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("start the receiver")?;
        let questions = process.stdin.take().context("its input")?;
        let answers = BufReader::new(process.stdout.take().context("its output")?);
        let mut receiver = Self { process, questions, answers, url: String::new() };
        receiver.url = receiver.line()?;
        Ok(receiver)
    }

    /// Requests that have come so far.
    pub(in crate::bench) fn requests(&mut self) -> Result<u64> {
        self.questions.write_all(b"\n").context("ask the receiver")?;
        self.line()?.parse().context("a number of requests")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("listen to the receiver")?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself; then what asks it fails.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
