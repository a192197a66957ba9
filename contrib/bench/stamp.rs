//! Time stamps as syslog daemons write them.

use jiff::Timestamp;

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `2026-11-21T01:02:03.123456+00:00`, as rsyslog of today.
    Rfc3339,
    /// `Nov  1 01:02:03`, as syslog for forty years.
    Traditional,
}

/// Prints stamps; remembers the current second, because thousands of lines share it.
#[derive(Debug)]
pub(crate) struct Stamper {
    format: Format,
    second: Option<u64>,
    text: String,
}

impl Stamper {
    /// For one format.
    #[must_use]
    pub(crate) fn new(format: Format) -> Self {
        Self { format, second: None, text: String::new() }
    }

    /// The stamp of that many microseconds since 1970, UTC.
    pub(crate) fn at(&mut self, micros: u64) -> String {
        let second = micros / 1_000_000;
        if self.second != Some(second) {
            let at = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
            let pattern = match self.format {
                Format::Rfc3339 => "%Y-%m-%dT%H:%M:%S",
                Format::Traditional => "%b %e %H:%M:%S",
            };
            self.text = at.unwrap_or_default().strftime(pattern).to_string();
            self.second = Some(second);
        }
        match self.format {
            Format::Rfc3339 => format!("{}.{:06}+00:00", self.text, micros % 1_000_000),
            Format::Traditional => self.text.clone(),
        }
    }
}
