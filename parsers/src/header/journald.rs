//! journald's JSON (`journalctl -o json`, systemd `logs-show.c`, `output_json()`).
//!
//! Fields are those of systemd.journal-fields(7). Where `journalctl -o short-iso-precise` has a
//! choice, the same one is made here, so that both name the same program at the same time.

use jiff::Timestamp;

use super::{
    Header,
    members::{Members, digits, text},
    process::tagged,
};
use crate::{
    fields::{large_number, small_number},
    json::{Room, Value, first_element},
    time::Stamp,
};

/// `{"SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"171","_HOSTNAME":"vm",
/// "_SOURCE_REALTIME_TIMESTAMP":"1795225632930869","MESSAGE":"connect from localhost[127.0.0.1]"}`
/// and much more, in any order.
///
/// An entry without an identifier is nobody's. Host and tag are empty when a program, which may
/// write what it likes, did not write them once and as text.
pub(super) fn header<'a>(members: &Members<'a>, room: &mut Room<'a>) -> Option<Header<'a>> {
    let tag = text(members.tag, room).unwrap_or_default();
    let pid = digits(members.pid).or(digits(members.syslog_pid));
    let (process, is_postfix) = tagged(tag, pid.and_then(small_number));
    Some(Header {
        stamp: micros(members.sent_us).or(micros(members.received_us)).unwrap_or(Stamp::Missing),
        host: text(members.host, room).unwrap_or_default(),
        process,
        is_postfix,
        text: message(members.message?, room)?,
    })
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
            _ => room.bytes(inside),
        },
        _ => None,
    }
}

fn micros(member: Option<Value<'_>>) -> Option<Stamp> {
    let micros = large_number(digits(member)?)?;
    Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok().map(Stamp::Exact)
}
