//! The grammars of the two syslog layouts, with the columns that some loggers add.

use nom::{
    Parser as _,
    branch::alt,
    bytes::complete::{take_till, take_till1, take_while1},
    character::complete::{digit1, u8 as byte_number, u32 as number},
    combinator::{eof, map, opt, peek, recognize, rest, success, verify},
    multi::fold_many1,
    sequence::{delimited, preceded, separated_pair, terminated},
};

use super::{
    Header, Process, Program as Author,
    process::{self, tagged},
};
use crate::{
    Body,
    fields::{Parsed, decimal, quoted_body, small_number, tag},
    haraka, postfix,
    time::{self, Stamp},
};

/// A line in any layout.
pub(super) fn header<'a>(memo: &mut time::Memo, line: &'a [u8]) -> Parsed<'a, Header<'a>> {
    let (line, priority) = opt(priority).parse(line)?;
    match line.strip_prefix(b"1 ") {
        Some(rest) if let Some(priority) = priority => structured(memo, rest, priority),
        _ => traditional(memo, line),
    }
}

/// `<22>`: eight times the facility, and the severity (RFC 5424 §6.2.1), which nobody needs:
/// Postfix repeats it as a word.
fn priority(input: &[u8]) -> Parsed<'_, u8> {
    verify(delimited(tag("<"), byte_number, tag(">")), |priority| *priority <= 191).parse(input)
}

/// `Nov 21 01:28:22 mx postfix/smtp[337]: TEXT`, with either stamp.
///
/// RFC 3164 §4.1; rsyslog `RSYSLOG_TraditionalFileFormat` and `RSYSLOG_FileFormat`; Postfix
/// `msg_logger.c`, `msg_logger_print()`.
fn traditional<'a>(memo: &mut time::Memo, line: &'a [u8]) -> Parsed<'a, Header<'a>> {
    let (line, stamp) = memo.stamp(line)?;
    if let Some((host, (tag, pid), text)) = common(line) {
        let (process, program) = tagged(tag, pid);
        return Ok((b"", Header { stamp, host, process, program, text }));
    }
    if let Some((process, program, text)) = without_host(line) {
        return Ok((b"", Header { stamp, host: b"", process, program, text }));
    }
    if let Some(header) = behind_stamp(line) {
        return Ok((b"", Header { stamp, ..header }));
    }
    let (line, _) = (tag(" "), opt(bracketed_column)).parse(line)?;
    let (line, _) = opt(leading_column).parse(line)?;
    let (line, host) = terminated(token, tag(" ")).parse(line)?;
    let (line, _) = opt(column).parse(line)?;
    let (line, (tag, pid)) = alt((program, success((&b""[..], None)))).parse(line)?;
    let (text, _) = opt(message_id).parse(line)?;
    let (process, program) = tagged(tag, pid);
    Ok((b"", Header { stamp, host, process, program, text }))
}

/// A line of Postfix as nearly all are: the same as above, in half the time.
pub(super) fn of_postfix<'a>(memo: &mut time::Memo, line: &'a [u8]) -> Option<Header<'a>> {
    let (stamp, line) = memo.again(line)?;
    let (host, rest) = host(line)?;
    let (process, rest) = process::leading(rest)?;
    let (pid, text) = pid_and_text(rest)?;
    let process = Process { pid, ..process };
    Some(Header { stamp, host, process, program: Author::Postfix, text })
}

/// ` haraka[18223]: RECORD`: a datagram of the local socket has no host, and a stream of them is
/// sometimes kept as it comes; nor have lines whose template leaves it out (` INFO    postfix/smtp[337]:
/// TEXT`). No host's name ends as a tag does.
fn without_host(line: &[u8]) -> Option<(Process<'_>, Author, &[u8])> {
    let line = behind_severity(line.strip_prefix(b" ")?);
    let (tag, text) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let text = text.get(1..)?;
    let is_haraka = haraka::is_record(text);
    if !(tag.ends_with(b"]:") || (is_haraka && tag.ends_with(b":"))) {
        return None;
    }
    let (_, (tag, pid)) = whole_tag(tag).ok()?;
    let (process, program) = tagged(tag, pid);
    Some((process, if is_haraka { Author::Haraka } else { program }, text))
}

/// What follows a severity in capital letters, and spaces.
fn behind_severity(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| !byte.is_ascii_uppercase()).unwrap_or_default();
    let (word, rest) = line.split_at(end);
    let is_severity = |known: &&[u8]| known.eq_ignore_ascii_case(word);
    if SEVERITIES.iter().any(is_severity) { rest.trim_ascii_start() } else { line }
}

