//! Lines of the bounce daemon that tie a notification to its message.

use nom::{Parser as _, branch::alt, combinator::all_consuming, sequence::terminated};

use super::{Notification, NotificationKind, QueueId, queue_id::queue_id};
use crate::fields::{Parsed, tag};

/// `sender non-delivery notification: 5E1B753F4D8` (`bounce_notify_service.c`,
/// `bounce_notify_verp.c`, `bounce_one_service.c`, `bounce_warn_service.c`,
/// `bounce_trace_service.c`).
pub(super) fn notification<'a>(parent: QueueId<'a>, text: &'a [u8]) -> Option<Notification<'a>> {
    let (_, (kind, child)) =
        all_consuming((terminated(kind, tag(": ")), queue_id)).parse(text).ok()?;
    Some(Notification { parent, child, kind })
}

fn kind(input: &[u8]) -> Parsed<'_, NotificationKind> {
    alt((
        tag("sender non-delivery notification").map(|_| NotificationKind::NonDelivery),
        tag("sender delay notification").map(|_| NotificationKind::Delay),
        tag("sender delivery status notification").map(|_| NotificationKind::Success),
        tag("postmaster non-delivery notification").map(|_| NotificationKind::Postmaster),
        tag("postmaster delay notification").map(|_| NotificationKind::Postmaster),
    ))
    .parse(input)
}
