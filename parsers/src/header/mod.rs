//! What the logging system puts in front of a text, or around it: stamp, host, tag, PID.
//!
//! Lines of text have one of three layouts, told apart by their first bytes: RFC 5424
//! (`<22>1 2026-…`), and the traditional one with any stamp of [`crate::time`], with or without a
//! leading `<PRI>`. Two kinds of wrappers enclose a text altogether: container runtimes put a line
//! of text into one of theirs, and journald and rsyslog write JSON objects with the fields apart.
//!
//! A line of text inside a container's line says itself who wrote it and when. Only when its own
//! stamp lacks zone or year, the runtime's takes its place: it was made when the line was read,
//! at once.

mod container;
mod journald;
mod members;
mod process;
mod rsyslog;
mod syslog;

pub use process::Process;
pub(crate) use process::is_without_messages;

use crate::{
    haraka,
    json::Room,
    record::Reason,
    time::{self, Stamp},
};

use members::Enclosed;

/// Splits lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Splitter {
    /// The previous stamps: mostly the next one's, too.
    stamps: time::Memo,
    /// What a container runtime split.
    parts: container::Parts,
    /// For texts that were escaped, and the line made of them: nothing before the first JSON
    /// object, then twice [`LINE_BYTES`].
    memory: Vec<u8>,
}

/// Bytes of the longest line that is joined from parts, and of the longest JSON object that is looked
/// into. Sources cut lines there anyway, which leaves no whole object; Postfix's texts end at 2,000
/// bytes.
const LINE_BYTES: usize = 64 * 1024;

/// A line without its prefix.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    /// When it was logged.
    pub(crate) stamp: Stamp,
    /// Host as logged; may be empty.
    pub(crate) host: &'a [u8],
    /// Tag and PID.
    pub(crate) process: Process<'a>,
    /// Whose text it is.
    pub(crate) program: Program,
    /// All that follows.
    pub(crate) text: &'a [u8],
}

/// Whose words a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// One of Postfix.
    Postfix,
    /// Haraka.
    Haraka,
    /// Any other.
    Other,
}

/// A line that was split, and what it is known by.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    /// The line as given, or the one that stands for an entry of the journal, or for parts.
    pub(crate) line: &'a [u8],
    pub(crate) header: Header<'a>,
}

impl Splitter {
    /// A line of Postfix with the stamp of the last one and no more in front than a tag: the way
    /// nearly all lines look. None for any other, which [`Splitter::split`] reads.
    pub(crate) fn of_postfix<'a>(&mut self, line: &'a [u8]) -> Option<Header<'a>> {
        syslog::of_postfix(&mut self.stamps, line)
    }

    /// Splits `line`; a reason when it has no known prefix.
    pub(crate) fn split<'a>(&'a mut self, line: &'a [u8]) -> Result<Split<'a>, Reason> {
        let text = container::behind_service(line);
        if !is_object(text) || haraka::is_record(text) {
            return self.split_text(line, text);
        }
        let Self { stamps, parts, memory } = self;
        let room = &mut lend(memory, text).ok_or(Reason::Header)?;
        match members::read(stamps, text, room).ok_or(Reason::Header)? {
            Enclosed::Whole(header) => Ok(Split { line, header: of_haraka(stamps, header) }),
            Enclosed::Journal(line) => Ok(Split { line, header: plain(stamps, line)? }),
            Enclosed::Container(entry) => enclosed(stamps, parts, line, entry),
        }
    }

    /// A line whose `text` is no JSON object: nothing of it was escaped.
    fn split_text<'a>(&'a mut self, line: &'a [u8], text: &'a [u8]) -> Result<Split<'a>, Reason> {
        let Self { stamps, parts, .. } = self;
        let header = plain(stamps, text);
        // A container's line looks like one whose host is the stream, behind a stamp that
        // begins with the year.
        let is_stream = matches!(&header, Ok(header) if matches!(header.host, b"stdout" | b"stderr"))
            && text.first().is_some_and(u8::is_ascii_digit);
        match is_stream.then(|| container::cri(stamps, text)).flatten() {
            Some(entry) => enclosed(stamps, parts, line, entry),
            None => Ok(Split { line, header: header? }),
        }
    }

    /// A splitter that goes on behind lines of which this was unfinished.
    pub(crate) fn resume(unfinished: [&[u8]; 2]) -> Self {
        Self { parts: container::Parts::resume(unfinished), ..Self::default() }
    }

    /// What there is of lines that a container runtime split and that have not ended yet, of standard
    /// output and standard error.
    pub(crate) fn unfinished(&self) -> [&[u8]; 2] {
        self.parts.unfinished()
    }

    /// The next line is not the one behind the previous line.
    pub(crate) fn turn(&mut self) {
        self.parts = container::Parts::default();
    }
}

