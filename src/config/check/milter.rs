//! `kind = "milter"` of a `[[source]]`, and the names of headers that it looks for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use crate::config::{
    checked::{HeaderNames, Listen, MilterSource, SourceKind, VERDICT_HEADERS},
    problem::{Problems, Span, nearest},
    raw::{RawMail, RawSource},
    value::At,
};

/// Headers that may be named for metadata.
const HEADERS: usize = 16;

/// Of the socket, unless said otherwise.
const MODE: u32 = 0o660;

/// Checks what a milter has, and refuses what only a log has.
pub(super) fn source(raw: &RawSource, table: &Span, problems: &mut Problems<'_>) -> SourceKind {
    let no_log = [
        (raw.include.as_ref().map(|at| &at.span), "source.include"),
        (raw.start.as_ref().map(|at| &at.span), "source.start"),
        (raw.mta.as_ref().map(|at| &at.span), "source.mta"),
        (raw.silence.as_ref().map(|at| &at.span), "source.silence"),
    ];
    for (span, key) in no_log {
        if let Some(span) = span {
            problems.error(span, key, "a milter has no log");
        }
    }
    if raw.listen.is_none() {
        problems
            .error(table, "source.listen", "is missing")
            .hint("listen = \"unix:/var/spool/postfix/mailherald/milter.sock\"");
    }
    let listen = raw.listen.as_ref().and_then(|at| listen(at, problems)).unwrap_or_default();
    SourceKind::Milter(MilterSource {
        mode: mode_of(raw.socket_mode.as_ref(), MODE, "source.socket_mode", problems),
        group: raw.socket_group.as_ref().map(|at| at.value.clone()),
        reports: raw.reports.as_ref().is_some_and(|at| at.value),
        verdicts: verdicts(raw.verdict_headers.as_ref(), problems),
        listen,
    })
}

/// Refuses what only a milter has.
pub(super) fn refuse_socket(raw: &RawSource, problems: &mut Problems<'_>) {
    let keys = [
        (&raw.listen, "source.listen"),
        (&raw.socket_mode, "source.socket_mode"),
        (&raw.socket_group, "source.socket_group"),
    ];
    for (at, key) in keys {
        if let Some(at) = at {
            problems.error(&at.span, key, "is for kind = \"milter\" only");
        }
    }
    let spans = [
        (raw.reports.as_ref().map(|at| &at.span), "source.reports"),
        (raw.verdict_headers.as_ref().map(|at| &at.span), "source.verdict_headers"),
    ];
    for (span, key) in spans {
        if let Some(span) = span {
            problems.error(span, key, "is for kind = \"milter\" only");
        }
    }
}

/// Headers of filters, of those whose words are known.
fn verdicts(raw: Option<&At<Vec<At<String>>>>, problems: &mut Problems<'_>) -> Vec<String> {
    const KEY: &str = "source.verdict_headers";
    let mut names = Vec::new();
    for at in raw.into_iter().flat_map(|list| &list.value) {
        let known = VERDICT_HEADERS.iter().find(|name| name.eq_ignore_ascii_case(&at.value));
        if known.is_none() {
            let message = format!("{:?} is none of {}", at.value, VERDICT_HEADERS.join(", "));
            let hint = nearest(&at.value, VERDICT_HEADERS);
            problems.error(&at.span, KEY, message).did_you_mean(hint);
        }
        names.extend(known.map(|name| (*name).to_owned()));
    }
    names
}

fn listen(at: &At<String>, problems: &mut Problems<'_>) -> Option<Listen> {
    let found = match at.value.split_once(':') {
        Some(("unix", path)) => Path::new(path).is_absolute().then(|| Listen::Unix(path.into())),
        Some(("inet", place)) => address(place).map(Listen::Inet),
        _ => None,
    };
    if found.is_none() {
        problems
            .error(&at.span, "source.listen", format!("{:?} is no place to listen at", at.value))
            .hint("unix: and an absolute path, or inet:127.0.0.1:8895");
    }
    found
}

fn address(place: &str) -> Option<SocketAddr> {
    let local = place.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    local.or_else(|| place.parse().ok())
}

/// The mode of a socket.
pub(super) fn mode_of(
    raw: Option<&At<String>>,
    fallback: u32,
    key: &str,
    problems: &mut Problems<'_>,
) -> u32 {
    let Some(At { span, value }) = raw else { return fallback };
    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        problems
            .error(span, key, format!("{value:?} is not a mode"))
            .hint("three octal digits, as \"0660\"");
    }
    mode.unwrap_or(fallback)
}

/// The headers that senders use, by the names in `[mail]`.
pub(super) fn headers(raw: &RawMail, problems: &mut Problems<'_>) -> HeaderNames {
    let mut names = HeaderNames::default();
    if let Some(list) = &raw.metadata_headers {
        if list.value.len() > HEADERS {
            let message = format!("has more than {HEADERS} headers");
            problems.error(&list.span, "mail.metadata_headers", message);
        }
        for at in &list.value {
            let is_known = |known: &String| known.eq_ignore_ascii_case(&at.value);
            if names.metadata.iter().any(is_known) {
                let message = format!("{:?} is there twice", at.value);
                problems.error(&at.span, "mail.metadata_headers", message);
            } else if is_header(at, "mail.metadata_headers", problems) {
                names.metadata.push(at.value.clone());
            }
        }
    }
    if let Some(at) = &raw.tag_header
        && is_header(at, "mail.tag_header", problems)
    {
        names.tag.clone_from(&at.value);
    }
    names
}

/// RFC 5322 §3.6.8, and a letter at the beginning: keys of JSON that look like numbers change their
/// places.
pub(super) fn is_header(at: &At<String>, key: &str, problems: &mut Problems<'_>) -> bool {
    let name = at.value.as_bytes();
    let is_one = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.len() <= 64
        && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
    if !is_one {
        problems.error(&at.span, key, format!("{:?} is not the name of a header", at.value));
    }
    is_one
}
