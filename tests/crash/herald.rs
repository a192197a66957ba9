//! The program under test, and its own reading of the log without a store.

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What it says when the store is open and all threads run.
const RUNNING: &str = "mailherald is running";
/// Name of the one source.
pub(crate) const SOURCE: &str = "crash";
/// Name of the one webhook.
pub(crate) const WEBHOOK: &str = "Shop";

/// Directories and configuration of a daemon.
pub(crate) struct Herald {
    dir: PathBuf,
}

/// A running daemon.
pub(crate) struct Process {
    child: Child,
    said: PathBuf,
}

impl Herald {
    pub(crate) fn new(dir: &Path, port: u16) -> Self {
        let config = format!(
            "state_dir = \"{dir}/state\"\n[mail]\npostconf = \"off\"\n[api]\nlisten = \"none\"\n\
             [[source]]\nname = \"{SOURCE}\"\ninclude = [\"{dir}/mail.log\"]\nstart = \"beginning\"\n\
             [[webhook]]\nname = \"{WEBHOOK}\"\nurl = \"http://127.0.0.1:{port}/\"\n\
             secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n\
             events = [\"outbound.*\", \"inbound.*\"]\n\
             schedule = [\"100ms\", \"200ms\"]\n",
            dir = dir.display()
        );
        let path = dir.join("mailherald.toml");
        fs::write(&path, config).unwrap();
        // It holds a secret.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("mail.log")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(crate) fn start(&self) -> Process {
        let said = self.dir.join("said");
        let stderr = File::create(&said).unwrap();
        let mut command = self.command(&["run"]);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Process { child, said }
    }

    /// How long it takes from the beginning of the process until it runs.
    pub(crate) fn time_to_start(&self) -> Duration {
        let begin = Instant::now();
        let process = self.start();
        until(Duration::from_secs(30), || process.said().contains(RUNNING), || process.said());
        begin.elapsed()
    }

    /// Starts it and kills it after `life`; true when it had come to run.
    pub(crate) fn run_and_kill(&self, life: Duration) -> bool {
        let process = self.start();
        // Not a wait for something to happen: the moment of the kill is the input of this test.
        std::thread::sleep(life);
        let mut process = process;
        let ended = process.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself, {ended:?}: {}", process.said());
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        process.said().contains(RUNNING)
    }

    /// Id and type of each event in the first `length` bytes of the log.
    pub(crate) fn events_of_the_log(&self, length: u64) -> BTreeMap<String, String> {
        let part = self.dir.join("part.log");
        fs::copy(self.log(), &part).unwrap();
        let file = File::options().write(true).open(&part).unwrap();
        file.set_len(length.min(file.metadata().unwrap().len())).unwrap();
        let output = self.command(&["replay", "--dry-run"]).arg(&part).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut events = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            if text("type") == "outbound.sending" {
                continue; // no webhook wants it, so it is not stored
            }
            assert_eq!(events.insert(text("id"), text("type")), None, "two events with one id");
        }
        events
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
        command.args(args).arg("--config").arg(self.dir.join("mailherald.toml"));
        command.env_remove("MAILHERALD_LOG").stdin(Stdio::null());
        command
    }
}

impl Process {
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap()).into_owned()
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.said());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until it is so.
pub(crate) fn until(
    patience: Duration,
    mut is_so: impl FnMut() -> bool,
    what: impl Fn() -> String,
) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {}", what());
        std::thread::sleep(Duration::from_millis(2));
    }
}