/// Is the line a JSON object, if it is anything?
fn is_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
}

/// The line of text in a container's line.
fn enclosed<'a>(
    stamps: &mut time::Memo,
    parts: &'a mut container::Parts,
    line: &'a [u8],
    entry: container::Entry<'a>,
) -> Result<Split<'a>, Reason> {
    let (line, entry) = parts.whole(stamps, line, entry).ok_or(Reason::Partial)?;
    let header = plain(stamps, entry.text)?;
    let stamp = match header.stamp {
        Stamp::Exact(_) => header.stamp,
        _ => entry.stamp,
    };
    Ok(Split { line, header: Header { stamp, ..header } })
}

/// A line of text.
fn plain<'a>(stamps: &mut time::Memo, line: &'a [u8]) -> Result<Header<'a>, Reason> {
    if let Some((stamp, text)) = haraka_line(stamps, line) {
        let (process, program) = (Process::default(), Program::Haraka);
        return Ok(Header { stamp, host: b"", process, program, text });
    }
    let (_, header) = syslog::header(stamps, line).map_err(|_| Reason::Header)?;
    Ok(of_haraka(stamps, header))
}

/// A line of Haraka's own, which has no prefix but its stamp, if that.
fn haraka_line<'a>(stamps: &mut time::Memo, line: &'a [u8]) -> Option<(Stamp, &'a [u8])> {
    let (stamp, text) = haraka::split_stamp(line);
    if !haraka::is_record(text) && !haraka::is_raw(text) {
        return None;
    }
    match stamp {
        [] => Some((Stamp::Missing, text)),
        stamp => stamps.stamp(stamp).ok().map(|(_, stamp)| (stamp, text)),
    }
}

/// A logging system that took a line of Haraka's from its output calls the program what it likes.
fn of_haraka<'a>(stamps: &mut time::Memo, header: Header<'a>) -> Header<'a> {
    if header.program == Program::Postfix {
        return header;
    }
    match haraka_line(stamps, header.text) {
        Some((Stamp::Missing, text)) => Header { program: Program::Haraka, text, ..header },
        Some((stamp, text)) => Header { program: Program::Haraka, text, stamp, ..header },
        None => header,
    }
}

/// Room for all texts of `line`; none when it is too long.
fn lend<'a>(memory: &'a mut Vec<u8>, line: &[u8]) -> Option<Room<'a>> {
    if memory.is_empty() {
        *memory = vec![0; 2 * LINE_BYTES];
    }
    (line.len() <= LINE_BYTES).then_some(Room::new(memory))
}