/// A line with a stamp of its own behind the first (`docker logs --timestamps`), which has the year and
/// the zone.
fn behind_stamp(line: &[u8]) -> Option<Header<'_>> {
    let mut memo = time::Memo::default();
    let (line, stamp) = memo.stamp(line.strip_prefix(b" ")?).ok()?;
    let (host, (tag, pid), text) = common(line)?;
    let (process, program) = tagged(tag, pid);
    Some(Header { stamp, host, process, program, text })
}

/// ` mx postfix/smtp[337]: TEXT`, where the grammar below has nothing to choose: the way nearly all
/// lines look behind their stamp. Host, tag, PID and text.
///
/// Neither column can stand there: the first begins with an angle bracket, and the second has a
/// space where this has a bracket.
fn common(line: &[u8]) -> Option<(&[u8], Program<'_>, &[u8])> {
    let (host, rest) = host(line)?;
    let (tag, rest) = rest.split_at_checked(rest.iter().position(|byte| !is_name(*byte))?)?;
    let (pid, text) = pid_and_text(rest)?;
    (!tag.is_empty()).then_some((host, (tag, pid), text))
}

/// ` mx `, and what follows.
fn host(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_prefix(b" ")?;
    let (host, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let is_plain = !host.is_empty() && host.first() != Some(&b'<');
    is_plain.then_some((host, rest.strip_prefix(b" ")?))
}

/// `[337]: TEXT`.
fn pid_and_text(rest: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let (rest, pid) = decimal(1, 10)(rest.strip_prefix(b"[")?).ok()?;
    let text = rest.strip_prefix(b"]: ")?;
    (!text.starts_with(b"[ID ")).then_some((pid.try_into().ok(), text))
}

/// May the byte stand in a tag?
fn is_name(byte: u8) -> bool {
    NAME.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The answer for each byte: it is asked for several in each line.
const NAME: [bool; 256] = {
    let (mut name, mut byte) = ([false; 256], 0_u8);
    while byte.is_ascii() {
        #[expect(clippy::indexing_slicing, reason = "no byte is out of range")]
        {
            name[byte as usize] = byte.is_ascii_graphic() && byte != b'[' && byte != b':';
        }
        byte += 1;
    }
    name
};

/// `postfix/smtp[337]: `, also without PID. A line without a colon behind the tag has none.
fn program(input: &[u8]) -> Parsed<'_, Program<'_>> {
    terminated(name_and_pid, (tag(":"), opt(tag(" ")))).parse(input)
}

/// A tag that stands alone, as in a member of a JSON object: `postfix/smtp[337]:`.
pub(super) fn whole_tag(input: &[u8]) -> Parsed<'_, Program<'_>> {
    terminated(name_and_pid, (opt(tag(":")), eof)).parse(input)
}

/// Tag and PID.
type Program<'a> = (&'a [u8], Option<u32>);

fn name_and_pid(input: &[u8]) -> Parsed<'_, Program<'_>> {
    let name = take_while1(is_name);
    let pid = delimited(tag("["), take_till(|byte| byte == b']' || byte == b' '), tag("]"));
    let (rest, (name, pid)) = (name, opt(pid)).parse(input)?;
    Ok((rest, (name, pid.and_then(small_number))))
}

/// `mail.info ` between host and tag: busybox `syslogd.c`, `timestamp_and_log()`; syslog-ng
/// templates with `$FACILITY.$LEVEL`. No tag looks so, because a colon ends it.
fn column(input: &[u8]) -> Parsed<'_, ()> {
    map((facility_and_severity, tag(" ")), |_| ()).parse(input)
}

/// `mail.info ` between stamp and host, by templates as above. A host may have such a name, so the
/// words must be facility and severity, and host and tag must follow.
fn leading_column(input: &[u8]) -> Parsed<'_, ()> {
    let is_one = |(facility, severity): &(&[u8], &[u8])| {
        is_facility(facility) && SEVERITIES.contains(severity)
    };
    let column = terminated(verify(facility_and_severity, is_one), tag(" "));
    let header = (token, tag(" "), name_and_pid, tag(":"));
    map((column, peek(header)), |_| ()).parse(input)
}

/// syslog.h, `facilitynames`: those that a mail server is made to log to.
fn is_facility(name: &[u8]) -> bool {
    let is_local = |digit: &[u8]| matches!(digit, [b'0'..=b'7']);
    matches!(name, b"mail" | b"daemon" | b"user")
        || name.strip_prefix(b"local").is_some_and(is_local)
}

