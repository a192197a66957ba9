//! The three layouts of a record (Haraka `logger.js`, `emit()`), and what may stand around it.
//!
//! ```text
//! [NOTICE] [UUID] [core] connect ip=192.0.2.1 port=25
//! level=NOTICE uuid=UUID origin=core message=connect ip=192.0.2.1 port=25
//! {"level":"NOTICE","uuid":"UUID","origin":"core","message":"connect","ip":"192.0.2.1","port":25}
//! ```
//!
//! `timestamps=true` puts `2026-11-21T01:40:03.838Z ` in front of any of them, and a terminal gets
//! colours. Only the layout is decided here; which fields mean what is for the grammars.

use memchr::memmem;

use super::{
    Uuid,
    fields::{Fields, value},
    text::{Escapes, Text, quoted},
};

/// A record, whichever layout it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged<'a> {
    pub(super) level: &'a [u8],
    /// `-` when the line is about no connection.
    pub(super) uuid: &'a [u8],
    /// `core`, `outbound`, or the name of a plugin.
    pub(super) origin: &'a [u8],
    /// The words. In the default layout the fields stand behind them.
    pub(super) message: Text<'a>,
    /// The fields; none where they stand behind the words.
    fields: Option<Fields<'a>>,
}

/// Level, UUID and origin, and the words.
type Common<'a> = ([&'a [u8]; 3], Text<'a>);

/// Bytes of `2026-11-21T01:40:03.838Z` (`Date.prototype.toISOString()`).
const STAMP_BYTES: usize = 24;

/// What stands in front of a line of Haraka's own, if it can be one: its stamp, or nothing.
pub(crate) fn split_stamp(line: &[u8]) -> (&[u8], &[u8]) {
    let is_stamped = line.get(10) == Some(&b'T')
        && line.get(STAMP_BYTES - 1) == Some(&b'Z')
        && line.get(STAMP_BYTES) == Some(&b' ');
    let split = is_stamped.then(|| line.split_at_checked(STAMP_BYTES)).flatten();
    split.and_then(|(stamp, rest)| Some((stamp, rest.get(1..)?))).unwrap_or((&[], line))
}

/// Can `text`, which no stamp stands in front of, be a record? Looks at its first bytes alone, but
/// for objects.
pub(crate) fn is_record(text: &[u8]) -> bool {
    match text.first() {
        Some(b'[') => default_level(text).is_some(),
        Some(b'l') => logfmt_level(text).is_some(),
        Some(b'{') => is_object(text),
        Some(b'\x1b') => default_level(uncoloured(text)).is_some(),
        _ => false,
    }
}

fn is_object(text: &[u8]) -> bool {
    in_order(text).is_some() || has_all(text)
}

fn has_all(text: &[u8]) -> bool {
    let has = |key: &str| memmem::find(text, key.as_bytes()).is_some();
    has("\"level\":\"") && has("\"uuid\":\"") && has("\"origin\":\"")
}

/// Reads a record; none when it breaks its layout.
pub(super) fn read(text: &[u8]) -> Option<Logged<'_>> {
    let logged = match text.first()? {
        b'{' => json(text),
        b'l' => logfmt(text),
        _ => default(uncoloured(text)),
    };
    logged.map(without_socket)
}

/// Without the UUID of the socket, which 2.8 puts into the origin of a line about an item
/// (`outbound] [UUID`, `logger.js`).
fn without_socket(logged: Logged<'_>) -> Logged<'_> {
    const OUTBOUND: &[u8] = b"outbound";
    let origin = logged.origin.strip_prefix(b"\"").unwrap_or(logged.origin);
    match origin.strip_prefix(OUTBOUND) {
        Some(rest) if rest.starts_with(b"] [") => Logged { origin: OUTBOUND, ..logged },
        Some(b"") => Logged { message: behind_socket(logged.message), ..logged },
        _ => logged,
    }
}

/// `[UUID] MESSAGE`; no message begins with a bracket otherwise.
fn behind_socket(message: Text<'_>) -> Text<'_> {
    let rest = message.strip_prefix("[").and_then(|rest| rest.split_once("] "));
    let is_socket = |socket: &Text<'_>| Uuid::parse(socket.raw()).is_some();
    rest.filter(|(socket, _)| is_socket(socket)).map_or(message, |(_, rest)| rest)
}

/// `[LEVEL] [UUID] [ORIGIN] MESSAGE`.
fn default(text: &[u8]) -> Option<Logged<'_>> {
    let (level, rest) = default_level(text)?;
    let (uuid, rest) = until(rest, b"] [")?;
    let (origin, message) = until(rest, b"] ")?;
    Some(Logged { level, uuid, origin, message: Text::plain(message), fields: None })
}

/// The level, and what follows `] [`.
fn default_level(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (level, rest) = until(text.strip_prefix(b"[")?, b"] [")?;
    is_level(level).then_some((level, rest))
}

fn logfmt(text: &[u8]) -> Option<Logged<'_>> {
    let (level, rest) = logfmt_level(text)?;
    let (uuid, rest) = until(rest, b" origin=")?;
    let (origin, rest) = until(rest, b" message=")?;
    let (message, rest) = value(rest)?;
    let fields = match rest {
        [] => rest,
        rest => rest.strip_prefix(b" ")?,
    };
    Some(Logged { level, uuid, origin, message, fields: Some(Fields::Pairs(fields)) })
}

