//! The beginning of a log file, which is its identity.
//!
//! Inode numbers are reused at once (ext4 hands a freed one to the next file), names rotate; the
//! first line stays. Where two generations share it (Haraka begins each log with the same lines),
//! hashes of ever longer beginnings decide.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use memchr::memchr;
use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use sha2::{Digest, Sha256};

use super::{Fingerprint, HeadHash, Heads, archive};

/// Bytes of the first line that make the fingerprint; also what is compared with each read.
pub(crate) const LINE_BYTES: usize = 1024;

/// Bytes that are ever compared.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// Bytes of one read in search of the end of a run of NULs.
const HOLE_STEP: usize = 64 * 1024;

/// Lengths whose hashes are stored.
const STAGES: [usize; 9] = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, HEAD_BYTES];

/// The beginning of a log, decompressed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// NUL bytes in front of it, which are no part of it.
    pub(crate) start: u64,
    /// At most [`HEAD_BYTES`].
    pub(crate) bytes: Vec<u8>,
    /// Hashes of the [`STAGES`] that it covers.
    stages: Vec<u64>,
}

/// A file that can be read anywhere: a seam, because what matters is what happens to it between
/// two reads.
pub(crate) trait ReadAt {
    /// Reads at `offset`; 0 only at the end.
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Its size now.
    fn size(&self) -> io::Result<u64>;

    /// The first offset from `offset` on that is not in a hole, or `offset` where the file system
    /// does not tell; None when nothing but a hole is left.
    fn behind_hole(&self, offset: u64) -> Option<u64>;
}

impl ReadAt for File {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn behind_hole(&self, offset: u64) -> Option<u64> {
        match seek(self, SeekFrom::Data(offset)) {
            Ok(data) => Some(data),
            Err(Errno::NXIO) => None,
            Err(_) => Some(offset),
        }
    }
}

/// How a head compares with what was stored of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Everything that can be compared is equal.
    Same,
    /// Something differs.
    Different,
    /// What there is, is equal as far as one can tell, but it is too short to say.
    TooShort,
}

impl Head {
    /// The head of a plain file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let start = first_text(file)?;
        let mut head = Self { start, ..Self::default() };
        head.extend(file)?;
        Ok(head)
    }

    /// The head of a stream, which is read no further than needed.
    pub(crate) fn of_stream(stream: &mut dyn Read) -> io::Result<Self> {
        let mut head = Self::default();
        let mut buffer = vec![0; HEAD_BYTES];
        while head.bytes.len() < HEAD_BYTES {
            let count = stream.read(&mut buffer)?;
            let read = buffer.get(..count).unwrap_or_default();
            if count == 0 {
                break;
            }
            let nul = if head.bytes.is_empty() { leading_nul(read) } else { 0 };
            head.start += nul as u64;
            head.bytes.extend_from_slice(read.get(nul..).unwrap_or_default());
        }
        head.bytes.truncate(HEAD_BYTES);
        head.hash_stages();
        Ok(head)
    }

    /// The head of a log that begins with these bytes.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        let mut head = Self { bytes: text.as_bytes().to_vec(), ..Self::default() };
        head.hash_stages();
        head
    }

    /// Reads on when the file has more of the head than was known.
    pub(crate) fn extend(&mut self, file: &impl ReadAt) -> io::Result<()> {
        let known = self.bytes.len();
        self.bytes.resize(HEAD_BYTES, 0);
        let more = self.bytes.get_mut(known..).unwrap_or_default();
        let result = fill(file, more, self.start + known as u64);
        self.bytes.truncate(known + result.as_ref().unwrap_or(&0));
        // NULs at the end may be bytes that are still on their way.
        let text = self.bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.bytes.truncate(text);
        self.bytes.shrink_to_fit();
        self.hash_stages();
        result.map(drop)
    }

    /// The file still begins with this head, as far as the first [`LINE_BYTES`] go.
    pub(crate) fn is_still_in(&self, file: &impl ReadAt) -> io::Result<bool> {
        let mut buffer = [0; LINE_BYTES];
        let expected = self.bytes.get(..LINE_BYTES).unwrap_or(&self.bytes);
        let found = buffer.get_mut(..expected.len()).unwrap_or_default();
        let count = fill(file, found, self.start)?;
        Ok(count == expected.len() && found == expected)
    }

    /// The fingerprint; None while the first line has no end. `slot` counts the generations with
    /// the same first line.
    pub(crate) fn fingerprint(&self, slot: u8) -> Option<Fingerprint> {
        let line = self.bytes.get(..LINE_BYTES).unwrap_or(&self.bytes);
        let line = match memchr(b'\n', line) {
            Some(end) => line.get(..=end)?,
            None if line.len() == LINE_BYTES => line,
            None => return None,
        };
        Some(fingerprint(line, slot))
    }

    /// As [`Head::fingerprint`], for a file that will not grow: its first line needs no end. None
    /// when the file is empty.
    pub(crate) fn final_fingerprint(&self, slot: u8) -> Option<Fingerprint> {
        let whole = Some(&self.bytes).filter(|bytes| !bytes.is_empty());
        self.fingerprint(slot).or_else(|| whole.map(|bytes| fingerprint(bytes, slot)))
    }

    /// Hashes for a position at `offset`: of every stage that was read, and of all that was read
    /// when that is less than the last stage.
    pub(crate) fn hashes(&self, offset: u64) -> Heads {
        let read = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let read = read.min(self.bytes.len());
        let mut hashes = Heads::default();
        for (place, (slot, stage)) in hashes.iter_mut().zip(STAGES).enumerate() {
            if stage > read {
                *slot = head_hash(read, short_hash(self.bytes.get(..read).unwrap_or_default()));
                break;
            }
            *slot = head_hash(stage, self.stages.get(place).copied().unwrap_or_default());
        }
        hashes
    }

    /// Compares with stored hashes.
    pub(crate) fn compare(&self, stored: &Heads) -> Likeness {
        for stage in stored.iter().filter(|stage| stage.len > 0) {
            match self.bytes.get(..stage.len as usize) {
                None => return Likeness::TooShort,
                Some(bytes) if short_hash(bytes) != stage.hash => return Likeness::Different,
                Some(_) => {}
            }
        }
        Likeness::Same
    }

    fn hash_stages(&mut self) {
        while let Some(stage) =
            STAGES.get(self.stages.len()).and_then(|&stage| self.bytes.get(..stage))
        {
            self.stages.push(short_hash(stage));
        }
    }

    /// One of them begins like the other, as far as both go.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.bytes.iter().zip(&other.bytes).all(|(one, two)| one == two)
    }
}