/// syslog.h, `prioritynames`.
const SEVERITIES: [&[u8]; 11] = [
    b"debug", b"info", b"notice", b"warn", b"warning", b"err", b"error", b"crit", b"alert",
    b"emerg", b"panic",
];

/// `<mail.info> ` or `<2.6> ` between stamp and host: FreeBSD `syslogd -v`.
fn bracketed_column(input: &[u8]) -> Parsed<'_, ()> {
    map((tag("<"), facility_and_severity, tag("> ")), |_| ()).parse(input)
}

/// `[ID 197553 mail.info] ` before the text: Solaris `syslogd`, msgid(1M).
fn message_id(input: &[u8]) -> Parsed<'_, ()> {
    map((tag("[ID "), digit1, tag(" "), facility_and_severity, tag("] ")), |_| ()).parse(input)
}

fn facility_and_severity(input: &[u8]) -> Parsed<'_, (&[u8], &[u8])> {
    let word = || take_while1(|byte: u8| byte.is_ascii_alphanumeric());
    separated_pair(word(), tag("."), word()).parse(input)
}

/// `2026-11-21T01:28:22.522880+00:00 vm postfix 330 - -  TEXT` (RFC 5424 §6; rsyslog
/// `RSYSLOG_SyslogProtocol23Format`), behind priority and version.
///
/// rsyslog cuts APP-NAME at the first slash, so the daemon may be lost.
fn structured<'a>(memo: &mut time::Memo, line: &'a [u8], priority: u8) -> Parsed<'a, Header<'a>> {
    let (line, stamp) = match line.strip_prefix(b"- ") {
        Some(line) => (line, Stamp::Missing),
        None => time::internet(memo, line).and_then(|(line, stamp)| {
            let (line, _) = tag(" ").parse(line)?;
            Ok((line, stamp))
        })?,
    };
    let field = || terminated(token, tag(" "));
    let (line, (host, app, pid, _msgid)) = (field(), field(), field(), field()).parse(line)?;
    let (line, ()) = structured_data(line)?;
    let (_, text) = preceded(opt(tag(" ")), map(rest, unpadded)).parse(line)?;
    let (process, by_name) = tagged(nil(app), small_number(pid));
    let is_cut = process.service.is_empty() && is_mail(priority) && speaks(text);
    let program = if is_cut { Author::Postfix } else { by_name };
    Ok((b"", Header { stamp, host: nil(host), process, program, text }))
}

/// Of the facility that Postfix logs to unless told otherwise (`syslog_facility`).
fn is_mail(priority: u8) -> bool {
    priority / 8 == 2
}

/// The text is one of Postfix's own. Tells it from other programs where `syslog_name` does not
/// begin with `postfix` and was cut: `mail/eu/postfix-sub/smtp` is logged as `mail`.
fn speaks(text: &[u8]) -> bool {
    matches!(postfix::read(b"", text), Body::Postfix(_))
}

/// `-`, or elements such as `[meta x="a\]b"]` (RFC 5424 §6.3).
fn structured_data(input: &[u8]) -> Parsed<'_, ()> {
    let quoted = delimited(tag("\""), quoted_body, tag("\""));
    let plain = take_while1(|byte| byte != b'"' && byte != b']');
    let body = fold_many1(alt((recognize(quoted), plain)), || (), |(), _| ());
    let elements = fold_many1(delimited(tag("["), body, tag("]")), || (), |(), ()| ());
    alt((map(tag("-"), |_| ()), elements)).parse(input)
}

/// Without the byte order mark that marks UTF-8 (RFC 5424 §6.4), and the space that rsyslog keeps
/// from behind the colon of a tag.
pub(super) fn unpadded(text: &[u8]) -> &[u8] {
    const BOM: &[u8] = b"\xEF\xBB\xBF";
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let text = text.strip_prefix(b" ").unwrap_or(text);
    text.strip_prefix(BOM).unwrap_or(text)
}

fn nil(field: &[u8]) -> &[u8] {
    if field == b"-" { b"" } else { field }
}

fn token(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_till1(|byte| byte == b' ').parse(input)
}

/// `last message repeated 3 times`, and how often.
pub(super) fn repeated_last(text: &[u8]) -> Parsed<'_, u32> {
    delimited(tag("last message repeated "), number, (tag(" times"), eof)).parse(text)
}

/// `message repeated 3 times: [ `, and how often.
pub(super) fn repeated(text: &[u8]) -> Parsed<'_, u32> {
    delimited(tag("message repeated "), verify(number, |times| *times > 0), tag(" times: [ "))
        .parse(text)
}
