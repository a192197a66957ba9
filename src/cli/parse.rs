//! `parse`: what each line is understood as.

use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
};

use super::{Failure, args::ParseArgs};
use crate::{
    app::{self, AppError},
    clock,
    parse::{Counts, json::Lines},
    source::{Batch, replay},
};

/// Prints one object for each line of each file; the counts go to standard error.
pub(super) fn run(args: &ParseArgs) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut printer = Printer::default();
    for path in &args.files {
        for planned in app::replay_plan(&[path.to_string_lossy().into_owned()], None)? {
            printer.add_file(&planned, &mut out)?;
        }
    }
    out.flush().map_err(Failure::Output)?;
    // The counts are talk: a closed standard error is no failure.
    let _closed = writeln!(io::stderr().lock(), "{}", printer.summary());
    Ok(())
}

/// Prints, and counts.
#[derive(Debug, Default)]
struct Printer {
    counts: Counts,
}

impl Printer {
    fn add_file(&mut self, planned: &replay::Planned, out: &mut impl Write) -> Result<(), Failure> {
        let mut lines = Lines::default();
        let mut written = Ok(());
        let now = clock::system().now();
        let _whole = replay::read(planned, 0, None, now, &mut |batch, _| {
            written = self.add_batch(&mut lines, &batch, out);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(AppError::from)?;
        written.map_err(Failure::Output)
    }

    fn add_batch(
        &mut self,
        lines: &mut Lines,
        batch: &Batch,
        out: &mut impl Write,
    ) -> io::Result<()> {
        for span in &batch.lines {
            let range = span.start as usize..span.end as usize;
            let line = batch.bytes.get(range).unwrap_or_default();
            writeln!(out, "{}", lines.object(line, span.cut, &mut self.counts))?;
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let Counts { lines, recognised, ignored, unrecognised, .. } = self.counts;
        format!(
            "{lines} lines: {recognised} recognised, {ignored} ignored on purpose, \
             {unrecognised} unrecognised"
        )
    }
}
