//! The name of a connection, a transaction or an item of the queue.

use crate::fields::small_number;

/// Bytes of an RFC 9562 UUID.
const CONNECTION_BYTES: usize = 36;

/// `C`, `C.N` or `C.N.K`: a connection, its N-th transaction, the K-th item of the queue that was
/// made of it (Haraka `connection.js`, `init_transaction()`; `outbound/index.js`).
///
/// What Haraka sends by itself, and what a plugin hands to `outbound.send_email()`, has a name of
/// its own, so its item is `D.1` and looks like a transaction. Only the origin of the line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid<'a> {
    /// As logged.
    text: &'a str,
    /// Length of the name of the transaction; of the connection where there is none.
    transaction_bytes: u8,
    /// The number of the transaction.
    pub transaction: Option<u32>,
    /// The number of the item.
    pub item: Option<u32>,
}

impl<'a> Uuid<'a> {
    /// Reads the whole of `text`; none for anything else, `-` included.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (connection, rest) = text.split_at_checked(CONNECTION_BYTES)?;
        if !is_uuid(connection) {
            return None;
        }
        let (transaction, rest) = number(rest)?;
        let transaction_bytes = u8::try_from(text.len() - rest.len()).ok()?;
        let (item, rest) = number(rest)?;
        let text = std::str::from_utf8(text).ok()?;
        rest.is_empty().then_some(Self { text, transaction_bytes, transaction, item })
    }

    /// As logged.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// `C`.
    #[must_use]
    pub fn connection(self) -> &'a str {
        self.text.get(..CONNECTION_BYTES).unwrap_or(self.text)
    }

    /// `C.N`; none for a connection before its first transaction.
    #[must_use]
    pub fn transaction_name(self) -> Option<&'a str> {
        self.transaction?;
        self.text.get(..self.transaction_bytes.into())
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// `.7`, if there is something; and what follows.
fn number(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((None, text));
    };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(count)?;
    Some((Some(small_number(digits)?), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const C: &str = "446261E6-06CD-432C-B6CD-619CD774B20F";

    #[test]
    fn each_name_knows_what_it_belongs_to() {
        for (text, transaction, item) in [
            (C.to_owned(), None, None),
            (format!("{C}.2"), Some(2), None),
            (format!("{C}.2.13"), Some(2), Some(13)),
        ] {
            let uuid = Uuid::parse(text.as_bytes()).unwrap();
            assert_eq!((uuid.as_str(), uuid.connection()), (text.as_str(), C));
            assert_eq!((uuid.transaction, uuid.item), (transaction, item));
            let name = transaction.map(|number| format!("{C}.{number}"));
            assert_eq!(uuid.transaction_name(), name.as_deref());
        }
    }

    #[test]
    fn anything_else_is_no_name() {
        for text in ["-", "", "446261E6", "446261E6-06CD-432C-B6CD-619CD774B20X"] {
            assert_eq!(Uuid::parse(text.as_bytes()), None, "{text}");
        }
        for end in [".", ".x", ".1.", ".1.1.1", ".1 ", ".99999999999"] {
            assert_eq!(Uuid::parse(format!("{C}{end}").as_bytes()), None, "{end}");
        }
    }
}
