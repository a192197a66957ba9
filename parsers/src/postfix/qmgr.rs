//! Lines of the queue manager about a whole message.

use nom::{
    Parser as _,
    branch::alt,
    character::complete::{u32 as count, u64 as number},
    combinator::all_consuming,
    sequence::{delimited, preceded},
};

use super::{Entry, Expired, QueueActive, QueueId, Removed};
use crate::{
    address,
    fields::{Parsed, key, tag},
};

/// What follows a sender.
enum Event {
    Active { size: u64, nrcpt: u32 },
    Expired { forced: bool },
}

/// Reads what follows the queue ID.
///
/// `from=<a@sender.test>, size=369, nrcpt=1 (queue active)` (`qmgr_message.c`) and
/// `from=<a@sender.test>, status=expired, returned to sender` (`qmgr_active.c`).
pub(super) fn sender_line<'a>(queue_id: QueueId<'a>, text: &'a [u8]) -> Option<Entry<'a>> {
    let from = text.strip_prefix(b"from=")?;
    let (sender, event) = address::field(from, |rest| {
        all_consuming(alt((active, expired))).parse(rest).ok().map(|(_, event)| event)
    })?;
    Some(match event {
        Event::Active { size, nrcpt } => {
            Entry::QueueActive(QueueActive { queue_id, sender, size, nrcpt })
        }
        Event::Expired { forced } => Entry::Expired(Expired { queue_id, sender, forced }),
    })
}

fn active(input: &[u8]) -> Parsed<'_, Event> {
    (preceded(key("size"), number), delimited(key("nrcpt"), count, tag(" (queue active)")))
        .map(|(size, nrcpt)| Event::Active { size, nrcpt })
        .parse(input)
}

fn expired(input: &[u8]) -> Parsed<'_, Event> {
    let forced = alt((tag("expired").map(|_| false), tag("force-expired").map(|_| true)));
    delimited(key("status"), forced, tag(", returned to sender"))
        .map(|forced| Event::Expired { forced })
        .parse(input)
}

/// `removed`, by qmgr (`qmgr_active.c`) or `postsuper -d` (`postsuper.c`, `delete_one()`);
/// `removed (canceled)` and `removed (discarded)` by cleanup since 3.10 (`cleanup_api.c`).
pub(super) fn removed<'a>(
    service: &[u8],
    queue_id: QueueId<'a>,
    text: &[u8],
) -> Option<Removed<'a>> {
    match text {
        b"removed" | b"removed (canceled)" | b"removed (discarded)" => {
            Some(Removed { queue_id, by_operator: service == b"postsuper" })
        }
        _ => None,
    }
}