/// The level, and what follows ` uuid=`.
fn logfmt_level(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (level, rest) = until(text.strip_prefix(b"level=")?, b" uuid=")?;
    is_level(level).then_some((level, rest))
}

fn json(text: &[u8]) -> Option<Logged<'_>> {
    let fields = Fields::Object(text);
    let ([level, uuid, origin], message) = match whole_in_order(text) {
        Some(common) => common,
        None => in_any_order(fields)?,
    };
    let is_record = is_level(level) && !uuid.is_empty() && !origin.is_empty();
    is_record.then_some(Logged { level, uuid, origin, message, fields: Some(fields) })
}

/// The fields that all records have, where the object begins with them and ends where it should:
/// so Haraka writes it, unless the line has a field of such a name. Saves a walk over the object.
fn whole_in_order(text: &[u8]) -> Option<Common<'_>> {
    let (columns, rest) = in_order(text).filter(|_| text.ends_with(b"}"))?;
    let (message, _) = quoted(rest.strip_prefix(b",\"message\":")?, Escapes::Json)?;
    Some((columns, message))
}

/// Level, UUID and origin where an object begins with them, and what follows.
fn in_order(text: &[u8]) -> Option<([&[u8]; 3], &[u8])> {
    let (level, rest) = until(text.strip_prefix(b"{\"level\":\"")?, b"\",\"uuid\":\"")?;
    let (uuid, rest) = until(rest, b"\",\"origin\":\"")?;
    let (origin, rest) = until(rest, b"\"")?;
    let columns = [level, uuid, origin];
    let has_escape = columns.iter().any(|column| column.contains(&b'\\'));
    (!has_escape).then_some((columns, rest))
}

fn in_any_order(fields: Fields<'_>) -> Option<Common<'_>> {
    let [level, uuid, origin, message] = fields.texts(["level", "uuid", "origin", "message"])?;
    Some(([level, uuid, origin].map(Text::raw), message))
}

/// What stands before and behind the first `end`, which is near.
fn until<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    /// Names of plugins are paths; no other column comes near.
    const LONGEST: usize = 256;
    let head = text.get(..text.len().min(LONGEST))?;
    let first = *end.first()?;
    let at = memchr::memchr_iter(first, head)
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(end)))?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

fn is_level(word: &[u8]) -> bool {
    matches!(
        word,
        b"DATA"
            | b"PROTOCOL"
            | b"DEBUG"
            | b"INFO"
            | b"NOTICE"
            | b"WARN"
            | b"ERROR"
            | b"CRIT"
            | b"ALERT"
            | b"EMERG"
    )
}

/// Without the colours of a terminal: `ESC[34m` in front and `ESC[39m` behind.
fn uncoloured(text: &[u8]) -> &[u8] {
    let Some(rest) = text.strip_prefix(b"\x1b[") else { return text };
    let Some(end) = rest.iter().take(4).position(|byte| *byte == b'm') else { return text };
    let rest = rest.get(end + 1..).unwrap_or_default();
    rest.strip_suffix(b"\x1b[39m").unwrap_or(rest)
}

