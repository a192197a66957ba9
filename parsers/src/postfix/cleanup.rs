//! Lines of cleanup about the Message-ID. Header and body checks: [`super::content`]; a message
//! refused as a whole: [`super::trouble`].

use super::{MessageId, QueueId};

/// `message-id=<1@gen.lab.test>` (`cleanup_message.c`, `cleanup_header_callback()`).
///
/// The value is the raw header: it may lack its brackets, hold spaces, or be empty.
pub(super) fn message_id<'a>(queue_id: QueueId<'a>, text: &'a [u8]) -> Option<MessageId<'a>> {
    let (value, resent) = match text.strip_prefix(b"message-id=") {
        Some(value) => (value, false),
        None => (text.strip_prefix(b"resent-message-id=")?, true),
    };
    Some(MessageId { queue_id, value, resent })
}
