//! Blocks of `Name: value` lines with empty lines between them (RFC 3464 §2.1, RFC 5322 §2.2).

use super::text;

/// Blocks kept.
const BLOCKS: usize = 1001;

/// Fields kept of one block.
const FIELDS: usize = 200;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// Names in lower case, and values without folds; never empty.
    fields: Vec<(String, String)>,
}

impl Block {
    /// Value of the first field of that name, which is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Values of all fields of that name, in order.
    pub(super) fn all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub(super) fn into_fields(self) -> Vec<(String, String)> {
        self.fields
    }

    fn push(&mut self, line: &[u8]) {
        let Some(colon) = memchr::memchr(b':', line).filter(|_| self.fields.len() < FIELDS) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        let value = text(value.get(1..).unwrap_or_default());
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        if is_name && name.len() <= 100 && !value.is_empty() {
            self.fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
        }
    }
}

/// All blocks that have a field.
pub(super) fn blocks(bytes: &[u8]) -> Vec<Block> {
    let (mut blocks, mut block, mut field) = (Vec::new(), Block::default(), Vec::new());
    for line in lines(bytes) {
        if matches!(line.first(), Some(b' ' | b'\t')) && !line.trim_ascii().is_empty() {
            continue_field(&mut field, line);
            continue;
        }
        block.push(&field);
        field.clear();
        if line.trim_ascii().is_empty() {
            end(&mut block, &mut blocks);
        } else {
            field.extend_from_slice(line);
        }
    }
    block.push(&field);
    end(&mut block, &mut blocks);
    blocks
}

/// The first block: the headers of a message.
pub(super) fn head(bytes: &[u8]) -> Block {
    blocks(head_bytes(bytes)).into_iter().next().unwrap_or_default()
}

/// What stands before the first empty line.
pub(super) fn head_bytes(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
        end += line.len();
    }
    bytes.get(..end).unwrap_or(bytes)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A fold is one space (RFC 5322 §2.2.3). What is too long to be kept is not collected either.
fn continue_field(field: &mut Vec<u8>, line: &[u8]) {
    if !field.is_empty() && field.len() < 2 * super::VALUE_BYTES {
        field.push(b' ');
        field.extend_from_slice(line.trim_ascii());
    }
}

fn end(block: &mut Block, blocks: &mut Vec<Block>) {
    let block = std::mem::take(block);
    if !block.fields.is_empty() && blocks.len() < BLOCKS {
        blocks.push(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_line_ends_and_odd_lines_are_read_leniently() {
        let all =
            blocks(b"\r\nA: 1\r\n folded\r\nno field\r\n: none\r\nB:\r\nb:2\r\n\r\n \t\nC : 3");
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].get("a"), all[0].get("b")), (Some("1 folded"), Some("2")));
        assert_eq!(all[1].get("c"), Some("3"));
    }

    #[test]
    fn the_head_ends_with_the_first_empty_line() {
        assert_eq!(head_bytes(b"A: 1\r\n\r\nB: 2\n\n"), b"A: 1\r\n");
        assert_eq!(head(b"A: 1\n\nB: 2").get("b"), None);
        assert_eq!(head_bytes(b"A: 1"), b"A: 1");
    }

    #[test]
    fn many_blocks_and_many_fields_are_bounded() {
        assert_eq!(blocks("A: 1\n\n".repeat(3000).as_bytes()).len(), BLOCKS);
        assert_eq!(blocks("A: 1\n".repeat(3000).as_bytes())[0].all("a").count(), FIELDS);
    }
}
