//! Cuts the bytes of one generation into lines, and the lines into batches.
//!
//! Memory is bounded whatever comes: a line keeps its first [`LINE_BYTES`], a batch
//! [`BATCH_BYTES`] and [`BATCH_LINES`]. NUL bytes, which a writer without `O_APPEND` leaves behind
//! after a truncation, are dropped.

use std::ops::ControlFlow;

use memchr::{memchr, memchr_iter};

use crate::limits::{BATCH_BYTES, LINE_BYTES};

use super::LineSpan;

/// Lines in one batch: bounds what empty lines, which weigh nothing, can pile up.
const BATCH_LINES: usize = 32 * 1024;

/// Lines that go into one batch.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The lines with their ends.
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<LineSpan>,
    /// Offset of the first line.
    pub(crate) from: u64,
    /// Offset behind the last line's end.
    pub(crate) offset: u64,
    /// Lines of the generation up to there.
    pub(crate) line_count: u64,
    /// NUL bytes that were dropped from these lines.
    pub(crate) nul_bytes: u64,
}

/// The state between two reads.
#[derive(Debug)]
pub(crate) struct Cutter {
    /// Whole lines, and what is kept of the one under way.
    bytes: Vec<u8>,
    lines: Vec<LineSpan>,
    from: u64,
    offset: u64,
    line_count: u64,
    nul_bytes: u64,
    /// Where the line under way begins in `bytes`.
    line_start: usize,
    /// Bytes read of the line under way, kept or not.
    line_read: u64,
    line_cut: bool,
}

impl Cutter {
    /// Begins at `offset`, which is 0 or behind a line end, with `line_count` lines before it.
    pub(crate) fn new(offset: u64, line_count: u64) -> Self {
        Self {
            bytes: Vec::new(),
            lines: Vec::new(),
            from: offset,
            offset,
            line_count,
            nul_bytes: 0,
            line_start: 0,
            line_read: 0,
            line_cut: false,
        }
    }

    /// Offset behind the last line end.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines up to [`Cutter::offset`].
    pub(crate) fn line_count(&self) -> u64 {
        self.line_count
    }

    /// Offset of the next byte to feed.
    pub(crate) fn read_at(&self) -> u64 {
        self.offset + self.line_read
    }

    /// Takes the next bytes; hands out batches as they get full.
    pub(crate) fn feed(
        &mut self,
        mut data: &[u8],
        full: &mut dyn FnMut(Cut) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // Asked once for all lines, because there is hardly ever one.
        let has_nul = memchr(0, data).is_some();
        while !data.is_empty() {
            let is_simple = self.line_read == 0 && !has_nul;
            let lines = if is_simple { self.keep_lines(data) } else { None };
            let taken = lines.unwrap_or_else(|| self.keep_piece(data, has_nul));
            if self.bytes.len() + LINE_BYTES >= BATCH_BYTES || self.lines.len() >= BATCH_LINES {
                self.take().map_or(ControlFlow::Continue(()), &mut *full)?;
            }
            data = data.get(taken..).unwrap_or_default();
        }
        ControlFlow::Continue(())
    }

    /// Passes over `count` NUL bytes without being fed them.
    pub(crate) fn skip_nul(&mut self, count: u64) {
        self.line_read += count;
        self.nul_bytes += count;
    }

    /// The input is over: a line without an end becomes one, marked as cut.
    pub(crate) fn finish(&mut self) {
        if self.line_read > 0 {
            self.line_cut = true;
            self.end_line();
        }
    }

