//! The Journal Export Format (`journalctl -o export`;
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS>).
//!
//! An entry is a row of fields and an empty line behind them. A field is `NAME=value` and a line
//! end, or, when the value is not printable or holds a line end, `NAME`, a line end, the length as
//! 64 bits (little-endian), that many bytes, and a line end.
//!
//! Bytes come as they come: whatever pieces they are in, the entries are the same. Fields that
//! nobody asks for, and values beyond their bound, are passed over and not kept, so the memory
//! does not depend on what a program sent. A stream that breaks the format loses the entry that
//! it breaks in, and is read again behind the next empty line.

use super::{
    Entry,
    kept::{Field, Kept, field},
};

/// What every export stream begins with.
pub const MAGIC: &[u8] = b"__CURSOR=";

/// Longest name of a field (systemd `journal-file.c`, `journal_field_valid()`).
const NAME_BYTES: usize = 64;

/// Longest value that systemd itself would read (`journal-importer.h`, `DATA_SIZE_MAX`).
const VALUE_BYTES: u64 = 768 * 1024 * 1024;

/// Reads a stream of entries, piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    place: Place,
    /// The name under way, as far as one may go.
    name: Vec<u8>,
    kept: Kept,
    /// The entry under way has a field.
    begun: bool,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, Default)]
enum Place {
    /// A name, or the empty line that ends an entry.
    #[default]
    Name,
    /// A value up to the line end.
    Text(Option<Field>),
    /// The length of a value: so much of it, and its bytes so far.
    Length(Option<Field>, usize, [u8; 8]),
    /// A value of so many more bytes.
    Data(Option<Field>, u64),
    /// The line end behind a value.
    DataEnd,
    /// No format: up to the next empty line. The line so far is empty.
    Lost(bool),
}

impl Reader {
    /// A reader at the beginning of a stream, or between two entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and gives each entry that ends in them to `each`.
    pub fn feed(&mut self, mut data: &[u8], each: &mut dyn FnMut(&Entry<'_>)) {
        while !data.is_empty() {
            data = match self.place {
                Place::Name => self.name(data, each),
                Place::Text(field) => self.text(field, data),
                Place::Length(field, count, length) => self.length(field, count, length, data),
                Place::Data(field, left) => self.data(field, left, data),
                Place::DataEnd => self.data_end(data),
                Place::Lost(empty) => self.lost(empty, data),
            };
        }
    }

    /// The stream is over: the entry that lacks only its empty line. One that broke off within a
    /// field is none.
    pub fn finish(&mut self) -> Option<Entry<'_>> {
        let whole = matches!(self.place, Place::Name) && self.name.is_empty() && self.begun;
        self.begun = false;
        whole.then(|| self.kept.entry())
    }

