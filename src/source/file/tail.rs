//! One open plain file.

use std::{
    fs::{File, Metadata},
    io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Batch,
    complaints::Seen,
    outbox::Sink,
    positions::Positions,
    scan::{Access, FileId, Found, Version, modified},
};
use crate::source::{
    Fingerprint,
    batching::Origin,
    head::{self, Head, ReadAt},
    lines::Cutter,
};

/// A file that was written to within this time is live: the year of its stamps is this year's.
const LIVE_WITHIN: Duration = Duration::from_hours(24);

/// What `st_blocks` counts, whatever the file system's own blocks are (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// An open plain file, from which new lines may come.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: File,
    pub(super) id: FileId,
    /// Who might read it when it was opened.
    pub(super) access: Access,
    /// Where it was last seen; None when no matching path leads to it any more.
    pub(super) path: Option<PathBuf>,
    /// Orders the generations.
    pub(super) order: Timestamp,
    /// None until its first line tells which generation it is.
    pub(super) named: Option<Named>,
    /// Without a name: what the file was when it was last looked at. It is not read again until it
    /// changes.
    pub(super) looked_at: Option<Version>,
    /// Without a name: the generation of which it is a part that was read.
    pub(super) part_of: Option<Fingerprint>,
    /// The generation that it was before it was truncated.
    pub(super) not: Option<Fingerprint>,
    /// When it last gave bytes, or was opened.
    pub(super) busy_at: Timestamp,
    /// Its name says that another file has taken its place.
    pub(super) is_rotated: bool,
    /// There are so many later files that it is closed once it is read.
    pub(super) is_surplus: bool,
    /// The last read failed: what there is, is not known to be read.
    pub(super) is_broken: bool,
}

/// A tail whose generation is known.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) fingerprint: Fingerprint,
    pub(super) head: Head,
    pub(super) cutter: Cutter,
}

/// How reading a tail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    /// All there is was read.
    AtEnd,
    /// It is no longer the generation that it was.
    Truncated,
}

/// One read.
enum Piece {
    Bytes(usize),
    /// NULs, which are passed over.
    Hole,
    End,
    Truncated,
}

impl Tail {
    /// A tail that does not know its generation yet.
    pub(super) fn new(file: File, found: &Found, now: Timestamp) -> Self {
        Self {
            file,
            id: found.id,
            access: found.access,
            path: Some(found.path.clone()),
            order: found.order,
            named: None,
            looked_at: None,
            part_of: None,
            not: None,
            busy_at: now,
            is_rotated: false,
            is_surplus: false,
            is_broken: false,
        }
    }

    /// From here on it reads that generation, on from its position.
    pub(super) fn name(&mut self, fingerprint: Fingerprint, head: Head, positions: &Positions) {
        let (offset, line_count) =
            positions.get(fingerprint).map_or((0, 0), |at| (at.offset, at.line_count));
        let mut cutter = Cutter::new(offset, line_count);
        if offset == 0 {
            cutter.skip_nul(head.start);
        }
        self.named = Some(Named { fingerprint, head, cutter });
        (self.looked_at, self.part_of) = (None, None);
    }

    /// This version of it has nothing to read; of `part_of`, it has only what was read before.
    pub(super) fn is_unnamed(&mut self, version: Version, part_of: Option<Fingerprint>) {
        (self.looked_at, self.part_of) = (Some(version), part_of);
    }

    /// It was truncated: a new generation begins in it.
    pub(super) fn forget(&mut self, metadata: &Metadata) {
        self.order = modified(metadata);
        self.not = self.named.take().map(|named| named.fingerprint);
    }