/// Unfolds `message repeated 3 times: [ TEXT]`: how often, and the text.
///
/// rsyslog writes it with `RepeatedMsgReduction`, under the tag of the repeated line. The
/// `last message repeated 3 times` of older loggers has neither tag nor text: only the line in front
/// tells what it stands for.
pub(crate) fn unfold(text: &[u8]) -> (u32, &[u8]) {
    match text.first() {
        Some(b'm') => syslog::repeated(text)
            .map_or((1, text), |(inner, times)| (times, inner.strip_suffix(b"]").unwrap_or(inner))),
        Some(b'l') => {
            syslog::repeated_last(text).map_or((1, text), |(nothing, times)| (times, nothing))
        }
        _ => (1, text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Host, tag, PID and text.
    type Fields<'a> = (&'a str, &'a str, Option<u32>, &'a str);

    #[track_caller]
    fn assert_split(line: &str, expected: Option<Fields<'_>>) {
        let mut splitter = Splitter::default();
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let split = splitter.split(line.as_bytes()).ok().map(|split| {
            let header = split.header;
            let process = header.process;
            (text(header.host), text(process.tag), process.pid, text(header.text))
        });
        assert_eq!(split, expected, "{line}");
    }

    #[test]
    fn every_layout_gives_the_same_fields() {
        for line in [
            "Nov 21 01:28:22 vm postfix/smtp[337]: connect to x",
            "<22>Nov 21 01:28:22 vm postfix/smtp[337]: connect to x",
            "2026-11-21T01:28:22.522880+00:00 vm postfix/smtp[337]: connect to x",
            "2026-11-21T01:28:22+0000 vm postfix/smtp[337]: connect to x",
            "Sat 2026-11-21 01:28:22 UTC vm postfix/smtp[337]: connect to x",
            "Nov 21 01:28:22 vm mail.info postfix/smtp[337]: connect to x",
            "Nov 21 01:28:22 mail.info vm postfix/smtp[337]: connect to x",
            "2026-11-21T01:28:22+00:00 local0.warning vm postfix/smtp[337]: connect to x",
            "Nov 21 01:28:22 <mail.info> vm postfix/smtp[337]: connect to x",
            "Nov 21 01:28:22 <2.6> vm postfix/smtp[337]: connect to x",
            "Nov 21 01:28:22 vm postfix/smtp[337]: [ID 197553 mail.info] connect to x",
            "<22>1 2026-11-21T01:28:22.522880+00:00 vm postfix/smtp 337 - -  connect to x",
            "<22>1 2026-11-21T01:28:22Z vm postfix/smtp 337 - - \u{feff}connect to x",
            "<22>1 - vm postfix/smtp 337 ID7 [a@1 b=\"\\\"] \"][c] connect to x",
        ] {
            assert_split(line, Some(("vm", "postfix/smtp", Some(337), "connect to x")));
        }
    }

    /// `docker compose logs` puts the container's name in front of its lines.
    #[test]
    fn a_line_may_have_its_container_in_front() {
        for line in [
            "mail-1  | Nov 21 01:28:22 vm postfix/smtp[337]: a",
            "my_mail.server-1 | 2026-11-21T01:28:22Z Nov 21 01:28:22 vm postfix/smtp[337]: a",
            "mail  | {\"log\":\"Nov 21 01:28:22 vm postfix/smtp[337]: a\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T01:28:22Z\"}",
        ] {
            assert_split(line, Some(("vm", "postfix/smtp", Some(337), "a")));
        }
        for line in [
            "| Nov 21 01:28:22 vm postfix/smtp[337]: a",
            "ma il  | Nov 21 01:28:22 vm postfix/smtp[337]: a",
            "mail-1  |Nov 21 01:28:22 vm postfix/smtp[337]: a",
            "mail-1| Nov 21 01:28:22 vm postfix/smtp[337]: a",
        ] {
            assert_split(line, None);
        }
    }

    /// Images for containers write such lines; they were taken for other programs' and ignored.
    #[test]
    fn a_line_may_name_no_host_and_have_a_stamp_in_front() {
        for line in [
            "Sep 10 13:18:46 postfix/smtp[417]: a",
            "2021-01-26T17:47:29.762763+01:00 INFO    postfix/smtp[417]: a",
            "2018-08-22T07:30:18.130405545Z postfix/smtp[417]: a",
        ] {
            assert_split(line, Some(("", "postfix/smtp", Some(417), "a")));
        }
        for line in [
            "2024-07-03T17:18:06.883743616Z Jul 03 19:18:06 vm postfix/smtp[417]: a",
            "2024-07-03T17:18:06.883743616Z Jul  3 19:18:06 vm postfix/smtp[417]: a",
        ] {
            assert_split(line, Some(("vm", "postfix/smtp", Some(417), "a")));
        }
        let mut splitter = Splitter::default();
        let line = b"2024-07-03T17:18:06Z Jul 03 19:18:06 vm postfix/smtp[417]: a";
        assert!(matches!(splitter.split(line).unwrap().header.stamp, Stamp::Exact { .. }));
        assert_split("Nov 21 01:28:22 vm a: b", Some(("vm", "a", None, "b")));
        assert_split("Nov 21 01:28:22 INFO a[1]: b", Some(("INFO", "a", Some(1), "b")));
    }

    #[test]
    fn a_host_may_be_called_like_a_stream() {
        assert_split("Nov 21 01:28:22 stdout F a", Some(("stdout", "", None, "F a")));
        assert_split("2026-11-21T01:28:22Z stdout f: a", Some(("stdout", "f", None, "a")));
        let line = "2026-11-21T01:28:22Z stdout F Nov 21 01:28:22 vm a[1]: b";
        assert_split(line, Some(("vm", "a", Some(1), "b")));
    }

    #[test]
    fn what_only_resembles_a_column_stays_where_it_is() {
        assert_split(
            "Nov 21 01:28:22 mail.info postfix/smtp[337]: a",
            Some(("mail.info", "postfix/smtp", Some(337), "a")),
        );
        assert_split(
            "Nov 21 01:28:22 mail.example postfix mail: a",
            Some(("mail.example", "", None, "postfix mail: a")),
        );
        assert_split("Nov 21 01:28:22 vm mail.info: a", Some(("vm", "mail.info", None, "a")));
        for text in ["[ID x mail.info] a", "[ID 1 mail] a", "[ID 1 mail.info]a"] {
            let line = format!("Nov 21 01:28:22 vm a: {text}");
            assert_split(&line, Some(("vm", "a", None, text)));
        }
    }

    /// rsyslog `RSYSLOG_SyslogProtocol23Format` with its default `permitSlashInProgramName`.
    #[test]
    fn an_app_name_that_was_cut_at_the_slash_has_no_daemon() {
        let line = b"<22>1 2026-11-21T01:28:22.522880+00:00 vm postfix 330 - -  connect from x";
        let mut splitter = Splitter::default();
        let header = splitter.split(line).unwrap().header;
        assert_eq!(header.program, Program::Postfix);
        assert_eq!(header.process.service, b"");
        assert_eq!(header.text, b"connect from x");
    }

    /// The daemons of an instance whose `syslog_name` does not begin with `postfix`, as the same
    /// template logs them.
    #[test]
    fn a_text_of_postfix_under_a_tag_that_was_cut_is_postfix() {
        let is_postfix = |line: &str| {
            let mut splitter = Splitter::default();
            let header = splitter.split(line.as_bytes()).unwrap().header;
            header.program == Program::Postfix
        };
        let structured = |priority, app, text| {
            format!("<{priority}>1 2026-11-21T01:28:22.522880+00:00 vm {app} 330 - -  {text}")
        };
        let removed = "4jWZN668XQzn0b1: removed";
        assert!(is_postfix(&structured(22, "mail", removed)), "mail/eu/postfix-sub/qmgr");
        assert!(!is_postfix(&structured(30, "mail", removed)), "not the facility of mail");
        assert!(!is_postfix(&structured(22, "a/b", removed)), "a tag that was not cut");
        let signed = "4jWZN668XQzn0b1: DKIM-Signature field added (s=mail, d=lab.test)";
        assert!(!is_postfix(&structured(22, "opendkim", signed)), "words of another program");
    }

    #[test]
    fn tags_may_lack_pid_and_colon() {
        assert_split("Nov 21 01:28:22 vm sudo: root", Some(("vm", "sudo", None, "root")));
        let text = "last message repeated 2 times";
        assert_split(&format!("Nov 21 01:28:22 vm {text}"), Some(("vm", "", None, text)));
        assert_split("Nov 21 01:28:22 vm a[99999999999]:", Some(("vm", "a", None, "")));
    }

    #[test]
    fn lines_without_a_known_prefix_are_none() {
        for line in [
            "",
            "Nov 21 01:28:22",
            "Nov 21 01:28:22 vm",
            "postfix/smtp[337]: connect to x",
            "{\"host\":\"vm\"}",
            "<192>Nov 21 01:28:22 vm a: b",
            "<22>2 2026-11-21T01:28:22Z vm postfix 330 - - x",
            "<22>1 2026-11-21T01:28:22Z vm postfix 330 - [a",
        ] {
            assert_split(line, None);
        }
    }

    #[test]
    fn row_24_a_folded_repetition_gives_its_text_and_count() {
        assert_eq!(
            unfold(b"message repeated 3 times: [ connect from x]"),
            (3, &b"connect from x"[..])
        );
        assert_eq!(unfold(b"message repeated 3 times: [ a[b]]"), (3, &b"a[b]"[..]));
        assert_eq!(unfold(b"message repeated 3 times: [ cut"), (3, &b"cut"[..]));
        assert_eq!(unfold(b"last message repeated 3 times"), (3, &b""[..]));
        for text in [
            "last message repeated 3 times:",
            "message repeated 0 times: [ a]",
            "message repeated 4294967296 times: [ a]",
            "a",
        ] {
            assert_eq!(unfold(text.as_bytes()), (1, text.as_bytes()));
        }
    }
}
