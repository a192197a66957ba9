//! How secrets are kept: sealed when there is a key for that, as they are when there is none.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    seal::{SealError, Sealed, Sealer},
    text::Secret,
};

/// What secrets are sealed with before they are stored, and opened with afterwards.
#[derive(Debug, Clone, Default)]
pub struct Sealing {
    /// Seals. Without it secrets are stored as they are.
    pub key: Option<Sealer>,
    /// Opens what was sealed before the key was changed.
    pub former: Option<Sealer>,
}

/// A secret as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// Readable for whoever reads the store.
    Plain(String),
    /// Under a key that is not in the store.
    Sealed(Sealed),
}

impl Sealing {
    /// Makes `secret` fit to be stored for `owner`.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn keep(&self, secret: &Secret, owner: &[u8]) -> Result<Kept, SealError> {
        self.keep_text(secret.reveal_once(), owner)
    }

    /// The same for what [`Sealing::open`] gave.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn keep_text(&self, text: &str, owner: &[u8]) -> Result<Kept, SealError> {
        match &self.key {
            Some(key) => Ok(Kept::Sealed(key.seal(text.as_bytes(), owner)?)),
            None => Ok(Kept::Plain(text.to_owned())),
        }
    }

    /// The text of what was kept for `owner`.
    ///
    /// # Errors
    /// It was sealed under a key that is not given, or is damaged.
    pub fn open(&self, kept: &Kept, owner: &[u8]) -> Result<String, SealError> {
        let sealed = match kept {
            Kept::Plain(text) => return Ok(text.clone()),
            Kept::Sealed(sealed) => sealed,
        };
        let mut keys = self.key.iter().chain(&self.former);
        let fitting = keys.find(|key| sealed.is_under(key));
        let key = fitting.or(self.key.as_ref());
        let key = key.ok_or_else(|| SealError::NoKey { sealed: sealed.key_id() })?;
        String::from_utf8(key.open(sealed, owner)?).map_err(|_| SealError::Damaged)
    }

    /// It is kept as [`Sealing::keep`] would keep it now.
    #[must_use]
    pub fn is_current(&self, kept: &Kept) -> bool {
        match (kept, &self.key) {
            (Kept::Plain(_), None) => true,
            (Kept::Sealed(sealed), Some(key)) => sealed.is_under(key),
            _ => false,
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(…)"),
            Self::Sealed(sealed) => write!(f, "Sealed({})", sealed.key_id()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn key(byte: u8) -> Sealer {
        Sealer::from_text(&data_encoding::BASE64.encode(&[byte; 32])).unwrap()
    }

    #[test]
    fn what_was_kept_opens_as_long_as_its_key_is_given() {
        let secret = Secret::generate().unwrap();
        let (none, one) = (Sealing::default(), Sealing { key: Some(key(1)), former: None });
        let changed = Sealing { key: Some(key(2)), former: Some(key(1)) };
        let plain = none.keep(&secret, b"a").unwrap();
        let sealed = one.keep(&secret, b"a").unwrap();
        for (sealing, kept, is_current) in [
            (&none, &plain, true),
            (&one, &plain, false),
            (&one, &sealed, true),
            (&changed, &sealed, false),
        ] {
            assert_eq!(sealing.open(kept, b"a").unwrap(), secret.reveal_once());
            assert_eq!(sealing.is_current(kept), is_current);
        }
        assert!(!none.is_current(&sealed));
        let (sealed_under, given) = (key(1).id(), key(2).id());
        let missing = SealError::NoKey { sealed: sealed_under.clone() };
        assert_eq!(none.open(&sealed, b"a"), Err(missing));
        let wrong = Sealing { key: Some(key(2)), former: None };
        let other = SealError::OtherKey { sealed: sealed_under, given };
        assert_eq!(wrong.open(&sealed, b"a"), Err(other));
        assert!(!format!("{plain:?}{sealed:?}").contains(secret.reveal_once()));
    }
}
