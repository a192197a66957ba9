//! What goes wrong outside: one clear message each, and the documented exit code.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    process::Stdio,
};

use rustix::process::Signal;

use crate::{
    lines,
    program::{Host, command, output, text},
    receiver::Receiver,
    until,
};

#[test]
fn a_missing_log_is_waited_for_with_one_warning_and_refused_by_replay() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&config);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = program.said();
    assert_eq!(said.to_lowercase().matches("warn").count(), 1, "{said}");
    assert!(said.contains("No log there yet") && said.contains(&host.text("mail.log")), "{said}");
    host.append("mail.log", &lines(0..1));
    until("a request", || receiver.count() == 1);
    program.stop(Signal::TERM);

    let output = output(&["replay", "--config", &config, "/nowhere/mail.log"]);
    assert_eq!(output.status.code(), Some(66));
    assert!(text(&output.stderr).starts_with("error: find a log at \"/nowhere/mail.log\"\n"));
}

#[test]
fn a_link_to_nowhere_is_a_log_that_is_not_there_yet() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    symlink(host.path("elsewhere"), host.path("mail.log")).unwrap();
    let log = host.text("mail.log");
    for args in [["replay", "--dry-run"].as_slice(), &["parse"]] {
        assert_eq!(output(&[args, &[&log]].concat()).status.code(), Some(66), "{args:?}");
    }
    let program = host.run(&config);
    host.append("elsewhere", &lines(0..1));
    until("a request", || receiver.count() == 1);
    program.stop(Signal::TERM);
}

/// Whoever may read everything cannot be refused, and tests nothing here.
#[test]
fn a_log_without_permission_is_said_once_by_run_and_refused_with_77_by_the_others() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    host.append("mail.log", &lines(0..1));
    fs::set_permissions(host.path("mail.log"), Permissions::from_mode(0o000)).unwrap();
    if File::open(host.path("mail.log")).is_ok() {
        return;
    }
    let log = host.text("mail.log");
    for args in [["replay", "--dry-run"].as_slice(), &["parse"]] {
        let output = output(&[args, &[&log]].concat());
        assert_eq!(output.status.code(), Some(77), "{args:?}");
        assert!(text(&output.stderr).contains(&format!("hint: see who may read it: ls -l {log}")));
    }
    let program = host.run(&config);
    program.until_it_says("A log cannot be read now");
    fs::set_permissions(host.path("mail.log"), Permissions::from_mode(0o600)).unwrap();
    until("a request", || receiver.count() == 1);
    assert_eq!(program.said().matches("A log cannot be read now").count(), 1);
    program.stop(Signal::TERM);
}

#[test]
fn a_directory_in_the_place_of_a_log_stops_nobody() {
    let (host, receiver) = (Host::new(), Receiver::start());
    fs::create_dir(host.path("mail.log")).unwrap();
    let config = host.configure(&host.log_source(), &receiver, "");
    let program = host.run(&config);
    fs::remove_dir(host.path("mail.log")).unwrap();
    host.append("mail.log", &lines(0..1));
    until("a request", || receiver.count() == 1);
    program.stop(Signal::TERM);
}

#[test]
fn row_32_a_state_directory_in_use_is_refused_with_75_and_said_while_waiting() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    host.append("mail.log", &lines(0..1));
    let first = host.run(&config);
    let second = output(&["run", "--config", &config]);
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(75), "{said}");
    assert!(said.contains("waiting for another process to end"), "{said}");
    assert!(said.contains(&host.text("state/lock")), "{said}");
    assert!(
        said.ends_with("hint: stop the other one first: systemctl stop mailherald\n"),
        "{said}"
    );

    let mut third =
        host.start(&["replay", "--config", &config, &host.text("mail.log")], Stdio::null());
    third.until_it_says("waiting for another process to end");
    third.signal(Signal::TERM);
    assert_eq!(third.exit_code(), None, "the signal ends it while it waits");
    first.stop(Signal::TERM);
}

#[test]
fn a_state_directory_that_cannot_be_made_exits_with_73() {
    let host = Host::new();
    host.append("file", "x");
    let (log, state) = (host.text("mail.log"), host.text("file/state"));
    let url = "https://example.com/";
    let output = output(&["run", "--log", &log, "--webhook", url, "--state", &state]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(
        said.contains(&state) && said.contains("hint: choose another state directory"),
        "{said}"
    );
}

#[test]
fn the_state_directory_is_its_owners_alone() {
    let (host, receiver) = (Host::new(), Receiver::start());
    let config = host.configure(&host.log_source(), &receiver, "");
    host.run(&config).stop(Signal::TERM);
    assert_eq!(fs::metadata(host.path("state")).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn a_full_disk_behind_standard_output_is_74_and_a_closed_pipe_is_0() {
    let host = Host::new();
    host.append("mail.log", &lines(0..3000));
    for args in [["replay", "--dry-run"].as_slice(), &["parse"]] {
        let log = host.text("mail.log");
        let args = [args, &[&log]].concat();
        let full = command(&args).stdout(File::create("/dev/full").unwrap()).output().unwrap();
        assert_eq!(full.status.code(), Some(74), "{args:?}");
        let said = text(&full.stderr);
        assert!(said.contains("caused by: No space left on device"), "{said}");

        let mut child =
            command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let closed = child.wait_with_output().unwrap();
        assert_eq!(closed.status.code(), Some(0), "{}", text(&closed.stderr));
    }
}

#[test]
fn whatever_the_bytes_are_they_are_counted_and_never_fatal() {
    let host = Host::new();
    let garbage: Vec<u8> =
        (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let good = lines(0..1).into_bytes();
    let inputs: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("binary", garbage),
        ("nul", vec![0; 5000]),
        ("endless", vec![b'x'; 3_000_000]),
        ("mixed", [b"what\n\xff\xfe\n".as_slice(), &good, b"half a li"].concat()),
    ];
    for (name, bytes) in inputs {
        fs::write(host.path(name), &bytes).unwrap();
        for args in [["replay", "--dry-run"].as_slice(), &["parse"]] {
            let output = output(&[args, &[&host.text(name)]].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{name}: {said}");
            assert!(said.contains(" lines: "), "{name}: {said}");
        }
    }
    // A Postfix that was never configured would be warned of first.
    let config = host.configure(&host.log_source(), &Receiver::start(), "");
    let mixed =
        output(&["--quiet", "replay", "--dry-run", "--config", &config, &host.text("mixed")]);
    assert_eq!(text(&mixed.stdout).lines().count(), 1);
    assert!(
        text(&mixed.stderr).starts_with("4 lines: 1 recognised, 0 ignored on purpose, 3 unrec")
    );
}

#[test]
fn a_damaged_archive_gives_what_is_whole_and_exits_with_65() {
    let host = Host::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, lines(0..3000).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    fs::write(host.path("mail.log.1.gz"), &packed[..packed.len() / 2]).unwrap();
    let output = output(&["replay", "--dry-run", &host.text("mail.log.1.gz")]);
    let said = text(&output.stderr);
    assert!(text(&output.stdout).lines().count() > 100, "{said}");
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("mail.log.1.gz"), "{said}");
}
