//! What is under way, as it changes: records in pages.
//!
//! In a busy second most of the messages under way change, and most of them are over with the next:
//! with a key for each, a replay spent a third of its time on them. So whatever changed since the last commit is
//! written as one row of records, cut into pages of [`PAGE_BYTES`], and the oldest pages are removed
//! once nothing in them counts any more ([`crate::writer`] sees to that).
//!
//! ```text
//! page   = version: u8 = 1 | where the first record begins: u16 | bytes of records, squeezed
//!        | version: u8 = 2 | where the first record begins: u16 | bytes of records
//! record = bytes of the name: u64 | bytes of the value: u64 | name | value
//! ```
//!
//! The second form is for bytes that do not get shorter. Numbers are big-endian; a record that does
//! not end in its page goes on in the next one. Of the records of a name the last one counts, and one
//! without a value says that it is over. Names are keys ([`Key`](super::Key)), values open with the
//! version of their form, as those of other tables.

use std::borrow::Cow;

use serde::Serialize;

use super::{CodecError, codec, squeeze};

/// Bytes of records in a page: sixteen pages fit into a leaf of the store, which keeps values that are
/// longer in files that it never syncs.
pub const PAGE_BYTES: usize = 6 * 1024;

/// The form that is written, and that of a page which does not get shorter.
const VERSION: u8 = 1;
const PLAIN_VERSION: u8 = 2;

/// As messages name it.
const WHAT: &str = "page of what is under way";

/// What is in the store is not what was written.
pub const MALFORMED: CodecError = CodecError::Malformed { what: WHAT };

/// One length, and both.
const LENGTH_BYTES: usize = 8;
const LENGTHS_BYTES: usize = 2 * LENGTH_BYTES;

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it begins: [`PAGE_BYTES`] times the number of its page, and so many bytes on.
    pub at: u64,
    /// Whose it is.
    pub name: &'a [u8],
    /// Empty when that is over.
    pub value: &'a [u8],
}

impl Record<'_> {
    /// Bytes that it takes in pages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (LENGTHS_BYTES + self.name.len() + self.value.len()) as u64
    }

    /// Number of the page in which it begins.
    #[must_use]
    pub fn page(&self) -> u64 {
        page_of(self.at)
    }
}

/// Appends a record of `name` with that value, in format `version`.
pub fn append_value<T: Serialize>(name: &[u8], version: u8, value: &T, records: &mut Vec<u8>) {
    append(name, records, |records| {
        records.push(version);
        codec::append(value, records);
    });
}

/// As [`append_value`], with a value that was encoded.
pub fn append_bytes(name: &[u8], value: &[u8], records: &mut Vec<u8>) {
    append(name, records, |records| records.extend_from_slice(value));
}

/// Appends a record that says that `name` is over.
pub fn append_end(name: &[u8], records: &mut Vec<u8>) {
    append(name, records, |_| {});
}

fn append(name: &[u8], records: &mut Vec<u8>, append_value: impl FnOnce(&mut Vec<u8>)) {
    let start = records.len();
    records.extend_from_slice(&[0; LENGTHS_BYTES]);
    records.extend_from_slice(name);
    let value = records.len();
    append_value(records);
    let lengths = [name.len(), records.len() - value].map(|bytes| (bytes as u64).to_be_bytes());
    for (place, length) in records.iter_mut().skip(start).zip(lengths.as_flattened()) {
        *place = *length;
    }
}

/// Where the page of that number begins, as [`Record::at`].
#[must_use]
pub fn page_begin(number: u64) -> u64 {
    number.saturating_mul(PAGE_BYTES as u64)
}

/// Number of the page that holds this place.
#[must_use]
pub fn page_of(at: u64) -> u64 {
    at / PAGE_BYTES as u64
}

/// The stored form of records in a row, page by page.
pub fn pages(records: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut next = 0;
    records.chunks(PAGE_BYTES).enumerate().map(move |(number, body)| {
        while next < number * PAGE_BYTES {
            next += record_bytes(records.get(next..).unwrap_or_default()).unwrap_or(records.len());
        }
        let begin = (next - number * PAGE_BYTES).min(body.len());
        page(begin, body)
    })
}

