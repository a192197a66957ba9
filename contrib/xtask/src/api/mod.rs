//! `cargo xtask api`: the running daemon is asked for everything that its API document describes,
//! rightly and wrongly, and has to answer as the document says. Schemathesis asks.

use std::{
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use serde_json::Value;

use crate::{receivers, run};

/// What an answer has to be. That nobody is let in without a key is for other tests: strangers may ask
/// too seldom for this one.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,unsupported_method";

/// One has no end, the other takes mail, which nobody makes here.
const LEFT_OUT: [&str; 2] = ["/v1/stream", "/v1/reports"];

/// Times that a daemon which starts is asked for a key, and the pause between.
const ASKED: (u32, Duration) = (150, Duration::from_millis(200));

/// How much is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests that are made up for each operation, besides those that every run makes
    #[arg(long, default_value_t = 8)]
    examples: u32,
    /// What chance begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Starts the daemon and asks.
///
/// # Errors
/// Something cannot be installed or built, the daemon ends, or an answer is not what it has to be.
pub(crate) fn run(options: &Options) -> Result<()> {
    receivers::install_schemathesis()?;
    run::check(run::cargo().args(["build", "--bin", "mailherald"]))?;
    let mut daemon = Daemon::start()?;
    let asked = daemon.ask(options);
    ensure!(daemon.child.try_wait()?.is_none(), "the daemon ended: {}", daemon.said()?);
    ensure!(!daemon.said()?.contains("panicked"), "a panic: {}", daemon.said()?);
    asked
}

/// The program, running in a directory of its own. Dropping it ends it.
struct Daemon {
    directory: PathBuf,
    url: String,
    program: PathBuf,
    child: Child,
}

impl Daemon {
    fn start() -> Result<Self> {
        let directory = run::target()?.join("api");
        if directory.exists() {
            fs::remove_dir_all(&directory).context("clear the directory of the last run")?;
        }
        fs::create_dir_all(&directory).context("make a directory")?;
        fs::copy(run::root().join("fixtures/demo/mail.log"), directory.join("mail.log"))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = configuration(&directory, &address.to_string());
        fs::write(directory.join("mailherald.toml"), config)?;
        // It holds a secret.
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(directory.join("mailherald.toml"), mode)?;
        let program = run::target()?.join("debug/mailherald");
        let said = File::create(directory.join("said"))?;
        let mut command = Command::new(&program);
        command.args(["run", "--config"]).arg(directory.join("mailherald.toml"));
        let child = command.stdin(Stdio::null()).stderr(said).spawn().context("start it")?;
        Ok(Self { directory, url: format!("http://{address}"), program, child })
    }

    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.join("said"))?)
    }

    /// A key that may change everything.
    fn key(&self) -> Result<String> {
        let (times, pause) = ASKED;
        for _ in 0..times {
            let mut command = Command::new(&self.program);
            command.args(["keys", "create", "schemathesis", "--admin", "--json", "--config"]);
            command.arg(self.directory.join("mailherald.toml")).stderr(Stdio::null());
            if let Ok(made) = run::read(&mut command) {
                let made: Value = serde_json::from_str(&made)?;
                return made
                    .get("key")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .context("an answer without a key");
            }
            #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
            thread::sleep(pause);
        }
        anyhow::bail!("it does not answer: {}", self.said()?)
    }

    fn ask(&self, options: &Options) -> Result<()> {
        let authorization = format!("Authorization: Bearer {}", self.key()?);
        let (examples, seed) = (options.examples.to_string(), options.seed.to_string());
        let tool = run::target()?.join("schemathesis/python/bin/schemathesis");
        let mut command = Command::new(tool);
        command.current_dir(&self.directory).stdin(Stdio::null());
        command.args(["run", &format!("{}/openapi.json", self.url), "--header", &authorization]);
        command.args(["--phases", "coverage,fuzzing", "--checks", CHECKS]);
        command.args(["--max-examples", &examples, "--seed", &seed, "--rate-limit", "auto"]);
        command.args(["--continue-on-failure", "--warnings", "off"]);
        for path in LEFT_OUT {
            command.args(["--exclude-path", path]);
        }
        // The key must not be printed with the command.
        let status = command.status().context("start schemathesis")?;
        ensure!(status.success(), "the API does not answer as its description says");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A log from its beginning, and a receiver that is not there.
fn configuration(directory: &Path, address: &str) -> String {
    let directory = directory.display();
    format!(
        "state_dir = \"{directory}/state\"\n\
         [mail]\npostconf = \"off\"\n\
         [api]\nlisten = \"{address}\"\n\
         [[source]]\ninclude = [\"{directory}/mail.log\"]\nstart = \"beginning\"\n\
         [[webhook]]\nname = \"Shop\"\nurl = \"http://127.0.0.1:49151/\"\nschedule = []\n\
         secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n"
    )
}
