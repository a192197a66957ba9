//! Export streams of the journal (`journalctl -o export`), read as the lines that stand for their
//! entries.
//!
//! As with a compressed log, what lies behind the form is the log: offsets, fingerprints and line
//! counts are those of the lines. The form is told by the first bytes; whatever begins otherwise is
//! handed on as it is.

use std::io::{self, Read};

use mailherald_parsers::journal::{MAGIC, Reader};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// Lines from an input that is either.
pub(crate) struct Lines<R> {
    inner: R,
    form: Form,
    /// What was read or made, and not handed on yet, from `given` on. One read makes fewer bytes
    /// of lines than it has bytes of entries, but for the one entry that it ends.
    ready: Vec<u8>,
    given: usize,
}

enum Form {
    /// Too few bytes were read to say.
    Unknown,
    Text,
    /// With room for what is read.
    Journal(Box<Reader>, Vec<u8>),
    /// An export stream that is over.
    Over,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, form: Form::Unknown, ready: Vec::new(), given: 0 }
    }

    /// What was read so far is handed on as it is.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.form, Form::Text)
    }

    /// Reads until the first bytes tell the form.
    fn detect(&mut self) -> io::Result<()> {
        let mut begun = [0; MAGIC.len()];
        let room = begun.get_mut(self.ready.len()..).unwrap_or_default();
        let count = self.inner.read(room)?;
        self.ready.extend_from_slice(room.get(..count).unwrap_or_default());
        if self.ready == MAGIC {
            let mut reader = Box::new(Reader::new());
            reader.feed(MAGIC, &mut |_| {});
            self.ready.clear();
            self.form = Form::Journal(reader, vec![0; READ_BYTES]);
        } else if count == 0 || !MAGIC.starts_with(&self.ready) {
            self.form = Form::Text;
        }
        Ok(())
    }

    /// What is ready, as far as there is room for it.
    fn give(&mut self, room: &mut [u8]) -> usize {
        let ready = self.ready.get(self.given..).unwrap_or_default();
        let count = ready.len().min(room.len());
        for (to, from) in room.iter_mut().zip(ready) {
            *to = *from;
        }
        self.given += count;
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
        }
        count
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Form::Unknown = self.form {
                self.detect()?;
                continue;
            }
            if !self.ready.is_empty() || room.is_empty() {
                return Ok(self.give(room));
            }
            match &mut self.form {
                Form::Unknown => {}
                Form::Text => return self.inner.read(room),
                Form::Over => return Ok(0),
                Form::Journal(reader, buffer) => {
                    let count = self.inner.read(buffer)?;
                    let read = buffer.get(..count).unwrap_or_default();
                    reader.feed(read, &mut |entry| {
                        entry.render(&mut self.ready);
                        self.ready.push(b'\n');
                    });
                    if count == 0 {
                        // Like a line without its end, it is not known to be whole.
                        reader.finish().iter().for_each(|entry| entry.render(&mut self.ready));
                        self.form = Form::Over;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const EXPORT: &[u8] = include_bytes!("../../fixtures/journald/systemd-252/odd_entries.export");

    /// Gives at most so many bytes at a time, and is interrupted in between.
    struct Pieces<'a> {
        rest: &'a [u8],
        sizes: std::iter::Cycle<std::iter::Copied<std::slice::Iter<'a, usize>>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.next().unwrap();
            if size == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let size = size.min(room.len()).min(self.rest.len());
            let (piece, rest) = self.rest.split_at(size);
            room[..size].copy_from_slice(piece);
            self.rest = rest;
            Ok(size)
        }
    }

    fn read(input: &[u8], sizes: &[usize]) -> Vec<u8> {
        let sizes = sizes.iter().copied().cycle();
        let mut lines = Lines::new(Pieces { rest: input, sizes });
        let mut all = Vec::new();
        lines.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn an_export_stream_is_read_as_one_line_for_each_entry() {
        let lines = read(EXPORT, &[usize::MAX]);
        assert_eq!(lines.split_inclusive(|byte| *byte == b'\n').count(), 15);
        assert!(lines.ends_with(b" vm postfix/qmgr 171 - -  4jWZN668XQzn0b1: removed\n"));
    }

    #[test]
    fn whatever_begins_otherwise_is_handed_on_as_it_is() {
        for text in [&b""[..], b"_", b"__CURSOR", b"__CURSOR-x\n", b"Nov 21 01:28:22 vm a: b\n"] {
            assert_eq!(read(text, &[3]), text);
        }
    }

    /// As with a line: what is there is read, and it is marked because its end is missing.
    #[test]
    fn the_last_entry_without_its_empty_line_is_a_line_without_its_end() {
        let lines = read(&EXPORT[..EXPORT.len() - 1], &[usize::MAX]);
        assert!(lines.ends_with(b"removed"));
        let broken_off = read(&EXPORT[..EXPORT.len() - 2], &[usize::MAX]);
        assert_eq!(memchr::memchr_iter(b'\n', &broken_off).count(), 14);
        assert!(broken_off.ends_with(b"\n"));
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_lines(sizes in prop::collection::vec(0_usize..300, 1..20)) {
            prop_assume!(sizes.iter().any(|size| *size > 0));
            prop_assert_eq!(read(EXPORT, &sizes), read(EXPORT, &[usize::MAX]));
        }
    }
}
