//! Lines of pickup about local submissions.

use nom::{
    Parser as _,
    combinator::{all_consuming, opt},
    sequence::preceded,
};

use super::{Pickup, QueueId, queue_id::queue_id};
use crate::{
    address,
    fields::{Parsed, digits, tag},
};

/// `uid=102 from=<sam@sender.test>`, and ` orig_id=97C0A53F4D6` after a requeue
/// (`pickup.c`, `copy_segment()`).
pub(super) fn pickup<'a>(queue_id: QueueId<'a>, text: &'a [u8]) -> Option<Pickup<'a>> {
    let (from, uid) = uid(text).ok()?;
    let (sender, orig_id) = address::field(from, |rest| {
        all_consuming(opt(orig_id)).parse(rest).ok().map(|(_, id)| id)
    })?;
    Some(Pickup { queue_id, uid, sender, orig_id })
}

fn uid(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, (_, uid, _)) = (tag("uid="), digits(1, 20), tag(" from=")).parse(input)?;
    Ok((rest, uid))
}

fn orig_id(input: &[u8]) -> Parsed<'_, QueueId<'_>> {
    preceded(tag(" orig_id="), queue_id).parse(input)
}