    /// The whole lines so far; None when there are none.
    pub(crate) fn take(&mut self) -> Option<Cut> {
        if self.lines.is_empty() {
            return None;
        }
        // The next batch will be about as large: room for it at once saves growing in steps.
        let mut rest = Vec::with_capacity(about(self.bytes.len()).min(BATCH_BYTES));
        rest.extend(self.bytes.drain(self.line_start.min(self.bytes.len())..));
        self.line_start = 0;
        let lines = Vec::with_capacity(about(self.lines.len()));
        let cut = Cut {
            bytes: std::mem::replace(&mut self.bytes, rest),
            lines: std::mem::replace(&mut self.lines, lines),
            from: self.from,
            offset: self.offset,
            line_count: self.line_count,
            nul_bytes: std::mem::take(&mut self.nul_bytes),
        };
        self.from = self.offset;
        Some(cut)
    }

    /// Appends the whole lines at the front of `data` in one piece. Only where no line is under way,
    /// and for data without NULs. Returns how many bytes they were; None when there is none, or when
    /// the first is longer than what is kept of a line.
    fn keep_lines(&mut self, data: &[u8]) -> Option<usize> {
        let data = data.get(..LINE_BYTES).unwrap_or(data);
        let room = BATCH_LINES - self.lines.len();
        let mut start = 0;
        for end in memchr_iter(b'\n', data).take(room) {
            let has_return = end > start && data.get(end - 1) == Some(&b'\r');
            self.lines.push(LineSpan {
                start: narrow(self.line_start + start),
                end: narrow(self.line_start + end - usize::from(has_return)),
                offset: self.offset + start as u64,
                cut: false,
            });
            self.line_count += 1;
            start = end + 1;
        }
        self.bytes.extend_from_slice(data.get(..start)?);
        self.line_start = self.bytes.len();
        self.offset += start as u64;
        (start > 0).then_some(start)
    }

    /// Appends the end of the line under way, or all of `data` when that has no line end. Returns how
    /// many bytes it was.
    fn keep_piece(&mut self, data: &[u8], has_nul: bool) -> usize {
        let Some((text, _)) = memchr(b'\n', data).and_then(|end| data.split_at_checked(end)) else {
            self.keep(data, has_nul);
            return data.len();
        };
        self.keep(text, has_nul);
        self.line_read += 1;
        self.end_line();
        text.len() + 1
    }

    /// Appends a piece of the line under way, without NULs and within its bound.
    fn keep(&mut self, piece: &[u8], has_nul: bool) {
        self.line_read += piece.len() as u64;
        if !has_nul {
            return self.keep_text(piece);
        }
        let mut rest = piece;
        while let Some((text, nul_and_more)) =
            memchr(0, rest).and_then(|place| rest.split_at_checked(place))
        {
            self.keep_text(text);
            let text = nul_and_more.iter().position(|&byte| byte != 0);
            let nul = text.unwrap_or(nul_and_more.len());
            self.nul_bytes += nul as u64;
            rest = nul_and_more.get(nul..).unwrap_or_default();
        }
        self.keep_text(rest);
    }

    fn keep_text(&mut self, text: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.bytes.len() - self.line_start);
        let kept = text.get(..room).unwrap_or(text);
        self.line_cut |= kept.len() < text.len();
        self.bytes.extend_from_slice(kept);
    }

    fn end_line(&mut self) {
        if self.bytes.len() > self.line_start && self.bytes.ends_with(b"\r") && !self.line_cut {
            self.bytes.pop();
        }
        self.lines.push(LineSpan {
            start: narrow(self.line_start),
            end: narrow(self.bytes.len()),
            offset: self.offset,
            cut: self.line_cut,
        });
        self.bytes.push(b'\n');
        self.offset += self.line_read;
        self.line_count += 1;
        self.line_start = self.bytes.len();
        self.line_read = 0;
        self.line_cut = false;
    }
}

/// A little more than that.
fn about(size: usize) -> usize {
    size + size / 8
}

