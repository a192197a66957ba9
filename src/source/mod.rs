//! Bytes in: where log lines come from, in batches with their exact position.
//!
//! A source reads, cuts at line ends and knows where it is; it does not parse, and it does not
//! keep its position: that is committed by the writer together with the effects of the lines.
//!
//! * [`mod@file`]: log files that grow and rotate, followed for ever.
//! * [`replay`]: log files that are read once, plain or compressed.
//! * [`stdin`]: one stream.
//! * [`recall`]: single lines of a log, once more.
//! * [`journald`]: systemd's journal, followed for ever.
//! * [`milter`]: what Postfix tells of a message while it takes it in. No lines: facts beside them.
//!
//! A replay and a stream may also be an export of systemd's journal.

mod archive;
mod batching;
pub mod file;
mod head;
mod health;
mod journal;
pub mod journald;
mod line_end;
mod lines;
pub mod milter;
pub mod recall;
pub mod replay;
pub mod stdin;

pub use archive::Compression;
pub use health::{Health, HealthSender};
pub use journald::JournalPosition;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Lines of one generation of one source, in order.
///
/// May hold no line at all, when only the position has something to say (a generation is finished,
/// or was marked as seen).
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub struct Batch {
    /// Index of the source in the configuration.
    pub source: usize,
    /// The raw bytes of the lines with their ends; `lines` point into them.
    pub bytes: Vec<u8>,
    /// The lines, without their ends (`\n`, and one `\r` before it).
    pub lines: Vec<LineSpan>,
    /// Where to continue once these lines' effects are durable.
    pub position: Position,
    /// The same for a batch from the journal, stored instead of `position`. None for all others.
    pub journal: Option<JournalPosition>,
    /// Reference for stamps without a year: now for a live file, the modification time of an
    /// archive.
    pub anchor: Timestamp,
    /// The first batch of a generation: year inference starts anew.
    pub first_of_generation: bool,
    /// All that there is for now has been read: commit without waiting for more.
    pub idle: bool,
    /// Lines from before the start of the source: what they say of messages under way counts, and they
    /// give no events. A batch without such lines follows, and says that these were all.
    pub is_past: bool,
    /// Lines before these are lost, nobody knows how many: the journal has deleted them.
    pub is_behind_gap: bool,
}

/// One line in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSpan {
    /// First byte in [`Batch::bytes`].
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
    /// Offset of the line in its generation (decompressed bytes).
    pub offset: u64,
    /// It is not whole: it was longer than [`crate::limits::LINE_BYTES`], or the input ended
    /// without a line end and will not go on.
    pub cut: bool,
}

/// How far a generation has been read. Stored under (source, fingerprint).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which generation.
    pub fingerprint: Fingerprint,
    /// Decompressed bytes read; always behind a line end, or behind half a line that was taken as it
    /// is because its generation was closed.
    pub offset: u64,
    /// Lines read.
    pub line_count: u64,
    /// The generation was read to its verified end and will not grow.
    pub finished: bool,
    /// When it was last seen, seconds since the epoch, to forget it one day. A file that still
    /// exists renews it once a day.
    pub seen_at: i64,
    /// What the beginning of the generation looks like, at lengths from 256 bytes to 64 KiB that
    /// double: tells generations with the same first line apart.
    pub heads: Heads,
}

/// Hashes of ever longer beginnings of a generation; unused ones have the length 0.
pub type Heads = [HeadHash; 9];

/// Hash of the beginning of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeadHash {
    /// Bytes that were hashed, from the first one that is not NUL. Never more than were read.
    pub len: u32,
    /// The first 64 bits of their SHA-256.
    pub hash: u64,
}

/// Identity of a log file generation: the first 128 bits of the SHA-256 of its first complete
/// line (at most 1 KiB of it, without leading NULs), decompressed. A later generation with the
/// same first line gets one derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

/// A generation of the logs of one source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// Name of the source.
    pub source: String,
    /// Which of its generations.
    pub fingerprint: Fingerprint,
}

impl Fingerprint {
    /// No generation. A tailed source marks with such a position that it has applied its `start`
    /// rule; standard input has no other.
    pub const NONE: Self = Self([0; 16]);
}

/// Its first half, in hexadecimal: enough to tell the logs of one host apart.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Batches for tests of other rooms.

    #![allow(clippy::unwrap_used, reason = "tests")]

    use jiff::Timestamp;

    use super::{Batch, Fingerprint, Heads, LineSpan, Position};

    /// These lines, at the beginning of a generation and all there is for now.
    pub(crate) fn batch_of(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Batch {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for line in lines {
            let start = u32::try_from(bytes.len()).unwrap();
            bytes.extend_from_slice(line.as_ref().as_bytes());
            let end = u32::try_from(bytes.len()).unwrap();
            spans.push(LineSpan { start, end, offset: u64::from(start), cut: false });
        }
        let position = Position {
            fingerprint: Fingerprint([0; 16]),
            offset: 0,
            line_count: spans.len() as u64,
            finished: false,
            seen_at: 0,
            heads: Heads::default(),
        };
        Batch {
            source: 0,
            bytes,
            lines: spans,
            position,
            journal: None,
            anchor: Timestamp::UNIX_EPOCH,
            first_of_generation: false,
            idle: true,
            is_past: false,
            is_behind_gap: false,
        }
    }
}
