//! `cargo xtask loggen`: a Postfix log of any size, and its truth beside it.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::loggen::{self, Format};

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Bytes, with an optional kB, MB or GB
    #[arg(long, default_value = "100MB", value_parser = size_of)]
    size: u64,
    /// The same seed gives the same log
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How lines begin
    #[arg(long, value_enum, default_value_t = Stamp::Rfc3339)]
    format: Stamp,
    /// Where to; the truth goes to FILE.truth.json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// How lines begin, as the command line names it.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Stamp {
    /// 2026-11-21T01:02:03.123456+00:00
    Rfc3339,
    /// Nov 21 01:02:03
    Traditional,
}

/// Makes the log that was asked for.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    let format = match options.format {
        Stamp::Rfc3339 => Format::Rfc3339,
        Stamp::Traditional => Format::Traditional,
    };
    let truth = make(&options.out, options.size, options.seed, format)?;
    println!("{}", truth.to_json());
    Ok(())
}

/// Writes log and truth.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn make(out: &Path, size: u64, seed: u64, format: Format) -> Result<loggen::Truth> {
    let failed = || format!("write {}", out.display());
    let file = BufWriter::with_capacity(1 << 20, File::create(out).with_context(failed)?);
    let truth = loggen::generate(size, seed, format, file).with_context(failed)?;
    let mut beside = out.as_os_str().to_owned();
    beside.push(".truth.json");
    fs::write(&beside, truth.to_json() + "\n").with_context(failed)?;
    Ok(truth)
}

fn size_of(text: &str) -> Result<u64> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => bail!("{other:?} is not one of kB, MB, GB"),
    };
    let number: u64 = number.parse().context("a size begins with a number")?;
    number.checked_mul(factor).context("that is too much")
}

#[test]
fn sizes_have_decimal_units() {
    assert_eq!(size_of("100MB").ok(), Some(100_000_000));
    assert_eq!(size_of("7").ok(), Some(7));
    assert!(size_of("1TiB").is_err());
    assert!(size_of("99999999999GB").is_err());
}
