//! Makes events: identity from the line, data from the message and the line.

use jiff::Timestamp;
use mailherald_parsers::{postfix::QueueId, status::Dsn};
use smol_str::{SmolStr, SmolStrBuilder};

use super::{
    Step,
    message::{Class, KeptLine, Message},
    system::System,
};
use crate::{
    event::{Event, EventData, EventType, MessageUid, TimeQuality, text},
    limits,
    parse::Line,
};

/// The line that an event takes its identity and its time from.
#[derive(Clone, Copy)]
pub(crate) struct Trigger<'a> {
    bytes: &'a [u8],
    occurrence: u64,
    at_us: i64,
    quality: TimeQuality,
    partial: bool,
}

impl<'a> From<&'a KeptLine> for Trigger<'a> {
    fn from(line: &'a KeptLine) -> Self {
        let KeptLine { ref bytes, occurrence, at_us, quality } = *line;
        Self { bytes, occurrence, at_us, quality, partial: false }
    }
}

impl From<&Line<'_>> for KeptLine {
    fn from(line: &Line<'_>) -> Self {
        let Line { bytes, occurrence, at_us, quality, .. } = *line;
        Self { bytes: bytes.to_vec(), occurrence, at_us, quality }
    }
}

impl<'a> Step<'a> {
    /// The line of this step, as what gives an event.
    pub(crate) fn trigger(&self) -> Trigger<'a> {
        let Line { bytes, occurrence, at_us, quality, partial, .. } = *self.line;
        Trigger { bytes, occurrence, at_us, quality, partial }
    }
}

impl System {
    /// An event of type `kind` that `trigger` gave for `recipient` (empty when there is none).
    pub(crate) fn event(
        &self,
        kind: EventType,
        trigger: Trigger<'_>,
        recipient: &str,
        mut data: Box<EventData>,
    ) -> Event {
        let occurrence = trigger.occurrence.to_be_bytes();
        let (kind_name, recipient) = (kind.name().as_bytes(), recipient.as_bytes());
        let id = self.identities.event(&[trigger.bytes, &occurrence, kind_name, recipient]);
        data.partial = trigger.partial;
        if self.evidence {
            let line = text::bounded(trigger.bytes, limits::RESPONSE_BYTES).value;
            data.evidence = Some(line);
        }
        Event { id, kind, at_us: trigger.at_us, time_quality: trigger.quality, data }
    }

    /// The uid of a message whose first line is `line`. A long queue ID knows its own arrival.
    pub(crate) fn uid(&self, queue_id: QueueId<'_>, line: &Line<'_>) -> MessageUid {
        let arrival =
            queue_id.arrival().map_or(line.at_us.div_euclid(1_000_000), Timestamp::as_second);
        self.identities.message(&[queue_id.as_str().as_bytes(), &arrival.to_be_bytes()])
    }

    /// The uid of what a refused client tried to send: it never got a queue ID.
    pub(crate) fn uid_of_refusal(&self, line: &Line<'_>) -> MessageUid {
        self.identities.message(&[b"NOQUEUE", line.bytes, &line.occurrence.to_be_bytes()])
    }
}

/// Text for an event field; notes when it had to be repaired.
pub(crate) fn bounded(bytes: &[u8], lossy: &mut bool) -> SmolStr {
    let text = text::bounded(bytes, limits::TEXT_BYTES);
    *lossy |= text.lossy;
    text.value
}

/// `X.Y.Z`. Made for most events, and several times as fast as with [`std::fmt`].
pub(crate) fn dsn_text(dsn: Dsn) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    push_number(&mut text, dsn.class.into());
    text.push('.');
    push_number(&mut text, dsn.subject);
    text.push('.');
    push_number(&mut text, dsn.detail);
    text.finish()
}

fn push_number(text: &mut SmolStrBuilder, number: u16) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    if let Some(digit) = char::from_digit(u32::from(number % 10), 10) {
        text.push(digit);
    }
}

/// What every event of a message carries.
pub(crate) fn message_data(message: &Message, queue_id: &str, class: Class) -> Box<EventData> {
    // It is large: made in its place, it is not copied.
    let mut data = Box::<EventData>::default();
    data.uid = message.uid;
    data.queue_id = Some(queue_id.into());
    data.message_id.clone_from(&message.message_id);
    data.subject.clone_from(&message.subject);
    data.from.clone_from(&message.sender);
    data.user.clone_from(&message.user);
    data.size = message.size;
    data.nrcpt = message.nrcpt;
    data.lossy = message.lossy;
    data.incomplete = message.is_incomplete();
    data.route.clone_from(&message.route);
    data.helo.clone_from(&message.helo);
    data.given.clone_from(&message.given);
    data.envelope_id.clone_from(&message.envelope_id);
    let is_known = |name: &&SmolStr| !matches!(name.as_str(), "" | "unknown");
    let name = message.client_name.as_ref().filter(is_known).cloned();
    match class {
        Class::Outbound => data.client_name = name,
        Class::Inbound => {
            data.host = name;
            data.ip.clone_from(&message.client_address);
        }
    }
    data
}

/// Names the recipient in `data`.
pub(crate) fn set_recipient(data: &mut EventData, recipient: &SmolStr, original: Option<&SmolStr>) {
    data.domain = text::domain(recipient);
    data.to = Some(recipient.clone());
    data.orig_to = original.cloned();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_it_is_logged() {
        for (class, subject, detail) in [(2, 0, 0), (5, 7, 26), (4, 10, 103)] {
            let dsn = Dsn { class, subject, detail };
            assert_eq!(dsn_text(dsn), dsn.to_string());
        }
    }
}
