//! `cargo xtask bench milter`: what our milter adds to the time that Postfix takes for a message.
//!
//! One Postfix has several doors: without a milter, with ours over a unix socket and over TCP, and with
//! one of ours that takes reports out of the mail; through the last and the first go reports as well.
//! One client sends through them in turns, so that what else the machine does falls on all alike. All
//! mail is discarded. Needs Postfix and root.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// Between two looks at what has to begin.
const LOOK: Duration = Duration::from_millis(50);
/// What begins, begins in that time.
const PATIENCE: Duration = Duration::from_mins(1);
/// Headers and bytes of a message: a usual one.
const HEADERS: usize = 20;
const BYTES: usize = 4096;

const USUAL: &str = "Subject: a message of the usual size\r\n";

const REPORT: &str = "Subject: a report\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n";

/// Its body, up to the message that it returns. It says nothing that would be looked up and told: that
/// would be done after the answer, in the turn of the next door.
const FEEDBACK: &str = "--b\r\nContent-Type: message/feedback-report\r\n\r\n\
Feedback-Type: not-spam\r\nUser-Agent: bench/1\r\nVersion: 1\r\n\r\n\
--b\r\nContent-Type: message/rfc822\r\n\r\n\
Message-ID: <nobody@sender.test>\r\n";

const MAIN_CF: &str = "compatibility_level = 3.6
queue_directory = @ROOT@/spool
data_directory = @ROOT@/data
maillog_file = @ROOT@/mail.log
maillog_file_prefixes = @ROOT@
enable_long_queue_ids = yes
myhostname = mx.here.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
disable_dns_lookups = yes
alias_maps =
alias_database =
default_transport = discard:
in_flow_delay = 0
milter_default_action = accept
";

const MASTER_CF: &str = "cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

const CONFIG: &str = "state_dir = \"@ROOT@/state\"
[[source]]
include = [\"@ROOT@/mail.log\"]
start = \"beginning\"
[mail]
postconf = \"off\"
[[source]]
kind = \"milter\"
listen = \"unix:@ROOT@/spool/milter/milter.sock\"
socket_group = \"postfix\"
[[source]]
kind = \"milter\"
listen = \"inet:127.0.0.1:@TCP@\"
[[source]]
kind = \"milter\"
listen = \"unix:@ROOT@/spool/milter/reports.sock\"
socket_group = \"postfix\"
reports = true
";

/// Milters among those.
const MILTERS: usize = 3;

/// On what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Messages of a turn
    #[arg(long, default_value_t = 200)]
    messages: u32,
    /// Turns of each door
    #[arg(long, default_value_t = 10)]
    turns: u32,
    /// This program, and no release build
    #[arg(long)]
    program: Option<PathBuf>,
}

/// A way into Postfix.
struct Door {
    name: &'static str,
    port: u16,
    milter: Option<String>,
    /// Through it go reports.
    is_for_reports: bool,
    /// How much slower than without a milter it may be.
    at_most: Option<f64>,
    took: Vec<Duration>,
}

/// Measures and prints one table.
///
/// # Errors
/// The release build fails, or Postfix or mailherald do not run.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let program = options.program.clone().map_or_else(build, Ok)?;
    let Root(root) = &Root::make()?;
    let tcp = free_port()?;
    let mut doors = doors(tcp)?;
    write_everything(root, &doors, tcp)?;
    let _postfix = Postfix::start(root)?;
    let _herald = start_herald(&program, root)?;
    wait_for(|| doors.iter().all(|door| TcpStream::connect(("127.0.0.1", door.port)).is_ok()))?;

    let (usual, report) = (message(USUAL, "Some text of a body"), message(REPORT, FEEDBACK));
    for turn in 0..=options.turns.max(1) {
        for door in &mut doors {
            let message = if door.is_for_reports { &report } else { &usual };
            let took = send(door.port, options.messages.max(1), message)?;
            // The first turn starts daemons.
            if turn > 0 {
                door.took.extend(took);
            }
        }
    }
    print(&mut doors);
    Ok(())
}

fn build() -> Result<PathBuf> {
    run::check(run::cargo().args(["build", "--release", "--bin", "mailherald"]))?;
    Ok(run::target()?.join("release/mailherald"))
}

/// Where everything lies. Postfix's daemons must be able to go in, which not every build directory
/// lets them. Dropping it removes all.
struct Root(PathBuf);

impl Root {
    fn make() -> Result<Self> {
        let root = std::env::temp_dir().join(format!("mailherald-bench-{}", std::process::id()));
        fs::create_dir(&root).with_context(|| format!("create {}", root.display()))?;
        Ok(Self(root))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // What went wrong before is what is told.
        fs::remove_dir_all(&self.0).ok();
    }
}

