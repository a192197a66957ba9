//! Lines that are JSON objects: whose they are, and the members that mean something.
//!
//! The order of members is nobody's promise, so all are looked at before the dialect is decided.

use super::{Header, container, journald, rsyslog};
use crate::{
    json::{Room, Value, object},
    time,
};

/// The members that any dialect gives a meaning to.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Docker: the line as its program wrote it.
    pub(super) log: Option<Value<'a>>,
    /// Docker: `stdout` or `stderr`.
    pub(super) stream: Option<Value<'a>>,
    /// Docker and rsyslog: a stamp as in a line of text.
    pub(super) stamp: Option<Value<'a>>,
    /// rsyslog and journald: host name.
    pub(super) host: Option<Value<'a>>,
    /// rsyslog: tag with PID, as in a line of text. journald: tag alone.
    pub(super) tag: Option<Value<'a>>,
    /// rsyslog: the text.
    pub(super) text: Option<Value<'a>>,
    /// journald: the text.
    pub(super) message: Option<Value<'a>>,
    /// journald: PID as the kernel knows it.
    pub(super) pid: Option<Value<'a>>,
    /// journald: PID as the program wrote it.
    pub(super) syslog_pid: Option<Value<'a>>,
    /// journald: when it was sent, microseconds.
    pub(super) sent_us: Option<Value<'a>>,
    /// journald: when it was received, microseconds.
    pub(super) received_us: Option<Value<'a>>,
}

/// An object in one of the dialects.
#[derive(Debug)]
pub(super) enum Enclosed<'a> {
    /// A line, or a part of one, of a container.
    Container(container::Entry<'a>),
    /// All fields apart.
    Whole(Header<'a>),
    /// The line that stands for an entry of the journal.
    Journal(&'a [u8]),
}

/// Reads `line`; none when it is no whole object, or one that nobody here writes.
pub(super) fn read<'a>(
    stamps: &mut time::Memo,
    line: &'a [u8],
    room: &mut Room<'a>,
) -> Option<Enclosed<'a>> {
    let members = Members::of(line)?;
    if members.log.is_some() {
        container::docker(stamps, &members, room).map(Enclosed::Container)
    } else if members.message.is_some() {
        journald::line(&members, room).map(Enclosed::Journal)
    } else {
        rsyslog::header(stamps, &members, room).map(Enclosed::Whole)
    }
}

impl<'a> Members<'a> {
    /// None for an object that says the same thing twice: a template that does not escape what it
    /// inserts lets strangers do that.
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut members = Self::default();
        let mut ambiguous = false;
        object(line, |key, value| {
            if let Some(member) = members.named(key) {
                ambiguous |= member.replace(value).is_some();
            }
        })
        .ok()?;
        (!ambiguous).then_some(members)
    }

    fn named(&mut self, key: &[u8]) -> Option<&mut Option<Value<'a>>> {
        Some(match key {
            b"log" => &mut self.log,
            b"stream" => &mut self.stream,
            b"time" | b"ts" | b"timestamp" | b"@timestamp" | b"timereported" => &mut self.stamp,
            b"host" | b"hostname" | b"_HOSTNAME" => &mut self.host,
            b"tag" | b"syslogtag" | b"SYSLOG_IDENTIFIER" => &mut self.tag,
            b"msg" | b"message" => &mut self.text,
            b"MESSAGE" => &mut self.message,
            b"_PID" => &mut self.pid,
            b"SYSLOG_PID" => &mut self.syslog_pid,
            b"_SOURCE_REALTIME_TIMESTAMP" => &mut self.sent_us,
            b"__REALTIME_TIMESTAMP" => &mut self.received_us,
            _ => return None,
        })
    }
}

/// The text of a member; none when it is missing or no string.
pub(super) fn text<'a>(member: Option<Value<'a>>, room: &mut Room<'a>) -> Option<&'a [u8]> {
    match member? {
        Value::Text(raw) => room.text(raw),
        _ => None,
    }
}

/// The digits of a number, written as one or as a string.
pub(super) fn digits(member: Option<Value<'_>>) -> Option<&[u8]> {
    match member? {
        Value::Text(digits) | Value::Plain(digits) => Some(digits),
        _ => None,
    }
}