    fn name<'d>(&mut self, data: &'d [u8], each: &mut dyn FnMut(&Entry<'_>)) -> &'d [u8] {
        let end = data.iter().position(|byte| !is_of_name(*byte)).unwrap_or(data.len());
        let (piece, rest) = data.split_at(end);
        if self.name.len() + piece.len() > NAME_BYTES {
            return self.lose(data);
        }
        self.name.extend_from_slice(piece);
        match rest.split_first() {
            None => rest,
            Some((b'\n', rest)) if self.name.is_empty() => {
                self.end(each);
                rest
            }
            Some((b'\n', rest)) => {
                let field = self.begin();
                self.place = Place::Length(field, 0, [0; 8]);
                rest
            }
            Some((b'=', rest)) if !self.name.is_empty() => {
                let field = self.begin();
                self.place = Place::Text(field);
                rest
            }
            Some(_) => self.lose(rest),
        }
    }

    fn text<'d>(&mut self, field: Option<Field>, data: &'d [u8]) -> &'d [u8] {
        let Some(end) = memchr::memchr(b'\n', data) else {
            self.push(field, data);
            return b"";
        };
        let (value, rest) = data.split_at(end);
        self.push(field, value);
        self.place = Place::Name;
        rest.strip_prefix(b"\n").unwrap_or(rest)
    }

    fn length<'d>(
        &mut self,
        field: Option<Field>,
        count: usize,
        mut length: [u8; 8],
        data: &'d [u8],
    ) -> &'d [u8] {
        let (Some(slot), Some((byte, rest))) = (length.get_mut(count), data.split_first()) else {
            return data;
        };
        *slot = *byte;
        self.place = match (count + 1, u64::from_le_bytes(length)) {
            (8, 0) => Place::DataEnd,
            (8, left) if left > VALUE_BYTES => return self.lose(rest),
            (8, left) => Place::Data(field, left),
            (count, _) => Place::Length(field, count, length),
        };
        rest
    }

    fn data<'d>(&mut self, field: Option<Field>, left: u64, data: &'d [u8]) -> &'d [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        let (value, rest) = data.split_at(here);
        self.push(field, value);
        self.place = match left - here as u64 {
            0 => Place::DataEnd,
            left => Place::Data(field, left),
        };
        rest
    }

    fn data_end<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        match data.split_first() {
            Some((b'\n', rest)) => {
                self.place = Place::Name;
                rest
            }
            _ => self.lose(data),
        }
    }

    fn lost<'d>(&mut self, empty: bool, data: &'d [u8]) -> &'d [u8] {
        let Some((line, rest)) =
            memchr::memchr(b'\n', data).and_then(|end| data.split_at_checked(end + 1))
        else {
            self.place = Place::Lost(empty && data.is_empty());
            return b"";
        };
        self.place = if empty && line == b"\n" { Place::Name } else { Place::Lost(true) };
        rest
    }

    /// The format is broken: nothing of this entry counts. What is left of the line is part of it.
    fn lose<'d>(&mut self, rest: &'d [u8]) -> &'d [u8] {
        self.clear();
        self.place = Place::Lost(false);
        rest
    }

    /// A field has its whole name.
    fn begin(&mut self) -> Option<Field> {
        self.begun = true;
        let field = field(&self.name);
        self.name.clear();
        field.inspect(|field| self.kept.begin(*field))
    }

    fn push(&mut self, field: Option<Field>, piece: &[u8]) {
        if let Some(field) = field {
            self.kept.push(field, piece);
        }
    }

    /// An empty line; several in a row end nothing.
    fn end(&mut self, each: &mut dyn FnMut(&Entry<'_>)) {
        if self.begun {
            each(&self.kept.entry());
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.name.clear();
        self.kept.clear();
        self.begun = false;
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut reader, mut lines) = (Reader::new(), Vec::new());
        let mut each = |entry: &Entry<'_>| {
            let mut line = Vec::new();
            entry.render(&mut line);
            lines.push(String::from_utf8_lossy(&line).into_owned());
        };
        for piece in pieces {
            reader.feed(piece, &mut each);
        }
        reader.finish().iter().for_each(each);
        lines
    }

    /// A field in the form for any bytes.
    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u64).to_le_bytes();
        [name.as_bytes(), b"\n", &length, value, b"\n"].concat()
    }

    fn entry(fields: &[&[u8]]) -> Vec<u8> {
        let head: &[u8] =
            b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795225632930869\n_HOSTNAME=vm\n\
            SYSLOG_IDENTIFIER=postfix/smtp\n_PID=171\n";
        [&[head], fields, &[b"\n"]].concat().concat()
    }

    const HEAD: &str = "<14>1 2026-11-21T01:47:12.930869Z vm postfix/smtp 171 - -  ";

    #[test]
    fn both_forms_of_a_value_are_read() {
        let text = entry(&[b"MESSAGE=a=b\n"]);
        let data = entry(&[&binary("MESSAGE", b"a\n\n__CURSOR=x\nMESSAGE=c")]);
        let empty = entry(&[&binary("MESSAGE", b"")]);
        assert_eq!(
            lines(&[&text, &data, &empty]),
            [format!("{HEAD}a=b"), format!("{HEAD}a??__CURSOR=x?MESSAGE=c"), HEAD.to_owned()]
        );
    }

    #[test]
    fn a_cursor_is_at_hand() {
        let mut cursors = Vec::new();
        Reader::new().feed(&entry(&[]), &mut |entry| cursors.push(entry.cursor.to_vec()));
        assert_eq!(cursors, [b"s=1;i=2"]);
    }

    #[test]
    fn of_a_repeated_text_the_first_counts_and_of_a_repeated_name_none() {
        let twice = entry(&[
            b"MESSAGE=a\nMESSAGE=b\nSYSLOG_IDENTIFIER=postfix/qmgr\n_PID=1\nSYSLOG_PID=2\n",
        ]);
        assert_eq!(lines(&[&twice]), ["<14>1 2026-11-21T01:47:12.930869Z vm - 2 - -  a"]);
    }

    #[test]
    fn fields_of_any_length_are_passed_over_and_what_is_kept_is_bounded() {
        let foreign = binary("COREDUMP", &vec![b'\n'; 300_000]);
        let long = binary("MESSAGE", &vec![b'x'; 61_441]);
        let (first, second) = (entry(&[&foreign, b"MESSAGE=a\n"]), entry(&[&long]));
        let longest = entry(&[&binary("MESSAGE", &vec![b'x'; 61_440])]);
        let read = lines(&[&first, &second, &longest]);
        assert_eq!(read.get(..2).unwrap(), [format!("{HEAD}a"), HEAD.to_owned()]);
        assert_eq!(read.get(2).unwrap().len(), HEAD.len() + 61_440);
        let mut reader = Reader::new();
        for _ in 0..50 {
            reader.feed(&entry(&[&long, &long, &foreign]), &mut |_| {});
            reader.feed(&vec![b'A'; 10_000], &mut |_| {});
            reader.feed(b"\n\n", &mut |_| {});
        }
        assert!(reader.name.capacity() <= 2 * NAME_BYTES, "{}", reader.name.capacity());
    }

    #[test]
    fn what_breaks_the_format_loses_its_entry_and_no_other() {
        let good = entry(&[b"MESSAGE=good\n"]);
        let head = b"__CURSOR=1\nMESSAGE=bad\n";
        let endless = [&head[..], b"X\n\xff\xff\xff\xff\xff\xff\xff\x7f", b"abc\n\n"].concat();
        let no_end = [&head[..], b"X\n\x01\0\0\0\0\0\0\0ab\n\n"].concat();
        let long_name = [&head[..], &[b'X'; 65], b"=1\n\n"].concat();
        for bad in
            [&b"-- No entries --\n\n"[..], b"=1\n\n", b"lower=1\n\n", &endless, &no_end, &long_name]
        {
            let read = lines(&[&good, bad, &good]);
            assert_eq!(read.len(), 2, "{}: {read:?}", String::from_utf8_lossy(bad));
            assert!(read.iter().all(|line| line.ends_with("good")));
        }
    }

    #[test]
    fn an_entry_that_lacks_its_empty_line_is_whole_and_one_that_broke_off_is_none() {
        let whole = entry(&[b"MESSAGE=a\n"]);
        for end in 0..whole.len() {
            let read = lines(&[whole.get(..end).unwrap()]);
            let at_border = end > 0 && whole.get(end - 1) == Some(&b'\n');
            assert_eq!(read.len(), usize::from(at_border), "{end}");
        }
        assert_eq!(lines(&[b"\n\n\n"]), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_entries(
            parts in vec(prop_oneof![
                Just(entry(&[b"MESSAGE=a\n"])),
                Just(binary("MESSAGE", b"\n\nx")),
                Just(binary("X", b"__CURSOR=1\n\n")),
                Just(b"MESSAGE=b\n".to_vec()), Just(b"\n".to_vec()), Just(b"-- x --\n".to_vec()),
                vec(any::<u8>(), 0..12),
            ], 0..12),
            cuts in vec(any::<Index>(), 0..20),
        ) {
            let whole = parts.concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> =
                cuts.windows(2).map(|pair| whole.get(pair[0]..pair[1]).unwrap()).collect();
            prop_assert_eq!(lines(&pieces), lines(&[&whole]));
        }
    }
}
