//! Stored values: one format version byte, then postcard.
//!
//! postcard is not self-describing, so any change of a stored type needs a new version and a
//! reader for the old one.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

/// Why a stored value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Not even a version byte.
    #[error("a stored {what} is empty")]
    Empty {
        /// What the value is.
        what: &'static str,
    },
    /// Written in a format that this version does not read.
    #[error("a stored {what} has format {found}, but this version reads format {supported}")]
    UnknownVersion {
        /// What the value is.
        what: &'static str,
        /// The format found.
        found: u8,
        /// The format known here.
        supported: u8,
    },
    /// The version is right, the content is not.
    #[error("a stored {what} is damaged")]
    Malformed {
        /// What the value is.
        what: &'static str,
    },
}

/// `value` in format `version`.
///
/// # Panics
///
/// When the type's `Serialize` fails, which derived ones over plain data never do.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(version: u8, value: &T) -> Vec<u8> {
    let mut bytes = vec![version];
    append(value, &mut bytes);
    bytes
}

/// Appends `value` without a version to what is in `bytes`.
///
/// # Panics
///
/// As [`encode`].
pub(super) fn append<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "stored types derive Serialize over plain data")]
    postcard::serialize_with_flavor(value, Behind(bytes))
        .expect("derived Serialize over plain data succeeds");
}

/// Writes behind what is in a buffer; strings at once, where [`postcard::to_extend`] goes byte by
/// byte.
struct Behind<'a>(&'a mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            // Most lengths: cheaper than a call that copies.
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a value written by [`encode`] in format `version`. `what` names it in errors.
///
/// # Errors
///
/// [`CodecError`] for an empty value, another version, damage, or bytes left over.
pub fn decode<T: DeserializeOwned>(
    what: &'static str,
    version: u8,
    bytes: &[u8],
) -> Result<T, CodecError> {
    let (&found, body) = bytes.split_first().ok_or(CodecError::Empty { what })?;
    if found != version {
        return Err(CodecError::UnknownVersion { what, found, supported: version });
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(CodecError::Malformed { what }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn a_value_comes_back_and_another_version_is_refused_by_name() {
        let bytes = encode(3, &("a", 7_u64));
        assert_eq!(bytes[0], 3);
        assert_eq!(decode::<(String, u64)>("pair", 3, &bytes).unwrap(), ("a".to_owned(), 7));
        assert_eq!(
            decode::<(String, u64)>("pair", 2, &bytes).unwrap_err().to_string(),
            "a stored pair has format 3, but this version reads format 2"
        );
    }

    #[test]
    fn short_long_and_empty_values_are_refused() {
        let bytes = encode(1, &("abc", 7_u64));
        for end in 1..bytes.len() {
            let error = decode::<(String, u64)>("pair", 1, &bytes[..end]).unwrap_err();
            assert_eq!(error, CodecError::Malformed { what: "pair" });
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert!(decode::<(String, u64)>("pair", 1, &longer).is_err());
        assert_eq!(decode::<u8>("byte", 1, b""), Err(CodecError::Empty { what: "byte" }));
    }
}
