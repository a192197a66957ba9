//! Reads lines of a log again, where they are: in the live file, or in whatever became of it.
//!
//! A log is found by its content ([`Fingerprint`]), whatever it is called now and however it is
//! compressed. Of what was not asked for, nothing is given; how much is read is bounded.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use memchr::{memchr, memmem::Finder, memrchr};

use super::{
    Compression, Fingerprint, Position, archive, file,
    head::{self, Head, Likeness, ReadAt},
    journal::Lines,
};
use crate::limits::{LINE_BYTES, RECALLED_BYTES, RECALLED_LINES, UNPACKED_BYTES};

/// Bytes in front of a line in which others of its message are looked for: of a busy host, what is
/// written in some seconds.
const BEFORE: u64 = 1024 * 1024;
/// The same behind it.
const BEHIND: u64 = 1024 * 1024;
/// Generations with the same first line that are told apart.
const SLOTS: u8 = 8;

/// A log that lines are in.
#[derive(Debug, Clone)]
pub struct Log {
    /// Where it was read from.
    pub path: PathBuf,
    compression: Compression,
}

/// A line that was found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// Offset in its generation, decompressed.
    pub offset: u64,
    /// The line, without its end; beyond [`LINE_BYTES`] it is cut.
    pub bytes: Vec<u8>,
}

/// Lines that were found again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lot {
    /// In their order.
    pub lines: Vec<Recalled>,
    /// There would have been more to look through.
    pub is_cut: bool,
}

/// The log of that generation among the files that `patterns` match; None when there is none any
/// more. `known` is what was stored of it.
#[must_use]
pub fn find(
    patterns: &[String],
    fingerprint: Fingerprint,
    known: Option<&Position>,
) -> Option<Log> {
    let mut files = file::matching(patterns).files.into_iter().rev();
    files.find_map(|path| {
        let (head, compression) = head_of(&path).ok()?;
        let is_it = (0..SLOTS).any(|slot| {
            [head.fingerprint(slot), head.final_fingerprint(slot)].contains(&Some(fingerprint))
        });
        let differs = known.is_some_and(|known| head.compare(&known.heads) == Likeness::Different);
        (is_it && !differs).then_some(Log { path, compression })
    })
}

fn head_of(path: &Path) -> io::Result<(Head, Compression)> {
    let file = File::open(path)?;
    let compression = head::detect_log(&file)?;
    let size = file.metadata()?.len();
    let head = match compression {
        Compression::Plain => Head::of_file(&file)?,
        _ => Head::of_stream(&mut Lines::new(archive::reader(file, compression, size)?))?,
    };
    Ok((head, compression))
}

impl Log {
    /// Lines with one of `words` in them, near `offsets`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn lines(&self, offsets: &[u64], words: &[String]) -> io::Result<Lot> {
        let mut lot = Lot::default();
        let finders: Vec<_> =
            words.iter().filter(|word| !word.is_empty()).map(Finder::new).collect();
        let mut read = 0;
        let mut source = self.open()?;
        for window in windows(offsets) {
            if read >= RECALLED_BYTES || lot.lines.len() >= RECALLED_LINES {
                lot.is_cut = true;
                break;
            }
            let Some(bytes) = source.read(&window)? else {
                lot.is_cut = true;
                break;
            };
            lot.is_cut |= window.end - window.start > RECALLED_BYTES as u64;
            read += bytes.len();
            collect(&bytes, window.start, &finders, &mut lot);
        }
        Ok(lot)
    }

    fn open(&self) -> io::Result<Source> {
        let file = File::open(&self.path)?;
        Ok(match self.compression {
            Compression::Plain => Source::File(file),
            compression => {
                let size = file.metadata()?.len();
                let stream = Lines::new(archive::reader(file, compression, size)?);
                Source::Stream { stream: Box::new(stream), at: 0 }
            }
        })
    }
}

/// What bytes come from.
enum Source {
    File(File),
    /// Can only be read on.
    Stream {
        stream: Box<dyn Read>,
        at: u64,
    },
}

impl Source {
    /// The bytes of a window, as far as there are some; None where it is too far into an archive.
    /// Windows come in order.
    fn read(&mut self, window: &Range<u64>) -> io::Result<Option<Vec<u8>>> {
        let room = usize::try_from(window.end - window.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; room.min(RECALLED_BYTES)];
        let mut count = 0;
        match self {
            Self::File(file) => {
                while let Some(rest) = bytes.get_mut(count..).filter(|rest| !rest.is_empty()) {
                    match file.read_some(rest, window.start + count as u64)? {
                        0 => break,
                        more => count += more,
                    }
                }
            }
            Self::Stream { stream, at } => {
                if window.end > UNPACKED_BYTES {
                    return Ok(None);
                }
                let skipped = window.start.saturating_sub(*at);
                io::copy(&mut stream.take(skipped), &mut io::sink())?;
                bytes.clear();
                count = stream.take(room as u64).read_to_end(&mut bytes)?;
                *at = window.start + count as u64;
            }
        }
        bytes.truncate(count);
        Ok(Some(bytes))
    }
}

