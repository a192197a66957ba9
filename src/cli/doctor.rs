//! `doctor`: what the host has to do with it that events would be missing.

use std::io::{self, Write};

use super::{Failure, args::Global};
use crate::{
    app::{self, Finding, State},
    config::{self, Purpose},
};

/// Looks at the host and prints what was found, as the result. What is bad makes it fail.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let loaded = config::load(global.config_path(), Purpose::Check)?;
    let findings = app::doctor(&loaded.config);
    print(&mut io::stdout().lock(), &findings, global.json).map_err(Failure::Output)?;
    let is_bad = findings.iter().any(|finding| finding.state == State::Bad);
    if is_bad { Err(Failure::ProblemsFound) } else { Ok(()) }
}

fn print(out: &mut impl Write, findings: &[Finding], json: bool) -> io::Result<()> {
    for finding in findings {
        if json {
            serde_json::to_writer(&mut *out, finding)?;
            writeln!(out)?;
        } else {
            let state = match finding.state {
                State::Good => "ok",
                State::Warning => "warning",
                State::Bad => "bad",
            };
            writeln!(out, "{state:<8} {}: {}", finding.subject, finding.message)?;
            if let Some(mend) = &finding.mend {
                writeln!(out, "         mend: {mend}")?;
            }
        }
    }
    out.flush()
}
