//! What container runtimes put around the lines of a program that logs to its standard output.
//!
//! Both known layouts split lines and mark the parts: long ones after 16 KiB, and what conmon runs
//! (CRI-O, podman) wherever one read of its pipe ends, which any line may meet. [`Parts`] joins them.
//! The end of a line is never taken for a line of its own, because a stranger may have written it.

use nom::{
    Parser as _,
    branch::alt,
    combinator::{rest, value},
};

use super::{
    LINE_BYTES,
    members::{Members, text},
};
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
    /// The same as written.
    time: &'a [u8],
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

/// Of each stream, the line that was split last.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    stdout: Part,
    stderr: Part,
}

/// What there is of a line: as Kubernetes' runtimes would have written it, with the first part's time,
/// had they not split it.
#[derive(Debug, Clone, Default)]
struct Part {
    line: Vec<u8>,
    /// More follows.
    is_open: bool,
}

impl Parts {
    /// Goes on where others ended: with what [`Parts::unfinished`] gave.
    pub(super) fn resume([stdout, stderr]: [&[u8]; 2]) -> Self {
        Self { stdout: Part::resume(stdout), stderr: Part::resume(stderr) }
    }

    /// What there is of lines that have not ended, of standard output and standard error.
    pub(super) fn unfinished(&self) -> [&[u8]; 2] {
        [self.stdout.unfinished(), self.stderr.unfinished()]
    }

    /// The whole line that ends with `entry`, which is `line`. None while more follows, and where it
    /// got longer than [`LINE_BYTES`].
    pub(super) fn whole<'a>(
        &'a mut self,
        stamps: &mut time::Memo,
        line: &'a [u8],
        entry: Entry<'a>,
    ) -> Option<(&'a [u8], Entry<'a>)> {
        let part = match entry.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let continues = std::mem::replace(&mut part.is_open, !entry.ends);
        if entry.ends && !continues {
            return Some((line, entry));
        }
        if !continues {
            part.begin(&entry);
        }
        part.add(entry.text);
        let is_whole = entry.ends && part.line.len() <= LINE_BYTES;
        is_whole.then(|| Some((&*part.line, cri(stamps, &part.line)?))).flatten()
    }
}

impl Part {
    fn resume(line: &[u8]) -> Self {
        Self { line: line.to_vec(), is_open: !line.is_empty() }
    }

    fn unfinished(&self) -> &[u8] {
        if self.is_open { &self.line } else { b"" }
    }

    fn begin(&mut self, entry: &Entry<'_>) {
        let stream: &[u8] = match entry.stream {
            Stream::Stdout => b" stdout F ",
            Stream::Stderr => b" stderr F ",
        };
        self.line.clear();
        self.add(entry.time);
        self.add(stream);
    }

    /// One byte more than may be in a line tells that it was longer.
    fn add(&mut self, text: &[u8]) {
        let room = (LINE_BYTES + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(text.get(..room).unwrap_or(text));
    }
}

/// `2026-11-21T01:28:22.522880123Z stdout F TEXT`, or `P` for a part that more follows
/// (Kubernetes CRI; containerd, CRI-O, podman's `k8s-file`).
pub(super) fn cri<'a>(stamps: &mut time::Memo, line: &'a [u8]) -> Option<Entry<'a>> {
    let (rest_of_line, stamp) = stamps.stamp(line).ok()?;
    let (time, _) = line.split_at_checked(line.len() - rest_of_line.len())?;
    let stream =
        alt((value(Stream::Stdout, tag(" stdout ")), value(Stream::Stderr, tag(" stderr "))));
    let ends = alt((value(true, tag("F ")), value(false, tag("P "))));
    let entry: Parsed<'_, _> = (stream, ends, rest).parse(rest_of_line);
    let (_, (stream, ends, text)) = entry.ok()?;
    Some(Entry { stream, stamp, time, text, ends })
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
    let time = text(members.stamp, room)?;
    let (_, stamp) = stamps.stamp(time).ok().filter(|(rest, _)| rest.is_empty())?;
    let line = log.strip_suffix(b"\n");
    let text = line.map_or(log, |line| line.strip_suffix(b"\r").unwrap_or(line));
    Some(Entry { stream, stamp, time, text, ends: line.is_some() })
}
/// Bytes of the longest name of a container in front of a line; a service and a number in practice.
const NAME_BYTES: usize = 128;

/// `mail-1  | TEXT`, as `docker compose logs` writes it, gives the text; any other line itself.
pub(super) fn behind_service(line: &[u8]) -> &[u8] {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let name = line.iter().take(NAME_BYTES).take_while(|byte| is_name(byte)).count();
    let rest = line.get(name..).filter(|rest| name > 0 && rest.starts_with(b" "));
    let text = rest.and_then(|rest| rest.trim_ascii_start().strip_prefix(b"| "));
    text.unwrap_or(line)
}
