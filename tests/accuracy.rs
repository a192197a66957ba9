//! The recorded logs of real mail servers, told by the built program, held against what really
//! happened: the measure of `cargo xtask accuracy`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

#[path = "../contrib/xtask/src/accuracy/measure/mod.rs"]
mod measure;

/// What logs of Haraka do not tell: recipients of LMTP servers that answered differently, and below
/// the level `INFO` bounces and verdicts of filters. `haraka.md` says why.
const UNDECIDED: u64 = 8 + 2 + 4;

#[test]
fn every_recipient_of_harakas_recorded_logs_is_told_as_it_was() {
    let program = Path::new(env!("CARGO_BIN_EXE_mailherald"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/haraka");
    let report = measure::measure(program, &[fixtures]).unwrap();
    let total = report.total();
    assert!(total.is_clean(), "\n{}{report}", report.details());
    assert_eq!(total.undecided, UNDECIDED, "\n{}{report}", report.details());
    assert!(total.right >= 250, "{report}");
}

#[test]
fn every_recipient_of_the_recorded_logs_is_told_as_it_was() {
    let program = Path::new(env!("CARGO_BIN_EXE_mailherald"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/postfix");
    let report = measure::measure(program, &[fixtures]).unwrap();
    let total = report.total();
    assert!(total.is_clean(), "\n{}{report}", report.details());
    assert_eq!(total.undecided, 0, "\n{}{report}", report.details());
    // Who loses rows on the way to the measure must not be content either.
    assert!(total.right >= 2490, "{report}");
}
