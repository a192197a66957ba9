//! The program under test, running.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{PATIENCE, receiver::Receiver, until};

pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    command.args(args).env_remove("MAILHERALD_CONFIG").env_remove("MAILHERALD_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs to the end.
pub(crate) fn output(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory with a log, a state directory and a configuration.
pub(crate) struct Host {
    dir: TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Writes a configuration with one source and one webhook, and gives its path. The Postfix of
    /// the machine, if there is one, has no say. Nothing listens on the network unless `webhook` ends
    /// with an `[api]`: tests run beside each other.
    pub(crate) fn configure(&self, source: &str, receiver: &Receiver, webhook: &str) -> String {
        let api = if webhook.contains("[api]") { "" } else { "[api]\nlisten = \"none\"\n" };
        let text = format!(
            "state_dir = \"{}\"\n[mail]\npostconf = \"off\"\n{api}[[source]]\n{source}\n[[webhook]]\n\
             name = \"Shop\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\n{webhook}\n",
            self.text("state"),
            receiver.url()
        );
        fs::write(self.path("mailherald.toml"), text).unwrap();
        // It holds a secret.
        fs::set_permissions(self.path("mailherald.toml"), Permissions::from_mode(0o600)).unwrap();
        self.text("mailherald.toml")
    }

    /// A source that reads the log of this host from its beginning.
    pub(crate) fn log_source(&self) -> String {
        format!("include = [\"{}\"]\nstart = \"beginning\"", self.text("mail.log"))
    }

    /// Starts the program; its standard error is in the file `said`.
    pub(crate) fn start(&self, args: &[&str], stdin: Stdio) -> Program {
        self.start_command(command(args), stdin)
    }

    /// The same for a command that was made ready elsewhere.
    pub(crate) fn start_command(&self, mut command: Command, stdin: Stdio) -> Program {
        let said = self.path("said");
        let stderr = File::create(&said).unwrap();
        let child = command.stdin(stdin).stdout(Stdio::null()).stderr(stderr).spawn();
        Program { child: child.unwrap(), said }
    }

    /// Starts `run` with this configuration and waits until it runs.
    pub(crate) fn run(&self, config: &str) -> Program {
        let program = self.start(&["run", "--config", config], Stdio::null());
        program.until_it_says("mailherald is running");
        program
    }
}

/// A process of ours. Dropping it ends it.
pub(crate) struct Program {
    pub(crate) child: Child,
    said: PathBuf,
}

impl Program {
    pub(crate) fn said(&self) -> String {
        text(&fs::read(&self.said).unwrap())
    }

    pub(crate) fn until_it_says(&self, words: &str) {
        until(words, || self.said().contains(words));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Most memory that it has had in RAM at once (proc(5)); None once it has ended.
    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    /// Its exit code, once it has ended by itself.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        until("the end of the program", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Kills it without a word, as a power cut would.
    pub(crate) fn kill(mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.said());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends the signal and waits for the end.
    pub(crate) fn stop(mut self, signal: Signal) {
        let asked = std::time::Instant::now();
        self.signal(signal);
        assert_eq!(self.exit_code(), Some(0), "{}", self.said());
        assert!(asked.elapsed() < PATIENCE / 2, "it took {:?}", asked.elapsed());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended before; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The one child whose path this is, below a directory.
pub(crate) fn only_file_in(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    path
}
