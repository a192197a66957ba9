//! The unit for systemd: it is valid, it is tight, and it agrees with the program.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What `systemd-analyze security` may say at most, in tenths: `OK` begins below 5.0. The addresses
/// of receivers, which are anybody's, are all that is left open.
const EXPOSURE: &str = "16";

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd").join(name)
}

/// The unit, with the program just built, and those of its examples that are named.
fn unit(examples: &[&str]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let text = fs::read_to_string(contrib("mailherald.service")).unwrap();
    let program = env!("CARGO_BIN_EXE_mailherald");
    assert!(text.contains("ExecStart=/usr/bin/mailherald run\n"));
    let unit = directory.path().join("mailherald.service");
    fs::write(&unit, text.replace("/usr/bin/mailherald", program)).unwrap();
    let drop_ins = directory.path().join("mailherald.service.d");
    fs::create_dir(&drop_ins).unwrap();
    for name in examples {
        fs::copy(contrib("mailherald.service.d").join(name), drop_ins.join(name)).unwrap();
    }
    (directory, unit)
}

/// The examples of drop-ins that there are.
fn names() -> Vec<String> {
    let entries = fs::read_dir(contrib("mailherald.service.d")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// None where there is no systemd, which is a failure on CI alone.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(arguments).arg(unit).env("SYSTEMD_LOG_COLOR", "0").output();
    if output.is_err() && std::env::var_os("CI").is_none() {
        eprintln!("SKIPPED: systemd-analyze is not installed");
        return None;
    }
    Some(output.unwrap())
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn systemd_accepts_the_unit_and_its_examples_without_a_word() {
    let examples = ["maillog-file.conf", "milter.conf", "reports.conf", "secret.conf"];
    assert_eq!(examples, *names());
    for examples in examples.iter().map(std::slice::from_ref).chain([&[][..], &examples]) {
        let (_directory, unit) = unit(examples);
        let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
        let about_us: Vec<_> = words(&output)
            .lines()
            .filter(|line| line.contains("mailherald"))
            .map(str::to_owned)
            .collect();
        assert!(output.status.success() && about_us.is_empty(), "{examples:?}: {about_us:?}");
    }
}

#[test]
fn the_unit_lets_the_program_do_little() {
    let (_directory, unit) = unit(&[]);
    let threshold = format!("--threshold={EXPOSURE}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let Some(output) = analyze(&arguments, &unit) else { return };
    assert!(output.status.success(), "{}", words(&output));
}

/// Restarting does not mend these.
#[test]
fn the_unit_does_not_restart_after_what_only_a_person_can_mend() {
    let text = fs::read_to_string(contrib("mailherald.service")).unwrap();
    let line = text.lines().find(|line| line.starts_with("RestartPreventExitStatus=")).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_mailherald")).arg("--help").output().unwrap();
    let help = words(&help);
    for code in line.split_once('=').unwrap().1.split(' ') {
        let documented = help.lines().any(|line| line.trim_start().starts_with(code));
        assert!(documented, "{code} is no exit code of the program: {help}");
    }
}