impl<'a> Logged<'a> {
    /// What follows `words` in the message: a text that goes on, not yet fields.
    pub(super) fn after(&self, words: &str) -> Option<Text<'a>> {
        self.message.strip_prefix(words)
    }

    /// The fields, when the message is exactly `words`.
    pub(super) fn fields_of(&self, words: &str) -> Option<Fields<'a>> {
        self.fields_behind(self.message.strip_prefix(words)?)
    }

    /// The fields, when `rest` is all that is left of the message.
    pub(super) fn fields_behind(&self, rest: Text<'a>) -> Option<Fields<'a>> {
        match self.fields {
            Some(fields) => rest.is_empty().then_some(fields),
            None if rest.is_empty() => Some(Fields::Pairs(b"")),
            None => Some(Fields::Pairs(rest.raw().strip_prefix(b" ")?)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_layout_gives_the_same_view() {
        for line in [
            "[NOTICE] [-] [core] connect ip=::1 lr=\"a \\\"b\\\"\"",
            "\x1b[34m[NOTICE] [-] [core] connect ip=::1 lr=\"a \\\"b\\\"\"\x1b[39m",
            "level=NOTICE uuid=- origin=core message=connect ip=::1 lr=\"a \\\"b\\\"\"",
            r#"{"level":"NOTICE","uuid":"-","origin":"core","message":"connect","ip":"::1","lr":"a \"b\""}"#,
            r#"{"ip":"::1","lr":"a \"b\"","message":"connect","origin":"core","uuid":"-","level":"NOTICE"}"#,
            r#"{"level":"NOTICE","uuid":"-","message":"connect","origin":"core","ip":"::1","lr":"a \"b\""}"#,
            r#"{"level":"NOTICE","uuid":"-","origin":"core","ip":"::1","message":"connect","lr":"a \"b\""}"#,
        ] {
            assert!(is_record(line.as_bytes()), "{line}");
            let logged = read(line.as_bytes()).unwrap();
            assert_eq!((logged.level, logged.uuid), (&b"NOTICE"[..], &b"-"[..]), "{line}");
            assert_eq!(logged.origin, b"core", "{line}");
            let [ip, reply] = logged.fields_of("connect").unwrap().texts(["ip", "lr"]).unwrap();
            assert_eq!((&*ip.bytes(), &*reply.bytes()), (&b"::1"[..], &b"a \"b\""[..]), "{line}");
        }
    }

    #[test]
    fn the_socket_of_an_item_is_no_part_of_its_message() {
        const C: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";
        for line in [
            format!("[INFO] [{C}.1.1] [outbound] [{C}] bouncing mail: x"),
            format!(
                "level=INFO uuid={C}.1.1 origin=\"outbound] [{C}\" message=\"bouncing mail: x\""
            ),
            format!(
                "{{\"level\":\"INFO\",\"uuid\":\"{C}.1.1\",\"origin\":\"outbound] [{C}\",\
                 \"message\":\"bouncing mail: x\"}}"
            ),
        ] {
            let logged = read(line.as_bytes()).unwrap();
            assert_eq!(logged.origin, b"outbound", "{line}");
            assert!(logged.after("bouncing mail: ").is_some(), "{line}");
        }
    }

    #[test]
    fn an_empty_message_leaves_its_space() {
        for line in [
            "[INFO] [-] [outbound]  delivered file=x",
            "level=INFO uuid=- origin=outbound message=\"\" delivered file=x",
            r#"{"level":"INFO","uuid":"-","origin":"outbound","message":"","delivered file":"x"}"#,
        ] {
            let logged = read(line.as_bytes()).unwrap();
            let texts = logged.fields_of("").unwrap().texts(["delivered file"]).unwrap();
            assert_eq!(texts.map(Text::raw), [b"x"], "{line}");
        }
    }

    #[test]
    fn an_object_that_breaks_off_is_no_record() {
        let whole =
            r#"{"level":"NOTICE","uuid":"-","origin":"core","message":"a \"b\"","ip":"::1"}"#;
        assert_eq!(&*read(whole.as_bytes()).unwrap().message.bytes(), b"a \"b\"");
        for end in 1..whole.len() {
            let part = whole.get(..end).unwrap().as_bytes();
            assert!(read(part).is_none(), "{end}");
        }
    }

    #[test]
    fn a_stamp_is_one_of_milliseconds_in_utc() {
        assert_eq!(
            split_stamp(b"2026-11-21T01:40:03.838Z x"),
            (&b"2026-11-21T01:40:03.838Z"[..], &b"x"[..])
        );
        for line in ["x", "2026-11-21T01:40:03.838Z", "2026-11-21T01:40:03.838801Z x"] {
            assert_eq!(split_stamp(line.as_bytes()), (&b""[..], line.as_bytes()));
        }
    }

    #[test]
    fn what_only_resembles_a_record_is_none() {
        for line in [
            "",
            "[",
            "[NOTICE]",
            "[NOTE] [-] [core] x",
            "level=NOTICE",
            "level=x uuid=-",
            "{}",
            r#"{"level":"NOTICE","message":"x"}"#,
            "\x1b[",
            "loglevel: INFO",
        ] {
            assert!(!is_record(line.as_bytes()), "{line}");
        }
    }
}
