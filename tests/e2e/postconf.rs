//! What the configuration leaves out comes from the Postfix of the host, and is said.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use rustix::process::Signal;

use crate::{
    program::{Host, command, text},
    receiver::Receiver,
};

/// A message from a client in 198.51.100.0/24.
const LOG: &str = "\
2026-03-01T10:00:00.1+00:00 mx postfix/smtpd[9]: 4fPzZ50bZzz3x: client=a.test[198.51.100.7]
2026-03-01T10:00:00.2+00:00 mx postfix/cleanup[9]: 4fPzZ50bZzz3x: message-id=<1@a.test>
2026-03-01T10:00:00.3+00:00 mx postfix/qmgr[9]: 4fPzZ50bZzz3x: from=<x@a.test>, size=9, nrcpt=1 (queue active)
2026-03-01T10:00:00.4+00:00 mx postfix/smtp[9]: 4fPzZ50bZzz3x: to=<y@b.test>, relay=mx.b.test[192.0.2.1]:25, delay=0.3, delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 ok)
2026-03-01T10:00:00.5+00:00 mx postfix/qmgr[9]: 4fPzZ50bZzz3x: removed
";

const ANSWER: &str = "\
cat <<'.'
myhostname = mx.here.test
mynetworks = 127.0.0.0/8, 198.51.100.0/24
mydestination = here.test
virtual_alias_domains = hash:/etc/postfix/virtual
.";

impl Host {
    /// Gives this host a `postconf` of these lines of shell.
    fn with_postconf(&self, script: &str) {
        let (draft, bin) = (self.path("draft"), self.path("bin"));
        fs::create_dir_all(&bin).unwrap();
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
        // Another process writes it: what a test that forks meanwhile holds open for writing
        // cannot be executed.
        let mut copy = Command::new("cp");
        assert!(copy.arg(draft).arg(bin.join("postconf")).status().unwrap().success());
    }

    /// The program on this host.
    fn command(&self, args: &[&str]) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.text("bin"));
        let mut command = command(args);
        command.env("PATH", path);
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn config(&self, mail: &str) -> String {
        let source = format!("[[source]]\ninclude = [\"{}\"]\n", self.text("mail.log"));
        fs::write(self.path("mail.toml"), source + mail).unwrap();
        self.text("mail.toml")
    }

    /// The types of the events that a dry run gives, sorted.
    fn events(&self, args: &[&str]) -> Vec<String> {
        let log = self.text("mail.log");
        let output = self.output(&[&["replay", "--dry-run", &log], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        let kind = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let kinds = lines.lines().map(|line| kind(line)["type"].as_str().unwrap().to_owned());
        let mut kinds: Vec<_> = kinds.collect();
        kinds.sort_unstable();
        kinds
    }
}

fn host(script: &str) -> Host {
    let host = Host::new();
    host.append("mail.log", LOG);
    host.with_postconf(script);
    host
}

const INBOUND: [&str; 2] = ["inbound.delivered", "inbound.received"];
const OUTBOUND: [&str; 3] = ["outbound.delivered", "outbound.queued", "outbound.sending"];

#[test]
fn what_is_left_out_is_taken_and_what_is_said_stays() {
    let host = host(ANSWER);
    let with = |mail: &str| host.events(&["--config", &host.config(mail)]);
    assert_eq!(with(""), OUTBOUND);
    assert_eq!(with("[mail]\nlocal_domains = [\"b.test\"]\n"), OUTBOUND, "each key alone");
    assert_eq!(with("[mail]\nmynetworks = [\"127.0.0.0/8\"]\n"), INBOUND);
    assert_eq!(with("[mail]\npostconf = \"off\"\n"), INBOUND);
    let flags = ["--config", &host.config(""), "--local-domains", "b.test"];
    assert_eq!(host.events(&flags), INBOUND, "flags are for the logs of another host");
}

#[test]
fn check_shows_what_a_start_would_take() {
    let host = host(ANSWER);
    let config = host.config("");
    let output = host.output(&["check", "--config", &config]);
    let postconf = format!("{}/postconf", host.text("bin"));
    let said = text(&output.stdout);
    for (key, what) in [
        ("mail.mynetworks", format!("{postconf} says 127.0.0.0/8, 198.51.100.0/24\n")),
        ("mail.local_domains", format!("{postconf} says here.test\n")),
        (
            "mail.local_domains",
            "virtual_alias_domains = hash:/etc/postfix/virtual is not read\n".to_owned(),
        ),
    ] {
        assert!(said.contains(&format!("{config}:note: {key}: {what}    hint: ")), "{said}");
    }
    assert!(said.ends_with(": ok, 1 to look at\n"), "the missing webhook: {said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn run_says_what_it_took() {
    let (host, receiver) = (host(ANSWER), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let ask = fs::read_to_string(&config).unwrap().replace("postconf = \"off\"", "");
    fs::write(&config, ask).unwrap();
    let command = host.command(&["run", "--config", &config]);
    let program = host.start_command(command, Stdio::null());
    program.until_it_says("mailherald is running");
    let said = program.said();
    assert_eq!(said.matches("taken from Postfix").count(), 3, "{said}");
    assert!(said.contains("values=\"127.0.0.0/8, 198.51.100.0/24\""), "{said}");
    assert!(said.contains("value=\"hash:/etc/postfix/virtual\""), "{said}");
    program.stop(Signal::TERM);
}

#[test]
fn a_postconf_that_says_nothing_stops_nobody() {
    let host = host("exec sleep 3600");
    let log = host.text("mail.log");
    let output = host.output(&["replay", "--dry-run", &log]);
    let said = text(&output.stderr);
    assert!(said.contains("Postfix says nothing about itself; defaults are used"), "{said}");
    assert!(said.contains("it takes too long"), "{said}");
    assert_eq!(text(&output.stdout).lines().count(), INBOUND.len());
}

/// What Postfix writes into a file of its own is not in the journal: this was once refused.
#[test]
fn a_file_beside_the_journal_is_judged_by_where_postfix_logs_to() {
    let judged = |maillog: &str, mail: &str| {
        let host = host(&format!("echo 'maillog_file = {maillog}'"));
        let sources =
            "[[source]]\ninclude = [\"/var/log/mail.log\"]\n[[source]]\nkind = \"journald\"\n";
        fs::write(host.path("both.toml"), format!("{sources}{mail}")).unwrap();
        let output = host.output(&["check", "--config", &host.text("both.toml")]);
        let said = text(&output.stdout) + &text(&output.stderr);
        let of_kind = said.lines().find(|line| line.contains("source.kind"));
        of_kind.map(|line| line.contains("error"))
    };
    assert_eq!(judged("", ""), Some(true), "both have all");
    assert_eq!(judged("/var/log/mail.log", ""), None, "neither has what the other has");
    assert_eq!(judged("/var/log/postfix.log", ""), Some(false), "nobody knows");
    assert_eq!(judged("", "[mail]\npostconf = \"off\"\n"), Some(false), "it may not be asked");
}
