//! What is under way, as it changes: records in pages.
//!
//! In a busy second most of the messages under way change, and most of them are over with the next:
//! one key for each would cost sled ten times as much. So whatever changed since the last commit is
//! written as one row of records, cut into pages of [`PAGE_BYTES`], and the oldest pages are removed
//! once nothing in them counts any more ([`crate::writer`] sees to that).
//!
//! ```text
//! page   = version: u8 = 1 | where the first record begins: u16 | bytes of records, squeezed
//!        | version: u8 = 2 | where the first record begins: u16 | bytes of records
//! record = bytes of the name: u64 | bytes of the value: u64 | name | value
//! ```
//!
//! The second form is for bytes that do not get shorter. Numbers are big-endian; a record that does not end in its page goes on in the next one. Of the
//! records of a name the last one counts, and one without a value says that it is over. Names are keys
//! ([`Key`](super::Key)), values open with the version of their form, as those of other tables.

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

    /// Appends it as it is.
    pub fn append(&self, records: &mut Vec<u8>) {
        append(self.name, records, |records| records.extend_from_slice(self.value));
    }
}

/// Appends a record of `name` with that value, in format `version`.
pub fn append_value<T: Serialize>(name: &[u8], version: u8, value: &T, records: &mut Vec<u8>) {
    append(name, records, |records| {
        records.push(version);
        codec::append(value, records);
    });
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
    /// in the page. Of one that began in a page
    /// which was not read just before, nothing is told: that page is gone, and the record of no use.
    ///
    /// # Errors
    /// When the page is of another version, or is none. What `each` gives ends it.
    pub fn read<E: From<CodecError>>(
        &mut self,
        number: u64,
        page: &[u8],
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (begin, body) = opened(page)?;
        if self.next.replace(number + 1) != Some(number) {
            self.begun.clear();
        }
        // However many pages a record takes, each is looked at once.
        let mut records = std::mem::take(&mut self.begun);
        let skipped = if records.is_empty() {
            self.begun_at = page_begin(number) + begin as u64;
            begin
        } else {
            0
        };
        records.extend_from_slice(body.get(skipped..).unwrap_or_default());
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

    /// Number of the page in which a record begins that has not ended yet.
    #[must_use]
    pub fn begun_in(&self) -> Option<u64> {
        (!self.begun.is_empty()).then_some(page_of(self.begun_at))
    }
}

/// Where the first record begins, and the records.
fn opened(page: &[u8]) -> Result<(usize, Cow<'_, [u8]>), CodecError> {
    let malformed = CodecError::Malformed { what: WHAT };
    let (&found, rest) = page.split_first().ok_or(CodecError::Empty { what: WHAT })?;
    if !matches!(found, VERSION | PLAIN_VERSION) {
        return Err(CodecError::UnknownVersion { what: WHAT, found, supported: PLAIN_VERSION });
    }
    let (begin, body) = rest.split_first_chunk().ok_or(malformed.clone())?;
    let body = match found {
        PLAIN_VERSION => Cow::Borrowed(body),
        _ => Cow::Owned(squeeze::expanded(body).ok_or(malformed)?),
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
            gone in 0usize..20,
        ) {
            let (mut records, mut expected) = (Vec::new(), Vec::new());
            for (number, (name, value)) in sizes.into_iter().enumerate() {
                let page = 7 + (records.len() / PAGE_BYTES) as u64;
                let byte = u8::try_from(number).unwrap();
                let (name, value) = (vec![byte; name], vec![byte; value]);
                Record { at: 0, name: &name, value: &value }.append(&mut records);
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
    fn a_record_whose_end_is_missing_is_not_told_and_does_not_harm_the_next() {
        let mut long = Vec::new();
        Record { at: 0, name: b"a", value: &[1; 2 * PAGE_BYTES] }.append(&mut long);
        let mut short = Vec::new();
        Record { at: 0, name: b"b", value: &[2] }.append(&mut short);
        let long: Vec<_> = pages(&long).collect();
        let page = pages(&short).next().unwrap();
        let stored = [(0, long.first().unwrap().clone()), (2, page)];
        assert_eq!(read(&stored), [(2, b"b".to_vec(), vec![2])]);
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