/// Where to look, in order and without overlap.
fn windows(offsets: &[u64]) -> Vec<Range<u64>> {
    let mut sorted = offsets.to_vec();
    sorted.sort_unstable();
    let mut windows: Vec<Range<u64>> = Vec::new();
    for offset in sorted {
        let (start, end) = (offset.saturating_sub(BEFORE), offset.saturating_add(BEHIND));
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => windows.push(start..end),
        }
    }
    windows
}

/// Takes the whole lines out of `bytes` that have one of the words.
fn collect(bytes: &[u8], at: u64, finders: &[Finder<'_>], lot: &mut Lot) {
    // The first line may be half a line.
    let begin = if at == 0 { 0 } else { memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1) };
    let end = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
    let Some(whole) = bytes.get(begin..end) else { return };
    let mut found: Vec<Range<usize>> = finders
        .iter()
        .flat_map(|finder| {
            finder
                .find_iter(whole)
                .filter(|place| is_word(whole, *place, finder.needle().len()))
                .take(RECALLED_LINES)
                .map(|place| line_around(whole, place))
        })
        .collect();
    found.sort_unstable_by_key(|line| line.start);
    found.dedup();
    for line in found {
        if lot.lines.len() >= RECALLED_LINES {
            lot.is_cut = true;
            return;
        }
        let offset = at + (begin + line.start) as u64;
        let text = whole.get(line).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let bytes = text.get(..LINE_BYTES).unwrap_or(text).to_vec();
        lot.lines.push(Recalled { offset, bytes });
    }
}

/// Letters and digits do not go on before or behind it: a part of another queue ID is none.
fn is_word(text: &[u8], place: usize, length: usize) -> bool {
    let before = place.checked_sub(1).and_then(|place| text.get(place));
    let behind = text.get(place + length);
    ![before, behind].into_iter().flatten().any(u8::is_ascii_alphanumeric)
}

fn line_around(text: &[u8], place: usize) -> Range<usize> {
    let before = text.get(..place).unwrap_or_default();
    let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
    let behind = text.get(place..).unwrap_or_default();
    let end = memchr(b'\n', behind).map_or(text.len(), |end| place + end);
    start..end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{fs, io::Write};

    use flate2::{Compression as Level, write::GzEncoder};
    use tempfile::TempDir;

    use super::*;

    fn log(from: usize, to: usize) -> String {
        let line = |number| format!("host postfix/qmgr[1]: ID{number:06}: removed\n");
        (from..to).map(line).collect::<Vec<_>>().concat()
    }

    fn texts(lot: &Lot) -> Vec<String> {
        lot.lines.iter().map(|line| String::from_utf8(line.bytes.clone()).unwrap()).collect()
    }

    fn fingerprint(text: &str) -> Fingerprint {
        Head::of_text(text).fingerprint(0).unwrap()
    }

    /// The live file, or what became of it, is the same log.
    #[test]
    fn lines_are_found_again_in_a_renamed_and_in_a_compressed_log() {
        let dir = TempDir::new().unwrap();
        let (text, other) = (log(0, 60_000), log(60_000, 60_100));
        fs::write(dir.path().join("mail.log"), &other).unwrap();
        fs::write(dir.path().join("mail.log.1"), &text).unwrap();
        let patterns = [format!("{}/mail.log*", dir.path().display())];
        let offset = text.find("ID050000").unwrap() as u64;
        let words = ["ID050000".to_owned(), "ID050002".to_owned(), "D050001".to_owned()];
        let expected =
            ["ID050000", "ID050002"].map(|id| format!("host postfix/qmgr[1]: {id}: removed"));
        let check = |name: &str| {
            let log = find(&patterns, fingerprint(&text), None).unwrap();
            assert_eq!(log.path, dir.path().join(name));
            let lot = log.lines(&[offset], &words).unwrap();
            assert_eq!((texts(&lot), lot.is_cut), (expected.to_vec(), false));
            let line = text.find("host postfix/qmgr[1]: ID050000").unwrap() as u64;
            assert_eq!(lot.lines.first().map(|line| line.offset), Some(line));
        };
        check("mail.log.1");
        let archive = fs::File::create(dir.path().join("mail.log.2.gz")).unwrap();
        let mut packer = GzEncoder::new(archive, Level::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap();
        fs::remove_file(dir.path().join("mail.log.1")).unwrap();
        check("mail.log.2.gz");
        fs::remove_file(dir.path().join("mail.log.2.gz")).unwrap();
        assert!(find(&patterns, fingerprint(&text), None).is_none());
    }

    #[test]
    fn what_is_far_away_is_not_looked_through() {
        let dir = TempDir::new().unwrap();
        let text = log(0, 100_000);
        fs::write(dir.path().join("mail.log"), &text).unwrap();
        let patterns = [format!("{}/mail.log", dir.path().display())];
        let log = find(&patterns, fingerprint(&text), None).unwrap();
        let lot = log.lines(&[0], &["ID000001".to_owned(), "ID099999".to_owned()]).unwrap();
        assert_eq!(lot.lines.len(), 1);
    }

    #[test]
    fn windows_do_not_overlap() {
        let far = BEFORE * 10;
        assert_eq!(windows(&[far, 5, 10]), [0..BEHIND + 10, far - BEFORE..far + BEHIND]);
    }
}
