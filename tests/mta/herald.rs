//! The product under test, as a stranger starts it: `mailherald --config FILE run`.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{receiver::Receiver, wait};

/// What a graceful stop may take, with every request under way answered at once.
const STOP: Duration = Duration::from_secs(30);

const CONFIG: &str = r#"
state_dir = "@STATE@"

[api]
listen = "none"

[mail]
local_domains = ["here.test", "box.test"]
mynetworks = ["127.0.0.1/32"]
"#;

const POSTFIX: &str = r#"
[[source]]
kind = "file"
include = ["@LOG@"]
mta = "postfix"
start = "beginning"
"#;

const WEBHOOK: &str = r#"
[[webhook]]
name = "@PROFILE@"
url = "@URL@"
profile = "@PROFILE@"
events = ["*"]
secret = "@SECRET@"
"#;

/// One configured `mailherald`, running or not.
#[derive(Debug)]
pub(crate) struct Herald {
    config: PathBuf,
    messages: PathBuf,
    child: Option<Child>,
}

impl Herald {
    /// Writes the configuration into `dir`: a log of Postfix, and one webhook for each of these
    /// profiles and secrets.
    pub(crate) fn new(
        dir: &Path,
        log: &Path,
        receiver: &Receiver,
        profiles: &[(&str, &str)],
    ) -> Self {
        Self::reading(dir, &POSTFIX.replace("@LOG@", path_text(log)), receiver, profiles)
    }

    /// As [`Herald::new`], with these sources.
    pub(crate) fn reading(
        dir: &Path,
        sources: &str,
        receiver: &Receiver,
        profiles: &[(&str, &str)],
    ) -> Self {
        let config = CONFIG.replace("@STATE@", path_text(&dir.join("state")));
        let webhooks = profiles.iter().map(|(profile, secret)| {
            WEBHOOK
                .replace("@PROFILE@", profile)
                .replace("@SECRET@", secret)
                .replace("@URL@", &receiver.url(profile))
        });
        let text: String = [config, sources.to_owned()].into_iter().chain(webhooks).collect();
        let config = dir.join("mailherald.toml");
        fs::write(&config, text).expect("dir is ours");
        // It holds secrets.
        fs::set_permissions(&config, Permissions::from_mode(0o600)).expect("the file is ours");
        Self { config, messages: dir.join("mailherald.stderr"), child: None }
    }

    /// Starts the daemon. Whatever runs must have been stopped before.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "one daemon a state directory");
        let messages = OpenOptions::new().create(true).append(true).open(&self.messages);
        let child = self
            .command(&["run"])
            .stdout(Stdio::null())
            .stderr(messages.expect("dir is ours"))
            .spawn()
            .expect("the binary was built for this test");
        self.child = Some(child);
    }

    /// Kills it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it was started");
        let ended = child.try_wait().expect("the child is ours");
        assert!(ended.is_none(), "mailherald ended by itself: {ended:?}\n{}", self.said());
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    }

    /// Adds lines to the end of the configuration.
    pub(crate) fn add(&self, lines: &str) {
        let text = fs::read_to_string(&self.config).expect("it was written");
        fs::write(&self.config, text + lines).expect("dir is ours");
    }

    /// Adds keys to the section `[mail]`.
    pub(crate) fn add_to_mail_section(&self, keys: &str) {
        let text = fs::read_to_string(&self.config).expect("it was written");
        let text = text.replace("[mail]\n", &format!("[mail]\n{keys}"));
        fs::write(&self.config, text).expect("dir is ours");
    }

    /// Makes it hang, until [`Herald::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process has an id"), signal).expect("the child is ours");
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it was started");
        let status = wait::find(STOP, || child.try_wait().expect("the child is ours"));
        if status.is_none() {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
        }
        status.unwrap_or_else(|| panic!("no end within {STOP:?} of SIGTERM\n{}", self.said()))
    }

    /// The events of a log by `replay --dry-run`: no store, no queue, no network.
    pub(crate) fn dry_run(&self, log: &Path) -> Vec<Value> {
        let out = self.command(&["replay", "--dry-run", path_text(log)]).output();
        let out = out.expect("the binary was built for this test");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
        let parse = |line| serde_json::from_str(line).expect("one JSON object a line");
        text.lines().map(parse).collect()
    }

    /// Brings a mail to the daemon, as a pipe would: exit code and output.
    pub(crate) fn ingest(&self, mail: &str) -> (Option<i32>, Value) {
        let mut command = self.command(&["ingest", "--json"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built for this test");
        let mut stdin = child.stdin.take().expect("it was asked for");
        stdin.write_all(mail.as_bytes()).expect("all of the mail is read");
        drop(stdin);
        let out = child.wait_with_output().expect("the child is ours");
        (out.status.code(), serde_json::from_slice(&out.stdout).unwrap_or_default())
    }

    /// An envelope sender as an application signs it, with the key that is configured.
    pub(crate) fn sign(&self, address: &str) -> String {
        let out = self.command(&["verp", "sign", address]).output();
        let out = out.expect("the binary was built for this test");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("an address is ASCII").trim().to_owned()
    }

    /// All that the daemon wrote on stderr.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.messages).unwrap_or_default()).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
        command.arg("--config").arg(&self.config).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The test failed before it stopped the daemon; nobody else will.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