    /// Its generation, if known.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.named.as_ref().map(|named| named.fingerprint)
    }

    /// What it is to be told by while it is in trouble.
    pub(super) fn seen(&self) -> Seen {
        (self.id, self.access)
    }

    /// Offset of the next byte to read.
    pub(super) fn read_at(&self) -> u64 {
        self.named.as_ref().map_or(0, |named| named.cutter.read_at())
    }

    /// Nobody can reach it by a name any more.
    pub(super) fn is_unlinked(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 0)
    }

    /// Reads to the end and hands out the whole lines. A tail without a name has none.
    pub(super) fn drain(
        &mut self,
        buffer: &mut [u8],
        sink: &mut Sink<'_, '_>,
    ) -> io::Result<ControlFlow<(), Drained>> {
        let Some(named) = &mut self.named else {
            return Ok(ControlFlow::Continue(Drained::AtEnd));
        };
        let anchor = anchor(modified(&self.file.metadata()?), sink.now);
        let mut at_end = Drained::AtEnd;
        loop {
            let count = match named.read(&self.file, buffer)? {
                Piece::Bytes(count) => count,
                Piece::Hole => 0,
                Piece::End => break,
                Piece::Truncated => {
                    at_end = Drained::Truncated;
                    break;
                }
            };
            self.busy_at = sink.now;
            if named.feed(buffer.get(..count).unwrap_or_default(), anchor, sink).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(named.flush(anchor, sink).map_continue(|()| at_end))
    }

    /// Bytes that were not read yet, and the disk space that only we keep in use.
    pub(super) fn backlog(&self) -> io::Result<(u64, u64)> {
        let metadata = self.file.metadata()?;
        let pinned = if metadata.nlink() == 0 { metadata.blocks() * BLOCK_BYTES } else { 0 };
        // A live log that lost its last lines waits for nobody knows what: that is to be seen.
        let was_read = self.part_of.is_some() && self.is_rotated;
        let unread = metadata.len().saturating_sub(self.read_at());
        Ok((if was_read { 0 } else { unread }, pinned))
    }

    /// One of many old files, with nothing to read in it now.
    pub(super) fn is_dispensable(&self) -> bool {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        let is_unread = |named: &Named| named.cutter.offset() < size;
        self.is_surplus && !self.named.as_ref().is_some_and(is_unread)
    }

    /// Bytes at the end of what was read that are half a line; 0 if it ends with a line.
    pub(super) fn half_line_bytes(&self) -> u64 {
        self.named.as_ref().map_or(0, |it| it.cutter.read_at() - it.cutter.offset())
    }

    /// Half a line at the end, as it is.
    pub(super) fn half_line(&mut self, source: usize, now: Timestamp) -> Option<Batch> {
        let anchor = self.anchor(now);
        let named = self.named.as_mut().filter(|_| !self.is_broken)?;
        named.cutter.finish();
        let cut = named.cutter.take()?;
        Some(named.origin(source, anchor, now).batch(cut))
    }

    /// The last word on a generation that nobody can append to.
    pub(super) fn finished(&self, source: usize, now: Timestamp) -> Option<Batch> {
        let named = self.named.as_ref().filter(|_| !self.is_broken)?;
        let origin = named.origin(source, self.anchor(now), now);
        let (offset, line_count) = (named.cutter.offset(), named.cutter.line_count());
        Some(origin.mark(origin.position(offset, line_count, true)))
    }

    fn anchor(&self, now: Timestamp) -> Timestamp {
        anchor(self.file.metadata().map_or(now, |metadata| modified(&metadata)), now)
    }
}

impl Named {
    /// One read, with a look at the head before and after: between two reads a file can be
    /// truncated and grow beyond where we were.
    fn read(&mut self, file: &impl ReadAt, buffer: &mut [u8]) -> io::Result<Piece> {
        let at = self.cutter.read_at();
        if file.size()? < at || !self.head.is_still_in(file)? {
            return Ok(Piece::Truncated);
        }
        let count = file.read_some(buffer, at)?;
        if count == 0 {
            return Ok(Piece::End);
        }
        if self.head.bytes.len() < head::HEAD_BYTES {
            self.head.extend(file)?;
        }
        let read = buffer.get(..count).unwrap_or_default();
        let piece = self.piece(file, read, count < buffer.len());
        Ok(if self.head.is_still_in(file)? { piece } else { Piece::Truncated })
    }

