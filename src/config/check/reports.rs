//! `[reports]`.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{choice, milter::mode_of, secret_file};
use crate::{
    config::{
        checked::{HeaderNames, ReportSocket, Reports, Unmatched},
        problem::{Problems, Span, nearest},
        raw::{RawReports, RawSource},
        value::At,
    },
    secret::Hidden,
};

/// People complain for so long after a message.
const KNOWN: Duration = Duration::from_hours(30 * 24);

/// Mode of the socket unless said otherwise.
const MODE: u32 = 0o660;

/// Keys that sign envelope senders. Each costs a hash for each address that looks signed.
const VERP_KEYS: usize = 8;

/// How to make one.
pub(crate) const MAKE_KEY: &str = "make a key: head -c 32 /dev/urandom | base64 > FILE";

/// Bytes of such a key.
const VERP_KEY_BYTES: RangeInclusive<usize> = 32..=256;

/// Where reports are asked for, if they are.
pub(super) fn asked_for(
    sources: Option<&At<Vec<At<RawSource>>>>,
    section: Option<&At<RawReports>>,
) -> Option<Span> {
    let sources = sources.into_iter().flat_map(|list| &list.value);
    let mut asked = sources.filter_map(|source| source.value.reports.as_ref());
    let asked = asked.find(|at| at.value).map(|at| at.span.clone());
    asked.or_else(|| section.map(|at| at.span.clone()))
}

/// Warns when messages are forgotten before the reports about them come; of the key that says so, or
/// of what asks for reports.
pub(super) fn warn_of_short_memory(
    asked: Option<Span>,
    said: Option<Span>,
    known: Duration,
    problems: &mut Problems<'_>,
) {
    if let Some(asked) = asked.filter(|_| known < KNOWN) {
        let message =
            "a report finds its message for that long only, and complaints may come weeks later";
        problems
            .warn(&said.unwrap_or(asked), "store.retain", message)
            .hint("[store] retain = \"30d\"");
    }
}

/// Checks the section; what is left out keeps its default.
pub(super) fn check(
    raw: Option<RawReports>,
    headers: &HeaderNames,
    may_read_secrets: bool,
    problems: &mut Problems<'_>,
) -> Reports {
    let Some(raw) = raw else { return Reports::default() };
    let words =
        [("complaints", Unmatched::Complaints), ("all", Unmatched::All), ("none", Unmatched::None)];
    let unmatched = choice(raw.unmatched.as_ref(), "reports.unmatched", &words, problems);
    let servers = raw.authserv_ids.map(|list| list.value).unwrap_or_default();
    let mode = mode_of(raw.socket_mode.as_ref(), MODE, "reports.socket_mode", problems);
    if let (Some(at), None) = (&raw.socket_mode, &raw.socket) {
        problems.error(&at.span, "reports.socket_mode", "there is no socket");
    }
    let keys = raw.verp_key_files.filter(|_| may_read_secrets);
    let path = raw.socket.as_ref().and_then(|at| socket(at, problems));
    Reports {
        authserv_ids: servers.iter().filter_map(|at| server(at, problems)).collect(),
        unmatched: unmatched.unwrap_or_default(),
        trusted_only: raw.trusted_only.is_some_and(|at| at.value),
        id_header: raw.id_header.as_ref().and_then(|at| id_header(at, headers, problems)),
        socket: path.map(|path| ReportSocket { path, mode }),
        verp_keys: keys.map(|list| verp_keys(&list, problems)).unwrap_or_default(),
    }
}

fn verp_keys(files: &At<Vec<At<String>>>, problems: &mut Problems<'_>) -> Vec<Hidden> {
    const KEY: &str = "reports.verp_key_files";
    if files.value.len() > VERP_KEYS {
        problems.error(&files.span, KEY, format!("names more than {VERP_KEYS} files"));
    }
    let mut keys = Vec::new();
    for file in files.value.iter().take(VERP_KEYS) {
        let Some(text) = secret_file::text(file, KEY, problems) else { continue };
        match verp_key(&text) {
            Some(key) if keys.contains(&key) => {
                problems.error(&file.span, KEY, "holds the same key as another one");
            }
            Some(key) => keys.push(key),
            None => problems
                .error(&file.span, KEY, "does not hold 32 to 256 printable characters")
                .hint(MAKE_KEY),
        }
    }
    keys
}

/// A key that signs envelope senders; None when the text is none.
pub(crate) fn verp_key(text: &str) -> Option<Hidden> {
    let is_one = VERP_KEY_BYTES.contains(&text.len())
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    is_one.then(|| Hidden::from(text))
}

/// A name as it stands in `Authentication-Results`, in lower case.
fn server(at: &At<String>, problems: &mut Problems<'_>) -> Option<String> {
    let is_one = !at.value.is_empty()
        && at.value.bytes().all(|byte| byte.is_ascii_graphic() && !b";()\"".contains(&byte));
    if !is_one {
        let message = format!("{:?} is not the name of a server", at.value);
        problems.error(&at.span, "reports.authserv_ids", message);
    }
    is_one.then(|| at.value.to_ascii_lowercase())
}

/// Events must carry it, or nothing could be found by it.
fn id_header(
    at: &At<String>,
    headers: &HeaderNames,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let known = headers.metadata.iter().find(|name| name.eq_ignore_ascii_case(&at.value));
    if known.is_none() {
        let message = format!("{:?} is none of mail.metadata_headers", at.value);
        let names = headers.metadata.iter().map(String::as_str);
        problems
            .error(&at.span, "reports.id_header", message)
            .did_you_mean(nearest(&at.value, names));
    }
    known.cloned()
}

fn socket(at: &At<String>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(&at.value);
    if !path.is_absolute() {
        problems.error(&at.span, "reports.socket", "must be an absolute path");
    }
    path.is_absolute().then_some(path)
}
