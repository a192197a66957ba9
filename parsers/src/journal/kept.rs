//! What is kept of an entry while its fields arrive: the few values that a line is made of, each
//! within its bound.

use jiff::Timestamp;

use super::Entry;
use crate::fields::{large_number, small_number};

/// A field that means something here, as an index of [`FIELDS`].
pub(super) type Field = usize;

/// Bytes kept of a name, a number or a cursor; journald's own are far shorter.
const SHORT: usize = 1024;

/// Bytes kept of a text. Postfix's end at 2,000 bytes, and the rest of the line still fits into
/// 64 KiB.
const TEXT: usize = 60 * 1024;

const CURSOR: Field = 0;
const RECEIVED: Field = 1;
const SENT: Field = 2;
const HOST: Field = 3;
const TAG: Field = 4;
const PID: Field = 5;
const SYSLOG_PID: Field = 6;
const MESSAGE: Field = 7;

/// Their names and bounds.
const FIELDS: [(&[u8], usize); 8] = [
    (b"__CURSOR", SHORT),
    (b"__REALTIME_TIMESTAMP", SHORT),
    (b"_SOURCE_REALTIME_TIMESTAMP", SHORT),
    (b"_HOSTNAME", SHORT),
    (b"SYSLOG_IDENTIFIER", SHORT),
    (b"_PID", SHORT),
    (b"SYSLOG_PID", SHORT),
    (b"MESSAGE", TEXT),
];

/// Which field has this name; none for those that nobody asks for.
pub(super) fn field(name: &[u8]) -> Option<Field> {
    FIELDS.iter().position(|(known, _)| *known == name)
}

/// The values so far. Its memory is reused from entry to entry, and bounded by [`FIELDS`].
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    values: [Value; FIELDS.len()],
}

/// The first value of a field.
#[derive(Debug, Clone, Copy, Default)]
struct Value {
    start: usize,
    end: usize,
    /// How often the field came: 0, 1, or more.
    times: u8,
    /// It is longer than its bound, so nothing of it is kept.
    too_long: bool,
}

impl Kept {
    /// A value of `field` begins.
    pub(super) fn begin(&mut self, field: Field) {
        if let Some(value) = self.values.get_mut(field) {
            value.times = value.times.saturating_add(1);
            if value.times == 1 {
                (value.start, value.end) = (self.bytes.len(), self.bytes.len());
            }
        }
    }

    /// The value that began last goes on.
    pub(super) fn push(&mut self, field: Field, piece: &[u8]) {
        let (Some(value), Some((_, bound))) = (self.values.get_mut(field), FIELDS.get(field))
        else {
            return;
        };
        if value.times > 1 || value.too_long {
            return;
        }
        if value.end - value.start + piece.len() > *bound {
            self.bytes.truncate(value.start);
            (value.end, value.too_long) = (value.start, true);
            return;
        }
        self.bytes.extend_from_slice(piece);
        value.end = self.bytes.len();
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.values = Default::default();
    }

    /// What the entry says.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry {
            cursor: self.single(CURSOR),
            at: self.micros(RECEIVED).or_else(|| self.micros(SENT)),
            host: self.single(HOST),
            tag: self.single(TAG),
            pid: small_number(self.single(PID)).or_else(|| small_number(self.single(SYSLOG_PID))),
            message: self.first(MESSAGE),
        }
    }

    fn first(&self, field: Field) -> &[u8] {
        let value = self.values.get(field).copied().unwrap_or_default();
        self.bytes.get(value.start..value.end).unwrap_or_default()
    }

    /// The value of a field that came once: one that a program wrote twice says nothing.
    fn single(&self, field: Field) -> &[u8] {
        let once = self.values.get(field).is_some_and(|value| value.times == 1);
        if once { self.first(field) } else { b"" }
    }

    fn micros(&self, field: Field) -> Option<Timestamp> {
        let micros = large_number(self.single(field))?;
        Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok()
    }
}