    /// What was read, up to the last byte that is not NUL: NULs in front of the end of a file may be
    /// bytes that are still on their way, as over NFS. Behind a buffer full of them a hole is jumped
    /// over.
    fn piece(&mut self, file: &impl ReadAt, read: &[u8], is_end: bool) -> Piece {
        let text = read.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        match (text, is_end) {
            (0, true) => Piece::End,
            (0, false) => match file.behind_hole(self.cutter.read_at() + read.len() as u64) {
                Some(data) => {
                    self.cutter.skip_nul(data.saturating_sub(self.cutter.read_at()));
                    Piece::Hole
                }
                None => Piece::End,
            },
            (text, _) => Piece::Bytes(text),
        }
    }

    fn origin(&self, source: usize, anchor: Timestamp, now: Timestamp) -> Origin<'_> {
        Origin { source, fingerprint: self.fingerprint, head: &self.head, anchor, now }
    }

    fn feed(&mut self, read: &[u8], anchor: Timestamp, sink: &mut Sink<'_, '_>) -> ControlFlow<()> {
        let (fingerprint, head) = (self.fingerprint, &self.head);
        self.cutter.feed(read, &mut |cut| sink.take(fingerprint, head, anchor, cut))
    }

    fn flush(&mut self, anchor: Timestamp, sink: &mut Sink<'_, '_>) -> ControlFlow<()> {
        let Some(cut) = self.cutter.take() else { return ControlFlow::Continue(()) };
        sink.take(self.fingerprint, &self.head, anchor, cut)
    }
}

/// Reference for the year of a plain file's stamps.
pub(super) fn anchor(modified: Timestamp, now: Timestamp) -> Timestamp {
    let is_live = now.duration_since(modified).unsigned_abs() < LIVE_WITHIN;
    if is_live { now } else { modified }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::cell::{Cell, RefCell};

    use super::*;

    /// A file that is truncated and grows again right before its n-th read.
    struct Overtaken {
        content: RefCell<&'static [u8]>,
        later: &'static [u8],
        reads_before: Cell<usize>,
    }

    impl ReadAt for Overtaken {
        fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            match self.reads_before.get().checked_sub(1) {
                Some(fewer) => self.reads_before.set(fewer),
                None => *self.content.borrow_mut() = self.later,
            }
            let content = self.content.borrow();
            let rest = content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn size(&self) -> io::Result<u64> {
            Ok(self.content.borrow().len() as u64)
        }

        fn behind_hole(&self, offset: u64) -> Option<u64> {
            Some(offset)
        }
    }

    /// Its archive may have what could not be read here.
    #[test]
    fn row_27_a_deleted_file_whose_last_read_failed_is_not_finished() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = Found::new(file.path().to_owned(), &file.as_file().metadata().unwrap());
        let mut tail = Tail::new(file.reopen().unwrap(), &found, Timestamp::UNIX_EPOCH);
        let head = Head::of_text("first\n");
        let fingerprint = head.fingerprint(0).unwrap();
        tail.named = Some(Named { fingerprint, head, cutter: Cutter::new(6, 1) });
        assert!(tail.finished(0, Timestamp::UNIX_EPOCH).unwrap().position.finished);
        tail.is_broken = true;
        assert!(tail.finished(0, Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn row_08_a_read_that_a_truncation_overtakes_at_any_moment_is_discarded() {
        let (old, new) = (
            b"first
second
third
",
            b"other
much longer than before
",
        );
        for reads_before in 0..10 {
            let content = RefCell::new(old.as_slice());
            let later = new.as_slice();
            let file = Overtaken { content, later, reads_before: Cell::new(reads_before) };
            let head = Head::of_text(
                "first
",
            );
            let fingerprint = head.fingerprint(0).unwrap();
            let mut named = Named { fingerprint, head, cutter: Cutter::new(6, 1) };
            let mut buffer = [0; 100];
            if let Piece::Bytes(count) = named.read(&file, &mut buffer).unwrap() {
                assert_eq!(&buffer[..count], b"second\nthird\n", "overtaken at {reads_before}");
            }
        }
    }
}
