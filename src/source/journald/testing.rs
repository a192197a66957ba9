//! A scripted `journalctl`, and a follower of it.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    Batch, HealthSender, JournalPosition, Journald, Tally, follow::Follower, journalctl::Journalctl,
};
use crate::{clock, config::Start};

/// The boot that the followers here are in.
pub(super) const BOOT: &str = "b0b0";

/// The cursor of entry `number` of a boot.
pub(super) fn cursor(number: usize, boot: &str) -> String {
    format!("s=5;i={number:x};b={boot};m=1;t=1;x=1")
}

/// Behind entry `number` of the current boot.
pub(super) fn behind(number: usize) -> Option<JournalPosition> {
    Some(JournalPosition::Behind(cursor(number, BOOT)))
}

/// Entry `number` of a boot, as an export has it.
pub(super) fn entry(number: usize, boot: &str) -> String {
    let cursor = cursor(number, boot);
    format!(
        "__CURSOR={cursor}\n__REALTIME_TIMESTAMP=1795225632930869\n_HOSTNAME=vm\n\
         SYSLOG_IDENTIFIER=postfix/qmgr\n_PID=171\nMESSAGE=entry {number}\n\n"
    )
}

/// Entries of the current boot.
pub(super) fn entries(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| entry(number, BOOT)).collect()
}

/// A directory with a `journalctl` of shell, which writes down its arguments.
///
/// The script finds in `$way` what it is asked for: `newest`, `from` or `follow`, in `$run` the
/// how-manieth run of that way it is, from 1, and `$cursor`. It stands in its directory. Files
/// `WAY.RUN`, or else `WAY`, are what it writes, before the script goes on with its last lines.
pub(super) struct Fake {
    dir: TempDir,
}

impl Fake {
    /// With these last lines; a follow must not end by itself in most tests.
    pub(super) fn new(last: &str) -> Self {
        const HEAD: &str = "#!/bin/sh\ncd \"${0%/*}\"\necho \"$*\" >> asked\nway=from\ncursor=\n\
            for argument do case $argument in\n--lines=1) way=newest;;\n--follow) way=follow;;\n\
            --cursor=*) cursor=${argument#--cursor=};;\nesac; done\n\
            echo >> count.$way\nrun=$(($(wc -l < count.$way)))\necho $$ > pid.$way.$run\n\
            if test -e $way.$run; then cat $way.$run; elif test -e $way; then cat $way; fi\n";
        let fake = Self { dir: TempDir::new().unwrap() };
        fake.file("draft", &format!("{HEAD}{last}\n"));
        let (draft, program) = (fake.dir.path().join("draft"), fake.dir.path().join("journalctl"));
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        // Another process writes it: what a test that forks meanwhile holds open for writing
        // cannot be executed.
        assert!(Command::new("cp").args([draft, program]).status().unwrap().success());
        fake
    }

    /// What a run writes.
    pub(super) fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Does the process run whose number is in that file, or has it not written it yet?
    pub(super) fn is_running(&self, name: &str) -> bool {
        let Ok(pid) = fs::read_to_string(self.dir.path().join(name)) else { return true };
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        pid.trim().is_empty() || !(stat.is_empty() || stat.contains(") Z "))
    }

    /// Waits until it was run with that argument.
    pub(super) async fn until_asked(&self, argument: &str) {
        while !self.asked().iter().any(|asked| asked.contains(argument)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Each command line so far.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// As it is run.
    pub(super) fn journalctl(&self) -> Journalctl {
        Journalctl { program: self.dir.path().join("journalctl"), directory: None }
    }

    /// Follows it from there.
    pub(super) fn follow(&self, start: Start, position: Option<JournalPosition>) -> Following {
        self.follow_with_room(start, position, 64)
    }

    /// The same, with so many batches that may wait.
    pub(super) fn follow_with_room(
        &self,
        start: Start,
        position: Option<JournalPosition>,
        room: usize,
    ) -> Following {
        let name = "journald".to_owned();
        let source = Journald { index: 0, name, directory: None, start, position };
        let (out, batches) = mpsc::channel(room);
        let follower = Follower::new(
            source,
            self.journalctl(),
            BOOT.to_owned(),
            out,
            clock::system(),
            HealthSender::default(),
        );
        let stop = tokio_util::sync::CancellationToken::new();
        let task = tokio::spawn(follower.run(stop.clone()));
        Following { batches, task, stop, position: None }
    }
}

/// A follower at work.
pub(super) struct Following {
    pub(super) batches: mpsc::Receiver<Batch>,
    task: tokio::task::JoinHandle<Tally>,
    stop: tokio_util::sync::CancellationToken,
    /// Of the last batch.
    pub(super) position: Option<JournalPosition>,
}

impl Following {
    /// The numbers of the next entries, as soon as there are so many.
    pub(super) async fn numbers(&mut self, count: usize) -> Vec<usize> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let batch = self.batches.recv().await.unwrap();
            numbers.extend(numbers_of(&batch));
            self.position = batch.journal;
        }
        numbers
    }

    /// Ends it.
    pub(super) async fn end(self) -> Tally {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// The entries of a batch.
pub(super) fn numbers_of(batch: &Batch) -> Vec<usize> {
    let text = |span: &crate::source::LineSpan| {
        let line = batch.bytes.get(span.start as usize..span.end as usize).unwrap();
        String::from_utf8_lossy(line).into_owned()
    };
    let number = |line: String| line.rsplit_once("entry ").unwrap().1.parse().unwrap();
    batch.lines.iter().map(text).map(number).collect()
}

/// So long ago, to the second.
pub(super) fn second_before_now(span: Duration) -> i64 {
    clock::system().now().checked_sub(span).map(Timestamp::as_second).unwrap()
}