/// Batches are far smaller than 4 GiB.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    type Line = (Vec<u8>, u64, bool);

    fn texts(cut: &Cut) -> Vec<Line> {
        let text = |span: &LineSpan| cut.bytes[span.start as usize..span.end as usize].to_vec();
        cut.lines.iter().map(|span| (text(span), span.offset, span.cut)).collect()
    }

    /// Feeds the pieces, and returns all lines and the cutter.
    fn lines_of(pieces: &[&[u8]]) -> (Vec<Line>, Cutter) {
        let mut cutter = Cutter::new(0, 0);
        let mut all = Vec::new();
        for piece in pieces {
            let flow = cutter.feed(piece, &mut |cut| {
                assert!(cut.bytes.len() <= BATCH_BYTES);
                all.extend(texts(&cut));
                ControlFlow::Continue(())
            });
            assert!(flow.is_continue());
        }
        all.extend(cutter.take().iter().flat_map(texts));
        (all, cutter)
    }

    #[test]
    fn row_14_a_half_line_is_never_emitted_and_the_offset_stays_behind_the_last_line_end() {
        let (lines, cutter) = lines_of(&[b"one\ntwo\nhal"]);
        assert_eq!(lines, [(b"one".to_vec(), 0, false), (b"two".to_vec(), 4, false)]);
        assert_eq!((cutter.offset(), cutter.read_at(), cutter.line_count()), (8, 11, 2));
    }

    #[test]
    fn row_15_a_line_written_in_two_halves_is_one_line() {
        assert_eq!(
            lines_of(&[b"one", b"-and-a-half\n"]).0,
            [(b"one-and-a-half".to_vec(), 0, false)]
        );
    }

    #[test]
    fn row_16_a_very_long_line_is_cut_and_marked_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_BYTES * 40];
        let (lines, cutter) = lines_of(&[b"a\n", &long, &long, b"\nnext\n"]);
        let offset = 2 + 2 * long.len() as u64 + 1;
        assert_eq!(lines[1], (vec![b'x'; LINE_BYTES], 2, true));
        assert_eq!(lines[2], (b"next".to_vec(), offset, false));
        assert!(cutter.bytes.capacity() <= BATCH_BYTES);
    }

    #[test]
    fn row_17_nul_bytes_are_dropped_and_counted_but_offsets_still_count_them() {
        let mut cutter = Cutter::new(0, 0);
        cutter.skip_nul(1000);
        let flow = cutter.feed(b"\0\0te\0xt\nb\n", &mut |_| ControlFlow::Break(()));
        assert!(flow.is_continue());
        let cut = cutter.take().unwrap();
        assert_eq!(texts(&cut), [(b"text".to_vec(), 0, false), (b"b".to_vec(), 1008, false)]);
        assert_eq!(cut.nul_bytes, 1003);
    }

    #[test]
    fn row_19_one_carriage_return_before_the_line_end_is_dropped() {
        let (lines, _) = lines_of(&[b"a\r\n\r\nb\r\r\nc\r", b"\n"]);
        let texts: Vec<_> = lines.iter().map(|line| line.0.as_slice()).collect();
        assert_eq!(texts, [b"a".as_slice(), b"", b"b\r", b"c"]);
    }

    #[test]
    fn empty_lines_cannot_pile_up_in_one_batch() {
        let mut cutter = Cutter::new(0, 0);
        let mut batches = 0;
        let flow = cutter.feed(&vec![b'\n'; BATCH_LINES * 3], &mut |cut| {
            batches += 1;
            assert!(cut.lines.len() <= BATCH_LINES);
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        assert_eq!(batches, 3);
    }

    proptest! {
        #[test]
        fn any_chunking_of_the_input_gives_the_same_lines(
            pieces in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"ab\n\r\0".to_vec()), 0..20), 0..20),
        ) {
            let whole = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (at_once, one) = lines_of(&[&whole]);
            let (in_pieces, many) = lines_of(&pieces);
            prop_assert_eq!(&at_once, &in_pieces);
            prop_assert_eq!(one.offset(), many.offset());
            let offset = whole.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            prop_assert_eq!(one.offset(), offset as u64);
            prop_assert_eq!(at_once.len(), memchr::memchr_iter(b'\n', &whole).count());
        }
    }
}
