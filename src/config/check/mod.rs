//! From keys as written to a configuration that can be worked with.
//!
//! Every rule is checked even when others failed; a [`Config`] comes out only when none did.
//! Looks at the host only to read secrets, to see which log files exist, and to ask Postfix where it
//! logs to when a file and the journal are both read.

mod api;
mod egress;
mod haraka_plugin;
mod headers;
mod journal;
mod mail;
mod milter;
mod network;
mod pem_file;
mod policy;
mod reports;
mod route;
mod sealing;
mod secret_file;
mod selection;
mod source;
mod store;
mod transport;
pub(super) mod webhook;

use std::{collections::HashMap, ops::RangeInclusive, path::PathBuf};

use super::{
    checked::Config,
    load::Purpose,
    problem::{Problems, Span, nearest},
    raw::RawConfig,
    value::At,
};
use crate::{limits::ATTEMPTS_AT_ONCE, secret::Sealing};
use journal::Maillog;

pub(crate) use reports::{MAKE_KEY, verp_key};
pub use secret_file::SecretFileError;
pub(crate) use secret_file::read as read_secret_file;

/// Where state lives unless said otherwise.
pub const STATE_DIR: &str = "/var/lib/mailherald";
/// Attempts to all webhooks together that may be under way at once.
const CONCURRENCIES: RangeInclusive<usize> = 1..=4096;

/// Checks everything. None when an error was found, here or while reading.
pub(super) fn check(
    raw: RawConfig,
    purpose: Purpose,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    let state_dir = state_dir(raw.state_dir, problems);
    let concurrency = concurrency(raw.concurrency.as_ref(), problems);
    let said = raw.store.as_ref().and_then(|store| store.value.retain.as_ref());
    let said = said.map(|at| at.span.clone());
    let store = store::check(raw.store.map(|store| store.value), problems);
    if purpose == Purpose::Check {
        let asked = reports::asked_for(raw.source.as_ref(), raw.reports.as_ref());
        reports::warn_of_short_memory(asked, said, store.retention.events.age, problems);
    }
    let raw_mail = raw.mail.map(|mail| mail.value);
    let may_ask = raw_mail.as_ref().is_none_or(mail::may_ask_postfix);
    let mut mail = mail::check(raw_mail, problems);
    mail.routes = route::check(raw.route, problems);
    let may_read_secrets = purpose != Purpose::DryRun;
    let raw_reports = raw.reports.map(|at| at.value);
    let reports = reports::check(raw_reports, &mail.headers, may_read_secrets, problems);
    let maillog = || if may_ask { journal::maillog() } else { Maillog::Unknown };
    let api = api::check(raw.api.map(|api| api.value), purpose, problems);
    let own = api.as_ref().map(|api| api.address);
    let egress = egress::check(raw.egress.map(|egress| egress.value), own, problems);
    let (sources, webhooks) = match purpose {
        Purpose::DryRun => (Vec::new(), Vec::new()),
        Purpose::Check | Purpose::Daemon | Purpose::Replay => {
            if purpose != Purpose::Replay {
                source::require(raw.source.as_ref(), problems);
            }
            if purpose == Purpose::Check {
                source::warn_of_missing(raw.source.as_ref(), problems);
            }
            let sources = source::check(raw.source, &maillog, problems);
            (sources, webhook::check(raw.webhook, &egress, &mail.routes, problems))
        }
    };
    let sealing = match purpose {
        Purpose::DryRun => Sealing::default(),
        _ => sealing::check(raw.seal_key_file, raw.former_seal_key_file, problems),
    };
    let config = Config {
        state_dir,
        sources,
        store,
        mail,
        egress,
        api,
        reports,
        sealing,
        webhooks,
        concurrency,
    };
    (!problems.any_error()).then_some(config)
}

fn concurrency(raw: Option<&At<usize>>, problems: &mut Problems<'_>) -> usize {
    let Some(At { span, value }) = raw else { return ATTEMPTS_AT_ONCE };
    if !CONCURRENCIES.contains(value) {
        problems.error(span, "concurrency", "must be from 1 to 4096");
    }
    *value
}

fn state_dir(raw: Option<At<String>>, problems: &mut Problems<'_>) -> PathBuf {
    let Some(At { span, value }) = raw else { return STATE_DIR.into() };
    let path = PathBuf::from(value);
    if !path.is_absolute() {
        problems.error(&span, "state_dir", "must be an absolute path");
    }
    path
}

/// Reads one of a few words.
fn choice<T: Copy>(
    raw: Option<&At<String>>,
    key: &str,
    choices: &[(&'static str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let At { span, value } = raw?;
    let chosen = choices.iter().find(|(name, _)| name == value);
    if chosen.is_none() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        problems
            .error(span, key, format!("{value:?} is none of {}", names.join(", ")))
            .did_you_mean(nearest(value, names));
    }
    chosen.map(|(_, choice)| *choice)
}

/// Most characters of a name.
const NAME_CHARS: usize = 64;

/// Has the shape of a name; says so if not.
fn is_name(name: &At<String>, key: &str, problems: &mut Problems<'_>) -> bool {
    let chars = name.value.trim().chars().count();
    let shaped = (1..=NAME_CHARS).contains(&chars) && !name.value.contains(char::is_control);
    if !shaped {
        let message = format!("must have 1 to {NAME_CHARS} characters and no control characters");
        problems.error(&name.span, key, message);
    }
    shaped
}

/// Names already given, and where.
#[derive(Debug, Default)]
struct Names(HashMap<String, Span>);

impl Names {
    /// Checks the shape of a name, and that nobody had it before.
    fn take(&mut self, name: &At<String>, key: &str, problems: &mut Problems<'_>) {
        if is_name(name, key, problems) {
            self.take_unshaped(&name.value, &name.span, key, problems);
        }
    }

    /// The same for a name that nobody typed.
    fn take_unshaped(&mut self, name: &str, span: &Span, key: &str, problems: &mut Problems<'_>) {
        let Some(first) = self.0.insert(name.to_owned(), span.clone()) else { return };
        let message = match problems.line(&first) {
            Some(line) => format!("{name:?} is already the name of the one in line {line}"),
            None => format!("{name:?} is the name of another one already"),
        };
        problems.error(span, key, message);
    }
}
