//! One run of `journalctl`: what it writes and says, and its end.

use std::{
    io,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, ChildStdout, Command},
};

use crate::limits::JOURNALCTL_SAID_BYTES;

/// Bytes of one read of what it says.
const SAID_BYTES: usize = 1024;

/// The process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Run {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// What it said so far, up to its bound.
    said: Vec<u8>,
}

/// What a run does next.
#[derive(Debug)]
pub(super) enum Heard {
    /// It wrote so many bytes into the buffer.
    Written(usize),
    /// It said something.
    Said(String),
    /// It ended, having said this in all.
    Ended(ExitStatus, String),
}

impl Run {
    /// Starts it, in a process group of its own: a Ctrl-C in a terminal is for us, and ends it
    /// through us.
    ///
    /// # Errors
    /// When the system cannot.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Times in the few words that it says, and these words themselves, as they are known.
        command.env("LC_ALL", "C").process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Self { child, stdout, stderr, said: Vec::new() })
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// When it cannot be read or waited for.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn next(&mut self, buffer: &mut [u8]) -> io::Result<Heard> {
        let mut said = [0; SAID_BYTES];
        while self.stdout.is_some() || self.stderr.is_some() {
            tokio::select! {
                read = read(&mut self.stdout, buffer), if self.stdout.is_some() => match read? {
                    0 => self.stdout = None,
                    count => return Ok(Heard::Written(count)),
                },
                read = read(&mut self.stderr, &mut said), if self.stderr.is_some() => match read? {
                    0 => self.stderr = None,
                    count => return Ok(self.hear(said.get(..count).unwrap_or_default())),
                },
            }
        }
        let status = self.child.wait().await?;
        Ok(Heard::Ended(status, String::from_utf8_lossy(&self.said).trim().to_owned()))
    }

    /// Ends it, with whatever it started. What it wrote before can still be read.
    pub(super) fn kill(&mut self) {
        // Without an id it has ended, and the number may be another's.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            // It may have ended just now.
            kill_process_group(group, Signal::KILL).ok();
        }
    }

    fn hear(&mut self, said: &[u8]) -> Heard {
        let room = JOURNALCTL_SAID_BYTES.saturating_sub(self.said.len());
        self.said.extend_from_slice(said.get(..room).unwrap_or(said));
        Heard::Said(String::from_utf8_lossy(said).trim().to_owned())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads from a pipe that is there; 0 at its end.
async fn read(
    pipe: &mut Option<impl AsyncReadExt + Unpin>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => Ok(0),
    }
}
