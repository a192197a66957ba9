//! Messages whose beginning could be another message's next stage.
//!
//! A content filter or a second instance hands a message back over loopback. Where it tells no
//! original queue ID (XFORWARD), the new queue ID looks like a message of its own, until the old
//! one's status line says `queued as` it, which comes last. Until then its lines are held: at most
//! `HOLD_US` of log time and `LINES` lines, after which it is a message of its own (mailing
//! list software does send copies with one Message-ID over loopback).
//!
//! A message that went to a pipe(8) service is held as well, for a shorter time: a pickup of the
//! same message tells that the service was a filter, and none that it was the end.

use serde::{Deserialize, Serialize};

use super::{lineage::Lineage, message::KeptLine};

/// Log time that the answer of the stage before may take.
pub(crate) const HOLD_US: i64 = 10 * 1_000_000;

/// Log time in which a filter behind pipe(8) has resubmitted what it passed on.
pub(crate) const PIPE_US: i64 = 2 * 1_000_000;

/// Lines that are held of one message.
const LINES: usize = 256;

/// The lines of a message that may turn out to be a stage of another story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The story that it may belong to.
    pub story: Lineage,
    /// When it is a message of its own after all, log time in microseconds.
    pub until_us: i64,
    /// It waits for a pickup of what a pipe took.
    pub for_pickup: bool,
    /// Its lines since.
    pub lines: Vec<KeptLine>,
}

impl Held {
    /// Nothing held yet.
    pub(crate) fn new(story: Lineage, until_us: i64) -> Self {
        Self { story, until_us, for_pickup: false, lines: Vec::new() }
    }

    /// Keeps a line; false when there are too many.
    pub(crate) fn push(&mut self, line: KeptLine) -> bool {
        let fits = self.lines.len() < LINES;
        if fits {
            self.lines.push(line);
        }
        fits
    }
}
