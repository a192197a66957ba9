//! `parse`: what each line is understood as.

use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
};

use mailherald_parsers::{Body, Parser};
use serde_json::{Value, json};

use super::{
    Failure,
    args::ParseArgs,
    record_json::{reason_name, record_json},
};
use crate::{
    app::{self, AppError},
    clock,
    parse::Counts,
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
        let mut parser = Parser::new();
        let mut written = Ok(());
        let now = clock::system().now();
        let _whole = replay::read(planned, 0, None, now, &mut |batch, _| {
            written = self.add_batch(&mut parser, &batch, out);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(AppError::from)?;
        written.map_err(Failure::Output)
    }

    fn add_batch(
        &mut self,
        parser: &mut Parser,
        batch: &Batch,
        out: &mut impl Write,
    ) -> io::Result<()> {
        for span in &batch.lines {
            let range = span.start as usize..span.end as usize;
            let line = batch.bytes.get(range).unwrap_or_default();
            writeln!(out, "{}", self.object(parser, line, span.cut))?;
        }
        Ok(())
    }

    fn object(&mut self, parser: &mut Parser, line: &[u8], cut: bool) -> Value {
        let record = parser.parse(line);
        self.counts.add(&record.body);
        let mut object = match record.body {
            Body::Unrecognised(reason) => {
                let text = String::from_utf8_lossy(line);
                json!({ "unrecognised": reason_name(reason), "line": text })
            }
            _ => record_json(&record),
        };
        if let (true, Value::Object(fields)) = (cut, &mut object) {
            fields.insert("cut".to_owned(), true.into());
        }
        object
    }

    fn summary(&self) -> String {
        let Counts { lines, recognised, ignored, unrecognised } = self.counts;
        format!(
            "{lines} lines: {recognised} recognised, {ignored} ignored on purpose, \
             {unrecognised} unrecognised"
        )
    }
}
