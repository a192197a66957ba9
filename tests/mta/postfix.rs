//! A real Postfix: Debian's daemons under a configuration, queue and log of their own.
//!
//! The configuration stands in `postfix/`, as files of the kind a postmaster reads. Postfix's own
//! system-wide instance is neither started nor touched.

use std::{
    fs::{self, Permissions},
    io::Write,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{free_address, sasl, wait};

/// The Unix user to whom `games@here.test` and the alias `inbox@here.test` deliver. Every Debian
/// has it, and nobody else reads its mail.
pub(crate) const LOCAL_USER: &str = "games";

/// Starting and stopping, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Queues that hold mail which is not finished.
const BUSY_QUEUES: [&str; 4] = ["maildrop", "incoming", "active", "deferred"];

/// A running instance. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postfix {
    root: TempDir,
    smtp: SocketAddr,
    submission: SocketAddr,
    master: Child,
}

impl Postfix {
    /// Starts with all outside mail going to `next_hop`, and waits until it accepts connections.
    pub(crate) fn start(next_hop: SocketAddr) -> Self {
        Self::start_with(next_hop, "")
    }

    /// Tries again at once what is deferred.
    pub(crate) fn flush(&self) {
        let done = Self::command(self.root.path(), "postqueue").arg("-f").status();
        assert!(done.is_ok_and(|status| status.success()), "{}", self.log_text());
    }

    /// The same with further lines in `main.cf`.
    pub(crate) fn start_with(next_hop: SocketAddr, lines: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        // Postfix's daemons run under other users, and a temporary directory is closed to them.
        set_mode(root.path(), 0o755);
        let (smtp, submission) = (free_address(), free_address());
        write_configuration(root.path(), smtp, submission, next_hop);
        append(&root.path().join("etc/main.cf"), lines);
        make_directories(root.path());
        let master = Self::command(root.path(), "postfix")
            .arg("start-fg")
            .spawn()
            .expect("postfix(1) is installed, see needs.rs");
        let postfix = Self { root, smtp, submission, master };
        let up = wait::until(LIMIT, || {
            TcpStream::connect(smtp).is_ok() && TcpStream::connect(submission).is_ok()
        });
        assert!(up, "Postfix does not listen; its log:\n{}", postfix.log_text());
        postfix
    }

    /// Where strangers and hosts of `mynetworks` (127.0.0.1) connect.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Where users authenticate.
    pub(crate) fn submission(&self) -> SocketAddr {
        self.submission
    }

    /// Makes a directory below the queue directory that the group of Postfix may go into.
    pub(crate) fn directory_for_group(&self, name: &str) -> PathBuf {
        let directory = self.root.path().join("spool").join(name);
        fs::create_dir(&directory).expect("the directory is ours");
        set_mode(&directory, 0o750);
        let done = Command::new("chgrp").arg("postfix").arg(&directory).status();
        assert!(done.is_ok_and(|status| status.success()), "the group `postfix` exists");
        directory
    }

