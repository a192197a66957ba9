//! journald's JSON (`journalctl -o json`, systemd `logs-show.c`, `output_json()`).
//!
//! Fields are those of systemd.journal-fields(7). An object is turned into the line that stands for
//! its entry ([`crate::journal`]), and only that is read.

use jiff::Timestamp;

use super::members::{Members, digits, text};
use crate::{
    fields::{large_number, small_number},
    journal::Entry,
    json::{Room, Value, first_element},
};

/// `{"SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"171","_HOSTNAME":"vm",
/// "__REALTIME_TIMESTAMP":"1795225632934090","MESSAGE":"connect from localhost[127.0.0.1]"}`
/// and much more, in any order.
///
/// An entry without an identifier is nobody's. Host and tag are empty when a program, which may
/// write what it likes, did not write them once and as text.
pub(super) fn line<'a>(members: &Members<'a>, room: &mut Room<'a>) -> Option<&'a [u8]> {
    let pid = |member| digits(member).and_then(small_number);
    let entry = Entry {
        cursor: b"",
        at: micros(members.received_us).or(micros(members.sent_us)),
        host: text(members.host, room).unwrap_or_default(),
        tag: text(members.tag, room).unwrap_or_default(),
        pid: pid(members.pid).or(pid(members.syslog_pid)),
        message: message(members.message?, room)?,
    };
    room.entry(&entry)
}

/// The text: a string; an array of its bytes when it is not printable UTF-8; `null` when journald
/// found it too large to show; an array of these when the program sent several, of which the
/// first counts.
fn message<'a>(value: Value<'a>, room: &mut Room<'a>) -> Option<&'a [u8]> {
    match value {
        Value::Text(raw) => room.text(raw),
        Value::Plain(b"null") => Some(b""),
        Value::Array(inside) => match first_element(inside) {
            Some(Value::Text(raw)) => room.text(raw),
            Some(Value::Array(inside)) => room.bytes(inside),
            Some(Value::Plain(b"null")) => Some(b""),
            _ => room.bytes(inside),
        },
        _ => None,
    }
}

fn micros(member: Option<Value<'_>>) -> Option<Timestamp> {
    let micros = large_number(digits(member)?)?;
    Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok()
}
