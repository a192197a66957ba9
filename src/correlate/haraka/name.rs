//! What a connection or a transaction is called: small, and the same however it was logged.

use std::fmt;

use mailherald_parsers::haraka::Uuid;
use serde::{Deserialize, Serialize};

/// `C` or `C.N`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Name {
    connection: u128,
    /// Zero for the connection itself.
    transaction: u32,
}

impl Name {
    /// The connection that a line is about.
    #[must_use]
    pub fn of_connection(uuid: Uuid<'_>) -> Self {
        let digits = uuid.connection().bytes().filter_map(|byte| char::from(byte).to_digit(16));
        let connection = digits.fold(0, |number, digit| number << 4 | u128::from(digit));
        Self { connection, transaction: 0 }
    }

    /// The transaction that a line is about, if it is about one.
    #[must_use]
    pub fn of_transaction(uuid: Uuid<'_>) -> Option<Self> {
        Some(Self { transaction: uuid.transaction?, ..Self::of_connection(uuid) })
    }

    /// Another transaction of the same connection.
    #[must_use]
    pub fn with_transaction(self, transaction: u32) -> Self {
        Self { transaction, ..self }
    }

    /// The name that [`fmt::Display`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::parse(text.as_bytes()).filter(|uuid| uuid.item.is_none())?;
        Some(Self::of_transaction(uuid).unwrap_or_else(|| Self::of_connection(uuid)))
    }

    /// It is one of a transaction.
    #[must_use]
    pub fn is_transaction(self) -> bool {
        self.transaction > 0
    }

    /// The number of the transaction.
    #[must_use]
    pub fn transaction(self) -> u32 {
        self.transaction
    }
}

/// As Haraka logs it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.connection;
        let (high, rest) = (c >> 96, c & (u128::MAX >> 32));
        let [a, b, d] = [rest >> 80, rest >> 64, rest >> 48].map(|part| part & 0xffff);
        write!(f, "{high:08X}-{a:04X}-{b:04X}-{d:04X}-{:012X}", rest & 0xffff_ffff_ffff)?;
        match self.transaction {
            0 => Ok(()),
            transaction => write!(f, ".{transaction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_prints_as_it_was_logged() {
        const C: &str = "046261E6-06CD-432C-B6CD-619CD774B20F";
        for text in [C.to_owned(), format!("{C}.1"), format!("{C}.4294967295")] {
            assert_eq!(Name::parse(&text).map(|name| name.to_string()), Some(text));
        }
        assert_eq!(Name::parse(&format!("{C}.1.1")), None);
    }
}
