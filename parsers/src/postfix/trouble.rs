//! Warnings that tell the end of a whole message.

use nom::{
    Parser as _, bytes::complete::take_while1, combinator::all_consuming, sequence::delimited,
};

use super::{QueueId, queue_id::queue_id};
use crate::fields::{Parsed, tag};

/// `warning: QID: message rejected: hopcount exceeded` and its kin.
///
/// The client gets the refusal; a local submission bounces, which gives status lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refused<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// Why.
    pub reason: RefusedReason,
}

/// Why cleanup refused a message as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    /// Too many `Received:` headers (`hopcount_limit`). The client gets 554 5.4.0.
    Hopcount,
    /// Larger than `message_size_limit`. smtpd and cleanup may log it both, under one queue ID.
    /// The client gets 552 5.3.4.
    Size,
    /// A table could not be asked. Temporary: the client gets 451 4.3.0.
    Lookup,
}

/// `warning: saving corrupt file "QID" from queue "active" to queue "corrupt"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrupt<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
}

/// Reads what follows `warning: QID: `:
///
/// ```text
/// queue file size limit exceeded
/// message rejected: hopcount exceeded
/// virtual_alias_maps map lookup problem for a@x.test -- message not accepted, try again later
/// ```
///
/// `cleanup_out.c` and `smtpd.c`; `cleanup_message.c`; `cleanup_map1n.c`, `cleanup_addr.c` and
/// their kin.
pub(super) fn refused<'a>(queue_id: QueueId<'a>, text: &[u8]) -> Option<Refused<'a>> {
    let reason = match text {
        b"queue file size limit exceeded" => RefusedReason::Size,
        b"message rejected: hopcount exceeded" => RefusedReason::Hopcount,
        _ if is_lookup_problem(text) => RefusedReason::Lookup,
        _ => return None,
    };
    Some(Refused { queue_id, reason })
}

/// Begins with the name of a parameter: other warnings about a message may end in a stranger's
/// words.
fn is_lookup_problem(text: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let name = text.iter().position(|byte| !is_name(byte)).unwrap_or(text.len());
    text.get(name..).is_some_and(|said| {
        name > 0
            && said.starts_with(b" map lookup problem")
            && said.ends_with(b" -- message not accepted, try again later")
    })
}

/// Reads what follows `warning: `: `saving corrupt file "97C0A53F4D6" from queue "active" to queue
/// "corrupt"`.
pub(super) fn corrupt(text: &[u8]) -> Option<Corrupt<'_>> {
    let file = delimited(tag("saving corrupt file \""), queue_id, tag("\" from queue \""));
    let (_, (queue_id, _, _)) =
        all_consuming((file, queue, tag("\" to queue \"corrupt\""))).parse(text).ok()?;
    Some(Corrupt { queue_id })
}

/// `active`, `incoming`.
fn queue(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_lowercase()).parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn reason(text: &str) -> Option<RefusedReason> {
        let queue_id = QueueId::parse(b"97C0A53F4D6").unwrap();
        refused(queue_id, text.as_bytes()).map(|refused| refused.reason)
    }

    /// cleanup(8), Postfix 3.7.11.
    #[test]
    fn a_message_may_be_refused_as_a_whole() {
        assert_eq!(reason("queue file size limit exceeded"), Some(RefusedReason::Size));
        assert_eq!(reason("message rejected: hopcount exceeded"), Some(RefusedReason::Hopcount));
        for text in [
            "virtual_alias_maps map lookup problem for a@x.test -- message not accepted, try again \
             later",
            "masquerade_exceptions map lookup problem -- message not accepted, try again later",
        ] {
            assert_eq!(reason(text), Some(RefusedReason::Lookup), "{text}");
        }
    }

    /// smtp(8) quotes the server in warnings about a message.
    #[test]
    fn a_remote_server_cannot_forge_a_refusal() {
        for text in [
            "non-ESMTP response from mx.test[127.0.1.1]:25: x map lookup problem -- message not \
             accepted, try again later",
            " map lookup problem -- message not accepted, try again later",
            "queue file size limit exceeded, he said",
        ] {
            assert_eq!(reason(text), None, "{text}");
        }
    }

    #[test]
    fn a_corrupt_file_is_named_inside_quotes() {
        let text = br#"saving corrupt file "97C0A53F4D6" from queue "active" to queue "corrupt""#;
        assert_eq!(corrupt(text).unwrap().queue_id.as_str(), "97C0A53F4D6");
        let text = br#"saving corrupt file "x" from queue "active" to queue "corrupt""#;
        assert_eq!(corrupt(text), None);
    }
}
