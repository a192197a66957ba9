//! Frames: the length of the rest in four bytes (big-endian), a command byte, its data.

/// Longest frame that is passed over and not refused. Postfix sends at most 65,536 bytes of body
/// and 60,000 of a header; Sendmail may send longer headers.
pub const FRAME_BYTES: usize = 1024 * 1024;

/// Bytes kept of the data of one frame: a whole piece of a body (`MILTER_CHUNK_SIZE`, 65,535).
pub const KEPT_BYTES: usize = 64 * 1024;

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which command.
    pub code: u8,
    /// What it says: the first [`KEPT_BYTES`].
    pub data: &'a [u8],
    /// There was more data.
    pub is_cut: bool,
}

/// No mail server sends a frame of that length: the stream is something else, or out of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLength(pub u32);

/// Cuts a stream into frames. Memory is bounded by [`KEPT_BYTES`], and grows with the bytes that
/// came, never with a length that was only announced.
#[derive(Debug, Default)]
pub struct Frames {
    /// The length, as far as it has come.
    head: [u8; 4],
    head_bytes: usize,
    /// Command byte and data under way.
    kept: Vec<u8>,
    /// Bytes of them that are still to come.
    left: usize,
    is_cut: bool,
}

impl Frames {
    /// Gives the first frame that ends in `bytes`, and what follows it. None when it goes on in the
    /// bytes to come; then all are taken.
    ///
    /// # Errors
    /// [`BadLength`], and then the stream has no frames any more.
    pub fn next<'a>(&'a mut self, bytes: &mut &[u8]) -> Result<Option<Frame<'a>>, BadLength> {
        if self.left == 0 && !self.begin(bytes)? {
            return Ok(None);
        }
        let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
        *bytes = rest;
        self.keep(piece);
        if self.left > 0 {
            return Ok(None);
        }
        self.head_bytes = 0;
        let frame = self.kept.split_first();
        Ok(frame.map(|(&code, data)| Frame { code, data, is_cut: self.is_cut }))
    }

    /// Reads the length; whether it is there.
    fn begin(&mut self, bytes: &mut &[u8]) -> Result<bool, BadLength> {
        while let Some(place) = self.head.get_mut(self.head_bytes) {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(false) };
            *place = byte;
            self.head_bytes += 1;
            *bytes = rest;
        }
        let length = u32::from_be_bytes(self.head);
        self.left = usize::try_from(length)
            .ok()
            .filter(|length| (1..=FRAME_BYTES).contains(length))
            .ok_or(BadLength(length))?;
        self.kept.clear();
        self.is_cut = false;
        Ok(true)
    }

    fn keep(&mut self, piece: &[u8]) {
        self.left -= piece.len();
        let room = (1 + KEPT_BYTES).saturating_sub(self.kept.len());
        let kept = piece.get(..room).unwrap_or(piece);
        self.is_cut |= kept.len() < piece.len();
        self.kept.extend_from_slice(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]]) -> Result<Vec<(u8, Vec<u8>, bool)>, BadLength> {
        let mut cutter = Frames::default();
        let mut all = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while let Some(frame) = cutter.next(&mut rest)? {
                all.push((frame.code, frame.data.to_vec(), frame.is_cut));
            }
            assert!(rest.is_empty());
        }
        Ok(all)
    }

    #[test]
    fn frames_end_where_their_length_says_and_not_where_a_read_does() {
        let stream = b"\0\0\0\x01T\0\0\0\x03Hab\0\0\0\x01Q";
        let expected =
            [(b'T', vec![], false), (b'H', b"ab".to_vec(), false), (b'Q', vec![], false)];
        for cut in 0..=stream.len() {
            let (one, two) = stream.split_at(cut);
            assert_eq!(frames(&[one, two]).unwrap(), expected);
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&single).unwrap(), expected);
    }

    #[test]
    fn a_length_that_no_mail_server_sends_is_refused() {
        assert_eq!(frames(&[b"\0\0\0\0T"]), Err(BadLength(0)));
        assert_eq!(frames(&[b"\0\x10\0\x01T"]), Err(BadLength(0x10_0001)));
        assert_eq!(frames(&[b"GET / HTTP/1.1\r\n"]), Err(BadLength(0x4745_5420)));
    }

    #[test]
    fn of_a_long_frame_the_beginning_is_kept_and_the_next_one_is_whole() {
        let mut stream = 0x10_0000_u32.to_be_bytes().to_vec();
        stream.push(b'L');
        stream.resize(4 + 0x10_0000, b'x');
        stream.extend_from_slice(b"\0\0\0\x01Q");
        let all = frames(&[&stream]).unwrap();
        assert_eq!((all[0].0, all[0].1.len(), all[0].2), (b'L', KEPT_BYTES, true));
        assert_eq!(all[1], (b'Q', vec![], false));
    }
}
