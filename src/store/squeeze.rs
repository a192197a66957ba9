//! Values made shorter: their length, four bytes, big-endian, and their LZ4 block. sled writes each
//! value about three times until its leaf is full, so half the bytes are worth the time of making
//! them.

/// The length.
const LENGTH_BYTES: usize = 4;

/// No byte of an LZ4 block stands for more.
const EXPANDED: usize = 255;

/// Bytes that [`append`] needs room for.
pub(super) fn most(bytes: usize) -> usize {
    LENGTH_BYTES + lz4_flex::block::get_maximum_output_size(bytes)
}

/// Appends `body`, made shorter. False, and nothing appended, when it does not get shorter.
pub(super) fn append(body: &[u8], value: &mut Vec<u8>) -> bool {
    let start = value.len();
    let Ok(length) = u32::try_from(body.len()) else { return false };
    value.extend_from_slice(&length.to_be_bytes());
    let block = value.len();
    value.resize(start + most(body.len()), 0);
    let written = value.get_mut(block..).map(|place| lz4_flex::block::compress_into(body, place));
    match written {
        Some(Ok(written)) if LENGTH_BYTES + written < body.len() => {
            value.truncate(block + written);
            true
        }
        _ => {
            value.truncate(start);
            false
        }
    }
}

/// What [`append`] was given; None when that is not what it appended.
pub(super) fn expanded(squeezed: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = squeezed.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > block.len().saturating_mul(EXPANDED) {
        return None;
    }
    lz4_flex::block::decompress(block, length).ok().filter(|body| body.len() == length)
}
