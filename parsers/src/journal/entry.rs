//! An entry of the journal, and its canonical rendering.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

/// The fields of an entry that its line is made of (systemd.journal-fields(7)). A value that is
/// missing, or that is not what its field holds, is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `__CURSOR`: where to continue behind this entry. At most 1 KiB.
    pub cursor: &'a [u8],
    /// `__REALTIME_TIMESTAMP`: when journald received it. Where that is missing,
    /// `_SOURCE_REALTIME_TIMESTAMP`.
    ///
    /// Both are in every whole export, but the first is also in one of chosen fields
    /// (`--output-fields`), and the time goes into the identity of events.
    pub at: Option<Timestamp>,
    /// `_HOSTNAME`.
    pub host: &'a [u8],
    /// `SYSLOG_IDENTIFIER`, as the program wrote it.
    pub tag: &'a [u8],
    /// `_PID`, which the kernel vouches for; without it `SYSLOG_PID`. `journalctl -o short`
    /// chooses alike (systemd `logs-show.c`, `output_short()`).
    pub pid: Option<u32>,
    /// The first `MESSAGE`.
    pub message: &'a [u8],
}

impl Entry<'_> {
    /// Appends the line that stands for this entry, without a line end. It holds no control
    /// character, so it stays one line.
    ///
    /// `<14>1 2026-11-21T01:47:12.930869Z vm postfix/smtp 171 - -  TEXT`: RFC 5424, which has a word
    /// for what is missing, with the space that rsyslog puts before a text. The priority is
    /// nobody's: in the journal tags are whole, so the text need never tell whose it is.
    pub fn render(&self, line: &mut Vec<u8>) {
        let pushed = self.write(&mut |bytes| {
            line.extend_from_slice(bytes);
            Some(())
        });
        debug_assert!(pushed.is_some(), "a vector takes all");
    }

    /// Gives the line's parts to `push`, until it refuses one.
    pub(crate) fn write(&self, push: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
        push(b"<14>1 ")?;
        match self.at {
            Some(at) => write!(Text(push), "{at:.6} ").ok()?,
            None => push(b"- ")?,
        }
        for word in [word(self.host), word(self.tag)] {
            push(word)?;
            push(b" ")?;
        }
        match self.pid {
            Some(pid) => write!(Text(push), "{pid} - -  ").ok()?,
            None => push(b"- - -  ")?,
        }
        printable(self.message, push)
    }
}

/// A host or a tag as a word of a line, or the word for none.
///
/// A program may write what it likes into its fields; JSON shows a value that is not printable as
/// an array, the export format as it is, so none of these is taken.
fn word(value: &[u8]) -> &[u8] {
    let is_word = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    if is_word { value } else { b"-" }
}

/// Control characters become question marks, as Postfix itself writes them (`printable.c`), except
/// for line ends behind the text, which some programs send along.
fn printable(mut text: &[u8], push: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
    while let Some(shorter) = text.strip_suffix(b"\n").or(text.strip_suffix(b"\r")) {
        text = shorter;
    }
    for piece in text.split_inclusive(u8::is_ascii_control) {
        match piece.split_last() {
            Some((last, plain)) if last.is_ascii_control() => {
                push(plain)?;
                push(b"?")?;
            }
            _ => push(piece)?,
        }
    }
    Some(())
}

/// Formatted text as parts of a line.
struct Text<'p>(&'p mut dyn FnMut(&[u8]) -> Option<()>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text.as_bytes()).ok_or(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Body, Parser, time::Stamp};

    const ENTRY: Entry<'_> = Entry {
        cursor: b"s=1",
        at: Some(Timestamp::constant(1_795_225_632, 930_869_000)),
        host: b"vm",
        tag: b"postfix/qmgr",
        pid: Some(171),
        message: b"4jWZN668XQzn0b1: removed",
    };

    fn line(entry: &Entry<'_>) -> String {
        let mut line = Vec::new();
        entry.render(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_line_of_an_entry_is_read_as_the_entry() {
        let line = line(&ENTRY);
        assert_eq!(
            line,
            "<14>1 2026-11-21T01:47:12.930869Z vm postfix/qmgr 171 - -  4jWZN668XQzn0b1: removed"
        );
        let mut parser = Parser::new();
        let record = parser.parse(line.as_bytes());
        assert_eq!(record.stamp, Stamp::Exact(ENTRY.at.unwrap()));
        assert_eq!((record.host, record.process.tag), (&b"vm"[..], &b"postfix/qmgr"[..]));
        assert_eq!(record.process.pid, Some(171));
        assert!(matches!(record.body, Body::Postfix(_)));
    }

    #[test]
    fn a_whole_second_has_its_fraction_too() {
        let at = Some(Timestamp::constant(1_795_225_632, 0));
        assert!(line(&Entry { at, ..ENTRY }).contains("01:47:12.000000Z"));
    }

    #[test]
    fn what_is_missing_or_no_word_is_none() {
        assert_eq!(line(&Entry::default()), "<14>1 - - - - - -  ");
        for tag in [&b"postfix/qmgr 1"[..], b"postfix/qmgr\n", b"\xff", b"d\xc3\xa9mon"] {
            let line = line(&Entry { tag, ..ENTRY });
            assert!(line.contains(" vm - 171 - -  "), "{line}");
            assert_eq!(Parser::new().parse(line.as_bytes()).body, Body::Ignored);
        }
    }

    /// Nobody but the program itself says who it is.
    #[test]
    fn a_text_without_a_tag_is_nobody_s_whatever_it_says() {
        for message in
            [&b"4jWZN668XQzn0b1: removed"[..], b"postfix/qmgr[1]: 4jWZN668XQzn0b1: removed"]
        {
            let line = line(&Entry { tag: b"", message, ..ENTRY });
            assert_eq!(Parser::new().parse(line.as_bytes()).body, Body::Ignored, "{line}");
        }
    }

    #[test]
    fn a_text_of_several_lines_stays_one_line() {
        let message = b"one\n<22>1 - vm postfix/qmgr 1 - - 4jWZN668XQzn0b1: removed\t\x7f\r\n\n";
        let line = line(&Entry { message, ..ENTRY });
        assert!(line.ends_with("one?<22>1 - vm postfix/qmgr 1 - - 4jWZN668XQzn0b1: removed??"));
    }
}
