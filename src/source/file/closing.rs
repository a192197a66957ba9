//! Lets go of files to which nobody writes any more.
//!
//! A file is closed when no name leads to it, or one that rotations give, and nothing was written to
//! it for a while: its writer may keep it open until it is told to reopen its log. Half a line at
//! its end has no other half then, most likely, and is taken as it is.

use std::{ops::ControlFlow, time::Duration};

use jiff::Timestamp;

use super::{
    Batch,
    outbox::Outbox,
    tail::Tail,
    tailer::{Flow, Tailer},
    work::Work,
};

/// How long a file that no name leads to must have been quiet before it is let go.
pub(super) const LINGER: Duration = Duration::from_secs(10);

impl Tailer {
    /// Takes what waits in vain, and drops what needs no open file any more.
    pub(super) fn let_go(&mut self, out: &mut Outbox<'_>) -> Flow {
        let now = self.clock.now();
        let (source, timeout) = (self.source, self.partial_line_timeout);
        let mut last_words = Vec::new();
        self.work.retain_mut(|work| {
            let Work::Tail(tail) = work else { return true };
            last_words.extend(overdue_half_line(tail, source, timeout, now));
            is_kept(tail, timeout, now) || {
                if is_unlinked(tail) {
                    last_words.extend(tail.finished(source, now));
                }
                false
            }
        });
        for batch in last_words {
            self.positions.set(batch.position.clone());
            out.push(batch)?;
        }
        ControlFlow::Continue(())
    }
}

/// Half a line at the end of a closed file, when it was waited on for long enough.
fn overdue_half_line(
    tail: &mut Tail,
    source: usize,
    timeout: Option<Duration>,
    now: Timestamp,
) -> Option<Batch> {
    let is_due = tail.half_line_bytes() > 0 && quiet_for(tail, now) >= timeout?;
    let is_closed = || tail.is_rotated || tail.path.is_none() || is_unlinked(tail);
    if is_due && is_closed() { tail.half_line(source, now) } else { None }
}

fn is_kept(tail: &Tail, timeout: Option<Duration>, now: Timestamp) -> bool {
    let waits = timeout.is_some() && tail.half_line_bytes() > 0 && !tail.is_broken;
    if quiet_for(tail, now) < LINGER || waits {
        return !tail.is_dispensable();
    }
    tail.path.is_some() && !is_unlinked(tail) && !tail.is_dispensable()
}

fn quiet_for(tail: &Tail, now: Timestamp) -> Duration {
    now.duration_since(tail.busy_at).unsigned_abs()
}

/// Nobody can open it any more. So it is with one that cannot be asked.
fn is_unlinked(tail: &Tail) -> bool {
    tail.is_unlinked().unwrap_or(true)
}
