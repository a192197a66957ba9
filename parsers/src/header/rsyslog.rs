//! rsyslog's JSON templates.
//!
//! The names of the members are the administrator's choice: those of `jsonmesg` are read
//! (`timereported`, `hostname`, `syslogtag`, `msg`), the usual short ones (`ts`, `host`, `tag`,
//! `msg`), and those that Logstash made common (`@timestamp`, `message`). `programname` is none of
//! them, because rsyslog cuts it at the first slash.

use super::{
    Header,
    members::{Members, text},
    process::tagged,
    syslog::{unpadded, whole_tag},
};
use crate::{
    json::Room,
    time::{self, Stamp},
};

/// `{"ts":"2026-11-21T01:28:22.522880+00:00","host":"vm","tag":"postfix\/smtpd[335]:",
/// "pri":"mail.info","msg":" connect from localhost[127.0.0.1]"}`, in any order.
///
/// Tag and text are needed, and a stamp or host that is there must be one.
pub(super) fn header<'a>(
    stamps: &mut time::Memo,
    members: &Members<'a>,
    room: &mut Room<'a>,
) -> Option<Header<'a>> {
    let (_, (tag, pid)) = whole_tag(text(members.tag, room)?).ok()?;
    let (process, program) = tagged(tag, pid);
    let host = match members.host {
        None => b"",
        host => text(host, room)?,
    };
    Some(Header {
        stamp: stamp(stamps, members, room)?,
        host,
        process,
        program,
        text: unpadded(text(members.text, room)?),
    })
}

fn stamp<'a>(stamps: &mut time::Memo, members: &Members<'a>, room: &mut Room<'a>) -> Option<Stamp> {
    if members.stamp.is_none() {
        return Some(Stamp::Missing);
    }
    match stamps.stamp(text(members.stamp, room)?) {
        Ok((b"", stamp)) => Some(stamp),
        _ => None,
    }
}
