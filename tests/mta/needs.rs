//! What these tests need of the machine. `cargo xtask test` installs it.

use std::{env, path::PathBuf};

use crate::haraka;

/// Why the tests cannot run here, if they cannot.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root (Postfix starts its daemons under several users)".to_owned());
    }
    if let Some(missing) = missing_program(&["postfix", "ip", "unshare", "node"]) {
        return Some(missing);
    }
    let libraries =
        [node_modules().join("standardwebhooks"), haraka::modules().join("haraka-plugin-rspamd")];
    let missing = libraries.iter().find(|library| !library.is_dir())?;
    Some(format!("the npm package in {}", missing.display()))
}

/// The first of these programs that is not here.
pub(crate) fn missing_program(programs: &[&str]) -> Option<String> {
    let missing = programs.iter().find(|name| !on_path(name))?;
    Some(format!("the program `{missing}`"))
}

/// Ends a test that cannot run: a failure in CI, a loud word elsewhere.
pub(crate) fn skip(missing: &str) {
    let advice = "run `cargo xtask test` as root, which installs what is missing";
    assert!(env::var_os("CI").is_none(), "the tests with a real Postfix need {missing}; {advice}");
    eprintln!("\n*** SKIPPED: the tests with a real Postfix need {missing}; {advice} ***\n");
}

/// Where `cargo xtask test` puts what `contrib/receivers` depends on.
pub(crate) fn node_modules() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("receivers").join("node_modules")
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
