//! syslog-ng as it would be set up to do the same: a file, a parser of `key=value`, and one POST for
//! each line with a status or a refusal, by four workers. It keeps nothing on disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

const CONFIG: &str = r#"@version: 3.38
options { stats-freq(0); };
source s_log { file("@LOG@" follow-freq(1) log-fetch-limit(1000) log-iw-size(20000)); };
filter f_tells { match("status=|NOQUEUE: reject" value("MESSAGE")); };
parser p_fields { kv-parser(prefix("field.") pair-separator(", ")); };
destination d_post {
    http(url("@URL@") method("POST") headers("Content-Type: application/json") workers(4)
        batch-lines(1) log-fifo-size(40000)
        body("$(format-json time=${ISODATE} host=${HOST} program=${PROGRAM} pid=${PID} message=${MESSAGE} field.*)"));
};
log { source(s_log); filter(f_tells); parser(p_fields); destination(d_post); flags(flow-control); };
"#;

/// The command that sends what a log tells, with no memory of having read it. It does not end.
pub(super) fn follow(dir: &Path, log: &Path, url: &str) -> Result<Command> {
    if dir.exists() {
        fs::remove_dir_all(dir).context("remove the last state")?;
    }
    fs::create_dir_all(dir).context("make a place for the state")?;
    let place = |name: &str| -> PathBuf { dir.join(name) };
    let config = CONFIG.replace("@LOG@", &log.to_string_lossy()).replace("@URL@", url);
    fs::write(place("syslog-ng.conf"), config).context("write the configuration")?;
    let mut command = Command::new("syslog-ng");
    command.args(["--foreground", "--no-caps"]);
    command.arg("--cfgfile").arg(place("syslog-ng.conf"));
    command.arg("--persist-file").arg(place("persist"));
    command.arg("--pidfile").arg(place("pid")).arg("--control").arg(place("control"));
    Ok(command)
}
