//! Compressed logs: told apart by their first bytes, read as a bounded stream.
//!
//! The file's name says nothing (a `.gz` may be plain). Reading to the end without an error means
//! that the archive is complete and its checksums are right, whatever the format.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::{bufread::XzDecoder, stream::Stream};

/// How a log file is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As it was written.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// xz, any number of streams.
    Xz,
    /// bzip2, any number of streams.
    Bzip2,
}

/// Bytes that [`Compression::detect`] wants to see.
pub(crate) const MAGIC_BYTES: usize = 10;

/// Most that one compressed byte may become. Logs reach 200; gzip's own limit is 1,032.
const EXPANSION: u64 = 2_000;

/// What any archive may become, however small it is.
const SMALL_BYTES: u64 = 256 * 1024 * 1024;

/// Memory an xz archive may ask for: `xz -9` needs 65 MiB.
const XZ_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// liblzma's `LZMA_CONCATENATED` (`lzma/container.h`): read on behind the first stream.
const XZ_CONCATENATED: u32 = 0x08;

impl Compression {
    /// By the first bytes of a file.
    #[must_use]
    pub fn detect(head: &[u8]) -> Self {
        const BZIP2_BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
        const BZIP2_EMPTY: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(BZIP2_BLOCK) || rest.starts_with(BZIP2_EMPTY) =>
            {
                Self::Bzip2
            }
            _ => Self::Plain,
        }
    }
}

/// What a file is that is no log and no compressed log that can be read here, by its first bytes.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 8] = [
        (b"\x7fELF", "a program"),
        (b"LPKSHHRH", "a file of systemd's journal"),
        (b"SQLite for", "a database"),
        (b"PK\x03\x04", "a zip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x04\x22\x4d\x18", "an lz4 archive"),
        (b"\x1f\x9d", "an archive of compress(1)"),
        (b"\x89PNG", "an image"),
    ];
    kinds.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind)
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// The decompressed bytes of `file`, which is `size_bytes` long. Ends with an error when the
/// archive is short, damaged or grows beyond all reason.
///
/// # Errors
///
/// When the decoder cannot be set up.
pub(crate) fn reader<'a>(
    file: impl Read + 'a,
    compression: Compression,
    size_bytes: u64,
) -> io::Result<Box<dyn Read + 'a>> {
    let file = BufReader::with_capacity(64 * 1024, file);
    if compression == Compression::Plain {
        return Ok(Box::new(file));
    }
    let left = size_bytes.saturating_mul(EXPANSION).saturating_add(SMALL_BYTES);
    Ok(Box::new(Capped { inner: decoder(file, compression)?, left }))
}

fn decoder<'a>(
    file: impl BufRead + 'a,
    compression: Compression,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY_BYTES, XZ_CONCATENATED)?;
            Box::new(XzDecoder::new_stream(file, stream))
        }
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(file)),
    })
}

/// Refuses to go on beyond a number of bytes.
struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the archive expands beyond all reason")
        })?;
        Ok(count)
    }
}

/// Compresses for tests.
#[cfg(test)]
pub(crate) mod testing {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;

    use super::Compression;

    /// Every compressed form.
    pub(crate) const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Bzip2];

    /// `text` in that form.
    pub(crate) fn compress(text: &[u8], compression: Compression) -> Vec<u8> {
        let mut packed = Vec::new();
        match compression {
            Compression::Plain => text.to_vec(),
            Compression::Zstd => zstd::encode_all(text, 3).unwrap(),
            Compression::Gzip => {
                let level = flate2::Compression::fast();
                flate2::read::GzEncoder::new(text, level).read_to_end(&mut packed).unwrap();
                packed
            }
            Compression::Xz => {
                liblzma::read::XzEncoder::new(text, 1).read_to_end(&mut packed).unwrap();
                packed
            }
            Compression::Bzip2 => {
                let level = bzip2::Compression::fast();
                bzip2::read::BzEncoder::new(text, level).read_to_end(&mut packed).unwrap();
                packed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::{
        testing::{ALL, compress},
        *,
    };

    fn read(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        reader(packed, Compression::detect(packed), packed.len() as u64)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_form_is_told_by_its_first_bytes_and_concatenated_members_are_all_read() {
        for form in ALL {
            let packed = [compress(b"one\n", form), compress(b"two\n", form)].concat();
            assert_eq!(Compression::detect(&packed), form);
            assert_eq!(read(&packed).unwrap(), b"one\ntwo\n", "{form}");
        }
        assert_eq!(Compression::detect(b"BZh9 is how this line begins"), Compression::Plain);
    }

    #[test]
    fn row_05_an_archive_that_ends_early_anywhere_is_an_error() {
        let text: Vec<u8> =
            (0..3000_u32).flat_map(|n| (n * 7919).to_string().into_bytes()).collect();
        for form in ALL {
            let packed = compress(&text, form);
            for end in (MAGIC_BYTES + 4..packed.len()).step_by(97).chain([packed.len() - 1]) {
                assert!(read(&packed[..end]).is_err(), "{form} cut at {end}");
            }
        }
    }

    #[test]
    fn row_05_a_wrong_checksum_is_an_error() {
        let mut packed = compress(b"some text\n", Compression::Gzip);
        let crc = packed.len() - 8;
        packed[crc] ^= 1;
        assert!(read(&packed).is_err());
    }

    #[test]
    fn an_archive_that_expands_beyond_all_reason_is_stopped() {
        let mut capped = Capped { inner: io::repeat(b'x'), left: 1000 };
        assert!(io::copy(&mut capped, &mut io::sink()).is_err());
    }
}
