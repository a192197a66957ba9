//! Lettermint's own libraries as clients of the API: their whole round against the running program,
//! with their base URL pointed at it (`contrib/receivers/*/lettermint_api.*`).

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{SECRET, servers};

/// What one step may take on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process of ours. Dropping it ends it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before us; then there is nothing to end.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A daemon that reads `mail.log` of that directory, with its API on the network and a key for it.
struct Daemon {
    address: SocketAddr,
    key: String,
    _running: Running,
}

fn mailherald(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    command.args(args).arg("--config").arg(dir.join("mailherald.toml"));
    command.env_remove("MAILHERALD_LOG").stdin(Stdio::null());
    command
}

impl Daemon {
    fn start(dir: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (config, state, log) =
            (dir.join("mailherald.toml"), dir.join("state"), dir.join("mail.log"));
        File::create(&log).unwrap();
        let text = format!(
            "state_dir = \"{}\"\n[api]\nlisten = \"{address}\"\n[mail]\npostconf = \"off\"\n\
             [egress]\nallow_cidrs = [\"127.0.0.0/8\"]\n[[route]]\nname = \"news\"\n\
             sender_domains = [\"news.test\"]\n[[source]]\ninclude = [\"{}\"]\n\
             start = \"beginning\"\n[[webhook]]\nname = \"Other\"\nurl = \"http://127.0.0.1:8081/\"\n\
             events = [\"outbound.virus\"]\nsecret = \"{SECRET}\"\n",
            state.display(),
            log.display()
        );
        fs::write(&config, text).unwrap();
        // It holds a secret.
        fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
        let said = dir.join("said");
        let mut command = mailherald(dir, &["run"]);
        command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        let running = Running(command.spawn().unwrap());
        until("the daemon runs", || {
            fs::read_to_string(&said).unwrap().contains("mailherald is running")
        });
        until("the API listens", || TcpStream::connect(address).is_ok());
        let made = mailherald(dir, &["keys", "create", "SDK", "--admin", "--json"]).output();
        let made: Value = serde_json::from_slice(&made.unwrap().stdout).unwrap();
        Self { address, key: made["key"].as_str().unwrap().to_owned(), _running: running }
    }
}

/// A message of the stream, delivered.
fn mail(dir: &Path, queue_id: &str) {
    let lines = format!(
        "2026-03-02T10:00:00.000000+00:00 mx postfix/smtpd[9]: {queue_id}: client=app.lab.test[192.0.2.5], sasl_method=PLAIN, sasl_username=ann\n\
         2026-03-02T10:00:00.100000+00:00 mx postfix/cleanup[9]: {queue_id}: message-id=<{queue_id}@news.test>\n\
         2026-03-02T10:00:00.200000+00:00 mx postfix/qmgr[9]: {queue_id}: from=<ann@news.test>, size=370, nrcpt=1 (queue active)\n\
         2026-03-02T10:00:01.000000+00:00 mx postfix/smtp[9]: {queue_id}: to=<bob@far.test>, relay=mx.far.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n\
         2026-03-02T10:00:01.100000+00:00 mx postfix/qmgr[9]: {queue_id}: removed\n"
    );
    let log = OpenOptions::new().append(true).open(dir.join("mail.log"));
    log.unwrap().write_all(lines.as_bytes()).unwrap();
}

fn whole_round(program: &str, queue_id: &str) {
    if let Some(missing) = servers::missing() {
        assert!(std::env::var_os("CI").is_none(), "the SDKs need {missing}: `cargo xtask test`");
        return eprintln!("\n*** SKIPPED: the SDKs need {missing}: `cargo xtask test` ***\n");
    }
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(dir.path());
    let said = dir.path().join("sdk");
    let file = File::create(&said).unwrap();
    let mut command = servers::command(program);
    command.env("API_URL", format!("http://{}/lettermint/v1", daemon.address));
    command.env("API_KEY", &daemon.key).stdin(Stdio::null());
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let mut sdk = Running(command.spawn().unwrap());
    let words = || fs::read_to_string(&said).unwrap();
    let mut ended = None;
    until("the SDK has made its webhook", || {
        ended = sdk.0.try_wait().unwrap();
        ended.is_some() || words().contains("ready\n")
    });
    mail(dir.path(), queue_id);
    until("the SDK ends", || {
        ended = sdk.0.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{}", words());
}

#[test]
fn the_node_sdk_of_lettermint_runs_unchanged_and_takes_what_is_sent() {
    whole_round("node/lettermint_api.cjs", "2B7F053E70A");
}

#[test]
fn the_python_sdk_of_lettermint_runs_unchanged_and_takes_what_is_sent() {
    whole_round("python/lettermint_api.py", "2B7F053E70B");
}