    /// The log file.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.path().join("mail.log")
    }

    /// Rotates the log, and packs the old one: `postfix logrotate`.
    pub(crate) fn rotate_log(&self) {
        let done = Self::command(self.root.path(), "postfix").arg("logrotate").status();
        assert!(done.is_ok_and(|status| status.success()), "{}", self.log_text());
    }

    /// Everything in the log so far.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// Runs `sendmail(1)` with these arguments and this message.
    pub(crate) fn sendmail(&self, arguments: &[&str], message: &str) {
        let mut child = Self::command(self.root.path(), "sendmail")
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sendmail(1) is part of Postfix");
        let mut stdin = child.stdin.take().expect("stdin was asked for");
        stdin.write_all(message.as_bytes()).expect("sendmail(1) reads its input");
        drop(stdin);
        assert!(child.wait().expect("the child is ours").success(), "sendmail(1) failed");
    }

    /// Waits until every queue is empty and every message has logged its end.
    pub(crate) fn wait_until_idle(&self, limit: Duration) {
        let idle = wait::until(limit, || BUSY_QUEUES.iter().all(|queue| self.is_empty(queue)));
        assert!(idle, "the log:\n{}\nmail is still queued", self.log_text());
        // The queue file goes a moment before `removed` is logged.
        let logged = wait::until(LIMIT, || every_active_message_is_removed(&self.log_text()));
        assert!(logged, "the log:\n{}\na message never logged its end", self.log_text());
    }

    /// Messages in the Maildir of [`LOCAL_USER`].
    pub(crate) fn mailbox(&self) -> Vec<String> {
        let new = self.root.path().join("mail").join(LOCAL_USER).join("new");
        let entries = fs::read_dir(new).into_iter().flatten().flatten();
        entries.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect()
    }

    fn is_empty(&self, queue: &str) -> bool {
        holds_no_file(&self.root.path().join("spool").join(queue))
    }

    fn command(root: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("MAIL_CONFIG", root.join("etc")).stdin(Stdio::null());
        // All that is worth reading is in the log file.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // master(8) leads a session of its own, so only Postfix knows whom to ask; a failure here
        // comes after the test has said what it had to say.
        Self::command(self.root.path(), "postfix").arg("stop").status().ok();
        if !wait::until(LIMIT, || matches!(self.master.try_wait(), Ok(Some(_)))) {
            self.master.kill().ok();
            self.master.wait().ok();
        }
    }
}

fn write_configuration(
    root: &Path,
    smtp: SocketAddr,
    submission: SocketAddr,
    next_hop: SocketAddr,
) {
    let files = [
        ("main.cf", include_str!("postfix/main.cf")),
        ("master.cf", include_str!("postfix/master.cf")),
        ("virtual", include_str!("postfix/virtual")),
        ("aliases", include_str!("postfix/aliases")),
        ("transport", include_str!("postfix/transport")),
    ];
    fs::create_dir(root.join("etc")).expect("the directory is ours");
    for (name, template) in files {
        let text = template
            .replace("@ROOT@", root.to_str().expect("temporary paths are UTF-8"))
            .replace("@SMTP@", &smtp.to_string())
            .replace("@SUBMISSION@", &submission.to_string())
            .replace("@NEXT_HOP@", &format!("[{}]:{}", next_hop.ip(), next_hop.port()));
        fs::write(root.join("etc").join(name), text).expect("the directory is ours");
    }
}

fn append(file: &Path, lines: &str) {
    let text = fs::read_to_string(file).expect("it was written");
    fs::write(file, text + lines).expect("the directory is ours");
}

/// The directories that must exist before `postfix start` makes the rest.
fn make_directories(root: &Path) {
    for name in ["spool", "spool/private", "data", "mail"] {
        fs::create_dir(root.join(name)).expect("the directory is ours");
    }
    // As /var/mail: the local user makes her own mailbox.
    set_mode(&root.join("mail"), 0o1777);
    give_to_postfix(&root.join("data"));
    give_to_postfix(&root.join("spool/private"));
    sasl::serve(&root.join("spool/private/auth"));
}

fn give_to_postfix(directory: &Path) {
    set_mode(directory, 0o700);
    let done = Command::new("chown").arg("postfix").arg(directory).status();
    assert!(done.is_ok_and(|status| status.success()), "the user `postfix` exists");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the path is ours");
}

/// A message that was deferred is active more than once, but is removed once.
fn every_active_message_is_removed(log: &str) -> bool {
    let ids =
        log.lines().filter_map(|line| line.strip_suffix(" (queue active)")).filter_map(|line| {
            let (head, _) = line.split_once(": from=<")?;
            head.rsplit(' ').next()
        });
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.iter().all(|id| log.contains(&format!("{id}: removed\n")))
}

fn holds_no_file(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().all(|entry| {
        // A file that went away between listing and looking is no file.
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds_no_file(&entry.path())
    })
}
