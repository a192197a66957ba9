//! The tests of the Haraka plugin, which are written in its own language: its parts, and its promise
//! that mail goes its way whatever happens to the plugin, with real Harakas.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Where `cargo xtask test` installs releases of Haraka.
fn harakas() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("harakas")
}

fn test_files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/haraka/test");
    let paths = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(".test.js")).collect();
    assert!(files.len() >= 4, "{files:?}");
    files
}

#[test]
fn the_plugin_tells_what_happens_and_never_stands_in_the_way_of_mail() {
    if !harakas().join("3.3/node_modules/haraka").is_dir() {
        let missing = "a Haraka is missing: `cargo xtask test` installs it";
        assert!(env::var_os("CI").is_none(), "{missing}");
        return eprintln!("\n*** SKIPPED: {missing} ***\n");
    }
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(test_files());
    let output = node.env("MAILHERALD_HARAKAS", harakas()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // How much longer a burst took with the plugin is in there.
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
