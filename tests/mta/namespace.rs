//! A world of its own for each test: network, mount and process namespaces.
//!
//! Inside, only loopback exists, so nothing can leave the machine and no port is taken; and when
//! the test ends, however it ends, the kernel takes every daemon down with it. A namespace can
//! only be entered by a whole process without `unsafe`, so the test runs itself again under
//! `unshare(1)`. Where the kernel forbids that (some containers), the test runs in place: every
//! address is loopback and every port free anyway.

use std::{
    any::type_name_of_val,
    env,
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{needs, wait};

/// Set inside: the file that the body creates when it has run to its end.
const MARK: &str = "MAILHERALD_TEST_MARK";

/// No test may take longer, whatever happens.
const LIMIT: Duration = Duration::from_mins(6);

/// Runs a test's body isolated from the machine, or skips it loudly when something it needs is
/// missing (see [`needs`]).
pub(crate) fn isolated(body: impl FnOnce()) {
    if let Some(mark) = env::var_os(MARK) {
        body();
        File::create(mark).expect("the directory of the mark belongs to the outer test");
        return;
    }
    if let Some(missing) = needs::missing() {
        return needs::skip(&missing);
    }
    if can_isolate() {
        run_again_inside(&test_name(&body));
    } else {
        eprintln!("namespaces are forbidden here: running on the loopback of this machine");
        body();
    }
}

/// What the test harness calls the test to which a closure belongs: `every_kind::the_test`.
fn test_name(body: &impl FnOnce()) -> String {
    let full = type_name_of_val(body);
    let inner = full.split_once("::").map_or(full, |(_, rest)| rest);
    inner.trim_end_matches("::{{closure}}").to_owned()
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", r#"ip link set lo up && exec "$0" "$@""#]);
    command.stdin(Stdio::null());
    command
}

fn can_isolate() -> bool {
    unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run_again_inside(test: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let (mark, output) = (dir.path().join("finished"), dir.path().join("output"));
    let mut child = command_inside(test, &mark, &output).spawn().expect("unshare(1) has just run");
    let done = wait::until(LIMIT, || child.try_wait().expect("the child is ours").is_some());
    if !done {
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    }
    let said = std::fs::read(&output).unwrap_or_default();
    eprintln!("{}", String::from_utf8_lossy(&said));
    assert!(done, "{test} did not end within {LIMIT:?}");
    // The exit status alone would also be good if the name had matched no test at all.
    assert!(mark.exists(), "{test} failed inside its namespace, see above");
}

fn command_inside(test: &str, mark: &Path, output: &Path) -> Command {
    let file = File::create(output).expect("the directory is ours");
    let mut command = unshare();
    command.arg(env::current_exe().expect("a running test knows its file"));
    command.args(["--exact", test, "--nocapture"]).env(MARK, mark);
    command.stderr(file.try_clone().expect("an open file can be shared")).stdout(file);
    command
}
