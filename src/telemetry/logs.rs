//! Structured logs on standard error.
//!
//! `MAILHERALD_LOG` chooses in detail (`info,mailherald::deliver=debug`); without it `-v` and `-q`
//! do.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// The environment variable with the filter.
const VARIABLE: &str = "MAILHERALD_LOG";

/// Starts logging, once for the process; a second call changes nothing. `verbosity` is above 0 to
/// say more and below to say less, `json` gives one object a line.
pub fn init(verbosity: i16, json: bool) {
    let (filter, refused) = filter(std::env::var(VARIABLE).ok(), verbosity);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let started = if json { builder.json().try_init() } else { builder.try_init() };
    if let (Ok(()), Some(error)) = (started, refused) {
        tracing::warn!(variable = VARIABLE, %error, "log filter is not understood and is ignored");
    }
}

/// The filter, and why the one asked for was not taken.
fn filter(
    wanted: Option<String>,
    verbosity: i16,
) -> (EnvFilter, Option<tracing_subscriber::filter::ParseError>) {
    let by_flags = || EnvFilter::new(directives(verbosity));
    match wanted.filter(|text| !text.is_empty()).map(EnvFilter::try_new) {
        None => (by_flags(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (by_flags(), Some(error)),
    }
}

/// Crates that we use are heard from later than our own rooms.
fn directives(verbosity: i16) -> &'static str {
    match verbosity {
        ..=-2 => "error",
        -1 => "warn",
        0 => "warn,mailherald=info",
        1 => "info,mailherald=debug",
        2.. => "debug,mailherald=trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_choose_the_level_unless_the_variable_does() {
        let chosen = |wanted: Option<&str>, verbosity| {
            filter(wanted.map(str::to_owned), verbosity).0.to_string()
        };
        assert_eq!(chosen(None, -2), "error");
        assert_eq!(chosen(Some(""), -1), "warn");
        assert_eq!(chosen(Some("error"), 2), "error");
        assert!(chosen(None, 0).contains("mailherald=info"));
    }

    #[test]
    fn a_filter_that_is_not_understood_is_ignored_and_said() {
        let (taken, refused) = filter(Some("mailherald=loud".to_owned()), -1);
        assert_eq!(taken.to_string(), "warn");
        assert!(refused.is_some());
    }
}
