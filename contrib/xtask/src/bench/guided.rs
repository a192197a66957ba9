//! `cargo xtask build`: programs for release, guided by a profile of what mailherald does all day.
//!
//! The compiler first makes a mailherald that counts which ways it goes. That one reads logs and
//! sends what they tell, and the compiler makes the programs again, knowing the counts (rustc book,
//! "Profile-guided Optimization"). A replay takes about an eighth less time than one of
//! `cargo build --release`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context, Result};

use super::{
    deliver::{herald::Herald, receiver::Receiver},
    make, make_haraka, measure,
};
use crate::{
    loggen::{Format, haraka::Layout},
    run,
};

/// What counts, and what it sends to.
const COUNTING: [&str; 2] = ["mailherald", "receiver"];
/// Megabytes of the log whose events are sent, and of those that are only read.
const SENT_MEGABYTES: u64 = 30;
const READ_MEGABYTES: u64 = 10;
/// Keys of the webhook that they are sent to.
const KEYS: &str = "concurrency = 64\n";
/// Tells a program that counts where to write what it counted.
const COUNTS: &str = "LLVM_PROFILE_FILE";

/// Builds mailherald, and says where it is.
///
/// # Errors
/// As [`programs`].
pub(crate) fn build() -> Result<()> {
    println!("{}", programs(&["mailherald"])?.join("mailherald").display());
    Ok(())
}

/// Builds programs of mailherald and of its benches; the directory that they are in.
///
/// # Errors
/// A build fails, or the program that counts, or the compiler's `llvm-tools` are missing.
pub(super) fn programs(names: &[&str]) -> Result<PathBuf> {
    let profile = profile()?;
    compile("guided", &format!("-Cprofile-use={}", profile.display()), names)
}

/// What was counted. Counted again only when there is another program: a newer profile makes cargo
/// build everything again.
fn profile() -> Result<PathBuf> {
    let programs = compile("counting", "-Cprofile-generate", &COUNTING)?;
    let dir = run::target()?.join("guided");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let profile = dir.join("mailherald.profdata");
    if changed(&profile).is_none_or(|counted| changed(&programs.join("mailherald")) > Some(counted))
    {
        let counts = count(&programs)?;
        let mut merge = Command::new(merger()?);
        run::check(merge.args(["merge", "--output"]).args([&profile, &counts]))?;
    }
    Ok(profile)
}

/// Has a log delivered, and others read; the directory with what was counted.
fn count(programs: &Path) -> Result<PathBuf> {
    let dir = run::target()?.join("counting/counts");
    if dir.exists() {
        fs::remove_dir_all(&dir).context("remove what was counted last")?;
    }
    let program = programs.join("mailherald");
    let receiver = Receiver::start(&programs.join("receiver"), false)?;
    let place = run::target()?.join("counting/state");
    let herald =
        Herald { program: &program, dir: &place, url: &receiver.url, keys: KEYS, others: (0, "") };
    let sent = make("-guide", SENT_MEGABYTES, Format::Rfc3339)?;
    measure::run(herald.replay(&sent.path)?.env(COUNTS, dir.join("%p.profraw")), false)?;
    for log in [
        make("-guide-old", READ_MEGABYTES, Format::Traditional)?,
        make_haraka("guide", READ_MEGABYTES, Layout::Default)?,
        make_haraka("guide-json", READ_MEGABYTES, Layout::Json)?,
    ] {
        let mut replay = Command::new(&program);
        replay.args(["replay", "--dry-run"]).arg(&log.path);
        measure::run(replay.env(COUNTS, dir.join("%p.profraw")), false)?;
    }
    Ok(dir)
}

/// Builds in a place of its own, so that no build undoes another.
fn compile(place: &str, flag: &str, names: &[&str]) -> Result<PathBuf> {
    let dir = run::target()?.join(place);
    let host = run::read(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let mut cargo = run::cargo();
    // Named, the target's flags are not those of build scripts, which would count as well.
    cargo.args(["build", "--release", "--target", host, "--target-dir"]).arg(&dir);
    cargo.args(["--package", "mailherald", "--package", "mailherald-bench"]);
    cargo.args(names.iter().flat_map(|name| ["--bin", name]));
    run::check(cargo.env("CARGO_ENCODED_RUSTFLAGS", flag))?;
    Ok(dir.join(host).join("release"))
}

/// `llvm-profdata` of the compiler: another version does not read its counts.
fn merger() -> Result<PathBuf> {
    let libraries = run::read(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let program = Path::new(libraries.trim()).with_file_name("bin").join("llvm-profdata");
    if !program.is_file() {
        run::check(Command::new("rustup").args(["component", "add", "llvm-tools"]))
            .context("the compiler's component llvm-tools is missing, which merges counts")?;
    }
    Ok(program)
}

/// When a file was last written, if there is one.
fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|file| file.modified()).ok()
}
