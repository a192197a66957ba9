//! Where the last whole line of a file ends.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Offset behind the last line end before `size`, 0 when there is none. Reads backwards, a
/// `buffer` at a time.
pub(crate) fn last(file: &File, size: u64, buffer: &mut [u8]) -> io::Result<u64> {
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let length = usize::try_from(end - start).unwrap_or(usize::MAX);
        let Some(room) = buffer.get_mut(..length) else { return Ok(0) };
        file.read_exact_at(room, start)?;
        if let Some(place) = memchr::memrchr(b'\n', room) {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