fn doors(tcp: u16) -> Result<Vec<Door>> {
    let door = |name, milter: Option<&str>, is_for_reports, at_most| -> Result<Door> {
        let (port, milter) = (free_port()?, milter.map(str::to_owned));
        Ok(Door { name, port, milter, is_for_reports, at_most, took: Vec::new() })
    };
    let (unix, taking) = ("unix:milter/milter.sock", "unix:milter/reports.sock");
    let tcp = format!("inet:127.0.0.1:{tcp}");
    Ok(vec![
        door("without a milter", None, false, None)?,
        door("ours, unix socket", Some(unix), false, Some(1.3))?,
        door("ours, TCP", Some(&tcp), false, Some(2.0))?,
        door("ours, unix socket, reports", Some(taking), false, None)?,
        door("a report, without", None, true, None)?,
        door("a report, taken", Some(taking), true, None)?,
    ])
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

fn write_everything(root: &Path, doors: &[Door], tcp: u16) -> Result<()> {
    for name in ["etc", "spool", "spool/milter", "spool/private", "data"] {
        fs::create_dir(root.join(name)).with_context(|| format!("create {name}"))?;
    }
    for name in ["spool/private", "data"] {
        run::check(Command::new("chown").arg("postfix").arg(root.join(name)))?;
    }
    let mut master = MASTER_CF.to_owned();
    for Door { port, milter, .. } in doors {
        let milter = milter.as_deref().unwrap_or_default();
        writeln!(master, "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_milters={milter}")?;
    }
    let place = root.to_str().context("a path that is UTF-8")?;
    for (name, text) in
        [("etc/main.cf", MAIN_CF), ("etc/master.cf", &master), ("mailherald.toml", CONFIG)]
    {
        let text = text.replace("@ROOT@", place).replace("@TCP@", &tcp.to_string());
        fs::write(root.join(name), text).with_context(|| format!("write {name}"))?;
    }
    run::check(Command::new("chmod").args(["0600"]).arg(root.join("mailherald.toml")))
}

/// A running instance of its own. Dropping it stops it.
struct Postfix {
    etc: PathBuf,
    master: Child,
}

impl Postfix {
    fn start(root: &Path) -> Result<Self> {
        let etc = root.join("etc");
        let master = Self::command(&etc, "start-fg").spawn().context("start Postfix")?;
        Ok(Self { etc, master })
    }

    fn command(etc: &Path, word: &str) -> Command {
        let mut command = Command::new("postfix");
        command.arg(word).env("MAIL_CONFIG", etc).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // What went wrong before is what is told.
        Self::command(&self.etc, "stop").status().ok();
        self.master.wait().ok();
    }
}

/// Dropping it ends the program.
struct Herald(Child);

impl Drop for Herald {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start_herald(program: &Path, root: &Path) -> Result<Herald> {
    let said = root.join("mailherald.stderr");
    let child = Command::new(program)
        .arg("--config")
        .arg(root.join("mailherald.toml"))
        .arg("run")
        .stdout(Stdio::null())
        .stderr(File::create(&said).context("write what it says")?)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let herald = Herald(child);
    let text = || fs::read_to_string(&said).unwrap_or_default();
    wait_for(|| text().matches("the milter listens").count() == MILTERS)
        .with_context(|| format!("mailherald said: {}", text()))?;
    Ok(herald)
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this task is for")]
fn wait_for(mut is_there: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is_there() {
        ensure!(start.elapsed() < PATIENCE, "nothing came of it in {PATIENCE:?}");
        thread::sleep(LOOK);
    }
    Ok(())
}

/// A message of the usual size with these headers among others.
fn message(headers: &str, beginning: &str) -> String {
    let mut text = headers.to_owned();
    for number in headers.lines().count()..HEADERS {
        let header = format!("X-Header-{number}: some text of a header, as there are many\r\n");
        text += &header;
    }
    text = format!("{text}\r\n{beginning}\r\n");
    while text.len() < BYTES {
        text += "Some text of a body, which nobody will ever read. So it is not long.\r\n";
    }
    text + ".\r\n"
}

/// What each message of one connection took, from MAIL to the answer to its last dot.
#[expect(clippy::disallowed_methods, reason = "measuring is what this task is for")]
fn send(port: u16, messages: u32, message: &str) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context("connect to Postfix")?;
    stream.set_nodelay(true).context("set up the connection")?;
    let mut client = BufReader::new(stream);
    expect(&mut client, "220")?;
    say(&mut client, "EHLO client.test\r\n", "250")?;
    let mut took = Vec::new();
    for _ in 0..messages {
        let start = Instant::now();
        say(&mut client, "MAIL FROM:<a@sender.test>\r\n", "250")?;
        say(&mut client, "RCPT TO:<b@good.test>\r\n", "250")?;
        say(&mut client, "DATA\r\n", "354")?;
        say(&mut client, message, "250")?;
        took.push(start.elapsed());
    }
    say(&mut client, "QUIT\r\n", "221")?;
    Ok(took)
}

fn say(client: &mut BufReader<TcpStream>, words: &str, code: &str) -> Result<()> {
    client.get_mut().write_all(words.as_bytes()).context("speak to Postfix")?;
    expect(client, code)
}

fn expect(client: &mut BufReader<TcpStream>, code: &str) -> Result<()> {
    loop {
        let mut line = String::new();
        client.read_line(&mut line).context("listen to Postfix")?;
        if line.get(3..4) == Some("-") {
            continue;
        }
        if line.starts_with(code) {
            return Ok(());
        }
        bail!("Postfix said {line:?}, not {code}");
    }
}

fn print(doors: &mut [Door]) {
    for door in doors.iter_mut() {
        door.took.sort_unstable();
    }
    let at = |door: &Door, percent: usize| {
        let place = door.took.len() * percent / 100;
        door.took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    println!("{:<28} {:>8} {:>8} {:>9}", "MAIL to 250", "p50 ms", "p99 ms", "p50");
    let mut floor = 0.0;
    for door in doors.iter() {
        // What follows is held against the one without.
        if door.milter.is_none() {
            floor = at(door, 50);
        }
        let ratio = format!("{:.2}x", at(door, 50) / floor);
        let target = door.at_most.map(|most| format!("  at most {most}x")).unwrap_or_default();
        println!(
            "{:<28} {:>8.2} {:>8.2} {ratio:>9}{target}",
            door.name,
            at(door, 50),
            at(door, 99)
        );
    }
}
