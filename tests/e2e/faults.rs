//! Faults that only real processes, users and mounts can have.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    lines,
    program::{Host, Program, command},
    receiver::Receiver,
    skip, until,
};

/// The program, run by somebody to whom file modes apply: root without the right to ignore them.
fn start_without_privilege(host: &Host, config: &str) -> Option<Program> {
    let probe = host.path("probe");
    fs::write(&probe, "x").unwrap();
    fs::set_permissions(&probe, Permissions::from_mode(0o000)).unwrap();
    let mut plain = command(&["run", "--config", config]);
    if File::open(&probe).is_ok() {
        let rights = "-dac_override,-dac_read_search";
        let mut wrapped = Command::new("setpriv");
        wrapped.arg(format!("--bounding-set={rights}"));
        wrapped.arg(plain.get_program()).args(plain.get_args());
        wrapped.env_remove("MAILHERALD_CONFIG").env_remove("MAILHERALD_LOG");
        if !Command::new("setpriv").arg("--version").output().is_ok_and(|out| out.status.success())
        {
            skip("setpriv");
            return None;
        }
        plain = wrapped;
    }
    let program = host.start_command(plain, Stdio::null());
    program.until_it_says("mailherald is running");
    Some(program)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn row_14_the_event_of_a_half_line_says_that_it_is_partial() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let source = host.log_source().replace("mail.log", "mail.log*");
    let config = host.configure(&format!("{source}\npartial_line_timeout = \"1s\""), &receiver, "");
    let older = lines(0..2);
    let (older, _) = older.split_at(older.len() - "as 1F00001)\n".len());
    host.append("mail.log.1", older);
    host.append("mail.log", &lines(2..3));
    let program = host.run(&config);
    until("all requests", || receiver.count() == 3);
    program.stop(Signal::TERM);
    let requests = receiver.requests();
    let bodies = requests.iter().map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
    let partial: Vec<_> = bodies.filter(|body| body["data"]["partial"] == true).collect();
    let [event] = &partial[..] else { panic!("{partial:?}") };
    assert_eq!(event["data"]["to"], "user1@good.test");
}

#[test]
fn row_12_permission_lost_and_regained_is_said_once_each_and_needs_no_restart() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    host.append("mail.log", &lines(0..1));
    let Some(program) = start_without_privilege(&host, &config) else { return };
    until("the first request", || receiver.count() == 1);
    let mut old = OpenOptions::new().append(true).open(host.path("mail.log")).unwrap();
    fs::rename(host.path("mail.log"), host.path("mail.log.1")).unwrap();
    host.append("new", &lines(2..3));
    set_mode(&host.path("new"), 0o000);
    fs::rename(host.path("new"), host.path("mail.log")).unwrap();
    program.until_it_says("A log cannot be read now");
    old.write_all(lines(1..2).as_bytes()).unwrap();
    until("what the open file still gives", || receiver.count() == 2);
    std::thread::sleep(Duration::from_secs(4));
    set_mode(&host.path("mail.log"), 0o600);
    until("what the new file gives", || receiver.count() == 3);
    let said = program.said();
    assert_eq!(said.matches("A log cannot be read now").count(), 1, "{said}");
    assert_eq!(said.matches("A log can be read again").count(), 1, "{said}");
    program.stop(Signal::TERM);
    assert_eq!(receiver.ids().len(), 3);
}

#[test]
fn row_12_permission_lost_for_the_directory_is_said_as_such() {
    let (host, receiver) = (Host::new(), Receiver::start());
    fs::create_dir(host.path("logs")).unwrap();
    let source = format!("include = [\"{}\"]\nstart = \"beginning\"", host.text("logs/mail.log"));
    let config = host.configure(&source, &receiver, "");
    host.append("logs/mail.log", &lines(0..1));
    set_mode(&host.path("logs"), 0o000);
    let Some(program) = start_without_privilege(&host, &config) else { return };
    program.until_it_says("A log cannot be read now");
    assert!(program.said().contains("Permission denied"), "{}", program.said());
    set_mode(&host.path("logs"), 0o700);
    until("a request", || receiver.count() == 1);
    program.stop(Signal::TERM);
}

/// Starts the program in a mount namespace of its own, after a script that mounts there.
fn start_in_mounts(host: &Host, script: &str, config: &str) -> Option<Program> {
    let mut wrapped = Command::new("unshare");
    let probe = format!("{script} && exec true");
    let can = Command::new("unshare").args(["--mount", "sh", "-ec", &probe]).output();
    if !can.is_ok_and(|out| out.status.success()) {
        skip("the right to mount in a namespace of its own");
        return None;
    }
    let plain = command(&["run", "--config", config]);
    let script = format!("{script} && exec \"$@\"");
    wrapped.args(["--mount", "sh", "-ec", &script, "sh"]);
    wrapped.arg(plain.get_program()).args(plain.get_args());
    wrapped.env_remove("MAILHERALD_CONFIG").env_remove("MAILHERALD_LOG");
    let program = host.start_command(wrapped, Stdio::null());
    program.until_it_says("mailherald is running");
    Some(program)
}

#[test]
fn row_26_a_log_on_an_overlay_is_polled_and_its_lower_layer_is_followed() {
    let (host, receiver) = (Host::new(), Receiver::start());
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(host.path(name)).unwrap();
    }
    let script = format!(
        "mount -t overlay overlay -o lowerdir={},upperdir={},workdir={} {}",
        host.text("lower"),
        host.text("upper"),
        host.text("work"),
        host.text("merged")
    );
    let source = format!("include = [\"{}\"]\nstart = \"beginning\"", host.text("merged/mail.log"));
    let config = host.configure(&source, &receiver, "");
    host.append("lower/mail.log", &lines(0..1));
    let Some(program) = start_in_mounts(&host, &script, &config) else { return };
    until("the first request", || receiver.count() == 1);
    host.append("lower/mail.log", &lines(1..3));
    until("what was written below", || receiver.count() == 3);
    assert!(program.said().contains("No events are due from this file system"));
    program.stop(Signal::TERM);
}

/// A file that is written to under another of its names tells the directory of this one nothing:
/// so does a single file that is mounted into a container.
#[test]
fn row_26_growth_without_events_switches_to_polling_with_one_warning() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    fs::create_dir(host.path("elsewhere")).unwrap();
    host.append("elsewhere/mail.log", &lines(0..1));
    fs::hard_link(host.path("elsewhere/mail.log"), host.path("mail.log")).unwrap();
    let program = host.run(&config);
    for number in 1..6 {
        until("the request before", || receiver.count() == number);
        std::thread::sleep(Duration::from_millis(700));
        host.append("elsewhere/mail.log", &lines(number..number + 1));
    }
    until("the last request", || receiver.count() == 6);
    let warning = "Logs grow and the system does not tell";
    assert_eq!(program.said().matches(warning).count(), 1, "{}", program.said());
    // Polling finds a rotation as well.
    fs::rename(host.path("mail.log"), host.path("mail.log.1")).unwrap();
    host.append("mail.log", &lines(6..7));
    until("the request from the new file", || receiver.count() == 7);
    program.stop(Signal::TERM);
    assert_eq!(receiver.ids().len(), 7);
}

#[test]
fn row_26_a_log_that_is_watched_is_not_taken_for_a_silent_one() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&config);
    for number in 0..6 {
        host.append("mail.log", &lines(number..number + 1));
        until("a request", || receiver.count() == number + 1);
        std::thread::sleep(Duration::from_millis(600));
    }
    let said = program.said();
    assert!(!said.contains("does not tell") && !said.contains("No events are due"), "{said}");
    program.stop(Signal::TERM);
}
