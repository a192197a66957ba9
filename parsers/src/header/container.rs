//! What container runtimes put around the lines of a program that logs to its standard output.
//!
//! Both known layouts split long lines, after 16 KiB as they come, and mark the parts. Nothing is
//! joined again: Postfix's lines end at 2,000 bytes, and the end of a foreign line must not be
//! taken for a line of its own, because a stranger may have written it. So a split line is not
//! understood, in all of its parts, which [`Parts`] keeps track of.

use nom::{
    Parser as _,
    branch::alt,
    combinator::{rest, value},
};

use super::members::{Members, text};
use crate::{
    fields::{Parsed, tag},
    json::Room,
    time::{self, Stamp},
};

/// A line of a container, or a part of one.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Where it was written to.
    stream: Stream,
    /// When the runtime read it.
    pub(super) stamp: Stamp,
    /// As written, without its end.
    pub(super) text: &'a [u8],
    /// The line ends here.
    ends: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// Which streams are inside a line that was split.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    stdout: bool,
    stderr: bool,
}

impl Parts {
    /// Is `entry` a part of a line only?
    pub(super) fn has(&mut self, entry: &Entry<'_>) -> bool {
        let inside = match entry.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let continues = std::mem::replace(inside, !entry.ends);
        continues || !entry.ends
    }
}

/// `2026-11-21T01:28:22.522880123Z stdout F TEXT`, or `P` for a part that more follows
/// (Kubernetes CRI; containerd, CRI-O, podman's `k8s-file`).
pub(super) fn cri<'a>(stamps: &mut time::Memo, line: &'a [u8]) -> Option<Entry<'a>> {
    let (line, stamp) = stamps.stamp(line).ok()?;
    let stream =
        alt((value(Stream::Stdout, tag(" stdout ")), value(Stream::Stderr, tag(" stderr "))));
    let ends = alt((value(true, tag("F ")), value(false, tag("P "))));
    let entry: Parsed<'_, _> = (stream, ends, rest).parse(line);
    let (_, (stream, ends, text)) = entry.ok()?;
    Some(Entry { stream, stamp, text, ends })
}

/// `{"log":"TEXT\n","stream":"stdout","time":"2026-11-21T01:28:22.522880123Z"}` (Docker
/// `jsonlog.go`, `JSONLog`; its `json-file` driver). A text without line end is a part that more
/// follows.
pub(super) fn docker<'a>(
    stamps: &mut time::Memo,
    members: &Members<'a>,
    room: &mut Room<'a>,
) -> Option<Entry<'a>> {
    let log = text(members.log, room)?;
    let stream = match text(members.stream, room)? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let (_, stamp) = stamps.stamp(text(members.stamp, room)?).ok()?;
    let line = log.strip_suffix(b"\n");
    let text = line.map_or(log, |line| line.strip_suffix(b"\r").unwrap_or(line));
    Some(Entry { stream, stamp, text, ends: line.is_some() })
}
