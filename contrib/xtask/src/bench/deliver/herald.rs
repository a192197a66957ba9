//! `mailherald replay` into webhooks, as it is measured.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Signs; nobody checks it.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A configuration to be.
pub(in crate::bench) struct Herald<'a> {
    /// The built program.
    pub(in crate::bench) program: &'a Path,
    /// Where its state goes; emptied first.
    pub(in crate::bench) dir: &'a Path,
    /// Where the webhook is.
    pub(in crate::bench) url: &'a str,
    /// Further keys of the webhook.
    pub(in crate::bench) keys: &'a str,
    /// Webhooks beside it, with these keys, and `{}` for their number.
    pub(in crate::bench) others: (usize, &'a str),
}

impl Herald<'_> {
    /// The command that replays a log, with an empty store.
    pub(in crate::bench) fn replay(&self, log: &Path) -> Result<Command> {
        if self.dir.exists() {
            fs::remove_dir_all(self.dir).context("remove the last state")?;
        }
        fs::create_dir_all(self.dir).context("make a place for the state")?;
        let mut command = Command::new(self.program);
        command.args(["--quiet", "replay", "--config"]).arg(self.config(log)?).arg(log);
        Ok(command)
    }

    fn config(&self, log: &Path) -> Result<PathBuf> {
        let path = self.dir.join("mailherald.toml");
        let mut text = format!(
            "state_dir = \"{}\"\n[mail]\npostconf = \"off\"\n[[source]]\ninclude = [\"{}\"]\n",
            self.dir.join("state").display(),
            log.display()
        );
        text += &self.webhook("bench", self.keys);
        let (count, keys) = self.others;
        for number in 0..count {
            let keys = keys.replace("{}", &number.to_string());
            text += &self.webhook(&format!("other{number}"), &keys);
        }
        fs::write(&path, text).context("write the configuration")?;
        // It holds a secret.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).context("hide the secret")?;
        Ok(path)
    }

    fn webhook(&self, name: &str, keys: &str) -> String {
        format!("[[webhook]]\nname = {name:?}\nurl = {:?}\nsecret = {SECRET:?}\n{keys}", self.url)
    }
}
