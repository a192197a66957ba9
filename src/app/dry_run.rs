//! History to standard output: every event that the lines give, and nothing else happens.

use std::{collections::BTreeMap, io::Write, ops::ControlFlow};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{
    AppError,
    pipeline::{direction, whose},
};
use crate::{
    clock,
    config::{Mail, Mta},
    correlate::Correlator,
    deliver::canonical::append_canonical,
    event::Event,
    parse::{Counts, Reader, State, first_stamp},
    source::{Batch, replay},
};

/// What to read, and how.
#[derive(Debug)]
pub struct DryRun {
    /// Files, globs, directories, `-`.
    pub files: Vec<String>,
    /// Reference for stamps without a year, instead of each file's modification time.
    pub anchor: Option<Timestamp>,
    /// Earliest time of an event.
    pub since: Option<Timestamp>,
    /// Behind the latest time of an event.
    pub until: Option<Timestamp>,
    /// What decides the direction of a message.
    pub mail: Mail,
    /// Also `outbound.sending`.
    pub sending: bool,
    /// Whose lines they are.
    pub mta: Mta,
}

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct DrySummary {
    /// Lines by outcome.
    #[serde(flatten)]
    pub counts: Counts,
    /// Events by type.
    pub events: BTreeMap<&'static str, u64>,
}

/// Prints one canonical event a line to `out`.
///
/// # Errors
/// When a file cannot be read or `out` cannot be written.
pub fn dry_run(options: &DryRun, out: &mut impl Write) -> Result<DrySummary, AppError> {
    let (zone, clock) = (TimeZone::system(), clock::system());
    let stamp = |line: &[u8], anchor| first_stamp(line, &zone, options.anchor.unwrap_or(anchor));
    let mut run = Run {
        reader: Reader::new(zone.clone(), State::default()).of(whose(options.mta)),
        correlator: Correlator::new(direction(&options.mail), options.sending),
        fresh: Vec::new(),
        printer: Printer { options, counts: BTreeMap::new(), line: Vec::new() },
    };
    for planned in replay::plan(&options.files, &stamp)? {
        let mut result = Ok(());
        let _whole = replay::read(&planned, 0, None, clock.now(), &mut |batch, _| {
            result = run.batch(batch, out);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
    }
    run.correlator.release_all(&mut run.fresh);
    run.printer.print(&mut run.fresh, out)?;
    out.flush().map_err(AppError::Output)?;
    Ok(DrySummary { counts: run.reader.counts(), events: run.printer.counts })
}

struct Run<'a> {
    reader: Reader,
    correlator: Correlator,
    fresh: Vec<Event>,
    printer: Printer<'a>,
}

struct Printer<'a> {
    options: &'a DryRun,
    /// Events printed, by type.
    counts: BTreeMap<&'static str, u64>,
    /// The line under way.
    line: Vec<u8>,
}

impl Run<'_> {
    fn batch(&mut self, mut batch: Batch, out: &mut impl Write) -> Result<(), AppError> {
        batch.anchor = self.printer.options.anchor.unwrap_or(batch.anchor);
        let (correlator, fresh) = (&mut self.correlator, &mut self.fresh);
        let mut printed = Ok(());
        // Each line's events at once, while they are in the processor's cache.
        self.reader.read(&batch, |line| {
            correlator.step(line, fresh);
            if !fresh.is_empty() && printed.is_ok() {
                printed = self.printer.print(fresh, out);
            }
        });
        self.correlator.drain_changes(|_, _, _, _, _| {});
        self.correlator.drain_asides(|_, _| {});
        printed
    }
}

impl Printer<'_> {
    /// Prints the fresh events that are wanted.
    fn print(&mut self, fresh: &mut Vec<Event>, out: &mut impl Write) -> Result<(), AppError> {
        for event in fresh.drain(..) {
            let at = event.at();
            let too_early = self.options.since.is_some_and(|since| at < since);
            if too_early || self.options.until.is_some_and(|until| at >= until) {
                continue;
            }
            *self.counts.entry(event.kind.name()).or_default() += 1;
            self.line.clear();
            append_canonical(&event, &mut self.line);
            self.line.push(b'\n');
            out.write_all(&self.line).map_err(AppError::Output)?;
        }
        Ok(())
    }
}
