//! Which event a line is, and when it happened.

use jiff::Timestamp;

use super::Members;
use crate::{
    Body, Process, Reason,
    json::{Value, object},
    record::LogRecord,
    time::Stamp,
};

/// What every line of the plugin begins with; another version of its format would not.
const BEGINNING: &[u8] = br#"{"v":1,"ev":""#;

/// A line of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The event.
    pub kind: Kind,
    /// The whole object.
    object: &'a [u8],
}

/// Events of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file begins.
    Hello,
    /// The plugin is there: once a minute.
    Alive,
    /// Lines were dropped, from one time to another.
    Lost,
    /// A message was accepted.
    Queued,
    /// A client, a recipient or a message was refused.
    Refused,
    /// A server took an item of the queue.
    Delivered,
    /// An attempt failed for now.
    Deferred,
    /// Recipients of an item are given up.
    Bounced,
}

impl Kind {
    /// As the plugin calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Alive => "alive",
            Self::Lost => "lost",
            Self::Queued => "queued",
            Self::Refused => "refused",
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
        }
    }

    /// It is about mail, and not about the plugin.
    #[must_use]
    pub fn is_of_mail(self) -> bool {
        !matches!(self, Self::Hello | Self::Alive | Self::Lost)
    }

    fn parse(name: &[u8]) -> Option<Self> {
        const ALL: [Kind; 8] = [
            Kind::Hello,
            Kind::Alive,
            Kind::Lost,
            Kind::Queued,
            Kind::Refused,
            Kind::Delivered,
            Kind::Deferred,
            Kind::Bounced,
        ];
        ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }
}

impl<'a> Record<'a> {
    /// What it says.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members::of(self.object)
    }
}

/// Reads a line of the plugin; none for any other line.
pub(crate) fn read(line: &[u8]) -> Option<LogRecord<'_>> {
    if !line.starts_with(BEGINNING) {
        return None;
    }
    let (mut kind, mut at, mut host) = (None, None, &b""[..]);
    let whole = object(line, |key, value| match (key, value) {
        (b"ev", Value::Text(name)) => kind = Some(Kind::parse(name)),
        (b"ts", Value::Plain(digits)) => at = milliseconds(digits),
        (b"host", Value::Text(name)) if !name.contains(&b'\\') => host = name,
        _ => {}
    });
    let body = match (whole, kind, at) {
        (Ok(_), Some(Some(kind)), Some(_)) => body(Record { kind, object: line }),
        // A later version of the plugin tells more.
        (Ok(_), Some(None), Some(_)) => Body::Ignored,
        _ => Body::Unrecognised(Reason::Text),
    };
    let stamp = at.map_or(Stamp::Missing, Stamp::Exact);
    Some(LogRecord { line, stamp, host, process: Process::default(), repeated: 1, body })
}

/// An event of mail that does not say of which is none.
fn body(record: Record<'_>) -> Body<'_> {
    if record.kind.is_of_mail() && record.members().uuid.is_none() {
        return Body::Unrecognised(Reason::Text);
    }
    Body::HarakaPlugin(record)
}

fn milliseconds(digits: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(digits).ok()?;
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}