fn page(begin: usize, body: &[u8]) -> Vec<u8> {
    let [.., high, low] = begin.to_be_bytes();
    let mut page = vec![VERSION, high, low];
    if squeeze::append(body, &mut page) {
        page
    } else {
        [&[PLAIN_VERSION, high, low], body].concat()
    }
}

/// Bytes of the first of these records; None where not even its lengths are there.
fn record_bytes(records: &[u8]) -> Option<usize> {
    let [name, value] = lengths(records)?;
    LENGTHS_BYTES.checked_add(name)?.checked_add(value)
}

fn lengths(records: &[u8]) -> Option<[usize; 2]> {
    let (name, rest) = records.split_first_chunk::<LENGTH_BYTES>()?;
    let value = rest.first_chunk::<LENGTH_BYTES>()?;
    let length = |bytes| usize::try_from(u64::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    Some([length(*name), length(*value)])
}

/// Reads pages in a row.
#[derive(Debug, Default)]
pub struct PageReader {
    /// The beginning of a record that goes on in the next page.
    begun: Vec<u8>,
    /// Where that is.
    begun_at: u64,
    /// Number of the next page.
    next: Option<u64>,
}

impl PageReader {
    /// Gives the records that end in the page of that number to `each`: how many bytes of records are
    /// in the page. Of one that began before the first page nothing is told: where it began is gone,
    /// since it is of no use.
    ///
    /// # Errors
    /// When the page is of another version, is none, or does not follow the one before it. What `each`
    /// gives ends it.
    pub fn read<E: From<CodecError>>(
        &mut self,
        number: u64,
        page: &[u8],
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (begin, body) = opened(page)?;
        let follows = self.next.replace(number.saturating_add(1)).is_none_or(|next| next == number);
        // However many pages a record takes, each is looked at once.
        let mut records = std::mem::take(&mut self.begun);
        let carried = records.len();
        let skipped = if carried == 0 { begin } else { 0 };
        if carried == 0 {
            self.begun_at = page_begin(number).saturating_add(begin as u64);
        }
        records.extend_from_slice(body.get(skipped..).unwrap_or_default());
        if !follows || (carried > 0 && begin != rest_of_first(&records, carried, body.len())) {
            return Err(MALFORMED.into());
        }
        let mut rest = records.as_slice();
        while let Some((record, behind)) = first(rest, self.begun_at) {
            self.begun_at += record.bytes();
            rest = behind;
            each(record)?;
        }
        let told = records.len() - rest.len();
        records.drain(..told);
        self.begun = records;
        Ok(body.len() as u64)
    }

    /// There are no more pages.
    ///
    /// # Errors
    /// When a record has not ended.
    pub fn end(&self) -> Result<(), CodecError> {
        if self.begun.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }

    /// Number of the page in which a record begins that has not ended yet.
    #[must_use]
    pub fn begun_in(&self) -> Option<u64> {
        (!self.begun.is_empty()).then_some(page_of(self.begun_at))
    }
}

/// Bytes that the first of these records has in its last page: all that are in the page, where it does
/// not end there.
fn rest_of_first(records: &[u8], carried: usize, in_page: usize) -> usize {
    let bytes = record_bytes(records).unwrap_or(usize::MAX);
    bytes.saturating_sub(carried).min(in_page)
}

/// Where the first record begins, and the records.
fn opened(page: &[u8]) -> Result<(usize, Cow<'_, [u8]>), CodecError> {
    let (&found, rest) = page.split_first().ok_or(CodecError::Empty { what: WHAT })?;
    if !matches!(found, VERSION | PLAIN_VERSION) {
        return Err(CodecError::UnknownVersion { what: WHAT, found, supported: PLAIN_VERSION });
    }
    let (begin, body) = rest.split_first_chunk().ok_or(MALFORMED)?;
    let body = match found {
        PLAIN_VERSION => Cow::Borrowed(body),
        _ => Cow::Owned(squeeze::expanded(body).ok_or(MALFORMED)?),
    };
    Ok((usize::from(u16::from_be_bytes(*begin)), body))
}

/// The first of these records, and what is behind it; None when it is not whole.
fn first(records: &[u8], at: u64) -> Option<(Record<'_>, &[u8])> {
    let [name, value] = lengths(records)?;
    let (name, rest) = records.get(LENGTHS_BYTES..)?.split_at_checked(name)?;
    let (value, rest) = rest.split_at_checked(value)?;
    Some((Record { at, name, value }, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::store::testing::random;

    /// A name and its value, and in which page they begin.
    type Read = (u64, Vec<u8>, Vec<u8>);

    fn read(pages: &[(u64, Vec<u8>)]) -> Vec<Read> {
        let (mut reader, mut read) = (PageReader::default(), Vec::new());
        for (number, page) in pages {
            let each = |record: Record<'_>| {
                read.push((record.page(), record.name.to_vec(), record.value.to_vec()));
                Ok::<_, CodecError>(())
            };
            reader.read(*number, page, each).unwrap();
        }
        read
    }

    proptest! {
        #[test]
        fn records_of_any_length_come_back_from_pages_and_without_the_oldest_pages_all_that_begin_later(
            sizes in prop::collection::vec((0usize..70, prop_oneof![0usize..900, 0usize..20_000]), 0..40),
            is_random: bool,
            gone in 0usize..20,
        ) {
            let (mut records, mut expected) = (Vec::new(), Vec::new());
            for (number, (name, value)) in sizes.into_iter().enumerate() {
                let page = 7 + (records.len() / PAGE_BYTES) as u64;
                let byte = u8::try_from(number).unwrap();
                let value = if is_random { random(value, 1) } else { vec![byte; value] };
                let name = vec![byte; name];
                append_bytes(&name, &value, &mut records);
                expected.push((page, name, value));
            }
            let mut stored: Vec<_> = (7..).zip(pages(&records)).collect();
            prop_assert!(stored.iter().all(|(_, page)| page.len() <= PAGE_BYTES + 3));
            prop_assert_eq!(&read(&stored), &expected);
            stored.drain(..gone.min(stored.len()));
            expected.retain(|(page, ..)| *page >= 7 + gone as u64);
            prop_assert_eq!(read(&stored), expected);
        }
    }

    #[test]
    fn a_page_that_is_missing_cut_or_another_one_is_refused() {
        let mut records = Vec::new();
        for name in [b"a", b"b", b"c"] {
            append_bytes(name, &random(9_000, 1), &mut records);
        }
        let whole: Vec<_> = (0..).zip(pages(&records)).collect();
        let is_refused = |pages: &[(u64, Vec<u8>)]| {
            let mut reader = PageReader::default();
            let each = |_: Record<'_>| Ok::<_, CodecError>(());
            let read = pages.iter().map(|(number, page)| reader.read(*number, page, each));
            let read: Result<Vec<_>, _> = read.collect();
            read.and_then(|_| reader.end()).is_err()
        };
        assert!(whole.len() == 5 && !is_refused(&whole));
        for missing in 1..whole.len() {
            let mut rest = whole.clone();
            rest.remove(missing);
            assert!(is_refused(&rest), "without {missing}");
            let mut cut = whole.clone();
            let page = cut.get_mut(missing).unwrap();
            page.1.truncate(page.1.len() - 1);
            assert!(is_refused(&cut), "without the end of {missing}");
            let mut twice = whole.clone();
            let before = twice.get(missing - 1).unwrap().1.clone();
            twice.get_mut(missing).unwrap().1 = before;
            assert!(is_refused(&twice), "one twice instead of {missing}");
        }
        let mut without_oldest = whole;
        without_oldest.remove(0);
        assert!(!is_refused(&without_oldest), "that is how pages go");
    }

    #[test]
    fn what_is_no_page_is_refused_by_name() {
        let each = |_: Record<'_>| Ok::<_, CodecError>(());
        for (page, message) in [
            (&b""[..], "a stored page of what is under way is empty"),
            (b"\x01\x00", "a stored page of what is under way is damaged"),
            (
                b"\x09abc",
                "a stored page of what is under way has format 9, but this version reads format 2",
            ),
        ] {
            let refused = PageReader::default().read(0, page, each).unwrap_err();
            assert_eq!(refused.to_string(), message);
        }
    }
}
