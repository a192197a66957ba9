//! Server-sent events, cut out of the bytes as they come (WHATWG HTML, section 9.2.6).

/// Bytes of one event at most: a body of 256 KiB, all of it escaped, and some more.
const LONGEST: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// What kind it is.
    pub(super) name: String,
    /// What it says; empty when it only tells where the stream is.
    pub(super) data: String,
    /// Where the stream is with it.
    pub(super) id: Option<String>,
}

/// More came without an end than any event of ours has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What has come and is not read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// Bytes of it that are read.
    read: usize,
    open: Message,
}

impl Reader {
    /// More came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() + self.open.data.len() > LONGEST { Err(TooLong) } else { Ok(()) }
    }

    /// The next event that is complete.
    pub(super) fn next(&mut self) -> Option<Message> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                let message = std::mem::take(&mut self.open);
                if !message.data.is_empty() || message.id.is_some() {
                    return Some(message);
                }
            } else {
                self.open.field(&line);
            }
        }
        None
    }

    fn line(&mut self) -> Option<String> {
        let rest = self.bytes.get(self.read..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line).into_owned();
        self.read += end + 1;
        Some(text)
    }
}

impl Message {
    /// `name: value`; a line that begins with a colon is a comment.
    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn message(name: &str, data: &str, id: Option<&str>) -> Message {
        Message { name: name.into(), data: data.into(), id: id.map(str::to_owned) }
    }

    #[test]
    fn however_the_bytes_are_cut_the_same_events_come_out() {
        let text = ": hello\n\nid: 6\n\nevent: event\r\ndata: {\"ü\":1}\r\nid: 7\r\n\r\n\
                    event:gap\ndata:a\ndata: b\n\nevent: never\ndata: complete\n";
        let expected = [
            message("", "", Some("6")),
            message("event", "{\"ü\":1}", Some("7")),
            message("gap", "a\nb", None),
        ];
        for size in 1..text.len() {
            let (mut reader, mut found) = (Reader::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                reader.push(piece).unwrap();
                found.extend(std::iter::from_fn(|| reader.next()));
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_has_no_end_is_not_kept_for_ever() {
        let mut reader = Reader::default();
        assert!((0..LONGEST / 1024 + 2).any(|_| reader.push(&[b'a'; 1024]).is_err()));
    }
}
