//! `cargo xtask api`: the running daemon is asked for everything that its API document describes,
//! rightly and wrongly, and has to answer as the document says. Schemathesis asks.
//!
//! * `words` — what there really is to be asked for;
//! * `reach` — what of it was reached.

mod reach;
mod words;

use std::{
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
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

/// How long all may take, and how long after that it may take to end.
const BUDGET: Duration = Duration::from_secs(200);
const GRACE: Duration = Duration::from_mins(1);

/// How much is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests that are made up for each operation, besides those that every run makes
    #[arg(long, default_value_t = 12)]
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
    address: String,
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
        Ok(Self { directory, address: address.to_string(), program, child })
    }

    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.join("said"))?)
    }

    /// What a command prints.
    fn rows(&self, args: &[&str]) -> Result<Vec<Value>> {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--json", "--config"]);
        command.arg(self.directory.join("mailherald.toml")).stderr(Stdio::null());
        let printed = run::read(&mut command)?;
        printed.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The one object that a command prints.
    fn asked(&self, args: &[&str]) -> Result<Value> {
        self.rows(args)?.pop().with_context(|| format!("{args:?} printed nothing"))
    }

    /// Asks until there is an answer that is good.
    fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
        let (times, pause) = ASKED;
        for _ in 0..times {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
            thread::sleep(pause);
        }
        anyhow::bail!("{what}: waited in vain: {}", self.said()?)
    }

    /// A key that may change everything, once there is something to be asked for.
    fn key(&self) -> Result<String> {
        let made = self
            .until("the API", || self.asked(&["keys", "create", "schemathesis", "--admin"]).ok())?;
        self.until("all deliveries", || {
            let found = self.rows(&["deliveries", "list", "--limit", "100"]).ok()?;
            let is_tried = |row: &Value| row.get("reason").is_some_and(Value::is_string);
            (found.len() > 50 && found.iter().all(is_tried)).then_some(())
        })?;
        let key = made.get("key").and_then(Value::as_str);
        key.map(str::to_owned).context("an answer without a key")
    }

    fn ask(&self, options: &Options) -> Result<()> {
        let key = self.key()?;
        let authorization = format!("Authorization: Bearer {key}");
        words::write(self, &key, &self.directory.join("schemathesis.toml"))?;
        let report = self.directory.join("report.ndjson");
        let (examples, seed) = (options.examples.to_string(), options.seed.to_string());
        let tool = run::target()?.join("schemathesis/python/bin/schemathesis");
        let mut command = Command::new(tool);
        command.current_dir(&self.directory).stdin(Stdio::null());
        command.args([
            "run",
            &format!("http://{}/openapi.json", self.address),
            "--header",
            &authorization,
        ]);
        command.args(["--phases", "coverage,fuzzing", "--checks", CHECKS]);
        command.args(["--max-examples", &examples, "--seed", &seed, "--rate-limit", "auto"]);
        command.args(["--continue-on-failure", "--warnings", "off"]);
        command.arg("--report-ndjson-path").arg(&report);
        for path in LEFT_OUT {
            command.args(["--exclude-path", path]);
        }
        // The key must not be printed with the command.
        let ended = within_budget(command.spawn().context("start schemathesis")?)?;
        let is_good = ended.is_none_or(|status| status.success());
        ensure!(is_good, "the API does not answer as its description says");
        reach::check(&report, ended.is_some())
    }
}

/// Waits for its end. Where that takes too long it is asked to end early; then its status says nothing,
/// and there is none.
fn within_budget(mut asking: Child) -> Result<Option<ExitStatus>> {
    let (mut waited, pause) = (Duration::ZERO, ASKED.1);
    let mut is_told = false;
    while waited < BUDGET + GRACE {
        if let Some(status) = asking.try_wait()? {
            return Ok(Some(status).filter(|_| !is_told));
        }
        if waited >= BUDGET && !is_told {
            println!("enough: this machine is slow, and the rest is left out");
            is_told = true;
            run::check(Command::new("kill").args(["-INT", &asking.id().to_string()]))?;
        }
        #[expect(clippy::disallowed_methods, reason = "another process is waited for")]
        thread::sleep(pause);
        waited += pause;
    }
    asking.kill()?;
    asking.wait()?;
    anyhow::bail!("schemathesis does not end")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A log from its beginning, and two receivers that are not there: one is given up at once, the other
/// is asked again later.
fn configuration(directory: &Path, address: &str) -> String {
    let directory = directory.display();
    let webhook = |name: &str, schedule: &str| {
        format!(
            "[[webhook]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:49151/\"\n\
             schedule = {schedule}\ncircuit = false\n\
             secret = \"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n"
        )
    };
    format!(
        "state_dir = \"{directory}/state\"\n\
         [mail]\npostconf = \"off\"\n\
         [api]\nlisten = \"{address}\"\n\
         [[source]]\ninclude = [\"{directory}/mail.log\"]\nstart = \"beginning\"\n{}{}",
        webhook("Shop", "[]"),
        webhook("Later", "[\"6h\"]")
    )
}
