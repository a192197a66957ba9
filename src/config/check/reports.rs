//! `[reports]`.

use std::path::PathBuf;

use super::{choice, milter::mode_of};
use crate::config::{
    checked::{HeaderNames, ReportSocket, Reports, Unmatched},
    problem::{Problems, nearest},
    raw::RawReports,
    value::At,
};

/// Mode of the socket unless said otherwise.
const MODE: u32 = 0o660;

/// Checks the section; what is left out keeps its default.
pub(super) fn check(
    raw: Option<RawReports>,
    headers: &HeaderNames,
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
    let path = raw.socket.as_ref().and_then(|at| socket(at, problems));
    Reports {
        authserv_ids: servers.iter().filter_map(|at| server(at, problems)).collect(),
        unmatched: unmatched.unwrap_or_default(),
        trusted_only: raw.trusted_only.is_some_and(|at| at.value),
        id_header: raw.id_header.as_ref().and_then(|at| id_header(at, headers, problems)),
        socket: path.map(|path| ReportSocket { path, mode }),
    }
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
