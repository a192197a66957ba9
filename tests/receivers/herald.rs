//! The program under test: one replay of a log to many webhooks.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::SECRET;

/// A webhook.
pub(crate) struct Target {
    name: String,
    profile: String,
    url: String,
}

impl Target {
    /// `program` listens at `url`.
    pub(crate) fn new(program: &str, profile: &str, url: &str) -> Self {
        let name = format!("{program} for {profile}");
        Self { name, profile: profile.to_owned(), url: url.to_owned() }
    }

    fn config(&self) -> String {
        let Self { name, profile, url } = self;
        // All that the profile has a word for.
        let events = match profile.as_str() {
            "generic" => r#"["outbound.*", "outbound.sending", "outbound.deferred"]"#,
            _ => r#"["outbound.*", "outbound.sending", "inbound.*"]"#,
        };
        format!(
            "[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nprofile = \"{profile}\"\n\
             events = {events}\nsecret = \"{SECRET}\"\n"
        )
    }
}

const MAIL: &str =
    "[api]\nlisten = \"none\"\n[mail]\npostconf = \"off\"\nlocal_domains = [\"lab.test\"]\n";

fn mailherald(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    command.arg("--config").arg(dir.join("mailherald.toml")).stdin(Stdio::null());
    command.env_remove("MAILHERALD_LOG");
    command
}

/// Tells all of them about the log, and waits until nothing is left to send.
pub(crate) fn replay(dir: &Path, log: &Path, targets: &[Target]) {
    let state = dir.join("state");
    let webhooks: String = targets.iter().map(Target::config).collect();
    let text = format!("state_dir = \"{}\"\n{MAIL}{webhooks}", state.display());
    let config = dir.join("mailherald.toml");
    fs::write(&config, text).unwrap();
    // It holds a secret.
    fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    let out = mailherald(dir).arg("replay").arg(log).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// The events of the log, without store and network.
pub(crate) fn dry_run(dir: &Path, log: &Path) -> Vec<Value> {
    let out = mailherald(dir).args(["replay", "--dry-run"]).arg(log).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
