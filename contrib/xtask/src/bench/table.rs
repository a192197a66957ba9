//! What was measured, in words and columns.

use super::Subject;

/// What everything is a multiple of.
pub(super) const FLOOR: &str = "wc -l";
/// Lines to records.
pub(super) const PARSE: &str = "T1 parse, all fields";
/// Lines to stored events.
pub(super) const EVENTS: &str = "T2 parse, correlate, encode";
/// The whole program.
pub(super) const REPLAY: &str = "mailherald replay --dry-run";
/// [`EVENTS`] on the small log.
pub(super) const SMALL_EVENTS: &str = "T2, small";
/// [`REPLAY`] on the small log.
pub(super) const SMALL_REPLAY: &str = "replay --dry-run, small";

/// [`PARSE`] of Haraka's default layout.
pub(super) const HARAKA_DEFAULT: &str = "T1, Haraka default, small";
/// [`PARSE`] of Haraka's JSON.
pub(super) const HARAKA_JSON: &str = "T1, Haraka json, small";

/// Haraka's lines a second are at least so many of Postfix's.
const HARAKA_SHARE: f64 = 1.0 / 3.0;

/// A ratio of two programs' times, and what is wanted of it.
struct Target {
    name: &'static str,
    of: &'static str,
    to: &'static str,
    floor: f64,
    goal: f64,
}

const TARGETS: [Target; 2] = [
    Target { name: "T1", of: PARSE, to: FLOOR, floor: 10.0, goal: 6.0 },
    Target { name: "T2", of: EVENTS, to: PARSE, floor: 1.7, goal: 1.4 },
];

/// Prints one line for each program, then the targets, then memory.
pub(super) fn print(subjects: &[Subject]) {
    println!(
        "\n{:<30} {:>6} {:>8} {:>8} {:>12} {:>7} {:>7} {:>8}",
        "program", "MB", "seconds", "CPU", "lines/s", "MB/s", "× wc", "peak MB"
    );
    let floor = find(subjects, FLOOR).map_or(1.0, Subject::seconds_per_byte);
    for subject in subjects {
        let (seconds, truth) = (subject.best.took.as_secs_f64(), &subject.log.truth);
        println!(
            "{:<30} {:>6.0} {seconds:>8.3} {:>8.3} {:>12.0} {:>7.0} {:>7.1} {:>8.1}",
            subject.name,
            number(truth.bytes) / 1e6,
            subject.best.cpu.as_secs_f64(),
            number(truth.lines) / seconds,
            number(truth.bytes) / 1e6 / seconds,
            subject.seconds_per_byte() / floor,
            number(subject.best.peak_bytes) / 1e6
        );
    }
    println!();
    for target in &TARGETS {
        target.print(subjects);
    }
    print_haraka(subjects);
    print_memory(subjects);
}

fn print_haraka(subjects: &[Subject]) {
    let Some(postfix) = find(subjects, PARSE).map(Subject::lines_per_second) else { return };
    for haraka in [HARAKA_DEFAULT, HARAKA_JSON].iter().filter_map(|name| find(subjects, name)) {
        let share = haraka.lines_per_second() / postfix;
        let verdict = if share >= HARAKA_SHARE { "reached" } else { "MISSED" };
        println!("{} / {PARSE}, lines/s: {share:.2} (≥ {HARAKA_SHARE:.2}): {verdict}", haraka.name);
    }
}

impl Target {
    fn print(&self, subjects: &[Subject]) {
        let (Some(of), Some(to)) = (find(subjects, self.of), find(subjects, self.to)) else {
            return;
        };
        let ratio = of.seconds_per_byte() / to.seconds_per_byte();
        let verdict = match ratio {
            ratio if ratio <= self.goal => "reached",
            ratio if ratio <= self.floor => "above the floor",
            _ => "MISSED",
        };
        let cpu = of.best.cpu.as_secs_f64() / to.best.cpu.as_secs_f64();
        println!(
            "{} = {} / {}: {ratio:.2} (≤ {} floor, ≤ {}): {verdict}; {cpu:.2} in CPU time",
            self.name, self.of, self.to, self.floor, self.goal
        );
    }
}

fn print_memory(subjects: &[Subject]) {
    if let Some(events) = find(subjects, EVENTS) {
        let megabytes = |place| {
            let field = events.best.printed.split_whitespace().nth(place);
            let kilobytes = field.and_then(|field| field.parse().ok()).unwrap_or_default();
            number(kilobytes) * 1024.0 / 1e6
        };
        println!(
            "T2 resident at 10 %, 50 %, 100 % of the log: {:.1}, {:.1}, {:.1} MB",
            megabytes(2),
            megabytes(3),
            megabytes(4)
        );
    }
    for (small, large) in [(SMALL_EVENTS, EVENTS), (SMALL_REPLAY, REPLAY)] {
        let (Some(small), Some(large)) = (find(subjects, small), find(subjects, large)) else {
            continue;
        };
        let megabytes = |subject: &Subject| {
            (number(subject.log.truth.bytes) / 1e6, number(subject.best.peak_bytes) / 1e6)
        };
        let ((small_log, small_peak), (log, peak)) = (megabytes(small), megabytes(large));
        println!(
            "{}: peak {small_peak:.1} MB of {small_log:.0} MB, {peak:.1} MB of {log:.0} MB",
            large.name
        );
    }
}

impl Subject {
    fn lines_per_second(&self) -> f64 {
        number(self.log.truth.lines) / self.best.took.as_secs_f64()
    }

    /// Comparable between logs of different sizes.
    fn seconds_per_byte(&self) -> f64 {
        self.best.took.as_secs_f64() / number(self.log.truth.bytes.max(1))
    }
}

fn find<'a>(subjects: &'a [Subject], name: &str) -> Option<&'a Subject> {
    subjects.iter().find(|subject| subject.name == name)
}

#[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn number(count: u64) -> f64 {
    count as f64
}
