//! What an operator does with `postsuper`.

use nom::{
    Parser as _,
    branch::alt,
    character::complete::u32 as number,
    combinator::{all_consuming, value},
    sequence::terminated,
};

use super::QueueId;
use crate::fields::{Parsed, tag};

/// `QID: placed on hold`, by `postsuper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operation<'a> {
    /// The message.
    pub queue_id: QueueId<'a>,
    /// What was done; never [`OperatorAct::Delete`].
    pub act: OperatorAct,
}

/// `Deleted: 3 messages`, by `postsuper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationTotal {
    /// What was done.
    pub act: OperatorAct,
    /// To how many messages; those with a line of their own are in it.
    pub messages: u32,
}

/// What `postsuper` does to messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAct {
    /// `-d`: deleted.
    Delete,
    /// `-h`: not delivered until released.
    Hold,
    /// `-H`: delivered again.
    Release,
    /// `-r`: submitted anew. pickup gives it another queue ID ([`super::Pickup::orig_id`]).
    Requeue,
    /// `-e`, `-f` (since 3.5): qmgr returns it to its sender ([`super::Expired::forced`]).
    Expire,
}

/// Reads what follows the queue ID: `placed on hold`, `released from hold`, `requeued`, `expired`
/// (`hold_one()`, `release_one()`, `requeue_one()`, `expire_one()`).
pub(super) fn operation<'a>(queue_id: QueueId<'a>, text: &[u8]) -> Option<Operation<'a>> {
    let act = match text {
        b"placed on hold" => OperatorAct::Hold,
        b"released from hold" => OperatorAct::Release,
        b"requeued" => OperatorAct::Requeue,
        b"expired" => OperatorAct::Expire,
        _ => return None,
    };
    Some(Operation { queue_id, act })
}

/// Reads `Deleted: 1 message`, `Requeued: 3 messages`.
pub(super) fn total(text: &[u8]) -> Option<OperationTotal> {
    let messages = terminated(number, alt((tag(" messages"), tag(" message"))));
    let (_, (act, messages)) = all_consuming((act, messages)).parse(text).ok()?;
    Some(OperationTotal { act, messages })
}

fn act(input: &[u8]) -> Parsed<'_, OperatorAct> {
    let act = alt((
        value(OperatorAct::Delete, tag("Deleted")),
        value(OperatorAct::Hold, tag("Placed on hold")),
        value(OperatorAct::Release, tag("Released from hold")),
        value(OperatorAct::Requeue, tag("Requeued")),
        value(OperatorAct::Expire, tag("Force-expired")),
    ));
    terminated(act, tag(": ")).parse(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_operators_acts_are_told_for_each_message_and_in_total() {
        let queue_id = QueueId::parse(b"97C0A53F4D6").unwrap();
        for (one, all, act) in [
            ("placed on hold", "Placed on hold: 1 message", OperatorAct::Hold),
            ("released from hold", "Released from hold: 1 message", OperatorAct::Release),
            ("requeued", "Requeued: 1 message", OperatorAct::Requeue),
            ("expired", "Force-expired: 1 message", OperatorAct::Expire),
        ] {
            let operation = operation(queue_id, one.as_bytes()).unwrap();
            assert_eq!((operation.queue_id, operation.act), (queue_id, act));
            assert_eq!(total(all.as_bytes()), Some(OperationTotal { act, messages: 1 }));
        }
        assert_eq!(operation(queue_id, b"requeued by hand"), None);
    }

    /// `postsuper -d ALL` names no message.
    #[test]
    fn a_total_may_be_all_there_is() {
        let expected = OperationTotal { act: OperatorAct::Delete, messages: 600 };
        assert_eq!(total(b"Deleted: 600 messages"), Some(expected));
        for line in ["Deleted: messages", "Deleted: 1 message x", "Deleted: 99999999999 messages"] {
            assert_eq!(total(line.as_bytes()), None, "{line}");
        }
    }
}
