//! Runs `postconf(1)` and reads its answer: no shell, a bounded wait, a bounded size.

use std::{
    env,
    ffi::OsStr,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;

use crate::limits;

/// Searched behind `PATH`, which of an ordinary user often lacks them.
const SBIN: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Why `postconf` gave no answer.
#[derive(Debug, Error)]
#[error("ask {program}")]
pub struct AskError {
    /// The program.
    program: PathBuf,
    /// What went wrong.
    source: io::Error,
}

/// `postconf`, if it is there.
pub(super) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(&path, &SBIN)
}

fn find_in(path: &OsStr, more: &[&str]) -> Option<PathBuf> {
    let directories = env::split_paths(path).chain(more.iter().map(PathBuf::from));
    let programs = directories.filter(|dir| dir.is_absolute()).map(|dir| dir.join("postconf"));
    programs.into_iter().find(|program| program.is_file())
}

/// Its answer to `postconf -x PARAMETER…`: a line `name = value` for each parameter that it knows,
/// with every `$name` expanded (Postfix 2.10 and later). What it complains about is thrown away.
pub(super) fn ask(program: &Path, parameters: &[&str], wait: Duration) -> Result<String, AskError> {
    let failed = |source| AskError { program: program.to_owned(), source };
    let mut command = Command::new(program);
    command.arg("-x").args(parameters).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let answer = child.stdout.take().map_or_else(|| Ok(Vec::new()), |out| listen(out, wait));
    end(child);
    let answer = answer.map_err(failed)?;
    if answer.is_empty() {
        return Err(failed(io::Error::other("it says nothing")));
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Reads on a thread of its own, because a read cannot be given a deadline.
fn listen(stdout: ChildStdout, wait: Duration) -> io::Result<Vec<u8>> {
    let (to, from) = mpsc::sync_channel(1);
    thread::Builder::new().name("postconf".into()).spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(limits::POSTCONF_BYTES + 1).read_to_end(&mut answer);
        // Nobody listens any more when it took too long.
        to.send(read.map(|_| answer)).ok();
    })?;
    let answer = match from.recv_timeout(wait) {
        Ok(answer) => answer?,
        Err(RecvTimeoutError::Timeout) => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
        }
        Err(RecvTimeoutError::Disconnected) => {
            return Err(io::Error::other("the thread that reads it is gone"));
        }
    };
    if answer.len() as u64 > limits::POSTCONF_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it says more than 64 KiB"));
    }
    Ok(answer)
}

/// Ends it and what it started. It has said all, or too much, or nothing in time. Somebody else
/// waits for its end: even a killed process may hang in a read of a file system that is gone.
fn end(mut child: Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended already.
        kill_process_group(group, Signal::KILL).ok();
    }
    let wait = move || {
        child.wait().ok();
    };
    // Without a thread for it a dead entry stays in the process table.
    thread::Builder::new().name("postconf's end".into()).spawn(wait).ok();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{error::Error, fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;

    use super::*;

    /// A `postconf` of these lines of shell.
    fn fake(script: &str) -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let (draft, path) = (dir.path().join("draft"), dir.path().join("postconf"));
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        // Another process writes it: what a test that forks meanwhile holds open for writing
        // cannot be executed.
        assert!(Command::new("cp").args([&draft, &path]).status().unwrap().success());
        (dir, path)
    }

    /// Long enough for whoever answers never.
    const SHORT: Duration = Duration::from_millis(500);

    fn why(script: &str) -> String {
        let (_dir, program) = fake(script);
        ask(&program, &["x"], limits::POSTCONF_WAIT).unwrap_err().source().unwrap().to_string()
    }

    #[test]
    fn it_is_asked_to_expand_each_parameter() {
        let (_dir, program) = fake("echo \"asked $*\"; echo complaint >&2; exit 1");
        let parameters = ["mynetworks", "mydestination"];
        let answer = ask(&program, &parameters, limits::POSTCONF_WAIT).unwrap();
        assert_eq!(answer, "asked -x mynetworks mydestination\n");
    }

    #[test]
    fn too_much_too_late_and_nothing_are_no_answer() {
        let (_dir, late) = fake("echo early; exec sleep 3600");
        let error = ask(&late, &["x"], SHORT).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "it takes too long");
        assert_eq!(why("exec yes"), "it says more than 64 KiB");
        assert_eq!(why("exit 1"), "it says nothing");
        assert!(ask(Path::new("/nowhere/postconf"), &["x"], SHORT).is_err());
    }

    /// What it left behind keeps the pipe open.
    #[test]
    fn what_it_started_is_ended_with_it() {
        let (dir, program) = fake("sleep 3600 & echo $! > \"${0%/*}/pid\"");
        assert!(ask(&program, &["x"], limits::POSTCONF_WAIT).is_err());
        let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
        let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let is_gone = || state().is_empty() || state().contains(") Z ");
        while !is_gone() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_path_comes_before_the_usual_places() {
        let (first, program) = fake("");
        let (second, other) = fake("");
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(find_in(&path, &[]), Some(program));
        let usual = second.path().to_str().unwrap();
        assert_eq!(find_in(OsStr::new("/nowhere"), &[usual]), Some(other));
        assert_eq!(find_in(OsStr::new("/nowhere:.:"), &[]), None);
    }
}