/// The form of a plain or compressed file, by its first bytes.
pub(crate) fn detect(file: &File) -> io::Result<archive::Compression> {
    let mut magic = [0; archive::MAGIC_BYTES];
    let count = fill(file, &mut magic, 0)?;
    Ok(archive::Compression::detect(magic.get(..count).unwrap_or_default()))
}

/// As [`detect`]; what is no log at all is an error.
pub(crate) fn detect_log(file: &File) -> io::Result<archive::Compression> {
    let mut magic = [0; archive::MAGIC_BYTES];
    let count = fill(file, &mut magic, 0)?;
    let magic = magic.get(..count).unwrap_or_default();
    let refused =
        |kind| io::Error::new(io::ErrorKind::InvalidData, format!("it is no log but {kind}"));
    archive::foreign(magic)
        .map_or(Ok(archive::Compression::detect(magic)), |kind| Err(refused(kind)))
}

/// Reads until `buffer` is full or the file ends; how much was read.
fn fill(file: &impl ReadAt, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(room) = buffer.get_mut(count..).filter(|room| !room.is_empty()) {
        match file.read_some(room, offset + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// Offset of the first byte that is not NUL, or the end of the file. Holes are jumped over.
fn first_text(file: &File) -> io::Result<u64> {
    let mut buffer = vec![0; HOLE_STEP];
    let mut at = 0;
    loop {
        let count = file.read_some(&mut buffer, at)?;
        let nul = leading_nul(buffer.get(..count).unwrap_or_default());
        at += nul as u64;
        if nul < buffer.len() {
            return Ok(at);
        }
        // Not every file system tells where its holes are; then they are read as NULs.
        match file.behind_hole(at) {
            Some(data) => at = data,
            None => return file.size(),
        }
    }
}

fn leading_nul(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| byte == 0).count()
}

fn fingerprint(line: &[u8], slot: u8) -> Fingerprint {
    let mut hash = Sha256::digest(line);
    if slot > 0 {
        hash = Sha256::new().chain_update(hash).chain_update([slot]).finalize();
    }
    hash.first_chunk().copied().map_or(Fingerprint::NONE, Fingerprint)
}

fn head_hash(len: usize, hash: u64) -> HeadHash {
    HeadHash { len: u32::try_from(len).unwrap_or(0), hash }
}

fn short_hash(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).first_chunk().copied().map_or(0, u64::from_be_bytes)
}
