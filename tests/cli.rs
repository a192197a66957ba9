//! The built program: arguments in, words and exit codes out.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn mailherald(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailherald"));
    command.args(args).env_remove("MAILHERALD_CONFIG").env_remove("MAILHERALD_LOG");
    command
}

fn run(args: &[&str]) -> Output {
    mailherald(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs with `input` on standard input.
fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = mailherald(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// A configuration file with these lines, in a directory that lives as long as the answer.
fn config(lines: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mailherald.toml");
    fs::write(&path, lines).unwrap();
    (dir, path)
}

const GOOD_CONFIG: &str = "[[source]]
include = [\"/\"]
[mail]
postconf = \"off\"
[[webhook]]
name = \"w\"
url = \"https://example.com/\"
secret_file = \"SECRET_FILE\"
";

fn check(path: &Path, more: &[&str]) -> Output {
    let mut args = vec!["check", "--config", path.to_str().unwrap()];
    args.extend(more);
    run(&args)
}

#[test]
fn a_good_configuration_is_ok() {
    let (dir, path) = config("");
    let secret = dir.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&path, GOOD_CONFIG.replace("SECRET_FILE", secret.to_str().unwrap())).unwrap();
    let output = check(&path, &[]);
    assert_eq!(text(&output.stdout), format!("{}: ok\n", path.display()));
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn check_prints_every_problem_with_its_place_and_exits_with_1() {
    let (_dir, path) = config("[[source]]\nincude = [\"/\"]\n[[webhook]]\n");
    let output = check(&path, &[]);
    let file = path.display();
    assert_eq!(
        text(&output.stdout),
        format!(
            "{file}:1:1: error: source.include: is missing
    hint: name the log and its rotated generations: [\"/var/log/mail.log*\"]
{file}:2:1: error: source.incude: unknown key
    hint: did you mean `include`?
{file}:3:1: error: webhook.name: is missing
{file}:3:1: error: webhook.url: is missing
{file}:3:1: error: webhook.secret_file: is missing, and so is `secret`
    hint: make one: (printf whsec_; head -c 32 /dev/urandom | base64) > FILE
{file}: 5 to mend
"
        )
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty());
}

#[test]
fn check_prints_problems_as_json_when_asked() {
    let (_dir, path) = config("state_dri = \"/x\"\n[[source]]\ninclude = [\"/\"]\n");
    let output = check(&path, &["--json"]);
    let problems: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(problems.len(), 2);
    let unknown = problems.iter().find(|problem| problem["key"] == "state_dri").unwrap();
    assert_eq!(
        *unknown,
        serde_json::json!({
            "severity": "error", "line": 1, "column": 1, "key": "state_dri",
            "message": "unknown key", "hint": "did you mean `state_dir`?",
        })
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_missing_configuration_exits_with_66_and_says_what_to_do() {
    for command in ["check", "run"] {
        let output = run(&[command, "--config", "/nowhere/mailherald.toml"]);
        assert_eq!(output.status.code(), Some(66), "{command}");
        assert_eq!(
            text(&output.stderr),
            "error: read the configuration /nowhere/mailherald.toml
  caused by: No such file or directory (os error 2)
hint: write one (contrib/docs/config.md), or start without: \
             mailherald run --log /var/log/mail.log --webhook URL\n"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_configuration_may_be_named_by_the_environment() {
    let (_dir, path) = config("x = 1\n");
    let output = mailherald(&["check"]).env("MAILHERALD_CONFIG", &path).output().unwrap();
    assert!(text(&output.stdout).starts_with(&format!("{}:1:1: error: x", path.display())));
}

#[test]
fn run_refuses_a_wrong_configuration_with_78_and_the_same_problems() {
    let (_dir, path) = config("x = 1\n[[source]]\ninclude = [\"/\"]\n");
    let output = run(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: use the configuration "), "{stderr}");
    assert!(stderr.contains("\n  1:1: error: x: unknown key\n"), "{stderr}");
    assert!(stderr.ends_with(&format!("hint: mailherald check --config {}\n", path.display())));
}

#[test]
fn run_refuses_wrong_flags_with_78_and_names_the_flag() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    let output = run(&[
        "run",
        "--log",
        "/var/log/mail.log",
        "--webhook",
        "example.com",
        "--state",
        state.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("  error: --webhook: is not a URL: "));
    assert!(!state.exists(), "nothing is made for a mistyped URL");
}

#[test]
fn wrong_arguments_exit_with_64() {
    for args in [
        &["nonsense"][..],
        &["run", "--log", "/x"],
        &["run", "--webhook", "https://example.com/"],
        &["run", "--log", "/x", "--webhook", "https://example.com/", "--profile", "svix"],
        &["replay"],
        &["replay", "--dry-run", "--rate", "5", "/x"],
        &["parse"],
        &["check", "-v", "-q"],
        &[],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_and_version_are_answers() {
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("mailherald {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.status.code(), Some(0));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["run", "demo", "replay", "parse", "check", "completions", "man"] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(text(&help.stdout).contains("Usage: mailherald"), "{command}");
    }
}

#[test]
fn help_documents_every_exit_code() {
    let help = text(&run(&["--help"]).stdout);
    for (code, meaning) in mailherald::cli::EXIT_CODES {
        assert!(help.contains(&format!("  {code:<3} {meaning}")), "{code}\n{help}");
    }
}

#[test]
fn completions_and_the_manual_page_are_generated() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(text(&output.stdout).contains("mailherald"), "{shell}");
        assert_eq!(output.status.code(), Some(0));
    }
    let man = run(&["man"]);
    assert!(text(&man.stdout).contains(".TH mailherald 1"));
    let one = text(&run(&["man", "webhooks", "recover"]).stdout);
    assert!(one.contains(".TH mailherald-webhooks-recover 1") && one.contains("dry"), "{one}");
    assert_eq!(run(&["man", "webhooks", "nothing"]).status.code(), Some(64));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--dir", dir.path().to_str().unwrap()]).status.code(), Some(0));
    for page in ["mailherald.1", "mailherald-audit.1", "mailherald-dead-retry.1"] {
        assert!(dir.path().join(page).is_file(), "{page}");
    }
    let pages = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(pages > 40 && !dir.path().join("mailherald-try-store.1").exists(), "{pages}");
}

#[test]
fn parse_says_which_input_it_cannot_read() {
    let missing = run(&["parse", "/nowhere/mail.log"]);
    assert_eq!(missing.status.code(), Some(66));
    assert_eq!(text(&missing.stderr), "error: find a log at \"/nowhere/mail.log\"\n");
}

#[test]
fn parse_unpacks_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail.log.1.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"Nov 21 03:04:05 mx postfix/qmgr[7]: 4jWZ7Z08W0zmwBB: removed\n").unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    let output = run(&["parse", path.to_str().unwrap()]);
    assert!(text(&output.stderr).starts_with("1 lines: 1 recognised"), "{output:?}");
}

#[test]
fn parse_of_nothing_is_nothing() {
    let output = run_with_input(&["parse", "-"], b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    assert_eq!(
        text(&output.stderr),
        "0 lines: 0 recognised, 0 ignored on purpose, 0 unrecognised\n"
    );
}

#[test]
fn a_line_becomes_its_record_and_an_unknown_one_says_why() {
    let log = b"Nov 21 03:04:05 mx postfix/qmgr[7]: 4jWZ7Z08W0zmwBB: removed\nwhat is this\n";
    let output = run_with_input(&["parse", "-"], log);
    let objects: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        objects,
        [
            serde_json::json!({
                "stamp": "11-21T03:04:05", "host": "mx", "tag": "postfix/qmgr",
                "instance": "postfix", "service": "qmgr", "pid": 7,
                "kind": "removed", "queue_id": "4jWZ7Z08W0zmwBB",
            }),
            serde_json::json!({ "unrecognised": "header", "line": "what is this" }),
        ]
    );
    assert_eq!(
        text(&output.stderr),
        "2 lines: 1 recognised, 0 ignored on purpose, 1 unrecognised\n"
    );
}

#[test]
fn a_closed_pipe_is_success() {
    // More than fits into a pipe, so that the writer is sure to notice.
    let lines: Vec<_> = (0..4000).map(|number| format!("unknown_key_{number} = 1")).collect();
    let (_dir, path) = config(&lines.join("\n"));
    let mut command = mailherald(&["check", "--config", path.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn doctor_says_how_a_log_is_and_what_mends_a_missing_one() {
    let (dir, path) = config("");
    let log = dir.path().join("mail.log");
    fs::write(&log, "").unwrap();
    let text = format!(
        "state_dir = {:?}\n[[source]]\ninclude = [{:?}]\n[[webhook]]\nname = \"a\"\n\
         url = \"https://a.example/\"\nsecret = \"{SECRET}\"\n",
        dir.path().join("state"),
        log
    );
    fs::write(&path, text).unwrap();
    let arguments = ["doctor", "--json", "--config", path.to_str().unwrap()];
    let states = |output: &Output| -> Vec<serde_json::Value> {
        let text = text_of(output);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let about_log = |findings: &[serde_json::Value]| {
        let about = findings.iter().find(|found| found["subject"] == log.to_str().unwrap());
        about.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(about_log(&states(&run(&arguments))), "good");

    fs::remove_file(&log).unwrap();
    let output = run(&arguments);
    assert_eq!(states(&output)[0]["state"], "warning", "{output:?}");
    assert!(states(&output)[0]["mend"].is_string());
}

/// Both were once good.
#[test]
fn doctor_says_that_a_state_directory_can_be_neither_written_to_nor_made() {
    let (dir, path) = config("");
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    for (path, mode) in [(dir.path(), 0o755), (&*closed, 0o555)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    for (state, words) in [
        (closed.clone(), "cannot be written to by this user"),
        (closed.join("later"), "cannot be made"),
    ] {
        fs::write(&path, format!("state_dir = {state:?}\n[[source]]\nkind = \"stdin\"\n")).unwrap();
        let Some(output) = as_nobody(&["doctor", "--config", path.to_str().unwrap()]) else {
            return;
        };
        let said = text_of(&output);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line =
            said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.starts_with(&format!("bad      {}: ", state.display())), "{said}");
    }
}

/// Run by a user for whom modes of files count. None, and said, where root's program is not for others.
fn as_nobody(args: &[&str]) -> Option<Output> {
    let mut command = mailherald(args);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534);
    }
    let output = command.output();
    if output.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        assert!(std::env::var_os("CI").is_none(), "nobody may run the program");
        eprintln!("\n*** SKIPPED: this test needs a program that others may run ***\n");
        return None;
    }
    Some(output.unwrap())
}

fn text_of(output: &Output) -> String {
    text(&output.stdout)
}
